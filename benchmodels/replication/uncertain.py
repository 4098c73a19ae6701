"""What is uncertain about the best practice of a study, and how it stands beside the average."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.asked import entropy
from benchmodels.beside import average_beside_best
from benchmodels.errors import BenchmodelsError, BenchmodelsWarning, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.beside import AverageBesideBest
    from benchmodels.comparison import Comparison
    from benchmodels.frontier import DEAFit
    from benchmodels.frontier.bootstrap import FrontierBootstrap
    from benchmodels.ranking import Ranking
    from benchmodels.replication.study import Study

    Floats = NDArray[np.float64]

__all__ = ["Best", "best_of"]

# Of a target: a smaller difference is rounding, a larger one slack.
_NEAR = 1e-7


@dataclass(frozen=True, eq=False, kw_only=True)
class Best:
    """Best practice with its uncertainty, for the k units of a frontier.

    Parameters
    ----------
    comparison : Comparison
        Observed over what the best would have, its uncertainty withheld where no frontiers were drawn.
    bootstrap : FrontierBootstrap, optional
        None where the study asks for none, or where none can be had; a warning says why.
    ranking : Ranking, optional
        By nearness to best practice; None without a bootstrap, or where the study asks for no ranks.
    beside : AverageBesideBest, optional
        Only where the study's outcome is the single good that moves, as it is, and what is expected is of each unit's
        own people (``standard = "indirect"``): else the two are not of the same thing, and it is None.
    rng : str
        What the generator was started from.
    """

    comparison: Comparison
    bootstrap: FrontierBootstrap | None
    ranking: Ranking | None
    beside: AverageBesideBest | None
    rng: str

    def to_frame(self) -> pd.DataFrame:
        """Return unit, lower, upper, corrected of the efficiency; with ranks also rank_lower and rank_upper."""
        assert self.bootstrap is not None
        frame = self.bootstrap.to_frame()[["unit", "lower", "upper", "corrected"]]
        if self.ranking is not None:
            for end in ("lower", "upper"):
                frame[f"rank_{end}"] = pd.array(getattr(self.ranking, end), dtype="Int64")
        return frame

    def limits(self, targets: pd.DataFrame) -> dict[str, Floats]:
        """Return lower and upper of targets, NaN where one does not move, or has slack, which is not drawn."""
        nothing = np.full(len(targets), np.nan)
        if self.bootstrap is None:
            return {"lower": nothing, "upper": nothing}
        drawn = self._targets
        moves = (targets["part"] == self.bootstrap.fit.model.orientation).to_numpy()
        target = targets["target"].to_numpy(dtype=np.float64)
        told = moves & (np.abs(target - drawn["target"]) <= _NEAR * np.abs(target)).to_numpy()
        return {end: np.where(told, drawn[end], np.nan) for end in ("lower", "upper")}

    @cached_property
    def _targets(self) -> pd.DataFrame:
        assert self.bootstrap is not None
        return self.bootstrap.targets()

    def drawn(self) -> pd.DataFrame:
        """Return unit, peer, found and frequency of those that units were held against in the frontiers drawn."""
        assert self.bootstrap is not None
        return self.bootstrap.peers()

    def record(self) -> dict[str, Any]:
        """Return what a manifest says of it."""
        if self.bootstrap is None:
            return {}
        coverage = self.comparison.coverage
        return {
            "kind": self.bootstrap.kind,
            "replicates": len(self.bootstrap.errors),
            "subset": self.bootstrap.subset,
            "level": self.bootstrap.level,
            "noise": self.comparison.source.noise,
            "coverage": "" if coverage is None else coverage.of_intervals(),
            "coverage_of_ranks": "" if coverage is None else coverage.of_ranks(),
            "rng": self.rng,
        }


def best_of(study: Study, fit: DEAFit, average: Comparison, *, rng: np.random.Generator) -> Best:
    """Return best practice with its uncertainty, as the study asks for it.

    Parameters
    ----------
    study : Study
    fit : DEAFit
    average : Comparison
        With average practice, as it is published.
    rng : Generator
    """
    found = _drawn(study, fit, rng)
    comparison = fit.compare(contrast="ratio", better="low", bootstrap=found)
    asked = study.comparison.rank and found is not None
    return Best(
        comparison=comparison,
        bootstrap=found,
        ranking=_ranked(comparison, rng) if asked else None,
        beside=_beside(study, average, comparison),
        rng=entropy(rng),
    )


def _drawn(study: Study, fit: DEAFit, rng: np.random.Generator) -> FrontierBootstrap | None:
    asked = study.frontier
    if asked is None or not asked.replicates:
        return None
    try:
        return fit.bootstrap(replicates=asked.replicates, level=study.comparison.level, rng=rng)
    except BenchmodelsError as error:
        # The frontier itself does not rest on it.
        warnings.warn(f"no uncertainty of best practice: {error}", BenchmodelsWarning, stacklevel=2)
        return None


def _ranked(comparison: Comparison, rng: np.random.Generator) -> Ranking | None:
    from benchmodels.ranking import rank

    with warnings.catch_warnings():
        # Who has no uncertainty is told of the intervals; that each unit has a circle of its own, of the frontier.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        try:
            return rank(comparison, level=comparison.level, rng=rng)
        except SpecificationError:
            return None


def _beside(study: Study, average: Comparison, best: Comparison) -> AverageBesideBest | None:
    asked, outcome = study.frontier, study.model.formula.partition("~")[0].strip()
    if asked is None or average.standard != "indirect":
        return None
    moving = asked.inputs if asked.orientation == "input" else asked.outputs
    split = asked.orientation == "output" and asked.outputs_by is not None
    if moving != [outcome] or split:
        return None
    return average_beside_best(average, best, orientation=asked.orientation)

"""Composites fitted: how far each unit is from the best by its kindest weights, and what those weights are."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels._version import __version__
from benchmodels.comparison import Comparison, Source
from benchmodels.errors import BenchmodelsWarning, PartialResultWarning
from benchmodels.frontier.composites.uncertainty import CompositeUncertainty, Of, uncertainty_of, with_uncertainty
from benchmodels.frontier.scores import read_only
from benchmodels.kernels.composites import compose, share_ranges
from benchmodels.kernels.shared_simplex import OPTIMAL, STALLED
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.frontier.composites.model import BenefitOfTheDoubt
    from benchmodels.frontier.composites.outcomes import Outcomes
    from benchmodels.kernels.composites import Composed

    Floats = NDArray[np.float64]

__all__ = ["BenefitOfTheDoubtFit", "fit_composite"]

# Steps from the frontier up to which a unit is on it, but for rounding.
_ON = 1e-9
# An efficiency below this has no digit that is known.
_NOTHING = 1e-12
_WHY = "a composite's uncertainty is known by uncertainty(): of the outcomes' own errors, or of which units there are"


def fit_composite(model: BenefitOfTheDoubt, outcomes: Outcomes) -> BenefitOfTheDoubtFit:
    """Return what `BenefitOfTheDoubt.fit` documents."""
    k, s = outcomes.value.shape
    if k < 3 * (s + 1):
        warnings.warn(
            f"{k} units are few for {s} outcomes (at least {3 * (s + 1)} are advised): most will look best, for want "
            "of anyone to be held against",
            BenchmodelsWarning,
            stacklevel=3,
        )
    corners = model.corners()
    with one_blas_thread():
        found = compose(outcomes.value * outcomes.sign, outcomes.steps, corners)
    if model.orientation == "radial" and outcomes.better[0] == "low":
        found = _known(found)
    read_only(found)
    lost = found.status != OPTIMAL
    if lost.any():
        warnings.warn(
            f"{int(lost.sum())} of {k} units have no composite (their program was not solved): "
            f"{listed(outcomes.unit[lost])}",
            PartialResultWarning,
            stacklevel=3,
        )
    return BenefitOfTheDoubtFit(model=model, outcomes=outcomes, corners=corners, found=found)


def _known(found: Composed) -> Composed:
    """Return low outcomes' composites without those of which nothing is left but rounding: as if not solved."""
    lost = (found.status == OPTIMAL) & (1.0 - found.beta < _NOTHING)
    if not lost.any():
        return found
    return replace(
        found, beta=np.where(lost, np.nan, found.beta), share=np.where(lost[:, None], np.nan, found.share),
        status=np.where(lost, STALLED, found.status),
    )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class BenefitOfTheDoubtFit:
    """Units held against the best by the weights that are kindest to each.

    Parameters
    ----------
    model : BenefitOfTheDoubt
    outcomes : Outcomes
        k units, s outcomes.
    corners : (v, s) array or None
        Of the shares that are permitted.
    found : Composed
    """

    model: BenefitOfTheDoubt
    outcomes: Outcomes
    corners: Floats | None
    found: Composed

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        read_only(self.found)

    def __repr__(self) -> str:
        best = int(np.sum(self.best))
        return f"BenefitOfTheDoubtFit({len(self.unit)} units, {best} of them best, {self.model!r})"

    @property
    def unit(self) -> NDArray[np.object_]:
        """Labels (k,), in sorted order; everything else is in the same."""
        return self.outcomes.unit

    @property
    def inefficiency(self) -> Floats:
        """Steps of the direction to the frontier (k,), 0 or more; NaN for the radial measure."""
        radial = self.model.orientation == "radial"
        return np.full(len(self.unit), np.nan) if radial else self.found.beta

    @property
    def efficiency(self) -> Floats:
        """In (0, 1]: high outcomes as a share of what the best make of them, or what low ones could fall to (k,).

        NaN for the directional measure.
        """
        return 1.0 / self.distance if self.model.orientation == "radial" else np.full(len(self.unit), np.nan)

    @property
    def distance(self) -> Floats:
        """What a comparison has for its estimate (k,): 1 / efficiency, 1 or more; or the inefficiency."""
        return distance_of(self, self.found.beta)

    @property
    def best(self) -> NDArray[np.bool_]:
        """Whether nobody does better by the unit's kindest weights (k,)."""
        return np.asarray(self.found.beta <= _ON)

    @property
    def certificate(self) -> str:
        """By what the solutions were checked, in words without a full stop."""
        worst = float(np.nanmax(self.found.residual))
        return f"largest relative residual of {len(self.unit)} programs: {worst:.1e} (1e-9 is allowed)"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a unit, by label: ``unit, efficiency, inefficiency, best, status``."""
        solved = self.found.status == OPTIMAL
        frame = {
            "unit": self.unit,
            "efficiency": self.efficiency,
            "inefficiency": self.inefficiency,
            "best": self.best,
            "status": np.where(solved, "solved", "not solved").astype(object),
        }
        return pd.DataFrame(frame).infer_objects()

    @cached_property
    def _ranges(self) -> tuple[Floats, Floats]:
        with one_blas_thread():
            better = self.outcomes.value * self.outcomes.sign
            low, high = share_ranges(better, self.outcomes.steps, self.corners, self.found.beta)
        lost = np.isnan(low + high).any(axis=1) & (self.found.status == OPTIMAL)
        if lost.any():
            warnings.warn(
                f"the ranges of the shares of {int(lost.sum())} of {len(lost)} units were not found: "
                f"{listed(self.unit[lost])}",
                PartialResultWarning,
                stacklevel=4,
            )
        return low, high

    def weights(self) -> pd.DataFrame:
        """Return the kindest weights, one row a unit and outcome: ``unit, outcome, weight, share, lower, upper``.

        ``weight`` is per unit of measure of the outcome, in the direction that is better, and weight x step is the
        ``share``, which sums to 1 over outcomes. ``lower`` and ``upper`` are the least and largest share over all
        weightings that are as kind: where they differ the weights are not the only ones, which for units on the
        frontier is the rule. Of an outcome that is zero where the step is the unit's own the share is zero and the
        weight not told.
        """
        share, (low, high) = self.found.share, self._ranges
        steps = self.outcomes.steps
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.where(steps > 0, share / steps, np.nan)
        columns = {"weight": weight, "share": share, "lower": low, "upper": high}
        return self._long({name: values.ravel() for name, values in columns.items()})

    def contributions(self) -> pd.DataFrame:
        """Return what each outcome contributes to the distance, one row a unit and outcome.

        Columns ``unit, outcome, value, target, gap, share, contribution``: the ``target`` is the outcome of the mixture
        of peers, ``gap`` how many steps better that is than the value (below zero where the unit is ahead in it), and
        ``contribution`` = share x gap, which sums to the steps to the frontier: the inefficiency; of the radial measure
        1 / efficiency - 1 where high is better, 1 - efficiency where low is.
        """
        value, steps = self.outcomes.value, self.outcomes.steps
        peer, weight = self.found.peer, self.found.weight
        target = np.einsum("kd,kds->ks", weight, value[np.maximum(peer, 0)])
        target = np.where((self.found.status == OPTIMAL)[:, None], target, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = np.where(steps > 0, (target - value) * self.outcomes.sign / steps, np.nan)
        # What has no weight contributes nothing, also where the gap has no steps to be told in.
        part = np.where(self.found.share == 0, 0.0, self.found.share * gap)
        part = np.where((self.found.status == OPTIMAL)[:, None], part, np.nan)
        columns = {"value": value, "target": target, "gap": gap, "share": self.found.share, "contribution": part}
        return self._long({name: values.ravel() for name, values in columns.items()})

    def _long(self, columns: dict[str, Floats]) -> pd.DataFrame:
        k, s = self.outcomes.value.shape
        names = np.tile(np.array(self.outcomes.names, dtype=object), k)
        return pd.DataFrame({"unit": np.repeat(self.unit, s), "outcome": names} | columns).infer_objects()

    def peers(self) -> pd.DataFrame:
        """Return the mixture that each unit is held against: ``unit, peer, weight``, weights of a unit summing to 1.

        One such mixture where there are several; `possible_peers` has all that can be in one. The best are their own.
        """
        unit, place = np.nonzero((self.found.peer >= 0) & (self.found.weight > 0))
        frame = {
            "unit": self.unit[unit],
            "peer": self.unit[self.found.peer[unit, place]],
            "weight": self.found.weight[unit, place],
        }
        return pd.DataFrame(frame).infer_objects()

    def possible_peers(self) -> pd.DataFrame:
        """Return every unit that can be a peer, ``unit, peer``; the order of the table's rows does not matter."""
        unit = np.repeat(np.arange(len(self.unit)), np.diff(self.found.first))
        return pd.DataFrame({"unit": self.unit[unit], "peer": self.unit[self.found.possible]}).infer_objects()

    def uncertainty(
        self,
        *,
        of: Of = "outcomes",
        replicates: int = 2000,
        noise_correlation: float | Floats = 0.0,
        subset: int | None = None,
        level: float = 0.95,
        rng: int | np.random.Generator | None = None,
        workers: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> CompositeUncertainty:
        """Tell how sure the composites are: of the outcomes' errors, or of which units there happen to be.

        Parameters
        ----------
        of : {'outcomes', 'units'}, default 'outcomes'
            'outcomes': chance in the outcomes themselves, where they came from comparisons. What the outcomes may truly
            be is drawn for all units at once, around each outcome's shrunken estimate (normal effects and errors,
            empirical Bayes), and everyone is held against the best of each draw: the frontier moves too. The units are
            those that there are. 'units': the outcomes are taken as they are, and the units as a sample of what can be
            done, by subsamples (Kneip, Simar & Wilson 2008); a frontier of all possible practice lies further out.
            Neither covers what the other does.
        replicates : int, default 2000
        noise_correlation : float or (s, s) array, default 0
            Of the errors of two outcomes of a unit, which matters where they are of the same people. Errors of two
            units count as independent.
        subset : int, optional
            Units of a subsample; by default the one of k to the power .4, .45, …, .9 around which intervals move least.
        level : float, default .95
        rng : int, Generator or None
            The same seed gives the same answer, whatever the number of workers.
        workers : int, default 1
            As in `benchmodels.parallel.map_blocks`.
        progress : callable, optional
            Called with the number of replicates done.

        Returns
        -------
        CompositeUncertainty

        Raises
        ------
        SpecificationError
            Outcomes without errors, or units without a composite; options that cannot be meant.
        DataError
            Draws at or below zero of outcomes that are held against each other in proportion.

        Warns
        -----
        PartialResultWarning
            Units without an interval, with the reason; an interrupt, which keeps replicates done.

        Notes
        -----
        Why draws are around shrunken estimates: of many noisy units the best look better than any is, so that noise
        moves the frontier found outwards, and errors added once more would move it further. Outcomes are shrunken
        together: shrunken one by one, they would be drawn good in one and bad in another, nearer to a frontier that
        nobody makes. Asked for at 95 %, intervals of outcomes with a reliability .8 or more held in .91 to .97 of
        cases, with .5 in .90 to .97, over simulated tables of 40 and 98 units; rank sets in all but a few. Of units
        they held less: in .77 to .95 with two outcomes, .82 to .90 with three, .63 to .89 with five
        (``tests/recovery/composite_coverage.py``). A comparison says the coverage of its own kind.
        """
        return uncertainty_of(
            self, of=of, replicates=replicates, noise_correlation=noise_correlation, subset=subset, level=level,
            rng=rng, workers=workers, progress=progress,
        )  # fmt: skip

    def compare(self, *, uncertainty: CompositeUncertainty | None = None) -> Comparison:
        """Return the composites as a comparison: 1 against the efficiency, or the inefficiency against none.

        Parameters
        ----------
        uncertainty : CompositeUncertainty, optional
            Of this fit: it becomes the comparison's replicates, and its level that of the intervals.

        Returns
        -------
        Comparison
            Low is better. Of the radial measure a ratio, 1 / efficiency; else a difference, the inefficiency in steps.
            Without ``uncertainty`` it is withheld with a reason; with it ``coverage`` says how often such intervals and
            rank sets were seen to hold, and where that is less than their level verdicts are withheld.

        Raises
        ------
        SpecificationError
            The uncertainty of another fit.
        """
        k, radial = len(self.unit), self.model.orientation == "radial"
        none = np.full(k, np.nan)
        comparison = Comparison(
            unit=self.unit,
            size=np.ones(k),
            observed=np.ones(k) if radial else self.inefficiency,
            expected=self.efficiency if radial else np.zeros(k),
            estimate=self.distance,
            lower=none,
            upper=none,
            noise=none,
            shared=np.zeros((k, 0)),
            core=np.zeros((0, 0)),
            null=1.0 if radial else 0.0,
            null_std_error=none,
            df=np.full(k, np.inf),
            overlap=none,
            withheld=np.where(self.found.status == OPTIMAL, _WHY, "its program was not solved").astype(object),
            standard="indirect",
            contrast="ratio" if radial else "difference",
            reference="all",
            level=0.95,
            better="low",
            source=Source(
                model=repr(self.model),
                version=__version__,
                rows_read=self.outcomes.rows_read,
                rows_dropped=self.outcomes.rows_dropped,
                noise="nothing: the uncertainty of a composite is not known without uncertainty()",
                data=self.outcomes.source,
                simulated=self.outcomes.simulated,
            ),
        )
        return comparison if uncertainty is None else with_uncertainty(comparison, self, uncertainty)


def distance_of(fit: BenefitOfTheDoubtFit, beta: Floats) -> Floats:
    """Return the distances that steps to the frontier make, in the fit's measure."""
    if fit.model.orientation == "directional":
        return beta
    return 1.0 + beta if fit.outcomes.better[0] == "high" else np.asarray(1.0 / (1.0 - beta))

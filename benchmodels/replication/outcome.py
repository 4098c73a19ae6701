"""The answer of one study: table, fit, comparison, verdicts, shrinkage and ranks; nothing is written."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.asked import generator
from benchmodels.errors import (
    BenchmodelsError,
    BenchmodelsWarning,
    DataError,
    PartialResultWarning,
    SpecificationError,
)
from benchmodels.replication.best_practice import fit_frontier
from benchmodels.replication.choices import steering_of
from benchmodels.replication.development import development_of
from benchmodels.replication.keeping_back import KeptBack, keep_back
from benchmodels.replication.models import model_of
from benchmodels.replication.tables import Table, load_table
from benchmodels.replication.uncertain import Best, best_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmodels.comparison import Comparison
    from benchmodels.disclosure import Withholding
    from benchmodels.flags import ReferenceDistribution
    from benchmodels.frontier import DEAFit
    from benchmodels.ranking import Ranking
    from benchmodels.replication.choices import Steering
    from benchmodels.replication.development import GrowthTables
    from benchmodels.replication.study import Asked, Study
    from benchmodels.shrinkage import Shrinkage

__all__ = ["STEPS", "Outcome", "answer"]

# That `answer` calls its ``progress`` for, and one for writing.
STEPS = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """All results of one study.

    Parameters
    ----------
    study : Study
    table : Table
    difference, ratio : Comparison
        The same fit with both contrasts, by the study's standard and reference.
    flags : DataFrame
        unit, estimate, different, unusual, z of the study's contrast, and what else `benchmodels.flags.Flags` tells.
    reference : ReferenceDistribution, optional
        As the study's ``comparison.limits`` asks; None where fewer than two units have an uncertainty.
    ranking : Ranking, optional
        Of direct standardisation; None where the study asks for none.
    shrinkage : Shrinkage, optional
        Of the study's contrast, towards the mean; None where the model has no noise to shrink by.
    frontier : DEAFit, optional
        Best practice of the same units; None where the study asks for none.
    best : Best, optional
        The comparison with it, its ranking, and the average beside it; None where the study asks for no frontier.
    choices : Steering, optional
        What units chose, held against the main comparison; None where the study names no choices.
    development : GrowthTables, optional
        What growth in amounts consists of; None where the study does not ask.
    parts, calibration : DataFrame, optional
        None where the model does not have them.
    parts_exact : bool
        False where continuous covariates were gathered on a grid for the parts.
    coefficients : DataFrame
    overall : float
        Observed rate of all units together, in the outcome's unit of measure.
    explained : float
    certificate : str
        That the fit converged, as the fit says it.
    notes : tuple of str
        Warnings, once each.
    """

    study: Study
    table: Table
    difference: Comparison
    ratio: Comparison
    flags: pd.DataFrame
    reference: ReferenceDistribution | None
    ranking: Ranking | None
    shrinkage: Shrinkage | None
    frontier: DEAFit | None
    best: Best | None
    choices: Steering | None
    development: GrowthTables | None
    parts: pd.DataFrame | None
    parts_exact: bool
    calibration: pd.DataFrame | None
    coefficients: pd.DataFrame
    overall: float
    explained: float
    certificate: str
    notes: tuple[str, ...]

    @property
    def main(self) -> Comparison:
        """The comparison with the study's own contrast."""
        return self.ratio if self.study.comparison.contrast == "ratio" else self.difference

    def to_frame(self) -> pd.DataFrame:
        """Return one row per unit: totals, rates on the scale told, both contrasts, both verdicts, ranks."""
        gap, ratio, scale = self.difference, self.ratio, self.study.comparison.scale
        frame = pd.DataFrame(
            {
                "unit": gap.unit,
                "size": gap.size,
                "observed": gap.observed,
                "expected": gap.expected,
                "observed_rate": gap.observed / gap.size * scale,
                "expected_rate": gap.expected / gap.size * scale,
                "difference": gap.estimate * scale,
                "difference_std_error": gap.std_error * scale,
                "difference_lower": gap.lower * scale,
                "difference_upper": gap.upper * scale,
                "ratio": ratio.estimate,
                "ratio_std_error": ratio.std_error,
                "ratio_lower": ratio.lower,
                "ratio_upper": ratio.upper,
                "different": self.main.different,
            }
        )
        frame["unit"] = frame["unit"].infer_objects()
        frame = frame.merge(self.flags[["unit", "unusual", "z"]], on="unit", how="left", validate="1:1")
        if self.shrinkage is not None:
            unscaled = 1.0 if self.study.comparison.contrast == "ratio" else scale
            for name in ("shrunken", "shrunken_std_error"):
                frame[name] = getattr(self.shrinkage, name) * unscaled
            frame["reliability"] = self.shrinkage.reliability
        if self.ranking is not None:
            ranks = self.ranking.to_frame().drop(columns="estimate")
            names = {"lower": "rank_lower", "upper": "rank_upper"}
            names |= {f"simultaneous_{end}": f"rank_simultaneous_{end}" for end in ("lower", "upper")}
            whole = ranks.rename(columns=names).set_index("unit").astype("Int64").reset_index()
            frame = frame.merge(whole, on="unit", how="left", validate="1:1")
        if self.frontier is not None:
            frame = frame.merge(self._practice(self.frontier), on="unit", how="left", validate="1:1")
        frame["overlap"], frame["withheld"] = gap.overlap, gap.withheld
        return frame

    def _practice(self, frontier: DEAFit) -> pd.DataFrame:
        """Return efficiencies and, of a frontier that was drawn again, their limits and places."""
        frame = pd.DataFrame({"unit": frontier.unit, "frontier_efficiency": frontier.efficiency}).infer_objects()
        if self.best is None or self.best.bootstrap is None:
            return frame
        names = {name: f"frontier_efficiency_{name}" for name in ("lower", "upper", "corrected")}
        names |= {f"rank_{end}": f"frontier_rank_{end}" for end in ("lower", "upper")}
        return frame.merge(self.best.to_frame().rename(columns=names), on="unit", validate="1:1")


def answer(
    study: Study,
    *,
    data: pd.DataFrame | str | Path | None = None,
    kept: KeptBack | None = None,
    rng: int | np.random.Generator | None = 0,
    progress: Callable[[str], None] | None = None,
) -> Outcome:
    """Answer the question of one study, writing nothing.

    Parameters
    ----------
    study : Study
    data : DataFrame, str or Path, optional
        In place of the study's own table.
    kept : KeptBack, optional
        What is kept back where studies are run together; by default what this one keeps back by itself.
    rng : int, numpy.random.Generator or None
        For the confidence sets of ranks; a child of it for the frontiers that are drawn.
    progress : callable, optional
        Called with the name of each of five steps as it begins.

    Raises
    ------
    DataError, SpecificationError, ConvergenceError
        As the table, the study and the model give cause to; a DataError where no unit has an expected value.
    """
    step = progress or (lambda _: None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", BenchmodelsWarning)
        step("table")
        kept = kept or keep_back([study], data=data)[study.id]
        hidden = kept.units
        for note in kept.notes:
            warnings.warn(note, PartialResultWarning, stacklevel=2)
        table = load_table(study, data=data, without=kept.without)
        step("fit")
        fit = _fit(study, table.frame, kept)
        step("compare")
        asked = study.comparison
        options: dict[str, Any] = {"reference": asked.reference, "level": asked.level, "better": asked.better}
        gap, ratio = (
            _published(fit.compare(standard=asked.standard, contrast=contrast, **options), hidden)
            for contrast in ("difference", "ratio")
        )
        main = ratio if asked.contrast == "ratio" else gap
        _refuse_without_expected(main)
        flags, reference, explained = _verdicts(main, asked)
        shrinkage, choices = _shrinkage(main), steering_of(study, table, main)
        frontier = fit_frontier(study, table, main.unit.tolist())
        (parts, exact), calibration = _parts(fit), _calibration(fit, study)
        step("rank")
        source = generator(rng)
        ranking = _ranking(fit, study, hidden, options=options, rng=source)
        # After the ranks, which are what they would be without it.
        best = None if frontier is None else best_of(study, frontier, main, rng=source.spawn(1)[0])
    return Outcome(
        study=study,
        table=table,
        difference=gap,
        ratio=ratio,
        flags=flags,
        reference=reference,
        ranking=ranking,
        shrinkage=shrinkage,
        frontier=frontier,
        best=best,
        choices=choices,
        development=development_of(study, table),
        parts=parts,
        parts_exact=exact,
        calibration=calibration,
        coefficients=fit.coefficients(),
        overall=float(fit.design.outcome.sum() / fit.design.size.sum()),
        explained=explained,
        certificate=str(fit.certificate),
        notes=_notes(caught, table, ranking),
    )


def _fit(study: Study, frame: pd.DataFrame, kept: KeptBack) -> Any:
    """Fit to the units that are published: coefficients and expected values would tell of counts kept back."""
    try:
        return model_of(study).fit(frame)
    except BenchmodelsError as error:
        raise type(error)(f"{error} ({kept.said()})" if kept.said() else str(error)) from error


def _published(comparison: Comparison, hidden: Withholding | None) -> Comparison:
    return comparison if hidden is None else hidden.apply(comparison)


def _calibration(fit: Any, study: Study) -> pd.DataFrame | None:
    """Return observed against expected in groups of cases, without groups of few; none of amounts of few people."""
    if study.disclosure is None:
        frame: pd.DataFrame = fit.calibration()
        return frame
    if not study.counted:
        return None
    from benchmodels.disclosure import withheld_units
    from benchmodels.publishing import publishable_frame

    frame = fit.calibration()
    count = (frame["observed"] * frame["size"]).round().to_numpy()
    asked = study.disclosure
    with warnings.catch_warnings():
        # Groups are no units; that some are empty is seen in the table.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        try:
            hidden = withheld_units(
                frame["bin"], count, frame["size"].to_numpy(),
                threshold=asked.threshold, zeros=asked.zeros, bounded=study.bounded,
            )  # fmt: skip
        except SpecificationError:
            # Too few groups to hide those of few cases among.
            return None
    return publishable_frame(frame, hidden, unit="bin", keep=("size", "units", "group", "expected"))


def _refuse_without_expected(comparison: Comparison) -> None:
    if not np.isfinite(comparison.estimate).any():
        reasons = "; ".join(dict.fromkeys(str(why) for why in comparison.withheld if why))
        hint = ", or comparison.reference = 'all'" if comparison.reference == "others" else ""
        raise DataError(
            f"none of the {len(comparison)} units has an expected value to be compared with"
            f"{f' ({reasons})' if reasons else ''}; it takes more units, or fewer terms in the formula{hint}"
        )


def _verdicts(comparison: Comparison, asked: Asked) -> tuple[pd.DataFrame, ReferenceDistribution | None, float]:
    from benchmodels.flags import explained_share, flag

    trim: dict[str, Any] = {"winsorise": asked.winsorise, "truncate": asked.truncate}
    try:
        flags = flag(comparison, method=asked.limits, level=comparison.level, **trim)
    except SpecificationError as error:
        if np.isfinite(comparison.estimate[comparison.null_std_error > 0]).sum() >= 2:
            raise SpecificationError(f"comparison.limits = {asked.limits!r}: {error}") from error
        # Fewer than two units with an uncertainty: there is no reference distribution, and the page says so.
        warnings.warn(str(error), BenchmodelsWarning, stacklevel=2)
        table = pd.DataFrame({"unit": comparison.unit, "estimate": comparison.estimate})
        table["different"], table["unusual"], table["z"] = comparison.different, "withheld", np.nan
        return table, None, float("nan")
    reference = flags.reference
    if reference is None:
        return flags.to_frame(), None, float("nan")
    if reference.method == "prediction" and asked.limits != "tau":
        told = "prediction limits are used: one row a unit cannot tell noise from variation between units"
        warnings.warn(f"{told} (limits = {asked.limits!r} was asked)", BenchmodelsWarning, stacklevel=2)
    for note in reference.notes:
        warnings.warn(note, BenchmodelsWarning, stacklevel=2)
    explained = explained_share(comparison) if comparison.standard == "indirect" else float("nan")
    return flags.to_frame(), reference, explained


def _shrinkage(comparison: Comparison) -> Shrinkage | None:
    """Shrink towards the mean; None where a unit's own noise is not known, or too few units have one."""
    from benchmodels.shrinkage import shrink

    if comparison.null_kind == "prediction":
        return None
    with warnings.catch_warnings():
        # Who is left out, and that effects go with precision, is told of the units' own figures.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        try:
            return shrink(comparison)
        except SpecificationError:
            return None


def _parts(fit: Any) -> tuple[pd.DataFrame | None, bool]:
    from benchmodels.decomposition import decompose

    try:
        found = decompose(fit)
    except BenchmodelsError as error:
        # Of all kinds: parts that do not add up are not shown, and the rest of the result does not rest on them.
        warnings.warn(f"no decomposition: {error}", BenchmodelsWarning, stacklevel=2)
        return None, True
    return found.to_frame(), found.exact


def _ranking(
    fit: Any,
    study: Study,
    hidden: Withholding | None,
    *,
    options: dict[str, Any],
    rng: np.random.Generator,
) -> Ranking | None:
    """Rank by direct standardisation: indirect figures are each against their own case mix and do not line up."""
    if not study.comparison.rank:
        return None
    from benchmodels.ranking import rank

    direct = _published(fit.compare(standard="direct", contrast=study.comparison.contrast, **options), hidden)
    try:
        return rank(direct, level=study.comparison.level, rng=rng)
    except SpecificationError as error:
        warnings.warn(f"no ranks: {error}", BenchmodelsWarning, stacklevel=2)
        return None


def _notes(caught: Sequence[warnings.WarningMessage], table: Table, ranking: Ranking | None) -> tuple[str, ...]:
    """Keep how rows were made and our own warnings, once each; hand all others on to where they were going."""
    for item in caught:
        if not issubclass(item.category, BenchmodelsWarning):
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno, source=item.source)
    told = [str(item.message) for item in caught if issubclass(item.category, BenchmodelsWarning)]
    # What is told of rows and units is told of those that are published: the fit never saw the others.
    return tuple(dict.fromkeys([*table.notes, *told, *(ranking.notes if ranking is not None else ())]))

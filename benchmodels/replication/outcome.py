"""The answer of one study: table, fit, comparison, verdicts, shrinkage and ranks; nothing is written."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import BenchmodelsError, BenchmodelsWarning, DataError, SpecificationError
from benchmodels.replication.tables import Table, load_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmodels.comparison import Comparison
    from benchmodels.disclosure import Withholding
    from benchmodels.flags import ReferenceDistribution
    from benchmodels.ranking import Ranking
    from benchmodels.replication.study import Study
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
        unit, estimate, different, unusual, z of the study's contrast.
    reference : ReferenceDistribution, optional
        None where fewer than two units have an uncertainty.
    ranking : Ranking, optional
        Of direct standardisation; None where the study asks for none.
    shrinkage : Shrinkage, optional
        Of the study's contrast, towards the mean; None where the model has no noise to shrink by.
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
        frame["overlap"], frame["withheld"] = gap.overlap, gap.withheld
        return frame


def answer(
    study: Study,
    *,
    data: pd.DataFrame | str | Path | None = None,
    rng: int | np.random.Generator | None = 0,
    progress: Callable[[str], None] | None = None,
) -> Outcome:
    """Answer the question of one study, writing nothing.

    Parameters
    ----------
    study : Study
    data : DataFrame, str or Path, optional
        In place of the study's own table.
    rng : int, numpy.random.Generator or None
        For the confidence sets of ranks.
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
        table = load_table(study, data=data)
        step("fit")
        hidden = _withholding(study, table.frame)
        fit = _fit(study, table.frame, hidden)
        step("compare")
        asked = study.comparison
        options: dict[str, Any] = {"reference": asked.reference, "level": asked.level, "better": asked.better}
        gap, ratio = (
            _published(fit.compare(standard=asked.standard, contrast=contrast, **options), hidden)
            for contrast in ("difference", "ratio")
        )
        main = ratio if asked.contrast == "ratio" else gap
        _refuse_without_expected(main)
        flags, reference, explained = _verdicts(main)
        shrinkage = _shrinkage(main)
        (parts, exact), calibration = _parts(fit), _calibration(fit, study)
        step("rank")
        ranking = _ranking(fit, study, hidden, options=options, rng=rng)
    return Outcome(
        study=study,
        table=table,
        difference=gap,
        ratio=ratio,
        flags=flags,
        reference=reference,
        ranking=ranking,
        shrinkage=shrinkage,
        parts=parts,
        parts_exact=exact,
        calibration=calibration,
        coefficients=fit.coefficients(),
        overall=float(fit.design.outcome.sum() / fit.design.size.sum()),
        explained=explained,
        certificate=str(fit.certificate),
        notes=_notes(caught, ranking, hidden),
    )


def _model(study: Study) -> Any:
    from benchmodels.adjustment import FixedEffects, Pooled, RandomEffects

    asked = study.model
    options: dict[str, Any] = {"family": asked.family, "link": asked.link, "missing": asked.missing}
    options |= study.roles.model_dump() | {"choice": tuple(study.roles.choice)}
    if asked.kind.startswith("random-effects"):
        slopes: Any = "within" if asked.kind.endswith("within") else "pooled"
        return RandomEffects(asked.formula, slopes=slopes, **options)
    model: type[Pooled | FixedEffects] = Pooled if asked.kind == "pooled" else FixedEffects
    return model(asked.formula, **options)


def _fit(study: Study, frame: pd.DataFrame, hidden: Withholding | None) -> Any:
    """Fit to the units that are published: coefficients and expected values would tell of counts kept back."""
    if hidden is None or not hidden.withheld.any():
        return _model(study).fit(frame)
    left, lost = int((~hidden.withheld).sum()), int(hidden.withheld.sum())
    told = f"{lost} of {len(hidden.unit)} units are kept back by disclosure.threshold = {hidden.threshold}"
    if left < 2:
        raise DataError(f"{told}: too few are left to be compared")
    try:
        return _model(study).fit(hidden.rows(frame, unit=study.roles.unit))
    except BenchmodelsError as error:
        raise type(error)(f"{error} ({told})") from error


def _withholding(study: Study, frame: pd.DataFrame) -> Withholding | None:
    """Return which units are kept back; None where the study asks for no disclosure control."""
    if study.disclosure is None:
        return None
    from benchmodels.design import read_design
    from benchmodels.disclosure import withheld_units
    from benchmodels.kernels.basis import group_sums

    with warnings.catch_warnings():
        # Of all units, told once more of those that are published: two counts of rows dropped would tell of the others.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        d = read_design(study.model.formula, _model(study), frame)
    count, size = (group_sums(d.unit, values, len(d.units)) for values in (d.outcome, d.size))
    return withheld_units(d.units, count, size, **study.disclosure.model_dump())


def _published(comparison: Comparison, hidden: Withholding | None) -> Comparison:
    return comparison if hidden is None else hidden.apply(comparison)


def _calibration(fit: Any, study: Study) -> pd.DataFrame:
    """Return observed against expected in groups of cases, without groups of few."""
    frame: pd.DataFrame = fit.calibration()
    if study.disclosure is None:
        return frame
    from benchmodels.disclosure import publishable_frame, withheld_units

    count = (frame["observed"] * frame["size"]).round().to_numpy()
    with warnings.catch_warnings():
        # Groups are no units; that some are empty is seen in the table.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        hidden = withheld_units(frame["bin"], count, frame["size"].to_numpy(), **study.disclosure.model_dump())
    return publishable_frame(frame, hidden, unit="bin", keep=("size", "units", "group", "expected"))


def _refuse_without_expected(comparison: Comparison) -> None:
    if not np.isfinite(comparison.estimate).any():
        reasons = "; ".join(dict.fromkeys(str(why) for why in comparison.withheld if why))
        hint = ", or comparison.reference = 'all'" if comparison.reference == "others" else ""
        raise DataError(
            f"none of the {len(comparison)} units has an expected value to be compared with"
            f"{f' ({reasons})' if reasons else ''}; it takes more units, or fewer terms in the formula{hint}"
        )


def _verdicts(comparison: Comparison) -> tuple[pd.DataFrame, ReferenceDistribution | None, float]:
    from benchmodels.flags import explained_share, flag

    try:
        flags = flag(comparison, level=comparison.level)
    except SpecificationError as error:
        # Fewer than two units with an uncertainty: there is no reference distribution, and the page says so.
        warnings.warn(str(error), BenchmodelsWarning, stacklevel=2)
        table = pd.DataFrame({"unit": comparison.unit, "estimate": comparison.estimate})
        table["different"], table["unusual"], table["z"] = comparison.different, "withheld", np.nan
        return table, None, float("nan")
    explained = explained_share(comparison) if comparison.standard == "indirect" else float("nan")
    return flags.to_frame(), flags.reference, explained


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
    rng: int | np.random.Generator | None,
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


def _notes(
    caught: Sequence[warnings.WarningMessage], ranking: Ranking | None, hidden: Withholding | None
) -> tuple[str, ...]:
    """Keep our own warnings as notes, once each; hand all others on to where they were going."""
    for item in caught:
        if not issubclass(item.category, BenchmodelsWarning):
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno, source=item.source)
    told = [str(item.message) for item in caught if issubclass(item.category, BenchmodelsWarning)]
    notes = tuple(dict.fromkeys([*told, *(ranking.notes if ranking is not None else ())]))
    if hidden is None:
        return notes
    from benchmodels.disclosure import publishable_notes

    return publishable_notes(notes, hidden)

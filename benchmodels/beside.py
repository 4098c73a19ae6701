"""Average practice beside best practice: what would be expected of a unit's people, and what the best would need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from benchmodels.comparison import a_comparison
from benchmodels.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison, Coverage

    Floats = NDArray[np.float64]

__all__ = ["AverageBesideBest", "average_beside_best"]

Orientation = Literal["input", "output"]
_COLUMNS = (
    "unit", "observed", "expected", "expected_lower", "expected_upper", "attainable", "attainable_lower",
    "attainable_upper", "to_best", "to_best_lower", "to_best_upper", "best_to_expected", "best_to_expected_lower",
    "best_to_expected_upper", "different", "beaten",
)  # fmt: skip
# Of a share of the observed: one that is nearer to 1 is on the frontier.
_NEAR = 1e-7


@dataclass(frozen=True, eq=False, kw_only=True)
class AverageBesideBest:
    """Two answers about k units side by side, per unit of size.

    What a unit has over what is expected is a product: what it has over what the best would have with the same given
    things (`to_best`), times what these would have over the expected (`best_to_expected`). Of costs: how dear what it
    makes is, times how much it makes for the people it has. That is where the two may disagree. What is expected is at
    average prices and the attainable at the best, so that the second factor is a little below 1 for a unit that makes
    as much as expected: read it beside that of the middle unit.

    Parameters
    ----------
    unit : (k,) array
        As in the comparison with average practice.
    observed, expected, expected_lower, expected_upper : (k,) arrays
        Per unit of size: what the unit has, what is expected of its people under average practice, and its interval.
    attainable, attainable_lower, attainable_upper : (k,) arrays
        What the best would have of it, and its interval; NaN where the uncertainty is withheld.
    to_best, best_to_expected : (k,) arrays, each with _lower and _upper
        Observed over attainable, and attainable over expected; the product is observed over expected.
    different : (k,) array of str
        From what is expected: 'above', 'below', 'not different' or 'withheld'.
    beaten : (k,) array of bool
        Others, or several put together, do better; False also where the frontier has no answer (``attainable`` is NaN).
    level : float
        Of the intervals, as asked for; ``coverage`` says how often those of the attainable held.
    orientation : {'input', 'output'}
        Whether the best would have less of it, or more.
    coverage : Coverage or None
    simulated : bool
    """

    unit: NDArray[np.object_]
    observed: Floats
    expected: Floats
    expected_lower: Floats
    expected_upper: Floats
    attainable: Floats
    attainable_lower: Floats
    attainable_upper: Floats
    to_best: Floats
    to_best_lower: Floats
    to_best_upper: Floats
    best_to_expected: Floats
    best_to_expected_lower: Floats
    best_to_expected_upper: Floats
    different: NDArray[np.object_]
    beaten: NDArray[np.bool_]
    level: float
    orientation: Orientation
    coverage: Coverage | None
    simulated: bool

    def __len__(self) -> int:
        return len(self.unit)

    def __repr__(self) -> str:
        return f"AverageBesideBest({len(self)} units, {int(self.beaten.sum())} of them beaten)"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a unit; always the same columns in the same order."""
        return pd.DataFrame({name: getattr(self, name) for name in _COLUMNS}).infer_objects()


def average_beside_best(
    average: Comparison, best: Comparison, *, orientation: Orientation = "input"
) -> AverageBesideBest:
    """Put average practice beside best practice, for an outcome that is among what the frontier moves.

    Parameters
    ----------
    average : Comparison
        With expected values for each unit's own people.
    best : Comparison
        Of a frontier that has the same outcome among its inputs (or outputs), as `DEAFit.compare` returns; with a
        bootstrap for its intervals.
    orientation : {'input', 'output'}, default 'input'
        Of the frontier.

    Returns
    -------
    AverageBesideBest
        In the order of ``average``. A unit that the frontier has no answer for has NaN there.

    Raises
    ------
    SpecificationError
        An average by direct standardisation; comparisons that are not these two; another orientation than the
        frontier's; intervals at two levels.
    DataError
        No unit in common.

    Notes
    -----
    The interval of the expected is that of observed over expected (or their difference), turned to the expected with
    the observed as it is. That of attainable over expected joins the two, as if independent, by the distances from
    each estimate, corrected for bias, to the ends of its interval, on the log scale.

    References
    ----------
    Zou & Donner (2008), Stat Med 27:1693-1702, section 2 (intervals of sums by those of the parts).
    """
    average, best = (a_comparison(each, "average_beside_best") for each in (average, best))
    if orientation not in get_args(Orientation):
        raise SpecificationError(f"orientation={orientation!r}; allowed are 'input', 'output'")
    # What a frontier's model prints of itself; regressions have no orientation.
    asked = f"orientation={orientation!r}"
    if "orientation=" in average.source.model or "orientation=" not in best.source.model:
        raise SpecificationError("give a comparison with average practice, and one of a frontier, in this order")
    if asked not in best.source.model:
        raise SpecificationError(f"{asked}, and best is of {best.source.model}: give the orientation of the frontier")
    if average.standard != "indirect":
        raise SpecificationError(
            "average needs compare(standard='indirect'): what is expected of the unit's own people"
        )
    place = {label: i for i, label in enumerate(best.unit.tolist())}
    at = np.array([place.get(label, -1) for label in average.unit.tolist()], dtype=np.intp)
    if (at < 0).all():
        raise DataError("average and best have no unit in common")
    if average.level != best.level and np.isfinite(average.lower).any() and np.isfinite(best.lower).any():
        raise SpecificationError(
            f"intervals are at {average.level:g} (average) and at {best.level:g} (best); give them the same level"
        )
    observed = average.observed / average.size
    expected_lower, expected_upper = _expected(average)
    with np.errstate(divide="ignore", invalid="ignore"):
        a, a_low, a_high = _log_ratios(average, average.estimate)
        f, f_low, f_high = (np.where(at < 0, np.nan, part[at]) for part in _log_ratios(best, best.estimate))
        centre = np.where(at < 0, np.nan, _log_ratios(best, best.corrected)[0][at])
        if orientation == "output":
            # The best would have more: observed over attainable is the share, the inverse of the ratio.
            f, f_low, f_high, centre = -f, -f_high, -f_low, -centre
        low = a - centre - np.hypot(a - a_low, f_high - centre)
        high = a - centre + np.hypot(a_high - a, centre - f_low)
    return AverageBesideBest(
        unit=average.unit,
        observed=observed,
        expected=average.expected / average.size,
        expected_lower=expected_lower,
        expected_upper=expected_upper,
        attainable=observed * np.exp(-f),
        attainable_lower=observed * np.exp(-f_high),
        attainable_upper=observed * np.exp(-f_low),
        to_best=np.exp(f),
        to_best_lower=np.exp(f_low),
        to_best_upper=np.exp(f_high),
        best_to_expected=np.exp(a - f),
        best_to_expected_lower=np.exp(low),
        best_to_expected_upper=np.exp(high),
        different=average.different,
        beaten=np.abs(f) > _NEAR,
        level=average.level,
        orientation=orientation,
        coverage=best.coverage,
        simulated=average.source.simulated or best.source.simulated,
    )


def _log_ratios(comparison: Comparison, estimate: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the logs of observed over expected (k,): by an estimate, and by the ends of the interval."""
    ends = [estimate, comparison.lower, comparison.upper]
    if comparison.contrast == "difference":
        expected = [comparison.observed - end * comparison.size for end in ends]
        # Nothing expected, or less, is infinitely exceeded.
        ends = [np.where(end <= 0.0, np.inf, comparison.observed / end) for end in expected]
    rate = comparison.null if comparison.contrast == "rate" else 1.0
    estimate, lower, upper = (np.log(np.maximum(end / rate, 0.0)) for end in ends)
    return estimate, lower, upper


def _expected(average: Comparison) -> tuple[Floats, Floats]:
    """Return the ends of the interval for what is expected, per unit of size; NaN for nothing observed and a ratio."""
    if average.contrast == "difference":
        ends = (average.observed / average.size - end for end in (average.upper, average.lower))
        return tuple(np.maximum(end, 0.0) for end in ends)  # type: ignore[return-value]
    rate = average.null if average.contrast == "rate" else 1.0
    there = np.where(average.observed > 0.0, average.observed / average.size, np.nan)
    with np.errstate(divide="ignore"):
        return tuple(there / np.maximum(end / rate, 0.0) for end in (average.upper, average.lower))  # type: ignore[return-value]

"""How a unit changed from one period to another, with its uncertainty."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.table import listed
from benchmodels.years.periods import Scale, checked, frame_of, year_effects

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison

    Floats = NDArray[np.float64]

__all__ = ["Changes", "change"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Changes:
    """Changes of k units from an earlier to a later period.

    Parameters
    ----------
    unit : (k,) array
    earlier, later : (k,) arrays
        The estimates.
    change : (k,) array
        Later less earlier ("estimate"), or later over earlier ("log"), each set against its own null first.
    std_error : (k,) array
        Of the change; of its logarithm on the log scale.
    lower, upper : (k,) arrays
        Interval of the change at ``level``.
    covariance : (k, k) array
        Of the changes (of their logarithms).
    withheld : (k,) array of str
        Why there is no interval; empty where there is one.
    scale : "estimate" or "log"
    level : float
    notes : tuple of str
    """

    unit: NDArray[np.object_]
    earlier: Floats
    later: Floats
    change: Floats
    std_error: Floats
    lower: Floats
    upper: Floats
    covariance: Floats
    withheld: NDArray[np.object_]
    scale: Scale
    level: float
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Changes({len(self.unit)} units, {self.scale}, {int((self.withheld != '').sum())} withheld)"

    def to_frame(self) -> pd.DataFrame:
        """Return ``unit, earlier, later, change, std_error, lower, upper, withheld``, one row per unit."""
        names = ("unit", "earlier", "later", "change", "std_error", "lower", "upper", "withheld")
        return frame_of({name: getattr(self, name) for name in names})


def change(earlier: Comparison, later: Comparison, *, covariance: Floats | None = None) -> Changes:
    """Return how each unit changed from one comparison to another.

    Parameters
    ----------
    earlier, later : Comparison
        Of one contrast, standard and level. Units that are not in both are withheld.
    covariance : (k, k) array, optional
        Covariance between the estimates of ``earlier`` (rows, in its order of units) and of ``later`` (columns, in its
        own), in squared units of the estimate. Zero when not given, which is right where no case is in both and each
        was fitted on its own (`by_period`). It is not zero where one fit gave both: take both from that fit's
        ``compare().covariance()``. Where the same persons are met in both, it is positive and not known from the
        comparisons; the intervals here are then too wide.

    Returns
    -------
    Changes

    Raises
    ------
    SpecificationError
        Comparisons of different kinds or levels.
    DataError
        A covariance of another shape, or one that is impossible beside the variances.

    Notes
    -----
    A difference of estimates is also one of two averages: where the country changed, a unit that did not has changed
    relative to it. Intervals join the two comparisons' own limits by squares of distances (Zou and Donner), which keeps
    the shape that limits of counts have; ratios on the log scale.

    References
    ----------
    Zou & Donner (2008), Statistics in Medicine 27:1693, equations 4 and 6.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmodels import Pooled, datasets
    >>> from benchmodels.years import by_period
    >>> table = datasets.simulate_denmark().special_education(years=(2022, 2023))
    >>> model = Pooled("segregated ~ sex", unit="municipality", trials="pupils", family="binomial")
    >>> found = by_period(model, table, period="year")
    >>> bool(np.isfinite(change(found[2022], found[2023]).std_error).all())
    True
    """
    ordered = checked({"earlier": earlier, "later": later}, "change")
    if earlier.level != later.level:
        raise SpecificationError(f"the comparisons have levels {earlier.level} and {later.level}; compare them alike")
    found = year_effects(ordered, "change")
    between = _covariance(covariance, earlier, later, found.place)
    log, k = found.scale == "log", len(found.unit)
    estimate, low, high = (found.by_period(name) for name in ("estimate", "lower", "upper"))
    null = np.array([earlier.null, later.null])
    known = np.asarray(np.isfinite(found.effect).all(axis=1))
    withheld = _withheld(found.place, estimate, known, log=log)
    lost = withheld != ""
    factor = 1.0 / np.where(lost[:, None], 1.0, estimate) if log else np.ones((k, 2))
    with np.errstate(divide="ignore"):
        ends = [np.log(np.maximum(v / null, 0.0)) if log else v - null for v in (estimate, low, high)]
    ends = [np.where(lost[:, None], 0.0, v) for v in ends]
    own = between.diagonal() * factor[:, 0] * factor[:, 1]
    variance = found.variance.sum(axis=1) - 2.0 * own
    tie = np.where(lost, 0.0, own / np.sqrt(found.variance.prod(axis=1)))
    if np.any(np.abs(tie) > 1.0 + 1e-9):
        raise DataError("the covariance given is larger than the variances of the two comparisons allow")
    moved = ends[0][:, 1] - ends[0][:, 0]

    def reach(late: Floats, early: Floats) -> Floats:
        # A limit may be infinitely far on the log scale, and nothing times infinity is nothing here.
        product = tie * np.where(tie == 0, 0.0, late) * np.where(tie == 0, 0.0, early)
        return np.asarray(np.sqrt(np.maximum(late**2 + early**2 - 2.0 * product, 0.0)))

    lower = moved - reach(ends[0][:, 1] - ends[1][:, 1], ends[2][:, 0] - ends[0][:, 0])
    upper = moved + reach(ends[2][:, 1] - ends[0][:, 1], ends[0][:, 0] - ends[1][:, 0])
    if lost.any():
        who = listed(map(str, found.unit[lost]))
        warnings.warn(
            f"changes of {int(lost.sum())} of {k} units are withheld: {who}", PartialResultWarning, stacklevel=2
        )
    out = np.exp if log else np.asarray
    return Changes(
        unit=found.unit,
        earlier=estimate[:, 0],
        later=estimate[:, 1],
        change=np.where(lost, np.nan, out(moved)),
        std_error=np.where(lost, np.nan, np.sqrt(np.maximum(variance, 0.0))),
        lower=np.where(lost, np.nan, out(lower)),
        upper=np.where(lost, np.nan, out(upper)),
        covariance=_whole(earlier, later, found.place, factor, between, lost),
        withheld=withheld,
        scale=found.scale,
        level=earlier.level,
        notes=found.notes,
    )


def _covariance(given: object, earlier: Comparison, later: Comparison, place: NDArray[np.intp]) -> Floats:
    """Return the covariance (k, k) of earlier with later estimates over all units met."""
    k = len(place)
    if given is None:
        return np.zeros((k, k))
    try:
        matrix = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"covariance holds no numbers: {error}") from error
    if matrix.shape != (len(earlier), len(later)) or not np.isfinite(matrix).all():
        raise DataError(
            f"covariance has shape {matrix.shape}; ({len(earlier)}, {len(later)}) finite numbers are needed, one row "
            "for each unit of the earlier comparison and one column for each of the later"
        )
    both = (place[:, 0][:, None] >= 0) & (place[:, 1][None] >= 0)
    return np.where(both, matrix[np.ix_(place[:, 0], place[:, 1])], 0.0)


def _whole(
    earlier: Comparison,
    later: Comparison,
    place: NDArray[np.intp],
    factor: Floats,
    between: Floats,
    lost: NDArray[np.bool_],
) -> Floats:
    """Return the covariance (k, k) of the changes; NaN for those withheld."""
    parts = []
    for c, at, by in zip((earlier, later), place.T, factor.T, strict=True):
        parts.append(c.covariance()[np.ix_(at, at)] * np.outer(by, by))
    cross = between * np.outer(factor[:, 0], factor[:, 1])
    whole = parts[0] + parts[1] - cross - cross.T
    whole[lost, :] = np.nan
    whole[:, lost] = np.nan
    return np.asarray(whole)


def _withheld(place: NDArray[np.intp], estimate: Floats, known: NDArray[np.bool_], *, log: bool) -> NDArray[np.object_]:
    reason = np.full(len(place), "", dtype=object)
    reason[~known] = "its uncertainty is withheld in one of the periods"
    if log:
        reason[(estimate <= 0).any(axis=1)] = "it has no events in one of the periods, so its change has no ratio"
    reason[(place < 0).any(axis=1)] = "it is not in both periods"
    return reason

"""What may be published of units with few cases, and every number that would give it away.

A figure of a unit is its count in another dress: O = (O/E) E = difference x size + E, exact limits belong to one
count only, a unit left out of its own expected value is missing in it, and a place among others lies between theirs.
So a unit is withheld with all that is derived from it, with other units where a total would give it by subtraction,
and what describes all units together is computed anew without it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import warnings
from dataclasses import dataclass, fields
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.comparison import Comparison
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.kernels.counts import Limits, count_limits
from benchmodels.kernels.families import Family
from benchmodels.kernels.suppression import Risk, additive_relations, count_risk, suppress
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "CHANNELS",
    "Channel",
    "Withholding",
    "consistent_counts",
    "protect",
    "publishable_frame",
    "publishable_notes",
    "safe_hash",
    "withheld_units",
]

Total = Literal["published", "withheld"]
Remedy = Literal["blank", "recompute", "refit", "key", "drop"]


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A way in which the count of a withheld unit could leave, and what closes it.

    Parameters
    ----------
    name : str
    tells : str
        How the count follows from it.
    remedy : str
        'blank': `publishable_frame` or `Withholding.apply`; 'recompute': from the comparison after withholding;
        'refit': on `Withholding.rows`, or told to so few digits that nothing follows; 'key': `safe_hash`; 'drop':
        `publishable_notes`, or left out.
    """

    name: str
    tells: str
    remedy: Remedy


CHANNELS = (
    Channel(name="observed, observed rate", tells="the count itself, or times the size", remedy="blank"),
    Channel(name="estimate of either contrast", tells="O = ratio x E = difference x size + E", remedy="blank"),
    Channel(name="direct standardisation", tells="monotone in the count, at known case mix", remedy="blank"),
    Channel(name="limits, standard error, z", tells="one count each; see consistent_counts", remedy="blank"),
    Channel(name="expected of the unit", tells="under 'others' made of the total less its count", remedy="blank"),
    Channel(name="parts of the expected value", tells="they add to it; so does the part left out", remedy="blank"),
    Channel(name="verdicts", tells="the side of a limit the count is on", remedy="blank"),
    Channel(name="ranks of all units", tells="a missing place lies between two estimates", remedy="recompute"),
    Channel(name="phi, tau, explained share", tells="a sum of squares less the published ones", remedy="recompute"),
    Channel(name="points and axes of figures", tells="a point drawn is a number published", remedy="recompute"),
    Channel(name="coefficients, others' expected", tells="score equations with full digits", remedy="refit"),
    Channel(name="calibration bins", tells="sums over few cases; bins are units of their own", remedy="blank"),
    Channel(name="hash of the data", tells="few tables are possible; each can be tried", remedy="key"),
    Channel(name="notes and warnings", tells="they name units, and say that one has no events", remedy="drop"),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Withholding:
    """Which units are withheld, and how closely their counts can be bounded from what is published.

    It does not tell which of the units withheld have few cases themselves: that alone would narrow the others.

    Parameters
    ----------
    unit : (k,) array
        Labels.
    size : (k,) array
        Cases or trials.
    withheld : (k,) array of bool
    lower, upper : (k,) arrays
        Tightest bounds of a withheld count; NaN where it is published.
    threshold : int
    total : 'published' or 'withheld'
        Whether the count of all units together is known.
    """

    unit: NDArray[np.object_]
    size: Floats
    withheld: NDArray[np.bool_]
    lower: Floats
    upper: Floats
    threshold: int
    total: Total

    @property
    def reason(self) -> str:
        """What stands where a unit is withheld; the same for all, so that it tells nothing of one."""
        return f"fewer than {self.threshold} cases in it or in a unit that its figures would give away"

    def to_frame(self) -> pd.DataFrame:
        """Return the decision as a table; always the same columns in the same order, one row per unit."""
        names = ("unit", "size", "withheld", "lower", "upper")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def rows(self, frame: pd.DataFrame, *, unit: str) -> pd.DataFrame:
        """Return the rows of a table whose unit is published: a model fitted to them knows nothing of the others."""
        return frame[~frame[unit].isin(self.unit[self.withheld].tolist())]

    def apply(self, comparison: Comparison) -> Comparison:
        """Return a comparison of all k units in which the withheld ones have a reason and no number but their size.

        Parameters
        ----------
        comparison : Comparison
            Of all units, or of those in `rows`; with any contrast and standard.

        Raises
        ------
        DataError
            A published unit is missing, or one is not among the units decided on.
        """
        place = {label: i for i, label in enumerate(comparison.unit.tolist())}
        published = self.unit[~self.withheld].tolist()
        unknown = sorted(set(map(str, place)) - set(map(str, self.unit.tolist())))
        missing = [str(label) for label in published if label not in place]
        if unknown or missing:
            raise DataError(f"units of another comparison: not decided on {listed(unknown)}; missing {listed(missing)}")
        source, target = np.array([place[label] for label in published], dtype=np.intp), np.flatnonzero(~self.withheld)
        filled: dict[str, Any] = {f.name: getattr(comparison, f.name) for f in fields(comparison) if f.init}
        for name, values in filled.items():
            if isinstance(values, np.ndarray) and name != "core":
                empty = 0.0 if name == "shared" else self.reason if name == "withheld" else np.nan
                filled[name] = np.full((len(self.unit), *values.shape[1:]), empty, dtype=values.dtype)
                filled[name][target] = values[source]
        return Comparison(**(filled | {"unit": self.unit, "size": self.size}))


def withheld_units(
    unit: ArrayLike,
    count: Floats,
    size: Floats,
    *,
    threshold: int = 5,
    zeros: bool = False,
    total: Total = "published",
) -> Withholding:
    """Decide which units are withheld: those with few cases, and those by which a total would give them away.

    Parameters
    ----------
    unit : (k,) array
        Labels.
    count, size : (k,) arrays
        Cases counted, and cases that could have been; both ``count`` and ``size - count`` are protected.
    threshold : int, default 5
        The smallest count that may be told; 5 and 20 are in use.
    zeros : bool, default False
        Counts of none and of all are withheld too.
    total : 'published' or 'withheld'
        Published unless no figure of all units together leaves: no overall rate and no expected value of any model
        in whose fit the withheld units took part, for each of these is made of the total. With 'withheld', fit to
        `Withholding.rows`.

    Returns
    -------
    Withholding
        An attacker who adds and subtracts all that is published, sizes included, cannot exclude any count from 1 (0
        with ``zeros``) to ``threshold - 1`` of a unit with few cases; nor any such complement.

    Raises
    ------
    SpecificationError
        Even with all units withheld the total gives some unit away.
    DataError
        Counts missing, negative or above their size.

    Warns
    -----
    PartialResultWarning
        Units are withheld.

    Notes
    -----
    Fewest cases lost, by size, which is public. Not covered: an attacker who asks for which counts just these units
    would have been chosen may exclude some counts, at low thresholds all but one; one who is a unit, for two units
    withheld together know each other's count; other tables of the same cases (regions, age groups, outcomes that add
    up), which must be protected together with this one; and the same table published at a lower threshold.

    Examples
    --------
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     found = withheld_units(["a", "b", "c"], np.array([2.0, 9, 30]), np.array([50.0, 100, 300]))
    >>> found.withheld.tolist(), found.upper[0].item()
    ([True, True, False], 11.0)
    """
    label = np.empty(len(count), dtype=object)
    label[:] = np.asarray(unit).tolist()
    count, size = np.asarray(count, float), np.asarray(size, float)
    risk, k = count_risk(count, size, threshold=threshold, zeros=zeros), len(count)
    withheld, lower, upper = risk.risky, np.zeros(k), size
    if total == "published" and withheld.any():
        found = suppress(
            additive_relations(np.append(np.full(k, k), -1)),
            np.append(count, count.sum()),
            Risk(risky=np.append(withheld, False), low=np.append(risk.low, 0.0), high=np.append(risk.high, 0.0)),
            lower=np.zeros(k + 1),
            upper=np.append(size, size.sum()),
            weight=np.append(size, 0.0),
            keep=np.arange(k + 1) == k,
        )
        withheld, lower, upper = found.suppressed[:k], found.lower[:k], found.upper[:k]
    if withheld.any():
        told = listed(label[withheld].tolist())
        warnings.warn(
            f"{int(withheld.sum())} of {k} units withheld for disclosure control: {told}",
            PartialResultWarning,
            stacklevel=2,
        )
    return Withholding(
        unit=label,
        size=size,
        withheld=withheld,
        lower=np.where(withheld, lower, np.nan),
        upper=np.where(withheld, upper, np.nan),
        threshold=threshold,
        total=total,
    )


def protect(comparison: Comparison, *, threshold: int = 5, zeros: bool = False) -> Comparison:
    """Return a comparison of counts without the units that must be withheld.

    Parameters
    ----------
    comparison : Comparison
        By indirect standardisation, so that ``observed`` is the count and ``size`` the cases.
    threshold, zeros
        As in `withheld_units`. The total counts as published: expected values are made of it.

    Returns
    -------
    Comparison
        Withheld units keep label, size and a reason. For one's own eyes, not to be published: the expected values of
        the others still depend on the withheld counts, and under `FixedEffects` give them away to the last case. To
        publish, take `withheld_units`, fit to its ``rows``, and ``apply`` it to what comes out.

    Raises
    ------
    SpecificationError
        A direct comparison; or as `withheld_units`.
    DataError
        ``observed`` is missing for some unit, or not a count.
    """
    if comparison.standard != "indirect":
        raise SpecificationError("protect needs compare(standard='indirect'), whose observed is the count")
    if not np.array_equal(comparison.observed, np.round(comparison.observed)):
        raise DataError("observed must be whole counts, of every unit; for costs see dominance_risk")
    found = withheld_units(
        comparison.unit, comparison.observed, comparison.size, threshold=threshold, zeros=zeros, total="published"
    )
    return found.apply(comparison)


def publishable_frame(
    frame: pd.DataFrame,
    withholding: Withholding,
    *,
    unit: str = "unit",
    keep: Sequence[str] = ("size",),
    significant: int | None = None,
) -> pd.DataFrame:
    """Return a table in which rows of withheld units hold no number but those of ``keep``.

    Parameters
    ----------
    frame : DataFrame
        One or more rows per unit, for CSV, Parquet or a page.
    withholding : Withholding
    unit : str
        Column of labels.
    keep : sequence of str
        Columns that say nothing of the outcome. All others are emptied, whatever they are called; text becomes
        'withheld', and a column ``withheld`` the reason.
    significant : int, optional
        Digits that numbers of all rows outside ``keep`` are rounded to.
    """
    hidden = frame[unit].isin(withholding.unit[withholding.withheld].tolist())
    frame = frame.copy()
    for name in frame.columns.difference([unit, *keep], sort=False):
        column = frame[name]
        if not pd.api.types.is_numeric_dtype(column):
            text = withholding.reason if name == "withheld" else "withheld"
            frame[name] = column.astype(object).mask(hidden, text)
            continue
        frame[name] = column.mask(hidden)
        if significant is not None and pd.api.types.is_float_dtype(column):
            frame[name] = frame[name].map(lambda value: float(f"{value:.{significant}g}"))
    return frame


def publishable_notes(notes: Sequence[str], withholding: Withholding) -> tuple[str, ...]:
    """Return the notes that name no withheld unit: why a unit is without uncertainty may tell its count."""
    labels = "|".join(re.escape(str(label)) for label in withholding.unit[withholding.withheld])
    named = re.compile(rf"(?<!\w)(?:{labels})(?!\w)")
    ours = "units withheld for disclosure control: "
    return tuple(note for note in notes if not labels or ours in note or not named.search(note))


def safe_hash(content: bytes, *, key: bytes) -> str:
    """Return a hash of data by which its owner, who holds the key, can show that it is the same.

    A plain hash of a small table can be inverted: all tables that fit what is published are hashed in turn.

    Parameters
    ----------
    content : bytes
    key : bytes
        16 bytes or more from ``secrets.token_bytes``, kept with the data and never published.

    Raises
    ------
    SpecificationError
        A shorter key, which could be enumerated as well.

    References
    ----------
    Krawczyk, Bellare, Canetti (1997), RFC 2104: HMAC.

    Examples
    --------
    >>> safe_hash(b"Aarhus,3", key=bytes(16))[:12] != hashlib.sha256(b"Aarhus,3").hexdigest()[:12]
    True
    """
    if len(key) < 16:
        raise SpecificationError(f"a key of {len(key)} bytes can be guessed; give 16 or more")
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def consistent_counts(
    size: int,
    published: Mapping[str, tuple[float, float]],
    *,
    expected: tuple[float, float],
    level: float = 0.95,
    limits: Limits = "mid-p",
) -> NDArray[np.intp]:
    """Return the counts that a unit may have, given its published figures and their rounding.

    Parameters
    ----------
    size : int
        Cases, each counted or not.
    published : mapping of str to (float, float)
        Value and half a unit of its last digit (more, where the error of the expected value widens limits), of any of
        observed, observed_rate, difference, ratio and the last two with _lower and _upper.
    expected : (float, float)
        Expected total, likewise.
    level, limits
        Of the limits, as asked of ``compare``.

    Returns
    -------
    (c,) array of int
        One count: the figures give it away. Every count from 0 to ``size`` is tried.

    Raises
    ------
    SpecificationError
        A figure of another name.

    Notes
    -----
    Limits are those of equal chances, by `benchmodels.kernels.counts.count_limits`: each count has its own.

    Examples
    --------
    >>> consistent_counts(400, {"ratio": (0.31, 0.005)}, expected=(9.7, 0.05))
    array([3])
    """
    count = np.arange(size + 1.0)
    possible = np.ones(size + 1, bool)
    ends_of = cache(partial(_limit_totals, size, level, limits))
    for name, (value, half) in published.items():
        figure, _, end = name.partition("_") if name != "observed_rate" else (name, "", "")
        if figure not in ("observed", "observed_rate", "difference", "ratio") or end not in ("", "lower", "upper"):
            raise SpecificationError(f"no figure {name!r}; there is observed, observed_rate, difference, ratio")
        total = ends_of()[end == "upper"] if end else count
        ends = [_figure(figure, total, size, expected[0] + sign * expected[1]) for sign in (-1.0, 1.0)]
        # A hair of rounding, so that a value told in full still fits itself.
        room = half + 1e-9 * max(abs(value), 1.0 / size)
        possible &= (np.minimum(*ends) <= value + room) & (np.maximum(*ends) >= value - room)
    return np.flatnonzero(possible)


def _figure(name: str, total: Floats, size: int, expected: float) -> Floats:
    if name == "observed":
        return total
    if name == "observed_rate":
        return total / size
    return (total - expected) / size if name == "difference" else total / expected


def _limit_totals(size: int, level: float, limits: Limits) -> tuple[Floats, Floats]:
    """Return the lower and upper limit of the expected total for each count from 0 to the size."""
    count = np.arange(size + 1.0)
    k, start = len(count), np.log((count + 0.5) / (size - count + 0.5))
    found = count_limits(
        Family("binomial"), count, np.full(k, float(size)), np.zeros(k), np.arange(k), start,
        confidence=level, limits=limits,
    )  # fmt: skip
    lower, upper = (size / (1.0 + np.exp(-shift)) for shift in found)
    return lower, upper

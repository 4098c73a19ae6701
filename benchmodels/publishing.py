"""What leaves the house: tables, notes and hashes without the units withheld, and what a figure tells of a count.

A figure of a unit is its count in another dress: O = (O/E) E = difference x size + E, exact limits belong to one
count only, a unit left out of its own expected value is missing in it, and a place among others lies between theirs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import SpecificationError
from benchmodels.kernels.counts import Limits, count_limits
from benchmodels.kernels.families import Family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmodels.disclosure import Withholding

    Floats = NDArray[np.float64]

__all__ = ["CHANNELS", "Channel", "consistent_counts", "publishable_frame", "publishable_notes", "safe_hash"]

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

    Raises
    ------
    DataError
        A label that was not decided on, such as 101 for '0101'.
    """
    withholding.refuse_unknown(frame[unit])
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
    """Return the notes that name no withheld unit: why a unit is without uncertainty may tell its count.

    For notes of a fit to all units. Labels that are numbers are met in any number, so that a note too many is dropped.
    """
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

"""The course of absence over the months of a year: when it became high, how fast, and whether it came back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

__all__ = ["BEFORE", "DURATIONS", "ONSETS", "Courses", "Duration", "Onset", "courses_of"]

Onset = Literal["not high", "sudden", "gradual", "from the start", "not to be told"]
Duration = Literal["not high", "transient", "permanent", "not to be told"]

# In the order of their codes.
ONSETS: tuple[Onset, ...] = ("not high", "sudden", "gradual", "from the start", "not to be told")
DURATIONS: tuple[Duration, ...] = ("not high", "transient", "permanent", "not to be told")

# Months that must come before high absence for it to have begun within the year.
BEFORE = 2
_UNTOLD = -1
# A share of exactly the threshold is not above it, whatever is lost in the division.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class Courses:
    """What the months of n pupils say.

    Parameters
    ----------
    absent, possible : (n,) arrays
        Over the months, in days or lessons.
    high : (n,) array of bool
        Absence above the threshold over all months together.
    months : (n,) array of int
        Months with possible days.
    gaps : (n,) array of int
        Months without, between the first and the last with.
    first, last : (n,) arrays of int
        Columns of the first and the last month of the spell; -1 where absence is not high.
    onset, duration : (n,) arrays of int8
        Places in `ONSETS` and `DURATIONS`.
    """

    absent: Floats
    possible: Floats
    high: NDArray[np.bool_]
    months: Places
    gaps: Places
    first: Places
    last: Places
    onset: NDArray[np.int8]
    duration: NDArray[np.int8]


def courses_of(absent: Floats, possible: Floats, *, threshold: float, window: int) -> Courses:
    """Say of each pupil whether absence is high and, where it is, how it began and whether it came back.

    Parameters
    ----------
    absent, possible : (n, m) arrays
        Days or lessons of n pupils in m months, in their order; ``possible`` is 0 where there is nothing to be absent
        from, or nothing known, and ``absent`` 0 with it.
    threshold : float
        Share, 0 to 1, that high absence is above.
    window : int
        Months that absence is taken over before the spell and at the end.

    Returns
    -------
    Courses

    Notes
    -----
    Months without possible days are passed over: the rest count as one after another. A *spell* is a run of months each
    above the threshold; of several, the one with most absence, and of equal ones the first. Onset is *from the start*
    where absence over the first ``window`` months is above the threshold, or fewer than two months come before the
    spell; else *sudden* where absence over the (up to) ``window`` months just before the spell is below half the
    threshold, and else *gradual*. Duration is *transient* where absence over the last ``window`` months is no longer
    above the threshold, and else *permanent*; it is untold where the spell begins in these last months and absence over
    all months before them is not above the threshold. Neither is told of fewer than 2 × ``window`` months or more than
    one gap.

    Cost: 700,000 pupils and 10 months take about 0.4 seconds; the loop is over months
    (``tests/kernels/test_courses.py`` holds it against a plain loop over pupils).

    Examples
    --------
    >>> days = np.array([[0, 1, 0, 9, 12, 10, 3, 0, 0, 1.0]])
    >>> found = courses_of(days, np.full((1, 10), 20.0), threshold=0.1, window=3)
    >>> ONSETS[found.onset[0]], DURATIONS[found.duration[0]], int(found.first[0]), int(found.last[0])
    ('sudden', 'transient', 3, 6)
    """
    there = possible > 0
    of_all, out_of = absent.sum(axis=1), possible.sum(axis=1)
    high = of_all - threshold * out_of > _ROUNDING * out_of
    months = there.sum(axis=1)
    n, m = there.shape
    ends = m - there[:, ::-1].argmax(axis=1) - there.argmax(axis=1)
    gaps = np.where(months > 0, ends - months, 0)
    first, last = np.full(n, _UNTOLD), np.full(n, _UNTOLD)
    onset, duration = np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.int8)
    rows = np.flatnonzero(high)
    # Months with possible days first, in their order; what is passed over follows, with nothing in it.
    order = np.argsort(~there[rows], axis=1, kind="stable")
    a, p = np.take_along_axis(absent[rows], order, axis=1), np.take_along_axis(possible[rows], order, axis=1)
    start, stop = _spell(a, a - threshold * p > _ROUNDING * p)
    sums = (_from_zero(a), _from_zero(p))
    count = months[rows]
    before = _share(sums, np.maximum(start - window, 0), start)
    at_first = _share(sums, np.zeros_like(count), np.minimum(count, window))
    onset[rows] = np.select(
        [(start < BEFORE) | (at_first - threshold > _ROUNDING), before - 0.5 * threshold < -_ROUNDING],
        [ONSETS.index("from the start"), ONSETS.index("sudden")],
        ONSETS.index("gradual"),
    )
    final = np.maximum(count - window, 0)
    at_last, earlier = _share(sums, final, count), _share(sums, np.zeros_like(count), final)
    duration[rows] = np.select(
        [at_last - threshold <= _ROUNDING, (start < final) | (earlier - threshold > _ROUNDING)],
        [DURATIONS.index("transient"), DURATIONS.index("permanent")],
        DURATIONS.index("not to be told"),
    )
    little = rows[(count < 2 * window) | (gaps[rows] > 1)]
    onset[little], duration[little] = ONSETS.index("not to be told"), DURATIONS.index("not to be told")
    first[rows] = np.take_along_axis(order, start[:, None], axis=1)[:, 0]
    last[rows] = np.take_along_axis(order, stop[:, None], axis=1)[:, 0]
    return Courses(
        absent=of_all,
        possible=out_of,
        high=high,
        months=months,
        gaps=gaps,
        first=first,
        last=last,
        onset=onset,
        duration=duration,
    )


def _spell(absent: Floats, above: NDArray[np.bool_]) -> tuple[Places, Places]:
    """Return the first and the last month (n,) of the run of months above with most absence."""
    n, m = above.shape
    running, most = np.zeros(n), np.zeros(n)
    begun, start, stop = (np.zeros(n, dtype=np.intp) for _ in range(3))
    for month in range(m):
        now = above[:, month]
        begun[now & (running == 0.0)] = month
        running = np.where(now, running + absent[:, month], 0.0)
        better = running > most
        most[better], start[better], stop[better] = running[better], begun[better], month
    return start, stop


def _from_zero(values: Floats) -> Floats:
    """Return sums (n, m + 1) of the months before each column."""
    sums = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def _share(sums: tuple[Floats, Floats], start: Places, stop: Places) -> Floats:
    """Return absence out of what is possible in the months from ``start`` to before ``stop``, (n,); 0 where none."""
    absent, possible = (
        np.take_along_axis(s, stop[:, None], axis=1)[:, 0] - np.take_along_axis(s, start[:, None], axis=1)[:, 0]
        for s in sums
    )
    return np.divide(absent, possible, out=np.zeros(len(absent)), where=possible > 0)

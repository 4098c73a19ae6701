"""Courses of absence: by hand, and against a plain loop over pupils."""

from __future__ import annotations

import numpy as np
import pytest

from benchmodels.kernels.courses import DURATIONS, ONSETS, courses_of


def told(days, possible=20.0, *, threshold=0.1, window=3):
    days = np.atleast_2d(np.asarray(days, float))
    found = courses_of(days, np.broadcast_to(possible, days.shape).astype(float), threshold=threshold, window=window)
    return ONSETS[found.onset[0]], DURATIONS[found.duration[0]], int(found.first[0]), int(found.last[0])


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        # 2 of 20 is 10 %: not above it. 20 of 200 is not high.
        ([2, 2, 2, 2, 2, 2, 2, 2, 2, 2], ("not high", "not high", -1, -1)),
        ([2, 2, 2, 2, 2, 2, 2, 2, 2, 3], ("gradual", "not to be told", 9, 9)),
        ([5, 5, 5, 5, 5, 5, 5, 5, 5, 5], ("from the start", "permanent", 0, 9)),
        ([9, 9, 9, 0, 0, 0, 0, 0, 0, 0], ("from the start", "transient", 0, 2)),
        ([0, 0, 0, 9, 9, 9, 9, 0, 0, 0], ("sudden", "transient", 3, 6)),
        ([0, 0, 0, 9, 9, 9, 9, 9, 9, 9], ("sudden", "permanent", 3, 9)),
        ([0, 0, 0, 0, 0, 0, 0, 9, 9, 9], ("sudden", "not to be told", 7, 9)),
        ([0, 0, 0, 0, 0, 0, 9, 9, 9, 9], ("sudden", "permanent", 6, 9)),
        # Before: 1 of 60 and 3 of 60 days are on either side of 5 %; at 5 % it is gradual.
        ([0, 0, 0, 1, 9, 9, 9, 9, 0, 0], ("sudden", "permanent", 4, 7)),
        ([0, 1, 1, 1, 9, 9, 9, 9, 0, 0], ("gradual", "permanent", 4, 7)),
        ([0, 1, 2, 2, 4, 6, 8, 9, 9, 9], ("gradual", "permanent", 4, 9)),
        # The last three months: 6 of 60 is no longer above, 7 is.
        ([0, 0, 0, 9, 9, 9, 0, 6, 0, 0], ("sudden", "transient", 3, 5)),
        ([0, 0, 0, 9, 9, 9, 0, 7, 0, 0], ("sudden", "permanent", 3, 5)),
        # Two spells: the one with more days, and of equal ones the first.
        ([0, 0, 5, 0, 0, 0, 9, 9, 0, 0], ("sudden", "permanent", 6, 7)),
        ([0, 0, 0, 14, 0, 0, 14, 0, 0, 0], ("sudden", "transient", 3, 3)),
        # The spell begins in the second month, and the first three are not above the threshold.
        ([0, 6, 0, 5, 0, 5, 0, 5, 0, 0], ("from the start", "transient", 1, 1)),
        # 5 of 60 days just before, 3 of 60, and 4 of 60.
        ([0, 5, 0, 0, 4, 4, 4, 0, 3, 1], ("gradual", "transient", 4, 6)),
        ([0, 6, 0, 3, 0, 4, 4, 0, 3, 3], ("gradual", "transient", 5, 6)),
        # A spell in the last three months, and 12 or 18 of 140 days before them.
        ([0, 5, 0, 3, 0, 4, 0, 3, 3, 4], ("gradual", "not to be told", 7, 9)),
        ([0, 6, 0, 4, 0, 8, 0, 6, 6, 4], ("gradual", "permanent", 7, 9)),
        ([2, 20, 0, 0, 0, 0, 0, 0, 0, 0], ("from the start", "transient", 1, 1)),
    ],
)
def test_by_hand(days, expected):
    assert told(days) == expected


def test_months_without_possible_days_are_passed_over():
    holiday = np.array([20, 20, 20, 0, 20, 20, 20, 20, 20, 20, 20.0])
    assert told([0, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0], holiday) == ("sudden", "transient", 4, 7)
    two_gaps = np.array([20, 20, 0, 20, 0, 20, 20, 20, 20, 20, 20.0])
    assert told([0, 0, 0, 9, 0, 9, 9, 9, 0, 0, 0], two_gaps) == ("not to be told", "not to be told", 3, 7)
    late = np.array([0, 0, 0, 20, 20, 20, 20, 20, 20, 20.0])
    assert told([0, 0, 0, 0, 0, 0, 9, 9, 0, 0], late) == ("sudden", "permanent", 6, 7)
    five = np.array([0, 0, 0, 0, 0, 20, 20, 20, 20, 20.0])
    assert told([0, 0, 0, 0, 0, 0, 0, 0, 9, 9], five) == ("not to be told", "not to be told", 8, 9)
    assert told(np.zeros(4), np.zeros(4)) == ("not high", "not high", -1, -1)


def test_lessons_are_as_good_as_days():
    days = np.array([[0, 0, 1, 7, 9, 12, 3, 0, 0, 1.0]])
    assert told(days) == told(6.5 * days, 130.0)


def plain(days, possible, threshold, window):
    """The rules again, one pupil at a time."""
    months = [i for i, p in enumerate(possible) if p > 0]
    if not months or not sum(days) / sum(possible) > threshold + 1e-9:
        return "not high", "not high", -1, -1

    def share(some):
        return sum(days[i] for i in some) / sum(possible[i] for i in some) if some else 0.0

    runs, run = [], []
    for i in months:
        if days[i] / possible[i] > threshold + 1e-9:
            run.append(i)
        else:
            runs, run = runs + [run], []
    spell = max([r for r in [*runs, run] if r], key=lambda r: sum(days[i] for i in r))
    first, last, gaps = spell[0], spell[-1], months[-1] - months[0] + 1 - len(months)
    if len(months) < 2 * window or gaps > 1:
        return "not to be told", "not to be told", first, last
    before = months[: months.index(first)]
    if len(before) < 2 or share(months[:window]) > threshold + 1e-9:
        onset = "from the start"
    else:
        onset = "sudden" if share(before[-window:]) < threshold / 2 - 1e-9 else "gradual"
    final, earlier = months[-window:], months[:-window]
    if share(final) <= threshold + 1e-9:
        duration = "transient"
    elif first not in final or share(earlier) > threshold + 1e-9:
        duration = "permanent"
    else:
        duration = "not to be told"
    return onset, duration, first, last


@pytest.mark.parametrize("window", [2, 3, 5])
@pytest.mark.parametrize("threshold", [0.1, 0.15])
def test_against_a_plain_loop(threshold, window):
    rng = np.random.default_rng(7)
    n, m = 3000, 11
    possible = rng.integers(10, 24, (n, m)) * (rng.uniform(size=(n, m)) > 0.04)
    possible[:50, 5:] = 0
    possible[50] = 0
    rate = np.clip(rng.choice([0.02, 0.1, 0.3], (n, 1)) * rng.choice([0.2, 1.0, 2.0], (n, m)), 0, 1)
    days = rng.binomial(possible, rate).astype(float)
    days[:200] = np.minimum(rng.choice([0, 2, 4], (200, m)), possible[:200])
    found = courses_of(days, possible.astype(float), threshold=threshold, window=window)
    ours = [
        (ONSETS[o], DURATIONS[d], int(f), int(t))
        for o, d, f, t in zip(found.onset, found.duration, found.first, found.last, strict=True)
    ]
    theirs = [plain(a, p, threshold, window) for a, p in zip(days.tolist(), possible.tolist(), strict=True)]
    assert ours == theirs
    assert {o for o, *_ in theirs} == set(ONSETS)
    assert {d for _, d, *_ in theirs} == set(DURATIONS)
    np.testing.assert_array_equal(found.high, found.onset > 0)
    np.testing.assert_array_equal(found.months, (possible > 0).sum(axis=1))

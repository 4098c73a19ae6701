"""Every channel a count could leave by, attacked: open without the remedy, closed with it."""

from __future__ import annotations

import hashlib
import warnings

import numpy as np
import pandas as pd
import pytest

from benchmodels import Pooled, flag, rank
from benchmodels.disclosure import withheld_cells, withheld_totals, withheld_units
from benchmodels.errors import BenchmodelsWarning, DataError, PartialResultWarning, SpecificationError
from benchmodels.kernels.disclosure_risk import count_risk
from benchmodels.kernels.overdispersion import dispersion
from benchmodels.kernels.suppression import additive_relations, attack
from benchmodels.publishing import (
    CHANNELS,
    _limit_totals,
    consistent_counts,
    publishable_frame,
    publishable_notes,
    safe_hash,
)

SIZE = np.array([180.0, 260, 300, 340, 420, 510, 640, 800, 900, 1200])
COUNT = np.array([3.0, 14, 17, 22, 21, 30, 44, 41, 60, 75])


def table(count=COUNT, size=SIZE, *, seed=0):
    """Two cells a unit, with a covariate; names sort in the order of the units."""
    rng = np.random.default_rng(seed)
    size, count = np.asarray(size, float), np.asarray(count, float)
    first = np.round(size * rng.uniform(0.3, 0.7, len(size)))
    part = np.minimum(np.round(count * first / size), first)
    rows = {
        "unit": np.repeat([f"kommune {i:02d}" for i in range(len(size))], 2),
        "x": np.tile([0.0, 1.0], len(size)),
        "y": np.column_stack([part, count - part]).ravel(),
        "n": np.column_stack([first, size - first]).ravel(),
    }
    return pd.DataFrame(rows)


def compared(frame, *, formula="y ~ x", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BenchmodelsWarning)
        return Pooled(formula, unit="unit", trials="n", family="binomial").fit(frame).compare(**options)


def quiet(function, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PartialResultWarning)
        return function(*args, **options)


def protect(comparison):
    """What leaves of a comparison of all units: for one's own eyes, as its expected values know the counts."""
    return withheld_units(comparison.unit, comparison.observed, comparison.size).apply(comparison)


def labels(k):
    return [f"kommune {i:02d}" for i in range(k)]


def safe(found, count, size, *, threshold, zeros=False):
    """Attack with sizes, published counts and the total; no value that must stay possible is excluded."""
    k = len(count)
    risk = count_risk(count, size, threshold=threshold, zeros=zeros)
    known = np.append(np.where(found.withheld, 0, count), count.sum())
    most = np.append(np.where(found.withheld, size, count), count.sum())
    low, high = attack(additive_relations(np.append(np.full(k, k), -1)), known, most, cells=np.arange(k)[risk.risky])
    assert np.all(found.withheld[risk.risky])
    return bool(np.all(low <= risk.low[risk.risky] + 1e-6) and np.all(high >= risk.high[risk.risky] - 1e-6))


@pytest.mark.parametrize("threshold", [5, 20])
@pytest.mark.parametrize("seed", range(8))
def test_no_count_can_be_excluded(seed, threshold):
    rng = np.random.default_rng(seed)
    size = np.round(np.exp(rng.normal(6, 1, 98)))
    count = rng.binomial(size.astype(int), 0.04).astype(float)
    for zeros in (False, True):
        found = quiet(withheld_units, labels(98), count, size, threshold=threshold, zeros=zeros)
        assert safe(found, count, size, threshold=threshold, zeros=zeros)
        order = rng.permutation(98)
        again = quiet(withheld_units, np.array(labels(98))[order], count[order], size[order],
                      threshold=threshold, zeros=zeros)  # fmt: skip
        assert size[found.withheld].sum() == again.size[again.withheld].sum()


def test_attacker_wins_without_complementary_unit():
    found = quiet(withheld_units, labels(10), COUNT, SIZE)
    alone = quiet(withheld_units, labels(10), COUNT, SIZE, total="withheld")
    assert alone.withheld.sum() == 1
    assert found.withheld.tolist() == [True, True, True] + [False] * 7
    assert safe(found, COUNT, SIZE, threshold=5)
    assert not safe(alone, COUNT, SIZE, threshold=5)
    np.testing.assert_array_equal([found.lower[0], found.upper[0]], [0, 34])


@pytest.mark.parametrize("count", [[1, 1, 2, 9, 40], [3, 50, 60, 70, 299], [0, 0, 2, 5, 5, 5, 5]])
def test_adversarial_counts(count):
    count = np.array(count, float)
    size = np.array([40.0, 80, 120, 160, 300, 301, 302])[: len(count)]
    found = quiet(withheld_units, labels(len(count)), count, size)
    assert safe(found, count, size, threshold=5)


@pytest.mark.parametrize("count", [[0, 0, 2, 0, 9], [1, 1, 1, 1, 1], [1, 5, 5, 0, 0]])
def test_too_few_to_hide_among(count):
    """Zeros are published, so that five withheld counts with a sum of five are one each."""
    size = np.array([40.0, 80, 120, 160, 300])
    with pytest.raises(SpecificationError, match="cannot be protected"):
        withheld_units(labels(5), np.array(count, float), size)
    assert quiet(withheld_units, labels(5), np.array(count, float), size, total="withheld").withheld.any()


def test_single_unit_and_too_few_cases():
    with pytest.raises(SpecificationError, match="cannot be protected"):
        withheld_units(["only"], np.array([3.0]), np.array([100.0]))
    with pytest.raises(SpecificationError, match="cannot be protected"):
        withheld_units(["a", "b"], np.array([1.0, 1.0]), np.array([100.0, 90.0]))
    assert not withheld_units(["only"], np.array([30.0]), np.array([100.0])).withheld.any()
    assert quiet(withheld_units, ["only"], np.array([3.0]), np.array([100.0]), total="withheld").withheld.all()


def test_one_warning_counts_and_names():
    with pytest.warns(PartialResultWarning, match="3 of 10 units withheld for disclosure control: 'kommune 00'"):
        withheld_units(labels(10), COUNT, SIZE)


def test_protected_comparison_holds_nothing_of_a_withheld_unit():
    whole = compared(table())
    found = quiet(protect, whole)
    gone = found.withheld != ""
    assert gone.tolist() == [True, True, True] + [False] * 7
    assert len(set(found.withheld[gone])) == 1, "a reason of its own would tell which unit has few cases"
    for name in ("observed", "expected", "estimate", "std_error", "lower", "upper", "noise", "null_std_error", "df"):
        assert np.isnan(getattr(found, name)[gone]).all(), name
        np.testing.assert_array_equal(getattr(found, name)[~gone], getattr(whole, name)[~gone])
    assert not found.shared[gone].any()
    np.testing.assert_array_equal(found.size, whole.size)
    assert set(found.different[gone]) == {"withheld"}
    np.testing.assert_allclose(found.covariance()[np.ix_(~gone, ~gone)], whole.covariance()[np.ix_(~gone, ~gone)])


def test_every_figure_of_a_unit_gives_its_count():
    gap, ratio = (compared(table(), formula="y ~ 1", contrast=contrast) for contrast in ("difference", "ratio"))
    for i in range(10):
        size, expected = int(SIZE[i]), (float(gap.expected[i]), 0.0)
        figures = {"observed": gap.observed[i], "observed_rate": gap.observed[i] / size,
                   "difference": gap.estimate[i], "ratio": ratio.estimate[i]}  # fmt: skip
        for name, value in figures.items():
            assert consistent_counts(size, {name: (value, 0.0)}, expected=expected).tolist() == [COUNT[i]], name


def test_limits_give_the_count():
    """Two limits, two unknowns: the count, and the error of E that widens both sides alike (squares of distances)."""
    gap = compared(table(), formula="y ~ 1")
    for i in range(10):
        size, expected = SIZE[i], gap.expected[i]
        estimate = (np.arange(size + 1) - expected) / size
        low, high = ((end - expected) / size for end in _limit_totals(int(size), 0.95, "mid-p"))
        below = (estimate - gap.lower[i]) ** 2 - (estimate - low) ** 2
        above = (gap.upper[i] - estimate) ** 2 - (high - estimate) ** 2
        fits = (below >= 0) & (np.abs(below - above) < 1e-3 * np.abs(below)) & (gap.lower[i] < estimate)
        assert np.flatnonzero(fits & (estimate < gap.upper[i])).tolist() == [COUNT[i]]


@pytest.mark.parametrize("count", [0, 1, 3, 200, 400])
def test_own_limits_give_the_count(count):
    lower, upper = (float(end[count]) for end in _limit_totals(400, 0.95, "mid-p"))
    told = {"ratio_lower": (lower / 9.7, 0.0), "ratio_upper": (upper / 9.7, 0.0)}
    assert consistent_counts(400, told, expected=(9.7, 0.0)).tolist() == [count]
    # Told to the nearest unit they fit several counts.
    coarse = {name: (value, 1.0) for name, (value, _) in told.items()}
    assert len(consistent_counts(400, coarse, expected=(9.7, 0.0))) > 1


def test_rounding_decides():
    told = {"observed_rate": (0.0, 0.005)}
    assert consistent_counts(900, told, expected=(9.0, 0.5)).tolist() == [0, 1, 2, 3, 4]
    assert consistent_counts(900, {"observed_rate": (0.0033, 5e-5)}, expected=(9.0, 0.5)).tolist() == [3]
    both = told | {"ratio": (0.3, 0.05)}
    assert consistent_counts(900, both, expected=(9.0, 0.5)).tolist() == [3]
    with pytest.raises(SpecificationError, match="no figure 'z'"):
        consistent_counts(900, {"z": (1.0, 0.1)}, expected=(9.0, 0.5))


def test_own_limits_are_the_binomial_ones():
    from scipy.stats import beta

    lower, upper = _limit_totals(60, 0.9, "exact")
    count = np.arange(61)
    np.testing.assert_allclose(lower[1:], 60 * beta.ppf(0.05, count[1:], 61 - count[1:]), rtol=1e-7)
    np.testing.assert_allclose(upper[:-1], 60 * beta.ppf(0.95, count[:-1] + 1, 60 - count[:-1]), rtol=1e-7)


def test_expected_value_left_out_gives_the_total_or_the_count():
    whole = compared(table(), formula="y ~ 1", reference="others")
    # Of a published unit: the total, whether it is told or not. Of the unit itself: its count.
    total = whole.expected[9] * (SIZE.sum() - SIZE[9]) / SIZE[9] + COUNT[9]
    assert total == pytest.approx(COUNT.sum(), rel=1e-8)
    own = total - whole.expected[0] * (SIZE.sum() - SIZE[0]) / SIZE[0]
    assert own == pytest.approx(COUNT[0], rel=1e-6)
    assert np.isnan(quiet(protect, whole).expected[0])


def test_dispersion_of_all_gives_the_count_and_anew_it_does_not():
    whole = compared(table(), formula="y ~ 1")
    gone = np.array([True] + [False] * 9)
    everyone = flag(whole)
    left = everyone.reference.phi * 10 - np.sum(everyone.z[~gone] ** 2)
    stolen = SIZE[0] * (whole.expected[0] / SIZE[0] - np.sqrt(left) * whole.null_std_error[0])
    assert stolen == pytest.approx(COUNT[0], abs=0.01)
    anew = flag(quiet(protect, whole))
    shown = np.isfinite(anew.z)
    assert shown.sum() == 7
    assert anew.reference.phi == pytest.approx(
        dispersion(anew.estimate[shown], anew.reference.null_std_error[shown]).phi
    )


def test_no_place_is_missing_among_ranks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BenchmodelsWarning)
        ranks = rank(quiet(protect, compared(table())), draws=500)
    assert sorted(ranks.rank[np.isfinite(ranks.rank)]) == list(range(1, 8))


def test_refit_without_them_knows_nothing_of_them():
    """Whatever the counts of the withheld units are, all that is published is the same to the last bit."""
    found = quiet(withheld_units, labels(10), COUNT, SIZE)
    frames = []
    for own in (COUNT, np.concatenate([[4.0, 13.0], COUNT[2:]])):
        rows = found.rows(table(own), unit="unit")
        asked = (("difference", "indirect"), ("ratio", "indirect"), ("ratio", "direct"))
        comparisons = [found.apply(compared(rows, contrast=c, standard=s)) for c, s in asked]
        assert all(len(c) == 10 and (c.withheld != "").sum() == 3 for c in comparisons)
        frames.append(pd.concat([c.to_frame() for c in comparisons]))
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    # Fit with them, the others' expected values tell them apart: the total is the same, the slope is not.
    whole = [compared(table(own)).expected[5] for own in (COUNT, np.concatenate([[4.0, 13.0], COUNT[2:]]))]
    assert whole[0] != whole[1]


def test_order_and_labels_of_an_applied_comparison():
    found = quiet(withheld_units, labels(10), COUNT, SIZE)
    whole = compared(table())
    turned = found.apply(whole.take(np.arange(10)[::-1]))
    np.testing.assert_array_equal(turned.estimate, found.apply(whole).estimate)
    assert turned.unit.tolist() == labels(10)
    with pytest.raises(DataError, match="kommune 05"):
        found.apply(whole.take(np.array([0, 1, 2, 3, 4, 6, 7, 8, 9])))


def test_publishable_frame_denies_by_default():
    found = quiet(withheld_units, labels(10), COUNT, SIZE)
    frame = pd.DataFrame(
        {
            "unit": labels(10), "size": SIZE, "observed": COUNT, "events": COUNT.astype(int), "z": COUNT / 7,
            "rank": pd.array(range(10), dtype="Int64"), "different": "above", "flagged": COUNT > 20,
            "withheld": "", "something new": COUNT * 1.23456789,
        }
    )  # fmt: skip
    clean = publishable_frame(frame, found)
    hidden = clean[found.withheld]
    assert hidden["size"].tolist() == [180.0, 260.0, 300.0]
    assert hidden[["observed", "events", "z", "rank", "something new"]].isna().all(axis=None)
    assert hidden["flagged"].isna().all()
    assert set(hidden["different"]) == {"withheld"}
    assert set(hidden["withheld"]) == {found.reason}
    pd.testing.assert_frame_equal(clean[~found.withheld], frame[~found.withheld], check_dtype=False)
    rounded = publishable_frame(frame, found, significant=3)
    assert rounded["something new"][5] == float(f"{COUNT[5] * 1.23456789:.3g}")
    assert frame["observed"].notna().all(), "the table given stays as it was"


def test_long_tables_and_bins():
    found = quiet(withheld_units, labels(10), COUNT, SIZE)
    parts = pd.DataFrame({"unit": np.repeat(labels(10), 2), "term": ["x", "(unit left out)"] * 10, "contribution": 0.1})
    clean = publishable_frame(parts, found, keep=("term",))
    assert clean["contribution"].isna().sum() == 6
    bins = pd.DataFrame(
        {
            "bin": [1, 2, 3, 4],
            "size": [500.0, 600, 700, 800],
            "observed": np.array([2.0, 20, 70, 80]) / [500, 600, 700, 800],
        }
    )
    few = quiet(withheld_units, bins["bin"], np.round(bins["observed"] * bins["size"]), bins["size"])
    assert publishable_frame(bins, few, unit="bin")["observed"].isna().tolist() == [True, True, True, False]


def test_parquet_holds_what_the_frame_holds(tmp_path):
    pytest.importorskip("pyarrow")
    found = quiet(withheld_units, labels(10), COUNT, SIZE)
    frame = quiet(protect, compared(table())).to_frame()
    path = tmp_path / "table.parquet"
    publishable_frame(frame, found).to_parquet(path)
    assert pd.read_parquet(path).loc[found.withheld, ["observed", "estimate", "lower"]].isna().all(axis=None)
    # Neither the value nor the column's statistics are in the file.
    assert np.float64(COUNT[0]).tobytes() not in path.read_bytes()


def test_no_point_is_drawn():
    from matplotlib.figure import Figure

    from benchmodels import plots, reference_distribution
    from benchmodels.report.figures import Values, caterpillar, funnel

    found = quiet(protect, compared(table()))
    none = np.full(10, np.nan)
    values = Values(size=found.size, gap=found.estimate, lower=found.lower, upper=found.upper, least=none, most=none,
                    different=[False] * 10, unusual=[False] * 10, titles=[""] * 10)  # fmt: skip
    nowhere = funnel(values, limits=lambda size: (np.full(len(size), np.nan),) * 4, narrow=False)
    drawings = [nowhere, caterpillar(values, narrow=False)]
    for drawing in drawings:
        assert sorted(mark.unit for mark in drawing.marks) == list(range(3, 10))
    axes = Figure().subplots()
    plots.funnel(found, reference_distribution(found), ax=axes)
    drawn = np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections if len(c.get_offsets())])
    assert not np.isin(np.round(SIZE[:3]), np.round(drawn[np.isfinite(drawn).all(axis=1), 0])).any()


def test_hash_of_a_small_table_is_inverted_and_a_keyed_one_is_not():
    secret = b"unit,count\nA,3\nB,14\n"
    guesses = [f"unit,count\nA,{a}\nB,{17 - a}\n".encode() for a in range(18)]
    plain = hashlib.sha256(secret).hexdigest()
    assert [g for g in guesses if hashlib.sha256(g).hexdigest() == plain] == [secret]
    key = bytes(range(32))
    told = safe_hash(secret, key=key)
    for guess in guesses:
        assert told not in (hashlib.sha256(guess).hexdigest(), safe_hash(guess, key=bytes(32)))
    assert told == safe_hash(secret, key=key)
    assert len({safe_hash(g, key=key) for g in guesses}) == 18
    with pytest.raises(SpecificationError, match="guessed"):
        safe_hash(secret, key=b"kommune")


def test_notes_that_name_a_withheld_unit_are_dropped():
    found = quiet(withheld_units, ["Ærø", "Ø", *labels(8)], COUNT, SIZE)
    notes = (
        "uncertainty withheld for 1 of 10 units (with no events they say nothing of noise): 'Ærø'",
        "3 of 10 units withheld for disclosure control: 'Ærø', 'Ø', 'kommune 00'",
        "unit kommune 03 shares 20% of its case mix with the others",
        "units on Ærøskøbing are others",
    )
    assert publishable_notes(notes, found) == notes[1:]
    nobody = withheld_units(["a", "b"], np.array([50.0, 60]), np.array([500.0, 600]))
    assert publishable_notes(notes, nobody) == notes


def test_channels_are_named_once():
    names = [channel.name for channel in CHANNELS]
    assert len(set(names)) == len(names)
    assert {channel.remedy for channel in CHANNELS} == {"blank", "recompute", "refit", "key", "drop"}


def test_decision_as_a_table():
    found = quiet(withheld_units, labels(10), COUNT, SIZE)
    frame = found.to_frame()
    assert frame.columns.tolist() == ["unit", "size", "withheld", "lower", "upper"]
    assert frame["upper"].notna().sum() == 3


def test_costs_of_one_dominant_contributor():
    amount, size = np.array([99.0, 90, 95, 300]), np.array([50.0, 60, 70, 80])
    largest = np.array([[90.0, 5], [20, 15], [20, 15], [50, 50]])
    found = quiet(withheld_totals, labels(4), amount, size, np.full(4, 9.0), largest)
    assert found.withheld.tolist() == [True, True, True, False]
    assert found.size.tolist() == size.tolist()
    assert (found.lower[0], found.upper[0]) == (0.0, 99.0 + 90.0 + 95.0)
    few = quiet(withheld_totals, labels(4), amount, size, np.array([9.0, 9, 9, 2]), largest[[1, 1, 1, 1]])
    assert few.withheld[3]
    assert few.upper[3] >= 330
    assert "one that dominates" in few.reason
    with pytest.raises(DataError, match="zero or more"):
        withheld_totals(labels(4), -amount, size, np.full(4, 9.0), largest)
    with pytest.raises(SpecificationError, match="threshold=1"):
        withheld_totals(labels(4), amount, size, np.full(4, 9.0), largest, threshold=1)


def test_counts_without_a_ceiling():
    """Person-years are no ceiling: nothing is few because it is close to them, and nothing bounds from above."""
    size = COUNT + 1.0
    found = quiet(withheld_units, labels(10), COUNT, size, bounded=False)
    assert found.withheld.tolist() == [True, True, True] + [False] * 7
    assert found.lower[0] == 0.0
    assert found.upper[0] == COUNT[:3].sum()
    with pytest.raises(SpecificationError, match="cannot be protected"):
        withheld_units(labels(10), COUNT, size)


def test_one_label_each():
    with pytest.raises(DataError, match="there twice"):
        withheld_units(["a", "a", "b"], np.array([3.0, 50, 60]), np.full(3, 100.0))


def test_units_that_another_table_withholds():
    found = quiet(withheld_units, labels(10), COUNT, SIZE)
    more = found.also({"kommune 07", "of another table"})
    assert more.withheld.sum() == 4
    assert (more.lower[7], more.upper[7]) == (0.0, np.inf)
    assert more.told.startswith("4 of 10 units withheld")
    assert found.also({"kommune 00"}) is found


@pytest.mark.parametrize("threshold", [5, 20])
@pytest.mark.parametrize("zeros", [False, True])
def test_cells_of_a_table_with_margins(threshold, zeros):
    rng = np.random.default_rng(threshold)
    counts = pd.DataFrame(rng.poisson(rng.gamma(1.0, 30.0, (98, 1)), (98, 4)), index=labels(98), columns=list("abcd"))
    found = withheld_cells(counts, threshold=threshold, zeros=zeros)
    assert found.shape == (99, 5)
    whole = np.block([[counts.to_numpy(), counts.to_numpy().sum(1, keepdims=True)], [counts.to_numpy().sum(0),
                      counts.to_numpy().sum()]]).astype(float).ravel()  # fmt: skip
    risk, gone = count_risk(whole, threshold=threshold, zeros=zeros), found.to_numpy().ravel()
    assert gone[risk.risky].all()
    relations = additive_relations(np.append(np.full(98, 98), -1), np.append(np.full(4, 4), -1))
    cells = np.flatnonzero(risk.risky)
    low, high = attack(relations, np.where(gone, 0, whole), np.where(gone, np.inf, whole), cells=cells)
    assert np.all(low <= risk.low[cells] + 1e-6)
    assert np.all(high >= risk.high[cells] - 1e-6)


@pytest.mark.parametrize("counts", [{"a": [1.5]}, {"a": [-1]}, {"a": [np.nan]}, {"a": ["x"]}, {}])
def test_tables_that_hold_no_counts(counts):
    with pytest.raises(DataError, match="counts"):
        withheld_cells(pd.DataFrame(counts))


def test_labels_that_were_not_decided_on_are_refused():
    """A code that has lost its zero would pass as published."""
    found = quiet(withheld_units, ["0101", "0147", "0151", "0153"], np.array([2.0, 9, 30, 41]), SIZE[:4])
    frame = pd.DataFrame({"unit": [101, 147, 151, 153], "size": SIZE[:4], "observed": [2, 9, 30, 41]})
    for act in (lambda: publishable_frame(frame, found), lambda: found.rows(frame, unit="unit")):
        with pytest.raises(DataError, match="not among the units decided on: 101"):
            act()


def test_published_units_keep_the_size_that_their_figures_rest_on():
    found = quiet(withheld_units, labels(10), COUNT, SIZE)
    fewer = compared(found.rows(table(), unit="unit").assign(n=lambda rows: rows["n"] - 10))
    applied = found.apply(fewer)
    np.testing.assert_array_equal(applied.size[~found.withheld], fewer.size)
    np.testing.assert_array_equal(applied.size[found.withheld], SIZE[:3])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"total": "hidden"}, SpecificationError, "total='hidden'; allowed are 'published', 'withheld'"),
        ({"count": np.array([0.5, 9, 30, 41])}, DataError, "whole numbers"),
        ({"unit": ["a", "b", "c"]}, DataError, "found 3, 4 of them"),
        ({"unit": [["a"], ["b"], ["c"], ["d"]]}, DataError, "text or numbers"),
    ],
)
def test_what_cannot_be_meant_is_said(change, error, message):
    asked = {"unit": list("abcd"), "count": np.array([2.0, 9, 30, 41]), "size": SIZE[:4]} | change
    with pytest.raises(error, match=message):
        withheld_units(**asked)


def test_labels_may_be_tuples():
    found = quiet(withheld_units, [("a", i) for i in range(4)], np.array([2.0, 9, 30, 41]), SIZE[:4])
    assert found.withheld.sum() == 3

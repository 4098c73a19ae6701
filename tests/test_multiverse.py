"""Multiverses: every specification is the model it says, the parts add up, and what cannot be is named."""

import pickle
import warnings
from dataclasses import replace
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest

from benchmodels import FixedEffects, Pooled, RandomEffects, rank
from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.kernels.multiverse_shares import choice_shares
from benchmodels.multiverse import Multiverse, leave_out_matrix
from benchmodels.multiverse.found import VERDICTS
from benchmodels.multiverse.specifications import MOST, split_terms

RNG = np.random.default_rng(20)


def small(k=6, years=(2021, 2022), seed=3):
    """Cells of k units: three covariates that vary within units, one that does not, and a year."""
    rng = np.random.default_rng(seed)
    parts = [(u, y, g, p, a) for u in range(k) for y in years for g in (0, 1) for p in (0, 1) for a in "xyz"]
    table = pd.DataFrame(parts, columns=["unit", "year", "girl", "poor", "age"])
    table["unit"] = [f"Å{u}" for u in table["unit"]]
    table["town"] = (table["unit"] < f"Å{k // 2}").astype(int)
    table["pupils"] = rng.integers(5, 60, len(table))
    effect = rng.normal(0, 0.4, k)[table["unit"].str[1:].astype(int)]
    logit = -1.5 + effect + 0.3 * table["girl"] + 0.6 * table["poor"] + 0.2 * (table["age"] == "z")
    table["absent"] = rng.binomial(table["pupils"], 1 / (1 + np.exp(-logit)))
    return table


TABLE = small()
MAIN = FixedEffects("absent ~ girl + poor + C(age)", unit="unit", trials="pupils", period="year")


def plain(specification, table, **asked):
    rows = table[table["year"].isin(specification.periods)] if specification.periods else table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return specification.model.fit(rows).compare(**asked)


LINKS_AND_PERIODS = {"families": (("binomial", "logit"), ("binomial", "probit")), "periods": ((), (2022,))}


@pytest.mark.parametrize(
    ("optional", "models", "choices", "asked", "number"),
    [
        (("girl",), ("pooled", "fixed"), LINKS_AND_PERIODS, {}, 16),
        (("girl", ("poor", "C(age)")), ("pooled", "fixed"), {}, {"contrast": "ratio", "reference": "all"}, 8),
        (("poor",), ("pooled", "fixed"), {}, {"standard": "direct", "contrast": "rate", "level": 0.9}, 4),
        ((("girl", "C(age)"),), ("fixed", "random", "random within"), {}, {}, 6),
    ],
)
def test_every_specification_is_the_model_it_says(optional, models, choices, asked, number):
    multiverse = Multiverse(MAIN, optional=optional, models=models, **choices, **asked)
    result = multiverse.run(TABLE)
    assert len(result.status) == number
    assert set(result.status) == {"estimated"}
    assert result.complete
    for specification in multiverse.specifications():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alone = plain(specification, TABLE, **asked)
            ranking = rank(alone, level=asked.get("level", 0.95), draws=1000, rng=0)
        i = specification.number
        for name in ("estimate", "lower", "upper"):
            np.testing.assert_allclose(getattr(result, name)[i], getattr(alone, name), rtol=1e-8, atol=1e-8)
        assert [VERDICTS[v] for v in result.verdict[i]] == alone.different.tolist()
        np.testing.assert_array_equal(result.rank[i], ranking.rank)
        np.testing.assert_array_equal(result.rank_lower[i], ranking.lower)
    assert multiverse.specifications()[result.main].model == MAIN


def test_poisson_cases_and_frequencies_are_summed_rightly():
    main = Pooled("absent ~ girl + poor", unit="unit", exposure="pupils", family="poisson", frequency="often")
    table = TABLE.assign(often=RNG.integers(1, 4, len(TABLE)))
    result = Multiverse(main, optional=("girl", "poor"), families=(("poisson", None), ("binomial", None))).run(table)
    for specification in result.specifications:
        alone = specification.model.fit(table).compare()
        np.testing.assert_allclose(result.estimate[specification.number], alone.estimate, atol=1e-10)
        np.testing.assert_allclose(result.upper[specification.number], alone.upper, atol=1e-8)


def test_cases_without_trials_and_a_measured_outcome():
    cases = TABLE.loc[TABLE.index.repeat(3)].assign(ill=lambda t: np.random.default_rng(1).binomial(1, 0.3, len(t)))
    result = Multiverse(Pooled("ill ~ girl + poor", unit="unit"), optional=("poor",), models=("pooled", "fixed")).run(
        cases
    )
    for s in result.specifications:
        np.testing.assert_allclose(result.estimate[s.number], s.model.fit(cases).compare().estimate, atol=1e-10)
    cases["cost"] = 5 + cases["poor"] + np.random.default_rng(2).normal(size=len(cases))
    main = Pooled("cost ~ girl + center(poor)", unit="unit", family="gaussian")
    result = Multiverse(main, optional=("girl",), models=("pooled", "fixed", "random within")).run(cases)
    for s in result.specifications:
        alone = s.model.fit(cases).compare()
        np.testing.assert_allclose(result.estimate[s.number], alone.estimate, atol=1e-9)
        np.testing.assert_allclose(result.lower[s.number], alone.lower, atol=1e-8)


def test_what_is_constant_within_units_is_named_not_dropped():
    main = Pooled("absent ~ girl + town", unit="unit", trials="pupils")
    multiverse = Multiverse(main, optional=("girl", "town"), models=("pooled", "fixed"))
    with pytest.warns(PartialResultWarning, match=r"2 of 8 specifications .* 'town' is constant within units"):
        result = multiverse.run(TABLE)
    lost = result.by_specification().query("status == 'not estimable'")
    assert lost["model"].tolist() == ["fixed", "fixed"]
    assert lost["reason"].str.contains("'town' is constant within units").all()
    assert np.isnan(result.estimate[lost["number"]]).all()
    assert not result.complete
    assert not result.drivers()["complete"].any()
    frame = result.to_frame()
    assert (frame["specifications"] == 6).all()
    assert np.isfinite(frame[["minimum", "share_above"]].to_numpy()).all()


def test_ranges_are_those_of_a_plain_loop():
    main = Pooled("absent ~ girl + poor", unit="unit", trials="pupils", period="year")
    multiverse = Multiverse(main, optional=("girl", "poor"), models=("pooled", "fixed"), periods=((), (2021,), (2022,)))
    result = multiverse.run(TABLE)
    frame = result.to_frame()
    assert frame.columns.tolist() == [
        "unit", "specifications", "estimate", "lower", "upper", "verdict", "minimum", "quartile_1", "median",
        "quartile_3", "maximum", "rank", "rank_minimum", "rank_maximum", "union_lower", "union_upper", "common_lower",
        "common_upper", "share_above", "share_below", "share_not_different", "holds",
    ]  # fmt: skip
    answers = result.answers()
    assert len(answers) == 24 * 6
    for i, (unit, of_unit) in enumerate(answers.groupby("unit")):
        row = frame.loc[i]
        assert row["unit"] == unit
        assert row["minimum"] == of_unit["estimate"].min()
        assert row["quartile_3"] == pytest.approx(of_unit["estimate"].quantile(0.75))
        assert row["rank_maximum"] == of_unit["rank"].max()
        assert (row["union_lower"], row["union_upper"]) == (of_unit["rank_lower"].min(), of_unit["rank_upper"].max())
        low, high = of_unit["rank_lower"].max(), of_unit["rank_upper"].min()
        if low <= high:
            assert (row["common_lower"], row["common_upper"]) == (low, high)
        else:
            assert np.isnan(row["common_lower"]) and np.isnan(row["common_upper"])
        assert row["share_above"] == (of_unit["verdict"] == "above").mean()
        assert row["holds"] == (of_unit["verdict"].nunique() == 1)
    assert 0 < frame["holds"].sum() < 6, "the table is to have both kinds"
    main_alone = main.fit(TABLE).compare()
    np.testing.assert_allclose(frame["estimate"], main_alone.estimate, atol=1e-10)


def test_rank_sets_that_do_not_meet_have_nothing_in_common():
    result = Multiverse(MAIN, optional=("girl",)).run(TABLE)
    apart = replace(result, rank_lower=result.rank_lower.copy(), rank_upper=result.rank_upper.copy())
    apart.rank_lower[:, 0], apart.rank_upper[:, 0] = [1, 4], [3, 6]
    apart.rank_lower[:, 1], apart.rank_upper[:, 1] = [1, 2], [3, 6]
    frame = apart.to_frame()
    assert frame.loc[0, ["common_lower", "common_upper"]].isna().all()
    assert frame.loc[1, ["common_lower", "common_upper"]].tolist() == [2, 3]
    assert frame.loc[0, ["union_lower", "union_upper"]].tolist() == [1, 6]


def explained(values, options, kept):
    """Variance of the means by some choices, the plain way; values of one unit."""
    known = np.isfinite(values)
    groups = {}
    for value, row in zip(values[known], options[known], strict=True):
        groups.setdefault(tuple(row[j] for j in kept), []).append(value)
    mean = values[known].mean()
    return sum(len(g) * (np.mean(g) - mean) ** 2 for g in groups.values()) / known.sum()


@pytest.mark.parametrize("lost", [0, 5])
def test_shares_are_those_of_a_plain_loop(lost):
    levels = (2, 3, 2)
    options = np.array([(a, b, c) for a in range(2) for b in range(3) for c in range(2)])
    values = np.random.default_rng(5).normal(size=(12, 2)) + 2.0 * options[:, :1] + options[:, [1]] * options[:, [2]]
    values[np.random.default_rng(6).permutation(12)[:lost], 0] = np.nan
    shares = choice_shares(values, [options[:, j] for j in range(3)], levels)
    for unit in (0, 1):
        v = {kept: explained(values[:, unit], options, kept) for n in range(4) for kept in combinations(range(3), n)}
        assert shares.variance[unit] == pytest.approx(np.nanvar(values[:, unit]))
        for j in range(3):
            others = tuple(i for i in range(3) if i != j)
            assert shares.first_order[j, unit] == pytest.approx(v[(j,)])
            assert shares.total[j, unit] == pytest.approx(v[(0, 1, 2)] - v[others])
            shapley = sum(
                factorial(n) * factorial(2 - n) / 6 * (v[tuple(sorted((*kept, j)))] - v[kept])
                for n in range(3)
                for kept in combinations(others, n)
            )
            assert shares.shapley[j, unit] == pytest.approx(shapley)
        assert shares.shapley[:, unit].sum() == pytest.approx(shares.variance[unit])


def test_shares_of_an_additive_and_a_pure_interaction():
    options = np.array([(a, b) for a in range(2) for b in range(2)])
    codes = [options[:, 0], options[:, 1]]
    additive = choice_shares((3.0 * options[:, :1] + 1.0 * options[:, 1:]), codes, (2, 2))
    np.testing.assert_allclose(additive.first_order[:, 0], [9 / 4, 1 / 4])
    np.testing.assert_allclose(additive.total, additive.first_order)
    crossed = choice_shares(((options[:, :1] == options[:, 1:]) * 1.0), codes, (2, 2))
    np.testing.assert_allclose(crossed.first_order, 0.0, atol=1e-15)
    np.testing.assert_allclose(crossed.total, 0.25)
    np.testing.assert_allclose(crossed.shapley, 0.125)


def test_drivers_find_the_choice_that_moves_the_answer():
    table = small(k=12, seed=8)
    # Half of the units have nearly all the poor: what is done about poverty is what decides.
    rich = table["unit"] < "Å5"
    table.loc[rich & (table["poor"] == 1), ["pupils", "absent"]] //= 8
    main = Pooled("absent ~ girl + poor", unit="unit", trials="pupils")
    result = Multiverse(main, optional=("girl", "poor"), models=("pooled", "fixed")).run(table)
    drivers = result.drivers()
    assert drivers.columns.tolist() == ["choice", "options", "first_order", "shapley", "total", "complete"]
    assert drivers["choice"].iloc[0] == "poor"
    assert drivers["shapley"].sum() == pytest.approx(1.0)
    by_unit = result.drivers_by_unit()
    assert by_unit.groupby("unit")["shapley"].sum().to_numpy() == pytest.approx(1.0)
    assert len(by_unit) == 3 * 12
    weights = by_unit.assign(part=by_unit["sd"] ** 2 * by_unit["shapley"])
    total = weights.groupby("choice")["part"].sum() / (by_unit.groupby("unit")["sd"].first() ** 2).sum()
    np.testing.assert_allclose(drivers.set_index("choice")["shapley"], total[drivers["choice"]], rtol=1e-10)


def test_one_specification():
    result = Multiverse(MAIN).run(TABLE)
    frame = result.to_frame()
    assert (frame["minimum"] == frame["maximum"]).all() and frame["holds"].all()
    assert len(result.drivers()) == 0 and len(result.drivers_by_unit()) == 0
    assert "1 of 1 specification estimated" in repr(result)
    unit = result.unit[1]
    pd.testing.assert_frame_equal(result.of(unit), frame[frame["unit"] == unit].reset_index(drop=True))
    with pytest.raises(SpecificationError, match=f"no unit .*near: '{unit}'"):
        result.of(f"{unit}x")
    again = pickle.loads(pickle.dumps(result))
    pd.testing.assert_frame_equal(again.to_frame(), frame)


def test_all_failing_raises_with_the_reason():
    multiverse = Multiverse(FixedEffects("absent ~ town", unit="unit", trials="pupils"))
    with pytest.raises(DataError, match=r"the one specification cannot.*'town' is constant within units"):
        multiverse.run(TABLE)


def test_a_link_that_a_family_does_not_have_is_named():
    multiverse = Multiverse(MAIN, families=(("binomial", "logit"), ("poisson", "probit")))
    assert [s.reason != "" for s in multiverse.specifications()] == [False, True]
    with pytest.warns(PartialResultWarning, match="1 of 2"):
        result = multiverse.run(TABLE)
    assert "link for family='poisson'" in result.reason[1]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"optional": ("girl", "girl")}, "more than once"),
        ({"optional": ("girl", ("girl", "poor"))}, "more than once"),
        ({"optional": "girl"}, "takes a tuple"),
        ({"optional": ("1",)}, "is no term"),
        ({"optional": (3,)}, "give terms"),
        ({"optional": (("girl", "town"),)}, "go in and out together"),
        ({"optional": ("girl +",), "models": ("fixd",)}, "models must be one of"),
        ({"models": ("pooled",)}, "is not among models"),
        ({"models": ("fixed", "fixed")}, "more than once"),
        ({"families": (("poisson", None),)}, "is not among families"),
        ({"families": ("poisson",)}, "pairs of family and link"),
        ({"periods": (2021,)}, "give tuples"),
        ({"periods": ((), ([2021],))}, "give tuples"),
        ({"optional": None}, "takes a tuple"),
        ({"optional": ("poor - girl",)}, "take the minus out"),
        ({"families": ((["x"], None),)}, "pairs of family and link"),
        ({"contrast": "odds"}, "contrast must be"),
        ({"level": 95}, "level is a share"),
        ({"draws": 0}, "draws=0"),
    ],
)
def test_questions_that_cannot_be_asked(asked, message):
    with pytest.raises(SpecificationError, match=message):
        Multiverse(MAIN, **asked)


def test_questions_of_the_wrong_kind():
    with pytest.raises(SpecificationError, match="main takes a"):
        Multiverse("absent ~ girl")
    with pytest.raises(SpecificationError, match="role period"):
        Multiverse(Pooled("absent ~ girl", unit="unit", trials="pupils"), periods=((2021,),))


def test_tables_that_do_not_hold_what_is_asked():
    with pytest.raises(DataError, match="no column 'gril'"):
        Multiverse(MAIN, optional=("gril",)).run(TABLE)
    with pytest.raises(DataError, match=r"periods asks for 1999.*it has 2021, 2022"):
        Multiverse(MAIN, periods=((), (1999,))).run(TABLE)
    with pytest.raises(DataError, match="more successes"):
        Multiverse(MAIN, optional=("girl",)).run(TABLE.assign(absent=TABLE["absent"] + 60 * (TABLE.index == 0)))
    with pytest.raises(DataError, match="missing values"):
        Multiverse(MAIN, optional=("girl",)).run(TABLE.assign(girl=TABLE["girl"].where(TABLE.index > 0)))


def test_two_units_one_period_and_a_unit_without_events():
    two = TABLE[TABLE["unit"].isin(["Å0", "Å1"]) & (TABLE["year"] == 2021)].copy()
    two.loc[two["unit"] == "Å0", "absent"] = 0
    main = Pooled("absent ~ girl + poor + year", unit="unit", trials="pupils", period="year")
    with pytest.warns(PartialResultWarning, match="is the same in every row"):
        # A constant that is asked for everywhere but where one period is picked.
        result = Multiverse(main, optional=("girl", "poor"), periods=((), (2021,))).run(two)
    table = result.by_specification()
    assert (table["status"] == np.where(table["periods"] == "all", "not estimable", "estimated")).all()
    with pytest.warns(PartialResultWarning, match="the main one"):
        Multiverse(main, periods=((), (2021,))).run(two)
    fixed = FixedEffects("absent ~ girl", unit="unit", trials="pupils")
    result = Multiverse(fixed, optional=("girl",), models=("pooled", "fixed"), reference="all").run(two)
    assert np.isfinite(result.estimate[:, 0]).all() and (result.estimate[:, 0] < 0).all()


def test_a_unit_that_a_period_lacks_has_no_answer_there():
    table = TABLE[(TABLE["unit"] != "Å2") | (TABLE["year"] == 2021)]
    result = Multiverse(MAIN, periods=((), (2021,), (2022,))).run(table)
    assert np.isfinite(result.estimate).all(axis=1).tolist() == [True, True, False]
    assert np.isnan(result.estimate[2, 2]) and np.isfinite(result.estimate[2, [0, 1, 3, 4, 5]]).all()
    assert result.to_frame()["specifications"].tolist() == [3, 3, 2, 3, 3, 3]
    assert result.complete is False


def test_ten_terms_are_allowed_and_thirteen_are_not():
    terms = tuple(f"x{i}" for i in range(13))
    assert len(Multiverse(MAIN, optional=terms[:10]).specifications()) == 1024
    with pytest.raises(SpecificationError, match=rf"8,192 specifications; at most {MOST:,}"):
        Multiverse(MAIN, optional=terms)


def test_what_is_kept_is_as_the_number_of_units_not_of_rows():
    result = Multiverse(MAIN, optional=("girl", "poor")).run(TABLE)
    assert len(pickle.dumps(result)) < 20_000


def test_workers_order_of_rows_and_the_table_itself_do_not_matter():
    before = TABLE.copy(deep=True)
    multiverse = Multiverse(MAIN, optional=("girl", "poor"), models=("pooled", "fixed"))
    first = multiverse.run(TABLE)
    pd.testing.assert_frame_equal(TABLE, before)
    import joblib

    with joblib.parallel_config("threading"):
        second = multiverse.run(TABLE.sample(frac=1.0, random_state=1), workers=2)
    np.testing.assert_allclose(first.estimate, second.estimate, atol=1e-12)
    np.testing.assert_array_equal(first.verdict, second.verdict)


def test_an_interrupt_keeps_what_is_done_the_main_specification_first():
    def stop(done):
        if done == 3:
            raise KeyboardInterrupt

    multiverse = Multiverse(MAIN, optional=("girl", "poor"), models=("pooled", "fixed"))
    with pytest.warns(PartialResultWarning, match="interrupted with 3 of 8"):
        result = multiverse.run(TABLE, progress=stop)
    assert sum(status == "estimated" for status in result.status) == 3
    assert result.status[result.main] == "estimated"
    assert sum(status == "not run" for status in result.status) == 5


def test_progress_counts():
    seen = []
    Multiverse(MAIN, optional=("girl",)).run(TABLE, progress=seen.append)
    assert seen == [1, 2]


def test_terms_as_they_are_written():
    assert split_terms("y ~ 1 + C(a, levels=[1, 2]) + `b + c` + a:b + log(d + 1)") == (
        "C(a, levels=[1, 2])", "`b + c`", "a:b", "log(d + 1)",
    )  # fmt: skip
    main = Pooled("`ill days` ~ girl + poor", unit="unit", trials="pupils")
    assert Multiverse(main, optional=("girl",)).specifications()[0].model.formula == "`ill days` ~ poor"
    table = TABLE.rename(columns={"absent": "ill days"})
    assert Multiverse(main, optional=("girl",)).run(table).complete


@pytest.mark.parametrize("model", [FixedEffects, Pooled, RandomEffects])
def test_leave_out_matrix_is_that_of_literal_refits(model):
    asked = model("absent ~ girl + poor", unit="unit", trials="pupils")
    fit = asked.fit(TABLE)
    matrix = leave_out_matrix(fit)
    size = TABLE.groupby("unit")["pupils"].sum()
    base = fit.expected(reference="all")
    for unit in matrix.index:
        without = asked.fit(TABLE[TABLE["unit"] != unit]).expected(reference="all")
        np.testing.assert_allclose(
            matrix.loc[unit, without.index], (base[without.index] - without) / size[without.index], atol=1e-8
        )
        own = (base[unit] - fit.expected(reference="others")[unit]) / size[unit]
        assert matrix.loc[unit, unit] == pytest.approx(own, abs=1e-8)
    with pytest.raises(SpecificationError, match="takes a Fit"):
        leave_out_matrix(TABLE)

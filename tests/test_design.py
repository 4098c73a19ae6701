"""The doorway: what comes out of it is what went in, once, sorted and collapsed exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmodels import DataError, Pooled
from benchmodels.design import read_design
from benchmodels.roles import Roles


def table(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "u": rng.choice(["b", "a", "ø", "10", "9"], n),
            "sex": rng.choice(["m", "f"], n),
            "age": rng.integers(6, 16, n),
            "m": rng.integers(1, 9, n),
            "x": rng.normal(size=n),
        }
    )
    data["y"] = rng.binomial(data["m"], 0.3)
    return data


def test_collapse_is_a_group_by():
    data = table()
    design = read_design("y ~ sex + age", Roles(unit="u", trials="m"), data)
    groups = data.groupby(["u", "sex", "age"])[["y", "m"]].sum()
    assert len(design.outcome) == len(groups)
    found = pd.DataFrame(
        {
            "u": design.units[design.unit],
            "sex": np.where(design.columns[:, 0] == 1, "m", "f"),
            "age": design.columns[:, 1].astype(int),
            "y": design.outcome,
            "m": design.size,
        }
    )
    found = found.set_index(["u", "sex", "age"]).sort_index().astype(int)
    pd.testing.assert_frame_equal(found, groups.sort_index(), check_index_type=False, check_dtype=False)
    assert design.cases.sum() == len(data)
    assert (np.diff(design.unit) >= 0).all()
    np.testing.assert_array_equal(design.starts, [np.flatnonzero(design.unit == i)[0] for i in range(5)])


def test_units_are_sorted_and_numbers_stay_numbers():
    design = read_design("y ~ 1", Roles(unit="u", trials="m"), table())
    assert design.units.tolist() == sorted({"a", "b", "ø", "10", "9"})
    ids = read_design("y ~ 1", Roles(unit="u", trials="m"), table().assign(u=np.arange(2000.0) % 12))
    assert ids.units.tolist() == list(range(12))


@pytest.mark.parametrize("formula", ["sex + age", "sex * age", "C(age) + sex", "sex:age + age", "I(age ** 2) + age"])
def test_columns_are_those_of_the_rows(formula):
    """Collapsed or not, each row's columns are what formulaic makes of the whole table."""
    from formulaic import model_matrix

    data = table()
    design = read_design(f"y ~ {formula}", Roles(unit="u", trials="m"), data)
    whole = model_matrix(formula, data).drop(columns="Intercept")
    assert list(whole.columns) == list(design.names)
    np.testing.assert_allclose(design.encode(data), whole.to_numpy(float))
    np.testing.assert_allclose(
        design.columns.T @ design.size, whole.to_numpy(float).T @ data["m"].to_numpy(float), rtol=1e-12
    )
    assert [slice(a.start, a.stop) for _, a in design.terms][0].start == 0
    assert design.terms[-1][1].stop == len(design.names)


@pytest.mark.parametrize(
    "formula", ["center(x)", "scale(x)", "poly(x, 2)", "bs(x, df=4)", "cs(x, df=4)", "np.exp(x)", "{x + age}"]
)
def test_functions_of_whole_columns(formula):
    """They see the whole column once, and new rows are encoded with what was remembered."""
    data = table()
    design = read_design(f"y ~ {formula}", Roles(unit="u", trials="m"), data)
    rows = design.encode(data.head(5))
    both = design.encode(data.iloc[[0, 1, 2, 3, 4, 900]])
    np.testing.assert_allclose(both[:5], rows)
    np.testing.assert_allclose(np.sort(design.encode(data), axis=0), np.sort(design.columns, axis=0))


def test_many_columns_that_do_not_repeat():
    data = table()
    design = read_design("y ~ x + sex", Roles(unit="u", trials="m"), data)
    assert len(design.outcome) == 2000
    np.testing.assert_allclose(np.sort(design.columns[:, 0]), np.sort(data["x"]))


def test_more_combinations_than_one_integer_holds():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.integers(0, 40, (900, 13)), columns=[f"c{i}" for i in range(13)])
    data["u"], data["y"] = rng.integers(0, 5, 900), rng.integers(0, 2, 900)
    again = pd.concat([data, data])
    design = read_design("y ~ " + " + ".join(f"c{i}" for i in range(13)), Roles(unit="u"), again)
    assert len(design.outcome) == len(data.drop(columns="y").drop_duplicates())
    np.testing.assert_array_equal(design.cases.sum(), 1800)


def test_categories_keep_their_order_and_lose_what_is_not_met():
    data = table().assign(sex=lambda d: pd.Categorical(d["sex"], ["m", "x", "f"]))
    assert read_design("y ~ sex", Roles(unit="u", trials="m"), data).names == ("sex[T.f]",)
    data["u"] = pd.Categorical(data["u"], ["ø", "b", "zz", "a", "10", "9"])
    assert read_design("y ~ 1", Roles(unit="u", trials="m"), data).units.tolist() == [
        "ø",
        "b",
        "a",
        "10",
        "9",
    ]


def test_categories_of_other_libraries_keep_their_order():
    import polars as pl
    import pyarrow as pa

    data = table()
    ordered = data.assign(sex=pd.Categorical(data["sex"], ["m", "x", "f"]))
    enum = pl.from_pandas(data).with_columns(pl.col("sex").cast(pl.Enum(["m", "x", "f"])))
    for other in (enum, pa.Table.from_pandas(ordered)):
        assert read_design("y ~ sex", Roles(unit="u", trials="m"), other).names == ("sex[T.f]",)


def test_truth_values_are_numbers():
    import polars as pl

    data = table().assign(girl=lambda d: d["sex"] == "f")
    for other in (data, pl.from_pandas(data), data.assign(girl=data["girl"].astype(object))):
        design = read_design("y ~ girl", Roles(unit="u", trials="m"), other)
        assert design.names == ("girl",)
        np.testing.assert_allclose(np.unique(design.columns), [0, 1])


@pytest.mark.filterwarnings("ignore::benchmodels.DroppedRowsWarning")
def test_truth_values_with_missing_ones():
    import polars as pl

    values = [None, True, False] + [True, False] * 100
    data = {"u": ["a", "b", "c"] + ["a", "b"] * 100, "event": values}
    for other in (pd.DataFrame(data), pl.DataFrame(data), pd.DataFrame(data).convert_dtypes()):
        fit = Pooled("event ~ 1", unit="u", missing="drop").fit(other)
        assert fit.design.outcome.sum() == 101
        assert fit.design.rows_dropped == 1


@pytest.mark.parametrize("name", ["æøå", "it's", "a b", 'say "x"', "a~b", "a(b)", "50%", "a:b", "x|y", "1st"])
def test_odd_names_in_backticks(name):
    data = table().rename(columns={"age": name, "u": "kommune nr.", "y": "ud fald"})
    design = read_design(f"`ud fald` ~ `{name}` + sex", Roles(unit="kommune nr.", trials="m"), data)
    assert name in design.names
    np.testing.assert_allclose(design.encode(data)[:, design.names.index(name)], data[name])


def test_æøå_needs_no_backticks():
    data = table().rename(columns={"age": "alder_på_år", "u": "kommune", "y": "fravær"})
    design = read_design("fravær ~ alder_på_år", Roles(unit="kommune", trials="m"), data)
    assert design.names == ("alder_på_år",)


def test_frequency_is_a_number_of_rows():
    data = table(200).assign(w=lambda d: d["m"] % 3)
    by_weight = read_design("y ~ sex", Roles(unit="u", trials="m", frequency="w"), data)
    by_rows = read_design("y ~ sex", Roles(unit="u", trials="m"), data.loc[data.index.repeat(data["w"])])
    for name in ("outcome", "size", "cases", "squares"):
        assert getattr(by_weight, name).sum() == pytest.approx(getattr(by_rows, name).sum(), rel=1e-12)


def test_squares_are_what_variances_need():
    data = table(300).assign(cost=lambda d: d["x"] * 100, p=1)
    design = read_design("cost ~ sex", Roles(unit="u", family="gaussian", exposure="m"), data)
    assert design.squares.sum() == pytest.approx(np.sum(data["cost"] ** 2 / data["m"]), rel=1e-12)


def test_a_row_of_no_size_is_no_case():
    data = pd.concat([table(100), pd.DataFrame({"u": ["a"], "sex": ["m"], "age": [7], "m": [0], "x": [0.0], "y": [0]})])
    design = read_design("y ~ sex", Roles(unit="u", trials="m"), data)
    assert design.cases.sum() == 100
    assert design.rows_read == 101


@pytest.mark.parametrize(
    "period", [[2018, 2019, 2020], ["2018", "2019", "2020"], pd.date_range("2018", periods=3, freq="YS")]
)
def test_periods_have_even_positions(period):
    data = pd.DataFrame({"u": list("aaabbb"), "p": [*period, *period], "cost": np.arange(6.0)})
    design = read_design("cost ~ 1", Roles(unit="u", family="gaussian", period="p"), data)
    assert np.diff(np.unique(design.period)).tolist() == [1.0, 1.0]
    assert len(design.outcome) == 6


def test_nothing_is_changed_and_attrs_come_along():
    data = table()
    data.attrs = {"source": "a register", "simulated": True}
    before = data.copy()
    design = read_design("y ~ sex", Roles(unit="u", trials="m"), data)
    pd.testing.assert_frame_equal(data, before)
    assert design.source == "a register"
    assert design.simulated


def test_encode_wants_what_the_first_table_had():
    design = read_design("y ~ sex + age", Roles(unit="u", trials="m"), table())
    new = pd.DataFrame({"sex": ["m"], "age": [9]})
    np.testing.assert_allclose(design.encode(new), [[1.0, 9.0]])
    with pytest.raises(DataError, match="levels that the fitted table did not have: 'x'; it had 'f', 'm'"):
        design.encode(new.assign(sex="x"))
    with pytest.raises(DataError, match="no column 'age'"):
        design.encode(new[["sex"]])
    with pytest.raises(DataError, match="missing values"):
        design.encode(new.assign(age=np.nan))
    with pytest.raises(DataError, match="'age' is a covariate and must be a number; it holds text"):
        design.encode(new.assign(age="nine"))
    with pytest.raises(DataError, match="must be finite"):
        design.encode(new.assign(age=np.inf))

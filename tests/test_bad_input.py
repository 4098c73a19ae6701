"""What cannot be answered is refused with our own error, which names what is wrong and what to do.

`CASES` holds (name, what is done, error, fragments of its message). ``python -m tests.test_bad_input`` prints the
messages, to be read by a person.
"""

# ruff: noqa: E501  (one case a line reads as a table)

from __future__ import annotations

import datetime
import time
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from benchmodels import ConvergenceError, DataError, FixedEffects, Pooled, RandomEffects, SpecificationError
from benchmodels.errors import BenchmodelsError


def table(n=240):
    rng = np.random.default_rng(0)
    unit = np.arange(n) % 6
    x, group = np.round(rng.normal(size=n), 3), rng.choice(list("abc"), n)
    eta = -1 + 0.5 * x + 0.2 * unit
    return pd.DataFrame(
        {
            "unit": [f"u{i}" for i in unit], "x": x, "g": group, "y": (rng.random(n) < 1 / (1 + np.exp(-eta))) * 1,
            "t": 10, "cost": 100 + 5 * x + unit + rng.normal(size=n), "count": rng.poisson(2, n),
            "year": 2018 + np.arange(n) // 6 % 5,
        }
    )  # fmt: skip


DATA = table()


def pooled(formula="y ~ x + g", data=None, *, model=Pooled, unit="unit", **roles):
    def ask():
        return model(formula, unit=unit, **roles).fit(DATA if data is None else data() if callable(data) else data)

    return ask


def within(formula="y ~ x + g", data=None, **roles):
    return pooled(formula, data, model=FixedEffects, **roles)


def changed(**columns):
    return DATA.assign(**columns)


def at(column, row, value):
    data = DATA.copy()
    if data[column].dtype.kind not in "if":
        data[column] = data[column].astype(object)
    elif data[column].dtype.kind == "i":
        data[column] = data[column].astype(type(value))
    data.loc[row, column] = value
    return data


def compared(**options):
    return lambda: Pooled("y ~ x", unit="unit").fit(DATA).compare(**options)


def encoded(data):
    return lambda: Pooled("y ~ x + g", unit="unit").fit(DATA).design.encode(data)


def lazy():
    import polars as pl

    return pl.from_pandas(DATA).lazy()


def polars_series():
    import polars as pl

    return pl.Series("y", [1, 2])


NUMBERS_AS_TEXT = DATA["x"].map(lambda v: f"{v:.3f}".replace(".", ","))
U1 = DATA["unit"] == "u1"
FULL = DATA["unit"].isin(["u0", "u1", "u2"])

CASES = [
    # --- the table
    ("dictionary", pooled(data={"y": [1]}), DataError, ["dataframe is needed", "found dict"]),
    ("nothing", lambda: Pooled("y ~ x", unit="unit").fit(None), DataError, ["dataframe", "NoneType"]),
    ("array", pooled(data=np.zeros((3, 3))), DataError, ["dataframe", "ndarray"]),
    ("series", pooled(data=DATA["x"]), DataError, ["dataframe", "Series"]),
    ("polars series", pooled(data=polars_series), DataError, ["dataframe", "Series"]),
    ("lazy polars", pooled(data=lazy), DataError, ["LazyFrame", ".collect()"]),
    ("no rows", pooled(data=DATA.iloc[:0]), DataError, ["no rows"]),
    ("no columns", pooled(data=pd.DataFrame()), DataError, ["no columns"]),
    ("misspelt covariate", pooled("y ~ xx"), DataError, ["no column 'xx'", "did you mean 'x'", "'cost'"]),
    ("misspelt unit", pooled(unit="Unit"), DataError, ["'Unit'", "did you mean 'unit'"]),
    ("strange covariate", pooled("y ~ zebra"), DataError, ["'zebra'", "The table has 'unit'"]),
    ("misspelt in an interaction", pooled("y ~ x:gg"), DataError, ["'gg'", "did you mean 'g'"]),
    ("misspelt trials", pooled(trials="tt"), DataError, ["'tt'", "did you mean 't'"]),
    ("misspelt outcome", pooled("`yy` ~ x"), DataError, ["'yy'", "did you mean 'y'"]),
    ("columns twice", pooled(data=pd.concat([DATA, DATA[["x"]]], axis=1)), DataError, ["several columns", "'x'", "rename"]),
    # --- missing and infinite
    ("missing values", pooled(data=at("x", 3, np.nan)), DataError, ["'x': 1", "240 rows", "missing='drop'"]),
    ("missing in two", pooled(data=at("g", 3, None).assign(x=np.nan)), DataError, ["2 column(s)", "'g': 1", "'x': 240"]),
    ("missing unit", pooled(data=at("unit", 3, None)), DataError, ["'unit': 1", "missing='drop'"]),
    ("all dropped", pooled(data=changed(x=np.nan), missing="drop"), DataError, ["no rows are left", "240"]),
    ("infinite covariate", pooled(data=at("x", 3, np.inf)), DataError, ["'x'", "finite", "row 3", "inf"]),
    ("infinite is not missing", pooled(data=at("x", 3, np.inf), missing="drop"), DataError, ["'x'", "finite"]),
    ("infinite outcome", pooled("cost ~ x", at("cost", 5, -np.inf), family="gaussian"), DataError, ["'cost'", "finite", "row 5"]),
    ("log of zero", pooled("y ~ np.log(count)"), DataError, ["np.log(count)", "log of zero"]),
    ("log of negatives", pooled("y ~ log(x)"), SpecificationError, ["log(x)", "null"]),
    ("division by zero", pooled("y ~ I(1 / count)"), DataError, ["I(1 / count)", "infinite"]),
    # --- counts
    ("negative count", pooled(data=at("y", 7, -1), trials="t"), DataError, ["'y'", "cannot be negative", "row 7", "-1"]),
    ("more than all", pooled(data=at("y", 9, 11), trials="t"), DataError, ["more successes in 'y' than trials in 't'", "row 9"]),
    ("a share", pooled(data=changed(y=0.3)), DataError, ["'y'", "not 0 or 1", "trials=", "0.3"]),
    ("a count without trials", pooled(data=at("y", 4, 2)), DataError, ["'y'", "not 0 or 1", "row 4"]),
    ("negative trials", pooled(data=at("t", 2, -1), trials="t"), DataError, ["'t'", "at least 0", "row 2"]),
    ("negative exposure", pooled("count ~ x", at("t", 2, -1), family="poisson", exposure="t"), DataError, ["'t' is exposure", "row 2"]),
    ("negative frequency", pooled(data=at("t", 2, -1), frequency="t"), DataError, ["'t' is frequency", "at least 0"]),
    ("events without exposure", pooled("count ~ x", changed(t=0), family="poisson", exposure="t"), DataError, ["'count'", "'t' is zero"]),
    ("poisson below zero", pooled("cost ~ x", at("cost", 1, -5.0), family="poisson"), DataError, ["'cost'", "negative", "-5"]),
    # --- text where numbers belong
    ("decimal comma", pooled(data=changed(y="1,5"), trials="t"), DataError, ["'y'", "must be a number", "'1,5'", "decimal comma"]),
    ("trials as text", pooled(data=changed(t="10"), trials="t"), DataError, ["'t' is trials", "text such as '10'"]),
    ("numbers as text", pooled(data=changed(x=NUMBERS_AS_TEXT)), DataError, ["'x'", "numbers as text", "decimal comma"]),
    ("numbers as text and n/a", pooled(data=changed(x=NUMBERS_AS_TEXT.where(DATA.index % 9 > 0, "n/a"))), DataError, ["'x'", "numbers as text", "missing"]),
    ("outcome of categories", pooled("g ~ x"), DataError, ["'g' is the outcome", "must be a number"]),
    ("numbers as categories", pooled(data=changed(y=pd.Categorical([1] * len(DATA)))), DataError, ["'y'", "categories such as 1 (row"]),
    ("offset as text", pooled("count ~ x", family="poisson", offset="g"), DataError, ["'g' is offset", "number"]),
    ("complex numbers", pooled(data=changed(x=DATA["x"] + 1j)), DataError, ["'x'", "number", "complex"]),
    ("mixed covariate", pooled(data=at("g", 3, 1)), DataError, ["'g'", "mixes 'int', 'str'"]),
    ("lists", pooled(data=changed(g=[[1]] * len(DATA))), DataError, ["'g'", "list"]),
    ("dates", pooled("y ~ d", changed(d=pd.Timestamp("2020-01-01"))), DataError, ["'d'", "dates", "year"]),
    ("dates of Python", pooled("y ~ d", changed(d=datetime.date(2020, 1, 1))), DataError, ["'d'", "dates", "2020-01-01"]),
    ("durations", pooled("y ~ d", changed(d=pd.Timedelta("1D"))), DataError, ["'d'", "times"]),
    # --- units
    ("units of two types", pooled(data=at("unit", 0, 5)), DataError, ["'unit'", "mixes"]),
    ("blanks in units", pooled(data=at("unit", 0, "u0 ")), DataError, ["'unit'", "blanks", "'u0'", "alike"]),
    ("blanks inside units", pooled(data=changed(unit=np.where(DATA.index < 3, "Ny  by", np.where(DATA.index < 9, "Ny by", DATA["unit"])))), DataError, ["blanks", "'Ny by'"]),
    ("letters encoded in two ways", pooled(data=changed(unit=np.where(DATA.index < 3, "A\u030arhus", np.where(DATA.index < 9, "\u00c5rhus", DATA["unit"])))), DataError, ["encoded", "\u00c5rhus"]),
    ("one unit", pooled(data=changed(unit="only")), DataError, ["two units", "'only'"]),
    ("fractional units", pooled(data=changed(unit=np.arange(240) % 5 + 0.5)), DataError, ["'unit'", "fractional"]),
    ("a unit without trials", pooled(data=changed(t=np.where(U1, 0, 10), y=np.where(U1, 0, DATA["y"])), trials="t"), DataError, ["1 unit(s)", "'t'", "'u1'", "leave them out"]),
    ("a unit without frequency", pooled(data=changed(t=np.where(U1, 0, 1)), frequency="t"), DataError, ["'u1'", "leave"]),
    # --- nothing to compare
    ("no events", pooled(data=changed(y=0)), DataError, ["'y'", "zero in every row"]),
    ("nothing but events", pooled(data=changed(y=1)), DataError, ["'y'", "every case"]),
    ("no events, poisson", pooled("y ~ x", changed(y=0), family="poisson"), DataError, ["'y'", "zero in every row"]),
    ("constant outcome", pooled("y ~ x", changed(y=5.0), family="gaussian"), DataError, ["'y'", "same in every row"]),
    ("constant rate", pooled("y ~ x", changed(y=50.0), family="gaussian", exposure="t"), DataError, ["'y'", "same in every row"]),
    ("every unit empty or full", within(data=changed(y=FULL * 1)), BenchmodelsError, ["'y'"]),
    # --- separation
    ("a category without events", pooled(data=changed(y=np.where(DATA["g"] == "b", 0, DATA["y"]))), DataError, ["separation", "'g[T.b]'", "merge"]),
    ("a category with nothing else", pooled(data=changed(y=np.where(DATA["g"] == "b", 1, DATA["y"]))), DataError, ["separation", "'g[T.b]'", "nothing but events"]),
    ("the first category without events", pooled(data=changed(y=np.where(DATA["g"] == "a", 0, DATA["y"]))), BenchmodelsError, ["separation", "g[T."]),
    ("the same, many cases", pooled("y ~ g", lambda: pd.concat([changed(y=np.where(DATA["g"] == "a", 0, DATA["y"]))] * 20)), BenchmodelsError, ["separation", "g[T."]),
    ("the same, within units", within(data=changed(y=np.where(DATA["g"] == "a", 0, DATA["y"]))), BenchmodelsError, ["separation", "g[T."]),
    ("the same, poisson", pooled("count ~ g", changed(count=np.where(DATA["g"] == "a", 0, DATA["count"])), family="poisson"), BenchmodelsError, ["separation", "g[T."]),
    ("a category coded 1 and 2", pooled("y ~ s", lambda: pd.concat([changed(s=1 + (DATA["g"] == "b"), y=np.where(DATA["g"] == "b", 0, DATA["y"]))] * 20)), BenchmodelsError, ["separation", "'s'"]),
    ("separation by a number", pooled("y ~ x", changed(y=(DATA["x"] > 0.1) * 1)), ConvergenceError, ["'x'", "separation", "merge"]),
    ("separation by a number, within", within("y ~ x", changed(y=(DATA["x"] > 0.1) * 1)), ConvergenceError, ["'x'", "separation"]),
    ("separation, ten cases", pooled("y ~ x", lambda: changed(y=(DATA["x"] > 0.1) * 1).head(10)), BenchmodelsError, ["'x'", "separation"]),
    ("separation in the units that tell", within("y ~ g", changed(y=np.where(DATA["unit"] == "u0", 1, np.where(DATA["g"] == "b", 0, DATA["y"])))), BenchmodelsError, ["'g[T.b]'", "separation"]),
    # --- covariates that say the same
    ("collinear", pooled("y ~ x + z", changed(z=2 * DATA["x"] + 1)), DataError, ["collinear", "'z'", "leave one out"]),
    ("collinear within units", within("y ~ x + z", changed(z=DATA["x"] + DATA["unit"].str[1:].astype(int))), DataError, ["collinear", "within units", "'z'"]),
    ("constant column", pooled("y ~ x + t"), DataError, ["'t'", "same in every row", "leave it out"]),
    ("constant within units", within("y ~ x + z", changed(z=DATA["unit"].str[1:].astype(int))), SpecificationError, ["'z'", "constant within units", "Pooled"]),
    ("category of the unit", within("y ~ x + z", changed(z=np.where(U1, "p", "q"))), SpecificationError, ["'z[T.q]'", "constant within units"]),
    # --- roles
    ("outcome on both sides", pooled("y ~ y + x"), SpecificationError, ["'y'", "also among the covariates"]),
    ("unit as covariate", pooled("y ~ unit"), SpecificationError, ["'unit'", "role unit", "FixedEffects"]),
    ("unit in an interaction", pooled("y ~ x:C(unit)"), SpecificationError, ["'unit'", "role unit"]),
    ("trials as covariate", pooled("y ~ t", trials="t"), SpecificationError, ["'t'", "role trials"]),
    ("choice in the formula", pooled(choice=("x",)), SpecificationError, ["'x'", "own control", "second step"]),
    ("choice inside a function", pooled("y ~ np.log(x)", choice=("x",)), SpecificationError, ["'x'", "own control"]),
    ("choice inside a spline", pooled("y ~ bs(x, df=4)", choice=("x",)), SpecificationError, ["'x'", "own control"]),
    ("outcome inside a spline", pooled("y ~ poly(y, 2)"), SpecificationError, ["'y'", "also among the covariates"]),
    ("choice as text", pooled(choice="x"), SpecificationError, ["tuple", "('x',)"]),
    ("two roles", pooled(trials="t", frequency="t"), SpecificationError, ["one role", "'t'"]),
    ("outcome as trials", pooled(trials="y"), SpecificationError, ["'y'", "outcome", "trials"]),
    ("a role that is no name", pooled(unit=3), SpecificationError, ["unit", "name of a column", "3"]),
    ("an empty name", pooled(trials=""), SpecificationError, ["trials", "name of a column"]),
    ("trials with poisson", pooled("count ~ x", family="poisson", trials="t"), SpecificationError, ["trials", "'poisson'", "exposure"]),
    ("exposure with binomial", pooled(exposure="t"), SpecificationError, ["exposure", "'binomial'", "trials"]),
    # --- formulas
    ("no tilde", pooled("y x"), SpecificationError, ["'outcome ~ covariates'", "'y x'"]),
    ("two tildes", pooled("y ~ x ~ g"), SpecificationError, ["'outcome ~ covariates'"]),
    ("not text", pooled(5), SpecificationError, ["'outcome ~ covariates'", "5"]),
    ("no outcome", pooled("~ x"), SpecificationError, ["no outcome", "'~ x'"]),
    ("outcome of a function", pooled("log(y) ~ x"), SpecificationError, ["one column", "'log(y)'", "first"]),
    ("two outcomes", pooled("y + count ~ x"), SpecificationError, ["one column", "'y + count'"]),
    ("no level", pooled("y ~ 0 + x"), SpecificationError, ["0 or -1", "remove it"]),
    ("minus one", pooled("y ~ x - 1"), SpecificationError, ["0 or -1", "remove it"]),
    ("loose plus", pooled("y ~ x +"), SpecificationError, ["cannot read the formula 'y ~ x +'", "`+`"]),
    ("open bracket", pooled("y ~ (x"), SpecificationError, ["cannot read the formula", "(x"]),
    ("open function", pooled("y ~ C(g"), SpecificationError, ["cannot read the formula", "C(g"]),
    ("no operator", pooled("y ~ x g"), SpecificationError, ["cannot read the formula", "operator"]),
    ("comparison", pooled("y ~ x > 0"), SpecificationError, ["cannot read", "'>'"]),
    ("parts", pooled("y ~ x | g"), SpecificationError, ["'|'", "one list"]),
    ("dot", pooled("y ~ ."), SpecificationError, ["cannot read the formula 'y ~ .'"]),
    ("a number", pooled("y ~ 5"), SpecificationError, ["cannot read the formula 'y ~ 5'"]),
    ("unknown function", pooled("y ~ foo(x)"), SpecificationError, ["calls 'foo'", "does not know"]),
    ("a function of Python", pooled("y ~ eval(x)"), SpecificationError, ["'eval'", "does not know"]),
    ("unknown attribute", pooled("y ~ x.foo"), SpecificationError, ["x.foo"]),
    ("levels that leave some out", pooled("y ~ C(g, levels=['a', 'b'])"), SpecificationError, ["C(g", "'c'"]),
    # --- options
    ("family", pooled(family="binom"), SpecificationError, ["family", "'binomial', 'beta_binomial', 'fractional', 'poisson'", "'binom'"]),
    ("missing", pooled(missing="ignore"), SpecificationError, ["missing", "'raise', 'drop'", "'ignore'"]),
    ("standard", compared(standard="own"), SpecificationError, ["standard", "'indirect', 'direct'", "'own'"]),
    ("contrast", compared(contrast="diff"), SpecificationError, ["contrast", "'difference', 'ratio', 'rate'"]),
    ("reference", compared(reference="none"), SpecificationError, ["reference", "'others', 'all'"]),
    ("limits", compared(limits="wald"), SpecificationError, ["limits", "'mid-p', 'exact'"]),
    ("better", compared(better="up"), SpecificationError, ["better", "'low', 'high', None"]),
    ("level in per cent", compared(level=95), SpecificationError, ["level", "0.95", "95"]),
    ("level not a number", compared(level=float("nan")), SpecificationError, ["level", "nan"]),
    ("level as text", compared(level="0.9"), SpecificationError, ["level", "'0.9'"]),
    ("level of truth", compared(level=True), SpecificationError, ["level", "True"]),
    ("covariance", lambda: Pooled("y ~ x", unit="unit").fit(DATA).coefficients(covariance="robust"), SpecificationError, ["covariance", "'model', 'quasi', 'HC0'", "'robust'"]),
    ("clusters without the role", lambda: Pooled("y ~ x", unit="unit").fit(DATA).coefficients(covariance="CR2", by="cluster"), SpecificationError, ["role cluster"]),
    ("clusters of what", lambda: Pooled("y ~ x", unit="unit").fit(DATA).coefficients(covariance="CR2", by="school"), SpecificationError, ["by", "'unit', 'cluster'", "'school'"]),
    ("link", pooled(link="log"), SpecificationError, ["link for family='binomial'", "'logit', 'probit', 'cloglog'", "'log'"]),
    ("link of costs", pooled("cost ~ x", family="gaussian", link="log"), SpecificationError, ["link for family='gaussian'", "'identity'"]),
    ("penalty", pooled(penalty="ridge"), SpecificationError, ["penalty", "'none', 'firth'", "'ridge'"]),
    ("penalty of costs", pooled("cost ~ x", family="gaussian", penalty="firth"), SpecificationError, ["penalty='firth'", "'poisson'"]),
    ("gamma of nothing", pooled("cost ~ x", at("cost", 4, 0.0), family="gamma"), DataError, ["'cost'", "above zero", "TwoPart", "row 4"]),
    ("a share of two", pooled("x ~ g", at("x", 4, 2.0), family="fractional"), DataError, ["'x' is a share", "between 0 and 1"]),
    ("negative weights", pooled(data=at("x", 4, -1.0), sampling_weights="x", formula="y ~ g"), DataError, ["'x' is sampling_weights", "at least 0"]),
    ("random effects of shares", lambda: RandomEffects("y ~ x", unit="unit", family="fractional").fit(DATA), SpecificationError, ["RandomEffects takes family=", "'fractional'"]),
    ("restricted likelihood of counts", lambda: RandomEffects("y ~ x", unit="unit", method="reml").fit(DATA), SpecificationError, ["method='reml'", "'gaussian'"]),
    ("spread without random effects", lambda: Pooled("y ~ x", unit="unit").fit(DATA).unit_sd, SpecificationError, ["no random intercepts", "RandomEffects"]),
    ("one bin", lambda: Pooled("y ~ x", unit="unit").fit(DATA).calibration(bins=1), SpecificationError, ["2 or more", "1"]),
    # --- out of all proportion
    ("1e300", pooled(data=changed(x=DATA["x"] * 1e300)), DataError, ["'x'", "unit of measure"]),
    ("1e-300", pooled(data=changed(x=DATA["x"] * 1e-300)), DataError, ["'x'", "unit of measure"]),
    ("an outcome of 1e300", pooled("cost ~ x", changed(cost=DATA["cost"] * 1e300), family="gaussian"), DataError, ["'cost'", "unit of measure"]),
    # --- new rows
    ("unseen level", encoded(changed(g="z")), DataError, ["'g'", "'z'", "it had 'a', 'b', 'c'"]),
    ("unseen level of another type", encoded(changed(g=1)), DataError, ["'g'", "did not have: 1", "'a'"]),
    ("new rows without a column", encoded(DATA[["x"]]), DataError, ["'g'", "formula"]),
    ("new rows with missing values", encoded(changed(x=np.nan)), DataError, ["'x': 240"]),
    ("new rows of text", encoded(changed(x="a")), DataError, ["'x'", "must be a number"]),
    ("infinite period", pooled("cost ~ x", changed(year=np.inf), family="gaussian", period="year"), DataError, ["'year'", "finite"]),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "error", "fragments"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_refused_by_name(ask, error, fragments):
    started = time.perf_counter()
    with pytest.raises(BenchmodelsError) as caught:
        ask()
    assert isinstance(caught.value, error), repr(caught.value)
    message = str(caught.value)
    for fragment in fragments:
        assert fragment in message, message
    assert "\x1b" not in message
    assert "[0m" not in message
    assert len(message) < 700
    assert time.perf_counter() - started < 5.0, "it took too long to say so"


def test_names_of_cases_are_unique():
    assert len({case[0] for case in CASES}) == len(CASES) >= 30


ACCEPTED = [
    ("no covariates", pooled("y ~ 1")),
    ("nothing on the right", pooled("y ~")),
    ("truth values", pooled("b ~ c", changed(b=DATA["y"] == 1, c=DATA["x"] > 0))),
    ("unused categories", pooled(data=changed(g=pd.Categorical(DATA["g"], ["z", "c", "b", "a"])))),
    ("categories of numbers", pooled("y ~ k", changed(k=pd.Categorical(DATA["count"].clip(0, 2))))),
    ("Decimal of Python as category", pooled("y ~ d", changed(d=[Decimal("1.5"), Decimal("2.5")] * 120))),
    ("letters", pooled("`ud fald` ~ `æ ø å` + `it's`", DATA.rename(columns={"y": "ud fald", "x": "æ ø å", "g": "it's"}))),
    ("two units", pooled(data=DATA[DATA["unit"].isin(["u0", "u1"])])),
    ("large numbers", pooled(data=changed(x=DATA["x"] * 1e90))),
    ("small numbers", pooled(data=changed(x=DATA["x"] * 1e-90))),
    ("one unit empty, one full", within(data=changed(y=np.where(U1, 0, np.where(DATA["unit"] == "u2", 1, DATA["y"]))))),
    ("rows of no size", pooled(data=changed(t=np.where(DATA.index % 7 == 0, 0, 10), y=np.where(DATA.index % 7 == 0, 0, DATA["y"])), trials="t")),
    ("year as period and covariate", pooled("cost ~ C(year) + x", family="gaussian", period="year")),
    ("frequencies of zero", pooled(data=changed(t=np.arange(240) % 5), frequency="t")),
]  # fmt: skip


@pytest.mark.parametrize("ask", [c[1] for c in ACCEPTED], ids=[c[0] for c in ACCEPTED])
def test_strange_but_meant(ask):
    """What looks odd and is not wrong gives numbers, all of them finite."""
    fit = ask()
    assert np.isfinite(fit.slopes).all()
    found = fit.compare()
    for name in ("observed", "expected", "estimate", "lower", "upper"):
        assert np.isfinite(getattr(found, name)).all(), name


def test_scales_up_to_the_bound_give_the_same_answer():
    first = pooled()().expected()
    for factor in (1e-90, 1e-9, 1e9, 1e90):
        second = pooled(data=changed(x=DATA["x"] * factor))().expected()
        np.testing.assert_allclose(second, first, rtol=1e-9)


def main():
    for name, ask, error, _ in CASES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                ask()
                said = "NOT REFUSED"
            except Exception as caught:
                said = f"{type(caught).__name__}{'' if isinstance(caught, error) else ' (!)'}: {caught}"
        print(f"{name}\n    {said}")


if __name__ == "__main__":
    main()

"""Panels: R's plm and linearmodels in every number, indicator regressions as plain oracles, and what is refused."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from benchmodels import DataError, DroppedRowsWarning, FixedEffects, PartialResultWarning, SpecificationError
from benchmodels.adjustment.panel import Panel

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
EXACT = 1e-10
FORMULA = "inv ~ value + capital"
PLM = {"pooled": "pooling", "unit": "within", "both": "within_twoways", "between": "between", "random": "random_swar"}


@pytest.fixture(scope="module")
def plm():
    path = SHARED / "mixed" / "plm.json"
    if not path.exists():
        pytest.skip("no reference values here")
    return json.loads(path.read_text(encoding="utf-8"))["results"]


@pytest.fixture(scope="module")
def grunfeld():
    path = SHARED / "data" / "Grunfeld.csv"
    if not path.exists():
        pytest.skip("no reference data here")
    return pd.read_csv(path)


def made(k=12, t=6, seed=1, gone=0):
    """A panel with effects of units and years, whose covariate goes with both."""
    rng = np.random.default_rng(seed)
    unit, year = np.repeat(np.arange(k), t), np.tile(np.arange(2015, 2015 + t), k)
    u, v = rng.normal(size=k), rng.normal(size=t)
    x = rng.normal(size=k * t) + u[unit] + 0.5 * v[year - 2015]
    z = rng.normal(size=k * t) + 3.0
    y = 2.0 + 0.7 * x - 0.3 * z + u[unit] + v[year - 2015] + 0.4 * rng.normal(size=k * t)
    table = pd.DataFrame({"place": [f"p{i:02d}" for i in unit], "year": year, "y": y, "x": x, "z": z})
    return table.sample(len(table) - gone, random_state=seed).reset_index(drop=True)


def panel(formula=FORMULA, *, unit="firm", **options):
    return Panel(formula, unit=unit, period="year", **options)


def close(found, wanted, tolerance=EXACT):
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(wanted, float), rtol=tolerance, atol=0.0)


@pytest.mark.parametrize("effects", PLM)
def test_plm_coefficients_errors_and_fit(plm, grunfeld, effects):
    fit, wanted = panel(effects=effects).fit(grunfeld), plm[PLM[effects]]
    table = fit.coefficients()
    close(table["estimate"], list(wanted["coef"].values()))
    close(table["std_error"], wanted["se"])
    close(fit.r2["model"], wanted["r2"])
    close(fit.residual_ss, wanted["rss"])
    names = ["level", "value", "capital"] if len(wanted["se"]) == 3 else ["value", "capital"]
    close(fit.covariance_matrix().loc[names, names], wanted["vcov"], 1e-8)


def test_plm_first_difference_has_its_intercept_as_the_slope_of_the_year(plm, grunfeld):
    fit, wanted = panel(f"{FORMULA} + year", effects="first difference").fit(grunfeld), plm["fd"]
    found = fit.coefficients().set_index("name").loc[["year", "value", "capital"]]
    close(found["estimate"], list(wanted["coef"].values()))
    close(found["std_error"], wanted["se"])
    close(fit.residual_ss, wanted["rss"])
    # R² is another number: linearmodels' is about zero, plm's about the mean change.
    change = grunfeld.sort_values(["firm", "year"]).groupby("firm")["inv"].diff().dropna()
    close(1.0 - fit.residual_ss / np.sum((change - change.mean()) ** 2), wanted["r2"])
    close(1.0 - fit.residual_ss / np.sum(change**2), fit.r2["model"])


# plm's HC0 counts nothing; its HC1 is HC0 × n / (n − slopes). linearmodels counts levels of periods too, which are not
# nested in units, and of changes there are 190, of which plm's factor 190 / 197 makes HC1 smaller than HC0.
@pytest.mark.parametrize(
    ("name", "effects", "formula", "factor"),
    [
        ("pooling", "pooled", FORMULA, 1.0),
        ("within", "unit", FORMULA, 1.0),
        ("random_swar", "random", FORMULA, 1.0),
        ("within_twoways", "both", FORMULA, 198 / 169),
        ("fd", "first difference", f"{FORMULA} + year", (190 / 187) / (190 / 197)),
    ],
)
def test_plm_arellano_errors_up_to_the_factor_of_small_samples(plm, grunfeld, name, effects, formula, factor):
    found = panel(formula, effects=effects, covariance="clustered").fit(grunfeld).covariance_matrix()
    order = {"fd": ["year", "value", "capital"]}.get(name, ["level", "value", "capital"])
    names = order[-len(plm[name]["se"]) :]
    close(found.loc[names, names], np.array(plm[name]["HC1_arellano"]) * factor, 1e-8)


def test_plm_effects_components_and_tests(plm, grunfeld):
    within, drawn = panel().fit(grunfeld), panel(effects="random").fit(grunfeld)
    close(within.unit_effects()["level"], plm["within"]["fixef"])
    close(drawn.unit_effects()["shrunken"], plm["random_swar"]["ranef"])
    close(drawn.variance_components()[["residual", "unit"]], plm["random_swar"]["sigma2"])
    close(drawn.theta, np.full(10, plm["random_swar"]["theta"]))
    close(within.residual_variance, plm["random_swar"]["sigma2"][0])
    pooling = within.poolability()
    close([pooling.statistic, pooling.p], [plm["pF"]["stat"], plm["pF"]["p"]], 1e-9)
    assert (pooling.df, pooling.df_denominator) == (9, 188)
    for fit in (within, drawn):
        test = fit.hausman()
        close([test.statistic, test.p], [plm["hausman"]["stat"], plm["hausman"]["p"]])
        assert test.df == 2


@pytest.mark.parametrize("covariance", ["unadjusted", "robust", "clustered", "driscoll-kraay"])
@pytest.mark.parametrize("effects", ["unit", "both", "random", "between", "first difference", "pooled"])
def test_linearmodels_unchanged(effects, covariance):
    from linearmodels import panel as lm

    if effects == "between" and covariance in ("clustered", "driscoll-kraay"):
        with pytest.raises(SpecificationError, match="one row a unit"):
            panel("y ~ x + z", unit="place", effects=effects, covariance=covariance)
        return
    table = made(gone=9)
    fit = panel("y ~ x + z", unit="place", effects=effects, covariance=covariance).fit(table)
    rows = table.set_index(["place", "year"]).sort_index()
    columns = rows[["x", "z"]].assign(**({"one": 1.0} if effects in ("random", "between", "pooled") else {}))
    options = {"entity_effects": True, "time_effects": effects == "both"} if effects in ("unit", "both") else {}
    classes = {
        "unit": lm.PanelOLS, "both": lm.PanelOLS, "random": lm.RandomEffects, "between": lm.BetweenOLS,
        "first difference": lm.FirstDifferenceOLS, "pooled": lm.PooledOLS,
    }  # fmt: skip
    how = {
        "unadjusted": {"cov_type": "unadjusted"},
        "robust": {"cov_type": "robust"},
        "clustered": {"cov_type": "clustered", "cluster_entity": True},
        "driscoll-kraay": {"cov_type": "kernel", "kernel": "bartlett"},
    }
    wanted = classes[effects](rows["y"], columns, **options).fit(**how[covariance])
    found = fit.coefficients(level=0.9)
    found = pd.concat([found[found["term"] != "1"], found[found["term"] == "1"]])
    close(found["estimate"], wanted.params, 1e-9)
    close(found["std_error"], wanted.std_errors, 1e-9)
    close(found[["lower", "upper"]], wanted.conf_int(0.9), 1e-9)
    close(fit.r2["within"], wanted.rsquared_within, 1e-8)
    assert list(found.columns) == ["term", "name", "estimate", "std_error", "df", "lower", "upper"]
    assert list(found["name"])[:2] == ["x", "z"]


def _indicators(table, outcome, both, weights=None):
    """Effects of units and their standard errors by plain regression on indicators."""
    formula = f"{outcome} ~ x + z + C(place)" + (" + C(year)" if both else "")
    weight = np.ones(len(table)) if weights is None else table[weights].to_numpy()
    found = smf.wls(formula, table, weights=weight).fit()
    names, places = list(found.params.index), sorted(table["place"].unique())
    pick = np.zeros((len(places), len(names)))
    for i, place in enumerate(places[1:], 1):
        pick[i, names.index(f"C(place)[T.{place}]")] = 1.0
    share = np.array([weight[table["place"] == place].sum() for place in places]) / weight.sum()
    pick -= share @ pick
    return found, pick @ found.params.to_numpy(), np.sqrt(np.diag(pick @ found.cov_params().to_numpy() @ pick.T))


@pytest.mark.parametrize("exposed", [False, True])
@pytest.mark.parametrize("effects", ["unit", "both"])
def test_levels_are_those_of_indicators(effects, exposed):
    table = made(gone=11)
    table["pop"] = np.linspace(1.0, 30.0, len(table))
    table["total"] = table["y"] * table["pop"]
    options = {"exposure": "pop"} if exposed else {}
    fit = panel("total ~ x + z" if exposed else "y ~ x + z", unit="place", effects=effects, **options).fit(table)
    wanted, effect, error = _indicators(table, "y", effects == "both", "pop" if exposed else None)
    close(fit.slopes, wanted.params[["x", "z"]], 1e-9)
    close(fit.coefficients()["std_error"], wanted.bse[["x", "z"]], 1e-9)
    close(fit.unit_effects()["unshrunken"], effect, 1e-7)
    close(fit.unit_effects()["std_error"], error, 1e-9)
    close(fit.residual_variance, wanted.scale, 1e-9)


def test_comparison_is_that_of_fixed_effects_on_periods():
    table = made(t=9)
    found = panel("y ~ x + z", unit="place").fit(table).compare()
    model = FixedEffects("y ~ x + z", unit="place", period="year", family="gaussian")
    pd.testing.assert_frame_equal(found.to_frame(), model.fit(table).compare().to_frame())
    assert "variation over periods" in found.source.noise
    np.testing.assert_array_equal(found.df, np.full(12, 8.0))
    both = panel("y ~ x + z", unit="place", effects="both").fit(table)
    close(both._average.slopes.iloc[:2], both.slopes, 1e-9)
    assert np.isfinite(both.compare().std_error).all()


def test_a_unit_of_one_period_is_kept_and_its_comparison_withheld():
    table = made()
    table = table[(table["place"] != "p03") | (table["year"] == 2016)]
    fit = panel("y ~ x + z", unit="place").fit(table)
    assert "unbalanced, 1 unit(s) with one period" in repr(fit)
    with pytest.warns(PartialResultWarning, match="p03"):
        found = fit.compare()
    assert found.withheld[3] == "it has a single period"


@pytest.mark.parametrize("effects", ["random", "between", "first difference"])
def test_the_message_names_a_model_that_compares(effects):
    from benchmodels import Pooled, RandomEffects

    table = made(t=8)
    fit = panel("y ~ x + z", unit="place", effects=effects).fit(table)
    with pytest.raises(SpecificationError, match="does not compare units") as caught:
        fit.compare()
    call = str(caught.value).split("use ", 1)[1].removesuffix(".fit(data).compare()")
    names = {"FixedEffects": FixedEffects, "Pooled": Pooled, "RandomEffects": RandomEffects}
    model = names[call.split("(")[0]]("y ~ x + z", unit="place", period="year", family="gaussian")
    assert eval(call, names) == model
    assert len(model.fit(table).compare()) == 12


def test_hausman_of_means_holds_its_level_and_has_power():
    # Where effects go with x the test must say so, and where they do not it must not, whatever the covariance.
    tied = panel("y ~ x + z", unit="place", effects="random", covariance="clustered").fit(made(k=60)).hausman()
    assert tied.p < 1e-3 and tied.df_denominator == 59
    rejected = []
    for seed in range(20):
        table = made(k=40, seed=seed)
        rng = np.random.default_rng(1000 + seed)
        effect = dict(zip(sorted(table["place"].unique()), rng.normal(size=40), strict=True))
        table["y"] = table["x"] + table["place"].map(effect) + rng.normal(size=len(table)) * (1 + table["x"].abs())
        test = panel("y ~ x", unit="place", effects="random", covariance="clustered").fit(table).hausman()
        rejected.append(test.p < 0.05)
    assert np.mean(rejected) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 20)


def test_hausman_is_refused_where_its_variance_is_not_positive():
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(12):
        table = made(k=5, t=3)
        table["y"] = rng.normal(size=len(table))
        try:
            panel("y ~ x + z", unit="place").fit(table).hausman()
        except SpecificationError as error:
            refused += 1
            assert "covariance='clustered'" in str(error)
    assert 0 < refused < 12


def test_columns_units_of_measure_and_order_of_rows_do_not_matter():
    table = made(gone=5)
    scaled = table.assign(x=table["x"] * 1e6, y=table["y"] * 1e-3, place="k" + table["place"]).iloc[::-1]
    for effects in ("unit", "both", "random", "between", "first difference", "pooled"):
        one = panel("y ~ x + z", unit="place", effects=effects).fit(table).coefficients().set_index("name")
        two = panel("y ~ x + z", unit="place", effects=effects).fit(scaled).coefficients().set_index("name")
        close(two.loc["x", "estimate"], one.loc["x", "estimate"] * 1e-9, 1e-7)
        close(two.loc["z", "std_error"], one.loc["z", "std_error"] * 1e-3, 1e-7)


def test_categories_polars_text_periods_and_pickling():
    polars = pytest.importorskip("polars")
    table = made().assign(size=lambda t: np.where(t["z"] > 3, "large", "small"))
    fit = panel("y ~ x + size", unit="place").fit(table)
    text = table.assign(year="å" + table["year"].astype(str))
    again = panel("y ~ x + size", unit="place").fit(polars.from_pandas(text))
    close(again.coefficients()["estimate"], fit.coefficients()["estimate"])
    assert list(fit.coefficients()["term"]) == ["x", "size"]
    close(pickle.loads(pickle.dumps(fit)).slopes, fit.slopes)


def test_missing_is_dropped_with_one_warning():
    table = made()
    table.loc[3, "x"] = np.nan
    with pytest.raises(DataError, match="missing values"):
        panel("y ~ x + z", unit="place").fit(table)
    with pytest.warns(DroppedRowsWarning) as caught:
        fit = panel("y ~ x + z", unit="place", missing="drop").fit(table)
    assert len(caught) == 1 and fit.design.rows_dropped == 1


ALL = ("unit", "both", "random", "between", "first difference", "pooled")


@pytest.mark.parametrize("effects", ALL)
def test_what_a_table_cannot_give_is_said(effects):
    table = made()

    def refused(data, formula="y ~ x + z", match=""):
        with pytest.raises((DataError, SpecificationError), match=match):
            panel(formula, unit="place", effects=effects).fit(data)

    refused(pd.concat([table, table.head(2)]), match="more than one row")
    refused(pd.concat([table, table.head(1).assign(x=9.0)]), match="more than one row")
    refused(table.assign(c=3.0), "y ~ x + c", "'c'")
    refused(table.assign(d=2 * table["x"] - table["z"]), "y ~ x + z + d", "'d'|'x'")
    refused(table.assign(y=1.0), match="same in every row")
    within = effects not in ("between", "pooled")
    fixed = table.assign(f=table["place"].str[1:].astype(float))
    national = table.assign(n=np.sin(table["year"]))
    if effects in ("unit", "both", "first difference"):
        refused(fixed, "y ~ x + f", "'f'")
    if effects in ("both", "between"):
        refused(national, "y ~ x + n", "'n'")
    if within:
        refused(table[table["year"] == 2016], match="one period only")
        diagonal = table[(table["year"] - 2015) == table["place"].str[1:].astype(int) % 6]
        refused(diagonal, match="every unit has one period only")
    if effects in ("random", "between"):
        refused(table[table["place"] < "p03"], match="needs 4 units")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"effects": "fixed"}, "effects must be one of"),
        ({"covariance": "HC1"}, "covariance must be one of"),
        ({"family": "binomial"}, "linear"),
        ({"period": None}, "period='year'"),
        ({"cluster": "school"}, "takes no cluster"),
        ({"frequency": "n"}, "takes no frequency"),
        ({"bandwidth": 3}, "driscoll-kraay"),
        ({"bandwidth": 1.5, "covariance": "driscoll-kraay"}, "whole number"),
        ({"exposure": "pop", "effects": "random"}, "takes no exposure"),
        ({"choice": ("x",)}, "own control"),
    ],
)
def test_questions_that_cannot_be_asked(options, match):
    with pytest.raises(SpecificationError, match=match):
        Panel("y ~ x + z", **{"unit": "place", "period": "year", **options}).fit(made())


@pytest.mark.parametrize("effects", ["unit", "both"])
def test_a_column_that_linearmodels_takes_for_constant_is_said(effects):
    table = made()
    moved = table.assign(x=table["x"] + 1e7)
    with pytest.raises(SpecificationError, match="'x' varies within units by no more than .* subtract a round number"):
        Panel("y ~ x", unit="place", period="year", effects=effects).fit(moved)


def test_questions_that_do_not_go_with_the_effects():
    fit = panel("y ~ x + z", unit="place", effects="pooled").fit(made())
    for ask in (fit.poolability, fit.hausman, fit.unit_effects, fit.variance_components):
        with pytest.raises(SpecificationError):
            ask()
    with pytest.raises(SpecificationError):
        _ = fit.theta
    with pytest.raises(SpecificationError, match="level"):
        fit.coefficients(level=95)


def test_only_neighbouring_periods_make_a_change():
    table = made()
    gap = table[~((table["place"] == "p05") & (table["year"] == 2017))]
    found = panel("y ~ x + z", unit="place", effects="first difference").fit(gap)
    rows = gap.sort_values(["place", "year"])
    change = rows.groupby("place")[["y", "x", "z", "year"]].diff()
    wanted = smf.ols("y ~ x + z - 1", change[change["year"] == 1]).fit()
    close(found.slopes, wanted.params)
    close(found.coefficients()["std_error"], wanted.bse)


def test_a_model_without_covariates_has_the_mean_level():
    table = made()
    for effects in ("unit", "both", "random", "between", "pooled"):
        found = panel("y ~ 1", unit="place", effects=effects).fit(table).coefficients()
        close(found["estimate"], [table["y"].mean()])
    with pytest.raises(SpecificationError, match="needs a covariate"):
        panel("y ~ 1", unit="place", effects="first difference").fit(table)

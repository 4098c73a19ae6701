"""The benefit of the doubt: tables and comparisons, what is refused, weights, contributions, and what is uncertain."""

import pickle

import numpy as np
import pandas as pd
import pytest

from benchmodels import rank
from benchmodels.errors import (
    BenchmodelsWarning,
    DataError,
    DroppedRowsWarning,
    PartialResultWarning,
    SpecificationError,
)
from benchmodels.frontier import DEA
from benchmodels.frontier.composites import BenefitOfTheDoubt
from benchmodels.placing import best_set
from tests.kernels.test_kindest_weights import BOX, plain
from tests.recovery.composite_coverage import comparison_of

SOLVED = 1e-9
NAMES = ["fravær", "trivsel", "karakterer"]


def table(k=30, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.uniform(1, 10, (k, 3)), columns=NAMES)
    return frame.assign(kommune=[f"Ø{i:02}" for i in range(k)])


def asked(**changes):
    return BenefitOfTheDoubt(**({"outcomes": NAMES, "unit": "kommune", "better": "high"} | changes))


def compared(k=30, seed=0, error=0.05, **changes):
    rng = np.random.default_rng(seed)
    value = 1.0 + 0.2 * rng.normal(size=(k, 3)).clip(-2.5, 2.5)
    options = {"contrast": "ratio", "unit": [f"Ø{i:02}" for i in range(k)]} | changes
    return {name: comparison_of(value[:, j], np.full(k, error), **options) for j, name in enumerate(NAMES)}


def test_it_is_dea_with_one_input_that_all_have_one_of():
    frame = table()
    fit = asked().fit(frame)
    dea = DEA(inputs=["one"], outputs=NAMES, unit="kommune", returns="crs", orientation="output")
    np.testing.assert_allclose(fit.efficiency, dea.fit(frame.assign(one=1.0)).efficiency, atol=SOLVED)
    assert np.isnan(fit.inefficiency).all()

    low = asked(better="low").fit(frame)
    inputs = DEA(inputs=NAMES, outputs=["one"], unit="kommune", returns="vrs")
    np.testing.assert_allclose(low.efficiency, inputs.fit(frame.assign(one=1.0)).efficiency, atol=SOLVED)


def test_low_and_high_outcomes_move_their_own_way():
    frame = table()
    directions = {"fravær": "low", "trivsel": "high", "karakterer": "high"}
    step = {"fravær": 2.0, "trivsel": 1.0, "karakterer": 0.5}
    fit = asked(better=directions, orientation="directional", direction=step).fit(frame)
    dea = DEA(inputs=["fravær", "one"], outputs=NAMES[1:], unit="kommune", orientation="directional", direction=step)
    np.testing.assert_allclose(fit.inefficiency, dea.fit(frame.assign(one=1.0)).inefficiency, atol=SOLVED)
    assert np.isnan(fit.efficiency).all()
    # No outcome is inverted or moved: with the share of each bounded it is the plain program too.
    bounded = asked(better=directions, orientation="directional", shares=(0.1, 0.5)).fit(frame)
    value = frame[NAMES].to_numpy()
    expected = plain(value * [-1, 1, 1], value, BOX)
    np.testing.assert_allclose(bounded.inefficiency, expected, atol=SOLVED)


def test_shares_by_outcome_order_and_ratios():
    frame, value = table(), table()[NAMES].to_numpy()
    e = np.eye(3)
    cases = [
        ({"shares": {"trivsel": (0.2, 0.4)}}, [e[1] - 0.2, 0.4 - e[1]]),
        ({"order": ["karakterer", "fravær"]}, [e[2] - e[0]]),
        ({"ratios": {("fravær", "trivsel"): (0.5, 2.0)}}, [e[0] - 0.5 * e[1], 2.0 * e[1] - e[0]]),
        ({"shares": (0.1, 0.6), "order": NAMES}, [*(e - 0.1), *(0.6 - e), e[0] - e[1], e[1] - e[2]]),
    ]
    for options, rows in cases:
        fit = asked(**options).fit(frame)
        np.testing.assert_allclose(1 / fit.efficiency - 1, plain(value, value, np.array(rows)), atol=SOLVED)
        share = fit.weights()["share"].to_numpy().reshape(-1, 3)
        assert (share @ np.array(rows).T).min() >= -1e-9


def test_weights_and_contributions_add_up():
    frame = table()
    for better, orientation in (("high", "radial"), ("low", "radial"), ("high", "directional")):
        direction = "own" if orientation == "radial" else "spread"
        fit = asked(better=better, orientation=orientation, direction=direction, shares=(0.1, 0.5)).fit(frame)
        weights, parts = fit.weights(), fit.contributions()
        assert list(weights) == ["unit", "outcome", "weight", "share", "lower", "upper"]
        assert list(parts) == ["unit", "outcome", "value", "target", "gap", "share", "contribution"]
        np.testing.assert_allclose(weights.groupby("unit")["share"].sum(), 1.0, rtol=1e-12)
        assert weights["share"].between(weights["lower"] - 1e-7, weights["upper"] + 1e-7).all()
        steps = {"high": 1 / fit.efficiency - 1, "low": 1 - fit.efficiency}[better]
        steps = fit.inefficiency if orientation == "directional" else steps
        np.testing.assert_allclose(parts.groupby("unit")["contribution"].sum(), steps, atol=1e-9)
        np.testing.assert_allclose(fit.peers().groupby("unit")["weight"].sum(), 1.0, rtol=1e-9)
        pairs = set(fit.possible_peers().itertuples(index=False, name=None))
        assert set(fit.peers()[["unit", "peer"]].itertuples(index=False, name=None)) <= pairs


def test_weights_of_the_best_are_many():
    fit = asked().fit(table())
    weights = fit.weights().assign(best=np.repeat(fit.best, 3))
    room = (weights["upper"] - weights["lower"]).groupby(weights["best"]).max()
    assert room[True] > 0.2
    assert room[False] < 1e-6


def test_units_of_measure_order_of_rows_and_labels_do_not_matter():
    frame = table()
    fit = asked(shares=(0.1, 0.5)).fit(frame)
    scaled = frame.assign(**{name: frame[name] * scale for name, scale in zip(NAMES, (1e9, 1e-9, 1), strict=True)})
    np.testing.assert_allclose(asked(shares=(0.1, 0.5)).fit(scaled).efficiency, fit.efficiency, atol=SOLVED)
    again = asked(shares=(0.1, 0.5)).fit(frame.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(again.to_frame(), fit.to_frame())
    pd.testing.assert_frame_equal(again.possible_peers(), fit.possible_peers())
    before = frame.copy()
    asked().fit(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_comparisons_are_read_by_label():
    data = compared(better="low")
    fit = BenefitOfTheDoubt(outcomes=NAMES).fit(data)
    value = pd.DataFrame({name: c.estimate for name, c in data.items()}).assign(kommune=data["fravær"].unit)
    np.testing.assert_allclose(fit.efficiency, asked(better="low").fit(value).efficiency, rtol=1e-12)
    assert fit.outcomes.simulated
    turned = {name: c.take(np.arange(30)[::-1]) for name, c in data.items()}
    np.testing.assert_array_equal(BenefitOfTheDoubt(outcomes=NAMES).fit(turned).efficiency, fit.efficiency)

    fewer = data | {"trivsel": data["trivsel"].take(np.arange(1, 30))}
    with pytest.raises(DataError, match="1 of 30 units lack an estimate of an outcome: 'Ø00'"):
        BenefitOfTheDoubt(outcomes=NAMES).fit(fewer)
    with pytest.warns(DroppedRowsWarning, match="left out"):
        assert len(BenefitOfTheDoubt(outcomes=NAMES, missing="drop").fit(fewer).unit) == 29


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"outcomes": "abc"}, "give a list"),
        ({"outcomes": []}, "one outcome or more"),
        ({"outcomes": ["a", "a"]}, "more than once"),
        ({"outcomes": [*NAMES, "kommune"]}, "both unit and outcome"),
        ({"better": "up"}, "allowed are 'high', 'low'"),
        ({"better": {"fravær": None}}, "allowed are 'high', 'low'"),
        ({"better": {"frav": "low"}}, "the outcomes are"),
        ({"orientation": "input"}, "allowed are 'radial', 'directional'"),
        ({"direction": "mean"}, "belongs to orientation='directional'"),
        ({"orientation": "directional", "direction": "range"}, "'own', 'mean', 'spread'"),
        ({"orientation": "directional", "direction": {"fravær": 1.0}}, "an amount above zero of each"),
        ({"orientation": "directional", "direction": dict.fromkeys(NAMES, 0.0)}, "an amount above zero of each"),
        ({"shares": (0.5, 0.1)}, "low <= high"),
        ({"shares": (0.5, 0.9)}, "no shares"),
        ({"shares": (0.0, 0.2)}, "no shares"),
        ({"shares": 0.1}, "give \\(low, high\\)"),
        ({"shares": {"x": (0, 1)}}, "the outcomes are"),
        ({"order": ["x", "fravær"]}, "the outcomes are"),
        ({"ratios": {"fravær": (1, 2)}}, "by pair"),
        ({"ratios": {("fravær", "fravær"): (1, 2)}}, "over itself"),
        ({"missing": "skip"}, "allowed are 'raise', 'drop'"),
    ],
)
def test_questions_that_cannot_be_meant(options, match):
    with pytest.raises(SpecificationError, match=match):
        asked(**options)


def test_tables_that_have_no_composite():
    frame = table()
    with pytest.raises(SpecificationError, match="better does not say"):
        asked(better={"fravær": "low"}).fit(frame)
    with pytest.raises(SpecificationError, match="names the unit"):
        asked(unit=None).fit(frame)
    with pytest.raises(SpecificationError, match="no single proportion"):
        asked(better={"fravær": "low", "trivsel": "high", "karakterer": "high"}).fit(frame)
    with pytest.raises(DataError, match="below zero for 'Ø00'"):
        asked().fit(frame.assign(trivsel=frame["trivsel"].where(frame.index > 0, -1.0)))
    none = frame.assign(trivsel=frame["trivsel"].where(frame.index > 0, 0.0))
    assert asked().fit(none).efficiency[0] > 0
    with pytest.raises(DataError, match="nothing has no share"):
        asked(shares=(0.1, 0.5)).fit(none)
    with pytest.raises(DataError, match="all outcomes are zero"):
        asked().fit(frame.assign(**{n: frame[n].where(frame.index > 0, 0.0) for n in NAMES}))
    with pytest.raises(DataError, match="same for every unit"):
        asked().fit(frame.assign(trivsel=3.0))
    with pytest.raises(DataError, match="must be finite"):
        asked().fit(frame.assign(trivsel=np.inf))
    with pytest.raises(DataError, match="missing"):
        asked().fit(frame.assign(trivsel=np.nan))
    with pytest.raises(DataError, match="must be a number"):
        asked().fit(frame.assign(trivsel="much"))
    with pytest.raises(DataError, match="more than one row"):
        asked().fit(pd.concat([frame, frame.iloc[:1]]))
    with pytest.raises(DataError, match="against each other"):
        asked(outcomes=["fravær"]).fit(frame.iloc[:1])
    with pytest.raises(DataError, match="did you mean"):
        asked(outcomes=["fravaer"]).fit(frame)
    with pytest.raises(DataError, match="mean of 'trivsel' is not above zero"):
        asked(orientation="directional", direction="mean").fit(frame.assign(trivsel=frame["trivsel"] - 50))
    with pytest.warns(BenchmodelsWarning, match="few for 3 outcomes"):
        asked().fit(frame.iloc[:8])


def test_comparisons_that_have_no_composite():
    data = compared(better="low")
    model = BenefitOfTheDoubt(outcomes=NAMES)
    with pytest.raises(SpecificationError, match="one each"):
        model.fit({"fravær": data["fravær"]})
    with pytest.raises(SpecificationError, match="takes a Comparison"):
        model.fit(data | {"fravær": 3})
    with pytest.raises(SpecificationError, match="neither better nor the comparison"):
        model.fit(compared(better=None))
    with pytest.raises(SpecificationError, match="make them one"):
        BenefitOfTheDoubt(outcomes=NAMES, better="high").fit(data)
    draws = np.random.default_rng(0).normal(size=(20, 30))
    posterior = comparison_of(
        np.ones(30), np.full(30, 0.1), noise=draws.var(axis=0, ddof=1), replicates=draws, replicate_kind="draws"
    )
    with pytest.raises(SpecificationError, match="draws from a posterior"):
        model.fit(data | {"fravær": posterior})


def test_draws_of_outcomes():
    fit = BenefitOfTheDoubt(outcomes=NAMES, shares=(0.1, 0.5)).fit(compared(better="low"))
    found = fit.uncertainty(replicates=200, rng=3)
    again = fit.uncertainty(replicates=200, rng=3, workers=1)
    np.testing.assert_array_equal(found.replicates, again.replicates)
    assert found.replicates.min() >= 1 - 1e-12
    frame = found.to_frame()
    assert list(frame) == ["unit", "efficiency", "corrected", "lower", "upper", "std_error", "best"]
    assert frame["upper"].max() <= 1 + 1e-12
    assert (frame["lower"] <= frame["upper"]).all()
    # Each draw has somebody that nobody does better than.
    assert frame["best"].sum() >= 1
    comparison = fit.compare(uncertainty=found)
    assert comparison.replicate_kind == "draws"
    assert comparison.better == "low"
    np.testing.assert_allclose(comparison.estimate, 1 / fit.efficiency, rtol=1e-12)
    np.testing.assert_allclose(comparison.corrected, 1 / frame["corrected"], rtol=1e-12)
    ranking, best = rank(comparison), best_set(comparison, tau=3)
    assert np.nanmin(ranking.rank) == 1
    assert (best.verdict[fit.best] != "excluded").all()
    # It is known from 40 units up how often such intervals hold; no verdict is given below.
    assert set(comparison.different) == {"withheld"}
    assert not np.isfinite(comparison.coverage.intervals)
    assert "no tables of 30 units" in comparison.coverage.of_intervals()


def test_a_little_noise_leaves_the_composite_where_it_is():
    fit = BenefitOfTheDoubt(outcomes=NAMES).fit(compared(better="low", error=1e-6))
    frame = fit.uncertainty(replicates=100, rng=0).to_frame()
    np.testing.assert_allclose(frame["corrected"], fit.efficiency, atol=1e-5)
    np.testing.assert_allclose(frame["upper"] - frame["lower"], 0.0, atol=1e-4)


def test_noise_makes_the_frontier_found_too_far_out():
    fit = BenefitOfTheDoubt(outcomes=NAMES).fit(compared(k=98, better="low", error=0.12))
    frame = fit.uncertainty(replicates=200, rng=0).to_frame()
    assert frame["corrected"].mean() > frame["efficiency"].mean() + 0.02


def test_errors_of_the_same_people():
    fit = BenefitOfTheDoubt(outcomes=NAMES).fit(compared(better="low", error=0.1))
    apart = fit.uncertainty(replicates=200, rng=0)
    together = fit.uncertainty(replicates=200, rng=0, noise_correlation=0.8)
    assert not np.allclose(apart.replicates, together.replicates)
    assert apart.by_rule
    assert not together.by_rule
    assert not np.isfinite(together.coverage.intervals)


def test_unknown_errors_are_withheld_with_their_reason():
    data = compared(better="low")
    error = np.full(30, 0.05)
    error[4] = np.nan
    data["trivsel"] = comparison_of(data["trivsel"].estimate, error, contrast="ratio", unit=data["trivsel"].unit)
    fit = BenefitOfTheDoubt(outcomes=NAMES).fit(data)
    with pytest.warns(PartialResultWarning, match="of its own is not known"):
        found = fit.uncertainty(replicates=100, rng=0)
    assert found.withheld[4]
    assert np.isnan(found.interval[0][4])
    assert np.isfinite(np.delete(found.interval[0], 4)).all()
    comparison = fit.compare(uncertainty=found)
    assert np.isnan(comparison.noise[4])
    assert comparison.withheld[4]


def test_those_that_are_best_in_all_draws_are_not_told_apart():
    value = 1.0 + 0.1 * np.random.default_rng(0).uniform(size=(30, 3))
    value[:2] = [[0.2, 0.3, 0.3], [0.3, 0.2, 0.3]]
    data = {n: comparison_of(value[:, j], np.full(30, 1e-3), contrast="ratio") for j, n in enumerate(NAMES)}
    fit = BenefitOfTheDoubt(outcomes=NAMES).fit(data)
    found = fit.uncertainty(replicates=100, rng=0)
    np.testing.assert_array_equal(found.to_frame()["best"][:2], 1.0)
    comparison = fit.compare(uncertainty=found)
    np.testing.assert_array_equal(comparison.lower[:2], 1.0)
    ranking = rank(comparison)
    np.testing.assert_array_equal(ranking.rank[:2], 1.0)
    np.testing.assert_array_equal(ranking.lower[:2], 1.0)
    np.testing.assert_array_equal(ranking.upper[:2], 2.0)
    assert ranking.lower[2:].min() == 3.0


def test_subsamples_of_units():
    fit = asked().fit(table(60))
    found = fit.uncertainty(of="units", replicates=200, rng=1)
    np.testing.assert_array_equal(found.replicates, fit.uncertainty(of="units", replicates=200, rng=1).replicates)
    frame = found.to_frame()
    assert (frame["upper"] <= fit.efficiency + 1e-12).all()
    assert (frame["corrected"] < fit.efficiency).all()
    assert frame["best"].isna().all()
    comparison = fit.compare(uncertainty=found)
    assert comparison.replicate_kind == "errors"
    assert fit.uncertainty(of="units", replicates=100, subset=20, rng=1).subset == 20


def test_uncertainty_that_cannot_be_told():
    fit = asked().fit(table())
    with pytest.raises(SpecificationError, match="have no errors"):
        fit.uncertainty(rng=0)
    with pytest.raises(SpecificationError, match="allowed are 'outcomes', 'units'"):
        fit.uncertainty(of="both")
    with pytest.raises(SpecificationError, match="noise_correlation belongs"):
        fit.uncertainty(of="units", noise_correlation=0.5)
    with pytest.raises(SpecificationError, match="replicates"):
        fit.uncertainty(of="units", replicates=10)
    with pytest.raises(SpecificationError, match="level"):
        fit.uncertainty(of="units", level=95)
    with pytest.raises(SpecificationError, match="subset"):
        fit.uncertainty(of="units", subset=30)
    noisy = BenefitOfTheDoubt(outcomes=NAMES).fit(compared(better="low", error=0.3))
    with pytest.raises(SpecificationError, match="subset belongs"):
        noisy.uncertainty(subset=20)
    with pytest.raises(SpecificationError, match="not of this fit"):
        fit.compare(uncertainty=noisy.uncertainty(replicates=100, rng=0, level=0.9))
    wild = compared(better="low", error=0.2)
    wild["trivsel"] = comparison_of(
        np.random.default_rng(0).uniform(0.01, 1, 30), np.full(30, 0.2), contrast="ratio", unit=wild["trivsel"].unit
    )
    with pytest.raises(DataError, match="drawn at or below zero"):
        BenefitOfTheDoubt(outcomes=NAMES).fit(wild).uncertainty(replicates=100, rng=0)


def test_without_uncertainty_it_is_withheld():
    comparison = asked().fit(table()).compare()
    assert np.isnan(comparison.lower).all()
    assert all("uncertainty()" in reason for reason in comparison.withheld)
    with pytest.raises(SpecificationError, match="at least two units"):
        rank(comparison)


def test_fits_are_kept_and_closed():
    fit = BenefitOfTheDoubt(outcomes=NAMES).fit(compared(better="low"))
    found = fit.uncertainty(replicates=100, rng=0)
    for record in (fit, found):
        again = pickle.loads(pickle.dumps(record))
        pd.testing.assert_frame_equal(again.to_frame(), record.to_frame())
    with pytest.raises(ValueError, match="read-only"):
        fit.found.beta[0] = 0.0
    with pytest.raises(ValueError, match="read-only"):
        pickle.loads(pickle.dumps(found)).replicates[0] = 0.0
    with pytest.raises(ValueError, match="read-only"):
        pickle.loads(pickle.dumps(fit)).found.beta[0] = 0.0
    assert "30 units" in repr(fit)
    assert "200" not in repr(found)
    assert fit.model == BenefitOfTheDoubt(outcomes=NAMES)
    assert "residual" in fit.certificate


def test_a_composite_of_which_no_digit_is_known_is_none():
    apart = np.where(np.arange(30) % 5 == 0, 1e-9, 1e9)
    with pytest.warns(PartialResultWarning, match="24 of 30 units have no composite"):
        fit = asked(better="low").fit(table().assign(**dict.fromkeys(NAMES, apart)))
    assert np.isnan(fit.efficiency[apart > 1]).all()
    assert (fit.efficiency[apart < 1] == 1).all()
    assert fit.contributions()["contribution"].notna().sum() == 18


def test_an_outcome_without_weight_contributes_nothing():
    frame = table()
    frame.loc[3, "fravær"] = 0.0
    told = asked().fit(frame).contributions().set_index(["unit", "outcome"])
    assert np.isnan(told.loc[("Ø03", "fravær"), "gap"])
    assert told.loc[("Ø03", "fravær"), "contribution"] == 0.0
    assert told["contribution"].notna().all()

"""Bootstraps of efficiencies: against other programs in distribution, by identities, and where they must refuse."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels.errors import DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA
from benchmodels.frontier import resampled as drawing
from benchmodels.kernels import frontier_bootstrap
from benchmodels.kernels.shared_simplex import STALLED

# Most tables here have a unit that every subsample with an answer holds, and that has no interval.
pytestmark = pytest.mark.filterwarnings("ignore:.* have no interval")
SHARED = Path(__file__).resolve().parents[2].parent / "shared"
KEPT = SHARED / "reference" / "dea"


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    x = rng.uniform(2, 9, (60, 2))
    y = np.sqrt(x.prod(axis=1)) * np.exp(-np.abs(rng.normal(0, 0.3, 60)))
    return pd.DataFrame({"unit": np.arange(60), "x1": x[:, 0], "x2": x[:, 1], "y": y, "z": rng.integers(0, 2, 60)})


TWO = {"inputs": ["x1", "x2"], "outputs": ["y"], "unit": "unit"}


@pytest.mark.parametrize("orientation", ["input", "output"])
@pytest.mark.parametrize("returns", ["crs", "vrs", "drs"])
def test_the_interval_lies_within_the_frontier(table, orientation, returns):
    fit = DEA(**TWO, orientation=orientation, returns=returns).fit(table)
    found = fit.bootstrap(kind="smoothed", replicates=200, rng=1)
    frame = found.to_frame()
    assert list(frame) == [
        "unit",
        "efficiency",
        "corrected",
        "lower",
        "upper",
        "bias",
        "std_error",
        "ratio",
        "advised",
        "missing",
    ]
    np.testing.assert_allclose(frame["efficiency"], fit.efficiency, atol=1e-12)
    assert (frame["lower"] < frame["upper"]).all() and (frame["upper"] <= frame["efficiency"] + 1e-3).all()
    assert (frame["bias"] < 0).mean() > 0.95 and frame["corrected"].between(frame["lower"] * 0.8, 1.0).all()
    np.testing.assert_allclose(frame["corrected"], 1 / (1 / frame["efficiency"] - frame["bias"]))


def test_the_same_seed_gives_the_same_answer_for_any_number_of_workers(table):
    fit = DEA(**TWO).fit(table)
    one, two, other = (
        fit.bootstrap(kind="smoothed", replicates=100, rng=seed, workers=workers)
        for seed, workers in ((5, 1), (5, 2), (6, 1))
    )
    np.testing.assert_array_equal(one.errors, two.errors)
    assert not np.array_equal(one.errors, other.errors)


def test_progress_and_bad_options(table):
    fit, done = DEA(**TWO).fit(table), []
    fit.bootstrap(kind="smoothed", replicates=100, rng=1, progress=done.append)
    assert done == [20, 40, 60, 80, 100]
    for options, message in (
        ({"kind": "rows"}, "allowed are 'smoothed', 'subsample'"),
        ({"replicates": 10}, "replicates=10"),
        ({"level": 95}, "level=95"),
        ({"bandwidth": -1.0}, "bandwidth=-1.0"),
        ({"bandwidth": "scott"}, "rule='scott'"),
        ({"bandwidth": True}, "bandwidth=True; give a rule, or a number above 0"),
        ({"bandwidth": [0.1]}, "bandwidth="),
        ({"bandwidth": float("nan")}, "bandwidth=nan"),
        ({"kind": "simar-wilson-2000", "bandwidth": "silverman"}, "give a number, in standard deviations, above 0"),
        ({"kind": "simar-wilson-2000", "subset": 20}, "subset belongs"),
        ({"kind": "subsample", "bandwidth": "silverman"}, "bandwidth belongs to kind='smoothed'"),
        ({"kind": "subsample", "bandwidth": 0.1}, "bandwidth belongs to kind='smoothed'"),
        ({"subset": 20}, "subset belongs"),
        ({"kind": "subsample", "subset": 60}, "subset=60"),
        ({"rng": "a"}, "rng='a'"),
    ):
        with pytest.raises(SpecificationError, match=message):
            fit.bootstrap(**({"kind": "smoothed"} | options))
    with pytest.warns(Warning, match="few"):
        few = DEA(**TWO).fit(table.iloc[:4])
    for options in ({}, {"subset": 3}):
        with pytest.raises(
            SpecificationError, match="4 units are too few for subsamples, which are of 4 units or more"
        ):
            few.bootstrap(**options)
    with pytest.raises(SpecificationError, match="needs an efficiency"):
        DEA(**TWO, orientation="graph").fit(table).bootstrap()


def test_nothing_to_smooth():
    alike = pd.DataFrame({"unit": range(6), "x": [1.0, 2, 3, 1, 2, 3], "y": [1.0, 2, 3, 1, 2, 3]})
    with pytest.warns(Warning, match="few"):
        fit = DEA(inputs=["x"], outputs=["y"], unit="unit", returns="crs").fit(alike.iloc[:3])
    with pytest.raises(DataError, match="too few to smooth"):
        fit.bootstrap(kind="smoothed")


def test_circles_are_kept(table):
    """Kinds that are never held against each other: each half's errors are those of its own pseudo-units."""
    fit = DEA(**TWO, environment={"z": "same"}).fit(table)
    found = fit.bootstrap(kind="smoothed", replicates=200, rng=2).to_frame()
    assert (found["upper"] <= found["efficiency"] + 1e-3).all()
    halves = fit.bootstrap(replicates=200, rng=2, kind="subsample", subset=40).to_frame()
    halves = halves[halves["lower"].notna()]
    assert len(halves) > 50 and (halves["lower"] < halves["upper"]).all()


def kept(name):
    found = json.loads((KEPT / f"{name}.json").read_text())
    frame = pd.read_csv(SHARED / "reference" / found["dataset"])
    asked = {"inputs": found["inputs"], "outputs": found["outputs"], "unit": "unit"}
    return found["results"], frame.assign(unit=np.arange(len(frame))), asked


@pytest.mark.skipif(not KEPT.exists(), reason="reference results are not here")
@pytest.mark.parametrize("rule", ["bw.ucv", "silverman"])
@pytest.mark.parametrize("returns", ["variable", "constant"])
@pytest.mark.parametrize("orientation", ["input", "output"])
def test_as_rdea_under_its_own_bandwidth(rule, returns, orientation):
    """Mean and spread of 1,000 replicates of rDEA 1.2-8, unit by unit, within what two runs differ by."""
    results, frame, asked = kept("rdea_robust_syn_dea_a")
    theirs = results[f"{orientation}|{returns}|{rule}"]
    model = DEA(**asked, returns={"variable": "vrs", "constant": "crs"}[returns], orientation=orientation)
    found = model.fit(frame).bootstrap(kind="smoothed", bandwidth=theirs["bw"], replicates=1000, rng=4)
    ours = 1.0 / (found.delta + found.errors)
    mean, spread = np.array(theirs["boot_mean"]), np.array(theirs["boot_sd"])
    apart = np.abs(ours.mean(axis=0) - mean) / (spread * np.sqrt(2 / 1000))
    assert np.quantile(apart, 0.9) < 3.0 and apart.max() < 5.5
    np.testing.assert_allclose(ours.std(axis=0, ddof=1), spread, rtol=0.25)
    assert ours.std(axis=0, ddof=1).mean() == pytest.approx(spread.mean(), rel=0.04)


@pytest.mark.skipif(not KEPT.exists(), reason="reference results are not here")
@pytest.mark.parametrize("name", ["charnes1981", "milkProd", "syn_dea_a"])
def test_as_benchmarking_in_spread(name):
    """Benchmarking 0.33 does not tell its bandwidth, which moves the bias; the spread hardly depends on it."""
    results, frame, asked = kept(f"boot_{name}")
    for asking, theirs in results.items():
        returns, side = asking.split("|")
        fit = DEA(**asked, returns=returns, orientation={"in": "input", "out": "output"}[side]).fit(frame)
        found = fit.bootstrap(kind="smoothed", replicates=400, rng=2)
        ours = 1.0 / (found.delta + found.errors) if side == "in" else found.delta + found.errors
        assert ours.std(axis=0).mean() == pytest.approx(np.mean(theirs["boot_sd"]), rel=0.1)


def test_subsamples(table):
    """Sizes are chosen where intervals are quiet; nobody has an interval that most subsamples say nothing of."""
    fit = DEA(**TWO).fit(table)
    with pytest.warns(PartialResultWarning, match="of 60 units have no interval"):
        one, two = (fit.bootstrap(replicates=200, rng=3, workers=workers) for workers in (1, 2))
    np.testing.assert_array_equal(one.errors, two.errors)
    assert one.kind == "subsample" and 5 <= one.subset <= 45
    frame = one.to_frame()
    known = frame[frame["lower"].notna()]
    assert (known["lower"] < known["upper"]).all() and (known["upper"] <= known["efficiency"] + 1e-9).mean() > 0.9
    assert len(known) == (one.missing <= 0.5).sum() > 50
    # Output 1.5 times as much as anyone's: most subsamples hold nobody that makes so much.
    far = pd.concat([table, table.loc[[0]].assign(unit=60, y=1.5 * table["y"].max())])
    with pytest.warns(PartialResultWarning, match="of 61 units have no interval .*nowhere near.*60"):
        found = DEA(**TWO).fit(far).bootstrap(replicates=200, rng=3, subset=15)
    assert np.isnan(found.to_frame()["lower"].iloc[60]) and found.missing[60] > 0.5


def test_a_subsample_by_hand(table):
    """Errors are those of distances to the frontier of each subsample, times the rate."""
    fit = DEA(**TWO, returns="crs", orientation="output").fit(table)
    found = fit.bootstrap(replicates=100, rng=9, subset=20)
    rng = np.random.default_rng(9).spawn(5)[0]
    units = np.sort(rng.choice(60, 20, replace=False))
    theirs = DEA(**TWO, returns="crs", orientation="output").fit(table.iloc[units]).evaluate(table)
    expected = (20 / 60) ** (2 / 3) * (theirs.expansion - fit.expansion)
    np.testing.assert_allclose(found.errors[0], expected, atol=1e-9)


@pytest.fixture(scope="module")
def small(table):
    return DEA(**TWO).fit(table).bootstrap(replicates=100, rng=9, subset=40)


def test_bias_and_spread_are_of_the_replicates_that_came_near(small):
    errors = np.array([[0.0, np.nan, 1.0], [-1.0, np.nan, np.nan], [-2.0, np.nan, np.nan]])
    unit = np.array(["a", "b", "c"], dtype=object)
    found = replace(small, unit=unit, delta=np.array([1.5, 2.0, 1.0]), errors=errors)
    np.testing.assert_allclose(found.bias, [-1.0, np.nan, 1.0])
    np.testing.assert_allclose(found.std_error, [1.0, np.nan, np.nan])
    np.testing.assert_allclose(found.missing, [0, 1, 2 / 3])
    frame = found.to_frame()
    assert frame["lower"].isna().tolist() == [False, True, True]
    np.testing.assert_allclose(frame["missing"], found.missing)
    np.testing.assert_allclose(frame["corrected"][0], 1 / 2.5)
    assert frame["ratio"][0] == 1.0 and not frame["advised"].any()


def test_what_is_told_and_kept(small, table):
    assert repr(small) == "FrontierBootstrap(60 units, 100 subsamples of 40 of 60 units, level=0.95)"
    assert small.rng == "9" and small.vain == 0.0 and not small.stalled.any()
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(small)).peers(), small.peers())
    smoothed = DEA(**TWO).fit(table).bootstrap(kind="smoothed", bandwidth=0.1, replicates=100, rng=9)
    assert smoothed.told == "100 replicates of the smoothed bootstrap of Simar and Wilson (1998), bandwidth 0.1"


def test_percentile_intervals_are_the_replicates_about_the_corrected_distance(table):
    """Simar and Wilson (1998): replicates less twice their bias; the basic interval mirrors them."""
    found = DEA(**TWO).fit(table).bootstrap(kind="smoothed", replicates=200, rng=1)
    moved = found.delta + found.errors - 2 * found.bias
    np.testing.assert_allclose(found.percentile_interval, np.quantile(moved, [0.025, 0.975], axis=0), rtol=1e-12)
    centre = 2 * (found.delta - found.bias)
    np.testing.assert_allclose(centre - found.interval[1], found.percentile_interval[0], rtol=1e-12)
    frame = found.to_frame(interval="percentile")
    np.testing.assert_allclose(1 / frame["upper"], found.percentile_interval[0], rtol=1e-12)
    assert list(frame) == list(found.to_frame())
    with pytest.raises(SpecificationError, match="interval='bca'; allowed are 'basic', 'percentile'"):
        found.to_frame(interval="bca")


@pytest.mark.parametrize("direction", ["own", {"x1": 1.0, "y": 0.5}, "mean", "range"])
@pytest.mark.parametrize(("returns", "power"), [("vrs", 2 / 4), ("crs", 2 / 3), ("drs", 2 / 4)])
def test_directions_by_hand(table, direction, returns, power):
    """Errors of the inefficiency itself: of steps to the frontier of each subsample, in the directions of all units."""
    fit = DEA(**TWO, orientation="directional", direction=direction, returns=returns).fit(table)
    found = fit.bootstrap(replicates=100, rng=9, subset=40)
    units = np.sort(np.random.default_rng(9).spawn(5)[0].choice(60, 40, replace=False))
    fixed = isinstance(direction, dict)
    step = np.tile([1.0, 0.0, 0.5], (60, 1)) if fixed else fit.programs.direction
    some = [0, 7, *units[:2]]
    for i in some:
        model = DEA(**TWO, orientation="directional", returns=returns,
                    direction=dict(zip(["x1", "x2", "y"], step[i].tolist(), strict=True)))  # fmt: skip
        theirs = model.fit(table.iloc[units]).evaluate(table.iloc[[i]]).inefficiency[0]
        expected = (40 / 60) ** power * (theirs - fit.inefficiency[i])
        np.testing.assert_allclose(found.errors[0, i], expected, atol=1e-9)
    frame = found.to_frame()
    assert list(frame)[:5] == ["unit", "inefficiency", "corrected", "lower", "upper"] and list(frame)[-1] == "missing"
    known = frame[frame["lower"].notna()]
    assert (known["lower"] >= known["inefficiency"] - 1e-9).all() and (known["corrected"] >= known["lower"]).all()
    np.testing.assert_allclose(frame["corrected"], frame["inefficiency"] - frame["bias"])


def test_directions_along_inputs_are_the_input_measure(table):
    """β = 1 - θ: along a unit's own inputs the same subsamples give the same errors, on another scale."""
    radial, steps = (
        DEA(**TWO, orientation=orientation, **more).fit(table)
        for orientation, more in (("input", {}), ("directional", {"nondiscretionary": ["y"]}))
    )
    one, two = (fit.bootstrap(replicates=100, rng=2, subset=45) for fit in (radial, steps))
    shrink = (45 / 60) ** 0.5
    theta = 1 / (one.delta + one.errors / shrink)
    np.testing.assert_allclose(two.delta + two.errors / shrink, 1 - theta, atol=1e-9)
    assert two.pair.tolist() == one.pair.tolist() and two.count.tolist() == one.count.tolist()


def test_smoothing_needs_an_efficiency(table):
    fit = DEA(**TWO, orientation="directional").fit(table)
    for kind in ("smoothed", "simar-wilson-2000"):
        with pytest.raises(SpecificationError, match=f"kind='{kind}' needs an efficiency"):
            fit.bootstrap(kind=kind)
    apart = fit.scores.status.copy()
    apart[:2] = "infeasible"
    fit.__dict__["scores"] = replace(fit.scores, status=apart)
    with pytest.raises(SpecificationError, match="2 units have no inefficiency"):
        fit.bootstrap()


def test_peers_over_replicates(small, table):
    frame = small.peers()
    assert list(frame) == ["unit", "peer", "found", "frequency"]
    assert frame["frequency"].between(0, 1).all() and frame["unit"].is_monotonic_increasing
    assert (frame.groupby("unit")["frequency"].diff().dropna() <= 0).all()
    theirs = small.fit.peers()
    told = set(zip(frame.loc[frame["found"], "unit"], frame.loc[frame["found"], "peer"], strict=True))
    assert told == set(zip(theirs["unit"], theirs["peer"], strict=True))
    # A unit on the frontier of all is on that of every subsample that holds it, and there its only peer.
    best = set(theirs.loc[theirs["unit"] == theirs["peer"], "unit"])
    own = frame[frame["unit"] == frame["peer"]].set_index("unit")["frequency"]
    assert (own.loc[sorted(best)] == 1.0).all() and len(best) > 3
    # Of a unit's replicates with an answer each has one peer or more.
    counts = pd.Series(small.count).groupby(small.pair // 60).sum()
    assert (counts.to_numpy() >= np.isfinite(small.errors).sum(axis=0)[counts.index]).all()


def test_a_peer_that_no_replicate_meets_is_told(small):
    kept = small.pair != small.pair[small.count.argmax()]
    found = replace(small, pair=small.pair[kept], count=small.count[kept], chance=small.chance[kept])
    unit, peer = divmod(int(small.pair[~kept][0]), 60)
    row = found.peers().query("unit == @unit and peer == @peer")
    assert row["found"].tolist() == [True] and row["frequency"].tolist() == [0.0]


@pytest.mark.parametrize(
    "asked",
    [
        {"orientation": "input", "nondiscretionary": ["x2"]},
        {"orientation": "output"},
        {"orientation": "directional", "direction": {"x1": 1.0, "y": 0.5}},
    ],
)
def test_targets(table, asked):
    fit = DEA(**TWO, **asked).fit(table)
    found = fit.bootstrap(replicates=100, rng=1, subset=45)
    frame = found.targets()
    assert list(frame) == ["unit", "good", "part", "value", "target", "lower", "upper"]
    theirs = fit.targets()
    np.testing.assert_allclose(frame["target"], fit.programs.projected().ravel(), atol=1e-12)
    assert frame[["unit", "good", "part", "value"]].equals(theirs[["unit", "good", "part", "value"]])
    low, high = found.interval
    x1, y = (frame[frame["good"] == name].reset_index() for name in ("x1", "y"))
    if asked["orientation"] == "input":
        np.testing.assert_allclose(x1["lower"], x1["value"] / high)
        np.testing.assert_allclose(x1["upper"], x1["value"] / low)
    elif asked["orientation"] == "output":
        np.testing.assert_allclose(y["lower"], y["value"] * low)
        np.testing.assert_allclose(y["upper"], y["value"] * high)
    else:
        np.testing.assert_allclose(y["upper"], y["value"] + 0.5 * high)
        np.testing.assert_allclose(x1["lower"], x1["value"] - high)
    fixed = {"input": ["x2", "y"], "output": ["x1", "x2"], "directional": ["x2"]}[asked["orientation"]]
    still = frame[frame["good"].isin(fixed)]
    for name in ("target", "lower", "upper"):
        np.testing.assert_array_equal(still[name], still["value"])
    gone = replace(found, errors=np.full_like(found.errors, np.nan)).targets()
    assert gone["lower"].isna().sum() == 180 - len(still) and gone["target"].equals(frame["target"])
    np.testing.assert_array_equal(gone.loc[still.index, "lower"], still["value"])


def test_heterogeneous(table):
    fit = DEA(**TWO, returns="crs").fit(table)
    one, two = (fit.bootstrap(kind="simar-wilson-2000", replicates=120, rng=4, workers=w) for w in (1, 2))
    np.testing.assert_array_equal(one.errors, two.errors)
    # Three coordinates: the distance, an angle, the output.
    assert one.bandwidth == pytest.approx((4 / (5 * 60)) ** (1 / 7)) and one.vain == two.vain
    assert (one.errors <= 1e-9).all() and not one.missing.any() and 0 <= one.vain < 0.2
    frame = one.to_frame()
    assert (frame["lower"] < frame["upper"]).all() and (frame["upper"] <= frame["efficiency"] + 1e-9).all()
    with pytest.raises(SpecificationError, match="nobody's, so there are no peers"):
        one.peers()
    with pytest.raises(SpecificationError, match=r"with bounds \(0.8, 1.2\) units on the frontier"):
        DEA(**TWO, returns=(0.8, 1.2)).fit(table).bootstrap(kind="simar-wilson-2000")
    with pytest.raises(SpecificationError, match="leave out environment"):
        DEA(**TWO, environment={"z": "same"}).fit(table).bootstrap(kind="simar-wilson-2000")
    with pytest.warns(PartialResultWarning, match="more than half of the frontiers drawn come nowhere near"):
        DEA(**TWO).fit(table).bootstrap(kind="simar-wilson-2000", replicates=100, rng=1)


def test_heterogeneous_does_not_depend_on_units_of_measure(table):
    found = [
        DEA(**TWO, returns="drs", orientation="output")
        .fit(each)
        .bootstrap(kind="simar-wilson-2000", replicates=100, rng=4)
        for each in (table, table.assign(x1=table["x1"] * 1e8, x2=table["x2"] * 1e-8, y=table["y"] * 3.7))
    ]
    np.testing.assert_allclose(found[0].errors, found[1].errors, atol=1e-8)


def test_replicates_that_are_not_solved_are_told(table, monkeypatch):
    plain = frontier_bootstrap.envelop

    def lossy(*args, **kwargs):
        found = plain(*args, **kwargs)
        status, beta = found.status.copy(), found.beta.copy()
        status[5], beta[5] = STALLED, np.nan
        return replace(found, status=status, beta=beta)

    fit = DEA(**TWO, returns="crs").fit(table)
    monkeypatch.setattr(frontier_bootstrap, "envelop", lossy)
    with pytest.warns(PartialResultWarning, match="5 of 6000 programs of the replicates were not solved, .* for 5$"):
        found = fit.bootstrap(replicates=100, rng=1, subset=20)
    assert found.stalled.tolist() == [0] * 5 + [5] + [0] * 54 and found.missing[5] == 0.05
    assert np.isfinite(found.to_frame()["lower"]).all() and drawing.BLOCK == 20

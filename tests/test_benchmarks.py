"""The benchmarks judge answers: ours is accepted, a perturbed one is not, and the table says so."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import certificates, plan, runner, scores, tables
from benchmarks.frontier_problems import Frontier, OtherFrontiers, Replicates, TwoStages
from benchmarks.merger_problems import Mergers
from benchmarks.problems import (
    Bootstrap,
    Cells,
    LeaveOut,
    LinearIntercept,
    Logit,
    RandomIntercept,
    UnitEffects,
)
from benchmarks.productivity_problems import Productivity
from benchmarks.solvers import solvers_of
from benchmarks.solvers.solver import Solver

SMALL = (
    Logit(3_000, covariates=4),
    UnitEffects(6_000, covariates=3),
    RandomIntercept(6_000, covariates=2),
    LinearIntercept(5_000, units=40),
    Bootstrap(20),
    Cells(20_000),
    Cells(20_000, kind="numbers and text"),
    LeaveOut(3_000, covariates=2),
    Frontier(98),
    Frontier(120, inputs=6, outputs=4, kind="few efficient"),
    Frontier(120, kind="ties"),
    Frontier(2_600, inputs=2, outputs=2),
    OtherFrontiers(15),
    Replicates(25, replicates=100),
    TwoStages(40, first=20, replicates=100),
    Mergers(20),
    Productivity(20, periods=3, replicates=100),
)
OURS = [(p, s) for p in SMALL for s in solvers_of(p) if s.needs is None]


def moved(answer, by):
    """The answer with everything it says of slopes, expected totals and efficiencies a little off."""
    told = ("slopes", "expected", "efficiency")
    return {name: value + by if name in told else value for name, value in answer.items()}


@pytest.mark.parametrize(("problem", "solver"), OURS, ids=lambda o: o.name)
def test_judge_accepts_ours_and_nothing_else(problem, solver):
    data = problem.data()
    answer = solver.solve(solver.prepare(data))
    assert problem.score(data, answer) <= problem.tolerance
    assert problem.score(data, moved(answer, 1e-3)) > problem.tolerance


@pytest.mark.parametrize("name", ["level", "unit_sd", "residual_sd"])
def test_judge_looks_at_everything(name):
    problem = LinearIntercept(5_000, units=40)
    data = problem.data()
    answer = solvers_of(problem)[0].solve(data)
    assert problem.score(data, answer | {name: answer[name] * 1.02}) > problem.tolerance


def test_judge_of_random_intercepts_looks_at_their_spread():
    problem = RandomIntercept(6_000, covariates=2)
    data = problem.data()
    answer = solvers_of(problem)[0].solve(data)
    assert problem.score(data, answer | {"unit_sd": answer["unit_sd"] * 1.01}) > problem.tolerance


def test_judge_of_random_intercepts_has_the_slope_of_its_likelihood():
    """The score by Fisher's identity is the derivative of a likelihood integrated on a plain grid."""
    data = RandomIntercept(2_000, covariates=1).data()
    x, y, unit = data["x"], data["y"], data["unit"]
    grid = np.linspace(-8.0, 8.0, 1001)

    def likelihood(point):
        total = 0.0
        for i in range(98):
            own = unit == i
            chance = scores.logistic((point[0] * x[own, 0] + point[1])[:, None] + np.exp(point[2]) * grid)
            terms = np.log(np.where(y[own, None] > 0, chance, 1.0 - chance)).sum(axis=0) - 0.5 * grid**2
            total += terms.max() + np.log(np.exp(terms - terms.max()).sum())
        return total

    at, steps = np.array([0.1, -1.8, np.log(0.4)]), 1e-4 * np.eye(3)
    score, _ = scores.marginal_score(x, y, unit, at[:1], at[1], np.exp(at[2]))
    assert score == pytest.approx([(likelihood(at + h) - likelihood(at - h)) / 2e-4 for h in steps], rel=1e-5)


def programs_of(problem, data):
    every = np.arange(len(data["x"]))
    return certificates.Programs(
        data["x"], data["y"], data.get("unit", every), data.get("left", np.full(len(every), -1))
    )


@pytest.mark.parametrize("problem", [Frontier(60), Frontier(60, kind="ties"), OtherFrontiers(15)], ids=lambda p: p.name)
def test_judge_of_frontiers_accepts_what_it_found_itself(problem):
    """Bounds by weights and by prices meet, and with scores alone the judge finds them by itself."""
    data = problem.data()
    programs = programs_of(problem, data)
    proof = certificates.by_highs(programs)
    none = certificates.impossible(programs, proof.price)
    assert none.any() == isinstance(problem, OtherFrontiers)
    high, short = certificates.upper(programs, proof)
    assert np.all(short[~none] < 1e-9)
    low = certificates.lower(programs, proof.price)
    assert low[~none] == pytest.approx(high[~none], abs=1e-9)
    answer = {"efficiency": np.where(none, np.nan, low)}
    assert problem.score(data, answer) < 1e-9
    for change in (2e-8, -2e-8):
        one = answer["efficiency"].copy()
        one[np.flatnonzero(~none)[3]] += change
        assert problem.score(data, {"efficiency": one}) > problem.tolerance
        assert problem.score(data, {"efficiency": one, **vars(proof)}) > problem.tolerance


def test_judge_of_frontiers_by_scipy():
    """Plain programs, unit by unit, without the judge's bounds or its model."""
    from scipy.optimize import linprog

    problem = OtherFrontiers(8)
    data = problem.data()
    x, y, found = data["x"], data["y"], []
    for unit, left in zip(data["unit"], data["left"], strict=True):
        others = np.arange(8) != left
        sides = np.vstack([np.column_stack([-x[unit], x[others].T]), np.column_stack([[0.0, 0.0], -y[others].T])])
        right = np.append(np.zeros(4), -y[unit])
        done = linprog([1.0] + [0.0] * 7, sides, right, [[0.0] + [1.0] * 7], [1.0])
        found.append(done.fun if done.success else np.nan)
    assert np.isnan(found).any()
    assert problem.score(data, {"efficiency": np.array(found)}) < 1e-9


def test_judge_of_frontiers_believes_nothing_unproved():
    problem = OtherFrontiers(15)
    data = problem.data()
    answer = solvers_of(problem)[0].solve(data)
    none = np.isnan(answer["efficiency"])
    assert none.any() and problem.score(data, answer) < 1e-9
    outside, inside = np.flatnonzero(none)[0], np.flatnonzero(~none & (answer["efficiency"] < 0.99))[0]
    in_it = np.flatnonzero((answer["weight"][inside] > 0.1) & (answer["peer"][inside] >= 0))[0]
    for name, at, value in (
        ("efficiency", inside, np.nan),
        ("efficiency", outside, 1.0),
        ("price", inside, answer["price"][inside] * [2.0, 1, 1, 1, 1, 1]),
        ("price", inside, np.nan),
        ("price", outside, 0.0),
        ("weight", (inside, in_it), 0.0),
        ("peer", (inside, in_it), -1),
    ):
        wrong = answer[name].copy()
        wrong[at] = value
        assert not problem.score(data, answer | {name: wrong}) <= problem.tolerance, (name, at)
    assert problem.score(data, answer | {"efficiency": answer["efficiency"][:-1]}) == np.inf


def test_judge_of_frontiers_lets_a_unit_left_out_be_no_peer():
    """The frontier of all units, with its own weights and prices, is not an answer."""
    problem = OtherFrontiers(15)
    data = problem.data()
    whole = solvers_of(Frontier(15))[0].solve(data)
    assert problem.score(data, {name: np.concatenate([value] * 15) for name, value in whole.items()}) > 0.01


def test_judge_of_frontiers_wants_outputs_to_be_reached():
    """By weights on (1, 1) and a price of the input alone (2, 2) could do with half; but then it makes half."""
    goods, one = np.array([[1.0], [2.0]]), np.array([1])
    programs = certificates.Programs(goods, goods, one, -one)
    proof = certificates.Certificate(np.array([[0]]), np.array([[1.0]]), np.array([[1.0, 0.0]]))
    assert certificates.distance(programs, np.array([0.5]), proof) == 0.5
    proof = certificates.Certificate(np.array([[1]]), np.array([[1.0]]), np.array([[1.0, 1.0]]))
    assert certificates.distance(programs, np.array([1.0]), proof) == 0.0


def test_a_sample_is_judged_scaled_up_and_said():
    problem = Frontier(1_200, inputs=2, outputs=2)
    data = problem.data()
    solver = next(s for s in solvers_of(problem) if s.name == plan.LINPROG)
    answer = solver.solve(solver.prepare(data))
    assert len(answer["efficiency"]) == len(answer["at"]) == 40
    assert problem.score(data, answer) <= problem.tolerance
    assert problem.score(data, moved(answer, 1e-7)) > problem.tolerance
    found = {**answer["cost"], "extra_mb": 1.0, "score": 0.0, "stages": {}, "sampled": answer["sampled"]}
    result = tables.Result(plan.Item(problem, 1), [runner.summed_up(problem, solver, "", [found])])
    assert "| loop of SciPy linprog (40 of 1,200 programs, scaled up) |" in tables.table(result)


def test_goods_are_what_their_kind_says():
    few, ties = (Frontier(1_000, kind=kind).data() for kind in ("few efficient", "ties"))
    goods = np.column_stack([ties["x"], ties["y"]])
    assert np.all(goods == np.round(goods)) and goods.min() >= 1
    assert len(np.unique(goods, axis=0)) <= 900
    found = solvers_of(Frontier(98))[0].solve(few)["efficiency"]
    assert 6 <= np.sum(found > 1 - 1e-9) <= 20


def measured(solver, score, cpu=1.0):
    return runner.summed_up(
        replace(Logit(100), covariates=2),
        solver,
        "",
        [{"cpu": cpu, "wall": cpu, "extra_mb": 1.0, "score": score, "stages": {}}],
    )


def test_a_time_that_misses_the_tolerance_does_not_count():
    problem = Logit(100, covariates=2)
    ours, rival = (Solver(name, lambda data: {}) for name in (plan.KERNEL, "rival"))
    lacking = Solver("absent", lambda data: {}, needs="no-such-package")
    lines = [
        measured(ours, 1e-9),
        measured(rival, 0.5, cpu=30.0),
        runner.summed_up(problem, lacking, "not installed", []),
    ]
    result = tables.Result(plan.Item(problem, 1), lines)
    text = tables.table(result)
    assert "| benchmodels kernel | 1 | 1 | 1 | 1 | 1 | 1.0e-09 | yes | 1 |" in text
    assert "| rival | 30 | 30 | 30 | 30 | 1 | 5.0e-01 | NO | 1 |" in text
    assert "| absent | not installed |" in text
    target = plan.Target(problem, rival="rival", times=15)
    assert "does not count" in tables.summary([result], (target,), "here")
    lines[1] = measured(rival, 1e-9, cpu=30.0)
    assert "| 30 (30 / 1) | yes |" in tables.summary([tables.Result(result.item, lines)], (target,), "here")
    lines[1] = measured(rival, 1e-9, cpu=14.0)
    assert "| 14 (14 / 1) | NO |" in tables.summary([tables.Result(result.item, lines)], (target,), "here")


def test_worst_turn_decides():
    found = [{"cpu": 1.0, "wall": 1.0, "extra_mb": 1.0, "score": s, "stages": {}} for s in (1e-9, 0.1, 1e-9)]
    summed = runner.summed_up(Logit(100), Solver("one", lambda data: {}), "", found)
    assert not summed.accepted
    assert summed.score == 0.1


def test_growth_is_an_exponent():
    assert tables.exponent([(10, 1.0), (100, 100.0)]) == pytest.approx(2.0)
    results = [
        tables.Result(plan.Item(Logit(n), 1), [measured(Solver("one", lambda data: {}), 0.0, cpu=n / 1e4)])
        for n in (10_000, 100_000)
    ]
    assert "| one | 1, 10 | 1.00 | 1.00 |" in tables.growth(results)


def test_plan_and_targets_fit_together():
    for item in plan.PLAN:
        there = {s.name for s in solvers_of(item.problem)}
        assert set(item.only) <= there
    items = {(i.problem, i.one_thread): i for i in plan.PLAN}
    assert len(items) == len(plan.PLAN)
    for target in plan.TARGETS:
        item = items[target.problem, target.one_thread]
        there = item.only or tuple(s.name for s in solvers_of(item.problem))
        assert target.ours in there
        assert not target.rival or target.rival in there


def test_one_measurement_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert "OPENBLAS_CORETYPE" not in runner.environment(one_thread=True)
    assert runner.environment(one_thread=True)["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in runner.environment(one_thread=False)
    problem = Bootstrap(50)
    found = runner.in_process_of_its_own(problem, solvers_of(problem)[0], one_thread=True)
    assert not isinstance(found, str), found
    assert found["score"] <= problem.tolerance
    assert found["cpu"] > 0 and found["wall"] > 0 and found["extra_mb"] >= 0


def test_import_needs_no_rival():
    """Modules of the benchmarks load neither the rivals nor what they stand on."""
    code = "import sys, json, benchmarks.__main__; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    rivals = {"statsmodels", "sklearn", "linearmodels", "glum", "tabmat", "pyfixest"}
    rivals |= {"deapack", "dealib", "Pyfrontier", "pulp"}
    assert not rivals & set(json.loads(done.stdout))

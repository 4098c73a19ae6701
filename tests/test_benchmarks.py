"""The benchmarks judge answers: ours is accepted, a perturbed one is not, and the table says so."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import plan, runner, scores, tables
from benchmarks.problems import (
    Bootstrap,
    Cells,
    LeaveOut,
    LinearIntercept,
    Logit,
    RandomIntercept,
    UnitEffects,
)
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
)
OURS = [(p, s) for p in SMALL for s in solvers_of(p) if s.needs is None]


def moved(answer, by):
    """The answer with everything it says of slopes and expected totals a little off."""
    return {name: value + by if name in ("slopes", "expected") else value for name, value in answer.items()}


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
    assert not rivals & set(json.loads(done.stdout))

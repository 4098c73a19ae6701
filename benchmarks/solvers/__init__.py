"""Solvers by family of problems; ours first. A rival has its own best settings."""

from benchmarks.frontier_problems import Frontier, OtherFrontiers, Replicates, TwoStages
from benchmarks.merger_problems import Mergers
from benchmarks.problems import (
    Bootstrap,
    Cells,
    LeaveOut,
    LinearIntercept,
    Logit,
    Problem,
    RandomIntercept,
    UnitEffects,
)
from benchmarks.productivity_problems import Productivity
from benchmarks.solvers import (
    bootstrap,
    cells,
    frontier,
    frontier_bootstrap,
    leave_out,
    linear_intercept,
    logit,
    mergers,
    other_frontiers,
    productivity,
    random_intercept,
    two_stages,
    unit_effects,
)
from benchmarks.solvers.solver import Solver

__all__ = ["Solver", "solvers_of"]

SOLVERS: dict[type[Problem], tuple[Solver, ...]] = {
    Logit: logit.SOLVERS,
    UnitEffects: unit_effects.SOLVERS,
    RandomIntercept: random_intercept.SOLVERS,
    LinearIntercept: linear_intercept.SOLVERS,
    Bootstrap: bootstrap.SOLVERS,
    Cells: cells.SOLVERS,
    LeaveOut: leave_out.SOLVERS,
    Frontier: frontier.SOLVERS,
    OtherFrontiers: other_frontiers.SOLVERS,
    Replicates: frontier_bootstrap.SOLVERS,
    TwoStages: two_stages.SOLVERS,
    Mergers: mergers.SOLVERS,
    Productivity: productivity.SOLVERS,
}


def solvers_of(problem: Problem) -> tuple[Solver, ...]:
    """Solvers of a problem of this size."""
    return tuple(s for s in SOLVERS[type(problem)] if s.largest is None or problem.size <= s.largest)

"""What is run, how often, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Item:
    """A problem in the plan; ``only`` names the solvers to run where not all are."""

    problem: Problem
    turns: int
    one_thread: bool = True
    only: tuple[str, ...] = ()


KERNEL, FRAME = "benchmodels kernel", "benchmodels, dataframe"
LINPROG, WARM = "loop of SciPy linprog", "highspy, warm starts"
LOOPS = (KERNEL, FRAME, WARM, LINPROG, "R Benchmarking")

PLAN = (
    Item(Logit(10_000), 3),
    Item(Logit(100_000), 3),
    Item(Logit(1_000_000), 5),
    Item(UnitEffects(10_000), 3),
    Item(UnitEffects(100_000), 3),
    Item(UnitEffects(1_000_000), 5),
    Item(UnitEffects(1_000_000), 3, one_thread=False),
    Item(RandomIntercept(100_000, covariates=10), 5),
    Item(RandomIntercept(100_000), 3),
    Item(RandomIntercept(1_000_000), 3),
    Item(LinearIntercept(70_000), 3),
    Item(LinearIntercept(700_000), 5),
    Item(LinearIntercept(700_000, units=5_000), 5),
    Item(Bootstrap(200), 3),
    Item(Bootstrap(2_000), 5),
    Item(Cells(100_000), 3),
    Item(Cells(1_000_000), 3),
    Item(Cells(10_000_000), 2),
    Item(Cells(1_000_000, kind="numbers and text"), 2, only=(KERNEL, FRAME)),
    Item(Cells(10_000_000, kind="numbers and text"), 1, only=(KERNEL, FRAME)),
    Item(LeaveOut(10_000), 3),
    Item(LeaveOut(100_000), 3),
    Item(Frontier(98), 5),
    Item(Frontier(1_000), 5),
    Item(Frontier(10_000), 3),
    Item(Frontier(100_000), 2),
    Item(Frontier(1_000_000), 1, only=(KERNEL,)),
    Item(Frontier(1_000, inputs=2, outputs=2), 3, only=LOOPS),
    Item(Frontier(1_000, inputs=6, outputs=4), 3, only=LOOPS),
    Item(Frontier(1_000, kind="few efficient"), 3, only=LOOPS),
    Item(Frontier(1_000, kind="ties"), 3, only=LOOPS),
    Item(OtherFrontiers(98), 5),
    Item(Replicates(98), 5),
    Item(Replicates(500), 3),
    Item(Replicates(2_000), 1),
    Item(TwoStages(98), 3),
    Item(Mergers(98), 5),
    Item(Mergers(98, inputs=1, outputs=3), 5),
    Item(Productivity(98), 2),
)

SMALL = (
    Item(Logit(10_000), 1),
    Item(UnitEffects(10_000), 1),
    Item(RandomIntercept(20_000, covariates=5), 1),
    Item(LinearIntercept(20_000), 1),
    Item(Bootstrap(50), 1),
    Item(Cells(20_000), 1),
    Item(LeaveOut(5_000), 1),
    Item(Frontier(40), 1),
    Item(Frontier(100, inputs=6, outputs=4, kind="ties"), 1, only=LOOPS),
    Item(Frontier(3_000, kind="few efficient"), 1, only=(KERNEL, FRAME, LINPROG)),
    Item(OtherFrontiers(20), 1),
    Item(Replicates(30, replicates=100), 1),
    Item(TwoStages(40, first=20, replicates=100), 1),
    Item(Mergers(30), 1),
    Item(Productivity(20, periods=3, replicates=100), 1),
)

PROBLEMS: dict[str, Problem] = {item.problem.name: item.problem for item in (*PLAN, *SMALL)}


@dataclass(frozen=True)
class Target:
    """A bound: ``rival`` costs at least ``times`` as much as ours (NaN: only told), or ours at most ``most``."""

    problem: Problem
    what: str = "cpu"
    rival: str = ""
    times: float = float("nan")
    most: float = float("nan")
    one_thread: bool = True
    ours: str = KERNEL


def _dense_mb(problem: Cells) -> float:
    return problem.size * 15 * 8 / 1024**2


_WHOLE = Cells(10_000_000)

TARGETS = (
    Target(Logit(1_000_000), rival="statsmodels GLM", times=15),
    Target(Logit(1_000_000), rival="scikit-learn newton-cholesky", times=2.5),
    Target(Logit(1_000_000), rival="glum", times=2.5),
    Target(UnitEffects(1_000_000), rival="pyfixest feglm", times=10),
    Target(UnitEffects(1_000_000), rival="glum", times=3),
    Target(UnitEffects(1_000_000), "wall", "pyfixest feglm", times=7, one_thread=False),
    Target(UnitEffects(1_000_000), "wall", "glum", times=2, one_thread=False),
    Target(RandomIntercept(100_000, covariates=10), most=0.5),
    Target(RandomIntercept(1_000_000), most=6),
    *(
        target
        for units in (98, 5_000)
        for target in (
            Target(LinearIntercept(700_000, units=units), rival="statsmodels MixedLM", times=15),
            Target(LinearIntercept(700_000, units=units), rival="linearmodels RandomEffects", times=10),
        )
    ),
    Target(Bootstrap(2_000), rival="loop of statsmodels GLM", times=80),
    Target(Bootstrap(2_000), rival="loop of scikit-learn newton-cholesky", times=80),
    Target(_WHOLE, "collapse", most=3),
    Target(_WHOLE, "extra_mb", most=_dense_mb(_WHOLE), ours=FRAME),
    Target(LeaveOut(100_000), rival="98 literal refits"),
    *(
        target
        for units, of_linprog, of_warm in ((98, 40, 4), (1_000, 150, 15), (10_000, 400, 40))
        for target in (
            Target(Frontier(units), rival=LINPROG, times=of_linprog),
            Target(Frontier(units), rival=WARM, times=of_warm),
        )
    ),
    Target(Frontier(100_000), "wall", most=60),
    Target(Frontier(100_000), "extra_mb", most=2_048),
    Target(OtherFrontiers(98), "wall", most=0.2),
    Target(Mergers(98), "wall", most=2),
    Target(Mergers(98, inputs=1, outputs=3), "wall", most=2),
    Target(Replicates(98), most=2),
    Target(Replicates(98), rival=LINPROG, times=100),
    Target(Replicates(500), most=30),
    Target(TwoStages(98), most=5),
    Target(TwoStages(98), rival="loop of SciPy linprog and BFGS"),
    Target(Productivity(98), most=30, ours=FRAME),
)

"""Report-card grades: the weak order of units that trades wrong orderings against right ones at a stated rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import highspy
import numpy as np

from benchmodels.errors import ConvergenceError, DataError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

__all__ = ["Grades", "expected_loss", "grades"]

_VIOLATED = 1e-4  # of a row of transitivity, in solutions between 0 and 1
_GAP = 1e-4  # of the summed loss, where one wrong order costs 1; below it a solution is called optimal
_SOLVER = (("solver", "ipm"), ("run_crossover", "off"))
_NEAR = 0.5  # of the summed loss; further away a rough solution finds rows as well
_ROWS = 6000  # most violated rows that join in one round


@dataclass(frozen=True, kw_only=True)
class Grades:
    """Grades of k units, and how good they provably are.

    Parameters
    ----------
    grade : (k,) array of int
        1 for the units with the largest parameter; units with the same grade are not told apart.
    loss, bound : float
        Expected loss per pair, and a number that no grades can go below; pure numbers.
    discordance, concordance, undecided : float
        Expected share of pairs graded in the wrong and in the right order, and share with the same grade; they
        add up to 1. The expected τ of Kendall is concordance less discordance.
    optimal : bool
        Whether the gap is below 1e-4 of the cost of one pair in the wrong order.
    rows, rounds : int
        Rows of transitivity generated, and rounds of it.
    seconds : float
        Of the solver.
    """

    grade: Positions
    loss: float
    bound: float
    discordance: float
    concordance: float
    undecided: float
    optimal: bool
    rows: int
    rounds: int
    seconds: float

    @property
    def gap(self) -> float:
        """Loss less bound: how much better other grades could be at most."""
        return self.loss - self.bound


def expected_loss(grade: Positions, above: Floats, *, concordance_value: float) -> tuple[float, float, float]:
    """Return the expected loss per pair, and the expected shares of discordant and concordant pairs.

    Parameters
    ----------
    grade : (k,) array of int
        1 for the largest.
    above : (k, k) array
        Probability that unit i's parameter is above unit j's; ``above + above.T`` is 1 off the diagonal.
    concordance_value : float
        λ; the loss is discordance less λ times concordance.

    Returns
    -------
    tuple of float

    Examples
    --------
    >>> expected_loss(np.array([1, 2]), np.array([[0.5, 0.9], [0.1, 0.5]]), concordance_value=0.25)
    (-0.125, 0.1, 0.9)
    """
    higher = grade[:, None] < grade
    pairs = len(grade) * (len(grade) - 1) / 2.0
    concordance = float(above[higher].sum() / pairs)
    discordance = float(above.T[higher].sum() / pairs)
    return discordance - concordance_value * concordance, discordance, concordance


def grades(above: Floats, *, concordance_value: float = 0.25, time_limit: float = 60.0) -> Grades:
    """Return the grades with the smallest expected discordance less λ times concordance.

    Parameters
    ----------
    above : (k, k) array
        Posterior probability that unit i's parameter is above unit j's; the diagonal is not read.
    concordance_value : float, default 0.25
        λ, from 0 to 1: a pair in the right order is worth λ of what a pair in the wrong order costs, so that two
        units alone get different grades when one is above the other with probability over 1 / (1 + λ), 80 % by
        default; 1 ranks all.
    time_limit : float, default 60
        Seconds of the solver, for all rounds together; then the best grades found are returned with their gap.

    Returns
    -------
    Grades

    Raises
    ------
    DataError
        Fewer than two units, or probabilities outside 0 to 1 or of which two directions do not add up to 1.
    SpecificationError
        λ outside 0 to 1, or a time limit that is not above zero.
    ConvergenceError
        The solver failed.

    Notes
    -----
    x_ij = 1 when i has a better grade than j. Minimise Σ x_ij (1 - (1 + λ) π_ij) subject to x_ij + x_ji <= 1 and
    x_il <= x_ij + x_jl: the strict part of a weak order is asymmetric and negatively transitive. Rows are generated
    as solutions violate them, first with x between 0 and 1 and then, unless that answer is whole, in whole numbers.
    Where i is above all others at least as probably as j is, a grade of j better than that of i can be exchanged
    without loss, and x_ji is fixed at 0. Grades come from dynamic programming over consecutive units in the order of
    Σ_j π_ij, and of Σ_j x_ij of each solution. The bound of a solution between 0 and 1 is computed from its
    multipliers, not taken from the solver. All grades of up to 6 units are compared in
    ``tests/kernels/test_grades.py``.

    References
    ----------
    Kline, Rose, Walters (2024), A discrimination report card, Am Econ Rev 114:2472-2525, section II: the loss, the
    threshold 1 / (1 + λ) and the integer program.

    Examples
    --------
    >>> p = np.array([[0.5, 0.7, 0.99], [0.3, 0.5, 0.95], [0.01, 0.05, 0.5]])
    >>> found = grades(p)
    >>> found.grade, found.optimal
    (array([1, 1, 2]), True)
    """
    _check(above, concordance_value, time_limit)
    k = len(above)
    # In order of the most probably large, so that equal units keep one order among them.
    order = np.lexsort((np.arange(k), -(above.sum(axis=1) - np.diagonal(above))))
    p = above[np.ix_(order, order)]
    np.fill_diagonal(p, 0.5)
    cost = 1.0 - (1.0 + concordance_value) * p
    np.fill_diagonal(cost, 0.0)
    program = _Program(cost, _free(p), time_limit=time_limit)
    grade, loss, bound = program.solve()
    back = np.argsort(order)
    shares = expected_loss(grade[back], above, concordance_value=concordance_value)
    pairs = k * (k - 1) / 2.0
    return Grades(
        grade=grade[back],
        loss=shares[0],
        bound=min(shares[0], bound / pairs),
        discordance=shares[1],
        concordance=shares[2],
        undecided=float((grade[:, None] == grade)[np.triu_indices(k, 1)].mean()),
        optimal=loss - bound <= _GAP,
        rows=program.rows,
        rounds=program.rounds,
        seconds=program.solver.getRunTime(),
    )


def _check(above: Floats, concordance_value: float, time_limit: float) -> None:
    k = len(above)
    if k < 2 or above.shape != (k, k):
        raise DataError(f"grades need a square table of at least two units; this one has shape {above.shape}")
    off = ~np.eye(k, dtype=bool)
    both = np.abs(above + above.T - 1.0)[off]
    if not (((above >= 0.0) & (above <= 1.0))[off].all() and (both <= 1e-9).all()):
        raise DataError("probabilities of being above must lie in 0 to 1, and the two directions of a pair add up to 1")
    if not 0.0 <= concordance_value <= 1.0:
        raise SpecificationError(f"concordance_value={concordance_value!r}; give a number from 0 to 1, as 0.25")
    if not time_limit > 0.0:
        raise SpecificationError(f"time_limit={time_limit!r}; give seconds above 0")


def _free(p: Floats) -> NDArray[np.bool_]:
    """Return (k, k): whether unit i may have a better grade than j; not where j is at least as good throughout."""
    k = len(p)
    dominates = np.array([(p[i] >= p).all(axis=1) for i in range(k)])
    # Of two equal units the first one dominates.
    earlier = np.arange(k)[:, None] < np.arange(k)
    free = ~(dominates.T & (earlier.T | ~dominates))
    np.fill_diagonal(free, False)
    return np.asarray(free)


def _grouped(cost: Floats, order: Positions) -> tuple[Positions, float]:
    """Return the best grades of consecutive units in an order, and their summed loss, by dynamic programming."""
    k = len(order)
    c = np.triu(cost[np.ix_(order, order)], 1)
    # Splitting at j costs all pairs across it; within[a, b]: what pairs inside a..b-1 no longer cost.
    total = np.zeros((k + 1, k + 1))
    total[1:, 1:] = c.cumsum(axis=0).cumsum(axis=1)
    best, last = np.zeros(k + 1), np.zeros(k + 1, dtype=np.intp)
    for end in range(1, k + 1):
        a = np.arange(end)
        across = best[:end] + total[a, end] - total[a, a]
        last[end] = np.argmin(across)
        best[end] = across[last[end]]
    grade, end, cuts = np.empty(k, dtype=np.intp), k, []
    while end > 0:
        cuts.append((last[end], end))
        end = int(last[end])
    for g, (first, stop) in enumerate(reversed(cuts), start=1):
        grade[order[first:stop]] = g
    return grade, float(best[k])


class _Program:
    """The integer program, its rows as they come, and the best grades so far."""

    def __init__(self, cost: Floats, free: NDArray[np.bool_], *, time_limit: float) -> None:
        self.cost, self.time_limit = cost, time_limit
        self.rows = self.rounds = 0
        self.pair = np.argwhere(free)
        self.column = np.full(cost.shape, -1, dtype=np.intp)
        self.column[free] = np.arange(len(self.pair))
        self.c = cost[free]
        self.known: set[tuple[int, int, int]] = set()
        self.matrix: list[tuple[Positions, Floats]] = []
        self.upper: list[float] = []
        self.grade, self.loss = _grouped(cost, np.arange(len(cost)))
        # Each pair alone is a bound already.
        self.bound = float(np.minimum(0.0, np.minimum(cost, cost.T))[np.triu_indices(len(cost), 1)].sum())
        self.solver = self._solver()

    def _solver(self) -> highspy.Highs:
        solver = highspy.Highs()  # type: ignore[no-untyped-call]
        for name, value in (("output_flag", False), ("threads", 1), ("random_seed", 1), *_SOLVER):
            solver.setOptionValue(name, value)
        n = len(self.c)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = n, 0
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = self.c, np.zeros(n), np.ones(n)
        lp.a_matrix_.start_ = np.zeros(n + 1, dtype=np.int32)
        solver.passModel(lp)
        return solver

    def solve(self) -> tuple[Positions, float, float]:
        """Return grades, their summed loss and a bound on it."""
        both = np.argwhere((self.column >= 0) & (self.column.T >= 0) & (self.cost < 0.0) & (self.cost.T < 0.0))
        self._add([(int(i), int(j), -1) for i, j in both if i < j])
        whole = False
        while self.loss - self.bound > _GAP and self.solver.getRunTime() < self.time_limit:
            x = self._run(whole)
            if x is None:
                break
            self._improve(x)
            new = self._violated(x)
            if not new and not whole:
                self._to_whole_numbers()
                whole = True
            elif not new:
                break
            self._add(new)
        return self.grade, self.loss, min(self.bound, self.loss)

    def _run(self, whole: bool) -> Floats | None:
        # The solver's clock runs through all its rounds.
        self.solver.setOptionValue("time_limit", self.time_limit)
        if not whole:
            self.solver.clearSolver()
            rough = self.loss - self.bound > _NEAR
            self.solver.setOptionValue("ipm_optimality_tolerance", 1e-3 if rough else 1e-5)
        self.solver.run()
        self.rounds += 1
        status = self.solver.getModelStatus()
        if whole:
            self.bound = max(self.bound, float(self.solver.getInfo().mip_dual_bound))
        if status == highspy.HighsModelStatus.kTimeLimit:
            return None
        # Interior points may miss the last digits; weak duality then says what they are worth.
        accepted = (highspy.HighsModelStatus.kOptimal, *(() if whole else (highspy.HighsModelStatus.kUnknown,)))
        if status not in accepted:
            raise ConvergenceError(f"grades: the solver ended with status {status.name} in round {self.rounds}")
        solution = self.solver.getSolution()
        if not whole:
            self.bound = max(self.bound, self._dual_bound(np.array(solution.row_dual)))
        x = np.zeros(self.cost.shape)
        x[tuple(self.pair.T)] = np.clip(np.array(solution.col_value), 0.0, 1.0)
        return x

    def _dual_bound(self, y: Floats) -> float:
        """Return the bound that multipliers prove by weak duality, whatever their precision."""
        y = np.minimum(y, 0.0)
        reduced = self.c.copy()
        if self.matrix:
            columns = np.concatenate([c for c, _ in self.matrix])
            weights = np.concatenate([v * y[row] for row, (_, v) in enumerate(self.matrix)])
            np.subtract.at(reduced, columns, weights)
        return float(y @ np.array(self.upper)) + float(np.minimum(reduced, 0.0).sum())

    def _improve(self, x: Floats) -> None:
        order = np.argsort(-(x.sum(axis=1) - x.sum(axis=0)), kind="stable")
        grade, loss = _grouped(self.cost, order)
        if loss < self.loss:
            self.grade, self.loss = grade, loss

    def _violated(self, x: Floats) -> list[tuple[int, int, int]]:
        """Return rows (i, l, j) of x_il <= x_ij + x_jl, and (i, l, -1) of x_il + x_li <= 1, most violated first."""
        k = len(x)
        most, by = np.full((k, k), _VIOLATED), np.full((k, k), -1, dtype=np.intp)
        for j in range(k):
            excess = x - x[:, j, None]
            excess -= x[j]
            # Of rows violated alike, the one that is dearest to satisfy moves the bound most.
            excess += np.where(excess > _VIOLATED, np.minimum(self.cost[:, j, None], self.cost[j]), 0.0)
            excess[j], excess[:, j] = 0.0, 0.0
            more = excess > most
            by[more], most[more] = j, excess[more]
        i, l = np.nonzero(by >= 0)
        found = np.argsort(-most[i, l], kind="stable")[:_ROWS]
        rows = [(int(i[n]), int(l[n]), int(by[i[n], l[n]])) for n in found]
        i, l = np.nonzero(np.triu(x + x.T > 1.0 + _VIOLATED))
        return [
            row for row in [*rows, *zip(i.tolist(), l.tolist(), [-1] * len(i), strict=True)] if row not in self.known
        ]

    def _add(self, rows: list[tuple[int, int, int]]) -> None:
        starts: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        upper: list[float] = []
        for i, l, j in rows:
            parts = [(i, l, 1.0), (l, i, 1.0)] if j < 0 else [(i, l, 1.0), (i, j, -1.0), (j, l, -1.0)]
            kept = [(self.column[a, b], v) for a, b, v in parts if self.column[a, b] >= 0]
            starts.append(len(columns))
            columns += [c for c, _ in kept]
            values += [v for _, v in kept]
            upper.append(1.0 if j < 0 else 0.0)
            self.matrix.append((np.array([c for c, _ in kept]), np.array([v for _, v in kept])))
        self.known.update(rows)
        self.upper += upper
        self.rows += len(rows)
        if rows:
            self.solver.addRows(
                len(rows),
                np.full(len(rows), -math.inf),
                np.array(upper),
                len(columns),
                np.array(starts, dtype=np.int32),
                np.array(columns, dtype=np.int32),
                np.array(values),
            )

    def _to_whole_numbers(self) -> None:
        n = len(self.c)
        self.solver.changeColsIntegrality(
            n, np.arange(n, dtype=np.int32), np.full(n, highspy.HighsVarType.kInteger, dtype=object)
        )

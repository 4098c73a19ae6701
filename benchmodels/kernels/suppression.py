"""Which cells of additive tables must be withheld, and proof that nobody can compute them from the rest.

An attacker knows every published cell, outer bounds of each withheld one, and relations R x = 0 (parts less their
total); the tightest bounds that follow are the optima of two linear programs a cell. A pattern of withheld cells is
safe where they leave open every value that must stay possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csc_array, eye_array, kron, vstack

from benchmodels.errors import ConvergenceError, DataError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.disclosure_risk import Risk

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Mask = NDArray[np.bool_]

__all__ = ["Suppression", "additive_relations", "attack", "suppress"]

# What an attacker may fall short of what must be left him, relative to it; optima are vertices, good to 1e-9.
_SLACK = 1e-6
# Rounds of cuts, and branches within a round, before the search is given up; tables of 98 rows take a few.
_ROUNDS, _NODES = 60, 20_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Suppression:
    """A pattern of withheld cells with its certificate.

    Parameters
    ----------
    suppressed : (m,) array of bool
        Risky cells and those withheld for their sake.
    lower, upper : (m,) arrays
        The tightest bounds an attacker can derive; both are the value where it is published.
    cost : float
        Sum of the weights of the cells withheld.
    bound : float
        No safe pattern costs less; equal to ``cost`` where the pattern is proved best.
    """

    suppressed: Mask
    lower: Floats
    upper: Floats
    cost: float
    bound: float


def additive_relations(*parents: Codes) -> csc_array:
    """Return the relations (r, m) of a table whose every dimension is a hierarchy of parts and totals.

    Parameters
    ----------
    *parents : (d,) arrays of int
        One a dimension: the position of each category's total, -1 for the last total of all. A plain margin of three
        rows is ``[3, 3, 3, -1]``.

    Returns
    -------
    (r, m) sparse array
        m is the product of the d, cells in C order; a row is the parts of a total in one dimension less the total.

        Up to two dimensions, one of them plain, are a network: every whole count between bounds is possible.

    Raises
    ------
    DataError
        A parent that is not there, or a category that is part of itself.

    Examples
    --------
    >>> additive_relations(np.array([2, 2, -1])).toarray()
    array([[ 1.,  1., -1.]])
    """
    trees = [_tree(np.asarray(parent)) for parent in parents]
    sizes = [tree.shape[1] for tree in trees]
    blocks = []
    for d, tree in enumerate(trees):
        before, after = (eye_array(int(np.prod(part))) for part in (sizes[:d], sizes[d + 1 :]))
        blocks.append(kron(kron(before, tree), after))
    return csc_array(vstack(blocks))


def _tree(parent: Codes) -> csc_array:
    m, at = len(parent), parent
    if not np.all((parent >= -1) & (parent < m)):
        raise DataError(f"a parent must be the position of a category, 0 to {m - 1}, or -1 for none")
    for _ in range(m):
        at = np.where(at >= 0, parent[at], -1)
    if np.any(at >= 0):
        raise DataError("a category is part of itself")
    totals = np.unique(parent[parent >= 0])
    rows = np.zeros((len(totals), m))
    rows[np.searchsorted(totals, parent[parent >= 0]), np.flatnonzero(parent >= 0)] = 1.0
    rows[np.arange(len(totals)), totals] = -1.0
    return csc_array(rows)


class _Program:
    """Extremes of one cell after another under the same relations; each solve starts where the last one ended."""

    def __init__(self, relations: csc_array, lower: Floats, upper: Floats, *, scale: float = 0.0) -> None:
        # Cells are told from a point near them, so that large published numbers cannot drown small withheld ones; what
        # is published is not part of the program.
        self.centre = np.where(np.isfinite(lower), lower, np.where(np.isfinite(upper), upper, 0.0))
        self.relations, self.open = relations, np.flatnonzero(upper > lower)
        self.place = np.cumsum(upper > lower) - 1
        right, part = -(relations @ self.centre), relations[:, self.open]
        self.rows = np.flatnonzero(np.abs(part).sum(axis=1) > 0)
        part, right = csc_array(part[self.rows]), right[self.rows]
        low, high = lower[self.open] - self.centre[self.open], upper[self.open] - self.centre[self.open]
        self.scale = scale or float(np.abs(right).max(initial=0.0)) or 1.0
        solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        tight = {f"{kind}_feasibility_tolerance": 1e-9 for kind in ("primal", "dual")}
        for option, choice in ({"output_flag": False, "presolve": "off", "simplex_strategy": 4} | tight).items():
            solver.setOptionValue(option, choice)
        model = highspy.HighsLp()
        model.num_row_, model.num_col_ = part.shape
        model.col_cost_ = np.zeros(len(low))
        model.col_lower_, model.col_upper_ = low / self.scale, high / self.scale
        model.row_lower_ = model.row_upper_ = right / self.scale
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = part.indptr, part.indices, part.data
        solver.passModel(model)
        self.solver = solver

    def extreme(self, cell: int, *, upper: bool) -> float:
        """Return the largest or smallest value that an open cell can have; infinite where nothing holds it."""
        sign, place = -1.0 if upper else 1.0, int(self.place[cell])
        self.solver.changeColCost(place, sign)
        self.solver.run()
        status = self.solver.getModelStatus()
        self.solver.changeColCost(place, 0.0)
        kinds = highspy.HighsModelStatus
        if status == kinds.kUnbounded:
            return -sign * np.inf
        if status == kinds.kInfeasible:
            raise DataError("the published cells do not add up, or a bound excludes what is withheld")
        if status != kinds.kOptimal:
            raise ConvergenceError(f"bounds of cell {cell} not found: {self.solver.modelStatusToString(status)}")
        return float(self.solver.getSolution().col_value[place]) * self.scale + float(self.centre[cell])

    def prices(self, cell: int, *, upper: bool) -> Floats:
        """Return the reduced costs (m,) of the last extreme, of a unit of the cell; rows left out cost nothing."""
        cost, dual = np.zeros(self.relations.shape[1]), np.zeros(self.relations.shape[0])
        cost[cell] = -1.0 if upper else 1.0
        dual[self.rows] = self.solver.getSolution().row_dual
        return np.asarray(cost - self.relations.T @ dual)


def attack(relations: csc_array, lower: Floats, upper: Floats, *, cells: Codes) -> tuple[Floats, Floats]:
    """Return the tightest bounds of some cells that follow from what is published.

    Parameters
    ----------
    relations : (r, m) sparse array
        R with R x = 0; see `additive_relations`.
    lower, upper : (m,) arrays
        What the attacker knows of each cell: the value of a published one (or value ∓ half its last digit), and outer
        bounds of a withheld one, which may be infinite.
    cells : (c,) array of int
        Positions of the cells to be bounded.

    Returns
    -------
    lower, upper : (c,) arrays

    Raises
    ------
    DataError, ConvergenceError
        No table fits what is published; a linear program was not solved.

    Notes
    -----
    Vertices, exact but for rounding; against enumeration in ``tests/kernels/test_suppression.py``. Two simplex runs a
    cell from the last basis: 98 rows and 6 columns with 160 cells withheld take 0.04 seconds.

    Examples
    --------
    >>> both = attack(additive_relations(np.array([2, 2, -1])), np.array([0.0, 0, 7]), np.array([9.0, 9, 7]),
    ...     cells=np.array([0]))
    >>> [float(bound[0]) for bound in both]
    [0.0, 7.0]
    """
    program = _Program(relations, np.asarray(lower, float), np.asarray(upper, float))
    low, high = (np.array([program.extreme(int(c), upper=side) for c in cells]) for side in (False, True))
    return low, high


def suppress(
    relations: csc_array,
    value: Floats,
    risk: Risk,
    *,
    lower: Floats,
    upper: Floats,
    weight: Floats | None = None,
    keep: Mask | None = None,
) -> Suppression:
    """Choose cells to withhold beside the risky ones, so that no risky one can be computed from the rest.

    Parameters
    ----------
    relations : (r, m) sparse array
    value : (m,) array
        True values, in the unit of measure of the table.
    risk : Risk
    lower, upper : (m,) arrays
        What everyone knows of each cell beforehand, such as 0 and the size; may be infinite.
    weight : (m,) array, optional
        What is lost with a cell; 1 by default, so that the fewest cells are lost.
    keep : (m,) array of bool, optional
        Cells that are published in any case, such as margins.

    Returns
    -------
    Suppression
        With the attacker's bounds, computed anew for the pattern returned.

    Raises
    ------
    SpecificationError
        A risky cell is to be kept, or the cells kept give one away.
    DataError, ConvergenceError
        The table does not add up; a program was not solved.

    Notes
    -----
    Cutting planes: a pattern of least weight, the attacker's dual prices where it fails as a cut, and so on. 98 rows
    and 12 columns with 241 risky cells take 0.4 seconds. Nothing published may tell which withheld cells were risky.

    References
    ----------
    Fischetti & Salazar (2001), Management Science 47:1008-1027, sections 2 and 3 (attacker, model, capacity cuts).

    Examples
    --------
    >>> from benchmodels.kernels.disclosure_risk import count_risk
    >>> count = np.array([2.0, 9.0, 30.0, 41.0])
    >>> found = suppress(additive_relations(np.array([3, 3, 3, -1])), count, count_risk(count, threshold=5),
    ...     lower=np.zeros(4), upper=np.full(4, np.inf), weight=count)
    >>> found.suppressed, float(found.lower[0]), float(found.upper[0])
    (array([ True,  True, False, False]), 0.0, 11.0)
    """
    cost = np.ones(len(value)) if weight is None else np.asarray(weight, float)
    kept, cells = np.zeros(len(value), bool) if keep is None else keep, np.flatnonzero(risk.risky)
    if np.any(risk.risky & kept):
        raise SpecificationError(f"{int((risk.risky & kept).sum())} cells are to be published and tell too much")
    if np.any((value < lower) | (value > upper)):
        raise DataError("values must lie within the bounds that are known beforehand")
    if np.any(np.abs(relations @ value) > 1e-9 * (np.abs(relations) @ np.abs(value))):
        raise DataError("the table does not add up to its own totals")
    far = np.concatenate([risk.high[cells] - value[cells], value[cells] - risk.low[cells]])
    sides = [(int(c), up) for up in (True, False) for c in cells]
    needs = [(*side, float(need)) for side, need in zip(sides, far, strict=True) if need > 0]
    pattern, bound = _cheapest(_Table(relations, needs, value - lower, upper - value, cost, risk.risky, kept))
    hidden, low, high = np.flatnonzero(pattern), value.astype(float), value.astype(float)
    known = np.where(pattern, lower, value), np.where(pattern, upper, value)
    low[hidden], high[hidden] = attack(relations, *known, cells=hidden)
    left = {True: high - value, False: value - low}
    if any(left[up][cell] < need * (1.0 - 10.0 * _SLACK) for cell, up, need in needs):
        raise ConvergenceError("the pattern found does not protect every cell")
    return Suppression(suppressed=pattern, lower=low, upper=high, cost=float(cost[pattern].sum()), bound=bound)


@dataclass(frozen=True, eq=False)
class _Table:
    """Distances from the true values: of risky cells and sides what an attacker must be left, of all cells the room."""

    relations: csc_array
    needs: list[tuple[int, bool, float]]
    below: Floats
    above: Floats
    weight: Floats
    risky: Mask
    keep: Mask


def _cheapest(table: _Table) -> tuple[Mask, float]:
    """Return a safe pattern, and a bound below the cost of every safe one."""
    pattern, bound = table.risky, float(table.weight[table.risky].sum())
    rows: list[Floats] = []
    for _ in range(_ROUNDS):
        cuts = _cuts(table, pattern)
        if not cuts:
            return pattern, bound
        rows.extend(cuts)
        pattern, bound = _master(table, rows)
    raise ConvergenceError(f"no pattern found safe in {_ROUNDS} rounds; each one costs at least {bound:g}")


def _cuts(table: _Table, pattern: Mask) -> list[Floats]:
    """Return for each failure of a pattern a row a with a @ pattern >= 1 that every safe pattern meets.

    By weak duality the attacker's distance is at most the room of the withheld cells at these prices; a cell that has
    all the room needed by itself counts as one.
    """
    scale = max((need for _, _, need in table.needs), default=1.0)
    program = _Program(table.relations, *np.where(pattern, [-table.below, table.above], 0.0), scale=scale)
    cuts = []
    for cell, up, need in table.needs:
        if abs(program.extreme(cell, upper=up)) >= need * (1.0 - _SLACK):
            continue
        price = program.prices(cell, upper=up)
        room = np.zeros(len(price))
        for side, span in ((price < -1e-9, table.above), (price > 1e-9, table.below)):
            room[side] = np.abs(price[side]) * span[side]
        cuts.append(np.minimum(room / need, 1.0))
        if cuts[-1][~table.keep].sum() < 1.0 - _SLACK:
            raise SpecificationError(
                f"cell {cell} cannot be protected by withholding others: what is published in any case gives it away; "
                "withhold totals too, or put categories together"
            )
    return cuts


def _master(table: _Table, rows: list[Floats]) -> tuple[Mask, float]:
    """Return a pattern of least weight that meets all cuts, and what the search proved of the least weight."""
    unit = float(table.weight.max()) or 1.0
    found = milp(
        table.weight / unit,
        integrality=1,
        bounds=Bounds(table.risky.astype(float), 1.0 - table.keep),
        # A hair below one: prices are rounded.
        constraints=LinearConstraint(np.array(rows), lb=1.0 - _SLACK),
        options={"node_limit": _NODES, "mip_rel_gap": 0.0},
    )
    if found.x is None:
        raise ConvergenceError(f"no pattern of withheld cells found: {found.message}")
    return np.asarray(found.x > 0.5), float(found.mip_dual_bound) * unit

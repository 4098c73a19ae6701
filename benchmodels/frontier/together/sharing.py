"""Sharing without a merger: what a group could save, or make, if goods moved between its units, each going on alone."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linprog

from benchmodels.errors import PartialResultWarning, SpecificationError
from benchmodels.frontier.scores import read_only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.frontier.goods import Goods
    from benchmodels.frontier.together.groups import Groups
    from benchmodels.kernels.merging import Side
    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Moving", "Reallocation", "reallocated"]

Moving = Literal["both", "inputs", "outputs"]
# Of an answer, relative to goods of order 1: what a row may be missed by, and what primal and dual may differ by.
_CLOSE = 1e-7


@dataclass(frozen=True, eq=False, kw_only=True)
class Reallocation:
    """What g groups could do if goods moved between their units.

    Parameters
    ----------
    groups : Groups
    moving : {'both', 'inputs', 'outputs'}
    orientation : {'input', 'output'}
    factor : (g,) array
        Of all inputs of the group, what is needed (orientation 'input'), or of all outputs, what could be made. It
        holds what the units could each do for themselves as well.
    plan : tuple of g arrays (units, m + s)
        What each unit would use and make in the solution found, which need not be the only one.
    status : (g,) array of str
        'solved' or 'not solved'.
    names : tuple of str
        Of the goods.
    """

    groups: Groups
    moving: Moving
    orientation: Side
    factor: Floats
    plan: tuple[Floats, ...]
    status: NDArray[np.object_]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        read_only(self)
        for part in self.plan:
            part.setflags(write=False)

    def __repr__(self) -> str:
        return f"Reallocation({len(self.groups)} groups, moving={self.moving!r}, {self.orientation!r})"

    @property
    def potential(self) -> Floats:
        """Share of inputs that could be spared, or by which outputs could grow, (g,)."""
        return 1.0 - self.factor if self.orientation == "input" else self.factor - 1.0

    def to_frame(self) -> pd.DataFrame:
        """Return one row a group: ``group, units, factor, potential, status``."""
        frame = {"group": self.groups.name, "units": self.groups.sums.size, "factor": self.factor}
        return pd.DataFrame(frame | {"potential": self.potential, "status": self.status}).infer_objects()

    def plans(self) -> pd.DataFrame:
        """Return who would use and make what: ``group, unit, good, value``, one solution of each program."""
        rows: list[dict[str, Any]] = []
        for name, group, plan in zip(self.groups.name, range(len(self.groups)), self.plan, strict=True):
            for unit, goods in zip(self.groups.members(group), plan.tolist(), strict=True):
                rows += [
                    {"group": name, "unit": unit, "good": good, "value": value}
                    for good, value in zip(self.names, goods, strict=True)
                ]
        return pd.DataFrame(rows, columns=["group", "unit", "good", "value"])


def reallocated(
    goods: Goods, technologies: Sequence[Technology | None], groups: Groups, orientation: Side, moving: Moving
) -> Reallocation:
    """Return the best sharing within each group, each unit with the technology of its own.

    Parameters
    ----------
    goods : Goods
        k units.
    technologies : sequence of k Technology
        What each unit can do, by position: the same one for all, or that of a unit's kind; None of units in no group.
    groups : Groups
    orientation : {'input', 'output'}
    moving : {'both', 'inputs', 'outputs'}

    Notes
    -----
    With units j of the group and their technologies T_j, where inputs fall: min θ over (x_j, y_j) in T_j subject to
    Σ x_j ≤ θ Σ X_j and Σ y_j ≥ Σ Y_j. Of what does not move, x_j ≤ θ X_j takes the place of the first, or y_j ≥ Y_j of
    the second, unit by unit. Where outputs rise: max φ, Σ x_j ≤ Σ X_j and Σ y_j ≥ φ Σ Y_j. One linear program a group,
    of as many intensities as there are reference units for each of its units: for some hundred groups.
    """
    if moving not in get_args(Moving):
        raise SpecificationError(f"moving={moving!r}; allowed are {', '.join(map(repr, get_args(Moving)))}")
    factor, plans, status = np.full(len(groups), np.nan), [], np.full(len(groups), "solved", dtype=object)
    for group in range(len(groups)):
        at = groups.sums.unit[groups.sums.first[group] : groups.sums.first[group + 1]]
        own = [technology for unit in at.tolist() if (technology := technologies[unit]) is not None]
        found = _shared(goods, own, at, orientation, moving)
        if found is None:
            status[group] = "not solved"
            plans.append(np.full((len(at), goods.goods.shape[1]), np.nan))
        else:
            factor[group], plan = found
            plans.append(plan)
    lost = int((status != "solved").sum())
    if lost:
        warnings.warn(
            f"the program of {lost} of {len(groups)} groups was not solved; their factors are NaN",
            PartialResultWarning,
            stacklevel=3,
        )
    return Reallocation(
        groups=groups, moving=moving, orientation=orientation, factor=factor, plan=tuple(plans), status=status,
        names=goods.names,
    )  # fmt: skip


def _shared(
    goods: Goods, technologies: list[Technology], at: Codes, orientation: Side, moving: Moving
) -> tuple[float, Floats] | None:
    """Return the factor of one group and what each of its units would use and make, or None without an answer."""
    m, width, number = goods.inputs.shape[1], goods.goods.shape[1], len(at)
    own = goods.goods[at]
    scale = own.mean(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    # What is used counts as it is and what is made with a minus: each row is an amount that may not be passed.
    sign = np.where(np.arange(width) < m, 1.0, -1.0)
    made = [np.concatenate([t.inputs, t.outputs], axis=1) / scale * sign for t in technologies]
    inputs_move, outputs_move = moving in ("both", "inputs"), moving in ("both", "outputs")
    pooled = np.where(np.arange(width) < m, inputs_move, outputs_move)
    scaled = np.arange(width) < m if orientation == "input" else np.arange(width) >= m
    limit, rows, right, theta = own / scale * sign, [], [], []
    for good in range(width):
        column = [each[:, good] for each in made]
        body = sparse.csr_array(np.concatenate(column)[None]) if pooled[good] else sparse.block_diag(
            [each[None] for each in column], format="csr"
        )  # fmt: skip
        bound = np.array([limit[:, good].sum()]) if pooled[good] else limit[:, good]
        rows.append(body)
        theta.append(np.where(scaled[good], -bound, 0.0))
        right.append(np.where(scaled[good], 0.0, bound))
    matrix = [sparse.hstack([sparse.csr_array(np.concatenate(theta)[:, None]), sparse.vstack(rows)])]
    total = sparse.block_diag([np.ones((1, len(each))) for each in made], format="csr")
    total = sparse.hstack([sparse.csr_array((number, 1)), total])
    low, high = technologies[0].bounds
    cost = np.zeros(1 + sum(map(len, made)))
    cost[0] = 1.0 if orientation == "input" else -1.0
    right += [np.full(number, high)] * bool(np.isfinite(high)) + [np.full(number, -low)] * (low > 0)
    matrix += [total] * bool(np.isfinite(high)) + [-total] * (low > 0)
    body, bound = sparse.vstack(matrix).tocsr(), np.concatenate(right)
    found = linprog(cost, A_ub=body, b_ub=bound, bounds=(0, None), method="highs")
    if found.status != 0:
        return None
    missed = np.max(body @ found.x - bound, initial=0.0)
    gap = abs(found.fun - bound @ found.ineqlin.marginals)
    if missed > _CLOSE or gap > _CLOSE * max(1.0, abs(found.fun)):
        return None
    places = np.cumsum([1, *map(len, made)])
    plan = [found.x[a:b] @ each for a, b, each in zip(places[:-1], places[1:], made, strict=True)]
    return float(found.x[0]), np.array(plan) * scale * sign

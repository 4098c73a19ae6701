"""One program of the shared simplex, solved by HiGHS from cold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import highspy
import numpy as np

from benchmodels.kernels.shared_simplex import (
    ARTIFICIAL,
    BETA,
    INFEASIBLE,
    OPTIMAL,
    OWN,
    STALLED,
    UNBOUNDED,
    Vertices,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]

__all__ = ["solve_cold"]


def solve_cold(
    body: Floats, n: int, point: Floats, start: Floats, step: Floats, own: int, allowed: Allowed | None, i: int,
    found: Vertices,
) -> None:  # fmt: skip
    """Solve program i and write it into what was found.

    Parameters
    ----------
    body : (d, n + q) array; n : int
        The columns of its set, of which those of zeros are left out, and the slacks.
    point, start, step : (d,) arrays
        As in `maximise`.
    own : int
        As in `maximise`.
    allowed : callable, optional
        As in `maximise`; asked about program ``i``.
    i : int
    found : Vertices
        Of all programs; its arrays are written.

    Notes
    -----
    Rows are divided by the point and columns by their largest entries, since HiGHS has absolute tolerances. Of its
    answer only the basis is kept, where that is whole, and solved anew. An infeasible program is solved once more, for
    the least share of the point that must be met by the point itself; the prices of that are the ray.
    """
    usable = np.asarray(body.any(axis=0))
    if allowed is not None:
        usable[:n] &= allowed(np.array([i]), 0, n)[0]
    code = np.concatenate([[BETA], np.flatnonzero(usable), [OWN] if own == OWN else []])
    body = np.column_stack([step, body[:, usable], *([start] if own == OWN else [])])
    found.beta[i], found.code[i], found.value[i], found.dual[i] = np.nan, ARTIFICIAL, 0.0, np.nan
    status, value, basic, dual = _highs(body, point, np.where(code == BETA, -1.0, 0.0), code == BETA)
    found.status[i] = status
    if status == INFEASIBLE:
        lacking = np.append(np.zeros(len(code)), 1.0)
        status, _, _, dual = _highs(np.column_stack([body, start]), point, lacking, np.append(code == BETA, False))
        found.dual[i] = -dual
    elif status == OPTIMAL:
        _write(found, i, body, point, code.astype(np.intp), value, basic, -dual)


def _write(
    found: Vertices, i: int, body: Floats, point: Floats, code: Any, value: Floats, basic: Any, dual: Floats
) -> None:
    d = len(point)
    # β in place 0; fewer than d columns are basic where a row is.
    chosen = np.append(0, np.flatnonzero(basic & (code != BETA)))[:d]
    if len(chosen) == d and np.linalg.matrix_rank(body[:, chosen] / np.abs(body[:, chosen]).max(axis=0)) == d:
        value, basis = value.copy(), body[:, chosen]
        value[chosen] = np.linalg.solve(basis, point)
        dual = np.linalg.solve(basis.T, np.eye(d)[0])
    found.beta[i], found.dual[i] = value[0], dual
    found.code[i, : len(chosen)], found.value[i, : len(chosen)] = code[chosen], value[chosen]


def _highs(body: Floats, point: Floats, cost: Floats, free: Any) -> tuple[int, Floats, Any, Floats]:
    """Return the status, values, which are basic, and row prices of the least cost, body x = point."""
    size = np.abs(body)
    row = np.where(point != 0, np.abs(point), size.max(axis=1))
    row = np.where(row > 0, row, 1.0)
    column = (size / row[:, None]).max(axis=0)
    column = np.where(column > 0, column, 1.0)
    scaled = body / row[:, None] / column
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    tight = {f"{kind}_feasibility_tolerance": 1e-10 for kind in ("primal", "dual")}
    for option, choice in ({"output_flag": False, "presolve": "off"} | tight).items():
        solver.setOptionValue(option, choice)
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = body.shape
    model.col_cost_ = cost / column
    model.col_lower_ = np.where(free, -np.inf, 0.0)
    model.col_upper_ = np.full(len(cost), np.inf)
    model.row_lower_ = model.row_upper_ = point / row
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    filled = scaled.T != 0.0
    model.a_matrix_.start_ = np.concatenate([[0], np.cumsum(filled.sum(axis=1))])
    model.a_matrix_.index_ = np.nonzero(filled)[1]
    model.a_matrix_.value_ = scaled.T[filled]
    solver.passModel(model)
    solver.run()
    kinds = highspy.HighsModelStatus
    status = {kinds.kOptimal: OPTIMAL, kinds.kInfeasible: INFEASIBLE, kinds.kUnbounded: UNBOUNDED}.get(
        solver.getModelStatus(), STALLED
    )
    solution, basis = solver.getSolution(), solver.getBasis()
    basic = np.array([kind == highspy.HighsBasisStatus.kBasic for kind in basis.col_status], dtype=np.bool_)
    return status, np.array(solution.col_value) / column, basic, np.array(solution.row_dual) / row

"""Linear programs of a few rows, solved one after another and each checked by its own prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import highspy
import numpy as np

from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, STALLED, UNBOUNDED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["SURE", "SmallPrograms", "Solved", "residual_of"]

# The residual up to which an answer is given; those of usual problems are below 1e-13.
SURE = 1e-8


class Solved(NamedTuple):
    """An answer of a small program, its prices (d,), its largest residual, and how it ended."""

    value: Floats
    price: Floats
    residual: float
    status: int


class SmallPrograms:
    """Programs of a few rows, one after another, by HiGHS from cold; each answer is checked by its own prices."""

    def __init__(self) -> None:
        self._solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        self._solver.setOptionValue("output_flag", False)
        self._solver.setOptionValue("presolve", "off")
        for kind in ("primal", "dual"):
            self._solver.setOptionValue(f"{kind}_feasibility_tolerance", 1e-10)

    def solve(self, body: Floats, target: Floats, gain: Floats, lower: Floats, upper: Floats) -> Solved:
        """Maximise gain x where body x = target and lower <= x <= upper.

        Parameters
        ----------
        body : (d, c) array; target : (d,) array
            Entries of order 1.
        gain, lower, upper : (c,) arrays

        Returns
        -------
        Solved
            ``residual`` is the largest of: a row's violation; a reduced cost of the wrong sign; the gap between the
            gain and its bound by the prices; each relative to the numbers it is made of.
        """
        d, c = body.shape
        zero = np.zeros(c, dtype=np.int32)
        self._solver.passModel(
            c, d, c * d, int(highspy.MatrixFormat.kColwise), int(highspy.ObjSense.kMinimize), 0.0,
            -gain, lower, upper, target, target,
            np.arange(0, c * d, d, dtype=np.int32), np.tile(np.arange(d, dtype=np.int32), c), body.T.ravel(), zero,
        )  # fmt: skip
        self._solver.run()
        kinds, status = highspy.HighsModelStatus, self._solver.getModelStatus()
        if status != kinds.kOptimal:
            ended = {kinds.kUnbounded: UNBOUNDED, kinds.kInfeasible: INFEASIBLE}.get(status, STALLED)
            return Solved(np.full(c, np.nan), np.full(d, np.nan), np.inf, ended)
        solution = self._solver.getSolution()
        value = np.clip(np.array(solution.col_value), lower, upper)
        price = -np.array(solution.row_dual)
        residual = residual_of(body, target, gain, lower, upper, value, price)
        return Solved(value, price, residual, OPTIMAL if residual <= SURE else STALLED)


def residual_of(
    body: Floats, target: Floats, gain: Floats, lower: Floats, upper: Floats, value: Floats, price: Floats
) -> float:
    """Return by how much an answer and its prices are not a proof, as in `SmallPrograms.solve`."""
    cost = price @ body - gain
    worth = max(float(np.abs(price).max(initial=0.0)), float(np.abs(gain).max(initial=0.0)), 1e-300)
    size = max(1.0, float(np.abs(value).max(initial=0.0)))
    # A column is bought at its upper end where that pays and there is one; at its lower end else.
    end = np.where(cost < 0, upper, lower)
    open_ = ~np.isfinite(end)
    bound = price @ target - cost[~open_] @ end[~open_]
    return max(
        float(np.abs(body @ value - target).max(initial=0.0)) / size,
        float(np.abs(cost[open_]).max(initial=0.0)) / worth,
        abs(float(bound - gain @ value)) / (worth * size),
    )

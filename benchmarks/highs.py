"""One model of HiGHS for all programs of a frontier: the judge's own solver, and, with settings of its own, a rival."""

from __future__ import annotations

from typing import Any

import numpy as np


class InputModel:
    """min θ where Xλ <= θ x, Yλ >= y, Σλ = 1, λ >= 0: a column and two bounds are changed from unit to unit.

    Each program starts at the last one's basis. Goods should be of order 1: tolerances are absolute.
    """

    def __init__(self, inputs: np.ndarray, outputs: np.ndarray, **options: Any) -> None:
        import highspy

        n, self.m, self.s = len(inputs), inputs.shape[1], outputs.shape[1]
        body = np.column_stack([inputs, outputs, np.ones(n)])
        first = np.append(-inputs[0], np.zeros(self.s + 1))
        filled = np.vstack([first, body])
        there = filled != 0.0
        there[0, : self.m] = True
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = filled.shape
        model.col_cost_ = np.append(1.0, np.zeros(n))
        model.col_lower_ = np.append(-np.inf, np.zeros(n))
        model.col_upper_ = np.full(n + 1, np.inf)
        model.row_lower_ = np.concatenate([np.full(self.m, -np.inf), outputs[0], [1.0]])
        model.row_upper_ = np.concatenate([np.zeros(self.m), np.full(self.s, np.inf), [1.0]])
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_ = np.append(0, np.cumsum(there.sum(axis=1)))
        model.a_matrix_.index_ = np.nonzero(there)[1]
        model.a_matrix_.value_ = filled[there]
        self.solver = highspy.Highs()
        for name, value in {"output_flag": False, "presolve": "off", "threads": 1, **options}.items():
            self.solver.setOptionValue(name, value)
        self.solver.passModel(model)
        self.optimal, self.left = highspy.HighsModelStatus.kOptimal, -1

    def leave_out(self, unit: int) -> None:
        """Take one unit out of the reference, and the last one back; -1 for none."""
        if self.left >= 0:
            self.solver.changeColBounds(self.left + 1, 0.0, np.inf)
        if unit >= 0:
            self.solver.changeColBounds(unit + 1, 0.0, 0.0)
        self.left = unit

    def efficiency(self, inputs: np.ndarray, outputs: np.ndarray) -> float:
        """Solve for a unit with (m,) inputs and (s,) outputs; NaN where there is no solution."""
        for row, value in enumerate(inputs.tolist()):
            self.solver.changeCoeff(row, 0, -value)
        for row, value in enumerate(outputs.tolist(), self.m):
            self.solver.changeRowBounds(row, value, np.inf)
        self.solver.run()
        solved = self.solver.getModelStatus() == self.optimal
        return float(self.solver.getObjectiveValue()) if solved else float("nan")

    def weights(self) -> np.ndarray:
        return np.array(self.solver.getSolution().col_value)[1:]

    def prices(self, *, solved: bool) -> np.ndarray:
        """Of inputs and outputs: multipliers, or of a program without a solution the ray that proves it."""
        rows = np.array(self.solver.getSolution().row_dual) if solved else self.solver.getDualRay()[2]
        return np.abs(rows[: self.m + self.s])

"""Levels of units, with their standard errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.adjustment.panel.programs import LEVEL
from benchmodels.kernels.basis import group_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.panel.rows import PanelRows

    Floats = NDArray[np.float64]

__all__ = ["own_effects"]


def own_effects(rows: PanelRows, results: Any, effects: str, units: NDArray[np.object_]) -> pd.DataFrame:
    """Return what `PanelFit.unit_effects` documents."""
    p = len(rows.names)
    slopes = results.params.to_numpy()[:p]
    left = rows.outcome - rows.columns @ slopes
    if effects == "random":
        level = rows.means(left)
        average = float(results.params[LEVEL])
        between, residual = (float(results.variance_decomposition[name]) for name in ("Effects", "Residual"))
        count = group_sums(rows.unit, np.ones(len(left)), rows.units)
        kept = between / (between + residual / count)
        unshrunken = level - average
        shrunken, error = kept * unshrunken, np.sqrt(kept * residual / count)
    else:
        found = _Levels(rows, both=effects == "both")
        level, unshrunken = found.apply(left)
        moved = found.apply(rows.columns)[1] if p else np.zeros((rows.units, 0))
        spread = results.cov.to_numpy()[:p, :p]
        # linearmodels takes weights of mean 1.
        own = float(results.s2 * rows.weight.mean()) * found.variance()
        error = np.sqrt(own + np.einsum("kp,pq,kq->k", moved, spread, moved))
        shrunken = np.full(rows.units, np.nan)
    return pd.DataFrame(
        {"unit": units, "level": level, "unshrunken": unshrunken, "shrunken": shrunken, "std_error": error}
    ).infer_objects()


class _Levels:
    """Least squares of rows on indicators of units (and of periods after the first), units eliminated first."""

    def __init__(self, rows: PanelRows, *, both: bool) -> None:
        k, t = rows.units, rows.periods
        self.rows, self.own = rows, group_sums(rows.unit, rows.weight, k)
        met = group_sums(rows.unit * t + rows.period, rows.weight, k * t).reshape(k, t)
        # The first period is what the others are held against; without period effects there is none to hold.
        self.met = met[:, 1:] if both else np.zeros((k, 0))
        schur = np.diag(self.met.sum(0)) - self.met.T @ (self.met / self.own[:, None])
        self.inverse = np.linalg.pinv(schur)
        self.share = self.own / self.own.sum()
        self.average = self.share @ (self.met / self.own[:, None])

    def apply(self, values: Floats) -> tuple[Floats, Floats]:
        """Return levels of units (of the mean period) and the same less their mean over rows; (k, …) each."""
        table = values if values.ndim == 2 else values[:, None]
        rows, t = self.rows, self.rows.periods
        means = rows.means(table)
        about = (table - means[rows.unit]) * rows.weight[:, None]
        sums = np.column_stack([group_sums(rows.period, column, t) for column in about.T])[1:]
        periods = self.inverse @ sums[: self.met.shape[1]]
        level = means - (self.met / self.own[:, None]) @ periods + self.average @ periods
        effect = level - self.share @ level
        shape = (rows.units, *values.shape[1:])
        return level.reshape(shape), effect.reshape(shape)

    def variance(self) -> Floats:
        """Return the variance (k,) of the units' effects per unit of residual variance, slopes taken as known."""
        part = self.met / self.own[:, None] - self.average
        between = np.einsum("kt,ts,ks->k", part, self.inverse, part)
        return np.asarray(1.0 / self.own - 1.0 / self.own.sum() + between)

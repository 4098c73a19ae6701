"""Noise from periods: one row per unit and period, autocorrelated, each unit with its own variance.

The serial correlation is pooled over all units; its likelihood is that of the residuals' shape alone (free of each
unit's own mean and variance), so short panels do not bias it downwards as they do the moment estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["SerialNoise", "serial_noise"]


@dataclass(frozen=True, eq=False)
class SerialNoise:
    """Pooled correlation of neighbouring periods, and each unit's own variance.

    Parameters
    ----------
    correlation : float
        Between one period and the next; NaN where no unit has three periods.
    variance : (k,) array
        Of one period's residual, in squared units of the residual; NaN for a unit of one period or no variation.
    df : (k,) array
        Periods less one.
    matrices : list of (t, t) arrays
        Correlation matrix of each unit's periods.
    """

    correlation: float
    variance: Floats
    df: Floats
    matrices: list[Floats]


def serial_noise(residual: Floats, time: Floats, unit: Codes, units: int) -> SerialNoise:
    """Estimate the first-order autocorrelation of all units and the variance of each.

    Parameters
    ----------
    residual : (n,) array
        Rows sorted by unit, trend and covariates removed; each unit's own mean need not be.
    time : (n,) array
        Position of the row's period on an even scale.
    unit : (n,) array; units : int

    Notes
    -----
    With R the correlation matrix of a unit's t periods at correlation ρ, P = R⁻¹ − R⁻¹11ᵀR⁻¹ / 1ᵀR⁻¹1 and
    q = rᵀPr, the residuals' shape has log density −½[log|R| + log 1ᵀR⁻¹1 + (t − 1) log q] up to a constant (the
    marginal likelihood of the maximal invariant under shift and scale); ρ maximises the sum over units. Given ρ,
    q / (t − 1) is unbiased for the variance and has t − 1 degrees of freedom.

    References
    ----------
    Tunnicliffe Wilson (1989), JRSS-B 51:15 (marginal likelihood in time series);
    Solon (1984), NBER Technical Working Paper 36 (the bias that this avoids).
    """
    # Loaded here: the package's import stays light, and only tables by period come this way.
    from scipy.optimize import minimize_scalar

    cuts = np.searchsorted(unit, np.arange(units + 1))
    groups: dict[tuple[float, ...], list[int]] = {}
    for i in range(units):
        pattern = tuple(time[cuts[i] : cuts[i + 1]] - time[cuts[i]])
        groups.setdefault(pattern, []).append(i)
    blocks = []
    for pattern, members in groups.items():
        gaps = np.abs(np.subtract.outer(pattern, pattern))
        values = np.array([residual[cuts[i] : cuts[i + 1]] for i in members])
        blocks.append((gaps, np.array(members), values))

    def parts(gaps: Floats, values: Floats, rho: float) -> tuple[Floats, float]:
        matrix = _correlation(gaps, rho)
        solved = np.linalg.solve(matrix, np.column_stack([np.ones(len(gaps)), values.T]))
        ones = float(solved[:, 0].sum())
        centre = solved[:, 1:].sum(0) / ones
        quadratic = np.einsum("tk,kt->k", solved[:, 1:], values) - centre**2 * ones
        return np.maximum(quadratic, 0.0), float(np.linalg.slogdet(matrix)[1]) + np.log(ones)

    scale = [np.sum(v**2, axis=1) for _, _, v in blocks]
    usable = [
        (gaps, values[parts(gaps, values, 0.0)[0] > 1e-20 * (1e-300 + s)])
        for (gaps, _, values), s in zip(blocks, scale, strict=True)
        if len(gaps) >= 3
    ]

    def loss(rho: float) -> float:
        total = 0.0
        for gaps, values in usable:
            quadratic, constant = parts(gaps, values, rho)
            total += 0.5 * (len(values) * constant + (len(gaps) - 1) * float(np.log(quadratic).sum()))
        return total

    rho = float("nan")
    if any(len(values) for _, values in usable):
        rho = float(minimize_scalar(loss, bounds=(-0.9, 0.98), method="bounded", options={"xatol": 1e-8}).x)
    variance, df = np.full(units, np.nan), np.zeros(units)
    matrices: list[Floats] = [np.eye(1)] * units
    for (gaps, of, values), total in zip(blocks, scale, strict=True):
        df[of] = len(gaps) - 1
        matrix = _correlation(gaps, 0.0 if np.isnan(rho) else rho)
        for i in of:
            matrices[i] = matrix
        if len(gaps) > 1:
            quadratic, _ = parts(gaps, values, 0.0 if np.isnan(rho) else rho)
            varies = quadratic > 1e-20 * (1e-300 + total)
            variance[of] = np.where(varies, quadratic / (len(gaps) - 1), np.nan)
    return SerialNoise(rho, variance, df, matrices)


def _correlation(gaps: Floats, rho: float) -> Floats:
    return np.asarray(np.sign(rho) ** gaps * np.abs(rho) ** gaps) if rho else np.asarray(gaps == 0, dtype=float)

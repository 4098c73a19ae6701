"""Noise from periods: one row per unit and period, autocorrelated, each unit with its own variance.

The serial correlation is pooled over all units; its likelihood is that of the residuals' shape alone (free of each
unit's own mean and variance), so short panels do not bias it downwards as they do the moment estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    from scipy.optimize import brentq, minimize_scalar

    cuts = np.searchsorted(unit, np.arange(units + 1))
    groups: dict[tuple[float, ...], list[int]] = {}
    # Months as decimals of a year are whole steps but for rounding.
    time = np.where(np.abs(time - np.round(time)) < 1e-6, np.round(time), time)
    # Only whole steps may alternate in sign.
    least = -0.9 if np.all(time == np.round(time)) else 0.0
    for i in range(units):
        pattern = tuple(np.round(time[cuts[i] : cuts[i + 1]] - time[cuts[i]], 6))
        groups.setdefault(pattern, []).append(i)
    blocks = []
    for pattern, members in groups.items():
        gaps = np.abs(np.subtract.outer(pattern, pattern))
        values = np.array([residual[cuts[i] : cuts[i + 1]] for i in members])
        blocks.append((gaps, np.array(members), values))

    def parts(gaps: Floats, values: Floats, rho: complex) -> tuple[NDArray[Any], Any]:
        """Return q of each unit of the pattern, and log|R| + log 1ᵀR⁻¹1; complex where ρ is."""
        matrix = np.power(rho, gaps)
        solved = np.linalg.solve(matrix, np.column_stack([np.ones(len(gaps)), values.T]))
        ones = solved[:, 0].sum()
        centre = solved[:, 1:].sum(0) / ones
        sign, size = np.linalg.slogdet(matrix)
        return np.einsum("tk,kt->k", solved[:, 1:], values) - centre**2 * ones, size + np.log(sign) + np.log(ones)

    scale = [np.sum(v**2, axis=1) for _, _, v in blocks]
    usable = [
        (gaps, values[parts(gaps, values, 0.0)[0] > 1e-20 * (1e-300 + s)])
        for (gaps, _, values), s in zip(blocks, scale, strict=True)
        if len(gaps) >= 3
    ]

    def loss(rho: complex) -> Any:
        total: Any = 0.0
        for gaps, values in usable:
            quadratic, constant = parts(gaps, values, rho)
            total += 0.5 * (len(values) * constant + (len(gaps) - 1) * np.log(quadratic).sum())
        return total

    def slope(rho: float) -> float:
        # Complex step: the derivative to full precision, so that the order of units does not show in the answer.
        return float(np.imag(loss(complex(rho, 1e-30))) * 1e30)

    rho = float("nan")
    if any(len(values) for _, values in usable):
        rho = float(minimize_scalar(loss, bounds=(least, 0.98), method="bounded", options={"xatol": 1e-6}).x)
        low, high = max(rho - 1e-4, least), min(rho + 1e-4, 0.98)
        if slope(low) < 0.0 < slope(high):
            rho = float(brentq(slope, low, high, xtol=1e-14))
    variance, df = np.full(units, np.nan), np.zeros(units)
    matrices: list[Floats] = [np.eye(1)] * units
    for (gaps, of, values), total in zip(blocks, scale, strict=True):
        df[of] = len(gaps) - 1
        matrix = np.power(0.0 if np.isnan(rho) else rho, gaps)
        for i in of:
            matrices[i] = matrix
        if len(gaps) > 1:
            quadratic, _ = parts(gaps, values, 0.0 if np.isnan(rho) else rho)
            varies = quadratic > 1e-20 * (1e-300 + total)
            variance[of] = np.where(varies, quadratic / (len(gaps) - 1), np.nan)
    return SerialNoise(rho, variance, df, matrices)

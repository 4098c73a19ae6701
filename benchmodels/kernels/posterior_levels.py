"""Posterior of one level a unit given its rows, as a distribution: moments, quantiles and draws of functions of it.

Unit i's level is a = m_i + u with u ~ N(0, σ²), its log posterior Σ_j ℓ_j(η_j + a) − u²/2σ² up to a constant. With û
the mode and s the curvature there to the power −½, the nodes are û + s sinh(t) at equal steps of t. The trapezoidal
rule in t converges faster than any power of the step for such integrands, and every second node is a rule of its own,
which tells the error. Log posteriors here are concave with a second derivative below −1 / σ², so that at 9 σ on either
side of the mode the density is below exp(−40) of the largest.

References
----------
Trefethen & Weideman (2014), SIAM Review 56:385, sections 5 and 14 (trapezoidal rule, changes of variable). Clenshaw &
Curtis (1960), Numerische Mathematik 2:197; Trefethen (2013), Approximation Theory and Approximation Practice, chapter
8 (Chebyshev interpolation of analytic functions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.fft import dct
from scipy.integrate import cumulative_simpson
from scipy.special import ndtri

from benchmodels.errors import ConvergenceError
from benchmodels.kernels.basis import row_blocks
from benchmodels.kernels.families import Family, mean
from benchmodels.kernels.quadrature import UnitRows, _modes, _node_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["LevelPosterior", "NormalLevels", "PopulationCurve", "level_posterior", "population_curve"]

# Nodes of a unit, an odd number; half-width of their range in σ; and nodes that are evaluated at a time.
NODES, REACH, TOGETHER = 257, 9.0, 32
# Difference of both rules, in mass, mean and variance, up to which the finer is kept; its own error is near the square.
ERROR = 1e-4
# Coefficients of a population curve, the most that is tried, and the size of those at the end relative to the largest.
FEWEST, MOST, NEGLIGIBLE = 32, 4096, 1e-13


@dataclass(frozen=True, eq=False)
class LevelPosterior:
    """Posterior of k levels on Q nodes each.

    Parameters
    ----------
    nodes : (k, Q) array
        Levels on the link scale, rising; those without density are put to the nearest that has any.
    weights : (k, Q) array
        Of the nodes in an integral: they sum to one, and are the derivative of ``below`` in the number of the node.
    below : (k, Q) array
        Probability below each node.
    start, step, scale : (k,) arrays
        Mode; step of t; and s: node q is ``start + scale sinh((q − (Q − 1) / 2) step)``.
    found : (k,) array of bool
        Whether the rule of every second node agrees.
    """

    nodes: Floats
    weights: Floats
    below: Floats
    start: Floats
    step: Floats
    scale: Floats
    found: NDArray[np.bool_]

    def moments(self, curve: PopulationCurve) -> tuple[Floats, Floats]:
        """Return posterior mean and standard deviation (k,) of a population's mean."""
        values = curve(self.nodes)
        center = np.einsum("kq,kq->k", self.weights, values)
        return center, np.sqrt(np.einsum("kq,kq->k", self.weights, (values - center[:, None]) ** 2))

    def quantiles(self, share: Floats) -> Floats:
        """Return the levels (b, k) below which the posterior has the given shares (b, k), between 0 and 1.

        Cubic in the number of the node between two nodes, where the probability and its derivative are known.
        """
        k, last = len(self.nodes), self.nodes.shape[1] - 2
        place = np.stack([np.searchsorted(self.below[i], share[:, i], side="right") - 1 for i in range(k)], axis=1)
        place = np.clip(place, 0, last)
        unit = np.arange(k)
        low, high = self.below[unit, place], self.below[unit, place + 1]
        rise = high - low
        first, second = self.weights[unit, place], self.weights[unit, place + 1]
        inside = np.divide(share - low, rise, out=np.full_like(share, 0.5), where=rise > 0)
        begin, end = np.zeros_like(share), np.ones_like(share)
        square, cube = 3.0 * rise - 2.0 * first - second, first + second - 2.0 * rise
        for _ in range(40):
            # Newton where it stays within what brackets the root, else halving.
            value = low + inside * (first + inside * (square + inside * cube))
            slope = first + inside * (2.0 * square + 3.0 * inside * cube)
            under = value < share
            begin, end = np.where(under, inside, begin), np.where(under, end, inside)
            with np.errstate(divide="ignore", invalid="ignore"):
                moved = inside - (value - share) / slope
            moved = np.where((moved >= begin) & (moved <= end), moved, 0.5 * (begin + end))
            done = np.abs(moved - inside) <= 1e-12
            inside = moved
            if done.all():
                break
        t = (place + inside - 0.5 * (last + 1)) * self.step
        return np.asarray(np.clip(self.start + self.scale * np.sinh(t), self.nodes[:, 0], self.nodes[:, -1]))


@dataclass(frozen=True, eq=False)
class NormalLevels:
    """Normal posterior of k levels: mean and standard deviation (k,), which may be zero, on the link scale."""

    mean: Floats
    sd: Floats

    def moments(self, curve: PopulationCurve) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (k,) of a population's mean: of a linear curve, or where sd is zero."""
        return curve(self.mean), self.sd

    def quantiles(self, share: Floats) -> Floats:
        """Return the levels (b, k) below which the posterior has the given shares (b, k)."""
        return np.asarray(self.mean + self.sd * ndtri(share))


@dataclass(frozen=True, eq=False)
class PopulationCurve:
    """A population's mean as a rising function of the level: see `population_curve`.

    ``kind`` is "identity" (``middle`` + level), "log" (exp of that) or "series" in (level − ``middle``) / ``half``.
    """

    kind: Literal["identity", "log", "series"]
    middle: float
    half: float = 1.0
    coefficients: Floats | None = None

    def __call__(self, level: Floats) -> Floats:
        """Return the means at levels of any shape."""
        if self.coefficients is not None:
            return np.asarray(np.polynomial.chebyshev.chebval((level - self.middle) / self.half, self.coefficients))
        at = self.middle + level
        return at if self.kind == "identity" else np.asarray(np.exp(at))


def level_posterior(rows: UnitRows, eta: Floats, center: Floats, unit_sd: float) -> LevelPosterior:
    """Return the posterior of each unit's level given its rows, with slopes, centre and standard deviation known.

    Parameters
    ----------
    rows : UnitRows
        n rows of k units.
    eta : (n,) array
        Linear predictor without the level.
    center : (k,) array
        Prior mean of each level, link scale.
    unit_sd : float
        Prior standard deviation, above zero, link scale.

    Raises
    ------
    ConvergenceError
        A mode was not found.

    Notes
    -----
    Moments of a population's mean are those of adaptive integration to a relative 1e-7, probabilities below quantiles
    to 2e-5 (``tests/adjustment/test_standardised.py``). Cost 257 evaluations of the n rows; memory some ten arrays of
    257 k numbers.
    """
    at = eta + center[rows.codes]
    # Trial points may be absurd: what overflows there is not a mode.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        modes, curvature = _modes(rows, at, unit_sd, np.zeros(len(center)))
    if not np.isfinite(modes).all():
        raise ConvergenceError("the mode of a unit's posterior was not found")
    scale = 1.0 / np.sqrt(curvature)
    step = 2.0 * np.arcsinh(REACH * unit_sd / scale) / (NODES - 1)
    t = (np.arange(NODES) - (NODES - 1) // 2) * step[:, None]
    effects = modes[:, None] + scale[:, None] * np.sinh(t)
    # Hundreds out on the link scale a mean overflows, or its logarithm is no number: a density of zero.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        parts = [_node_values(rows, at, effects[:, q : q + TOGETHER]) for q in range(0, NODES, TOGETHER)]
        logs = np.concatenate(parts, axis=1) - 0.5 * (effects / unit_sd) ** 2 + np.log(np.cosh(t))
    logs = np.where(np.isnan(logs), -np.inf, logs)
    density = np.exp(logs - logs.max(axis=1, keepdims=True))
    total = density.sum(axis=1, keepdims=True)
    weights, there = density / total, density > 0
    # Where there is no density, a mean may overflow: those nodes are put to the nearest that has any.
    lowest, highest = np.where(there, effects, np.inf).min(axis=1), np.where(there, effects, -np.inf).max(axis=1)
    nodes = center[:, None] + np.clip(effects, lowest[:, None], highest[:, None])
    below = np.maximum.accumulate(cumulative_simpson(weights, dx=1.0, axis=1, initial=0.0), axis=1)
    below /= below[:, -1:]
    return LevelPosterior(nodes, weights, below, modes + center, step, scale, _agree(weights, effects))


def _agree(weights: Floats, effects: Floats) -> NDArray[np.bool_]:
    """Whether every second node gives the same mass, mean and spread (k,)."""
    mass = 2.0 * weights[:, ::2].sum(axis=1)
    center = np.einsum("kq,kq->k", weights, effects)
    away = effects - center[:, None]
    spread = np.sqrt(np.einsum("kq,kq->k", weights, away**2))
    moved = 2.0 * np.einsum("kq,kq->k", weights[:, ::2], away[:, ::2]) / spread
    wider = 2.0 * np.einsum("kq,kq->k", weights[:, ::2], away[:, ::2] ** 2) / spread**2
    return np.asarray((np.abs(mass - 1.0) <= ERROR) & (np.abs(moved) <= ERROR) & (np.abs(wider - 1.0) <= ERROR))


def population_curve(family: Family, eta: Floats, size: Floats, low: float, high: float) -> PopulationCurve:
    """Return the mean per unit of size of a population as a function of the level, from ``low`` to ``high``.

    Parameters
    ----------
    eta, size : (n,) arrays
        Linear predictor without the level; trials, exposure or cases.
    low, high : float
        Link scale.

    Raises
    ------
    ConvergenceError
        The range is too wide for 4,096 coefficients.

    Notes
    -----
    All units share this one function of one variable. Identity and log are in closed form; for the others it is a
    Chebyshev series, whose length is doubled until its last eighth is 1e-13 of the largest coefficient: some 65 to 257
    evaluations of the n rows, whatever the number of units and nodes.
    """
    share = size / size.sum()
    if family.link == "identity":
        return PopulationCurve("identity", float(share @ eta))
    if family.link == "log":
        top = float(eta.max())
        return PopulationCurve("log", top + float(np.log(share @ np.exp(eta - top))))
    middle, half = 0.5 * (low + high), max(0.5 * (high - low), 0.5)
    count = FEWEST
    while count <= MOST:
        angle = np.cos(np.pi * np.arange(count + 1) / count)
        coefficients = dct(_means(family, eta, share, middle + half * angle), type=1) / count
        coefficients[[0, -1]] *= 0.5
        if np.abs(coefficients[-count // 8 :]).max() <= NEGLIGIBLE * np.abs(coefficients).max():
            return PopulationCurve("series", middle, half, coefficients)
        count *= 2
    raise ConvergenceError(f"levels from {low:.3g} to {high:.3g} on the link scale are too far apart")


def _means(family: Family, eta: Floats, share: Floats, levels: Floats) -> Floats:
    """Return the population's mean (c,) at c levels."""
    result = np.zeros(len(levels))
    for part in row_blocks(len(eta), len(levels)):
        result += share[part] @ mean(family, eta[part, None] + levels)
    return result

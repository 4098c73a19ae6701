"""What several outcomes of k units may truly be: drawn around estimates that are shrunken together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from benchmodels.errors import ConvergenceError, SpecificationError
from benchmodels.kernels.empirical_bayes import normal_posterior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["ShrunkenOutcomes", "between_covariance", "shrunken_outcomes"]

# Of the restricted likelihood's gradient, per unit, in standard deviations: what counts as its top.
_TOP = 1e-5


@dataclass(frozen=True, eq=False, kw_only=True)
class ShrunkenOutcomes:
    """Normal posteriors of s outcomes of k units.

    Parameters
    ----------
    mean : (k, s) array
        In the outcomes' units of measure; the estimate itself where its error is not known.
    root : (k, s, s) array
        Of the covariance of a unit's outcomes, were the targets and spreads known.
    shared : tuple of s arrays (k, 2)
        What units share in each outcome: the errors of its target and of its spread.
    between : (s, s) array
        T, covariance of the outcomes between units.
    reliability : (s,) array
        τ² / (τ² + mean s²), 0 to 1.
    known : (k, s) array of bool
        The error of the estimate is known.
    """

    mean: Floats
    root: Floats
    shared: tuple[Floats, ...]
    between: Floats
    reliability: Floats
    known: NDArray[np.bool_]

    def draw(self, size: int, rng: np.random.Generator) -> Floats:
        """Return draws (size, k, s)."""
        k, s = self.mean.shape
        own = np.einsum("kqr,bkr->bkq", self.root, rng.standard_normal((size, k, s)))
        for j, shared in enumerate(self.shared):
            own[:, :, j] += rng.standard_normal((size, shared.shape[1])) @ shared.T
        return np.asarray(self.mean + own)


def shrunken_outcomes(
    value: Floats, std_error: Floats, *, correlation: float | Floats, names: Sequence[str]
) -> ShrunkenOutcomes:
    """Shrink the outcomes of units together, y_i ~ N(θ_i, S_i) and θ_i ~ N(b, T).

    Parameters
    ----------
    value, std_error : (k, s) arrays
        Estimates and standard errors, NaN where not known.
    correlation : float or (s, s) array
        Of the errors of two outcomes of a unit: S_i has s_ir s_iq ρ_rq. Errors of two units are independent.
    names : sequence of str
        Of the outcomes, for messages.

    Returns
    -------
    ShrunkenOutcomes
        Means y - B (y - b) with B = (k - 3) / (k - 1) S (T + S)⁻¹ and covariance S - B S, with the errors of b and of
        each τ² beside it: of one outcome that of `normal_posterior`.

    Raises
    ------
    SpecificationError
        A correlation that is none, or fewer units with known errors than outcomes and three more.
    ConvergenceError
        The restricted likelihood of T has no top that is found.

    Notes
    -----
    T matters beside the τ²: where outcomes go together between units and draws did not, a unit would be drawn good in
    one and bad in another, and everyone nearer to a frontier that nobody makes. Drawn outcome by outcome, 95 %
    intervals of composites of five outcomes of reliability .5, correlated by .3, held in a third of cases.
    """
    k, s = value.shape
    rho = _correlation(correlation, s)
    known = np.isfinite(std_error) & (std_error > 0)
    whole = known.all(axis=1)
    if whole.sum() < s + 3:
        raise SpecificationError(
            f"{int(whole.sum())} units have known errors of {', '.join(map(repr, names))}, and {s + 3} are needed to "
            "tell how much of them is noise"
        )
    scale = value[whole].std(axis=0, ddof=1)
    y, error = value / scale, np.where(known, std_error / scale, 0.0)
    cover = error[:, :, None] * rho * error[:, None, :]
    target, between = between_covariance(y[whole], cover[whole])
    fewer = (whole.sum() - 3) / (whole.sum() - 1)
    # An outcome without an error stays where it is, whatever goes with it.
    some = known.astype(float)
    total = (between + cover) * some[:, :, None] * some[:, None, :] + np.eye(s) * (1.0 - some)[:, :, None]
    pull = fewer * np.linalg.solve(total, cover).transpose(0, 2, 1)
    mean = y - np.einsum("kqr,kr->kq", pull, y - target)
    covariance = cover - pull @ cover
    worth, axis = np.linalg.eigh((covariance + covariance.transpose(0, 2, 1)) / 2.0)
    # Rounding may leave an eigenvalue of zero a hair below it.
    root = axis * np.sqrt(np.maximum(worth, 0.0))[:, None, :]
    shared = []
    for j in range(s):
        every = np.zeros((k, 2))
        every[known[:, j]] = normal_posterior(
            y[known[:, j], j], error[known[:, j], j], np.ones((int(known[:, j].sum()), 1))
        ).shared
        shared.append(every * scale[j])
    noise = np.mean(error[whole] ** 2, axis=0)
    return ShrunkenOutcomes(
        mean=mean * scale,
        root=root * scale[:, None],
        shared=tuple(shared),
        between=between * np.outer(scale, scale),
        reliability=np.diag(between) / (np.diag(between) + noise),
        known=known,
    )


def between_covariance(value: Floats, cover: Floats) -> tuple[Floats, Floats]:
    """Return the mean b (s,) and the covariance T (s, s) of what noisy outcomes truly are, by restricted likelihood.

    Parameters
    ----------
    value : (k, s) array
        y_i ~ N(b, T + S_i), of order 1.
    cover : (k, s, s) array
        S_i.

    Raises
    ------
    ConvergenceError
        The gradient is not zero at the end, nor T at the edge of what a covariance can be.

    Notes
    -----
    T = L L' with L lower triangular, so that it may have no full rank; L-BFGS with the gradient 2 G L, where G is that
    by T. Of one outcome it is the τ² of `normal_posterior` (``test_one_outcome_is_shrunken_as_by_itself``).
    """
    k, s = value.shape
    lower = np.tril_indices(s)

    def of(packed: Floats) -> tuple[float, Floats]:
        root = np.zeros((s, s))
        root[lower] = packed
        weight, inverse, apart = _weighted(value, cover, root @ root.T)
        pulled = np.einsum("kqr,kr->kq", weight, apart)
        likelihood = 0.5 * (np.linalg.slogdet(weight)[1].sum() + np.linalg.slogdet(inverse)[1] - (pulled * apart).sum())
        gradient = 0.5 * (pulled.T @ pulled - weight.sum(axis=0) + np.einsum("kqr,rp,kpt->qt", weight, inverse, weight))
        return -float(likelihood) / k, -(2.0 * gradient @ root)[lower] / k

    plain = np.cov(value, rowvar=False).reshape(s, s) - cover.mean(axis=0)
    worth, axis = np.linalg.eigh(plain)
    # Begun within what covariances can be, wherever the plain difference is.
    begun = np.linalg.cholesky((axis * np.maximum(worth, 0.05)) @ axis.T)
    found = minimize(of, begun[lower], jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 1e-15})
    if not np.all(np.abs(of(found.x)[1]) <= _TOP):
        raise ConvergenceError(
            "how outcomes vary and go together between units was not found: the restricted likelihood's gradient is "
            f"{float(np.abs(of(found.x)[1]).max()):.1e} at the end ({found.message})"
        )
    root = np.zeros((s, s))
    root[lower] = found.x
    between = root @ root.T
    weight, inverse, _ = _weighted(value, cover, between)
    return inverse @ np.einsum("kqr,kr->q", weight, value), between


def _weighted(value: Floats, cover: Floats, between: Floats) -> tuple[Floats, Floats, Floats]:
    """Return weights (k, s, s), the covariance of the mean that they give, and the distances from it (k, s)."""
    weight = np.asarray(np.linalg.inv(between + cover), dtype=np.float64)
    inverse = np.asarray(np.linalg.inv(weight.sum(axis=0)), dtype=np.float64)
    return weight, inverse, value - inverse @ np.einsum("kqr,kr->q", weight, value)


def _correlation(asked: float | Floats, s: int) -> Floats:
    """Return the correlations (s, s) that are asked for, or raise."""
    try:
        rho = np.asarray(asked, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecificationError(f"noise_correlation={asked!r}; give a number from -1 to 1, or a table") from error
    if rho.ndim == 0:
        rho = np.where(np.eye(s) > 0, 1.0, rho)
    proper = rho.shape == (s, s) and np.all(np.isfinite(rho)) and np.allclose(rho, rho.T, rtol=0.0, atol=1e-12)
    if not proper or not np.allclose(np.diag(rho), 1.0) or np.linalg.eigvalsh(rho)[0] < 1e-9:
        raise SpecificationError(
            f"noise_correlation={asked!r}; give a number below 1, or a symmetric ({s}, {s}) table with ones in its "
            "diagonal, that can be correlations and of which none makes one error of two"
        )
    return rho

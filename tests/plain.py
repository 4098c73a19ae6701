"""Slow and obvious oracles: dense dummies, literal refits, loops over cells; nothing of the package."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq


def mean(family, eta):
    if family == "binomial":
        return 1.0 / (1.0 + np.exp(-eta))
    return np.exp(eta) if family in ("poisson", "negative_binomial", "gamma") else eta


def weight(family, eta):
    mu = mean(family, eta)
    return {"binomial": mu * (1 - mu), "poisson": mu, "gaussian": np.ones_like(mu)}[family]


def dense_fit(family, matrix, outcome, size, offset):
    """Maximum likelihood by iteratively reweighted least squares with QR on a dense matrix."""
    beta = np.zeros(matrix.shape[1])
    if family != "gaussian":
        # The first linear predictor is that of the rows' own rates, drawn a little to the overall one.
        rate = outcome.sum() / size.sum()
        own = (outcome + 0.5) / (size + 0.5 / rate)
        eta = np.log(own / (1 - own)) if family == "binomial" else np.log(own)
        beta = np.linalg.lstsq(matrix, eta - offset, rcond=None)[0]
    for _ in range(60):
        eta = matrix @ beta + offset
        w = size * weight(family, eta)
        residual = outcome - size * mean(family, eta)
        root = np.sqrt(w)
        safe = np.where(root > 0, root, 1.0)
        move = np.linalg.lstsq(matrix * root[:, None], np.where(root > 0, residual / safe, 0.0), rcond=None)[0]
        beta = beta + move
        if np.max(np.abs(move)) < 1e-13 * (1 + np.max(np.abs(beta))):
            break
    return beta


def dummies(codes, groups):
    matrix = np.zeros((len(codes), groups))
    matrix[np.arange(len(codes)), codes] = 1.0
    return matrix


def degenerate(family, codes, groups, outcome, size):
    """Which groups have no finite level, by a loop."""
    lost = np.zeros(groups, dtype=bool)
    for g in range(groups):
        events, of = outcome[codes == g].sum(), size[codes == g].sum()
        lost[g] = (family != "gaussian" and events == 0) or (family == "binomial" and events == of)
    return lost


def slopes_of(family, columns, outcome, size, offset, codes, *, each):
    """Slopes of a pooled model (each=False) or with a dummy for each unit that has information."""
    if not each:
        beta = dense_fit(family, np.column_stack([columns, np.ones(len(outcome))]), outcome, size, offset)
        return beta[:-1]
    met, again = np.unique(codes, return_inverse=True)
    lost = degenerate(family, again, len(met), outcome, size)
    keep = ~lost[again]
    met, again = np.unique(codes[keep], return_inverse=True)
    matrix = np.column_stack([columns[keep], dummies(again, len(met))])
    return dense_fit(family, matrix, outcome[keep], size[keep], offset[keep])[: columns.shape[1]]


def level_for(family, eta, size, target):
    """The level at which the rows' expected total is the target, by bisection of a monotone function."""
    if family == "gaussian":
        return float((target - np.sum(size * eta)) / size.sum())
    if family == "poisson":
        return float(np.log(target) - np.log(np.sum(size * np.exp(eta)))) if target > 0 else -np.inf
    if target <= 0 or target >= size.sum():
        return -np.inf if target <= 0 else np.inf
    return brentq(lambda a: np.sum(size * mean(family, eta + a)) - target, -60, 60, xtol=1e-14, rtol=1e-15, maxiter=500)


def contrasts(family, columns, outcome, size, offset, codes, *, each, reference):
    """Every contrast of every unit by literal refits: {(standard, contrast): (k,)}."""
    k = int(codes.max()) + 1
    result = {(s, c): np.zeros(k) for s in ("indirect", "direct") for c in ("difference", "ratio", "rate")}
    totals = {
        name: np.zeros(k) for name in ("observed", "expected", "observed_direct", "expected_direct", "level", "average")
    }
    overall = outcome.sum() / size.sum()
    slopes = None
    for i in range(k):
        own = codes == i
        if reference == "others" or slopes is None:
            keep = ~own if reference == "others" else np.ones(len(codes), dtype=bool)
            slopes = slopes_of(family, columns[keep], outcome[keep], size[keep], offset[keep], codes[keep], each=each)
        eta = columns @ slopes + offset
        average = level_for(family, eta[keep], size[keep], outcome[keep].sum())
        m, observed = size[own].sum(), outcome[own].sum()
        expected = np.sum(size[own] * mean(family, eta[own] + average))
        level = level_for(family, eta[own], size[own], observed)
        with np.errstate(over="ignore"):
            there = np.sum(size * mean(family, eta + level)) * m / size.sum()
        here = np.sum(size * mean(family, eta + average)) * m / size.sum()
        for standard, o, e in (("indirect", observed, expected), ("direct", there, here)):
            result[standard, "difference"][i] = (o - e) / m
            result[standard, "ratio"][i] = o / e
            result[standard, "rate"][i] = o / e * overall
        for name, value in zip(totals, (observed, expected, there, here, level, average), strict=True):
            totals[name][i] = value
    return result, totals


def derivatives(family, columns, outcome, size, offset, codes, *, each, reference, step):
    """∂T_i/∂y_c by central differences, one cell at a time: {(standard, contrast): (k, c)}."""
    found = None
    for c in range(len(outcome)):
        sides = []
        for sign in (1.0, -1.0):
            moved = outcome.copy()
            moved[c] += sign * step[c]
            sides.append(contrasts(family, columns, moved, size, offset, codes, each=each, reference=reference)[0])
        if found is None:
            found = {name: np.zeros((len(v), len(outcome))) for name, v in sides[0].items()}
        for name in found:
            found[name][:, c] = (sides[0][name] - sides[1][name]) / (2 * step[c])
    return found


def poisson_binomial_tail(chances, count, *, upper, mid):
    """Tail of a sum of unequal Bernoulli trials by convolution, one trial at a time."""
    pmf = np.array([1.0])
    for p in chances:
        pmf = np.convolve(pmf, [1 - p, p])
    tail = pmf[count:].sum() if upper else pmf[: count + 1].sum()
    return tail - 0.5 * pmf[count] if mid else tail


def log_shape_likelihood(residuals, rho):
    """Marginal likelihood of the correlation, by a loop over (unit's residuals, unit's times)."""
    total = 0.0
    for values, times in residuals:
        t = len(values)
        matrix = np.array([[rho ** abs(a - b) for b in times] for a in times])
        inverse = np.linalg.inv(matrix)
        one = np.ones(t)
        p = inverse - np.outer(inverse @ one, inverse @ one) / (one @ inverse @ one)
        q = values @ p @ values
        total -= 0.5 * (np.log(np.linalg.det(matrix)) + np.log(one @ inverse @ one) + (t - 1) * np.log(q))
    return total

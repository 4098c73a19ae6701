"""Independent judges of an answer: plain formulas, none of them from the package that is timed.

Every norm is a Newton decrement: the length, in standard errors, of the step that is left to the maximum.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Floats = np.ndarray
Codes = np.ndarray


def blocks(n: int, size: int = 1 << 15) -> Iterator[slice]:
    return (slice(a, min(a + size, n)) for a in range(0, n, size))


def logistic(eta: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-eta))


def arrow(
    x: Floats, y: Floats, size: Floats | None, codes: Codes, levels: Floats, slopes: Floats
) -> tuple[Floats, Floats, float]:
    """Newton step of a logit with (g,) levels and (p,) slopes, and its length in standard errors."""
    g, p = len(levels), len(slopes)
    gram, border, weight, score, own = np.zeros((p, p)), np.zeros((g, p)), np.zeros(g), np.zeros(p), np.zeros(g)
    for rows in blocks(len(y)):
        block, code = x[rows], codes[rows]
        trials = np.ones(len(code)) if size is None else size[rows]
        mu = logistic(levels[code] + block @ slopes)
        residual, w = y[rows] - trials * mu, trials * mu * (1.0 - mu)
        weighted = block * w[:, None]
        gram += block.T @ weighted
        score += residual @ block
        own += np.bincount(code, residual, g)
        weight += np.bincount(code, w, g)
        if g == 1:
            border[0] += weighted.sum(axis=0)
        else:
            border += np.column_stack([np.bincount(code, column, g) for column in weighted.T])
    schur = gram - border.T @ (border / weight[:, None])
    move = np.linalg.solve(schur, score - border.T @ (own / weight))
    level_move = (own - border @ move) / weight
    return move, level_move, float(np.sqrt(abs(move @ score + level_move @ own)))


def levels_at(x: Floats, y: Floats, size: Floats | None, codes: Codes, g: int, slopes: Floats) -> Floats:
    """Levels that are best at given slopes: what a method that absorbs them does not say."""
    trials, fixed, levels = np.ones(len(y)) if size is None else size, x @ slopes, np.zeros(g)
    for _ in range(25):
        mu = logistic(levels[codes] + fixed)
        levels = levels + np.bincount(codes, y - trials * mu, g) / np.bincount(codes, trials * mu * (1.0 - mu), g)
    return levels


def plain_logit(x: Floats, y: Floats, size: Floats, codes: Codes, g: int) -> tuple[Floats, Floats]:
    """Slopes and levels by Newton's method, nothing clever."""
    slopes = np.zeros(x.shape[1])
    levels = levels_at(x, y, size, codes, g, slopes)
    for _ in range(30):
        move, level_move, length = arrow(x, y, size, codes, levels, slopes)
        slopes, levels = slopes + move, levels + level_move
        if length < 1e-10:
            return slopes, levels
    raise ArithmeticError("the judge did not converge")


def grouped_logits(x: Floats, outcome: Floats, size: Floats, level: Floats, slopes: Floats) -> float:
    """Largest decrement of B grouped logits: (B, n) outcomes and sizes, (B,) levels, (B, p) slopes."""
    z = np.column_stack([np.ones(len(x)), x])
    mu = logistic(np.column_stack([level, slopes]) @ z.T)
    score, weight = (outcome - size * mu) @ z, size * mu * (1.0 - mu)
    step = np.linalg.solve(np.einsum("bn,np,nq->bpq", weight, z, z, optimize=True), score[:, :, None])[:, :, 0]
    return float(np.sqrt(np.max(np.sum(step * score, axis=1))))


def marginal_score(
    x: Floats, y: Floats, unit: Codes, slopes: Floats, level: float, sd: float, *, nodes: int = 25
) -> tuple[Floats, Floats]:
    """Score of a random-intercept logit in (slopes, level, log sd), by Fisher's identity unit for unit, and a metric.

    25 nodes about each unit's own mode, whatever the solver used. The metric is the information at known sd for slopes
    and level, and the units' own squared scores for log sd.
    """
    place, base = np.polynomial.hermite.hermgauss(nodes)
    p = x.shape[1]
    score, metric = np.zeros(p + 2), np.zeros((p + 2, p + 2))
    order = np.argsort(unit, kind="stable")
    for own in np.split(order, np.flatnonzero(np.diff(unit[order])) + 1):
        z = np.column_stack([x[own], np.ones(len(own))])
        eta, events, mode = z @ np.append(slopes, level), y[own], 0.0
        for _ in range(40):
            mu = logistic(eta + mode)
            curvature = float(np.sum(mu * (1.0 - mu))) + 1.0 / sd**2
            mode += (float(np.sum(events - mu)) - mode / sd**2) / curvature
        at = mode + np.sqrt(2.0 / curvature) * place
        linear = eta[:, None] + at
        height = events @ linear - np.log1p(np.exp(linear)).sum(axis=0) - 0.5 * (at / sd) ** 2 + place**2
        chance = base * np.exp(height - height.max())
        chance /= chance.sum()
        mu = logistic(linear)
        weight, by_sd = (mu * (1.0 - mu)) @ chance, float(chance @ (at / sd) ** 2) - 1.0
        pulled = weight @ z
        score += np.append((events - mu @ chance) @ z, by_sd)
        metric[:-1, :-1] += z.T @ (z * weight[:, None]) - np.outer(pulled, pulled) / (weight.sum() + 1.0 / sd**2)
        metric[-1, -1] += by_sd**2
    return score, metric


def marginal_logit(x: Floats, y: Floats, unit: Codes, slopes: Floats, level: float, sd: float) -> float:
    """Decrement of the marginal likelihood of a random-intercept logit."""
    score, metric = marginal_score(x, y, unit, slopes, level, sd)
    return float(np.sqrt(score @ np.linalg.solve(metric, score)))


def linear_intercept(
    x: Floats,
    y: Floats,
    unit: Codes,
    units: int,
    slopes: Floats,
    level: float,
    unit_sd: float,
    residual_sd: float,
    *,
    variances: bool,
) -> float:
    """Decrement of the likelihood of a Gaussian random intercept in closed form.

    Without ``variances`` that of the slopes and level alone at the variances of the answer: the equations of
    generalised least squares, for a method that takes its variances from moments.
    """
    z = np.column_stack([x, np.ones(len(y))])
    residual = y - z @ np.append(slopes, level)
    n = np.bincount(unit, minlength=units).astype(float)
    sums = np.column_stack([np.bincount(unit, column, units) for column in z.T])
    means = np.bincount(unit, residual, units) / n
    within, between = residual_sd**2, residual_sd**2 + n * unit_sd**2
    shrunk = unit_sd**2 / between
    score = (residual @ z - (shrunk * means * n) @ sums) / within
    information = (z.T @ z - sums.T @ (shrunk[:, None] * sums)) / within
    squared = float(score @ np.linalg.solve(information, score))
    if variances:
        inside = float(np.sum((residual - means[unit]) ** 2))
        by_unit = 0.5 * float(np.sum(n**2 * means**2 / between**2 - n / between))
        by_case = 0.5 * float(np.sum(n * means**2 / between**2 - 1.0 / between) + inside / within**2)
        by_case -= 0.5 * (len(y) - units) / within
        cross, least = float(np.sum(n / between**2)), (len(y) - units) / within**2
        metric = 0.5 * np.array([[np.sum(n**2 / between**2), cross], [cross, np.sum(1.0 / between**2) + least]])
        both = np.array([by_unit, by_case])
        squared += float(both @ np.linalg.solve(metric, both))
    return float(np.sqrt(squared))


def expected_by_others(x: Floats, y: Floats, size: Floats, unit: Codes, units: int, left: int) -> float:
    """Expected total of one unit by the slopes and the average level of the others, by a literal refit."""
    others, own = unit != left, unit == left
    codes = unit[others] - (unit[others] > left)
    slopes, _ = plain_logit(x[others], y[others], size[others], codes, units - 1)
    one = np.zeros(int(others.sum()), dtype=np.intp)
    level = levels_at(x[others], y[others], size[others], one, 1, slopes)[0]
    return float(size[own] @ logistic(level + x[own] @ slopes))


def truncated(delta: Floats, z: Floats, slopes: Floats, sigma: float) -> float:
    """Decrement of the likelihood of normal distances that are known to be above 1, by differences of its score."""
    from scipy.special import log_ndtr

    def score(theta: Floats) -> Floats:
        sd = np.exp(theta[-1])
        e, above = (delta - z @ theta[:-1]) / sd, (z @ theta[:-1] - 1.0) / sd
        mills = np.exp(-0.5 * above**2 - log_ndtr(above)) / np.sqrt(2.0 * np.pi)
        return np.append((e - mills) @ z / sd, np.sum(e**2 - 1.0 + mills * above))

    at = np.append(slopes, np.log(sigma))
    step = 1e-5 * np.maximum(np.abs(at), 1.0)
    moves = np.diag(step)
    information = -np.array([(score(at + m) - score(at - m)) / (2.0 * h) for m, h in zip(moves, step, strict=True)])
    found = score(at)
    return float(np.sqrt(abs(found @ np.linalg.solve(0.5 * (information + information.T), found))))

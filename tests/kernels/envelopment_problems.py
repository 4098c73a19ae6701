"""Random envelopment programs of every kind, certificates of their answers, and the same programs for HiGHS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, OWN, UNBOUNDED
from benchmodels.kernels.technology import bounds_of

DATA = (
    "continuous", "ties", "zeros", "duplicates", "lognormal", "units of measure", "collinear", "few", "sizes",
)  # fmt: skip
RETURNS = ("crs", "vrs", "drs", "irs", (0.8, 1.2), (0.5, 1.0), (1.0, 1.5))
DIRECTIONS = ("input", "output", "common", "own", "random")
REFERENCES = ("own", "super", "masked", "others' own", "others")


@dataclass(frozen=True)
class Case:
    """k points against n units."""

    kind: tuple
    inputs: np.ndarray
    outputs: np.ndarray
    bounds: tuple
    points: np.ndarray
    direction: np.ndarray
    own: np.ndarray
    mask: np.ndarray | None

    @property
    def goods(self):
        return np.hstack([self.inputs, self.outputs])

    @property
    def split(self):
        m = self.inputs.shape[1]
        return self.points[:, :m], self.points[:, m:]

    @property
    def allowed(self):
        return None if self.mask is None else lambda some, low, high: self.mask[some, low:high]


def goods_of(data, rng, n, width):
    """Return (n, width) goods of one kind."""
    plain = rng.uniform(10, 100, (n, width))
    if data == "ties":
        return rng.integers(1, 4, (n, width)).astype(float)
    if data == "zeros":
        found = rng.integers(0, 4, (n, width)).astype(float)
        empty = found.max(axis=0) == 0
        found[rng.integers(n), empty] = 1.0
        return found
    if data == "duplicates":
        return plain[rng.integers(0, max(1, n // 2), n)]
    if data == "lognormal":
        return np.exp(rng.normal(0, 3, (n, width)))
    if data == "units of measure":
        return rng.integers(1, 11, (n, width)) * 10.0 ** rng.uniform(-9, 9, width)
    if data == "collinear":
        plain[:, 0] = 2.0 * plain[:, width // 2]
        plain[:, -1] = 3.0 * plain[:, width // 2 - 1]
    if data == "sizes":
        size = np.exp(rng.uniform(np.log(1.7e3), np.log(6.7e5), (n, 1)))
        return size ** rng.uniform(0.9, 1.1, width) * np.exp(rng.normal(0, 0.2, (n, width)))
    return plain


def case(rng, data=None):
    """Return one case."""
    data = data or DATA[rng.integers(len(DATA))]
    returns = RETURNS[rng.integers(len(RETURNS))]
    towards = DIRECTIONS[rng.integers(len(DIRECTIONS))]
    reference = REFERENCES[rng.integers(len(REFERENCES))]
    width = int(rng.integers(2, 13))
    m = int(rng.integers(1, width))
    n = int(rng.integers(1, width + 1) if data == "few" else rng.integers(2, 60))
    goods = goods_of(data, rng, n, width)
    points = goods
    if reference.startswith("others"):
        points = goods * np.exp(rng.normal(0, 0.3, goods.shape))
    step = {
        "input": points * (np.arange(width) < m),
        "output": points * (np.arange(width) >= m),
        "common": np.broadcast_to(goods.mean(axis=0), points.shape),
        "own": points,
        "random": goods.mean(axis=0) * rng.uniform(0, 1, points.shape) * (rng.uniform(size=points.shape) < 0.6),
    }[towards]
    if data != "zeros":
        step = np.where(step.any(axis=1, keepdims=True), step, goods.mean(axis=0))
    own = {"own": np.arange(n), "masked": np.arange(n), "others' own": np.full(n, OWN)}.get(
        reference, np.full(n, ARTIFICIAL)
    )
    mask = None
    if reference == "super":
        mask = ~np.eye(n, dtype=bool)
    elif reference == "masked":
        mask = (rng.uniform(size=(n, n)) < 0.4) | np.eye(n, dtype=bool)
    return Case(
        (data, returns, towards, reference, n, m, width - m), goods[:, :m], goods[:, m:], bounds_of(returns),
        points, np.array(step), own.astype(np.intp), mask,
    )  # fmt: skip


def usable(one, i):
    """Return the goods (u, m + s) of what program i may combine, and their places among the units (own goods: -1)."""
    place = np.arange(len(one.goods)) if one.mask is None else np.flatnonzero(one.mask[i])
    if one.own[i] == OWN:
        return np.vstack([one.goods[place], one.points[i]]), np.append(place, OWN)
    return one.goods[place], place


def by_highs(one, i):
    """Return the status and β of one program, solved by itself with another front end, rows and columns balanced."""
    goods, _ = usable(one, i)
    m = one.inputs.shape[1]
    sign = np.where(np.arange(goods.shape[1]) < m, 1.0, -1.0)
    low, high = one.bounds
    a = np.hstack([(goods * sign).T, one.direction[i][:, None]])
    b = one.points[i] * sign
    row = np.where(b != 0, np.abs(b), np.maximum(np.abs(a).max(axis=1), 1e-300))
    ones = np.append(np.ones(len(goods)), 0.0)
    upper = [a / row[:, None]]
    limit = [b / row]
    if np.isfinite(high) and low != high:
        upper, limit = [*upper, ones[None]], [*limit, [high]]
    if low > 0 and low != high:
        upper, limit = [*upper, -ones[None]], [*limit, [-low]]
    upper, limit = np.vstack(upper), np.concatenate(limit)
    equal = {"A_eq": ones[None], "b_eq": [low]} if low == high else {}
    scale = np.maximum(np.abs(np.vstack([upper, *equal.get("A_eq", [])])).max(axis=0), 1e-300)
    equal = {name: value / scale if name == "A_eq" else value for name, value in equal.items()}
    cost = np.append(np.zeros(len(goods)), -1.0 / scale[-1])
    found = linprog(
        cost, upper / scale, limit, **equal, bounds=[(0, None)] * len(goods) + [(None, None)], method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )  # fmt: skip
    if found.status == 4:
        status, _ = linprog(
            0 * cost, upper / scale, limit, **equal, bounds=[(0, None)] * len(goods) + [(None, None)], method="highs-ds"
        ).status, None  # fmt: skip
        return {0: UNBOUNDED, 2: INFEASIBLE}.get(status, -1), np.nan
    status = {0: OPTIMAL, 2: INFEASIBLE, 3: UNBOUNDED}.get(found.status, -1)
    return status, (found.x[-1] / scale[-1] if found.x is not None else np.nan)


def certificate(one, found, i):
    """Return by how much an answer fails its own program, each relative to the terms that it is a sum of.

    Of an optimal one: rows, signs of prices and intensities, reduced costs of all columns, Σ price x direction = 1,
    gap and complementary slackness. Of an infeasible one: Farkas' conditions of its ray.
    """
    goods, place = usable(one, i)
    m = one.inputs.shape[1]
    sign = np.where(np.arange(goods.shape[1]) < m, 1.0, -1.0)
    limits = [end for end in dict.fromkeys(one.bounds) if np.isfinite(end) and end > 0]
    ends = np.array([1.0 if one.bounds[0] == one.bounds[1] else -1.0 if x == one.bounds[0] else 1.0 for x in limits])
    if one.bounds[0] != one.bounds[1]:
        ends = np.array([-1.0] * (one.bounds[0] > 0) + [1.0] * bool(np.isfinite(one.bounds[1])))
        limits = [one.bounds[0]] * (one.bounds[0] > 0) + [one.bounds[1]] * bool(np.isfinite(one.bounds[1]))
    point, step = one.points[i] * sign, one.direction[i]
    price, returns = found.price[i], found.returns_price[i]
    wrong = {}

    def relative(terms, least):
        size = np.maximum(np.abs(terms).sum(axis=-1), least)
        return np.abs(terms.sum(axis=-1)) / np.where(size > 0, size, 1.0)

    body = np.column_stack([goods * sign, np.ones((len(goods), len(limits)))])
    terms = np.concatenate([price, returns]) * body
    paid = np.concatenate([price * point, returns * limits])
    size = np.append(np.where(point != 0, np.abs(point), one.goods.mean(axis=0)), limits)
    top = np.abs(np.append(price, returns) * size).max()
    cost = terms.sum(axis=1)
    wrong["dual"] = float(np.max(np.where(cost < 0, relative(terms, top), 0.0), initial=0.0))
    free = one.bounds[0] == one.bounds[1]
    signs = price if free else np.append(price, returns * ends)
    wrong["price"] = float(np.max(-signs * size[: len(signs)] / top))
    if found.status[i] == INFEASIBLE:
        wrong["ray"] = float(relative(price * step, top))
        wrong["infeasible"] = float(paid.sum() >= -1e-9 * top)
        return wrong
    weight = np.zeros(len(goods))
    for j, w in zip(found.peer[i], found.weight[i], strict=True):
        if w != 0:
            weight[np.flatnonzero(place == j)[0]] += w
    slack, beta = found.slack[i], found.beta[i]
    wrong["sign"] = float(max(-weight.min(initial=0.0), -np.min(slack)))
    rows = np.column_stack([(weight[:, None] * goods * sign).T, slack, beta * step, -point])
    wrong["primal"] = float(relative(rows, size[: len(point)]).max())
    low, high = one.bounds
    wrong["returns"] = float(max(low - weight.sum(), weight.sum() - high, 0.0))
    wrong["step"] = abs(float((price * step).sum()) - 1.0) / max(np.abs(price * step).max(), 1.0)
    wrong["gap"] = abs(paid.sum() - beta) / max(top, 1.0)
    held = [np.abs(weight * cost), np.abs(slack * price)]
    held += [np.abs(returns * (weight.sum() - limits))]
    wrong["slackness"] = float(max(part.max(initial=0.0) for part in held) / max(top, 1.0))
    return wrong

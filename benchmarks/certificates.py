"""Judge of efficiencies: by weights it can be no higher, by prices no lower, whoever found them.

A unit (x, y) is held against units (x_j, y_j) under variable returns, inputs falling. Weights λ of any kind that sum to
1 and reach Yλ >= y show that θ <= max (Xλ / x); prices u, v >= 0 with v x = 1 show that θ >= u y + min (v x_j - u y_j).
Neither needs to be the best there is, so that both can be checked by sums alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.highs import InputModel
from benchmarks.scores import blocks

Floats = np.ndarray
Codes = np.ndarray
# Pairs of a program and a column up to which the judge solves all programs by itself, and how many it draws beyond.
MOST_PAIRS, DRAWN = 10**6, 50
# Pairs up to which the proofs of all programs are checked, and of how many beyond.
MOST_PROVED, PROVED = 2 * 10**10, 20_000


@dataclass(frozen=True)
class Programs:
    """``unit`` (k,) is held against all n units but ``left`` (k,), where that is not negative."""

    inputs: Floats
    outputs: Floats
    unit: Codes
    left: Codes

    def some(self, at: Codes) -> Programs:
        return Programs(self.inputs, self.outputs, self.unit[at], self.left[at])


@dataclass(frozen=True)
class Certificate:
    """Weights of peers (k, p), with -1 where there is none, and prices of inputs and outputs (k, m + s)."""

    peer: Codes
    weight: Floats
    price: Floats


def error(programs: Programs, answer: dict[str, Any]) -> float:
    """Return the largest error of ``efficiency``, of all programs or those ``at`` some places.

    By ``peer``, ``weight`` and ``price`` where the answer has them; else by the judge's own solution: of all programs,
    or of a sample where they are many.
    """
    at = answer.get("at", np.arange(len(programs.unit)))
    efficiency, asked = np.asarray(answer["efficiency"]), programs.some(at)
    if "price" in answer:
        proof = [answer[name] for name in ("peer", "weight", "price")]
        if len(at) * len(programs.inputs) > MOST_PROVED:
            drawn = np.random.default_rng(0).choice(len(at), PROVED, replace=False)
            asked, efficiency, proof = asked.some(drawn), efficiency[drawn], [part[drawn] for part in proof]
        return distance(asked, efficiency, Certificate(*proof))
    if len(at) * len(programs.inputs) > MOST_PAIRS:
        drawn = np.random.default_rng(0).choice(len(at), min(DRAWN, len(at)), replace=False)
        asked, efficiency = asked.some(drawn), efficiency[drawn]
    return distance(asked, efficiency, by_highs(asked))


def distance(programs: Programs, efficiency: Floats, proof: Certificate) -> float:
    """Return how far efficiencies (k,) may be from the truth; infinity where nothing is proved.

    NaN says that the others cannot make as much, whatever they use.
    """
    none = np.isnan(efficiency)
    if len(efficiency) != len(programs.unit) or np.any(none & ~impossible(programs, proof.price)):
        return float("inf")
    if none.all():
        return 0.0
    high, short = upper(programs, proof)
    low = lower(programs, proof.price)
    off = np.max([np.abs(high - efficiency), np.abs(efficiency - low), short], axis=0)
    return float(np.max(np.nan_to_num(off[~none], nan=np.inf)))


def upper(programs: Programs, proof: Certificate) -> tuple[Floats, Floats]:
    """Return bounds (k,) by weights, and by what share of themselves the outputs fall short."""
    usable = (proof.peer >= 0) & (proof.peer != programs.left[:, None])
    weight = np.where(usable, np.maximum(proof.weight, 0.0), 0.0)
    with np.errstate(invalid="ignore"):
        weight = weight / weight.sum(axis=1, keepdims=True)
    made, used = np.zeros((len(weight), programs.outputs.shape[1])), np.zeros((len(weight), programs.inputs.shape[1]))
    for peer, share in zip(proof.peer.T, weight.T, strict=True):
        used += share[:, None] * programs.inputs[peer]
        made += share[:, None] * programs.outputs[peer]
    short = 1.0 - made / programs.outputs[programs.unit]
    return np.max(used / programs.inputs[programs.unit], axis=1), np.max(short, axis=1)


def lower(programs: Programs, price: Floats) -> Floats:
    """Return bounds (k,) by prices."""
    signed = np.column_stack([programs.inputs, -programs.outputs])
    own, m = signed[programs.unit], programs.inputs.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        price = np.maximum(price, 0.0)
        price = price / np.einsum("ij,ij->i", price[:, :m], own[:, :m])[:, None]
    return _least(signed, price, programs.left) - np.einsum("ij,ij->i", price[:, m:], own[:, m:])


def impossible(programs: Programs, price: Floats) -> np.ndarray:
    """Return whether by prices of outputs a unit (k,) makes more than any other: then no average makes as much."""
    worth = np.maximum(price[:, programs.inputs.shape[1] :], 0.0)
    own = np.einsum("ij,ij->i", worth, programs.outputs[programs.unit])
    return own + _least(-programs.outputs, worth, programs.left) > 1e-9 * own


def _least(goods: Floats, price: Floats, left: Codes) -> Floats:
    """Least worth (k,) of all goods (n, w) but those left out, by prices (k, w)."""
    least = np.full(len(price), np.inf)
    for rows in blocks(len(price), 256):
        for columns in blocks(len(goods), 1024):
            worth = price[rows] @ goods[columns].T
            row = np.flatnonzero((left[rows] >= columns.start) & (left[rows] < columns.stop))
            worth[row, left[rows][row] - columns.start] = np.inf
            least[rows] = np.minimum(least[rows], worth.min(axis=1))
    return least


def by_highs(programs: Programs) -> Certificate:
    """Solve the programs (k) one by one, tight: weights of all n units and prices."""
    inputs, outputs = programs.inputs.mean(axis=0), programs.outputs.mean(axis=0)
    x, y, scale = programs.inputs / inputs, programs.outputs / outputs, np.append(inputs, outputs)
    tight = {f"{kind}_feasibility_tolerance": 1e-10 for kind in ("primal", "dual")}
    model = InputModel(x, y, **tight)
    k, n = len(programs.unit), len(x)
    peer, weight = np.full((k, x.shape[1] + y.shape[1] + 1), -1), np.zeros((k, x.shape[1] + y.shape[1] + 1))
    price = np.empty((k, len(scale)))
    for i, (unit, left) in enumerate(zip(programs.unit.tolist(), programs.left.tolist(), strict=True)):
        if left != model.left:
            model.leave_out(left)
        solved = not np.isnan(model.efficiency(x[unit], y[unit]))
        price[i] = model.prices(solved=solved) / scale
        if solved:
            found = model.weights()
            # A vertex has no more weights than rows.
            heavy = np.argsort(found)[-min(peer.shape[1], n) :]
            peer[i, : len(heavy)], weight[i, : len(heavy)] = heavy, found[heavy]
    return Certificate(peer, weight, price)


def efficiencies(inputs: Floats, outputs: Floats) -> Floats:
    """Return the efficiencies (n,) of all units against all, by HiGHS."""
    x, y = inputs / inputs.mean(axis=0), outputs / outputs.mean(axis=0)
    model = InputModel(x, y)
    return np.array([model.efficiency(*goods) for goods in zip(x, y, strict=True)])


def efficiency_by_highs(inputs: Floats, outputs: Floats, x: Floats, y: Floats) -> float:
    """Return the efficiency of one point against all units, by HiGHS; NaN where they cannot make as much."""
    by_x, by_y = inputs.mean(axis=0), outputs.mean(axis=0)
    return InputModel(inputs / by_x, outputs / by_y).efficiency(x / by_x, y / by_y)

"""Problems of productivity: seeded panels and draws, and a judge that solves by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks import certificates
from benchmarks.problems import Answer, Data, Problem, size_name

# Changes that the judge solves the programs of.
_JUDGED = 15


@dataclass(frozen=True)
class Productivity(Problem):
    """All changes of ``size`` units over ``periods``, and of ``replicates`` of their frontiers."""

    periods: int = 5
    replicates: int = 1_000
    seed: int = 22
    family = "Malmquist index and its bootstrap"
    about = (
        "Malmquist's index with pure efficiency change, scale change and technical change (Färe, Grosskopf, Norris, "
        "Zhang 1994), input, of n units with 3 + 2 goods in 5 years, and Simar and Wilson's (1999) bootstrap of it: B "
        "times 6 distances of each of the 4 n changes, two of them under variable returns. All have the same draws. "
        f"The judge solves all programs of {_JUDGED} changes of replicates by HiGHS."
    )
    norm = "largest error of a change or part"
    tolerance = 1e-8
    warm_up = 30

    @property
    def shape(self) -> str:
        return f"{size_name(self.replicates)} x {size_name(self.size)} x {self.periods} years x 5"

    def small(self) -> Productivity:
        return replace(self, size=min(self.size, self.warm_up), periods=3, replicates=100)

    def data(self) -> Data:
        from benchmodels.kernels.paired_scores import paired_bandwidth, paired_draws

        rng, n = np.random.default_rng(self.seed), self.size
        x, y, delta = [], [], []
        for year in range(self.periods):
            used, mix = rng.uniform(10.0, 100.0, (n, 3)), np.sqrt(rng.dirichlet(np.ones(2), n))
            waste = np.abs(rng.normal(0.0, 0.3, (n, 1)))
            x.append(used)
            y.append(mix * 1.02**year * np.prod(used, axis=1, keepdims=True) ** 0.3 * np.exp(-waste))
            delta.append(np.maximum(1.0 / certificates.efficiencies(x[-1], y[-1]), 1.0))
        # In blocks with a child of the seed each, as the package draws them.
        blocks, drawn = [20] * (self.replicates // 20), []
        for size, child in zip(blocks, np.random.default_rng(self.seed).spawn(len(blocks)), strict=True):
            pairs = (np.column_stack(delta[t : t + 2]) for t in range(self.periods - 1))
            drawn.append(np.stack([paired_draws(pair, paired_bandwidth(n), (size, n), child) for pair in pairs]))
        return {"x": np.stack(x), "y": np.stack(y), "delta": np.stack(delta), "drawn": np.concatenate(drawn, axis=1),
                "seed": self.seed}  # fmt: skip

    def score(self, data: Data, answer: Answer) -> float:
        found = answer["efficiency"]
        if found.shape != (self.replicates, 5, (self.periods - 1) * self.size):
            return float("inf")
        rng, off = np.random.default_rng(0), 0.0
        for _ in range(_JUDGED):
            replicate, pair, unit = (int(rng.integers(n)) for n in (self.replicates, self.periods - 1, self.size))
            told = found[replicate, :, pair * self.size + unit]
            off = max(off, float(np.abs(told - _changes(data, replicate, pair, unit)).max()))
        return off


def _changes(data: Data, replicate: int, pair: int, unit: int) -> Any:
    """The index, efficiency change, technical change, pure efficiency change and scale change, by HiGHS."""
    held = {}
    for at, where, cone in [(0, 0, True), (0, 1, True), (1, 0, True), (1, 1, True), (0, 0, False), (1, 1, False)]:
        ratio = data["drawn"][pair, replicate, :, where] / data["delta"][pair + where]
        reference = data["x"][pair + where] * ratio[:, None], data["y"][pair + where]
        held[at, where, cone] = _efficiency(*reference, data["x"][pair + at][unit], data["y"][pair + at][unit], cone)
    caught = held[1, 1, True] / held[0, 0, True]
    pure = held[1, 1, False] / held[0, 0, False]
    index = np.sqrt(held[1, 0, True] / held[0, 0, True] * held[1, 1, True] / held[0, 1, True])
    return np.array([index, caught, index / caught, pure, caught / pure])


def _efficiency(inputs: Any, outputs: Any, x: Any, y: Any, cone: bool) -> float:
    if not cone:
        return certificates.efficiency_by_highs(inputs, outputs, x, y)
    from scipy.optimize import linprog

    scale = inputs.mean(axis=0), outputs.mean(axis=0)
    inputs, outputs, x, y = inputs / scale[0], outputs / scale[1], x / scale[0], y / scale[1]
    left = np.block([[-x[:, None], inputs.T], [np.zeros((len(y), 1)), -outputs.T]])
    cost, right = np.append(1.0, np.zeros(len(inputs))), np.append(np.zeros(len(x)), -y)
    close = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    return float(linprog(cost, left, right, method="highs", options=close).fun)

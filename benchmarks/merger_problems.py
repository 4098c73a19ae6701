"""Problems of mergers: seeded goods, and a judge that solves pairs by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks import certificates
from benchmarks.frontier_problems import draw_goods
from benchmarks.problems import UNITS, Answer, Data, Problem, size_name


@dataclass(frozen=True)
class Mergers(Problem):
    """All pairs of ``size`` units; an answer holds their totals, then corrected ones, then harmonies."""

    inputs: int = 3
    outputs: int = 2
    seed: int = 22
    family = "gains of all pairs, variable returns, input"
    about = (
        "Bogetoft and Wang's decomposition for all pairs of n units x (inputs + outputs), drawn as for DEA: three "
        "programs a pair, after one a unit. A pair that makes more than any unit has no total and no corrected one; "
        "then the answer is NaN. The judge solves 150 of the programs, and those of their units, by HiGHS."
    )
    norm = "largest error of a factor"
    tolerance = 1e-8
    warm_up = UNITS

    @property
    def shape(self) -> str:
        return f"{size_name(self.size)} x {self.inputs + self.outputs}, {self.inputs} input(s)"

    def data(self) -> Data:
        x, y = draw_goods(self.size, self.inputs, self.outputs, "", np.random.default_rng(self.seed))
        # Of all sizes, so that pairs of small ones are no larger than large ones.
        size = np.exp(np.random.default_rng(self.seed + 1).normal(0.0, 0.8, (self.size, 1)))
        one, other = np.triu_indices(self.size, 1)
        return {"x": x * size, "y": y * size**0.9, "pair": np.column_stack([one, other])}

    def score(self, data: Data, answer: Answer) -> float:
        x, y, pair = data["x"], data["y"], data["pair"]
        at = answer.get("at", np.arange(3 * len(pair)))
        some = np.random.default_rng(0).choice(len(at), min(150, len(at)), replace=False)
        off = 0.0
        for place in some.tolist():
            part, row = divmod(int(at[place]), len(pair))
            own = [1.0, 1.0]
            if part:
                own = [certificates.efficiency_by_highs(x, y, x[i], y[i]) for i in pair[row]]
            used, made = np.array(own) @ x[pair[row]], y[pair[row]].sum(axis=0)
            if part == 2:
                used, made = used / 2, made / 2
            true, found = certificates.efficiency_by_highs(x, y, used, made), float(answer["efficiency"][place])
            if np.isnan(true) != np.isnan(found):
                return float("inf")
            off = max(off, 0.0 if np.isnan(true) else abs(true - found))
        return off

"""Problems of frontiers: seeded goods, and judges that solve or prove by themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks import certificates, scores
from benchmarks.problems import UNITS, Answer, Data, Problem, size_name


def draw_goods(n: int, inputs: int, outputs: int, kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Inputs U(10, 100); outputs of any mix that make (Π inputs)^(.9 / number), less a factor exp(−|N(0, .3²)|).

    "few efficient": all but one in fifty are averages of those, who waste nothing, with more inputs and fewer outputs.
    "ties": in whole tens of inputs and fives of outputs, and the last tenth are copies of the first.
    """
    x = rng.uniform(10.0, 100.0, (n, inputs))
    mix = np.sqrt(rng.dirichlet(np.ones(outputs), n))
    y, waste = mix * (np.prod(x, axis=1) ** (0.9 / inputs))[:, None], np.exp(np.abs(rng.normal(0.0, 0.3, (n, 1))))
    if kind == "few efficient":
        best = max(n // 50, inputs + outputs)
        share = rng.dirichlet(np.ones(best), n - best)
        order = rng.permutation(n)
        x, y = np.vstack([x[:best], share @ x[:best] * waste[best:]]), np.vstack([y[:best], share @ y[:best]])
        waste[:best] = 1.0
        return x[order], (y / waste)[order]
    y = y / waste
    if kind == "ties":
        x, y, copies = np.ceil(x / 10.0), np.floor(y / 5.0) + 1.0, n // 10
        x[n - copies :], y[n - copies :] = x[:copies], y[:copies]
    return x, y


@dataclass(frozen=True)
class Frontier(Problem):
    """``kind`` as in `draw_goods`."""

    inputs: int = 4
    outputs: int = 2
    kind: str = ""
    seed: int = 18
    family = "DEA, variable returns, input"
    about = (
        "Efficiency of each unit against the frontier of all, n x (inputs + outputs): four inputs U(10, 100) and two "
        "outputs of any mix, or 2 + 2, or 6 + 4; returns to scale .9, half-normal waste (.3). Few efficient: at most "
        "one unit in fifty. Ties: small whole numbers, a tenth of the units copies. The judge bounds an efficiency "
        "from above by the weights of an answer and from below by its prices, over all columns (of a million units for "
        "20,000 of them); where there are none, by those that it finds by HiGHS (beyond 1,000 units for 50 of them)."
    )
    norm = "largest error of an efficiency"
    tolerance = 1e-8
    warm_up = UNITS

    @property
    def shape(self) -> str:
        return f"{size_name(self.size)} x {self.inputs + self.outputs}" + (self.kind and f", {self.kind}")

    def data(self) -> Data:
        rng = np.random.default_rng(self.seed)
        x, y = draw_goods(self.size, self.inputs, self.outputs, self.kind, rng)
        return {"x": x, "y": y}

    def score(self, data: Data, answer: Answer) -> float:
        every = np.arange(self.size)
        return certificates.error(certificates.Programs(data["x"], data["y"], every, np.full_like(every, -1)), answer)


@dataclass(frozen=True)
class OtherFrontiers(Problem):
    """``size`` frontiers, each without one unit, and all units held against each; in the order of frontiers."""

    seed: int = 19
    family = "leave-one-out frontiers"
    about = (
        "Each unit is left out of the reference once and all units are scored: n frontiers x n units x 6 goods, drawn "
        "as for DEA. A unit left out may be beyond what the others can make; then the answer is NaN, and its prices "
        "must prove that."
    )
    norm = "largest error of an efficiency"
    tolerance = 1e-8
    warm_up = 20

    @property
    def shape(self) -> str:
        return f"{size_name(self.size)} x {self.size} x 6"

    def data(self) -> Data:
        x, y = draw_goods(self.size, 4, 2, "", np.random.default_rng(self.seed))
        left, unit = np.divmod(np.arange(self.size**2), self.size)
        return {"x": x, "y": y, "left": left, "unit": unit}

    def score(self, data: Data, answer: Answer) -> float:
        return certificates.error(certificates.Programs(data["x"], data["y"], data["unit"], data["left"]), answer)


@dataclass(frozen=True)
class Replicates(Problem):
    """All units against ``replicates`` frontiers of pseudo-units, in the order of replicates."""

    replicates: int = 2_000
    seed: int = 20
    family = "smoothed bootstrap of a frontier"
    about = (
        "Simar and Wilson's smoothed bootstrap, variable returns, input: B frontiers of n pseudo-units x n units x 6 "
        "goods, drawn as for DEA; the distances of the pseudo-units (Silverman's rule) are the problem's. The judge "
        "solves 50 of the programs by HiGHS."
    )
    norm = "largest error of an efficiency"
    tolerance = 1e-8
    warm_up = 40

    @property
    def shape(self) -> str:
        return f"{size_name(self.replicates)} x {size_name(self.size)} x 6"

    def small(self) -> Replicates:
        return replace(self, size=min(self.size, self.warm_up), replicates=100)

    def data(self) -> Data:
        from benchmodels.kernels.smoothed_scores import bandwidth_of, smoothed_draws

        x, y = draw_goods(self.size, 4, 2, "", np.random.default_rng(self.seed))
        delta = 1.0 / certificates.efficiencies(x, y)
        h, sizes = bandwidth_of(delta, "silverman"), [20] * (self.replicates // 20)
        # In blocks with a child of the seed each, as the package draws them.
        children = np.random.default_rng(self.seed).spawn(len(sizes))
        drawn = [smoothed_draws(delta, h, size, child) for size, child in zip(sizes, children, strict=True)]
        return {"x": x, "y": y, "delta": delta, "drawn": np.concatenate(drawn), "seed": self.seed}

    def score(self, data: Data, answer: Answer) -> float:
        at = answer.get("at", np.arange(self.replicates * self.size))
        some = np.random.default_rng(0).choice(len(at), min(50, len(at)), replace=False)
        off = 0.0
        for place in some.tolist():
            replicate, unit = divmod(int(at[place]), self.size)
            x = data["x"] * (data["drawn"][replicate] / data["delta"])[:, None]
            true = certificates.efficiency_by_highs(x, data["y"], data["x"][unit], data["y"][unit])
            found = answer["efficiency"][place]
            off = max(off, 0.0 if np.isnan(true) and np.isnan(found) else abs(true - found))
        return off


@dataclass(frozen=True)
class TwoStages(Problem):
    """``first`` and ``replicates`` are L1 and L2 of Simar and Wilson (2007)."""

    first: int = 100
    replicates: int = 2_000
    seed: int = 21
    family = "two-stage bootstrap, algorithm 2"
    about = (
        "Simar and Wilson's second algorithm on n units x 6 goods and two conditions: distances of all units to 100 "
        "frontiers drawn, a truncated regression of the corrected distances, and 2,000 of them drawn anew."
    )
    norm = "Newton decrement of either truncated regression, standard errors"
    tolerance = 1e-3
    warm_up = 40

    @property
    def shape(self) -> str:
        return f"{self.first} and {self.replicates:,} replicates x {size_name(self.size)} x 6"

    def small(self) -> TwoStages:
        return replace(self, size=min(self.size, self.warm_up), first=20, replicates=100)

    def data(self) -> Data:
        rng = np.random.default_rng(self.seed)
        x, y = draw_goods(self.size, 4, 2, "", rng)
        z = np.column_stack([np.ones(self.size), rng.uniform(size=self.size), rng.normal(size=self.size)])
        y *= np.exp(-0.3 * z[:, 1:2])
        return {"x": x, "y": y, "z": z, "first": self.first, "replicates": self.replicates, "seed": self.seed}

    def score(self, data: Data, answer: Answer) -> float:
        delta, worst = 1.0 / certificates.efficiencies(data["x"], data["y"]), 0.0
        for distance, slopes, sigma in zip(
            (delta, answer["corrected"]), answer["slopes"], answer["sigma"], strict=True
        ):
            used = distance > 1.0 + 1e-6
            worst = max(worst, scores.truncated(distance[used], data["z"][used], slopes, sigma))
        return worst if answer["errors"].shape == (self.replicates, 4) else float("inf")

"""Problems by name: seeded data, and a scorer of an answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Logit:
    """n × p standard normal covariates, slopes N(0, .15²), level −2; no unit effects."""

    n: int
    p: int
    seed: int = 11
    # Norm of the score in units of its standard deviation: a looser answer does not count.
    tolerance: float = 1e-3

    def data(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(self.seed)
        x = rng.standard_normal((self.n, self.p))
        slopes = rng.normal(0.0, 0.15, self.p)
        y = (rng.random(self.n) < 1.0 / (1.0 + np.exp(2.0 - x @ slopes))).astype(float)
        return {"x": x, "y": y}

    def score(self, data: dict[str, np.ndarray], answer: np.ndarray) -> float:
        """Return the largest standardised score component at the answer (level first, then slopes)."""
        mu = 1.0 / (1.0 + np.exp(-(answer[0] + data["x"] @ answer[1:])))
        residual, spread = data["y"] - mu, mu * (1.0 - mu)
        score = np.r_[residual.sum(), residual @ data["x"]]
        return float(np.max(np.abs(score) / np.sqrt(np.r_[spread.sum(), spread @ data["x"] ** 2])))


PROBLEMS = {"logit_1e6x30": Logit(1_000_000, 30), "logit_1e5x30": Logit(100_000, 30)}

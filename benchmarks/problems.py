"""Problems by name and size: seeded data, and a scorer that must accept an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from benchmarks import scores

Data = dict[str, Any]
# What a solver found, by name: "slopes", "level" or "levels" …; "stages" (CPU seconds by name) are shown beside it.
Answer = dict[str, Any]
UNITS = 98


def size_name(n: int) -> str:
    return f"{n:.0e}".replace("e+0", "e") if n in (10**3, 10**4, 10**5, 10**6, 10**7) else str(n)


@dataclass(frozen=True)
class Problem:
    """``size`` is what the growth exponent is taken over; ``tolerance`` is of the norm that ``score`` returns."""

    size: int
    family: ClassVar[str]
    about: ClassVar[str]
    warm_up: ClassVar[int] = 2_000
    norm: ClassVar[str] = "Newton decrement, standard errors"
    tolerance: ClassVar[float] = 1e-3

    @property
    def name(self) -> str:
        """The family with every number that makes it one problem."""
        return f"{self.family} {self.shape}"

    @property
    def shape(self) -> str:
        raise NotImplementedError

    def data(self) -> Data:
        """Draw the data; equal for equal fields."""
        raise NotImplementedError

    def score(self, data: Data, answer: Answer) -> float:
        """Judge an answer by means of its own."""
        raise NotImplementedError

    def small(self) -> Problem:
        """The same, small: for the warm-up."""
        return replace(self, size=min(self.size, self.warm_up))


def draw_logit(n: int, p: int, seed: int, unit_sd: float) -> Data:
    """n × p standard normal covariates, slopes N(0, .15²), level −2, units at random with effects N(0, unit_sd²)."""
    rng = np.random.default_rng(seed)
    x, slopes = rng.standard_normal((n, p)), rng.normal(0.0, 0.15, p)
    unit, effects = rng.integers(0, UNITS, n), rng.normal(0.0, 1.0, UNITS) * unit_sd
    chance = scores.logistic(x @ slopes - 2.0 + effects[unit])
    return {"x": x, "y": (rng.random(n) < chance).astype(float), "unit": unit}


@dataclass(frozen=True)
class Logit(Problem):
    covariates: int = 30
    seed: int = 11
    family = "logit"
    about = "Logit of standard normal covariates and a level; slopes N(0, .15²), level −2."

    @property
    def shape(self) -> str:
        return f"{size_name(self.size)} x {self.covariates + 1}"

    def data(self) -> Data:
        return draw_logit(self.size, self.covariates, self.seed, 0.0)

    def score(self, data: Data, answer: Answer) -> float:
        one = np.zeros(self.size, dtype=np.intp)
        return scores.arrow(data["x"], data["y"], None, one, np.array([answer["level"]]), answer["slopes"])[2]


@dataclass(frozen=True)
class UnitEffects(Problem):
    covariates: int = 30
    seed: int = 12
    family = "logit with 98 unit effects"
    about = "The same with the effects of 98 units, N(0, .35²), estimated beside the slopes. Rows come in no order."

    @property
    def shape(self) -> str:
        return f"{size_name(self.size)} x {self.covariates + UNITS}"

    def data(self) -> Data:
        return draw_logit(self.size, self.covariates, self.seed, 0.35)

    def score(self, data: Data, answer: Answer) -> float:
        x, y, unit, slopes = data["x"], data["y"], data["unit"], answer["slopes"]
        levels = answer.get("levels")
        if levels is None:
            levels = scores.levels_at(x, y, None, unit, UNITS, slopes)
        return scores.arrow(x, y, None, unit, levels, slopes)[2]


@dataclass(frozen=True)
class RandomIntercept(Problem):
    covariates: int = 30
    seed: int = 13
    family = "random-intercept logit"
    about = (
        "The same with 98 random intercepts, N(0, sd²): marginal maximum likelihood by adaptive quadrature of 7 nodes "
        "(9 through the model). The judge has 25 nodes of its own."
    )

    @property
    def shape(self) -> str:
        return f"{size_name(self.size)} x {self.covariates + 1}"

    def data(self) -> Data:
        return draw_logit(self.size, self.covariates, self.seed, 0.35)

    def score(self, data: Data, answer: Answer) -> float:
        found = answer["slopes"], answer["level"], answer["unit_sd"]
        return scores.marginal_logit(data["x"], data["y"], data["unit"], *found)


@dataclass(frozen=True)
class LinearIntercept(Problem):
    units: int = UNITS
    seed: int = 14
    family = "linear random intercept"
    about = (
        "15 covariates (8 normal, 7 binary), residual sd 1, unit sd .3, log-normal unit sizes (sd .7); maximum "
        "likelihood. A method of moments is judged by the equations of its slopes at its own variances."
    )
    warm_up = 20_000

    @property
    def shape(self) -> str:
        return f"{size_name(self.size)} x 16, {self.units} units"

    def small(self) -> Problem:
        return replace(self, size=min(self.size, self.warm_up), units=min(self.units, UNITS))

    def data(self) -> Data:
        rng, n = np.random.default_rng(self.seed), self.size
        x = np.column_stack([rng.standard_normal((n, 8)), rng.random((n, 7)) < 0.3])
        share = rng.lognormal(0.0, 0.7, self.units)
        unit = rng.choice(self.units, n, p=share / share.sum())
        # Everyone is there, so that a unit's number is its place.
        unit[: self.units] = np.arange(self.units)
        y = 1.0 + x @ rng.normal(0.0, 0.15, 15) + rng.normal(0.0, 0.3, self.units)[unit] + rng.standard_normal(n)
        return {"x": x, "y": y, "unit": unit}

    def score(self, data: Data, answer: Answer) -> float:
        found = answer["slopes"], answer["level"], answer["unit_sd"], answer["residual_sd"]
        by_moments = answer.get("moments", False)
        arrays = data["x"], data["y"], data["unit"], self.units
        return scores.linear_intercept(*arrays, *found, variances=not by_moments)


@dataclass(frozen=True)
class Bootstrap(Problem):
    """``size`` replicates of cases redrawn: successes and trials vary."""

    seed: int = 15
    family = "bootstrap of a grouped logit"
    about = "98 units of some 200 cases x 7 covariates and a level; cases redrawn. The worst replicate is judged."
    warm_up = 50

    @property
    def shape(self) -> str:
        return f"{self.size} x 98 x 8"

    def data(self) -> Data:
        rng = np.random.default_rng(self.seed)
        x, trials = rng.standard_normal((UNITS, 7)), rng.poisson(200, UNITS)
        chance = scores.logistic(x @ rng.normal(0.0, 0.15, 7) - 1.0)
        events = rng.binomial(trials, chance)
        counts = np.concatenate([events, trials - events])
        drawn = rng.multinomial(counts.sum(), counts / counts.sum(), size=self.size).astype(float)
        events_drawn = np.ascontiguousarray(drawn[:, :UNITS])
        return {"x": x, "y": events_drawn, "size": events_drawn + drawn[:, UNITS:]}

    def score(self, data: Data, answer: Answer) -> float:
        return scores.grouped_logits(data["x"], data["y"], data["size"], answer["level"], answer["slopes"])


FACTORS = (2, 2, 3, 4, 5, 2, 3, 2)


@dataclass(frozen=True)
class Cells(Problem):
    """Eight factors, 2,880 combinations x 98 units; ``kind`` is how the table holds them."""

    kind: str = "categories"
    seed: int = 16
    family = "categorical covariates, 98 unit effects"
    about = (
        "Eight factors of 2 to 5 levels (2,880 combinations) x 98 units, one row a case, in a dataframe of pandas "
        "categoricals or of whole numbers and text. A dense matrix would have 15 columns."
    )
    warm_up = 5_000

    @property
    def shape(self) -> str:
        return f"{size_name(self.size)}, {self.kind}"

    def data(self) -> Data:
        import pandas as pd

        rng, n = np.random.default_rng(self.seed), self.size
        columns: dict[str, Any] = {}
        codes: list[np.ndarray] = []
        eta = np.full(n, -2.0, dtype=np.float32)
        for j, levels in enumerate(FACTORS):
            share = rng.dirichlet(np.full(levels, 5.0))
            code = np.searchsorted(np.cumsum(share)[:-1], rng.random(n, dtype=np.float32)).astype(np.int8)
            effect = rng.normal(0.0, 0.2, levels).astype(np.float32)
            eta += effect[code]
            codes.append(code)
            labels = [f"level {i}" for i in range(levels)]
            if self.kind == "categories":
                columns[f"f{j}"] = pd.Categorical.from_codes(code, labels)
            else:
                columns[f"f{j}"] = code.astype(np.int64) if j % 2 else np.array(labels, dtype=object)[code]
        unit = rng.integers(0, UNITS, n, dtype=np.int16)
        eta += rng.normal(0.0, 0.35, UNITS).astype(np.float32)[unit]
        y = (rng.random(n, dtype=np.float32) < scores.logistic(eta)).astype(np.int8)
        columns["y"] = y if self.kind == "categories" else y.astype(np.int64)
        names = [f"unit {i:02d}" for i in range(UNITS)]
        columns["unit"] = pd.Categorical.from_codes(unit, names) if self.kind == "categories" else unit.astype(np.int64)
        return {"frame": pd.DataFrame(columns), "codes": codes, "unit": unit, "y": y}

    def score(self, data: Data, answer: Answer) -> float:
        cell = data["unit"].astype(np.int64)
        for code, levels in zip(data["codes"], FACTORS, strict=True):
            cell = cell * levels + code
        cells = UNITS * int(np.prod(FACTORS))
        size, y = np.bincount(cell, minlength=cells), np.bincount(cell, data["y"], cells)
        met = np.flatnonzero(size)
        unit, *factor = np.unravel_index(met, (UNITS, *FACTORS))
        dummies = [own == i for own, levels in zip(factor, FACTORS, strict=True) for i in range(1, levels)]
        x, slopes = np.column_stack(dummies).astype(float), answer["slopes"]
        levels = answer.get("levels")
        if levels is None:
            levels = scores.levels_at(x, y[met], size[met], unit, UNITS, slopes)
        return scores.arrow(x, y[met], size[met].astype(float), unit, levels, slopes)[2]


@dataclass(frozen=True)
class LeaveOut(Problem):
    covariates: int = 10
    seed: int = 17
    family = "leave-one-unit-out expected values"
    about = (
        "Cells x 10 covariates, 98 units: each unit's expected total under slopes and average level of the 97 others. "
        "Three units are refitted by the judge."
    )
    norm = "largest relative error of an expected total"
    tolerance = 1e-7
    warm_up = 3_000

    @property
    def shape(self) -> str:
        return f"{size_name(self.size)} x {self.covariates}"

    def data(self) -> Data:
        data = draw_logit(self.size, self.covariates, self.seed, 0.35)
        rng = np.random.default_rng(self.seed + 1)
        order = np.argsort(data["unit"], kind="stable")
        x, unit, size = data["x"][order], data["unit"][order], 1.0 + rng.poisson(4.0, self.size)
        # The first draw says which side of the fence a cell is on; its other cases follow the same chance.
        y = rng.binomial(size.astype(int), np.where(data["y"][order] > 0, 0.3, 0.1)).astype(float)
        return {"x": x, "y": y, "size": size, "unit": unit}

    def score(self, data: Data, answer: Answer) -> float:
        arrays = data["x"], data["y"], data["size"], data["unit"], UNITS
        looked_at = (0, UNITS // 2, UNITS - 1)
        expected = np.array([scores.expected_by_others(*arrays, i) for i in looked_at])
        return float(np.max(np.abs(answer["expected"][list(looked_at)] / expected - 1.0)))

"""Does a 95 per cent interval cover? Draws from a country that is not the fitted model.

``python -m tests.recovery.coverage [--draws 500] [--workers 2] [scenario …]`` writes one table a scenario beside
this file, with a hash of the code it was made with; the fast tests read the tables and refuse stale ones. Where a
table has ``drawn_with``, its draws are of the code with that hash, and the code with the present one was seen to give
the same numbers, to the last digit, in the first ``equal_draws`` of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmodels import FixedEffects, PartialResultWarning, Pooled, RandomEffects, datasets, rank
from benchmodels.parallel import map_blocks
from tests.recovery.code import code_hash, functions_run

HERE = Path(__file__).parent
COVARIATES = "sex + grade_band + parents_education + parents_income + parents_work + origin + family + diagnosis"
# Fewer cells, so that limits and clusters can be drawn as often.
FEWER = "sex + grade_band + parents_education + diagnosis"
LEVEL = 0.95


@dataclass(frozen=True)
class Scenario:
    outcome: str
    model: object
    column: str
    compare: dict
    ranks: bool = False
    # Rows of the table, and what is drawn anew with the pupils: schools count as a sample under the role cluster.
    level: str = "cells"
    redrawn: tuple = ()
    # The mean of so many estimates is the truth, where the estimate of expected outcomes is not what is estimated.
    draws_of_truth: int = 0


def _pupils(model, count, covariates=COVARIATES, **options):
    return model(f"{count} ~ {covariates}", unit="municipality", trials="pupils", **options)


HOUSING = Pooled(
    "cost_1000dkk ~ C(year) + psychiatric_contacts_per_1000 + disability_pension_pct",
    unit="municipality",
    family="gaussian",
    exposure="population_18_64",
    period="year",
)

SCENARIOS = {
    "special_education_pooled_difference": Scenario(
        "special_education", _pupils(Pooled, "segregated"), "segregated", {"contrast": "difference"}
    ),
    "special_education_within_difference": Scenario(
        "special_education", _pupils(FixedEffects, "segregated"), "segregated", {"contrast": "difference"}
    ),
    "special_education_within_ratio_all": Scenario(
        "special_education",
        _pupils(FixedEffects, "segregated", FEWER),
        "segregated",
        {"contrast": "ratio", "reference": "all"},
    ),
    "special_education_within_direct": Scenario(
        "special_education",
        _pupils(FixedEffects, "segregated"),
        "segregated",
        {"standard": "direct", "contrast": "rate"},
        ranks=True,
    ),
    "special_education_exact_limits": Scenario(
        "special_education",
        _pupils(Pooled, "segregated", FEWER),
        "segregated",
        {"contrast": "ratio", "limits": "exact"},
    ),
    "school_absence_within_difference": Scenario(
        "school_absence", _pupils(FixedEffects, "high_absence"), "high_absence", {"contrast": "difference"}
    ),
    "special_education_schools": Scenario(
        "special_education",
        _pupils(FixedEffects, "segregated", FEWER, cluster="school_id"),
        "segregated",
        {"contrast": "difference"},
        level="school_cells",
        redrawn=("schools",),
    ),
    "school_absence_probit_ratio": Scenario(
        "school_absence",
        _pupils(Pooled, "high_absence", FEWER, link="probit"),
        "high_absence",
        {"contrast": "ratio"},
    ),
    "sheltered_housing_ratio": Scenario("sheltered_housing", HOUSING, "cost_1000dkk", {"contrast": "ratio"}),
    "sheltered_housing_random_difference": Scenario(
        "sheltered_housing",
        RandomEffects(
            "cost_1000dkk ~ C(year) + psychiatric_contacts_per_1000 + disability_pension_pct",
            unit="municipality",
            family="gaussian",
            exposure="population_18_64",
            period="year",
        ),
        "cost_1000dkk",
        {"contrast": "difference"},
        # Slopes are weighted by the share of noise in the spread, and expected costs have no noise.
        draws_of_truth=400,
    ),
    "special_education_random_difference": Scenario(
        "special_education", _pupils(RandomEffects, "segregated", FEWER), "segregated", {"contrast": "difference"}
    ),
    "school_absence_random_within_ratio": Scenario(
        "school_absence",
        _pupils(RandomEffects, "high_absence", FEWER, slopes="within"),
        "high_absence",
        {"contrast": "ratio", "reference": "all"},
    ),
    "sheltered_housing_direct": Scenario(
        "sheltered_housing", HOUSING, "cost_1000dkk", {"standard": "direct", "contrast": "difference"}, ranks=True
    ),
}


class Trial:
    """A scenario on its country: the truth, and comparisons of drawn outcomes."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.country = scenario, datasets.simulate_denmark()
        self.pupils = scenario.outcome != "sheltered_housing"
        self.options = {"level": scenario.level} if self.pupils else {}
        self.frame = getattr(self.country, scenario.outcome)(**self.options)
        if scenario.redrawn:
            # No closed form where schools are drawn anew: the mean of many draws, its error a twentieth of a draw's.
            expected = sum(values / 400.0 for values in self.drawn(400, np.random.default_rng(7)))
        else:
            expected = self.country.expected_counts(scenario.outcome)
        self.truth = self.compared(expected)
        if scenario.draws_of_truth:
            drawn = self.drawn(scenario.draws_of_truth, np.random.default_rng(7))
            self.truth = replace(self.truth, estimate=np.mean([self.compared(v).estimate for v in drawn], axis=0))
        self.order = np.argsort(np.argsort(-self.truth.estimate)) + 1

    def drawn(self, size, rng):
        redrawn = {"redrawn": self.scenario.redrawn} if self.pupils else {}
        return self.country.draws(self.scenario.outcome, n=size, rng=rng, **self.options, **redrawn)

    def compared(self, values):
        table = self.frame.assign(**{self.scenario.column: values})
        if not self.pupils:
            apart = ("service", "cost_1000dkk", "full_year_persons", "municipality", "year")
            first = {c: "first" for c in table.columns if c not in apart}
            table = table.groupby(["municipality", "year"], as_index=False).agg(first | {"cost_1000dkk": "sum"})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PartialResultWarning)
            return self.scenario.model.fit(table).compare(level=LEVEL, **self.scenario.compare)

    def block(self, size, rng):
        """Return hits, misses below and widths (size, k), and what rank sets hold (size, 2)."""
        hits, below, widths, ranked = [], [], [], []
        true = self.truth.estimate
        for values in self.drawn(size, rng):
            c = self.compared(values)
            hits.append(np.where(c.withheld == "", (c.lower <= true) & (true <= c.upper), np.nan))
            below.append(true < c.lower)
            widths.append(c.upper - c.lower)
            if self.scenario.ranks:
                sets = rank(c, draws=2000, rng=rng).to_frame()
                inside = (sets.simultaneous_lower <= self.order) & (self.order <= sets.simultaneous_upper)
                marginal = (sets.lower <= self.order) & (self.order <= sets.upper)
                ranked.append([inside.all(), marginal.mean()])
        return np.array(hits), np.array(below), np.array(widths), np.array(ranked)


def by_size(truth) -> dict:
    order = np.argsort(truth.size, kind="stable")
    # As even as can be: 32, 33 and 33 of 98.
    one, two = len(order) // 3, 2 * len(order) // 3
    return {
        "all": order,
        "smallest third": order[:one],
        "middle third": order[one:two],
        "largest third": order[two:],
        "ten smallest": order[:10],
    }


def run(name: str, draws: int, workers: int, rng: int = 20260) -> dict:
    trial = Trial(SCENARIOS[name])
    functions = functions_run(lambda: trial.block(1, np.random.default_rng(1)))
    started = time.perf_counter()

    def progress(done):
        print(f"{name}: {done}/{draws} in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)

    blocks = map_blocks(trial.block, draws, block=10, rng=rng, workers=workers, progress=progress)
    hits, below, widths, ranked = (np.concatenate([b[i] for b in blocks]).astype(float) for i in range(4))
    table = {}
    for label, members in by_size(trial.truth).items():
        each = np.nanmean(hits[:, members], axis=1)
        table[label] = {
            "coverage": round(float(each.mean()), 5),
            "mc_error": round(float(each.std(ddof=1) / np.sqrt(draws)), 5),
            "missed_below": round(float(below[:, members].mean()), 5),
        }
    result = {
        "scenario": name,
        "draws": draws,
        "level": LEVEL,
        "units": len(trial.truth),
        "rng": rng,
        "functions": functions,
        "code": code_hash(functions),
        "withheld_share": float(np.isnan(hits).mean()),
        "mean_width": float(np.nanmean(widths)),
        "intervals": table,
    }
    if SCENARIOS[name].ranks:
        result["ranks"] = {
            "simultaneous": round(float(ranked[:, 0].mean()), 5),
            "mc_error": round(float(ranked[:, 0].std(ddof=1) / np.sqrt(draws)), 5),
            "marginal": round(float(ranked[:, 1].mean()), 5),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS))
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="print, do not write")
    options = parser.parse_args()
    for name in options.scenarios or list(SCENARIOS):
        result = run(name, options.draws, options.workers)
        text = json.dumps(result, indent=1, ensure_ascii=False)
        print(text)
        if not options.dry:
            (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

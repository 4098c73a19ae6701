"""Does a 95 per cent interval cover? Draws from a country that is not the fitted model.

``python -m tests.recovery.coverage [--draws 500] [--workers 2] [scenario …]`` writes one table a scenario beside
this file, with a hash of the code it was made with; the fast tests read the tables and refuse stale ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import benchmodels
from benchmodels import FixedEffects, PartialResultWarning, Pooled, datasets, rank
from benchmodels.parallel import map_blocks

HERE = Path(__file__).parent
COVARIATES = "sex + grade_band + parents_education + parents_income + parents_work + origin + family + diagnosis"
LEVEL = 0.95


@dataclass(frozen=True)
class Scenario:
    outcome: str
    model: object
    column: str
    compare: dict
    ranks: bool = False
    kwargs: tuple = ()


def _pupils(model, count, **options):
    return model(f"{count} ~ {COVARIATES}", unit="municipality", trials="pupils", **options)


HOUSING = Pooled(
    "cost_1000dkk ~ C(year) + psychiatric_contacts_per_1000 + disability_pension_pct",
    unit="municipality", family="gaussian", exposure="population_18_64", period="year",
)

SCENARIOS = {
    "special_education_pooled_difference": Scenario(
        "special_education", _pupils(Pooled, "segregated"), "segregated", {"contrast": "difference"}
    ),
    "special_education_within_difference": Scenario(
        "special_education", _pupils(FixedEffects, "segregated"), "segregated", {"contrast": "difference"}
    ),
    "special_education_within_ratio_all": Scenario(
        "special_education", _pupils(FixedEffects, "segregated"), "segregated", {"contrast": "ratio", "reference": "all"}
    ),
    "special_education_within_direct": Scenario(
        "special_education", _pupils(FixedEffects, "segregated"), "segregated",
        {"standard": "direct", "contrast": "rate"}, ranks=True,
    ),
    "special_education_exact_limits": Scenario(
        "special_education", _pupils(Pooled, "segregated"), "segregated", {"contrast": "ratio", "limits": "exact"}
    ),
    "school_absence_within_difference": Scenario(
        "school_absence", _pupils(FixedEffects, "high_absence"), "high_absence", {"contrast": "difference"}
    ),
    "sheltered_housing_ratio": Scenario("sheltered_housing", HOUSING, "cost_1000dkk", {"contrast": "ratio"}),
    "sheltered_housing_direct": Scenario(
        "sheltered_housing", HOUSING, "cost_1000dkk", {"standard": "direct", "contrast": "difference"}, ranks=True
    ),
}


def code_hash() -> str:
    """Hash of the code that the intervals rest on."""
    root = Path(benchmodels.__file__).parent
    files = sorted([*(root / "kernels").glob("*.py"), *(root / "adjustment").glob("*.py"), *(root / "datasets").glob("*.py"),
                    root / "ranking.py", root / "comparison.py", root / "design.py"])
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _table(scenario, country):
    frame = getattr(country, scenario.outcome)()
    return frame


def run(name: str, draws: int, workers: int, rng: int = 20260) -> dict:
    scenario = SCENARIOS[name]
    country = datasets.simulate_denmark()
    frame = _table(scenario, country)
    expected = country.expected_counts(scenario.outcome)

    def prepared(values):
        table = frame.assign(**{scenario.column: values})
        if scenario.outcome == "sheltered_housing":
            first = {c: "first" for c in table.columns if c not in ("service", "cost_1000dkk", "full_year_persons", "municipality", "year")}
            table = table.groupby(["municipality", "year"], as_index=False).agg(
                first | {"cost_1000dkk": "sum", "full_year_persons": "sum"}
            )
        return table

    def compared(values):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PartialResultWarning)
            return scenario.model.fit(prepared(values)).compare(level=LEVEL, **scenario.compare)

    truth = compared(expected)
    order = np.argsort(np.argsort(-truth.estimate)) + 1

    def block(size, child):
        hits, below, widths, ranked = [], [], [], []
        for values in country.draws(scenario.outcome, n=size, rng=child):
            c = compared(values)
            hits.append((c.lower <= truth.estimate) & (truth.estimate <= c.upper))
            below.append(truth.estimate < c.lower)
            widths.append(c.upper - c.lower)
            if scenario.ranks:
                sets = rank(c, draws=2000, rng=child).to_frame()
                inside = (sets.simultaneous_lower <= order) & (order <= sets.simultaneous_upper)
                marginal = (sets.lower <= order) & (order <= sets.upper)
                ranked.append([inside.all(), marginal.mean()])
        return np.array(hits), np.array(below), np.array(widths), np.array(ranked)

    started = time.perf_counter()

    def progress(done):
        print(f"{name}: {done}/{draws} in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)

    blocks = map_blocks(block, draws, block=10, rng=rng, workers=workers, progress=progress)
    hits = np.vstack([b[0] for b in blocks]).astype(float)
    below = np.vstack([b[1] for b in blocks]).astype(float)
    by_size = np.argsort(truth.size, kind="stable")
    k = len(by_size)
    groups = {"all": by_size, "smallest third": by_size[: k // 3], "middle third": by_size[k // 3 : 2 * k // 3],
              "largest third": by_size[2 * k // 3 :], "ten smallest": by_size[:10]}
    table = {}
    for label, members in groups.items():
        each = hits[:, members].mean(axis=1)
        table[label] = {"coverage": round(float(each.mean()), 5),
                        "mc_error": round(float(each.std(ddof=1) / np.sqrt(len(each))), 5),
                        "missed_below": round(float(below[:, members].mean()), 5)}
    result = {"scenario": name, "draws": draws, "level": LEVEL, "units": k, "rng": rng, "code": code_hash(),
              "withheld": int((truth.withheld != "").sum()),
              "mean_width": float(np.mean([b[2].mean() for b in blocks])), "intervals": table}
    if scenario.ranks:
        ranked = np.vstack([b[3] for b in blocks]).astype(float)
        result["ranks"] = {"simultaneous": round(float(ranked[:, 0].mean()), 5),
                           "mc_error": round(float(max(ranked[:, 0].std(ddof=1), 0.0) / np.sqrt(draws)), 5),
                           "marginal": round(float(ranked[:, 1].mean()), 5)}
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

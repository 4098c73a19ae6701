"""Does a composite find planted good practice? Three adjusted outcomes of simulated countries whose practice is known.

``python -m tests.recovery.planted_composites [--countries 20]`` writes ``planted_composites.json`` beside the
code of the page, which tells it. Each country has
pupils' absence, special education and sheltered housing; the composites are of directly standardised ratios, low is
better. Three truths: the composite of the planted ratios; that of what the models estimate when chance is taken away
(their probability limit: what their intervals can be asked to hold); and mean planted practice, in standard deviations.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

import benchmodels.replication
from benchmodels.adjustment import FixedEffects, Pooled
from benchmodels.datasets import simulate_denmark
from benchmodels.frontier.composites import BenefitOfTheDoubt
from benchmodels.kernels.composites import compose
from benchmodels.placing import best_set
from tests.recovery.code import code_hash
from tests.recovery.composite_coverage import FUNCTIONS

FILE = Path(benchmodels.replication.__file__).parent / "planted_composites.json"
PUPILS = {"school_absence": "high_absence", "special_education": "segregated"}
OUTCOMES = (*PUPILS, "sheltered_housing")
COVARIATES = (
    "sex",
    "grade_band",
    "parents_education",
    "parents_income",
    "parents_work",
    "origin",
    "family",
    "diagnosis",
)
PLACES = ("psychiatric_contacts_per_1000", "disability_pension_pct", "low_education_pct", "single_households_pct")
SHARES, TENTH, REPLICATES = (0.1, 0.5), 10, 500


def comparisons(country, *, expected=False):
    """Return the three comparisons of a country, or what they would be without chance."""
    found = {}
    for name, column in PUPILS.items():
        table = getattr(country, name)()
        if expected:
            # Whole numbers of pupils are needed, so that all are a thousand times as many.
            table[column] = np.round(1000 * country.expected_counts(name)).astype(int)
            table["pupils"] *= 1000
        model = FixedEffects(
            formula=f"{column} ~ " + " + ".join(f"C({name})" for name in COVARIATES),
            unit="municipality", trials="pupils", family="binomial",
        )  # fmt: skip
        found[name] = _direct(model.fit(table))
    table = country.sheltered_housing()
    if expected:
        table["cost_1000dkk"] = country.expected_counts("sheltered_housing")
    first = dict.fromkeys(["population_18_64", *PLACES], "first")
    table = table.groupby(["municipality", "year"], as_index=False).agg({"cost_1000dkk": "sum", **first})
    table.attrs = {"simulated": True}
    model = Pooled(
        formula="cost_1000dkk ~ C(year) + " + " + ".join(PLACES),
        unit="municipality", exposure="population_18_64", period="year", family="gaussian",
    )  # fmt: skip
    found["sheltered_housing"] = _direct(model.fit(table))
    return found


def _direct(fit):
    return fit.compare(standard="direct", contrast="ratio", reference="all", better="low")


def aligned(values, units):
    return np.column_stack([values[name].reindex(units).to_numpy(float) for name in OUTCOMES])


def z_scores(value):
    """Mean of standardised outcomes (k,), low is better."""
    return ((value - value.mean(axis=0)) / value.std(axis=0, ddof=1)).mean(axis=1)


def truths(country, units, corners):
    """Return the planted composite, the models' own limit of it, and mean planted practice (k,) each."""
    told = {
        name: country.truth(name, standard="direct", contrast="ratio").set_index("municipality") for name in OUTCOMES
    }
    planted = aligned({name: frame["value"] for name, frame in told.items()}, units)
    practice = aligned({name: frame["practice"] for name, frame in told.items()}, units)
    limit = comparisons(country, expected=True)
    limit = aligned({name: pd.Series(c.estimate, index=c.unit) for name, c in limit.items()}, units)
    distance = [1.0 / (1.0 - compose(-value, value, corners).beta) for value in (planted, limit)]
    return {"composite": distance[0], "limit": distance[1], "practice": z_scores(practice)}


def one(seed):
    """Return what was seen of one country."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        country = simulate_denmark(rng=seed)
        data = comparisons(country)
        fit = BenefitOfTheDoubt(outcomes=OUTCOMES, shares=SHARES).fit(data)
        found = fit.uncertainty(replicates=REPLICATES, rng=seed)
        comparison = fit.compare(uncertainty=found)
        true = truths(country, fit.unit, fit.corners)
        best = best_set(comparison, tau=TENTH, rng=seed)
    scores = {"found": fit.distance, "drawn": found.corrected, "z": z_scores(fit.outcomes.value)}
    row = {"reliability": float(found.reliability.min()), "best_found": int(fit.best.sum())}
    chosen = np.isin(fit.unit, best.unit[best.verdict == "possible"])
    row["set"] = int(chosen.sum())
    for name, truth in true.items():
        top = np.argsort(truth, kind="stable")[:TENTH]
        for which, score in scores.items():
            row[f"{which}_{name}"] = float(spearmanr(score, truth).statistic)
            row[f"{which}_{name}_top"] = float(np.isin(np.argsort(score, kind="stable")[:TENTH], top).mean())
        row[f"set_{name}_top"] = float(chosen[top].mean())
        if name != "practice":
            held = (comparison.lower - 1e-9 <= truth) & (truth <= comparison.upper + 1e-9)
            row[f"intervals_{name}"] = float(held[comparison.withheld == ""].mean())
    return row


def run(countries: int) -> dict:
    rows, started = [], time.perf_counter()
    for seed in range(2026, 2026 + countries):
        rows.append({"seed": seed} | {name: round(value, 4) for name, value in one(seed).items()})
        print(f"{time.perf_counter() - started:.0f} s", rows[-1], file=sys.stderr, flush=True)
    mean = pd.DataFrame(rows).drop(columns="seed").mean()
    return {
        "countries": countries,
        "studies": [name.replace("_", "-") for name in OUTCOMES],
        "shares": SHARES,
        "tenth": TENTH,
        "replicates": REPLICATES,
        "functions": FUNCTIONS,
        "code": code_hash(FUNCTIONS),
        "mean": {name: round(float(value), 3) for name, value in mean.items()},
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--countries", type=int, default=20)
    text = json.dumps(run(parser.parse_args().countries), indent=1)
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""How often do intervals and rank sets of composites hold? Outcomes, or a frontier, that are known.

``python -m tests.recovery.composite_coverage [--draws 40]`` writes ``coverage.json`` beside the composites' code, which
tells it to users, whatever it says. Of outcomes: what they truly are is drawn, normal on a scale (``log`` for those in
proportion) with a correlation of .3, then observed with errors that depend on the unit's size; the truth is the
composite of what they truly are, against the best of the units that there are. Of units: these fall short of a sphere
by a half-normal waste; the truth is the distance to the sphere.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import benchmodels.frontier.composites
from benchmodels import rank
from benchmodels.comparison import Comparison, Source
from benchmodels.errors import BenchmodelsWarning
from benchmodels.frontier.composites import BenefitOfTheDoubt
from benchmodels.kernels.composites import compose
from tests.recovery.code import code_hash

FILE = Path(benchmodels.frontier.composites.__file__).parent / "coverage.json"
LEVEL, REPLICATES = 0.95, 300
BOUNDS = (0.1, 0.6)
RELIABILITIES = (0.5, 0.8, 0.95)
# What is drawn, measure, units, outcomes, whether shares have bounds, and the share of the tables that are drawn.
CASES = (
    *(("outcomes", "directional", units, s, bounded, share)
      for units, share in ((40, 1.0), (98, 0.4)) for s in (2, 3, 5) for bounded in (False, True)),
    *(("outcomes", "radial", units, s, False, 0.4) for units in (40, 98) for s in (2, 3, 5)),
    *(("outcomes", "radial", units, 3, True, 0.25) for units in (40, 98)),
    *(("units", measure, units, s, False, 0.25)
      for measure in ("directional", "radial") for units in (40, 98) for s in (2, 3, 5)),
)  # fmt: skip
# What the intervals are made by; the programs below have tests of their own, and answers that do not depend on how.
FUNCTIONS = [
    "frontier/composites/uncertainty.py:_drawn",
    "frontier/composites/uncertainty.py:_shrink",
    "frontier/composites/uncertainty.py:_size",
    "frontier/composites/uncertainty.py:_subsampled",
    "frontier/composites/uncertainty.py:_with_some_error",
    "frontier/composites/uncertainty.py:with_uncertainty",
    "kernels/composites.py:_each_alone",
    "kernels/composites.py:_groups",
    "kernels/composites.py:_shifted",
    "kernels/composites.py:compose",
    "kernels/composites.py:compose_again",
    "kernels/empirical_bayes.py:normal_posterior",
    "kernels/frontier_bootstrap.py:rate",
    "kernels/shrunken_draws.py:ShrunkenOutcomes.draw",
    "kernels/shrunken_draws.py:between_covariance",
    "kernels/shrunken_draws.py:shrunken_outcomes",
]


def comparison_of(estimate, std_error, *, unit=None, better="low", contrast="difference", **changes) -> Comparison:
    """A comparison of estimates with known errors."""
    k = len(estimate)
    null = 0.0 if contrast == "difference" else 1.0
    asked = {
        "unit": np.array([f"u{i:03}" for i in range(k)] if unit is None else unit, dtype=object),
        "size": np.ones(k),
        "observed": estimate,
        "expected": np.full(k, null),
        "estimate": estimate,
        "lower": estimate - 1.96 * std_error,
        "upper": estimate + 1.96 * std_error,
        "noise": np.square(std_error),
        "shared": np.zeros((k, 0)),
        "core": np.zeros((0, 0)),
        "null": null,
        "null_std_error": std_error,
        "df": np.full(k, np.inf),
        "overlap": np.full(k, np.nan),
        "withheld": np.where(np.isfinite(std_error), "", "not known").astype(object),
        "standard": "indirect",
        "contrast": contrast,
        "reference": "others",
        "level": 0.95,
        "better": better,
        "source": Source(model="drawn", version="0", rows_read=k, rows_dropped=0, noise="given", simulated=True),
    }
    return Comparison(**(asked | changes))


def of_outcomes(measure, units, s, bounded, reliability, seed):
    """Return the fit of noisy outcomes, and the true distances."""
    rng = np.random.default_rng([seed, units, s, int(100 * reliability), measure == "radial"])
    common = rng.normal(size=(units, 1))
    truth = np.sqrt(0.3) * common + np.sqrt(0.7) * rng.normal(size=(units, s))
    size = np.exp(rng.normal(0.0, 0.6, units))
    noise = np.sqrt((1.0 - reliability) / reliability) / np.sqrt(size * np.mean(1.0 / size))
    radial = measure == "radial"
    # Of ratios the spread is a twelfth, so that even the least reliable are drawn above zero.
    truth, error = (1.0 + truth / 12.0, noise / 12.0) if radial else (truth, noise)
    seen = truth + error[:, None] * rng.normal(size=(units, s))
    names = [f"y{j}" for j in range(s)]
    contrast = "ratio" if radial else "difference"
    data = {name: comparison_of(seen[:, j], error, contrast=contrast) for j, name in enumerate(names)}
    fit = BenefitOfTheDoubt(
        outcomes=names, orientation=measure, direction="own" if radial else "spread",
        shares=BOUNDS if bounded else None,
    ).fit(data)  # fmt: skip
    beta = compose(-truth, truth if radial else fit.outcomes.steps, fit.corners).beta
    return fit, 1.0 / (1.0 - beta) if radial else beta


def of_units(measure, units, s, seed):
    """Return the fit of units that fall short of a sphere, and their distances to it."""
    import pandas as pd

    rng = np.random.default_rng([seed, units, s, measure == "radial"])
    mix = np.sqrt(rng.dirichlet(np.ones(s), units))
    value = mix * np.exp(-np.abs(rng.normal(0, 0.3, units)))[:, None]
    names = [f"y{j}" for j in range(s)]
    direction = "own" if measure == "radial" else dict.fromkeys(names, 1.0)
    asked = BenefitOfTheDoubt(outcomes=names, unit="unit", better="high", orientation=measure, direction=direction)
    fit = asked.fit(pd.DataFrame(value, columns=names).assign(unit=[f"u{i:03}" for i in range(units)]))
    if measure == "radial":
        return fit, 1.0 / np.linalg.norm(value, axis=1)
    # ‖y + β 1‖ = 1.
    total = value.sum(axis=1)
    return fit, (-total + np.sqrt(total**2 - s * ((value**2).sum(axis=1) - 1.0))) / s


def one(of, measure, units, s, bounded, reliability, seed):
    """Return what was seen of one table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BenchmodelsWarning)
        if of == "outcomes":
            fit, truth = of_outcomes(measure, units, s, bounded, reliability, seed)
        else:
            fit, truth = of_units(measure, units, s, seed)
        found = fit.uncertainty(of=of, replicates=REPLICATES, level=LEVEL, rng=seed)
        comparison = fit.compare(uncertainty=found)
        ranks = rank(comparison, level=LEVEL)
    known = np.isfinite(comparison.lower)
    held = (comparison.lower - 1e-9 <= truth) & (truth <= comparison.upper + 1e-9)
    # Several are equal at the frontier: a set holds a rank that the unit may have among its equals.
    kept = np.isfinite(ranks.rank)
    low = 1 + (truth[kept][:, None] > truth[kept] + 1e-9).sum(axis=1)
    high = (truth[kept][:, None] >= truth[kept] - 1e-9).sum(axis=1)
    ends = {name: getattr(ranks, name)[kept] for name in ("lower", "upper", "simultaneous_lower", "simultaneous_upper")}
    return {
        "intervals": held[known].mean(),
        "on_the_frontier": held[known & fit.best].mean() if (known & fit.best).any() else np.nan,
        "width": (comparison.upper - comparison.lower)[known].mean() / np.std(truth),
        "withheld": 1 - known.mean(),
        "ranks": np.mean((ends["lower"] <= high) & (low <= ends["upper"])),
        "all_ranks": np.all((ends["simultaneous_lower"] <= high) & (low <= ends["simultaneous_upper"])),
        "bias_found": (comparison.estimate - truth).mean() / np.std(truth),
        "bias_corrected": (comparison.corrected - truth)[known].mean() / np.std(truth),
        "error_found": np.sqrt(np.mean((comparison.estimate - truth) ** 2)) / np.std(truth),
        "error_corrected": np.sqrt(np.mean((comparison.corrected - truth)[known] ** 2)) / np.std(truth),
    }


def run(draws: int) -> None:
    """Write the table after each row; rows that it has of this code and so many draws are kept."""
    import pandas as pd

    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    code = code_hash(FUNCTIONS)
    there = {_key(row): row for row in kept.get("rows", [])} if kept.get("code") == code else {}
    rows, started = [], time.perf_counter()
    for of, measure, units, s, bounded, part in CASES:
        for reliability in RELIABILITIES if of == "outcomes" else (1.0,):
            number = round(draws * part)
            row = {"of": of, "measure": measure, "units": units, "outcomes": s, "bounded": bounded}
            row |= {"reliability": reliability, "draws": number}
            if _key(row) not in there:
                drawn = [one(of, measure, units, s, bounded, reliability, seed) for seed in range(number)]
                table = pd.DataFrame(drawn).astype(float)
                row |= {name: round(float(value), 4) for name, value in table.mean().items()}
                row["mc_error"] = round(float(table["intervals"].std(ddof=1) / np.sqrt(number)), 4)
                print(f"{time.perf_counter() - started:.0f} s", row, file=sys.stderr, flush=True)
            rows.append(there.get(_key(row), row))
            told = {"level": LEVEL, "replicates": REPLICATES, "functions": FUNCTIONS, "code": code, "rows": rows}
            FILE.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _key(row) -> tuple:
    return tuple(row[name] for name in ("of", "measure", "units", "outcomes", "bounded", "reliability", "draws"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=40)
    run(parser.parse_args().draws)


if __name__ == "__main__":
    main()

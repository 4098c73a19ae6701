"""How often do a frontier's intervals and rank sets hold? Units whose true efficiency is known in closed form.

``python -m tests.recovery.frontier_coverage [--draws 100]`` writes ``coverage.json`` beside the frontier's code, which
tells it to users, whatever it says: where goods are many no bootstrap can tell how far the frontier found is from the
true one.
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

import benchmodels.frontier
from benchmodels import rank, shrink
from benchmodels.frontier import DEA
from tests.recovery.code import code_hash

FILE = Path(benchmodels.frontier.__file__).parent / "coverage.json"
LEVEL, REPLICATES = 0.95, 400
GOODS = ((1, 1), (3, 1), (4, 2))
KINDS = ("smoothed", "subsample", "simar-wilson-2000")
UNITS = (40, 98, 300)
# What the intervals are made by; the programs below have tests of their own, and answers that do not depend on how.
FUNCTIONS = [
    "frontier/bootstrap.py:bootstrap_of",
    "frontier/resampled.py:_heterogeneous",
    "frontier/resampled.py:_least_volatile",
    "frontier/resampled.py:_smoothed",
    "frontier/resampled.py:_subsampled",
    "frontier/resampled.py:bandwidth_asked",
    "frontier/resampled.py:basic_interval",
    "frontier/resampled.py:shrink_of",
    "frontier/resampled.py:size_asked",
    "frontier/uncertainty.py:with_replicates",
    "kernels/frontier_bootstrap.py:_replicates",
    "kernels/frontier_bootstrap.py:pseudo_replicates",
    "kernels/frontier_bootstrap.py:rate",
    "kernels/frontier_bootstrap.py:strange_replicates",
    "kernels/frontier_bootstrap.py:subset_replicates",
    "kernels/heterogeneous_scores.py:cloud_of",
    "kernels/heterogeneous_scores.py:normal_bandwidth",
    "kernels/heterogeneous_scores.py:smoothed_units",
    "kernels/smoothed_scores.py:bandwidth_of",
    "kernels/smoothed_scores.py:smoothed_draws",
]


def draw(n, inputs, outputs, rng):
    """n units with returns of .9 and half-normal waste, and their true efficiencies in inputs.

    Made of the inputs x is all of y with ‖y‖ ≤ Π x^(.9 / m); of a unit that makes exp(-u) of it, inputs could be
    multiplied by exp(-u / .9).
    """
    x = rng.uniform(10, 100, (n, inputs))
    waste = np.abs(rng.normal(0, 0.3, n))
    mix = np.sqrt(rng.dirichlet(np.ones(outputs), n))
    y = mix * (np.prod(x ** (0.9 / inputs), axis=1) * np.exp(-waste))[:, None]
    frame = pd.DataFrame(
        np.column_stack([x, y]), columns=[*(f"x{i}" for i in range(inputs)), *(f"y{i}" for i in range(outputs))]
    )
    return frame.assign(unit=np.arange(n)), np.exp(-waste / 0.9)


def one(n, inputs, outputs, seed, kinds=KINDS):
    """Return, by kind, coverage, misses, width and biases of one draw."""
    frame, truth = draw(n, inputs, outputs, np.random.default_rng([seed, n, inputs, outputs]))
    names = list(frame)
    model = DEA(inputs=names[:inputs], outputs=names[inputs : inputs + outputs], unit="unit")
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = model.fit(frame)
        for kind in kinds:
            resampled = fit.bootstrap(kind=kind, replicates=REPLICATES, level=LEVEL, rng=seed)
            told = resampled.to_frame()
            known = told["lower"].notna().to_numpy()
            held = ((told["lower"] <= truth) & (truth <= told["upper"]))[known]
            found[kind] = {
                "coverage": held.mean(),
                "truth_below": (truth < told["lower"])[known].mean(),
                "width": (told["upper"] - told["lower"])[known].mean(),
                "withheld": 1 - known.mean(),
                "bias_found": (fit.efficiency - truth).mean(),
                "bias_corrected": (told["corrected"] - truth)[known].mean(),
                "on_the_frontier": np.mean(fit.efficiency > 1 - 1e-9),
            } | of_uses(fit.compare(bootstrap=resampled), 1 / truth)
    return found


def of_uses(comparison, truth):
    """Return what rank sets and shrunken values make of a comparison whose true estimates are known."""
    ranks, shrunken = rank(comparison, level=LEVEL), shrink(comparison, level=LEVEL)
    kept = np.isfinite(ranks.rank)
    true = 1 + np.argsort(np.argsort(truth[kept]))
    some = {name: getattr(ranks, name)[kept] for name in ("lower", "upper", "simultaneous_lower", "simultaneous_upper")}
    held = (shrunken.lower <= truth) & (truth <= shrunken.upper)
    return {
        "ranks": np.mean((some["lower"] <= true) & (true <= some["upper"])),
        "all_ranks": np.all((some["simultaneous_lower"] <= true) & (true <= some["simultaneous_upper"])),
        "rank_width": np.mean(some["upper"] - some["lower"] + 1) / kept.sum(),
        "shrunken": held[kept].mean(),
        "error_found": np.sqrt(np.mean((comparison.estimate - truth)[kept] ** 2)),
        "error_corrected": np.sqrt(np.mean((comparison.corrected - truth)[kept] ** 2)),
        "error_shrunken": np.sqrt(np.mean((shrunken.shrunken - truth)[kept] ** 2)),
    }


def run(draws: dict[int, int]) -> dict:
    rows, started = [], time.perf_counter()
    for n, number in draws.items():
        # The third takes longest, and is not what is used.
        kinds = KINDS if n < UNITS[-1] else KINDS[:2]
        for inputs, outputs in GOODS:
            drawn = [one(n, inputs, outputs, seed, kinds) for seed in range(number)]
            for kind in kinds:
                table = pd.DataFrame([each[kind] for each in drawn])
                row = {"units": n, "inputs": inputs, "outputs": outputs, "kind": kind, "draws": number}
                row |= {name: round(float(value), 4) for name, value in table.mean().items()}
                row["mc_error"] = round(float(table["coverage"].std(ddof=1) / np.sqrt(number)), 4)
                rows.append(row)
            print(
                n,
                inputs,
                outputs,
                f"{time.perf_counter() - started:.0f} s",
                rows[-len(kinds) :],
                file=sys.stderr,
                flush=True,
            )
    return {
        "level": LEVEL,
        "replicates": REPLICATES,
        "functions": FUNCTIONS,
        "code": code_hash(FUNCTIONS),
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=100, help="of 40 and 98 units; of 300 a third")
    options = parser.parse_args()
    text = json.dumps(run(dict(zip(UNITS, (options.draws, options.draws, options.draws // 3), strict=True))), indent=1)
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

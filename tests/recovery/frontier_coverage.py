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
# Returns, orientation, units, kinds, and the share of the tables that are drawn: those of 300 units take longest.
CASES = (
    ("vrs", "input", 40, KINDS[:2], 1.0),
    ("vrs", "input", 98, KINDS, 1.0),
    ("vrs", "input", 300, KINDS[:2], 0.33),
    ("vrs", "output", 40, KINDS[1:2], 0.6),
    ("vrs", "output", 98, KINDS[1:2], 0.6),
    ("crs", "input", 40, KINDS[1:2], 0.6),
    ("crs", "input", 98, KINDS[1:2], 0.6),
)
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
    "frontier/uncertainty.py:_completed",
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


def draw(n, inputs, outputs, rng, returns="vrs", orientation="input"):
    """n units with half-normal waste, and their true efficiencies.

    Made of the inputs x is all of y with ‖y‖ ≤ Π x^(r / m), r = .9, or 1 under constant returns; a unit makes exp(-u)
    of it, so that inputs could be multiplied by exp(-u / r).
    """
    r = 1.0 if returns == "crs" else 0.9
    x = rng.uniform(10, 100, (n, inputs))
    waste = np.abs(rng.normal(0, 0.3, n))
    mix = np.sqrt(rng.dirichlet(np.ones(outputs), n))
    y = mix * (np.prod(x ** (r / inputs), axis=1) * np.exp(-waste))[:, None]
    frame = pd.DataFrame(
        np.column_stack([x, y]), columns=[*(f"x{i}" for i in range(inputs)), *(f"y{i}" for i in range(outputs))]
    )
    return frame.assign(unit=np.arange(n)), np.exp(-waste / (r if orientation == "input" else 1.0))


def one(n, inputs, outputs, seed, kinds=KINDS, returns="vrs", orientation="input"):
    """Return, by kind, coverage, misses, width and biases of one draw."""
    rng = np.random.default_rng([seed, n, inputs, outputs])
    frame, truth = draw(n, inputs, outputs, rng, returns, orientation)
    names = list(frame)
    goods = {"inputs": names[:inputs], "outputs": names[inputs : inputs + outputs]}
    model = DEA(**goods, unit="unit", returns=returns, orientation=orientation)
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


def run(draws: int) -> dict:
    rows, started = [], time.perf_counter()
    for returns, orientation, n, kinds, share in CASES:
        number = round(draws * share)
        for inputs, outputs in GOODS:
            drawn = [one(n, inputs, outputs, seed, kinds, returns, orientation) for seed in range(number)]
            for kind in kinds:
                table = pd.DataFrame([each[kind] for each in drawn])
                row = {"units": n, "inputs": inputs, "outputs": outputs, "goods": inputs + outputs}
                row |= {"returns": returns, "orientation": orientation, "kind": kind, "draws": number}
                row |= {name: round(float(value), 4) for name, value in table.mean().items()}
                row["mc_error"] = round(float(table["coverage"].std(ddof=1) / np.sqrt(number)), 4)
                rows.append(row)
            print(f"{time.perf_counter() - started:.0f} s", rows[-len(kinds) :], file=sys.stderr, flush=True)
    return {
        "level": LEVEL,
        "replicates": REPLICATES,
        "functions": FUNCTIONS,
        "code": code_hash(FUNCTIONS),
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=100)
    text = json.dumps(run(parser.parse_args().draws), indent=1)
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

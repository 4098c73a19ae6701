"""How often do intervals of productivity change hold? Panels whose true change is known in closed form.

``python -m tests.recovery.productivity_coverage [--draws 25]`` writes ``coverage.json`` beside the code of
productivity, which tells it to users, whatever it says.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import benchmodels.frontier.productivity
from benchmodels.frontier.productivity import Malmquist
from tests.recovery.code import code_hash

FILE = Path(benchmodels.frontier.productivity.__file__).parent / "coverage.json"
LEVEL, REPLICATES = 0.95, 300
GOODS, UNITS = ((2, 1), (4, 2)), (40, 98)
# Of the frontier, from period to period.
PROGRESS = 1.03
SMOOTHED, SUBSAMPLE = "simar-wilson-1999", "subsample"
CASES = ((SUBSAMPLE, "fglr"), (SMOOTHED, "fglr"), (SMOOTHED, "fgnz"))
FUNCTIONS = [
    "frontier/productivity/bootstrap.py:MalmquistBootstrap.interval",
    "frontier/productivity/bootstrap.py:_drawn",
    "frontier/productivity/bootstrap.py:_drawn_kind",
    "frontier/productivity/bootstrap.py:_kind",
    "frontier/productivity/bootstrap.py:_pairs",
    "frontier/productivity/bootstrap.py:_row",
    "frontier/productivity/bootstrap.py:_subsets",
    "frontier/productivity/bootstrap.py:_work",
    "frontier/productivity/bootstrap.py:bootstrap_of",
    "frontier/productivity/decompositions.py:_caught",
    "frontier/productivity/decompositions.py:_index",
    "frontier/productivity/decompositions.py:parts",
    "kernels/paired_scores.py:paired_bandwidth",
    "kernels/paired_scores.py:paired_draws",
    "kernels/paired_scores.py:paired_replicates",
]


def draw(n, inputs, outputs, rng):
    """Two periods of n units with half-normal waste that half lasts, and the true changes.

    Made of the inputs x is all of y with ‖y‖ ≤ A Π x^(1 / m), constant returns, and A rises by 3 %; a unit makes
    exp(-u) of it. So efficiency changes by exp(u0 - u1), wholly pure, scale by nothing, and the frontier by A1 / A0.
    """
    lasting, x = rng.normal(size=n), rng.uniform(10, 100, (n, inputs))
    frames, waste = [], []
    for t in range(2):
        waste.append(np.abs(0.3 * np.sqrt(0.5) * (lasting + rng.normal(size=n))))
        mix = np.sqrt(rng.dirichlet(np.ones(outputs), n))
        y = mix * (PROGRESS**t * np.prod(x ** (1 / inputs), axis=1) * np.exp(-waste[t]))[:, None]
        frames.append(pd.DataFrame(np.column_stack([x, y])).assign(unit=np.arange(n), period=t))
        x = x * np.exp(rng.normal(0, 0.1, (n, inputs)))
    frame = pd.concat(frames, ignore_index=True)
    frame.columns = [*(f"x{i}" for i in range(inputs)), *(f"y{i}" for i in range(outputs)), "unit", "period"]
    caught = np.exp(waste[0] - waste[1])
    truth = {"index": caught * PROGRESS, "efficiency_change": caught, "technical_change": np.full(n, PROGRESS)}
    return frame, truth | {"pure_efficiency_change": caught, "scale_change": np.ones(n)}


def one(n, inputs, outputs, decomposition, seed, kind=SMOOTHED, **asked):
    """Return coverage, withheld changes and root mean square errors, found and corrected, of one draw."""
    frame, truth = draw(n, inputs, outputs, np.random.default_rng([seed, n, inputs, outputs]))
    names = list(frame)
    model = Malmquist(
        inputs=names[:inputs], outputs=names[inputs:-2], unit="unit", period="period", decomposition=decomposition
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resampled = model.fit(frame).bootstrap(kind=kind, replicates=REPLICATES, level=LEVEL, rng=seed, **asked)
    lower, upper = resampled.interval
    row = {}
    for j, name in enumerate(resampled.names):
        kept, true = ~resampled.withheld[j], truth[name]
        held = ((lower[j] <= true) & (true <= upper[j]))[kept]
        found, corrected = (np.log(resampled.found[j]) - shift for shift in (0.0, resampled.bias[j]))
        row[name] = {
            "coverage": held.mean() if len(held) else np.nan,
            "withheld": 1.0 - kept.mean(),
            "width": np.log(upper[j] / lower[j])[kept].mean() if len(held) else np.nan,
            "error_found": np.sqrt(np.mean((found - np.log(true)) ** 2)),
            "error_corrected": np.sqrt(np.mean((corrected - np.log(true))[kept] ** 2)) if len(held) else np.nan,
        }
    return row


def run(draws: int) -> dict:
    rows, started = [], time.perf_counter()
    for kind, decomposition in CASES:
        for n, (inputs, outputs) in itertools.product(UNITS, GOODS):
            drawn = [one(n, inputs, outputs, decomposition, seed, kind) for seed in range(draws)]
            row = {"kind": kind, "decomposition": decomposition, "reference": "contemporaneous", "returns": "crs"}
            row |= {"orientation": "input", "units": n, "inputs": inputs, "outputs": outputs, "goods": inputs + outputs}
            row["draws"] = draws
            for what in drawn[0]["index"]:
                table = pd.DataFrame({name: [each[name][what] for each in drawn] for name in drawn[0]})
                row[what] = table.mean().round(4).to_dict()
                if what == "coverage":
                    row["mc_error"] = (table.std(ddof=1) / np.sqrt(draws)).round(4).to_dict()
            rows.append(row)
            print(f"{time.perf_counter() - started:.0f} s", row, file=sys.stderr, flush=True)
    return {
        "level": LEVEL,
        "replicates": REPLICATES,
        "functions": FUNCTIONS,
        "code": code_hash(FUNCTIONS),
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=25)
    text = json.dumps(run(parser.parse_args().draws), indent=1)
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Does a second stage find what surroundings do? Distances drawn from coefficients that are known.

``python -m tests.recovery.two_stage_coverage [--draws 150]`` writes ``two_stage_coverage.json`` beside this file,
whatever it says: where goods are many the distances are too short, and so are the coefficients.
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

from benchmodels.errors import BenchmodelsError
from benchmodels.frontier import DEA
from benchmodels.kernels.truncated_regression import truncated_draws
from tests.recovery.code import code_hash

HERE = Path(__file__).parent
LEVEL, FIRST, REPLICATES = 0.95, 100, 400
UNITS = (98, 400)
GOODS = ((1, 1), (2, 1), (4, 2))
TRUE = {"constant": 0.5, "z": 0.5, "sigma": 1.0}
FUNCTIONS = [
    "kernels/truncated_regression.py:fit_truncated",
    "kernels/truncated_regression.py:truncated_draws",
    "kernels/two_stage.py:TwoStage.interval",
    "kernels/two_stage.py:_errors",
    "kernels/two_stage.py:algorithm_1",
    "kernels/two_stage.py:algorithm_2",
    "kernels/two_stage.py:corrected_stage",
    "kernels/two_stage.py:distance_errors",
    "kernels/two_stage.py:stage_of",
]


def draw(n, inputs, outputs, rng):
    """n units that could make ‖y‖ = Σ x^.75, and make it divided by δ = .5 + .5 z + N(0, 1), given δ >= 1; z N(2, 2²).

    After Simar & Wilson (2007), J Econometrics 136:31-64, section 5, but for many outputs of any mix.
    """
    x, z = rng.uniform(6.0, 16.0, (n, inputs)), rng.normal(2.0, 2.0, n)
    delta = truncated_draws(TRUE["constant"] + TRUE["z"] * z, TRUE["sigma"], 1, rng)[0]
    mix = np.sqrt(rng.dirichlet(np.ones(outputs), n))
    y = mix * (np.sum(x**0.75, axis=1) / delta)[:, None]
    names = [*(f"x{i}" for i in range(inputs)), *(f"y{i}" for i in range(outputs))]
    return pd.DataFrame(np.column_stack([x, y]), columns=names).assign(unit=np.arange(n), z=z)


def one(n, inputs, outputs, seed):
    """Return, by algorithm, estimates and whether intervals held, of one draw."""
    frame = draw(n, inputs, outputs, np.random.default_rng([seed, n, inputs, outputs]))
    names = list(frame)
    model = DEA(inputs=names[:inputs], outputs=names[inputs : inputs + outputs], unit="unit", orientation="output")
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = model.fit(frame)
        for algorithm in (1, 2):
            try:
                stage = fit.second_stage(
                    frame, ["z"], algorithm=algorithm, first=FIRST, replicates=REPLICATES, level=LEVEL, rng=seed
                )
            except BenchmodelsError:
                continue
            table = stage.to_frame().set_index("term")
            found[algorithm] = {name: table.loc[name, "coefficient"] - true for name, true in TRUE.items()}
            held = {name: table.loc[name, "lower"] <= true <= table.loc[name, "upper"] for name, true in TRUE.items()}
            found[algorithm] |= {f"{name}_held": value for name, value in held.items()}
            found[algorithm] |= {
                "efficiency": np.mean(1 / stage.found.corrected),
                "used": np.mean(stage.found.stage.used),
            }
    return found


def run(draws: int) -> dict:
    rows, started = [], time.perf_counter()
    for n in UNITS:
        for inputs, outputs in GOODS:
            drawn = [one(n, inputs, outputs, seed) for seed in range(draws)]
            for algorithm in (1, 2):
                table = pd.DataFrame([each[algorithm] for each in drawn if algorithm in each])
                row = {"units": n, "inputs": inputs, "outputs": outputs, "algorithm": algorithm, "draws": len(table)}
                row |= {"without_answer": draws - len(table)}
                for name in TRUE:
                    row[f"{name}_bias"] = round(float(table[name].mean()), 4)
                    row[f"{name}_rmse"] = round(float(np.sqrt(np.mean(table[name] ** 2))), 4)
                    row[f"{name}_coverage"] = round(float(table[f"{name}_held"].mean()), 4)
                row["used"] = round(float(table["used"].mean()), 4)
                rows.append(row)
            print(f"{time.perf_counter() - started:.0f} s", rows[-2:], file=sys.stderr, flush=True)
    return {
        "level": LEVEL,
        "first": FIRST,
        "replicates": REPLICATES,
        "functions": FUNCTIONS,
        "code": code_hash(FUNCTIONS),
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=150)
    text = json.dumps(run(parser.parse_args().draws), indent=1)
    (HERE / "two_stage_coverage.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

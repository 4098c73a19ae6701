"""How often do intervals of mergers' gains hold? Units whose frontier, and so every merger's, is known in closed form.

``python -m tests.recovery.merger_coverage [--draws 20]`` writes ``coverage.json`` beside the code, which withholds its
verdicts by it.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import benchmodels.frontier.together
from benchmodels.frontier.together import MergerGains
from benchmodels.frontier.together.bootstrap import PARTS, logs_of
from benchmodels.kernels.merging import Sums, merged_gains
from tests.recovery.code import code_hash

FILE = Path(benchmodels.frontier.together.__file__).parent / "coverage.json"
LEVEL, REPLICATES, GROUPS = 0.95, 200, 30
GOODS = ((1, 1), (1, 3), (3, 2))
KINDS = ("subsample", "smoothed")
CASES = (("vrs", "input", 98), ("vrs", "output", 98), ("crs", "input", 98), ("vrs", "input", 40), ("drs", "input", 98))
FUNCTIONS = [
    "frontier/together/bootstrap.py:MergerBootstrap._over",
    "frontier/together/bootstrap.py:MergerBootstrap.best",
    "frontier/together/bootstrap.py:MergerBootstrap.interval",
    "frontier/together/bootstrap.py:MergerBootstrap.withheld",
    "frontier/together/bootstrap.py:_pseudo",
    "frontier/together/bootstrap.py:logs_of",
    "frontier/together/bootstrap.py:merger_bootstrap",
    "kernels/frontier_bootstrap.py:rate",
    "kernels/merging.py:merged_gains",
    "kernels/merging.py:replicated_gains",
    "kernels/smoothed_scores.py:bandwidth_of",
    "kernels/smoothed_scores.py:smoothed_draws",
]


def draw(n, inputs, outputs, rng, returns="vrs"):
    """n units of lognormal size (sd .6) with half-normal waste (.3): what x can make is all of y, ‖y‖ ≤ Π x^(r / m)."""
    r = 1.0 if returns == "crs" else 0.9
    x = np.exp(rng.normal(0, 0.6, (n, 1))) * rng.uniform(20, 60, (n, inputs))
    waste, mix = np.abs(rng.normal(0, 0.3, (n, 1))), np.sqrt(rng.dirichlet(np.ones(outputs), n))
    return x, mix * np.prod(x ** (r / inputs), axis=1)[:, None] * np.exp(-waste), r


def true_gains(x, y, groups, side, r):
    """The same gains by the true frontier."""

    def farrell(inputs, outputs, member, *, inside):
        most, made = np.prod(inputs ** (r / x.shape[1]), axis=1), np.sqrt(np.sum(outputs**2, axis=1))
        return (made / most) ** (1 / r) if side == "input" else most / made, np.zeros(len(inputs), dtype=np.intp)

    return merged_gains(farrell, x, y, groups, side)


def one(n, inputs, outputs, seed, kinds=KINDS, returns="vrs", orientation="input"):
    """Return, by kind, how often each part's interval held, and the sets of possibly best groups."""
    rng = np.random.default_rng([seed, n, inputs, outputs])
    x, y, r = draw(n, inputs, outputs, rng, returns)
    names = [*(f"x{i}" for i in range(inputs)), *(f"y{i}" for i in range(outputs))]
    table = pd.DataFrame(np.column_stack([x, y]), columns=names).assign(unit=np.arange(n))
    some = [tuple(sorted(rng.choice(n, rng.integers(2, 4), replace=False).tolist())) for _ in range(GROUPS)]
    some = list(dict.fromkeys(some))
    sums = Sums(np.concatenate(some), np.concatenate([[0], np.cumsum([len(g) for g in some])]))
    truth = logs_of(true_gains(x, y, sums, orientation, r))
    model = MergerGains(
        inputs=names[:inputs], outputs=names[inputs:], unit="unit", returns=returns, orientation=orientation
    )
    sign, found = (-1.0 if orientation == "input" else 1.0), {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gains = model.fit(table).gains(some)
        for kind in kinds:
            resampled = gains.bootstrap(kind=kind, replicates=REPLICATES, level=LEVEL, rng=seed)
            known = resampled.withheld == ""
            low, high = resampled.interval
            held = (np.log(low) <= truth + 1e-9) & (truth - 1e-9 <= np.log(high))
            found[kind] = dict(zip(PARTS, held[known].mean(axis=0) if known.any() else [np.nan] * 5, strict=True))
            found[kind] |= {"withheld": 1 - known.mean(), "best": np.nan, "ranks": np.nan}
            if known.any():
                told = resampled.best().set_index("group")
                worth = pd.Series(sign * truth[:, PARTS.index("corrected")], gains.groups.name)[told.index]
                # Those that are equal but for rounding share a rank.
                rank = worth.round(9).rank(ascending=False, method="min")
                found[kind]["best"] = bool(told["may_be_best"][(rank == 1).to_numpy()].all())
                found[kind]["ranks"] = bool(((told["best_rank"] <= rank) & (rank <= told["worst_rank"])).all())
                found[kind]["may_be_best"] = told["may_be_best"].mean()
    return found


def main(draws):
    """Draw the cases that the file does not have yet of this code."""
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    same = kept.get("code") == code_hash(FUNCTIONS)
    rows = [row for row in kept.get("rows", []) if same and row["draws"] == draws]
    for returns, orientation, n in CASES:
        for inputs, outputs in GOODS:
            case = {"returns": returns, "orientation": orientation, "units": n, "goods": inputs + outputs}
            case |= {"inputs": inputs, "outputs": outputs}
            if any(case.items() <= row.items() for row in rows):
                continue
            begun = time.perf_counter()
            found = [one(n, inputs, outputs, seed, KINDS, returns, orientation) for seed in range(draws)]
            for kind in KINDS:
                frame = pd.DataFrame([each[kind] for each in found]).astype(float)
                rows.append(case | {"kind": kind, "draws": draws} | frame.mean().round(3).to_dict())
            print(f"{returns} {orientation} {n} {inputs}+{outputs}: {time.perf_counter() - begun:.0f} s", flush=True)
            table = {"code": code_hash(FUNCTIONS), "level": LEVEL, "replicates": REPLICATES, "rows": rows}
            FILE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=20)
    main(parser.parse_args().draws)

"""Do sums of goods come nearer to the true efficiencies than all goods? Units whose truth is known in closed form.

``python -m tests.recovery.dimension_reduction [--draws 60]`` writes ``dimension_reduction.json`` beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from benchmodels.kernels.aggregates import aggregate_of
from benchmodels.kernels.envelopment import envelop
from benchmodels.kernels.technology import Technology
from benchmodels.parallel import one_blas_thread
from tests.recovery.code import code_hash

FILE = Path(__file__).with_name("dimension_reduction.json")
UNITS = (40, 98, 300)
GOODS = ((2, 1), (2, 2), (3, 2), (3, 3), (4, 3))
# How far proportions differ between units: standard deviation of the logarithm of each good.
SPREADS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 1.8)
FUNCTIONS = ["kernels/aggregates.py:aggregate_of"]


def draw(n, inputs, outputs, spread, rng, *, even):
    """n units of very different sizes with half-normal waste, and their true input efficiencies.

    Made is all of y with ‖y‖ ≤ Π x^(.9 a), Σ a = 1: a alike for all inputs, or .8 for the first of them.
    """
    size = rng.lognormal(sigma=1.0, size=(n, 1))
    x = size * np.exp(spread * rng.normal(size=(n, inputs)))
    a = np.full(inputs, 1.0 / inputs) if even else np.append(0.8, np.full(inputs - 1, 0.2 / (inputs - 1)))
    waste = np.abs(rng.normal(0.0, 0.3, n))
    mix = np.exp(spread * rng.normal(size=(n, outputs)))
    mix /= np.linalg.norm(mix, axis=1)[:, None]
    y = mix * (np.prod(x ** (0.9 * a), axis=1) * np.exp(-waste))[:, None]
    return x, y, np.exp(-waste / 0.9)


def efficiency(x, y):
    step = np.concatenate([x, 0.0 * y], axis=1)
    return 1.0 - envelop(Technology(x, y, (1.0, 1.0)), x, y, step, own=np.arange(len(x))).beta


def one(n, inputs, outputs, spread, even, draws, seed=0):
    """Return a row of the table: means over tables drawn."""
    rng = np.random.default_rng([seed, n, inputs, outputs, round(100 * spread), even])
    found = []
    for _ in range(draws):
        x, y, truth = draw(n, inputs, outputs, spread, rng, even=even)
        sums = aggregate_of(x), aggregate_of(y)
        full, reduced = efficiency(x, y), efficiency(sums[0].value[:, None], sums[1].value[:, None])
        found.append([sums[0].share, sums[1].share, np.mean((full - truth) ** 2), np.mean((reduced - truth) ** 2),
                      np.mean(full - truth), np.mean(reduced - truth)])  # fmt: skip
    names = ("input_share", "output_share", "mse", "mse_of_sums", "bias", "bias_of_sums")
    ratio = np.log([row[3] / row[2] for row in found])
    return {
        "units": n, "inputs": inputs, "outputs": outputs, "spread": spread, "even": even, "draws": draws,
        **{name: round(float(value), 5) for name, value in zip(names, np.mean(found, axis=0), strict=True)},
        "std_error_of_log_ratio": round(float(np.std(ratio, ddof=1) / np.sqrt(draws)), 4),
    }  # fmt: skip


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=60)
    draws = parser.parse_args(argv).draws
    with one_blas_thread():
        rows = [
            one(n, *goods, spread, even, draws if n < 300 else max(10, draws // 3))
            for n in UNITS for goods in GOODS for spread in SPREADS for even in (True, False)
        ]  # fmt: skip
    FILE.write_text(json.dumps({"code": code_hash(FUNCTIONS), "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Small problems with an answer, as rows of the kernels."""

from __future__ import annotations

import numpy as np

from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.families import Family
from tests import plain

FAMILIES = ("binomial", "poisson", "gaussian")


def problem(family, *, k=10, cells=12, columns=2, seed=0, sd=0.3, size=40.0, degenerate=False):
    """Rows sorted by unit with unequal sizes, an offset, and practice that differs between units."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(k), cells)
    n = k * cells
    matrix = rng.normal(size=(n, columns)) + 0.3 * (unit % 3)[:, None]
    matrix[:, -1] = rng.random(n) < 0.4
    sizes = np.ceil(size * rng.uniform(0.3, 2.0, n))
    if family != "binomial":
        sizes = sizes * 0.37
    offset = 0.2 * rng.normal(size=n)
    eta = -1.0 + matrix @ np.linspace(0.4, -0.5, columns) + offset + sd * rng.normal(size=k)[unit]
    mu = plain.mean(family, eta)
    if family == "binomial":
        outcome = rng.binomial(sizes.astype(int), mu).astype(float)
    elif family == "poisson":
        outcome = rng.poisson(sizes * mu).astype(float)
    else:
        outcome = sizes * (10.0 + eta) + np.sqrt(sizes) * rng.normal(size=n)
    if degenerate:
        outcome[unit == 1] = 0.0
        if family == "binomial":
            outcome[unit == 3] = sizes[unit == 3]
    return matrix, outcome, sizes, offset, unit


def as_rows(family, matrix, outcome, size, offset, unit, *, each):
    codes = unit if each else np.zeros(len(unit), dtype=np.intp)
    groups = int(codes.max()) + 1
    return Rows(matrix, outcome, size, offset, codes.astype(np.intp), groups, Family(family), np.ones(len(unit)))

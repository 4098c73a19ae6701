"""From draws of parameters and effects to draws of each unit's true contrast."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from benchmodels._version import __version__
from benchmodels.adjustment.compare import _overlap
from benchmodels.adjustment.random import _solution
from benchmodels.comparison import Better, Comparison, Contrast, Source, Standard
from benchmodels.errors import PartialResultWarning
from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.newton import Certificate
from benchmodels.kernels.posterior_totals import average_totals, own_totals, population_means
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.bayesian.fit import BayesianFit

    Floats = NDArray[np.float64]

__all__ = ["compare"]

NO_RATIO = "its expected value is not above zero in every draw, so it has no ratio"
NOISE = "draws from the joint posterior of all parameters and unit effects (cases independent given the unit)"


def compare(
    fit: BayesianFit, *, standard: Standard, contrast: Contrast, level: float, better: Better | None
) -> Comparison:
    """Return the comparison that `BayesianFit.compare` documents."""
    rows, drawn = fit._practice()
    unit, units, design = rows.codes, fit._problem.units, fit._problem.design
    k, starts = len(units), design.starts
    size, observed = group_sums(unit, rows.size, k), group_sums(unit, rows.outcome, k)
    factor = float(observed.sum() / size.sum()) if contrast == "rate" else 1.0
    own = own_totals(rows, starts, drawn)
    if standard == "direct":
        # The population's cases under average practice have, by the definition of its level, what they have in all.
        expected = own.sum(axis=1)[:, None] * (size / size.sum())
        own = population_means(rows, drawn) * size
        observed = own.mean(axis=0)
    else:
        expected = average_totals(rows, starts, drawn, own.sum(axis=1), drawn.levels.mean(axis=1))
    if contrast == "difference":
        unfit, draws = np.zeros(k, dtype=bool), (own - expected) / size
    else:
        unfit = ~(expected > 0).all(axis=0)
        draws = np.where(unfit, np.nan, factor * own / np.where(unfit, 1.0, expected))
    if unfit.any():
        warnings.warn(
            f"{int(unfit.sum())} of {k} units are withheld ({NO_RATIO}): {listed(units[unfit].tolist())}",
            PartialResultWarning,
            stacklevel=4,
        )
    lower, upper = np.quantile(draws, [0.5 * (1.0 - level), 0.5 * (1.0 + level)], axis=0)
    certificate = Certificate(True, len(drawn), "draws", 0.0, ())
    center = _solution(rows, drawn.slopes.mean(axis=0), drawn.levels.mean(axis=0), certificate)
    return Comparison(
        unit=units,
        size=size,
        observed=observed,
        expected=expected.mean(axis=0),
        estimate=draws.mean(axis=0),
        lower=lower,
        upper=upper,
        noise=np.var(draws, axis=0, ddof=1),
        shared=np.zeros((k, 0)),
        core=np.zeros((0, 0)),
        null=0.0 if contrast == "difference" else factor,
        null_std_error=np.full(k, np.nan),
        df=np.full(k, np.inf),
        overlap=_overlap(rows, unit, k, center),
        withheld=np.where(unfit, NO_RATIO, "").astype(object),
        standard=standard,
        contrast=contrast,
        reference="all",
        level=level,
        better=better,
        source=Source(
            model=repr(fit.model),
            version=__version__,
            rows_read=design.rows_read,
            rows_dropped=design.rows_dropped,
            noise=NOISE,
            data=design.source,
            simulated=design.simulated,
            rng=fit.rng,
        ),
        replicates=draws,
        replicate_kind="draws",
    )

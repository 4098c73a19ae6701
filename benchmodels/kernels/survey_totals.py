"""Totals of a finite population from a sample drawn at random within strata, and their variances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Estimator", "Sample", "jackknife_variance", "linear_variance", "predicted_variance", "survey_total"]

Estimator = Literal["expansion", "ratio", "separate_ratio", "regression", "post_stratified"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """n sampled of N units in h strata, each with a sampled unit.

    Parameters
    ----------
    outcome, size : (n,) arrays
        In their own units of measure.
    stratum : (n,) array of int
        0 to h - 1.
    units : (h,) array
        Units in the country.
    totals, squares : (h,) arrays
        Their size, and the sum of its squares, sampled units among them.
    """

    outcome: Floats
    size: Floats
    stratum: NDArray[np.intp]
    units: Floats
    totals: Floats
    squares: Floats

    @property
    def sampled(self) -> Floats:
        """Units sampled (h,)."""
        return np.bincount(self.stratum, minlength=len(self.units)).astype(np.float64)

    @property
    def df(self) -> int:
        """Units sampled less strata, over strata that are not sampled in full."""
        n = self.sampled
        return int((n - 1)[n < self.units].sum())

    @property
    def varies(self) -> bool:
        """Whether sizes differ within strata."""
        return bool((np.abs(_centred(self, self.size)) > 1e-12 * np.abs(self.size).max()).any())


def survey_total(sample: Sample, estimator: Estimator) -> float:
    """Return the estimated total of the country.

    Parameters
    ----------
    sample : Sample
    estimator : str
        See `benchmodels.scaling.scale_up`.

    Examples
    --------
    >>> x, one = np.array([1.0, 3.0]), np.zeros(2, dtype=int)
    >>> s = Sample(outcome=2.0 * x, size=x, stratum=one, units=np.array([4.0]), totals=np.array([9.0]),
    ...            squares=np.array([30.0]))
    >>> survey_total(s, "expansion"), survey_total(s, "ratio")
    (16.0, 18.0)
    """
    n = sample.sampled
    return float(_totals(sample, estimator, (sample.units / n)[sample.stratum][None], _slope(sample))[0])


def linear_variance(sample: Sample, estimator: Estimator) -> float:
    """Return the variance of the total by its first-order expansion, with the finite population correction.

    Notes
    -----
    Σ_h N_h² (1 - f_h) s_h²(z) / n_h, with z the outcome (expansion), (X / X̂)(y - R̂ x) (ratio; stratum by stratum when
    separate), or the residual of the regression, whose sums of squares are divided by one less than the units less
    strata. Post-strata: Cochran's eq. 5A.42 for a sample of n of N drawn without strata.
    """
    n, units, h = sample.sampled, sample.units, sample.stratum
    if estimator == "post_stratified":
        return _post_stratified(sample)
    weight = (units / n)[h]
    y, x = sample.outcome, sample.size
    extra = 1.0
    if estimator == "ratio":
        z = (sample.totals.sum() / (weight @ x)) * (y - (weight @ y) / (weight @ x) * x)
    elif estimator == "separate_ratio":
        top, bottom = np.bincount(h, weight * y, len(n)), np.bincount(h, weight * x, len(n))
        z = (sample.totals / bottom)[h] * (y - (top / bottom)[h] * x)
    elif estimator == "regression":
        z = _centred(sample, y) - _slope(sample) * _centred(sample, x)
        extra = (len(y) - len(n)) / (len(y) - len(n) - 1)
    else:
        z = y
    return float(extra * (units**2 * (1.0 - n / units) / n) @ _within(sample, z))


def jackknife_variance(sample: Sample, estimator: Estimator) -> float:
    """Return the variance of the total when each unit is left out in turn, with the finite population correction.

    Notes
    -----
    Σ_h (1 - f_h) (n_h - 1) / n_h Σ_i (t_(hi) - t̄_(h))², the others of a stratum weighted up by n_h / (n_h - 1). Of the
    expansion it is the plain variance; the regression's slope is found anew each time.
    """
    n, h = sample.sampled, sample.stratum
    if estimator == "post_stratified":
        # Groups put in afterwards do not fix the numbers sampled; deleting by group would miss that they vary.
        return _post_stratified(sample)
    free = np.flatnonzero((n < sample.units)[h])
    if not len(free):
        return 0.0
    weight = np.repeat((sample.units / n)[h][None], len(free), axis=0)
    for row, i in enumerate(free):
        weight[row, h == h[i]] *= n[h[i]] / (n[h[i]] - 1.0)
        weight[row, i] = 0.0
    slope = _slope(sample) if estimator != "regression" else np.array([_slope(sample, left=int(i)) for i in free])
    found = _totals(sample, estimator, weight, slope)
    own = h[free]
    mean = np.bincount(own, found, len(n)) / np.maximum(np.bincount(own, minlength=len(n)), 1)
    squares = np.bincount(own, (found - mean[own]) ** 2, len(n))
    return float((1.0 - n / sample.units) * (n - 1.0) / n @ squares)


def predicted_variance(sample: Sample, estimator: Estimator) -> float:
    """Return the variance of a ratio's error in a model: what is not sampled is predicted, whoever was sampled.

    Parameters
    ----------
    sample : Sample
    estimator : 'ratio' or 'separate_ratio'

    Notes
    -----
    y_i = x_i r_i with rates r_i alike (in each stratum, when separate) but for independent deviations. With g_i the
    weight of the ratio the error is Σ_s (g_i - 1) e_i - Σ_r e_j, its variance Σ_s (g_i - 1)² e_i² n / (n - 1) + σ² Σ_r
    x_j², σ² the sum of (e_i / x_i)² over n - 1. The first part holds whatever the variances (Royall & Cumberland 1978),
    the second takes rates to vary as much in large units as in small.
    """
    y, x, h = sample.outcome, sample.size, sample.stratum
    weight = (sample.units / sample.sampled)[h]
    totals, outside = sample.totals, sample.squares - np.bincount(h, x**2, len(sample.units))
    if estimator == "ratio":
        h, totals, outside = np.zeros(len(y), dtype=np.intp), totals.sum(keepdims=True), outside.sum(keepdims=True)
    h_count = len(totals)
    n, size = np.bincount(h, minlength=h_count).astype(np.float64), np.bincount(h, weight * x, h_count)
    residual = y - (np.bincount(h, weight * y, h_count) / size)[h] * x
    moved = (totals / size)[h] * weight - 1.0
    free = np.maximum(n - 1.0, 1.0)
    # Rounding may leave a stratum sampled in full with a hair outside.
    left = np.where(outside > 1e-12 * sample.squares.sum(), outside, 0.0)
    known = np.bincount(h, (moved * residual) ** 2, h_count) * n / free
    return float((known + np.bincount(h, (residual / x) ** 2, h_count) / free * left).sum())


def _totals(sample: Sample, estimator: Estimator, weight: Floats, slope: Floats | float) -> Floats:
    """Return the totals (b,) under b rows of weights (b, n)."""
    y, x, totals = weight @ sample.outcome, weight @ sample.size, sample.totals.sum()
    if estimator == "ratio":
        return np.asarray(totals * y / x)
    if estimator == "regression":
        return np.asarray(y + slope * (totals - x))
    if estimator == "separate_ratio":
        inside = (sample.stratum[:, None] == np.arange(len(sample.units))).astype(np.float64)
        top, bottom = weight @ (inside * sample.outcome[:, None]), weight @ (inside * sample.size[:, None])
        return np.asarray((sample.totals * top / bottom).sum(axis=1))
    return np.asarray(y)


def _slope(sample: Sample, left: int | None = None) -> float:
    """Return the slope of outcome on size within strata, weighted as is best for the total; a unit may be left out."""
    keep = np.ones(len(sample.outcome), dtype=bool)
    if left is not None:
        keep[left] = False
    part = Sample(
        outcome=sample.outcome[keep], size=sample.size[keep], stratum=sample.stratum[keep], units=sample.units,
        totals=sample.totals, squares=sample.squares,
    )  # fmt: skip
    n = part.sampled
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(n > 1, part.units * (part.units - n) / (n * (n - 1.0)), 0.0)[part.stratum]
    dx = _centred(part, part.size)
    bottom = float(weight @ dx**2)
    return float(weight @ (dx * part.outcome)) / bottom if bottom > 0 else 0.0


def _centred(sample: Sample, z: Floats) -> Floats:
    n = np.maximum(sample.sampled, 1.0)
    return np.asarray(z - (np.bincount(sample.stratum, z, len(n)) / n)[sample.stratum])


def _within(sample: Sample, z: Floats) -> Floats:
    """Return the variances (h,) within strata, 0 where one unit is all there is."""
    squares = np.bincount(sample.stratum, _centred(sample, z) ** 2, len(sample.units))
    return np.asarray(squares / np.maximum(sample.sampled - 1.0, 1.0))


def _post_stratified(sample: Sample) -> float:
    n, total = len(sample.outcome), float(sample.units.sum())
    spread, weight = _within(sample, sample.outcome), sample.units / total
    return float(total**2 * (1.0 - n / total) * (weight @ spread / n + (1.0 - weight) @ spread / n**2))

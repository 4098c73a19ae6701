"""Does the expected hit the level in every group of cases, and tell cases apart; is a ratio one number for a unit."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import kl_div, stdtrit, xlog1py, xlogy

from benchmodels.adjustment.diagnostics.cases import (
    FEWEST,
    UNIDENTIFIED,
    cross_fitted,
    equal_groups,
    of_cells,
)
from benchmodels.adjustment.fit import check_level, check_option
from benchmodels.adjustment.noise import noise_kind, unit_noise
from benchmodels.errors import SpecificationError
from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.counts import count_limits
from benchmodels.kernels.families import link, mean, mean_and_slope, variance
from benchmodels.kernels.leave_out import average_levels
from benchmodels.kernels.levels import own_levels
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.adjustment.diagnostics.cases import Grouping
    from benchmodels.adjustment.fit import Fit

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["calibration", "discrimination", "subgroups"]

Of = Literal["cases", "units"]


def calibration(fit: Fit, *, bins: int = 10, by: Grouping | None = None, of: Of = "cases") -> pd.DataFrame:
    """Return observed against expected rates in groups of cases.

    Parameters
    ----------
    fit : Fit
    bins : int
        Groups of about equal size; cells alike in what they are ordered by stay together.
    by : str or (c,) array, optional
        What cases are grouped by: a term or column of the formula, or a value for each row of ``fit.cells``. Text, or
        numbers of which there are at most ``bins``, are categories. None: the expected rate.
    of : "cases" or "units"
        "units": whole units, ordered by the mean over their cases (their composition).

    Returns
    -------
    DataFrame
        ``bin, group, units, size, expected, observed, lower, upper``. ``group`` is the category, or the mean of what
        cases are ordered by; rates are per size. 95 per cent limits of the observed: mid-P of the count, of sampling
        alone; of a measured or weighted outcome t, from the spread of deviations between units (Bell and McCaffrey).

    Warns
    -----
    PartialResultWarning
        Units without an expected value; their cases are left out.
    """
    check_option("of", of, get_args(Of))
    if bins < 2:
        raise SpecificationError(f"calibration needs 2 or more bins; found {bins}")
    mu, eta = cross_fitted(fit)
    values = mu if by is None else of_cells(fit, by)
    there = np.flatnonzero(np.isfinite(mu) & (fit.design.size > 0))
    values, unit, size = values[there], fit.design.unit[there], fit.design.size[there]
    text = values.dtype.kind not in "biuf"
    if of == "units":
        if text:
            raise SpecificationError(f"units are ordered by the mean of a column: one of {listed(fit.design.names)}")
        _, at = np.unique(unit, return_inverse=True)
        k = int(at.max()) + 1
        values = (group_sums(at, size * values, k) / group_sums(at, size, k))[at]
    if by is not None and of == "cases" and (text or len(np.unique(values)) <= bins):
        codes, labels = pd.factorize(values, sort=True)
    else:
        codes = equal_groups(values, size, bins)
        labels = group_sums(codes, size * values, codes.max() + 1) / group_sums(codes, size, codes.max() + 1)
    order = np.argsort(codes, kind="stable")
    return _calibrated(fit, np.asarray(codes)[order], np.asarray(labels), there[order], mu, eta)


def _calibrated(fit: Fit, group: Codes, labels: NDArray[Any], cells: Codes, mu: Floats, eta: Floats) -> pd.DataFrame:
    rows, g = fit._rows, len(labels)
    family, unit = rows.family, fit.design.unit[cells]
    outcome, size, mu, eta = rows.outcome[cells], rows.size[cells], mu[cells], eta[cells]
    total = group_sums(group, size, g)
    observed, expected = group_sums(group, outcome, g) / total, group_sums(group, size * mu, g) / total
    if noise_kind(fit.design, family, None) == "counts":
        ends = count_limits(family, observed * total, size, eta, group, np.zeros(g), confidence=0.95, limits="mid-p")
        lower, upper = (group_sums(group, size * mean(family, eta + end[group]), g) / total for end in ends)
    else:
        half = _between_units(group, unit, outcome - size * mu, size, g)
        lower, upper = observed - half, observed + half
    met = np.unique(np.column_stack([group, unit]), axis=0)[:, 0]
    columns = {"size": total, "expected": expected, "observed": observed, "lower": lower, "upper": upper}
    start = {"bin": np.arange(1, g + 1), "group": labels, "units": np.bincount(met, minlength=g)}
    return pd.DataFrame(start | columns)


def _between_units(group: Codes, unit: Codes, gap: Floats, size: Floats, g: int) -> Floats:
    """Return the half width (g,) of 95 per cent t limits of Σ gap / Σ size, from its spread between units.

    As `benchmodels.adjustment.noise` does between clusters; NaN in a group of a single unit.
    """
    pairs, at = np.unique(np.column_stack([group, unit]), axis=0, return_inverse=True)
    at, of, k = at.ravel(), pairs[:, 0], len(pairs)
    gaps, sizes, total = group_sums(at, gap, k), group_sums(at, size, k), group_sums(group, size, g)
    share = sizes / total[of]
    apart = gaps - share * group_sums(group, gap, g)[of]
    several = share < 1.0
    raised = np.where(several, apart**2 / np.where(several, 1.0 - share, 1.0), 0.0)
    cross = np.where(several, share**2 / np.where(several, 1.0 - share, 1.0), 0.0)
    traces = group_sums(of, share**2 - cross**2, g) + group_sums(of, cross, g) ** 2
    alone = np.bincount(of, minlength=g) < 2
    spread = np.sqrt(group_sums(of, raised, g)) / total
    return np.where(alone, np.nan, -stdtrit(1.0 / traces, 0.025) * spread)


def discrimination(fit: Fit) -> pd.DataFrame:
    """Return how well expected values tell cases apart.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    DataFrame
        ``measure, estimate, std_error`` in two rows. For binomial and beta-binomial outcomes "auc": the chance that a
        case with the event was given the higher expected value, ties half. For others "correlation": of rates with
        expected ones, weighted by size. Then "deviance_explained": 1 − deviance / deviance under the others' overall
        rate, of cases (binomial, Gaussian) or cells; below zero where slopes predict worse than none. Standard errors
        by the jackknife over units, which count as a sample.

    References
    ----------
    Arvesen (1969), Annals of Mathematical Statistics 40:2076 (jackknife of U-statistics such as the area).
    """
    rows, d = fit._rows, fit.design
    mu, _ = cross_fitted(fit)
    there = np.isfinite(mu) & (rows.size > 0)
    k, blank = len(d.units), replace(rows, columns=np.zeros((len(mu), 0)))
    start = np.full(k, float(link(rows.family, np.asarray(rows.outcome.sum() / rows.size.sum()))))
    level = average_levels(blank, d.unit, np.zeros((k, 0)), start, own=False)
    null = mean(rows.family, level[d.unit] + rows.offset)
    unit = np.unique(d.unit[there], return_inverse=True)[1]

    def sums(*values: Floats) -> Floats:
        return np.stack([group_sums(unit, value[there], int(unit.max()) + 1) for value in values], axis=1)

    deviances = sums(*(_deviance(fit, np.where(there, at, 0.5)) for at in (mu, null)))
    explained = _jackknifed(deviances, lambda s: 1.0 - s[..., 0] / s[..., 1])
    if rows.family.share and rows.family.counted:
        name, first = "auc", _auc(mu[there], rows.outcome[there], (rows.size - rows.outcome)[there], unit)
    else:
        m, rate = rows.size, rows.outcome[there].sum() / rows.size[there].sum()
        x, y = mu - m[there] @ mu[there] / m[there].sum(), rows.outcome - rate * m
        squares = d.squares - 2.0 * rate * rows.outcome + rate**2 * m
        name, first = "correlation", _jackknifed(sums(m, m * x, y, m * x**2, x * y, squares), _correlation)
    frame = [(name, *first), ("deviance_explained", *explained)]
    return pd.DataFrame(frame, columns=["measure", "estimate", "std_error"])


def _auc(score: Floats, events: Floats, rest: Floats, unit: Codes) -> tuple[float, float]:
    """Return the area under the curve from weighted cells and its jackknife error over units; c log c."""
    _, rank = np.unique(score, return_inverse=True)
    k, e, f = int(unit.max()) + 1, np.bincount(unit, events), np.bincount(unit, rest)

    def below(key: Codes, weight: Floats) -> Floats:
        """Return the weight of keys below each, and half of those equal to it."""
        _, at = np.unique(key, return_inverse=True)
        alike = np.bincount(at, weight)
        return np.asarray((np.cumsum(alike) - 0.5 * alike)[at])

    won = np.bincount(unit, events * below(rank, rest))
    lost = np.bincount(unit, rest * (events.sum() - below(rank, events)))
    # Pairs within the unit: among keys that put units one after another, less the units before it.
    inside = np.bincount(unit, events * (below(unit * len(rank) + rank, rest) - (np.cumsum(f) - f)[unit]))
    with np.errstate(divide="ignore", invalid="ignore"):
        deleted = (won.sum() - won - lost + inside) / ((e.sum() - e) * (f.sum() - f))
    error = np.sqrt((k - 1.0) / k * np.sum((deleted - deleted.mean()) ** 2))
    return float(won.sum() / (e.sum() * f.sum())), float(error)


def _jackknifed(sums: Floats, of: Callable[[Floats], Floats]) -> tuple[float, float]:
    """Return a function of (s,) totals of (k, s) sums, and its standard error with one unit deleted in turn."""
    total, k = sums.sum(axis=0), len(sums)
    deleted = of(total - sums)
    return float(of(total)), float(np.sqrt((k - 1.0) / k * np.sum((deleted - deleted.mean()) ** 2)))


def _correlation(s: Floats) -> Floats:
    m, x, y, xx, xy, yy = np.moveaxis(s, -1, 0)
    return np.asarray((xy - x * y / m) / np.sqrt((xx - x**2 / m) * (yy - y**2 / m)))


def _deviance(fit: Fit, mu: Floats) -> Floats:
    """Return the deviance (c,) at means per size: of cases (binomial, Gaussian), else of the cell as a whole."""
    d, family = fit.design, fit._rows.family
    y, m, expected = d.outcome, d.size, d.size * mu
    if family.share:
        lost = xlogy(y, mu) + xlog1py(m - y, -mu)
        if not family.counted:
            rate = y / np.where(m > 0, m, 1.0)
            lost = lost - xlogy(y, rate) - xlog1py(m - y, -rate)
        return np.asarray(-2.0 * lost)
    if family.name == "gaussian":
        return np.asarray(d.squares - 2.0 * mu * y + mu**2 * m)
    if family.name == "gamma":
        ratio = np.where(m > 0, y, 1.0) / np.where(m > 0, expected, 1.0)
        return np.asarray(2.0 * m * (ratio - 1.0 - np.log(ratio)))
    if family.shape > 0:
        cases = np.where(d.cases > 0, d.cases, 1.0)
        a, each, at = family.shape, y / cases, expected / cases
        return np.asarray(
            2.0 * cases * (xlogy(each, each / at) - (each + 1.0 / a) * np.log((a * each + 1.0) / (a * at + 1.0)))
        )
    return np.asarray(2.0 * kl_div(y, expected))


def subgroups(fit: Fit, *, by: Grouping, level: float = 0.95) -> pd.DataFrame:
    """Return observed / expected for every unit within subgroups of its cases.

    Parameters
    ----------
    fit : Fit
    by : str or (c,) array
        A term or column of the formula, or a value for each row of ``fit.cells``: at most 20 different ones.
    level : float
        Of the limits.

    Returns
    -------
    DataFrame
        ``unit, group, size, observed, expected, ratio, lower, upper, withheld``; a row for each unit and group it has
        cases in. Limits are of the unit's own noise alone: mid-P of a count, else t from where the fit knows noise
        from (``fit.noise_kind``). ``withheld`` says why ratio and limits are NaN: fewer than 5 expected, or no noise.
    """
    check_level(level)
    rows, d, family = fit._rows, fit.design, fit._rows.family
    codes, labels = pd.factorize(of_cells(fit, by), sort=True)
    if len(labels) > 20:
        raise SpecificationError(f"by has {len(labels)} different values; 20 subgroups at most: make it categories")
    _, eta = cross_fitted(fit)
    there = np.flatnonzero(rows.size > 0)
    pair = d.unit[there] * len(labels) + codes[there]
    order = there[np.argsort(pair, kind="stable")]
    met, group = np.unique(np.sort(pair), return_inverse=True)
    g, unit = len(met), met // len(labels)
    outcome, size, lost = rows.outcome[order], rows.size[order], ~np.isfinite(eta[d.starts])[unit]
    eta = np.where(np.isfinite(eta[order]), eta[order], 0.0)
    observed, expected = (group_sums(group, v, g) for v in (outcome, size * mean(family, eta)))
    reason = np.full(g, "", dtype=object)
    if fit.noise_kind == "counts":
        low, high = count_limits(family, observed, size, eta, group, np.zeros(g), confidence=level, limits="mid-p")
    else:
        low, high, reason = _own_limits(fit, order, group, eta, observed, level)
    lower, upper = (group_sums(group, size * mean(family, eta + end[group]), g) for end in (low, high))
    reason[~(expected > 0)] = "its expected value is not above zero, so it has no ratio"
    if family.counted:
        reason[expected < FEWEST] = f"fewer than {FEWEST:g} expected"
    reason[lost] = UNIDENTIFIED
    gone = reason != ""
    ratios = {name: np.where(gone, np.nan, v / np.where(gone, 1.0, expected)) for name, v in
              (("ratio", observed), ("lower", lower), ("upper", upper))}  # fmt: skip
    totals = {"observed": observed, "expected": np.where(lost, np.nan, expected)}
    start = {"unit": d.units[unit], "group": np.asarray(labels)[met % len(labels)], "size": group_sums(group, size, g)}
    return pd.DataFrame(start | totals | ratios | {"withheld": reason}).infer_objects()


def _own_limits(
    fit: Fit, order: Codes, group: Codes, eta: Floats, observed: Floats, level: float
) -> tuple[Floats, Floats, NDArray[np.object_]]:
    """Return limits (g,) of each group's level from the spread of its cases, clusters or periods, and why not."""
    d, family, g = fit.design, fit._rows.family, len(observed)
    rows = {f.name: getattr(d, f.name) for f in fields(d) if f.name not in ("units", "unit")}
    taken: dict[str, Any] = {n: v[order] for n, v in rows.items() if isinstance(v, np.ndarray)}
    alike = replace(d, unit=group, units=np.arange(g).astype(object), **taken)
    own = own_levels(family, alike.size, eta, group, observed, np.zeros(g))
    edge = ~np.isfinite(own)
    own[edge] = 0.0
    mu, slope = mean_and_slope(family, eta + own[group])
    weight, residual = alike.size * variance(family, mu), alike.outcome - alike.size * mu
    kind = noise_kind(d, family, fit.model.cluster)
    noise = unit_noise(kind, alike, np.zeros((len(order), 0)), weight, residual)
    quantile = -stdtrit(np.where(noise.df > 0, noise.df, np.nan), 0.5 * (1.0 - level))
    reach = quantile * np.sqrt(noise.total) / group_sums(group, alike.size * slope, g)
    reason = np.where(edge, "it has no events, or nothing but events, which say nothing of noise", noise.reason)
    return own - reach, own + reach, reason

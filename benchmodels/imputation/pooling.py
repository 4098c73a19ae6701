"""One comparison, or one table of coefficients, out of those of many completed tables (Rubin's rules)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.linalg import block_diag
from scipy.special import ndtri, stdtrit

from benchmodels.comparison import Comparison
from benchmodels.errors import DataError
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["pool", "pool_coefficients"]


def pool(comparisons: Sequence[Comparison]) -> Comparison:
    """Make one comparison of those of m completed tables.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Of the same model and question, one for each completed table.

    Returns
    -------
    Comparison
        Like any other. Observed and expected are means, the estimate is their contrast; the covariance is the mean one
        plus (1 + 1/m) times that between the tables, across units too. A unit withheld in any table is withheld.

    Raises
    ------
    DataError
        Fewer than two comparisons, or not of the same question.

    Notes
    -----
    Expected totals are what imputation moves, so Rubin's rules are applied to totals: a ratio is one of mean totals
    (to first order the mean ratio), and its variance between tables is relative. Limits are joined like limits of
    counts with the error of an expected value: squares of distances are averaged over tables, the variance between
    tables is added where the limit stands, lower and upper apart, so that they keep their shape.

    Degrees of freedom are Satterthwaite's for own noise, with its own degrees, and m − 1 for the spread between tables:
    those of Rubin (1987) for counts, and those of a single table where tables agree. The formula of Barnard & Rubin
    (1999) takes outcomes as missing too, which here they never are: with five periods a unit and tables that agree,
    its 95 per cent intervals would cover 96.9.

    References
    ----------
    Rubin (1987), Multiple Imputation for Nonresponse in Surveys, eqs. 3.1.2 to 3.1.6; Lipsitz, Parzen & Zhao (2002),
    Journal of Statistical Computation and Simulation 72:309; Zou & Donner (2008), Statistics in Medicine 27:1693.
    """
    comparisons = list(comparisons)
    _check_alike(comparisons)
    first, m = comparisons[0], len(comparisons)
    proportional = first.contrast != "difference"

    def of(name: str) -> Floats:
        return np.stack([np.asarray(getattr(c, name)) for c in comparisons])

    observed, expected = of("observed").mean(axis=0), of("expected").mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        if proportional:
            estimate = first.null * observed / expected
            ratio = np.where(observed > 0, of("observed") / np.where(observed > 0, observed, 1.0), 1.0)
            apart = ratio * expected / of("expected") - 1.0
        else:
            estimate = (observed - expected) / first.size
            apart = of("estimate") - estimate
    apart = apart - apart.mean(axis=0)
    added = (1.0 + 1.0 / m) * apart.var(axis=0, ddof=1)
    reasons, lost = _withheld(comparisons)

    def moved(at: Floats | float) -> Floats:
        return np.asarray(added * at**2 if proportional else added)

    predicted = first.null_kind == "prediction"
    within = (of("null_std_error") if predicted else of("std_error")) ** 2
    own_df = of("df").mean(axis=0)
    df = _degrees(within.mean(axis=0), moved(first.null) if predicted else moved(estimate), own_df, m)
    tail = 0.5 * (1.0 - first.level)
    wider = _quantile(df, tail) / _quantile(own_df, tail)

    def limit(name: str, sign: float) -> Floats:
        reach = wider * np.sqrt(np.mean((of(name) - of("estimate")) ** 2, axis=0))
        between = moved(estimate + sign * reach)
        return np.where(lost, np.nan, estimate + sign * np.sqrt(reach**2 + _quantile(df, tail) ** 2 * between))

    shared, core = _joint(comparisons, np.where(lost, 0.0, apart * (estimate if proportional else 1.0)))
    noise = f"{first.source.noise}, and the spread between {m} completed tables (Rubin's rules)"
    return replace(
        first,
        observed=observed,
        expected=expected,
        estimate=estimate,
        lower=limit("lower", -1.0),
        upper=limit("upper", 1.0),
        noise=np.where(lost, np.nan, of("noise").mean(axis=0)),
        shared=shared,
        core=core,
        null_std_error=np.sqrt((of("null_std_error") ** 2).mean(axis=0) + moved(first.null)),
        df=df,
        overlap=of("overlap").mean(axis=0),
        withheld=reasons,
        source=replace(first.source, noise=noise),
    )


def pool_coefficients(frames: Sequence[pd.DataFrame], *, level: float = 0.95) -> pd.DataFrame:
    """Make one table of coefficients of those of m completed tables.

    Parameters
    ----------
    frames : sequence of DataFrame
        What ``fit.coefficients()`` gives, one for each completed table.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        The same columns, and ``fmi``: the share of the information on a coefficient that is missing, 0 to 1.

    Raises
    ------
    DataError
        Fewer than two tables, or not of the same coefficients.

    References
    ----------
    Rubin (1987), eqs. 3.1.2 to 3.1.10; degrees of freedom as in `pool`.
    """
    frames, m = list(frames), len(frames)
    if m < 2:
        raise DataError(f"pooling needs the coefficients of two completed tables or more; found {m}")
    first = frames[0][["term", "name"]].reset_index(drop=True)
    for frame in frames[1:]:
        if not first.equals(frame[["term", "name"]].reset_index(drop=True)):
            raise DataError(
                f"the tables hold different coefficients ({listed(first['name'])}; {listed(frame['name'])}): pool "
                "those of one model"
            )
    estimate, error, df = (
        np.stack([f[name].to_numpy(np.float64) for f in frames]) for name in ("estimate", "std_error", "df")
    )
    within, between = (error**2).mean(axis=0), (1.0 + 1.0 / m) * estimate.var(axis=0, ddof=1)
    pooled = _degrees(within, between, df.mean(axis=0), m)
    mean, total = estimate.mean(axis=0), np.sqrt(within + between)
    reach = _quantile(pooled, 0.5 * (1.0 - level)) * total
    r = between / within
    # Rubin's degrees of freedom: where nothing is missing they are infinite, whatever the tables' own.
    fmi = (r + 2.0 / (_degrees(within, between, np.full(len(r), np.inf), m) + 3.0)) / (1.0 + r)
    return first.assign(estimate=mean, std_error=total, df=pooled, lower=mean - reach, upper=mean + reach, fmi=fmi)


def _check_alike(comparisons: Sequence[Comparison]) -> None:
    if len(comparisons) < 2:
        raise DataError(f"pooling needs the comparisons of two completed tables or more; found {len(comparisons)}")
    first = comparisons[0]
    if any(each.replicates is not None for each in comparisons):
        raise DataError("pooling is of normal errors; the uncertainty of these comparisons is by replicates")
    for other in comparisons[1:]:
        for name in ("standard", "contrast", "reference", "level", "better", "null_kind"):
            if getattr(first, name) != getattr(other, name):
                raise DataError(
                    f"the comparisons differ in {name} ({getattr(first, name)!r}, {getattr(other, name)!r}): pool "
                    "those of one question"
                )
        if first.source.model != other.source.model:
            raise DataError(f"the comparisons are of different models: {first.source.model}; {other.source.model}")
        if first.unit.tolist() != other.unit.tolist():
            apart = set(first.unit.tolist()) ^ set(other.unit.tolist())
            raise DataError(f"the comparisons have different units, or another order of them: {listed(apart)}")
        if not np.allclose(first.size, other.size, rtol=1e-9) or not np.isclose(first.null, other.null, rtol=1e-9):
            raise DataError("the comparisons differ in the units' sizes or the overall rate: not one table completed")


def _withheld(comparisons: Sequence[Comparison]) -> tuple[NDArray[np.object_], Mask]:
    """Return why each unit is withheld, (k,), and where it is."""
    reasons = np.full(len(comparisons[0]), "", dtype=object)
    given = np.stack([c.withheld for c in comparisons])
    for i in np.flatnonzero((given != "").any(axis=0)):
        met = given[given[:, i] != "", i]
        told = "" if len(met) == len(given) else f" (in {len(met)} of {len(given)} completed tables)"
        reasons[i] = f"{met[0]}{told}"
    return reasons, np.asarray(reasons != "", dtype=bool)


def _joint(comparisons: Sequence[Comparison], apart: Floats) -> tuple[Floats, Floats]:
    """Return what units share: the mean over tables, and the covariance between tables of the (m, k) estimates."""
    m, k = apart.shape
    between = (1.0 + 1.0 / m) / (m - 1.0) * np.eye(m)
    shared = np.hstack([*(c.shared for c in comparisons), apart.T])
    core = block_diag(*(c.core / m for c in comparisons), between)
    if shared.shape[1] <= k:
        return shared, core
    dense = shared @ core @ shared.T
    return np.eye(k), 0.5 * (dense + dense.T)


def _degrees(within: Floats, between: Floats, df: Floats, m: int) -> Floats:
    """Return Satterthwaite's degrees of freedom of a variance of ``df`` plus one of m − 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(between > 0, between / (within + between), 0.0)
        found = 1.0 / ((1.0 - share) ** 2 / df + share**2 / (m - 1.0))
    return np.where(np.isnan(found), df, found)


def _quantile(df: Floats, tail: float) -> Floats:
    """Return the upper quantile of Student's t; NaN without degrees of freedom."""
    finite = np.isfinite(df)
    return np.asarray(np.where(finite, -stdtrit(np.where(finite & (df > 0), df, np.nan), tail), -ndtri(tail)))

"""Comparisons of units whose expected values, or rates by stratum, were worked out elsewhere."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from benchmodels._version import __version__
from benchmodels.adjustment.fit import check_level, check_option
from benchmodels.comparison import Better, Comparison, Source
from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.counts import count_limits
from benchmodels.kernels.families import Family
from benchmodels.kernels.intervals import (
    byar_limits,
    clopper_pearson_limits,
    dobson_limits,
    poisson_limits,
    wilson_limits,
)
from benchmodels.kernels.overdispersion import dispersion
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["compare_expected", "compare_strata"]

GivenLimits: TypeAlias = Literal["mid-p", "exact", "byar", "wilson"]
StrataLimits: TypeAlias = Literal["exact", "byar"]
GivenContrast: TypeAlias = Literal["ratio", "difference", "rate"]


def compare_expected(
    data: pd.DataFrame,
    *,
    unit: str,
    observed: str,
    expected: str,
    trials: str | None = None,
    size: str | None = None,
    contrast: GivenContrast = "ratio",
    limits: GivenLimits = "mid-p",
    level: float = 0.95,
    better: Better | None = None,
) -> Comparison:
    """Return the comparison of observed counts with expected values that are given and taken as known.

    Parameters
    ----------
    data : DataFrame
        One row a unit.
    unit, observed, expected : str
        Columns: labels; events, 0 or more; events expected, above 0.
    trials : str, optional
        Column of trials: counts are binomial, every trial of a unit with the chance expected / trials. None: Poisson.
    size : str, optional
        Column of the size behind differences and rates, such as person-years; by default the trials, else
        the expected events.
    contrast : "ratio", "difference" or "rate"
        O / E; (O − E) / size; or O / E × ΣE / Σsize.
    limits : "mid-p", "exact", "byar" or "wilson"
        Exact: Garwood or Clopper–Pearson. Byar is for Poisson counts, Wilson for trials.
    level : float
        Of the limits, two-sided.
    better : "low", "high" or None

    Returns
    -------
    Comparison
        Limits know the noise of the count alone. If the expected values were estimated from few other units, or from
        these units themselves, they are too narrow; fit a model and `Fit.compare` carries that along.

    Raises
    ------
    DataError
        Missing or impossible numbers, missing or duplicate units.
    SpecificationError
        A column that is not there, or limits that do not go with the counts.

    Examples
    --------
    >>> counties = pd.DataFrame({"county": ["a", "b"], "o": [10, 0], "e": [12.0, 3.0]})
    >>> compare_expected(counties, unit="county", observed="o", expected="e", limits="exact").lower.round(5)
    array([0.39962, 0.     ])
    """
    check_option("contrast", contrast, get_args(GivenContrast))
    check_option("limits", limits, get_args(GivenLimits))
    check_option("better", better, (*get_args(Better), None))
    check_level(level)
    if (limits == "byar" and trials is not None) or (limits == "wilson" and trials is None):
        raise SpecificationError("limits='byar' is for Poisson counts, limits='wilson' for counts of trials")
    _labels(data, unit)
    o, e = _numbers(data, observed, least=0.0), _numbers(data, expected, least=0.0)
    n = None if trials is None else _numbers(data, trials, least=0.0)
    _refuse(data, unit, e <= 0, f"{expected!r} is not above zero")
    if n is not None:
        _refuse(data, unit, o > n, f"{observed!r} is above {trials!r}")
        _refuse(data, unit, e >= n, f"{expected!r} is not below {trials!r}")
    m = _numbers(data, size, least=0.0) if size is not None else (e if n is None else n)
    _refuse(data, unit, m <= 0, f"{size if size is not None else trials!r} is not above zero")
    low, high = _limits(o, e, n, limits, level)
    factor = {"ratio": 1.0, "difference": 0.0, "rate": float(e.sum() / m.sum())}[contrast]

    def contrasted(total: Floats) -> Floats:
        return (total - e) / m if contrast == "difference" else factor * total / e

    scale = 1.0 / m if contrast == "difference" else factor / e
    null_variance = e if n is None else e * (1.0 - e / n)
    return _comparison(
        data[unit], m, o, e, contrasted(o), contrasted(low), contrasted(high),
        noise=scale**2 * _variance(o, e, n), null=factor, null_std_error=scale * np.sqrt(null_variance),
        standard="indirect", contrast=contrast, level=level, better=better,
        model=f"expected values as given in {expected!r}", rows=len(data),
        noise_text="the number of cases behind each count (binomial or Poisson)",
    )  # fmt: skip


def compare_strata(
    data: pd.DataFrame,
    *,
    unit: str,
    stratum: str,
    events: str,
    population: str,
    standard: pd.Series[float] | None = None,
    limits: StrataLimits = "byar",
    level: float = 0.95,
    better: Better | None = None,
) -> Comparison:
    """Return the comparison of directly standardised rates: each unit's own rates by stratum, on one population.

    Parameters
    ----------
    data : DataFrame
        One row a unit and stratum (age group, say).
    unit, stratum, events, population : str
        Columns: labels; labels; events of the stratum; persons or person-years of it.
    standard : Series, optional
        Standard population by stratum. None: that of all units together.
    limits : "byar" or "exact"
        Of the plain count, which Dobson's method carries to the standardised rate.
    level : float
        Of the limits, two-sided.
    better : "low", "high" or None

    Returns
    -------
    Comparison
        ``estimate`` is the rate per unit of ``population``; ``null`` that of all units together on the same standard.
        Withheld: units without events in the strata that have a weight.

    Raises
    ------
    DataError
        Missing or impossible numbers or labels, a unit without one of the strata or without population in it.
    SpecificationError
        A column or a stratum that is not there.

    References
    ----------
    Dobson, Kuulasmaa, Eberle & Scherer (1991), Statistics in Medicine 10:457.
    """
    check_option("limits", limits, get_args(StrataLimits))
    check_option("better", better, (*get_args(Better), None))
    check_level(level)
    _columns(data, (unit, stratum, events, population))
    _labels(data, unit, stratum)
    if data.duplicated([unit, stratum]).any():
        raise DataError(f"more than one row with the same {unit!r} and {stratum!r}; sum them first")
    _numbers(data, events, least=0.0)
    _numbers(data, population, least=0.0)
    wide = data.pivot(index=unit, columns=stratum, values=[events, population])
    o, n = (wide[name].to_numpy(dtype=float) for name in (events, population))
    empty = ~(n > 0)
    if empty.any():
        i, s = np.argwhere(empty)[0]
        raise DataError(
            f"{int(empty.any(axis=1).sum())} unit(s) have no population in a stratum, the first is "
            f"{wide.index[i]!r} in {wide[population].columns[s]!r}; merge strata, or use an indirect standard"
        )
    strata = wide[population].columns
    weight = n.sum(axis=0) if standard is None else _standard(standard, strata)
    weight = weight / weight.sum()
    total, size = o.sum(axis=1), n.sum(axis=1)
    rate, std_error = o / n @ weight, np.sqrt(o / n**2 @ weight**2)
    low, high = (byar_limits if limits == "byar" else poisson_limits)(total, level=level)
    # Events in strata of no weight say nothing of the standardised rate.
    known = std_error > 0
    lower, upper = (np.where(known, limit, np.nan) for limit in dobson_limits(rate, std_error, total, low, high))
    overall = o.sum(axis=0) / n.sum(axis=0)
    null = float(overall @ weight)
    why = "so a standardised rate has no known uncertainty"
    withheld = np.where(total > 0, f"it has no events in a stratum with a weight, {why}", f"it has no events, {why}")
    withheld = np.where(known, "", withheld)
    return _comparison(
        wide.index.to_series(), size, rate * size, np.full(len(size), null) * size, rate, lower, upper,
        noise=np.where(known, std_error**2, np.nan), null=null,
        null_std_error=np.where(known, np.sqrt(overall / n @ weight**2), np.nan),
        standard="direct", contrast="rate", level=level, better=better,
        model=f"rates by {stratum!r} on one standard population", rows=len(data), withheld=withheld,
        noise_text="the number of events in each stratum (Poisson)",
    )  # fmt: skip


def _limits(o: Floats, e: Floats, n: Floats | None, limits: GivenLimits, level: float) -> tuple[Floats, Floats]:
    """Return the limits of the expected total, in events."""
    if limits == "byar":
        return byar_limits(o, level=level)
    if limits == "wilson" and n is not None:
        low, high = wilson_limits(o, n, level=level)
        return low * n, high * n
    if limits == "exact":
        if n is None:
            return poisson_limits(o, level=level)
        low, high = clopper_pearson_limits(o, n, level=level)
        return low * n, high * n
    family = Family("poisson" if n is None else "binomial")
    # One row a unit whose level is the log of its mean, or the log odds of its share.
    inside = o if n is None else np.clip(o, 0.5, np.maximum(n - 0.5, 0.5))
    start = np.log(np.maximum(o, 0.5)) if n is None else np.log(inside / np.maximum(n - inside, 1e-9))
    low, high = count_limits(
        family, o, np.ones(len(o)) if n is None else n, np.zeros(len(o)), np.arange(len(o)), start,
        confidence=level, limits="mid-p",
    )  # fmt: skip
    if n is None:
        return np.asarray(np.exp(low)), np.asarray(np.exp(high))
    return n / (1.0 + np.exp(-low)), n / (1.0 + np.exp(-high))


def _variance(o: Floats, e: Floats, n: Floats | None) -> Floats:
    """Return the variance of each count at a shrunken rate, never at a raw 0 or 1: O / E drawn to 1 by reliability."""
    null = e if n is None else e * (1.0 - e / n)
    error = np.sqrt(null) / e
    tau2 = dispersion(o / e - 1.0, error).tau2
    tau2 = tau2 if np.isfinite(tau2) else 0.0
    target = e * (1.0 + tau2 / (tau2 + error**2) * (o / e - 1.0))
    return target if n is None else target * (1.0 - np.minimum(target / n, 1.0))


def _comparison(
    unit: pd.Series[str], size: Floats, observed: Floats, expected: Floats, estimate: Floats, lower: Floats,
    upper: Floats, *, noise: Floats, null: float, null_std_error: Floats, standard: Literal["indirect", "direct"],
    contrast: GivenContrast, level: float, better: Better | None, model: str, rows: int, noise_text: str,
    withheld: NDArray[np.str_] | None = None,
) -> Comparison:  # fmt: skip
    k = len(size)
    return Comparison(
        unit=unit.to_numpy(dtype=object),
        size=size,
        observed=observed,
        expected=expected,
        estimate=estimate,
        lower=lower,
        upper=upper,
        noise=noise,
        shared=np.zeros((k, 0)),
        core=np.zeros((0, 0)),
        null=null,
        null_std_error=null_std_error,
        df=np.full(k, np.inf),
        overlap=np.full(k, np.nan),
        withheld=np.full(k, "", dtype=object) if withheld is None else withheld.astype(object),
        standard=standard,
        contrast=contrast,
        reference="all",
        level=level,
        better=better,
        source=Source(model=model, version=__version__, rows_read=rows, rows_dropped=0, noise=noise_text),
    )


def _standard(standard: pd.Series[float], strata: pd.Index[str]) -> Floats:
    if not isinstance(standard, pd.Series):
        raise SpecificationError("standard must be a Series with the strata as its index, or None")
    lost = [str(s) for s in strata if s not in standard.index]
    if lost:
        raise SpecificationError(f"the standard population lacks {listed(lost)}; it has {listed(list(standard.index))}")
    try:
        weight: Floats = np.asarray(standard.loc[strata], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("the standard population holds text; it must be numbers") from error
    if len(weight) != len(strata):
        raise DataError("the standard population names a stratum more than once; sum them first")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.sum() > 0):
        raise DataError("the standard population must be numbers of zero or more, and not all zero")
    return weight


def _columns(data: pd.DataFrame, names: tuple[str, ...]) -> None:
    if not isinstance(data, pd.DataFrame):
        raise DataError(f"the data must be a pandas DataFrame; this is {type(data).__name__!r}")
    if not len(data):
        raise DataError("the table has no rows")
    lost = [name for name in names if not isinstance(name, Hashable) or name not in data.columns]
    if lost:
        raise SpecificationError(f"no column {listed(lost)}; the table has {listed(list(data.columns))}")


def _numbers(data: pd.DataFrame, name: str, *, least: float) -> Floats:
    _columns(data, (name,))
    if isinstance(data[name], pd.DataFrame):
        raise DataError(f"more than one column is called {name!r}; rename all but one")
    try:
        values = data[name].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name!r} holds text; it must be numbers") from error
    bad = ~(np.isfinite(values) & (values >= least))
    if bad.any():
        raise DataError(f"{name!r} is missing, infinite or negative in {int(bad.sum())} row(s)")
    return values


def _labels(data: pd.DataFrame, *names: str) -> None:
    _columns(data, names)
    for name in names:
        missing = np.asarray(data[name].isna())
        if missing.any():
            raise DataError(f"{name!r} is missing in {int(missing.sum())} row(s); name it, or leave the rows out")


def _refuse(data: pd.DataFrame, unit: str, bad: NDArray[np.bool_], what: str) -> None:
    _columns(data, (unit,))
    if bad.any():
        units = [str(u) for u in data.loc[bad, unit]]
        raise DataError(f"{what} in {len(units)} row(s): {listed(units)}")

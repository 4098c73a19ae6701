"""How much of one period's figure is found again in the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from benchmodels.asked import share
from benchmodels.errors import DataError
from benchmodels.kernels.drift import LEAST_PAIRS, Autocovariances, autocovariances, centred, share_left
from benchmodels.years.periods import Scale, YearEffects, year_effects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["RegressionToTheMean", "Reliability", "measured", "regression_to_the_mean", "reliability"]

# Flagged units below which what is left of their distance is withheld.
LEAST_FLAGGED = 5

# What stands for earlier and later in the row of all pairs.
_ALL = "all"
_FEW_UNITS = f"fewer than {LEAST_PAIRS} units are known in both periods"
_NO_SIGNAL = "variation between units is not told from chance, so that it has no correlation"
_FEW_FLAGGED = f"fewer than {LEAST_FLAGGED} units are flagged and known in both periods"
_FEW_KNOWN = f"{{}} of {{}} units are known in some period; {LEAST_PAIRS} are needed to tell signal from chance"


@dataclass(frozen=True, eq=False, kw_only=True)
class Reliability:
    """What varies between units in a period beyond chance, and how it goes with other periods.

    Parameters
    ----------
    unit, period
        Labels.
    autocovariances : Autocovariances
        Of the signal, by lag.
    noise : (t,) array
        Median standard error of a unit in each period.
    scale : "estimate" or "log"
    level : float
    notes : tuple of str
    """

    unit: NDArray[np.object_]
    period: tuple[Any, ...]
    autocovariances: Autocovariances
    noise: Floats
    scale: Scale
    level: float
    notes: tuple[str, ...]
    _effects: YearEffects

    def __repr__(self) -> str:
        return f"Reliability({len(self.unit)} units, {len(self.period)} periods, {self.scale})"

    def by_lag(self) -> pd.DataFrame:
        """Return how units' figures go with those of other periods, noise taken out and as they stand.

        Returns
        -------
        DataFrame
            ``lag, units, pairs, covariance, std_error, correlation, lower, upper, observed_correlation, withheld``: lag
            in periods (0: the variance of the signal); the correlation of signals with its limits; that of the
            estimates themselves, which noise brings down. ``withheld`` says why there is no number.
        """
        found, e = self.autocovariances, self._effects
        correlation, lower, upper = found.correlation(self.level)
        observed = [_plain(e.effect, e.position, int(lag)) for lag in found.lags]
        few = found.units < LEAST_PAIRS
        return pd.DataFrame(
            {
                "lag": found.lags,
                "units": found.units,
                "pairs": found.pairs,
                "covariance": found.covariance,
                "std_error": np.sqrt(found.errors.diagonal()),
                "correlation": correlation,
                "lower": lower,
                "upper": upper,
                "observed_correlation": np.where(few, np.nan, observed),
                "withheld": np.where(few, _FEW_UNITS, np.where(np.isnan(correlation), _NO_SIGNAL, "")),
            }
        )

    def by_period(self) -> pd.DataFrame:
        """Return each period's variation between units, and the reliability of a unit of median noise.

        Returns
        -------
        DataFrame
            ``period, units, signal_sd, lower, upper, noise, reliability, reliability_lower, reliability_upper``:
            standard deviation between units beyond chance with its limits, on ``scale``; the share, 0 to 1, that it is
            of the variance of such a unit's estimate. NaN where it is not above zero.
        """
        e, rows = self._effects, []
        for t, label in enumerate(self.period):
            own = autocovariances(e.effect[:, [t]], e.variance[:, [t]], np.zeros(1, dtype=np.intp))
            signal = np.array([own.covariance[0], *own.signal(self.level)])
            signal = np.where(signal > 0, signal, np.nan)
            ratio = signal / (signal + self.noise[t] ** 2)
            rows.append((label, int(own.units[0]), *np.sqrt(signal), self.noise[t], *ratio))
        names = ["period", "units", "signal_sd", "lower", "upper", "noise"]
        return pd.DataFrame(rows, columns=[*names, "reliability", "reliability_lower", "reliability_upper"])


def reliability(comparisons: object, *, level: float = 0.95) -> Reliability:
    """Say how much of a period's differences between units is signal, and how much of it lasts.

    Parameters
    ----------
    comparisons : mapping of period to Comparison
        Two periods or more; see `by_period`.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    Reliability

    Raises
    ------
    SpecificationError
        Comparisons that cannot be held together.
    DataError
        Fewer than ten units are known in any period.

    Notes
    -----
    Noise is that of the comparisons, taken as known and independent between periods; the mean of a period's units is
    taken out. Variances and covariances are weighted by precision and unbiased: see
    `benchmodels.kernels.drift.autocovariances`. Intervals of correlations are Fieller's and hold 93 to 96 % at 95 %
    with 98 units, those of a signal's standard deviation 93 to 95 % with 98 units and 90 % with 30
    (``tests/kernels/test_drift.py``).

    Examples
    --------
    >>> from benchmodels import Pooled, datasets
    >>> from benchmodels.years import by_period
    >>> table = datasets.simulate_denmark().special_education(years=(2021, 2022, 2023))
    >>> model = Pooled("segregated ~ sex", unit="municipality", trials="pupils", family="binomial")
    >>> found = reliability(by_period(model, table, period="year"))
    >>> found.by_lag()["lag"].tolist()
    [0, 1, 2]
    """
    share("level", level)
    effects = year_effects(comparisons, "reliability")
    return Reliability(
        unit=effects.unit,
        period=effects.period,
        autocovariances=measured(effects),
        noise=np.nanmedian(np.sqrt(effects.variance), axis=0),
        scale=effects.scale,
        level=level,
        notes=effects.notes,
        _effects=effects,
    )


def measured(effects: YearEffects) -> Autocovariances:
    """Return the autocovariances of units by period, where there are enough units in every period."""
    seen = np.isfinite(effects.effect).sum(axis=0)
    if seen.min() < LEAST_PAIRS:
        raise DataError(_FEW_KNOWN.format(int(seen.min()), len(effects.unit)))
    return autocovariances(effects.effect, effects.variance, effects.position)


def _plain(effect: Floats, position: NDArray[np.intp], lag: int) -> float:
    """Return the mean over pairs of periods of the correlation of the estimates as they stand."""
    if lag == 0:
        return 1.0
    found = []
    for t, u in np.argwhere(np.subtract.outer(position, position) == lag):
        both = np.isfinite(effect[:, t]) & np.isfinite(effect[:, u])
        if both.sum() >= LEAST_PAIRS:
            found.append(float(np.corrcoef(effect[both, t], effect[both, u])[0, 1]))
    return float(np.mean(found)) if found else float("nan")


@dataclass(frozen=True, eq=False, kw_only=True)
class RegressionToTheMean:
    """What is left, in the next period, of the distance of units that were flagged.

    Parameters
    ----------
    table : DataFrame
        See `to_frame`.
    scale : "estimate" or "log"
    level : float
    notes : tuple of str
    """

    table: pd.DataFrame
    scale: Scale
    level: float
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        pairs = int((self.table["earlier"].astype(str) != _ALL).sum())
        return f"RegressionToTheMean({pairs} {'pair' if pairs == 1 else 'pairs'} of periods, {self.scale})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each pair of neighbouring periods, and one for all of them.

        Returns
        -------
        DataFrame
            ``earlier, later, units, distance, observed, lower, upper, predicted, predicted_lower, predicted_upper,
            withheld``. ``units`` were flagged in the earlier period; ``distance`` is their mean distance there from the
            mean of units, on ``scale``; ``observed`` is the share of it that is left in the later period, and
            ``predicted`` the share that reliability lets one expect. The last row is of all pairs: earlier and later
            are "all". It is left out, and a note says so, where periods are unevenly apart.
        """
        return self.table.copy()


def regression_to_the_mean(comparisons: object, *, level: float = 0.95) -> RegressionToTheMean:
    """Follow units that differ from expected in one period into the next.

    Part of what sets a flagged unit apart is chance, and does not come back: a unit that moves towards the mean has not
    thereby become better or worse.

    Parameters
    ----------
    comparisons : mapping of period to Comparison
        See `by_period`. Flagged is what ``Comparison.different`` says is above or below, at the comparisons' own level.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    RegressionToTheMean

    Raises
    ------
    SpecificationError, DataError
        As `reliability`.

    Notes
    -----
    With a unit's distance x in one period, g the signal's covariance by lag and s² its noise, the distance to be
    expected in the next is x g(1) / (g(0) + s²), however the unit was chosen by x. Both sides are in one table: where
    the observed share is far below the predicted one, flagged units moved more than chance and usual drift explain.

    References
    ----------
    Galton (1886), Journal of the Anthropological Institute 15:246; Efron (2011), JASA 106:1602.

    Examples
    --------
    >>> from benchmodels import Pooled, datasets
    >>> from benchmodels.years import by_period
    >>> table = datasets.simulate_denmark().special_education(years=(2022, 2023))
    >>> model = Pooled("segregated ~ sex", unit="municipality", trials="pupils", family="binomial")
    >>> len(regression_to_the_mean(by_period(model, table, period="year")).to_frame())
    2
    """
    share("level", level)
    e = year_effects(comparisons, "regression_to_the_mean")
    found = measured(e)
    middle, _ = centred(e.effect, e.variance, max(float(found.covariance[0]), 0.0))
    flagged = np.zeros(e.effect.shape, dtype=bool)
    for t, (c, rows) in enumerate(zip(e.comparisons, e.place.T, strict=True)):
        flagged[:, t] = (rows >= 0) & np.isin(c.different[rows], ("above", "below"))
    pairs = [_Pair(middle, e, flagged, t) for t in range(len(e.period) - 1)]
    rows = [pair.row(found, level, e.period[t], e.period[t + 1]) for t, pair in enumerate(pairs)]
    steps = np.diff(e.position)
    if np.all(steps == steps[0]):
        rows.append(_Pair(middle, e, flagged, None).row(found, level, _ALL, _ALL))
    notes = e.notes if np.all(steps == steps[0]) else (*e.notes, "periods are unevenly apart and are not added up")
    table = pd.DataFrame(rows)
    for name in ("earlier", "later"):
        # Labels as they came, beside the word for all pairs.
        table[name] = pd.Series([row[name] for row in rows], dtype=object)
    return RegressionToTheMean(table=table, scale=e.scale, level=level, notes=notes)


class _Pair:
    """Distances of flagged units in neighbouring periods: of one pair, or (None) of all of them."""

    def __init__(self, middle: Floats, e: YearEffects, flagged: NDArray[np.bool_], pair: int | None) -> None:
        pairs = range(len(e.period) - 1) if pair is None else [pair]
        known = [flagged[:, t] & np.isfinite(middle[:, t]) & np.isfinite(middle[:, t + 1]) for t in pairs]
        self.unit = np.concatenate([np.flatnonzero(k) for k in known])
        self.before = np.concatenate([middle[k, t] for k, t in zip(known, pairs, strict=True)])
        self.after = np.concatenate([middle[k, t + 1] for k, t in zip(known, pairs, strict=True)])
        self.noise = np.concatenate([e.variance[k, t] for k, t in zip(known, pairs, strict=True)])
        self.lag = int(e.position[(pair or 0) + 1] - e.position[pair or 0])

    def row(self, found: Autocovariances, level: float, earlier: object, later: object) -> dict[str, object]:
        """Return the row of the table."""
        size = np.abs(self.before)
        observed = predicted = (float("nan"),) * 3
        few = len(np.unique(self.unit)) < LEAST_FLAGGED
        if not few:
            observed = share_left(self.before, self.after, self.unit, level)
            predicted = self._predicted(found, level)
        names = ("observed", "lower", "upper", "predicted", "predicted_lower", "predicted_upper")
        return {
            "earlier": earlier,
            "later": later,
            "units": len(np.unique(self.unit)),
            "distance": float(size.mean()) if len(size) else float("nan"),
            **dict(zip(names, (*observed, *predicted), strict=True)),
            "withheld": _FEW_FLAGGED if few else (_NO_SIGNAL if np.isnan(predicted[0]) else ""),
        }

    def _predicted(self, found: Autocovariances, level: float) -> tuple[float, float, float]:
        """Return the share of the distance to be expected, with limits from the error of the covariances."""
        at = int(np.flatnonzero(found.lags == self.lag)[0])
        g, towards = float(found.covariance[0]), float(found.covariance[at])
        if not (g > 0 and np.isfinite(towards)):
            return (float("nan"),) * 3
        weight = np.abs(self.before) / np.abs(self.before).sum()
        down = weight / (g + self.noise)
        slope = np.array([-towards * float(np.sum(down / (g + self.noise))), float(down.sum())])
        error = float(np.sqrt(slope @ found.errors[np.ix_([0, at], [0, at])] @ slope))
        half = -float(stdtrit(found.units[at] - 1.0, 0.5 * (1.0 - level))) * error
        share_there = towards * float(down.sum())
        return share_there, share_there - half, share_there + half

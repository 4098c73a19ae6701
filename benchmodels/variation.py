"""How much units vary: the measures of small-area studies, each beside what chance alone would give.

A ratio of the highest to the lowest says more of how small the units are than of how they differ. Every measure here is
told with its value were all units as expected, by simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from benchmodels.asked import entropy, generator, share, whole
from benchmodels.comparison import a_comparison
from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.count_dispersion import count_dispersion
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison, Source

    Floats = NDArray[np.float64]

__all__ = ["MEASURES", "Variation", "small_area_variation", "systematic_component"]

Law = Literal["poisson", "binomial"]

MEASURES = (
    "extremal_quotient",
    "quotient_95_5",
    "quotient_75_25",
    "coefficient_of_variation",
    "weighted_coefficient_of_variation",
    "systematic_component",
    "empirical_bayes",
)
# Under this count a cell's chi-square is not the chi-square's.
_FEW = 5.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Variation:
    """Measures of variation between k units.

    Parameters
    ----------
    value, chance, chance_upper, p, lower, upper : (7,) arrays
        In the order of `MEASURES`: the measure; its median, and the end of its one-sided range at ``level``, where all
        units are as expected; how often chance alone is as large; and its interval. NaN where not simulated; infinite
        where the lowest unit has no event.
    chi_square, chi_square_p : float; df : int
        Σ (O - E)² / E (over 1 - p for trials), its p value by the same simulation, and k - 1.
    units : int
    law : {'poisson', 'binomial'}
    level : float
    draws : int
    notes : tuple of str
        What a reader must know, as sentences without a full stop.
    rng : str
        Entropy of the generator.
    source : Source
    """

    value: Floats
    chance: Floats
    chance_upper: Floats
    p: Floats
    lower: Floats
    upper: Floats
    chi_square: float
    chi_square_p: float
    df: int
    units: int
    law: Law
    level: float
    draws: int
    notes: tuple[str, ...]
    rng: str
    source: Source

    def __repr__(self) -> str:
        at = MEASURES.index("systematic_component")
        return f"Variation({self.units} units, systematic component {self.value[at]:.4g}, p = {self.p[at]:.2g})"

    def to_frame(self) -> pd.DataFrame:
        """Return the measures as a table, one row per measure; the systematic component is not times 100."""
        names = ("value", "chance", "chance_upper", "p", "lower", "upper")
        return pd.DataFrame({"measure": list(MEASURES)} | {name: getattr(self, name) for name in names})


def systematic_component(observed: Floats, expected: Floats) -> float:
    """Return the systematic component of variation, (1 / k) (Σ (O - E)² / E² - Σ 1 / E).

    Parameters
    ----------
    observed, expected : (k,) arrays
        Events, and those expected, above zero.

    Returns
    -------
    float
        Variance of the true ratios O / E between units; below zero where units vary less than chance. Often written
        times 100.

    References
    ----------
    McPherson, Wennberg, Hovind & Clifford (1982), N Engl J Med 307:1310-1314, appendix.

    Examples
    --------
    >>> systematic_component(np.array([10.0, 30.0]), np.array([20.0, 20.0]))
    0.2
    """
    return float(_systematic(np.atleast_2d(observed), expected, 1.0)[0])


def small_area_variation(
    comparison: Comparison,
    *,
    law: Law = "poisson",
    level: float = 0.95,
    draws: int = 2000,
    rng: int | np.random.Generator | None = 0,
) -> Variation:
    """Measure how much units vary around what is expected of them, and how much of that is chance.

    Parameters
    ----------
    comparison : Comparison
        k units with counts observed and expected, indirectly standardised; its contrast does not matter. Expected
        values are scaled to the sum observed.
    law : {'poisson', 'binomial'}, default 'poisson'
        Of a count: events among any number, or among ``size`` trials, whose own variance is smaller.
    level : float, default 0.95
    draws : int, default 2,000
    rng : int, numpy.random.Generator or None, default 0

    Returns
    -------
    Variation

    Raises
    ------
    SpecificationError
        Fewer than three units, what is no count, or direct standardisation.
    DataError
        Expected values that are not above zero, or for trials not below the size.

    Notes
    -----
    Of the ratios r = O / E: extremal quotient, largest over smallest; the same of their 95th and 5th, and 75th and 25th
    percentiles; coefficient of variation; weighted by E; systematic component; and the variance of a gamma (beta)
    distribution by marginal maximum likelihood (negative binomial κ; of trials ρ (1 - p) / p), which weights units by
    what they tell and is never below zero. Quotients and coefficients of variation contain chance, the last two
    do not.

    Intervals are percentiles of the measure in counts drawn anew where true ratios vary as that distribution says.
    They are wide: of 98 units of 5 to 500 expected events and a variance of 0.04, 95 % intervals of the systematic
    component held it in 99.5 % of 400 tables (100 in ``tests/test_variation.py``), as they lie around the maximum
    likelihood, which is surer than it. The maximum likelihood is not redone in each draw and has none.

    References
    ----------
    McPherson et al. (1982), N Engl J Med 307:1310-1314. Diehr et al. (1990), Am J Public Health 80:1343-1347 (what
    chance does to quotients). Ibáñez et al. (2009), BMC Health Serv Res 9:60 (a comparison of the measures).
    """
    comparison = a_comparison(comparison, "small_area_variation")
    share("level", level)
    whole("draws", draws, least=100)
    if law not in get_args(Law):
        raise SpecificationError(f"law={law!r}; allowed are {listed(get_args(Law))}")
    source = generator(rng)
    told = entropy(source)
    count, expected, size = _counts(comparison, law)
    spare = 1.0 - expected / size if law == "binomial" else np.ones_like(expected)
    family: Literal["beta_binomial", "negative_binomial"] = (
        "beta_binomial" if law == "binomial" else "negative_binomial"
    )
    found = count_dispersion(family, count, size, expected).dispersion
    value = _measures(count[None], expected, spare)[0]
    chance = _measures(_drawn(source, expected, size, law, 0.0, draws), expected, spare)
    around = _measures(_drawn(source, expected, size, law, found, draws), expected, spare)
    square = float(((count - expected) ** 2 / (expected * spare)).sum())
    chi = ((_drawn(source, expected, size, law, 0.0, draws) - expected) ** 2 / (expected * spare)).sum(axis=1)
    chance_of_one = float(count.sum() / size.sum())
    between = found if law == "poisson" else found * (1.0 - chance_of_one) / chance_of_one
    tail = 0.5 * (1.0 - level)
    none = [np.nan]
    return Variation(
        value=np.append(value, between),
        chance=np.append(_quantile(chance, 0.5), 0.0),
        chance_upper=np.append(_quantile(chance, level), none),
        p=np.append((1.0 + (chance >= value).sum(axis=0)) / (draws + 1.0), none),
        lower=np.append(_quantile(around, tail), none),
        upper=np.append(_quantile(around, 1.0 - tail), none),
        chi_square=square,
        chi_square_p=float((1.0 + (chi >= square).sum()) / (draws + 1.0)),
        df=len(count) - 1,
        units=len(count),
        law=law,
        level=level,
        draws=draws,
        notes=_notes(comparison, count, expected, square),
        rng=told,
        source=comparison.source,
    )


def _counts(comparison: Comparison, law: Law) -> tuple[Floats, Floats, Floats]:
    count, expected, size = comparison.observed, comparison.expected, comparison.size
    known = np.isfinite(count) & np.isfinite(expected)
    if comparison.standard != "indirect" or comparison.coverage is not None:
        raise SpecificationError("measures of variation take observed and expected counts of each unit's own people")
    if known.sum() < 3:
        raise SpecificationError(f"{int(known.sum())} units have a count; measures of variation need three or more")
    count, expected, size = count[known], expected[known], size[known]
    if (count < 0).any() or (np.abs(count - np.round(count)) > 1e-6).any():
        raise SpecificationError("measures of variation are of counts of events, whole numbers of zero or more")
    count = np.round(count)
    if not count.any():
        raise SpecificationError("no unit has an event; there is nothing that varies")
    bad = ~(expected > 0)
    if not bad.any():
        expected = expected * (count.sum() / expected.sum())
        bad = expected >= size if law == "binomial" else bad
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} unit(s) have no expected count above zero (of trials: and below them): "
            f"{listed(comparison.unit[known][bad])}"
        )
    if law == "binomial" and (count > size).any():
        raise SpecificationError("law='binomial' is of events among trials; a unit has more events than its size")
    return count, expected, size


def _drawn(rng: np.random.Generator, expected: Floats, size: Floats, law: Law, spread: float, draws: int) -> Floats:
    """Return counts (draws, k) where true ratios vary by a dispersion, or not at all."""
    shape = (draws, len(expected))
    if law == "poisson":
        mean = expected * rng.gamma(1.0 / spread, spread, shape) if spread > 0 else np.broadcast_to(expected, shape)
        return rng.poisson(mean).astype(np.float64)
    p = np.broadcast_to(expected / size, shape)
    if spread > 0:
        total = (1.0 - spread) / spread
        p = rng.beta(p * total, (1.0 - p) * total)
    return rng.binomial(np.round(size).astype(np.int64), p).astype(np.float64)


def _measures(count: Floats, expected: Floats, spare: Floats) -> Floats:
    """Return the measures but the last (draws, 6)."""
    ratio = count / expected
    low, q5, q25, q75, q95, high = np.quantile(ratio, [0.0, 0.05, 0.25, 0.75, 0.95, 1.0], axis=1)
    weight = expected / expected.sum()
    middle = ratio @ weight
    weighted = np.sqrt(np.square(ratio - middle[:, None]) @ weight) / np.where(middle > 0, middle, np.nan)
    plain = ratio.std(axis=1, ddof=1) / np.where(ratio.mean(axis=1) > 0, ratio.mean(axis=1), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        quotients = [high / low, q95 / q5, q75 / q25]
    quotients = [np.where(np.isnan(q), np.inf, q) for q in quotients]
    return np.column_stack(
        [*quotients, np.nan_to_num(plain), np.nan_to_num(weighted), _systematic(count, expected, spare)]
    )


def _quantile(drawn: Floats, at: float) -> Floats:
    """Return quantiles of columns, which may be infinite, as the values drawn that leave a share below or at them."""
    return np.asarray(np.sort(drawn, axis=0)[max(int(np.ceil(at * len(drawn))) - 1, 0)])


def _systematic(count: Floats, expected: Floats, spare: Floats | float) -> Floats:
    expected = np.asarray(expected, dtype=np.float64)
    return np.asarray((np.square(count - expected) / expected**2 - spare / expected).mean(axis=1))


def _notes(comparison: Comparison, count: Floats, expected: Floats, square: float) -> tuple[str, ...]:
    notes = []
    if (count == 0).any():
        notes.append(f"{int((count == 0).sum())} unit(s) have no event, so that the extremal quotient is infinite")
    few = int((expected < _FEW).sum())
    if few:
        plain = chdtrc(len(count) - 1, square)
        notes.append(
            f"{few} unit(s) expect fewer than five events; p values are simulated (the chi-square's own would be "
            f"{plain:.2g})"
        )
    left = len(comparison) - len(count)
    if left:
        notes.append(f"{left} unit(s) without a count are left out")
    return tuple(notes)

"""Units over several outcomes: where a unit differs from what is expected, and what goes with what between units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import ndtr

from benchmodels.asked import share
from benchmodels.comparison import an_unshrunken_comparison
from benchmodels.errors import SpecificationError
from benchmodels.kernels.bivariate_effects import LEAST, effect_correlation
from benchmodels.kernels.empirical_bayes import normal_posterior
from benchmodels.kernels.false_discoveries import adjusted_p_values, interval_p_values
from benchmodels.reference import reference_distribution
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Comparison

    Floats = NDArray[np.float64]

__all__ = ["Profile", "profile"]

Multiplicity = Literal["holm", "fdr", "none"]

_COLUMNS = (
    "unit", "outcome", "estimate", "lower", "upper", "z", "p", "adjusted_p", "verdict", "place", "standardised",
    "standardised_lower", "standardised_upper", "shrunken",
)  # fmt: skip
_ASSOCIATED = (
    "outcomes that go together between units need not have a cause in common that a unit can do anything about"
)
_INDEPENDENT = (
    "errors of two outcomes of a unit count as independent; where they are of the same people, say noise_correlation"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Profile:
    """n units over m outcomes.

    Parameters
    ----------
    outcomes : (m,) tuple of str
    unit : (n,) array
        Units of any of the outcomes, in the order in which they are met.
    table : DataFrame, n × m rows
        ``unit, outcome, estimate, lower, upper`` as in the comparisons. ``z``: distance from the null in standard
        errors of a unit that is as expected; ``p`` two-sided, and adjusted over the unit's outcomes. ``verdict``:
        'above', 'below', 'not different', 'withheld', or 'not there'. ``place``: share, 0 to 1, of units like the
        others that would lie below, given their own noise and the variation between units. ``standardised`` with its
        interval: distance from the null in root mean square distances of all units. ``shrunken``: the same of the
        estimate shrunk by its noise.
    better : mapping of str to 'low', 'high' or None
    level : float
    multiplicity : {'holm', 'fdr', 'none'}
    simulated : bool
    notes : tuple of str
    """

    outcomes: tuple[str, ...]
    unit: NDArray[np.object_]
    table: pd.DataFrame
    better: Mapping[str, Better | None]
    level: float
    multiplicity: Multiplicity
    simulated: bool
    notes: tuple[str, ...]
    _effects: Mapping[str, tuple[Floats, Floats]]

    def __repr__(self) -> str:
        return f"Profile({len(self.unit)} units over {', '.join(self.outcomes)}; multiplicity={self.multiplicity!r})"

    def to_frame(self) -> pd.DataFrame:
        """Return the table; always the same columns in the same order, one row per unit and outcome."""
        return self.table.copy()

    def of(self, unit: object) -> pd.DataFrame:
        """Return the rows of one unit, one per outcome.

        Raises
        ------
        SpecificationError
            There is no such unit.
        """
        labels = self.unit.tolist()
        if unit not in labels:
            raise SpecificationError(f"there is no unit {unit!r} among the {len(labels)}: {listed(labels)}")
        m = len(self.outcomes)
        return self.table.iloc[labels.index(unit) * m :][:m].reset_index(drop=True)

    def correlations(self, *, noise_correlation: float = 0.0, level: float | None = None) -> pd.DataFrame:
        """Return how true effects of practice go together between units, for each pair of outcomes.

        Parameters
        ----------
        noise_correlation : float, default 0.0
            Of the errors of two outcomes of one unit, as where they are of the same people; between -1 and 1.
        level : float, optional
            Of the intervals; by default that of the profile.

        Returns
        -------
        DataFrame
            ``first, second, units, estimate, lower, upper, p, moments, plain, why``. ``plain`` is Pearson's of the
            estimates as they are, which noise draws towards zero. Where there are fewer than 20 units with both, or an
            outcome does not vary by more than its noise, numbers are NaN and ``why`` says so.

        Raises
        ------
        SpecificationError
            A correlation that is none.

        Notes
        -----
        Effects are estimate less null, of ratios and rates the logarithm of their quotient. At a reliability of 0.6 and
        a true correlation of 0.5, in 80 tables of 98 units: mean estimate 0.50 (plain 0.25), and 95 % intervals held it
        in 95 %; of 30 units 0.54 (plain 0.29) and 89 %, so that few units ask for a higher level (50 tables in
        ``tests/test_profiles.py``). It is of what expected values leave: composition that both
        have in common is gone, conditions that no column tells of are not.
        """
        asked = self.level if level is None else level
        share("level", asked)
        if not (isinstance(noise_correlation, int | float) and -1.0 < noise_correlation < 1.0):
            raise SpecificationError(f"noise_correlation={noise_correlation!r}; give a number between -1 and 1")
        rows = [self._pair(a, b, float(noise_correlation), asked) for a, b in combinations(self.outcomes, 2)]
        frame = pd.DataFrame(rows)
        frame.attrs["notes"] = (_ASSOCIATED, *([_INDEPENDENT] if noise_correlation == 0 else []))
        return frame

    def _pair(self, first: str, second: str, noise_correlation: float, level: float) -> dict[str, object]:
        y = np.column_stack([self._effects[name][0] for name in (first, second)])
        s = np.column_stack([self._effects[name][1] for name in (first, second)])
        both = (np.isfinite(y) & np.isfinite(s) & (s > 0)).all(axis=1)
        found = effect_correlation(y[both], s[both], noise_correlation=noise_correlation, level=level)
        why = ""
        if found is None:
            few = f"{int(both.sum())} units have both outcomes with a known uncertainty, and {LEAST} are needed"
            why = few if both.sum() < LEAST else "an outcome does not vary between units by more than its noise"
        names = ("estimate", "lower", "upper", "p", "moments", "plain")
        told = {name: getattr(found, name) if found is not None else np.nan for name in names}
        return {"first": first, "second": second, "units": int(both.sum())} | told | {"why": why}


def profile(outcomes: Mapping[str, Comparison], *, level: float = 0.95, multiplicity: Multiplicity = "holm") -> Profile:
    """Put comparisons of the same units side by side.

    Parameters
    ----------
    outcomes : mapping of str to Comparison
        Two or more, by the name of the outcome. Units are matched by label; one that an outcome lacks is said.
    level : float, default 0.95
        One less the error that a unit's verdicts may have.
    multiplicity : {'holm', 'fdr', 'none'}, default 'holm'
        Over the outcomes of one unit, chosen beforehand: 'holm', that any verdict is wrong at all; 'fdr' (Benjamini and
        Hochberg), the expected share of wrong ones; 'none', each for itself. Not over units.

    Returns
    -------
    Profile

    Raises
    ------
    SpecificationError
        What is no mapping of comparisons, fewer than two, or an unknown option.

    Examples
    --------
    >>> from benchmodels import compare_expected
    >>> def of(counts):
    ...     table = pd.DataFrame({"k": list("abcde"), "o": counts, "e": 20.0})
    ...     return compare_expected(table, unit="k", observed="o", expected="e")
    >>> found = profile({"absence": of([20, 45, 22, 14, 19]), "costs": of([18, 24, 25, 13, 20])})
    >>> found.of("b")["verdict"].tolist()
    ['above', 'not different']
    """
    share("level", level)
    if multiplicity not in get_args(Multiplicity):
        raise SpecificationError(f"multiplicity={multiplicity!r}; allowed are {listed(get_args(Multiplicity))}")
    if not isinstance(outcomes, Mapping) or len(outcomes) < 2 or not all(isinstance(n, str) and n for n in outcomes):
        raise SpecificationError("outcomes takes two or more comparisons by name, as {'absence': …, 'costs': …}")
    taken = {name: an_unshrunken_comparison(c, f"profile, for {name!r},") for name, c in outcomes.items()}
    units = list(dict.fromkeys(label for c in taken.values() for label in c.unit.tolist()))
    columns = {name: _one(comparison, units) for name, comparison in taken.items()}
    p = np.column_stack([columns[name]["p"] for name in taken])
    adjusted = np.array([_adjusted(row, multiplicity) for row in p])
    frames = []
    for j, (name, found) in enumerate(columns.items()):
        frame = pd.DataFrame(found).assign(unit=units, outcome=name, adjusted_p=adjusted[:, j])
        frames.append(frame.assign(verdict=_verdict(frame, level), _at=range(len(units)), _of=j))
    table = pd.concat(frames).sort_values(["_at", "_of"], kind="stable").reset_index(drop=True)
    label = np.empty(len(units), dtype=object)
    label[:] = units
    return Profile(
        outcomes=tuple(taken),
        unit=label,
        table=table[list(_COLUMNS)],
        better={name: c.better for name, c in taken.items()},
        level=level,
        multiplicity=multiplicity,
        simulated=any(c.source.simulated for c in taken.values()),
        notes=_notes(taken, units, multiplicity, level),
        _effects={name: _effects(comparison, units) for name, comparison in taken.items()},
    )


def _one(comparison: Comparison, units: list[object]) -> dict[str, Floats]:
    """Return the numbers of one outcome, (n,) each, NaN where a unit lacks it."""
    estimate, null = comparison.corrected, comparison.null
    away, s0 = estimate - null, comparison.null_std_error
    told = comparison.coverage is None or comparison.coverage.reached(comparison.level)
    known = np.isfinite(away) & np.isfinite(s0) & (s0 > 0) & (comparison.withheld == "") & told
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(known, away / s0, np.nan)
    p = np.where(known, interval_p_values(away, np.where(known, s0, np.nan), margin=0.0, df=comparison.df), np.nan)
    tau = 0.0
    if comparison.null_kind == "sampling" and known.sum() >= 2:
        tau = float(np.nan_to_num(reference_distribution(comparison, level=0.95).tau))
    there = np.isfinite(away)
    spread = float(np.sqrt(np.mean(away[there] ** 2))) if there.any() else np.nan
    spread = spread if spread > 0 else np.nan
    found = {
        "estimate": estimate,
        "lower": comparison.lower,
        "upper": comparison.upper,
        "z": z,
        "p": p,
        "place": np.where(known, ndtr(away / np.sqrt(s0**2 + tau**2)), np.nan),
        "standardised": away / spread,
        "standardised_lower": (comparison.lower - null) / spread,
        "standardised_upper": (comparison.upper - null) / spread,
        "shrunken": _shrunken(comparison, away) / spread,
    }
    place = {label: i for i, label in enumerate(comparison.unit.tolist())}
    at = np.array([place.get(label, -1) for label in units])
    return {name: np.where(at >= 0, value[at], np.nan) for name, value in found.items()}


def _shrunken(comparison: Comparison, away: Floats) -> Floats:
    s = comparison.std_error
    used = np.isfinite(away) & np.isfinite(s) & (s > 0) & (comparison.withheld == "")
    found = np.full(len(away), np.nan)
    if used.sum() >= 4:
        found[used] = normal_posterior(away[used], s[used], np.ones((int(used.sum()), 1))).mean
    return found


def _effects(comparison: Comparison, units: list[object]) -> tuple[Floats, Floats]:
    """Return effects and standard errors on the scale on which they add up, (n,) each."""
    y, s = comparison.corrected - comparison.null, comparison.std_error
    if comparison.contrast != "difference":
        with np.errstate(divide="ignore", invalid="ignore"):
            positive = comparison.corrected > 0
            y = np.where(positive, np.log(comparison.corrected / comparison.null), np.nan)
            s = np.where(positive, comparison.std_error / comparison.corrected, np.nan)
    s = np.where(comparison.withheld == "", s, np.nan)
    place = {label: i for i, label in enumerate(comparison.unit.tolist())}
    at = np.array([place.get(label, -1) for label in units])
    return np.where(at >= 0, y[at], np.nan), np.where(at >= 0, s[at], np.nan)


def _adjusted(p: Floats, multiplicity: Multiplicity) -> Floats:
    """Return the adjusted p values (m,) of one unit; NaN stays and does not count."""
    found, known = np.full(len(p), np.nan), np.isfinite(p)
    m = int(known.sum())
    if not m:
        return found
    if multiplicity == "none":
        return np.asarray(p)
    if multiplicity == "fdr":
        found[known] = adjusted_p_values(p[known])
        return found
    order = np.argsort(p[known], kind="stable")
    stepped = np.maximum.accumulate((m - np.arange(m)) * p[known][order])
    back = np.empty(m)
    back[order] = np.minimum(stepped, 1.0)
    found[known] = back
    return found


def _verdict(frame: pd.DataFrame, level: float) -> list[str]:
    said = []
    for z, p, estimate in zip(frame["z"], frame["adjusted_p"], frame["estimate"], strict=True):
        if np.isnan(estimate):
            said.append("not there")
        elif np.isnan(p):
            said.append("withheld")
        else:
            said.append("not different" if p > 1.0 - level else "above" if z > 0 else "below")
    return said


def _notes(
    taken: Mapping[str, Comparison], units: list[object], multiplicity: Multiplicity, level: float
) -> tuple[str, ...]:
    error = f"{1.0 - level:.3g}"
    notes = {
        "holm": [f"verdicts on a unit's outcomes together are all right but for a chance of {error} (Holm)"],
        "fdr": [
            f"of the verdicts on a unit's outcomes a share of {error} is expected to be wrong (Benjamini-Hochberg)"
        ],
        "none": ["verdicts are each for itself: of many outcomes some differ by chance"],
    }[multiplicity]
    for name, comparison in taken.items():
        lost = [label for label in units if label not in set(comparison.unit.tolist())]
        if lost:
            notes.append(f"{len(lost)} unit(s) are not there for {name!r}: {listed(lost)}")
        if comparison.null_kind == "prediction":
            notes.append(f"z of {name!r} is among units, whose variation is in its standard error: no test of noise")
        if comparison.coverage is not None and not comparison.coverage.reached(comparison.level):
            notes.append(f"no verdicts on {name!r}: {comparison.coverage.of_intervals()}")
    return tuple(notes)

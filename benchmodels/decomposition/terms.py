"""Why is a unit's expected value what it is: its distance from the country, divided among the formula's terms."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.adjustment.coefficients import _model
from benchmodels.adjustment.fit import Fit
from benchmodels.decomposition.steps import Step, Steps, row_of, rows_of
from benchmodels.errors import BenchmodelsError, BenchmodelsWarning, SpecificationError
from benchmodels.kernels.basis import group_means, group_sums
from benchmodels.kernels.cells import collapse
from benchmodels.kernels.families import Family, marginal
from benchmodels.kernels.leave_out import average_levels
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["LEFT_OUT", "Decomposition", "decompose"]

MOST_TERMS = 12
# Pairs of values (a set of terms against the rest) up to which nothing is approximated, and the size of the grid on
# which a set's values are gathered beyond that.
MOST_PAIRS = 4_000_000
GRID = 2000
# Units times different cases: 400 MB.
MOST_CELLS = 50_000_000
# Standard errors by which slopes are moved each way for the derivative of the parts.
STEP = 0.05
# What it moves a unit's expected rate that the unit itself is left out of slopes and level.
LEFT_OUT = "(unit left out)"


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Parts of each unit's expected rate above the country's, one for each term.

    Parameters
    ----------
    unit : (k,) array
    terms : tuple of str
        Formula terms, then `LEFT_OUT`.
    parts : (k, len(terms)) array
        In the unit of measure of the rate (outcome per size); a row sums to ``expected − country``.
    expected : (k,) array
        Expected rate of the unit.
    country : float
        Rate of the whole population.
    exact : bool
        False where continuous covariates were gathered on a grid of values.
    observed : (k,) array
        Observed rate of the unit; less the expected one it is what practice, and chance, add.
    std_error : (k, len(terms)) array or None
        Of the parts, in their unit of measure; None unless asked for. NaN for `LEFT_OUT`.
    practice_std_error : (k,) array or None
        Of observed less expected, as `Fit.compare` has it; None unless asked for.
    simulated : bool
        The figures are of simulated data.
    """

    unit: NDArray[np.object_]
    terms: tuple[str, ...]
    parts: Floats
    expected: Floats
    country: float
    exact: bool
    observed: Floats
    std_error: Floats | None = None
    practice_std_error: Floats | None = None
    simulated: bool = False

    def __repr__(self) -> str:
        how = "exact" if self.exact else "continuous covariates gathered on a grid"
        terms = listed(term for term in self.terms if term != LEFT_OUT)
        return f"Decomposition({len(self.unit)} units from the country's {self.country:.4g}, by {terms}; {how})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row per unit and term: ``unit, term, contribution``, and ``std_error`` where asked for."""
        k, t = self.parts.shape
        frame = pd.DataFrame(
            {
                "unit": np.repeat(self.unit, t),
                "term": np.tile(np.array(self.terms, dtype=object), k),
                "contribution": self.parts.ravel(),
            }
        ).infer_objects()
        return frame if self.std_error is None else frame.assign(std_error=self.std_error.ravel())

    def of(self, unit: object) -> pd.DataFrame:
        """Return one unit's rows of the table."""
        return rows_of(self.to_frame(), self.unit, unit)

    def steps(self, unit: object) -> Steps:
        """Return one unit's way from the country's rate to the expected and the observed one, for a waterfall.

        Raises
        ------
        SpecificationError
            There is no such unit.
        """
        i = row_of(self.unit, unit)
        errors = np.full(len(self.terms), np.nan) if self.std_error is None else self.std_error[i]
        practice = float("nan") if self.practice_std_error is None else float(self.practice_std_error[i])
        parts = [
            Step(name=name, value=float(value), std_error=float(error), word=name == LEFT_OUT)
            for name, value, error in zip(self.terms, self.parts[i], errors, strict=True)
        ]
        observed, expected = float(self.observed[i]), float(self.expected[i])
        return Steps(
            label=str(self.unit[i]),
            rows=(
                Step(name="country", value=self.country, total=True, word=True),
                *parts,
                Step(name="expected", value=expected, total=True, word=True),
                Step(name="practice", value=observed - expected, std_error=practice, word=True),
                Step(name="observed", value=observed, total=True, word=True),
            ),
            simulated=self.simulated,
        )


def decompose(fit: Fit, *, std_error: bool = False) -> Decomposition:
    """Divide each unit's expected rate less the country's rate among the terms of the formula.

    The part of a term is its Shapley value with v(S) = mean over (unit case, country case) of μ(η_S + η_−S): the
    terms in S from the unit's case, the others from the country's, at the average level. With an identity link that
    is the term's slope times the difference of means.

    Parameters
    ----------
    fit : Fit
        Of any family; k units, T terms.
    std_error : bool, default False
        Give the parts their standard errors too, for two more decompositions per slope.

    Returns
    -------
    Decomposition
        Rows add up to the gap to rounding; a last part says what leaving the unit out of its own expected value
        (the default of ``compare``) moves.

    Raises
    ------
    SpecificationError
        Not such a fit, no covariates, more than 12 terms with a curved link, or standard errors of a fit with sampling
        weights.

    Notes
    -----
    Exact where covariates are categories: sets of terms take few distinct values, and all 2^T sets of 8 terms and
    98 units take about a second. Beyond 4 million pairs of values (continuous covariates) a set's values are gathered
    on a grid of 2,000, mean preserved.

    Standard errors are by the delta method from the covariance of the slopes given by the model, at the composition
    and the country's total as they are; the level follows from the slopes. With a canonical link slopes and total are
    uncorrelated, so that nothing is lost by that. A random intercept's spread counts as known.
    """
    if not isinstance(fit, Fit):
        raise SpecificationError(
            f"decompose takes the fit of a Pooled, FixedEffects or RandomEffects, such as model.fit(data); found a "
            f"{type(fit).__name__}"
        )
    design, k = fit.design, len(fit.design.units)
    if not design.terms:
        raise SpecificationError("the formula has no covariates: every unit is expected to be like the country")
    if std_error and fit.model.sampling_weights is not None:
        raise SpecificationError("standard errors of the parts take sampling weights for cases; leave std_error out")
    everyone = fit.practice("all")
    spread = None if everyone.spread is None else everyone.spread[:1]
    slopes = np.array(fit.slopes, dtype=np.float64)
    names, parts, exact = _parts(fit, slopes, float(everyone.average[0]), spread)
    size = group_sums(design.unit, design.size, k)
    country = float(design.outcome.sum() / design.size.sum())
    observed = group_sums(design.unit, design.outcome, k) / size
    expected = fit.expected(reference="others").to_numpy() / size
    with_self = fit.expected(reference="all").to_numpy() / size
    if not exact:
        # What the grid lost is given back in proportion, so that the parts still add to the gap.
        lost = with_self - country - parts.sum(1)
        weight = np.abs(parts) / np.maximum(np.abs(parts).sum(1, keepdims=True), np.finfo(float).tiny)
        parts = parts + weight * lost[:, None]
    parts = np.column_stack([parts, expected - with_self])
    gap = np.abs(parts.sum(1) - (expected - country))
    if np.nanmax(gap) > 1e-9 * max(abs(country), float(np.nanmax(np.abs(expected)))):
        raise BenchmodelsError(f"the parts do not add to the gap (by {np.nanmax(gap):.1e})")
    found = Decomposition(
        design.units, (*names, LEFT_OUT), parts, expected, country, exact, observed, simulated=design.simulated
    )
    if not std_error:
        return found
    errors, of_practice = _errors(fit, slopes, spread)
    return replace(found, std_error=errors, practice_std_error=of_practice)


def _parts(fit: Fit, slopes: Floats, level: float, spread: Floats | None) -> tuple[list[str], Floats, bool]:
    """Return terms, their parts (k, T) at given slopes on the columns, and whether nothing was gathered on a grid."""
    design, family, k = fit.design, fit._rows.family, len(fit.design.units)
    names, effects = _effects(fit, slopes)
    if np.any(design.offset != 0):
        names.append("offset")
        effects.append(design.offset)
    if family.link == "identity":
        weight = group_sums(design.unit, design.size, k)
        own = np.stack([group_sums(design.unit, design.size * e, k) / weight for e in effects], axis=1)
        return names, own - np.array([float(design.size @ e) for e in effects]) / design.size.sum(), True
    if len(effects) > MOST_TERMS:
        raise SpecificationError(f"{len(effects)} terms; the parts are computed for at most {MOST_TERMS}")
    return names, *_shapley(family, effects, level, spread, design.unit, design.size, k)


def _errors(fit: Fit, slopes: Floats, spread: Floats | None) -> tuple[Floats, Floats]:
    """Return standard errors of the parts (k, T + 1) and of observed less expected (k,)."""
    rows, turn = fit._rows, fit._basis.turn
    if fit.random is not None:
        covariance = fit.random.covariance[np.ix_(fit.random.inside, fit.random.inside)]
    else:
        inner = _model(fit)[: len(slopes), : len(slopes)]
        covariance = inner if turn is None else turn @ inner @ turn.T
    # Slopes as correlated as they are: any square root of the covariance gives the same sum of squares.
    size, vectors = np.linalg.eigh(covariance)
    variance = np.zeros(0)
    for direction in (vectors * np.sqrt(np.maximum(size, 0.0))).T:
        ends = []
        for sign in (STEP, -STEP):
            moved = slopes + sign * direction
            inside = moved if turn is None else np.linalg.solve(turn, moved)
            level = average_levels(rows, fit.design.unit, inside[None], np.zeros(1), own=True, spread=spread)
            ends.append(_parts(fit, moved, float(level[0]), spread)[1])
        square = ((ends[0] - ends[1]) / (2.0 * STEP)) ** 2
        variance = square if not variance.size else variance + square
    with warnings.catch_warnings():
        # Units without a known uncertainty have none here either.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        practice = fit.compare(contrast="difference").std_error
    unknown = np.full((len(variance), 1), np.nan)
    return np.hstack([np.sqrt(variance), unknown]), practice


def _effects(fit: Fit, slopes: Floats) -> tuple[list[str], list[Floats]]:
    """Return terms and what each adds to the linear predictor of a cell, (n,), up to a constant that the level has."""
    design = fit.design
    term_of = {design.names[j]: name for name, where in design.terms for j in range(where.start, where.stop)}
    effects: dict[str, Floats] = {}
    centre = fit._basis.center if fit.random is None else fit.random.center[fit.random.inside]
    for j, (name, slope) in enumerate(zip(fit.slopes.index, slopes, strict=True)):
        own = str(name).removeprefix("mean(").removesuffix(")") if str(name) not in term_of else str(name)
        if str(name) in term_of:
            column = design.columns[:, design.names.index(own)]
        else:
            # The unit's mean of a covariate counts to that covariate's term.
            k = len(design.units)
            column = group_means(design.columns[:, [design.names.index(own)]], design.size, design.unit, k)[
                design.unit, 0
            ]
        effect = slope * (column - centre[j])
        effects[term_of[own]] = effects[term_of[own]] + effect if term_of[own] in effects else effect
    return list(effects), list(effects.values())


def _shapley(
    family: Family,
    effects: list[Floats],
    level: float,
    spread: Floats | None,
    unit: NDArray[np.intp],
    size: Floats,
    k: int,
) -> tuple[Floats, bool]:
    """Return Shapley values (k, T) of the terms, and whether nothing was gathered on a grid."""
    terms = len(effects)
    coded = [np.unique(e, return_inverse=True) for e in effects]
    # Units and country share the combinations of values that occur; the rest of the work is on those.
    combination, first = collapse([c for _, c in coded], [len(v) for v, _ in coded])
    if k * len(first) > MOST_CELLS:
        raise SpecificationError(f"{len(first)} different cases in {k} units are too many to divide by term")
    own = np.bincount(unit * len(first) + combination, size, k * len(first)).reshape(k, len(first))
    country = own.sum(0) / own.sum()
    own = own / own.sum(1, keepdims=True)
    effects = [e[first] for e in effects]
    codes = [c[first] for _, c in coded]
    radix = [len(v) for v, _ in coded]
    worth, exact = {}, True
    for count in range(terms + 1):
        for chosen in combinations(range(terms), count):
            inside = _values(effects, codes, radix, chosen, own)
            outside = _values(effects, codes, radix, tuple(t for t in range(terms) if t not in chosen), country[None])
            if len(inside[0]) * len(outside[0]) > MOST_PAIRS:
                inside, outside, exact = _gathered(*inside), _gathered(*outside), False
            table = marginal(family, inside[0][:, None] + outside[0] + level, spread)[0]
            worth[chosen] = inside[1] @ (table @ outside[1][0])
    parts = np.zeros((len(own), terms))
    for chosen, value in worth.items():
        for t in range(terms):
            if t not in chosen:
                more = tuple(sorted((*chosen, t)))
                parts[:, t] += (worth[more] - value) / (terms * comb(terms - 1, len(chosen)))
    return parts, exact


def _values(
    effects: list[Floats],
    codes: list[NDArray[np.intp]],
    radix: list[int],
    chosen: tuple[int, ...],
    weights: Floats,
) -> tuple[Floats, Floats]:
    """Return the distinct values (v,) of a set of terms and the (rows, v) weights on them."""
    if not chosen:
        return np.zeros(1), weights.sum(1, keepdims=True)
    value = np.sum([effects[t] for t in chosen], axis=0)
    group, first = collapse([codes[t] for t in chosen], [radix[t] for t in chosen])
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(first)))
    return value[first], np.add.reduceat(weights[:, order], starts, axis=1)


def _gathered(value: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Gather values and their weights on a grid, each value shared between its two neighbours."""
    if len(value) <= GRID:
        return value, weights
    grid = np.linspace(value.min(), value.max(), GRID)
    place = (value - grid[0]) / (grid[1] - grid[0])
    left = np.minimum(place.astype(np.intp), GRID - 2)
    share = place - left
    spread = np.zeros((GRID, len(weights)))
    np.add.at(spread, left, (weights * (1.0 - share)).T)
    np.add.at(spread, left + 1, (weights * share).T)
    return grid, spread.T

"""Why is a unit's expected value what it is: its distance from the country, divided among the formula's terms."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.errors import BenchmodelsError, SpecificationError
from benchmodels.kernels.basis import group_means, group_sums
from benchmodels.kernels.cells import collapse
from benchmodels.kernels.families import Family, marginal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment import Fit

    Floats = NDArray[np.float64]

__all__ = ["LEFT_OUT", "Decomposition", "decompose"]

MOST_TERMS = 12
# Pairs of values (a set of terms against the rest) up to which nothing is approximated, and the size of the grid on
# which a set's values are gathered beyond that.
MOST_PAIRS = 4_000_000
GRID = 2000
# Units times different cases: 400 MB.
MOST_CELLS = 50_000_000
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
    """

    unit: NDArray[np.object_]
    terms: tuple[str, ...]
    parts: Floats
    expected: Floats
    country: float
    exact: bool

    def to_frame(self) -> pd.DataFrame:
        """Return one row per unit and term: ``unit, term, contribution``."""
        k, t = self.parts.shape
        return pd.DataFrame(
            {
                "unit": np.repeat(self.unit, t),
                "term": np.tile(np.array(self.terms, dtype=object), k),
                "contribution": self.parts.ravel(),
            }
        ).infer_objects()


def decompose(fit: Fit) -> Decomposition:
    """Divide each unit's expected rate less the country's rate among the terms of the formula.

    The part of a term is its Shapley value with v(S) = mean over (unit case, country case) of μ(η_S + η_−S): the
    terms in S from the unit's case, the others from the country's, at the average level. With an identity link that
    is the term's slope times the difference of means.

    Parameters
    ----------
    fit : Fit
        Of any family; k units, T terms.

    Returns
    -------
    Decomposition
        Rows add up to the gap to rounding; a last part says what leaving the unit out of its own expected value
        (the default of ``compare``) moves.

    Raises
    ------
    SpecificationError
        No covariates, or more than 12 terms with a curved link.

    Notes
    -----
    Exact where covariates are categories: sets of terms take few distinct values, and all 2^T sets of 8 terms and
    98 units take about a second. Beyond 4 million pairs of values (continuous covariates) a set's values are gathered
    on a grid of 2,000, mean preserved.
    """
    design, rows = fit.design, fit._rows
    k = len(design.units)
    if not design.terms:
        raise SpecificationError("the formula has no covariates: every unit is expected to be like the country")
    names, effects = _effects(fit)
    if np.any(design.offset != 0):
        names.append("offset")
        effects.append(design.offset)
    everyone = fit.practice("all")
    level = float(everyone.average[0])
    if rows.family.link == "identity":
        weight = group_sums(design.unit, design.size, k)
        own = np.stack([group_sums(design.unit, design.size * e, k) / weight for e in effects], axis=1)
        parts = own - np.array([float(design.size @ e) for e in effects]) / design.size.sum()
        exact = True
    else:
        if len(effects) > MOST_TERMS:
            raise SpecificationError(f"{len(effects)} terms; the parts are computed for at most {MOST_TERMS}")
        spread = None if everyone.spread is None else everyone.spread[:1]
        parts, exact = _shapley(rows.family, effects, level, spread, design.unit, design.size, k)
    size = group_sums(design.unit, design.size, k)
    country = float(design.outcome.sum() / design.size.sum())
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
    return Decomposition(design.units, (*names, LEFT_OUT), parts, expected, country, exact)


def _effects(fit: Fit) -> tuple[list[str], list[Floats]]:
    """Return terms and what each adds to the linear predictor of a cell, (n,), up to a constant that the level has."""
    design = fit.design
    term_of = {design.names[j]: name for name, where in design.terms for j in range(where.start, where.stop)}
    effects: dict[str, Floats] = {}
    centre = fit._basis.center if fit.random is None else fit.random.center[fit.random.inside]
    for j, (name, slope) in enumerate(fit.slopes.items()):
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

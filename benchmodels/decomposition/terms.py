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
        Give the parts their standard errors too.

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
    uncorrelated, so that nothing is lost by that. A random intercept's spread counts as known. Derivatives come with
    the parts, so that errors take hardly longer than the parts themselves.
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
    terms = _terms(fit)
    parts, moves, exact = _parts(fit, terms, float(everyone.average[0]), spread, derivative=std_error)
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
        design.units, (*terms.names, LEFT_OUT), parts, expected, country, exact, observed, simulated=design.simulated
    )
    if not std_error:
        return found
    errors, of_practice = _errors(fit, moves)
    return replace(found, std_error=errors, practice_std_error=of_practice)


@dataclass(frozen=True, eq=False)
class _Terms:
    """What terms add to the linear predictor of n rows, up to a constant that the level has.

    Parameters
    ----------
    names : tuple of T str
    effects : T arrays (n,)
    columns : (n, p) array
        What a slope is multiplied by.
    term : (p,) array of int
        Whose slope it is.
    """

    names: tuple[str, ...]
    effects: list[Floats]
    columns: Floats
    term: NDArray[np.intp]


def _parts(
    fit: Fit, terms: _Terms, level: float, spread: Floats | None, *, derivative: bool
) -> tuple[Floats, Floats, bool]:
    """Return parts (k, T), their derivatives in slopes (k, T, p), and whether nothing was gathered on a grid."""
    design, family, k = fit.design, fit._rows.family, len(fit.design.units)
    if family.link == "identity":
        weight = group_sums(design.unit, design.size, k)

        def apart(values: Floats) -> Floats:
            return np.asarray(
                group_sums(design.unit, design.size * values, k) / weight - (design.size @ values) / weight.sum()
            )

        moves = np.zeros((k, len(terms.names), terms.columns.shape[1]))
        for j, t in enumerate(terms.term):
            moves[:, t, j] = apart(terms.columns[:, j])
        return np.stack([apart(e) for e in terms.effects], axis=1), moves, True
    if len(terms.names) > MOST_TERMS:
        raise SpecificationError(f"{len(terms.names)} terms; the parts are computed for at most {MOST_TERMS}")
    follows = _level_moves(fit, terms, level, spread) if derivative else None
    return _shapley(family, terms, level, follows, spread, design.unit, design.size, k)


def _level_moves(fit: Fit, terms: _Terms, level: float, spread: Floats | None) -> Floats:
    """Return the derivative (p,) of the level in the slopes, at which the country's total stays."""
    slope = marginal(fit._rows.family, np.sum(terms.effects, axis=0) + level, spread)[1] * fit.design.size
    return np.asarray(-(slope @ terms.columns) / slope.sum())


def _errors(fit: Fit, moves: Floats) -> tuple[Floats, Floats]:
    """Return standard errors of the parts (k, T + 1) and of observed less expected (k,)."""
    turn = fit._basis.turn
    if fit.random is not None:
        covariance = fit.random.covariance[np.ix_(fit.random.inside, fit.random.inside)]
    else:
        inner = _model(fit)[: moves.shape[2], : moves.shape[2]]
        covariance = inner if turn is None else turn @ inner @ turn.T
    variance = np.einsum("ktp,pq,ktq->kt", moves, covariance, moves, optimize=True)
    with warnings.catch_warnings():
        # Units without a known uncertainty have none here either.
        warnings.simplefilter("ignore", BenchmodelsWarning)
        practice = fit.compare(contrast="difference").std_error
    unknown = np.full((len(variance), 1), np.nan)
    return np.hstack([np.sqrt(np.maximum(variance, 0.0)), unknown]), practice


def _terms(fit: Fit) -> _Terms:
    """Return what each term adds to the linear predictor of a row."""
    design, slopes = fit.design, np.array(fit.slopes, dtype=np.float64)
    term_of = {design.names[j]: name for name, where in design.terms for j in range(where.start, where.stop)}
    centre = fit._basis.center if fit.random is None else fit.random.center[fit.random.inside]
    names: list[str] = []
    columns, term = np.empty((len(design.unit), len(slopes))), np.empty(len(slopes), dtype=np.intp)
    for j, name in enumerate(fit.slopes.index):
        own = str(name).removeprefix("mean(").removesuffix(")") if str(name) not in term_of else str(name)
        column = design.columns[:, design.names.index(own)]
        if str(name) not in term_of:
            # The unit's mean of a covariate counts to that covariate's term.
            column = group_means(column[:, None], design.size, design.unit, len(design.units))[design.unit, 0]
        if term_of[own] not in names:
            names.append(term_of[own])
        columns[:, j], term[j] = column - centre[j], names.index(term_of[own])
    effects = [columns[:, term == t] @ slopes[term == t] for t in range(len(names))]
    if np.any(design.offset != 0):
        names.append("offset")
        effects.append(design.offset)
    return _Terms(tuple(names), effects, columns, term)


def _shapley(
    family: Family,
    given: _Terms,
    level: float,
    follows: Floats | None,
    spread: Floats | None,
    unit: NDArray[np.intp],
    size: Floats,
    k: int,
) -> tuple[Floats, Floats, bool]:
    """Return Shapley values (k, T) of the terms, their derivatives (k, T, p), and whether no grid was needed.

    ``follows`` (p,) is how the level moves with the slopes; None: derivatives are not asked for, and p is 0.
    """
    terms, p = len(given.names), 0 if follows is None else len(follows)
    coded = [_coded(given, t) for t in range(terms)]
    # Units and country share the combinations of values that occur; the rest of the work is on those.
    combination, first = collapse([c for c, _ in coded], [v for _, v in coded])
    if k * len(first) > MOST_CELLS:
        raise SpecificationError(f"{len(first)} different cases in {k} units are too many to divide by term")
    own = np.bincount(unit * len(first) + combination, size, k * len(first)).reshape(k, len(first))
    country = own.sum(0) / own.sum()
    own = own / own.sum(1, keepdims=True)
    effects = [e[first] for e in given.effects]
    codes = [c[first] for c, _ in coded]
    radix = [v for _, v in coded]
    columns = given.columns[first, :p]
    worth, exact = {}, True
    for count in range(terms + 1):
        for chosen in combinations(range(terms), count):
            rest = tuple(t for t in range(terms) if t not in chosen)

            def side(some: tuple[int, ...], weights: Floats) -> _Side:
                value, gathered, row = _values(effects, codes, radix, some, weights)
                return _Side(value, gathered, np.where(np.isin(given.term[:p], some), columns[row], 0.0))

            inside, outside = side(chosen, own), side(rest, country[None])
            if len(inside.value) * len(outside.value) > MOST_PAIRS:
                inside, outside, exact = inside.on_grid(), outside.on_grid(), False
            worth[chosen] = _worth(family, inside, outside, level, follows, spread)
    # One row of derivatives after another beside the value itself.
    parts = np.zeros((len(own), terms, 1 + p))
    for chosen, value in worth.items():
        for t in range(terms):
            if t not in chosen:
                more = tuple(sorted((*chosen, t)))
                parts[:, t] += (worth[more] - value) / (terms * comb(terms - 1, len(chosen)))
    return parts[:, :, 0], parts[:, :, 1:], exact


def _coded(given: _Terms, t: int) -> tuple[NDArray[np.intp], int]:
    """Return the number (n,) of a row's value of a term, and how many there are: rows of one share its columns too."""
    own = given.columns[:, given.term == t]
    codes = [np.unique(column, return_inverse=True)[1] for column in (own.T if own.size else [given.effects[t]])]
    code, first = collapse(codes, [int(c.max()) + 1 for c in codes])
    return code, len(first)


@dataclass(frozen=True, eq=False)
class _Side:
    """The distinct values of a set of terms: of units' cases, or of the country's.

    Parameters
    ----------
    value : (v,) array
    weights : (rows, v) array
    columns : (v, p) array
        By which a value moves with the slopes; zero for those of other terms.
    place, share : (c,) arrays, optional
        Where values were gathered on a grid: of each of the c values its left neighbour, and its part of the right one;
        ``cells`` (rows, c) and ``columns`` (c, p) are then of these.
    """

    value: Floats
    weights: Floats
    columns: Floats
    place: NDArray[np.intp] | None = None
    share: Floats | None = None
    cells: Floats | None = None

    def on_grid(self) -> _Side:
        """Gather values and their weights on a grid, each value shared between its two neighbours."""
        if len(self.value) <= GRID:
            return self
        grid = np.linspace(self.value.min(), self.value.max(), GRID)
        place = (self.value - grid[0]) / (grid[1] - grid[0])
        left = np.minimum(place.astype(np.intp), GRID - 2)
        share = place - left
        return _Side(grid, _gathered(self.weights.T, left, share).T, self.columns, left, share, self.weights)

    def moved(self, rises: Floats) -> Floats:
        """Return the sum (rows, p) over values of weight times column times what is found (v,) there."""
        if self.place is None or self.share is None or self.cells is None:
            return np.asarray(self.weights @ (self.columns * rises[:, None]))
        at = rises[self.place] * (1.0 - self.share) + rises[self.place + 1] * self.share
        return np.asarray(self.cells @ (self.columns * at[:, None]))

    def pull(self) -> Floats:
        """Return weight times column (v, p) of the first row."""
        if self.place is None or self.share is None or self.cells is None:
            return np.asarray(self.weights[0][:, None] * self.columns)
        return _gathered(self.cells[0][:, None] * self.columns, self.place, self.share)


def _gathered(values: Floats, left: NDArray[np.intp], share: Floats) -> Floats:
    """Return values (c, m) summed on the grid (GRID, m)."""
    found = np.empty((GRID, values.shape[1]))
    for j, column in enumerate(values.T):
        found[:, j] = np.bincount(left, column * (1.0 - share), GRID) + np.bincount(left + 1, column * share, GRID)
    return found


def _worth(
    family: Family, inside: _Side, outside: _Side, level: float, follows: Floats | None, spread: Floats | None
) -> Floats:
    """Return the mean (rows, 1 + p) over pairs of a unit's and the country's case, and its derivatives."""
    mu, slope, _ = marginal(family, inside.value[:, None] + outside.value + level, spread)
    weights = outside.weights[0]
    value = inside.weights @ (mu @ weights)
    if follows is None:
        return np.asarray(value[:, None])
    rises = slope @ weights
    moved = inside.moved(rises) + inside.weights @ (slope @ outside.pull() + rises[:, None] * follows)
    return np.column_stack([value, moved])


def _values(
    effects: list[Floats],
    codes: list[NDArray[np.intp]],
    radix: list[int],
    chosen: tuple[int, ...],
    weights: Floats,
) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Return the distinct values (v,) of a set of terms, the (rows, v) weights on them, and a row of each."""
    if not chosen:
        return np.zeros(1), weights.sum(1, keepdims=True), np.zeros(1, dtype=np.intp)
    value = np.sum([effects[t] for t in chosen], axis=0)
    group, first = collapse([codes[t] for t in chosen], [radix[t] for t in chosen])
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(first)))
    return value[first], np.add.reduceat(weights[:, order], starts, axis=1), first

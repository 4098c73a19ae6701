"""A gap between one unit and others, as covariates and slopes: Oaxaca and Blinder, also for shares and counts."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import ndtri

from benchmodels.asked import share
from benchmodels.decomposition.regressions import Group, expansion, groups, pooled
from benchmodels.decomposition.steps import Step, Steps, check_sum
from benchmodels.errors import SpecificationError
from benchmodels.kernels.families import mean
from benchmodels.roles import Roles
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.decomposition.regressions import Expansion

    Floats = NDArray[np.float64]

__all__ = ["OaxacaBlinder", "oaxaca_blinder"]

Fold = Literal["twofold", "threefold"]
Weights = Literal["unit", "reference", "average", "size", "pooled", "neumark"]
Categories = Literal["deviation", "omitted"]
Composition = Literal["fixed", "sampled"]
Counted = Literal["gaussian", "binomial", "poisson"]

_NAMES = {"twofold": ("explained", "unexplained"), "threefold": ("covariates", "slopes", "interaction")}
# A sum of terms this small beside the terms themselves says nothing of how to share a part among them.
CANCELLED = 1e-6
# Standard errors by which slopes and means are moved each way for the derivative of the parts.
STEP = 1e-3
LEVEL = "(level)"
# In the place of a term: a part with all its terms, or the gap.
WHOLE = "(whole)"


@dataclass(frozen=True, eq=False, kw_only=True)
class OaxacaBlinder:
    """The gap in mean outcome (or rate) between a unit and its reference, in parts.

    Parameters
    ----------
    unit, against : str
        Whose gap, and against whom.
    names : tuple of str
        "explained" and "unexplained"; or "covariates", "slopes" and "interaction".
    parts, std_error : (q,) arrays
        In the outcome's unit of measure per size; they sum to ``mean - reference``.
    terms : tuple of str
        Of the formula, and "(level)" last.
    by_term, by_term_std_error : (T, q) arrays
        Each part by term; a column sums to its part, or is NaN where terms cancel, so that no share can be given.
    mean, reference : float
        Mean outcome of unit and reference.
    gap_std_error : float
    weights, categories, composition : str
        As asked for.
    family : str
    notes : tuple of str
    simulated : bool
    """

    unit: str
    against: str
    names: tuple[str, ...]
    parts: Floats
    std_error: Floats
    terms: tuple[str, ...]
    by_term: Floats
    by_term_std_error: Floats
    mean: float
    reference: float
    gap_std_error: float
    weights: Weights
    categories: Categories
    composition: Composition
    family: str
    notes: tuple[str, ...]
    simulated: bool = False

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {value:.4g}" for name, value in zip(self.names, self.parts, strict=True))
        how = "" if len(self.names) == 3 else f"; weights={self.weights!r}"
        return f"OaxacaBlinder({self.unit} less {self.against}: {self.mean - self.reference:.4g} = {told}{how})"

    def to_frame(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return ``part, term, contribution, std_error, lower, upper``; wholes and the gap have the term "(whole)"."""
        share("level", level)
        rows: list[tuple[str, str, float, float]] = []
        for j, name in enumerate(self.names):
            rows.append((name, WHOLE, self.parts[j], self.std_error[j]))
            for t, term in enumerate(self.terms):
                rows.append((name, term, self.by_term[t, j], self.by_term_std_error[t, j]))
        rows.append(("gap", WHOLE, self.mean - self.reference, self.gap_std_error))
        frame = pd.DataFrame(rows, columns=["part", "term", "contribution", "std_error"])
        half = -ndtri(0.5 * (1.0 - level)) * frame["std_error"]
        return frame.assign(lower=frame["contribution"] - half, upper=frame["contribution"] + half)

    def steps(self, *, terms: bool = False) -> Steps:
        """Return the way from the reference's mean to the unit's, for a waterfall.

        Parameters
        ----------
        terms : bool, default False
            Divide the first part (what covariates explain) among terms.
        """
        first = [Step(name=self.names[0], value=float(self.parts[0]), std_error=float(self.std_error[0]), word=True)]
        if terms:
            first = [
                Step(name=term, value=float(value), std_error=float(error), word=False)
                for term, value, error in zip(self.terms, self.by_term[:, 0], self.by_term_std_error[:, 0], strict=True)
                if term != LEVEL
            ]
        rest = [
            Step(name=name, value=float(value), std_error=float(error), word=True)
            for name, value, error in zip(self.names[1:], self.parts[1:], self.std_error[1:], strict=True)
        ]
        start = Step(name=self.against, value=self.reference, total=True, word=self.against == "others")
        end = Step(name="observed", value=self.mean, total=True, word=True)
        return Steps(label=self.unit, rows=(start, *first, *rest, end), simulated=self.simulated)


def oaxaca_blinder(
    data: object,
    formula: str,
    *,
    unit: str,
    which: object,
    against: object = None,
    family: Counted = "gaussian",
    trials: str | None = None,
    exposure: str | None = None,
    fold: Fold = "twofold",
    weights: Weights = "reference",
    categories: Categories = "deviation",
    composition: Composition = "fixed",
) -> OaxacaBlinder:
    """Divide the gap between a unit (A) and others (B) into what covariates, and what slopes, make of it.

    With M_g(θ) the mean of μ(x'θ) over the cases of g: two-fold, explained M_A(θ*) − M_B(θ*) and unexplained
    M_A(θ_A) − M_A(θ*) + M_B(θ*) − M_B(θ_B); three-fold, covariates M_A(θ_B) − M_B(θ_B), slopes M_B(θ_A) − M_B(θ_B),
    interaction the rest. θ_A and θ_B are fitted to each alone.

    Parameters
    ----------
    data : dataframe
        One row per case, or grouped counts.
    formula : str
        ``"outcome ~ covariates"``.
    unit : str
        Column of units.
    which : label
        The unit whose gap it is.
    against : label, optional
        Another unit. None: all others together, never the unit itself.
    family : {'gaussian', 'binomial', 'poisson'}
        Linear, logit, or log link.
    trials, exposure : str, optional
        As in `benchmodels.roles.Roles`.
    fold : {'twofold', 'threefold'}
    weights : str
        θ* of the two-fold: "unit" θ_A; "reference" θ_B; "average" half of each (Reimers); "size" by numbers of cases
        (Cotton); "pooled" slopes of both with a level for each (Fortin; Jann), at the one level where ΣE = ΣO;
        "neumark" slopes and level of both without (Neumark; takes part of the gap for covariates). The three-fold has
        none.
    categories : {'deviation', 'omitted'}
        How a category's terms are normalised: as deviations from the mean of all categories (Yun 2005), so that the
        parts by term do not depend on which is left out; or from the one that is. Sums over terms are the same.
    composition : {'fixed', 'sampled'}
        'fixed': cases are all there are, and only outcomes vary. 'sampled': covariates too (Jann 2008).

    Returns
    -------
    OaxacaBlinder

    Raises
    ------
    SpecificationError, DataError, ConvergenceError
        As for a fit, naming unit or reference; a label that is not there.

    Notes
    -----
    A part is divided among terms by Yun's (2004) weights, which do not depend on any order: of explained,
    (x̄_A − x̄_B)_t θ*_t / (x̄_A − x̄_B)'θ*; of a part that moves from θ₁ to θ₂ over the cases of g,
    x̄_g,t (θ₂ − θ₁)_t / x̄_g'(θ₂ − θ₁). With an identity link that is the part of each term itself. A three-fold's
    interaction is the linear predictor's, (x̄_A − x̄_B)_t (θ_A − θ_B)_t. Standard errors are by the delta method from
    the covariances of θ_A and θ_B given by the models, θ* moving with them.

    References
    ----------
    Oaxaca (1973), International Economic Review 14:693. Blinder (1973), J. Human Resources 8:436. Reimers (1983), Rev.
    Economics and Statistics 65:570. Cotton (1988), same 70:236. Neumark (1988), J. Human Resources 23:279. Yun (2004),
    Economics Letters 82:275; (2005), Economic Inquiry 43:766. Jann (2008), Stata Journal 8:453.

    Examples
    --------
    >>> table = pd.DataFrame({"town": list("aaabbbb"), "need": [1, 2, 3, 0, 1, 2, 1]})
    >>> table = table.assign(cost=[3.0, 5.0, 8.0, 1.0, 2.0, 3.0, 2.0])
    >>> oaxaca_blinder(table, "cost ~ need", unit="town", which="a")
    OaxacaBlinder(a less others: 3.333 = explained 1, unexplained 2.333; weights='reference')
    """
    asked = {"family": Counted, "fold": Fold, "weights": Weights, "categories": Categories, "composition": Composition}
    for name, allowed in asked.items():
        if locals()[name] not in get_args(allowed):
            raise SpecificationError(f"{name} must be one of {listed(get_args(allowed))}; found {locals()[name]!r}")
    if not isinstance(which, Hashable) or not isinstance(against, Hashable):
        raise SpecificationError(f"which={which!r}, against={against!r}; give labels of {unit!r}")
    roles = Roles(unit=unit, family=family, trials=trials, exposure=exposure)
    a, b = groups(data, formula, roles, which, against)
    wide = expansion(a.design_terms, deviation=categories == "deviation")
    star = _star(a, b, weights) if fold == "twofold" else np.zeros((len(a.theta), 2 * len(a.theta)))
    start = np.concatenate([a.theta, b.theta])
    at_star = _star_at(a, b, weights, start) if fold == "twofold" else np.zeros(len(a.theta))

    def divided(moved: Floats, shift_a: Floats, shift_b: Floats) -> Floats:
        """Return every part by term and whole, (T + 1, q), at moved slopes and means."""
        p = len(a.theta)
        thetas = (moved[:p], moved[p:], at_star + star @ (moved - start))
        means = tuple(_means(g, thetas, s) for g, s in ((a, shift_a), (b, shift_b)))
        return _split(means[0], means[1], thetas, wide, fold)

    whole, errors = _with_errors(a, b, divided, start, at_star, composition)
    parts, by_term = whole[-1], whole[:-1]
    gap = a.mean - b.mean
    check_sum(parts[None], np.array([gap]), np.array([abs(a.mean) + abs(b.mean)]))
    return OaxacaBlinder(
        unit=a.label,
        against=b.label,
        names=_NAMES[fold],
        parts=parts,
        std_error=errors[-1, :-1],
        terms=wide.terms,
        by_term=by_term,
        by_term_std_error=errors[:-1, :-1],
        mean=a.mean,
        reference=b.mean,
        gap_std_error=float(errors[-1, -1]),
        weights=weights,
        categories=categories,
        composition=composition,
        family=family,
        notes=_notes(whole, _NAMES[fold], wide, categories),
        simulated=a.simulated,
    )


def _notes(whole: Floats, names: tuple[str, ...], wide: Expansion, categories: Categories) -> tuple[str, ...]:
    lost = [name for name, column in zip(names, whole[:-1].T, strict=True) if np.isnan(column).any()]
    notes: tuple[str, ...] = ()
    if lost:
        notes += (f"{listed(lost)}: terms cancel each other, so that no share of it can be given to each",)
    if categories == "deviation" and wide.left:
        notes += (
            f"{listed(wide.left)} is no plain category, and what it has in the unexplained part depends on its coding",
        )
    return notes


def _star_at(a: Group, b: Group, weights: Weights, start: Floats) -> Floats:
    """Return the slopes and level (p + 1,) that explained is taken at."""
    if weights in ("pooled", "neumark"):
        return pooled(a, b, levels=weights == "pooled")[0]
    return _star(a, b, weights) @ start


def _star(a: Group, b: Group, weights: Weights) -> Floats:
    """Return how those move with the slopes and levels of both, (p + 1, 2 (p + 1))."""
    if weights in ("pooled", "neumark"):
        return pooled(a, b, levels=weights == "pooled")[1]
    share_of_a = {"unit": 1.0, "reference": 0.0, "average": 0.5, "size": a.total / (a.total + b.total)}[weights]
    same = np.eye(len(a.theta))
    return np.hstack([share_of_a * same, (1.0 - share_of_a) * same])


def _means(group: Group, thetas: tuple[Floats, ...], shift: Floats) -> Floats:
    """Return mean covariates (with the level's 1) and mean outcomes at each θ, (p + 1 + 3,), all moved by a shift."""
    outcomes = [group.weight @ mean(group.family, group.matrix @ theta) for theta in thetas]
    return np.concatenate([group.weight @ group.matrix, outcomes]) + shift


def _split(of_a: Floats, of_b: Floats, thetas: tuple[Floats, ...], wide: Expansion, fold: Fold) -> Floats:
    """Return parts by term (T, q) with the wholes in a last row."""
    own, other, star = (wide.theta @ theta for theta in thetas)
    xa, xb = wide.means(of_a[:-3]), wide.means(of_b[:-3])
    (aa, ab, a_star), (ba, bb, b_star) = of_a[-3:], of_b[-3:]
    if fold == "twofold":
        explained = _shared(a_star - b_star, (xa - xb) * star, wide)
        up = _shared(aa - a_star, xa * (own - star), wide)
        down = _shared(b_star - bb, xb * (star - other), wide)
        return np.stack([explained, up + down], axis=1)
    covariates = _shared(ab - bb, (xa - xb) * other, wide)
    slopes = _shared(ba - bb, xb * (own - other), wide)
    return np.stack([covariates, slopes, _shared(aa - ab - ba + bb, (xa - xb) * (own - other), wide)], axis=1)


def _shared(part: float, linear: Floats, wide: Expansion) -> Floats:
    """Return a part's terms and, last, the part: by their shares in the linear predictor."""
    total, size = float(linear.sum()), float(np.abs(linear).sum())
    terms = np.bincount(wide.code, linear, len(wide.terms))
    if size == 0.0:
        shares = np.zeros(len(terms)) if abs(part) == 0.0 else np.full(len(terms), np.nan)
        return np.append(shares, part)
    if abs(total) <= CANCELLED * size:
        # With an identity link the terms are the parts themselves, whatever their sum.
        exact = abs(part - total) <= 1e-9 * size
        return np.append(terms if exact else np.full(len(terms), np.nan), part)
    return np.append(terms * (part / total), part)


def _with_errors(
    a: Group,
    b: Group,
    divided: Callable[[Floats, Floats, Floats], Floats],
    start: Floats,
    at_star: Floats,
    composition: Composition,
) -> tuple[Floats, Floats]:
    """Return parts (T + 1, q), and their standard errors with those of their sum, (T + 1, q + 1)."""
    p = len(a.theta)
    still = np.zeros(p + 3)
    found = divided(start, still, still)
    variance = np.zeros((len(found), found.shape[1] + 1))

    def add(up: Floats, down: Floats) -> None:
        slope = (up - down) / (2.0 * STEP)
        variance[...] += np.column_stack([slope, slope.sum(1)]) ** 2

    for at, group in ((0, a), (p, b)):
        for direction in _root(group.covariance):
            move = np.zeros(2 * p)
            move[at : at + p] = STEP * direction
            add(divided(start + move, still, still), divided(start - move, still, still))
    if composition == "sampled":
        thetas = (a.theta, b.theta, at_star)
        for first, group in ((True, a), (False, b)):
            for direction in _root(group.spread_of_means(thetas)):
                move = STEP * direction
                ends = (divided(start, m, still) if first else divided(start, still, m) for m in (move, -move))
                add(*ends)
    return found, np.sqrt(variance)


def _root(covariance: Floats) -> Floats:
    """Return rows whose outer products sum to a covariance."""
    scale = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    scale = np.where(scale > 0, scale, 1.0)
    size, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    # What rounding leaves of a direction without any variance is none.
    size = np.where(size > 1e-14 * size[-1], size, 0.0)
    return np.asarray((vectors * np.sqrt(size)).T * scale)

"""Costs with zeros: whether a case has a cost at all, and how much where it has one.

Part one is the logit of a cost above zero, part two a Gamma model with log link of the costs that are. The mean of a
case is m_j = p_j μ_j, and one level on the log of it, α*, makes expected and observed totals agree over the reference
cases: E_i = Σ_j p_j μ_j exp(α*). The level of part two cancels in E_i; that of part one does not, as p_j is curved.

References
----------
Duan, Manning, Morris & Newhouse (1983), Journal of Business & Economic Statistics 1:115; Mullahy (1998), Journal of
Health Economics 17:247 (the mean of costs above zero by an exponential, without retransformation).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd
from scipy.special import log_expit, stdtrit

from benchmodels.adjustment.coefficients import By, Covariance
from benchmodels.adjustment.compare import _errors, _interval, _null_error, _overlap, _source, _warn
from benchmodels.adjustment.contrasts import Contrasted, OwnCases
from benchmodels.adjustment.equations import Equations
from benchmodels.adjustment.estimate import raise_dependent, raise_not_converged, rows_of
from benchmodels.adjustment.fit import Fit, check_level, check_option
from benchmodels.adjustment.models import Slopes
from benchmodels.adjustment.noise import NOISE_TEXT, NoiseKind
from benchmodels.adjustment.spread import spread_noise
from benchmodels.comparison import Better, Comparison, Contrast, Reference, Standard
from benchmodels.design import Design, read_design
from benchmodels.errors import BenchmodelsError, DataError
from benchmodels.kernels import families
from benchmodels.kernels.basis import group_sums, row_blocks
from benchmodels.kernels.families import Family, FamilyName, Link
from benchmodels.kernels.leave_out import leave_out
from benchmodels.kernels.levels import own_levels
from benchmodels.kernels.newton import Certificate, fit_in_basis
from benchmodels.parallel import one_blas_thread
from benchmodels.roles import Roles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["TwoPart", "TwoPartFit"]

_LOGIT, _GAMMA = Family("binomial"), Family("gamma")


class _Costs(Family):
    """Costs that may be zero: cases of unequal cost are not added up."""

    @property
    def by_row(self) -> bool:
        return True


@dataclass(frozen=True, repr=False, kw_only=True)
class TwoPart(Roles):
    """Costs with zeros, one row a case (person): a logit of any cost, and a Gamma model of the costs above zero.

    Both parts have the same covariates. What is expected of a unit is Σ p μ exp(α*) over its own cases, with α* the
    one level, on the log of the mean, at which expected and observed totals agree over the reference cases.

    Parameters
    ----------
    formula : str
        ``"cost ~ covariates"``; the cost is zero or above, in any unit of measure.
    slopes : "pooled" or "within"
        "pooled": one level in each part for all cases. "within": a level for each unit in each part, so that slopes
        are those within units. Average practice then has, in each part, the mean of the reference units' levels
        weighted by their cases; units without a finite level (no cost at all, or no case without) are not in it.
    unit, frequency, period, cluster, choice, missing
        See `benchmodels.roles.Roles`. A person with a row for each year is a cluster.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"town": list("aaaabbbb"), "cost": [0, 10, 0, 30, 20, 0, 40, 20]})
    >>> TwoPart("cost ~ 1", unit="town").fit(table).compare(contrast="ratio").estimate.round(9).tolist()
    [0.5, 2.0]
    """

    formula: str = field(kw_only=False)
    slopes: Slopes = "pooled"
    family: FamilyName = field(default="gaussian", init=False)
    link: Link | None = field(default=None, init=False)
    trials: str | None = field(default=None, init=False)
    exposure: str | None = field(default=None, init=False)
    offset: str | None = field(default=None, init=False)
    sampling_weights: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("slopes", self.slopes, get_args(Slopes))

    def __repr__(self) -> str:
        asked = {f.name: getattr(self, f.name) for f in fields(self) if f.init and getattr(self, f.name) != f.default}
        formula = asked.pop("formula")
        return f"TwoPart({', '.join([repr(formula), *(f'{name}={value!r}' for name, value in asked.items())])})"

    def kernel_family(self) -> Family:
        """Return what the doorway needs to know of costs."""
        return _Costs("gaussian")

    def fit(self, data: object) -> TwoPartFit:
        """Fit to a dataframe; see `TwoPartFit`."""
        design = read_design(self.formula, self, data)
        some = np.where(design.outcome > 0, design.cases, 0.0)
        _check_costs(design, some, within=self.slopes == "within")
        whether = replace(
            design, outcome=some, squares=some, outcome_squares=some, products=some, size_squares=design.cases
        )
        amount = replace(design, size=some, cases=some, weights=some, products=design.outcome, size_squares=some)
        with one_blas_thread():
            first, second = _fit_part(self, whether, _LOGIT, "any"), _fit_part(self, amount, _GAMMA, "positive")
        return TwoPartFit(self, design, first, second)


def _check_costs(design: Design, some: Floats, *, within: bool) -> None:
    """Raise where costs leave a part nothing to estimate; ``some`` (n,) is how many cases of a row have a cost."""
    name, cost, cases = design.outcome_name, design.outcome, design.cases
    if np.any(cost < 0):
        raise DataError(f"the cost {name!r} cannot be negative; found {int(np.sum(cost < 0))} row(s) below zero")
    if not some.any():
        raise DataError(f"the cost {name!r} is zero in every row: nothing to compare")
    if some.sum() >= cases.sum():
        raise DataError(
            f"no case has a {name!r} of zero, so there is nothing for part 'any' to learn from; use Pooled or "
            "FixedEffects with family='gamma'"
        )
    for label, column in zip(design.names, design.columns.T, strict=True):
        met, of = float(some @ column), float(cases @ column)
        if np.all((column == 0) | (column == 1)) and of > 0 and met in (0.0, of):
            raise DataError(
                f"separation: {'none' if met == 0 else 'each'} of the {of:g} cases of {label!r} has a {name!r} above "
                "zero, so its slope is infinite; merge it with a neighbouring category, or leave it out"
            )
    units, all_units = (group_sums(design.unit, values, len(design.units)) for values in (some, cases))
    if within and design.names and not np.any((units > 0) & (units < all_units)):
        raise DataError(
            f"in every unit no case, or each case, has a {name!r} above zero: nothing can be learnt within units; use "
            "slopes='pooled'"
        )


def _fit_part(model: TwoPart, design: Design, family: Family, part: str) -> Fit:
    """Find the maximum of one part; rows of size zero carry nothing."""
    each = model.slopes == "within"
    rows, basis, solution = fit_in_basis(rows_of(design, family, each=each))
    try:
        if solution is None:
            raise_dependent(design, basis.dependent, each=each)
        if not solution.certificate.converged:
            raise_not_converged(design, basis, solution.slopes, solution.certificate)
    except BenchmodelsError as error:
        raise type(error)(f"part {part!r}: {error}") from None
    return Fit(model, design, solution.certificate, rows, basis, solution)


@dataclass(frozen=True, eq=False)
class TwoPartFit:
    """Both parts fitted to a table.

    Parameters
    ----------
    model : TwoPart
    design : Design
        The table as arrays: n rows, p columns, k units. Rows alike in cost, covariates and unit are one.
    """

    model: TwoPart
    design: Design
    _any: Fit = field(repr=False)
    _positive: Fit = field(repr=False)

    def __repr__(self) -> str:
        d, some = self.design, self._any.design.outcome.sum()
        return (
            f"Fit of {self.model!r}\n{d.rows_read} rows read, {d.rows_dropped} dropped, {some:g} of {d.cases.sum():g} "
            f"cases with a cost, {len(d.units)} units; {self._any.certificate.criterion} "
            + ", ".join(f"{c.value:.1e} after {c.iterations} iterations ({n})" for n, c in self.certificate.items())
        )

    @property
    def certificate(self) -> dict[str, Certificate]:
        """Vouches for the maximum of each part, "any" and "positive"."""
        return {"any": self._any.certificate, "positive": self._positive.certificate}

    @property
    def slopes(self) -> pd.DataFrame:
        """Slopes per unit of measure of each column, of each part: log odds of any cost, log of a positive cost."""
        return pd.DataFrame({"any": self._any.slopes, "positive": self._positive.slopes})

    @property
    def noise_kind(self) -> NoiseKind:
        """Where the units' own noise is known from: cases or clusters."""
        return "cases" if self.model.cluster is None else "clusters"

    def coefficients(self, *, covariance: Covariance = "model", by: By = "unit", level: float = 0.95) -> pd.DataFrame:
        """Return the slopes of both parts with standard errors and intervals; options as in `Fit.coefficients`.

        Returns
        -------
        DataFrame
            ``part, term, name, estimate, std_error, df, lower, upper``, part "any" first. Under
            ``covariance="model"`` part "positive" has its dispersion and part "any" that of counts, 1; under
            ``"quasi"`` both have their Pearson dispersion.
        """
        parts = {"any": self._any, "positive": self._positive}
        frames = {n: fit.coefficients(covariance=covariance, by=by, level=level) for n, fit in parts.items()}
        return pd.concat(frames, names=["part"]).reset_index("part").reset_index(drop=True)

    def expected(self, *, reference: Reference = "others") -> pd.Series[float]:
        """Return the expected total cost of each unit under average practice, in the cost's unit of measure.

        ``reference`` is as in `Fit.expected`: "others" leaves the unit out of slopes and levels, "all" does not.
        """
        check_option("reference", reference, get_args(Reference))
        average = self._average(reference)
        values = np.where(average.found, average.cases.expected, np.nan)
        return pd.Series(values, index=self.design.units, name="expected")

    def _average(self, reference: Reference) -> _Average:
        with one_blas_thread():
            return self._others if reference == "others" else _average(self, others=False)

    @cached_property
    def _others(self) -> _Average:
        # Every comparison asks for it, and it is k refits of both parts.
        return _average(self, others=True)

    def compare(
        self,
        *,
        standard: Standard = "indirect",
        contrast: Contrast = "difference",
        reference: Reference = "others",
        level: float = 0.95,
        better: Better | None = None,
    ) -> Comparison:
        """Set observed against expected cost for every unit; options, result and warnings are those of `Fit.compare`.

        Direct standardisation gives every unit the whole population's cases at the log-level of total mean cost at
        which its own cases add up to what is observed; its ratios are those of indirect standardisation.

        Notes
        -----
        A unit's own noise is the spread of its cases' (or clusters') contributions to both parts and to the total;
        limits are by t, on the log of the total. Very skewed costs are covered less often in small units: 95 per cent
        limits held the truth in 95.0 per cent of units of 20 to 50 cases, 94.7 of 50 to 100, 95.0 of 100 to 400 where
        costs had a skewness of 3; in 91.8, 92.4 and 93.0 where it was 8 (500 draws; tests/adjustment/test_two_part.py).
        """
        check_option("standard", standard, get_args(Standard))
        check_option("contrast", contrast, get_args(Contrast))
        check_option("reference", reference, get_args(Reference))
        check_option("better", better, (*get_args(Better), None))
        check_level(level)
        with one_blas_thread():
            return _compare(self, standard, contrast, reference, level, better)


@dataclass(frozen=True, eq=False)
class _Average:
    """Average practice as each of k units meets it, in q unknowns: p slopes and a level of either part, and α*.

    ``cases`` has log p μ of each row, the level α* (``null``) and the unit's own level beside it; ``square`` (n,) is
    p μ², a case's mean square up to a factor. ``own`` and ``whole`` (k, q) are the gradients in the unknowns of Σ p μ
    over the unit's own cases and over everyone's, without exp(α*); the last column, that in α*, is the sum itself.
    """

    cases: OwnCases
    square: Floats
    own: Floats
    whole: Floats
    found: NDArray[np.bool_]
    others: bool


def _average(fit: TwoPartFit, *, others: bool) -> _Average:
    d, one, two, k = fit.design, fit._any._rows, fit._positive._rows, len(fit.design.units)
    slopes, level, found = _part_practice(fit._any, d, others=others)
    slopes_two, level_two, found_two = _part_practice(fit._positive, d, others=others)
    eta = np.einsum("np,np->n", one.columns, slopes[d.unit]) + level[d.unit]
    total = log_expit(eta) + np.einsum("np,np->n", two.columns, slopes_two[d.unit]) + level_two[d.unit]
    tail = families.mean(_LOGIT, -eta)
    n, p = one.columns.shape
    # How log p μ moves with the unknowns; the level of part two cancels against α*.
    moves = np.column_stack([tail[:, None] * one.columns, tail, two.columns, np.zeros(n), np.ones(n)])
    own = np.add.reduceat(moves * (d.cases * np.exp(total))[:, None], d.starts)
    rest = np.zeros_like(own)
    for part in row_blocks(n, max(k, p)) if others else ():
        share = families.mean(_LOGIT, one.columns[part] @ slopes.T + level)
        mean = share * np.exp(two.columns[part] @ slopes_two.T + level_two) * d.cases[part, None]
        mean[np.arange(len(mean)), d.unit[part]] = 0.0
        curved = mean * (1.0 - share)
        rest[:, :p] += curved.T @ one.columns[part]
        rest[:, p] += curved.sum(0)
        rest[:, p + 1 : -2] += mean.T @ two.columns[part]
        rest[:, -1] += mean.sum(0)
    whole = own + rest if others else np.repeat(own.sum(0)[None], k, axis=0)
    observed, size = group_sums(d.unit, d.outcome, k), group_sums(d.unit, d.cases, k)
    target = d.outcome.sum() - (observed if others else 0.0 * observed)
    found = found & found_two & (target > 0)
    average = np.log(np.where(found, target, 1.0) / (rest if others else whole)[:, -1])
    with np.errstate(divide="ignore"):
        at = np.log(observed / own[:, -1])
    finite = np.where(observed > 0, at, average)
    cases = OwnCases(total, observed, size, own[:, -1] * np.exp(average), at, finite, average)
    return _Average(cases, np.exp(2.0 * total) / (1.0 - tail), own, whole, found, others)


def _part_practice(fit: Fit, design: Design, *, others: bool) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return slopes (k, p), average level (k,) and whether they were found, of one part for each unit."""
    k, solution = len(design.units), fit._solution
    finite = np.isfinite(solution.levels)
    base = np.where(finite, solution.levels, 0.0)
    slopes, levels = np.repeat(solution.slopes[None], k, axis=0), np.repeat(base[:, None], k, axis=1)
    found = np.ones(k, dtype=bool)
    if others:
        with np.errstate(divide="ignore", invalid="ignore"):
            # A unit with all the cases that have a cost leaves the others none.
            left = leave_out(fit._rows, design.unit, k, solution)
        found = left.found
        slopes, levels = np.where(found[:, None], left.slopes, slopes), np.where(found, left.levels, levels)
    if len(base) == 1:
        return slopes, levels[0], found
    weight = np.repeat((group_sums(design.unit, design.cases, k) * finite)[:, None], k, axis=1)
    if others:
        np.fill_diagonal(weight, 0.0)
    total = weight.sum(0)
    return slopes, np.sum(weight * levels, axis=0) / np.where(total > 0, total, 1.0), found


def _part_equations(fit: Fit, design: Design) -> tuple[Floats, Floats]:
    """Return what rows add to the equations of one part's slopes and level, (n, p + 1), and units' (k, p + 1, p + 1)
    parts of their negative derivative.

    Rows are taken at their unit's own level, so that practice is no noise.
    """
    rows, solution, unit, k = fit._rows, fit._solution, design.unit, len(design.units)
    pooled = rows.groups == 1
    base = rows.columns @ solution.slopes
    level = np.repeat(solution.levels, k) if pooled else solution.levels
    own = own_levels(rows.family, rows.size, base, unit, group_sums(unit, rows.outcome, k), level) if pooled else level

    def at(levels: Floats) -> tuple[Floats, Floats]:
        finite = np.isfinite(levels)
        eta = base + np.where(finite, levels, 0.0)[unit]
        first, weight = families.working(rows.family, eta, rows.outcome, rows.size, rows.cases)
        if not rows.family.canonical:
            # The derivative itself and not its expectation: of y/μ − 1 it is −y/μ.
            weight = weight + first
        return np.where(finite[unit], first, 0.0), np.where(finite[unit], weight, 0.0)

    residual, weight = at(own)[0], at(level)[1]
    z = np.column_stack([rows.columns, np.ones(len(unit))])
    cuts = [*design.starts, len(unit)]
    pieces = np.stack([(z[a:b] * weight[a:b, None]).T @ z[a:b] for a, b in zip(cuts[:-1], cuts[1:], strict=True)])
    if pooled:
        return z * residual[:, None], pieces
    # The unit's own level is profiled out of the slopes; the average level is the mean of what is left of each.
    total = pieces[:, -1, -1]
    safe, cases = np.where(total > 0, total, 1.0), group_sums(unit, design.cases, k) * (total > 0)
    center = pieces[:, -1, :-1] / safe[:, None]
    pieces[:, :-1, :-1] -= center[:, :, None] * pieces[:, -1:, :-1]
    pieces[:, :-1, -1], pieces[:, -1, :-1], pieces[:, -1, -1] = 0.0, cases[:, None] * center, cases
    scores = np.column_stack([rows.columns - center[unit], (cases / safe)[unit]])
    return scores * residual[:, None], pieces


def _equations(fit: TwoPartFit, average: _Average) -> Equations:
    """Return the equations of both parts and of ΣE = ΣO, with what each row adds to them; the last is its residual."""
    d, own = fit.design, average.cases
    residual = d.outcome - d.cases * np.exp(own.eta + own.level[d.unit])
    (first, a), (second, b) = (_part_equations(part, d) for part in (fit._any, fit._positive))
    scores, p, left = np.column_stack([first, second, residual]), a.shape[1], float(average.others)
    jacobian = np.zeros((len(a), scores.shape[1], scores.shape[1]))
    jacobian[:, :p, :p], jacobian[:, p:-1, p:-1] = a.sum(0) - left * a, b.sum(0) - left * b
    jacobian[:, -1] = (average.whole - left * average.own) * np.exp(own.null)[:, None]
    return Equations(scores, jacobian, np.arange(scores.shape[1]))


def _contrasted(average: _Average, standard: Standard) -> Contrasted:
    """Own cases under average practice, or everyone's cases at the unit's own log-level and size."""
    own, rise = average.cases, np.exp(average.cases.null)[:, None]
    relative = average.own / average.own[:, -1:]
    if standard == "indirect":
        ones = np.ones(len(own.size))
        return Contrasted(own.observed, own.expected, ones, ones, average.own * rise, relative)
    scale = own.size / own.size.sum()
    step = average.whole[:, -1] / average.own[:, -1] * scale
    observed, expected = own.observed * step, average.whole * rise * scale[:, None]
    moves = observed[:, None] * (average.whole / average.whole[:, -1:] - relative)
    return Contrasted(observed, expected[:, -1], step, step, expected - moves, relative)


def _compare(
    fit: TwoPartFit, standard: Standard, contrast: Contrast, reference: Reference, level: float, better: Better | None
) -> Comparison:
    average, eta = fit._average(reference), fit._average("all").cases.eta
    d, own, lost = fit.design, average.cases, ~average.found
    system = _equations(fit, average)
    noise = spread_noise(d, system.columns, d.cases * average.square)
    parts = _contrasted(average, standard)
    errors = _errors(parts, own, noise, system, contrast, others=average.others)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        quantile = -stdtrit(np.where(noise.df > 0, noise.df, np.nan), 0.5 * (1.0 - level))
        reach = quantile * np.sqrt(noise.total) / own.observed
        low, high = own.observed * np.exp(-reach), own.observed * np.exp(reach)
        edges = (parts.own * low, low), (parts.own * high, high)
        lower, upper = _interval(parts, own, noise, errors, edges, contrast, level)
    # Practice that differs by a factor: the spread of costs goes with their level.
    null_std_error = _null_error(noise.total * np.exp(2.0 * (own.null - own.shrunken)), noise, errors)
    withheld = np.where(lost, "the other units alone do not identify its expected value", noise.reason)
    _warn(d.units, withheld)
    known = withheld == ""
    case_mix = replace(fit._any._rows, columns=eta[:, None][:, : len(d.names)])
    slope = replace(fit._any._solution, slopes=np.ones(case_mix.columns.shape[1]))
    return Comparison(
        unit=d.units,
        size=own.size,
        observed=np.where(lost, np.nan, parts.observed),
        expected=np.where(lost, np.nan, parts.expected),
        estimate=np.where(lost, np.nan, errors.estimate),
        lower=np.where(known, lower, np.nan),
        upper=np.where(known, upper, np.nan),
        noise=np.where(known, errors.noise, np.nan),
        shared=errors.shared,
        core=errors.core,
        null=errors.null,
        null_std_error=np.where(known, null_std_error, np.nan),
        df=noise.df,
        overlap=_overlap(case_mix, d.unit, len(d.units), slope),
        withheld=withheld,
        standard=standard,
        contrast=contrast,
        reference=reference,
        level=level,
        better=better,
        source=_source(fit._any, NOISE_TEXT[fit.noise_kind], noise),
    )

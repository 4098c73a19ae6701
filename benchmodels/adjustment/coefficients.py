"""Slopes with standard errors: from the model, from the spread of rows, or from that of clusters."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels import families, shape
from benchmodels.kernels.sandwich import WorkingRows, cluster, hc, whiten
from benchmodels.kernels.wild import WildTest, wild_bootstrap
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.fit import Fit
    from benchmodels.adjustment.random import RandomPart

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["By", "Covariance", "coefficients", "wild_test", "within_between"]

Covariance = Literal["model", "quasi", "HC0", "HC1", "HC2", "HC3", "CR1", "CR2"]
By = Literal["unit", "cluster"]

# Squares about zero over those about the mean, times the condition of the latter, from which on rounding is felt.
DIGITS_LOST = 1e4


def coefficients(fit: Fit, *, covariance: Covariance, by: By, level: float) -> pd.DataFrame:
    """Return what `Fit.coefficients` documents."""
    if fit.random is not None:
        return _random(fit, covariance, level)
    d, solution = fit.design, fit._solution
    pooled = len(solution.levels) == 1
    q = len(solution.slopes) + pooled
    df = np.full(q, np.inf)
    # From the basis to the columns; a pooled level moves back by center · slopes.
    turn = np.eye(len(solution.slopes)) if fit._basis.turn is None else fit._basis.turn
    if pooled:
        turn = np.block([[turn, np.zeros((len(turn), 1))], [-(fit._basis.center @ turn)[None], np.ones((1, 1))]])
    if covariance in ("model", "quasi"):
        if fit.model.sampling_weights is not None:
            raise SpecificationError(
                f"covariance={covariance!r} takes sampling weights for cases; use 'HC1', or 'CR2' for clusters"
            )
        matrix = turn @ _model(fit) @ turn.T
        if covariance == "quasi":
            matrix = matrix * (fit.pearson / fit.dispersion)
    elif covariance.startswith("HC"):
        spread = np.asarray(hc(_cases(fit, covariance), covariance))  # type: ignore[arg-type]
        matrix = turn @ spread @ turn.T
    else:
        rows = _working(fit)
        clusters, known = _clusters(fit, by), (rows.weight > 0)
        if len(np.unique(clusters[known])) < 2:
            raise DataError(f"standard errors clustered by {by} need two {by}s or more")
        found = cluster(rows, clusters, covariance, turn)  # type: ignore[arg-type]
        matrix, df = found.covariance, found.degrees_of_freedom
    estimate = turn @ (np.r_[solution.slopes, solution.levels] if pooled else solution.slopes)
    return _frame(_terms(fit), list(d.names), estimate, np.sqrt(matrix.diagonal()), df, level, pooled=pooled)


def _terms(fit: Fit) -> list[str]:
    return [name for name, where in fit.design.terms for _ in range(where.start, where.stop)]


def _frame(
    terms: list[str], names: list[str], estimate: Floats, error: Floats, df: Floats, level: float, *, pooled: bool
) -> pd.DataFrame:
    tail = 0.5 * (1.0 - level)
    quantile = np.where(np.isfinite(df), -stdtrit(np.where(np.isfinite(df), df, 1.0), tail), -ndtri(tail))
    frame = pd.DataFrame(
        {
            "term": [*terms, "1"] if pooled else terms,
            "name": [*names, "level"] if pooled else names,
            "estimate": estimate,
            "std_error": error,
            "df": df,
            "lower": estimate - quantile * error,
            "upper": estimate + quantile * error,
        }
    )
    return pd.concat([frame.iloc[-1:], frame.iloc[:-1]], ignore_index=True) if pooled else frame


def _random(fit: Fit, covariance: Covariance, level: float) -> pd.DataFrame:
    random = fit.random
    assert random is not None
    if covariance != "model":
        raise SpecificationError(
            f"covariance={covariance!r} is not for RandomEffects, whose units are a sample in the model already; use "
            "covariance='model', or FixedEffects"
        )
    terms = _terms(fit)
    terms += [f"mean({terms[list(fit.design.names).index(n[5:-1])]})" for n in random.names[len(terms) :]]
    error = np.sqrt(random.covariance.diagonal())
    level_there = random.level - random.center @ random.slopes
    estimate = np.r_[random.slopes, level_there]
    return _frame(terms, list(random.names), estimate, error, np.full(len(estimate), np.inf), level, pooled=True)


def within_between(random: RandomPart, p: int, level: float) -> pd.DataFrame:
    """Return what `Fit.within_between` documents; ``p`` is the number of the formula's columns."""
    names = random.names
    if len(names) == p:
        raise SpecificationError(
            "no slopes within and between units: ask for slopes='within', with covariates whose means differ between "
            "units"
        )
    means = np.arange(p, len(names))
    within = np.array([names.index(names[j][5:-1]) for j in means])
    c = random.covariance
    cross = c[within, means]
    own, difference = c[within, within], c[means, means]
    z = -float(ndtri(0.5 * (1.0 - level)))
    return pd.DataFrame(
        {
            "name": [names[j] for j in within],
            "within": random.slopes[within],
            "within_std_error": np.sqrt(own),
            "between": random.slopes[within] + random.slopes[means],
            "between_std_error": np.sqrt(own + difference + 2.0 * cross),
            "difference": random.slopes[means],
            "difference_std_error": np.sqrt(difference),
            "lower": random.slopes[means] - z * np.sqrt(difference),
            "upper": random.slopes[means] + z * np.sqrt(difference),
        }
    )


def _model(fit: Fit) -> Floats:
    """Inverse information on slopes (and the level, when pooled), times the dispersion of a measured outcome."""
    step, pooled, family = fit._solution.step, len(fit._solution.levels) == 1, fit._rows.family
    if family.name == "beta_binomial":
        # Shape and slopes are tied, and the expected information has no closed form.
        whole = np.linalg.inv(shape.joint_information(fit._rows, fit._solution))
        return np.asarray(whole if pooled else whole[: len(fit._solution.slopes), : len(fit._solution.slopes)])
    information = step.schur()
    if _loses_digits(information, step.gram.diagonal()):
        # About the means of the levels, in coordinates whose information is the identity: two more passes.
        with suppress(np.linalg.LinAlgError):
            back = whiten(_working(fit)).back
            return np.asarray(back @ back.T * fit.dispersion)
    if pooled:
        information = np.block([[step.gram, step.border.T], [step.border, step.level_weight[None]]])
    return np.asarray(np.linalg.inv(information) * fit.dispersion if len(information) else information)


def _working(fit: Fit) -> WorkingRows:
    rows, solution = fit._rows, fit._solution
    finite = np.isfinite(solution.levels)
    eta = rows.columns @ solution.slopes + np.where(finite, solution.levels, 0.0)[rows.codes] + rows.offset
    first, weight = families.working(rows.family, eta, rows.outcome, rows.size, rows.cases)
    there = finite[rows.codes]
    return WorkingRows(rows.columns, np.where(there, first, 0.0), np.where(there, weight, 0.0), rows.codes)


def _loses_digits(within: Floats, raw: Floats) -> bool:
    """Whether an inverse of cross-products about zero has four digits less than the numbers it is made of."""
    own = within.diagonal()
    if not (len(own) and np.all(own > 0)):
        return False
    least = float(np.linalg.eigvalsh(within / np.sqrt(np.outer(own, own)))[0])
    return bool(np.max(raw / own) >= DIGITS_LOST * least)


def _cases(fit: Fit, covariance: Covariance) -> WorkingRows:
    """Working rows that know the squares of the cases they stand for."""
    d, rows, made = fit.design, fit._rows, _working(fit)
    alike = d.size_squares * d.cases <= d.size**2 * (1.0 + 1e-9)
    if covariance in ("HC2", "HC3") and not alike.all():
        raise SpecificationError(
            f"{covariance} needs the leverage of each row of the table, and rows alike in their covariates were added "
            "up though their sizes differ; use HC1, or CR2"
        )
    solution = fit._solution
    levels = np.where(np.isfinite(solution.levels), solution.levels, 0.0)
    eta = rows.columns @ solution.slopes + levels[rows.codes] + rows.offset
    mu = families.mean(rows.family, eta)
    squares = np.maximum(d.outcome_squares - 2.0 * mu * d.products + mu**2 * d.size_squares, 0.0)
    if rows.family.name == "beta_binomial":
        squares = made.residual**2 / np.where(d.cases > 0, d.cases, 1.0)
    else:
        squares *= families.pull(rows.family, eta, rows.outcome, rows.size, rows.cases) ** 2
    squares = np.where(made.weight > 0, squares, 0.0)
    return WorkingRows(made.columns, made.residual, made.weight, made.codes, d.cases, squares)


def _clusters(fit: Fit, by: By) -> Codes:
    if by == "unit":
        return fit.design.unit
    if fit.design.cluster is None:
        raise SpecificationError("by='cluster' needs the role cluster; the model has none")
    return fit.design.cluster


def wild_test(
    fit: Fit, name: str, *, by: By, null: float, replicates: int, level: float, rng: np.random.Generator
) -> WildTest:
    """Return what `Fit.wild_bootstrap` documents."""
    names = list(fit.design.names)
    if fit.random is not None:
        raise SpecificationError("the wild bootstrap is for Pooled and FixedEffects")
    if name not in names:
        raise SpecificationError(f"no coefficient {name!r}; there is {listed(names)}")
    p, pooled = len(names), len(fit._solution.levels) == 1
    turn = np.eye(p) if fit._basis.turn is None else fit._basis.turn
    contrast = np.r_[turn[names.index(name)], np.zeros(int(pooled))]
    clusters = _clusters(fit, by)
    return wild_bootstrap(
        _working(fit),
        clusters,
        contrast,
        float(fit.slopes[name]),
        method="restricted" if fit._rows.family.link == "identity" else "score",
        rng=rng,
        null=null,
        replicates=replicates,
        level=level,
        multipliers="webb" if len(np.unique(clusters)) <= 10 else "rademacher",
    )

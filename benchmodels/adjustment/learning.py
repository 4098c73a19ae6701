"""What a learner gains: its error by the number of units it learns from, and beside a regression's.

Errors are of cases whose unit had no part in what is expected of them. They are twice the negative log-likelihood per
case (trial, unit of exposure), without the terms that no mean enters, so that they do not depend on how rows are
grouped: for binomial outcomes −2 [y log μ + (1 − y) log(1 − μ)], for counts 2 [μ − y log μ], for Gaussian outcomes the
mean squared error, for Gamma outcomes 2 [log μ + y / μ].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import xlogy
from scipy.stats import rankdata

from benchmodels.adjustment.cross_fitted.fit import CrossFittedFit
from benchmodels.adjustment.cross_fitted.learner import edge_of, learner_of
from benchmodels.adjustment.cross_fitted.splits import common_level
from benchmodels.adjustment.fit import Fit
from benchmodels.asked import generator, whole
from benchmodels.errors import BenchmodelsError, SpecificationError
from benchmodels.kernels import families
from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.newton import fit_in_basis
from benchmodels.parallel import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.adjustment.cross_fitted.learner import Learner
    from benchmodels.design import Design
    from benchmodels.kernels.families import Family

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["BesideRegression", "beside_regression", "learning_curve"]


@dataclass(frozen=True, eq=False, kw_only=True)
class BesideRegression:
    """A learner beside a regression, both of cases whose unit had no part in it.

    Parameters
    ----------
    scores : DataFrame
        ``measure, learner, regression``, of all cases of units of which both expect something. "deviance": twice the
        negative log-likelihood per case, infinite where something happened that was given no chance; "squared_error":
        per case, squared units of the outcome; "total_ratio": expected over observed total; "calibration_slope": of
        the outcome on the linear predictor, 1 where differences between cases are as large as predicted, NaN where it
        has none; "discrimination": share of pairs of a case with the event and one without that are ranked right (½
        for none), or for other outcomes the share of variance between cases that is explained (below 0: worse than
        the mean).
    units : DataFrame
        ``unit, size, observed, learner, regression, moved``: expected totals, and by how much the learner expects more
        per size; one row a unit.
    rank_correlation : float
        Spearman's, of (observed − expected) / size by the one and by the other.
    """

    scores: pd.DataFrame
    units: pd.DataFrame
    rank_correlation: float

    def __repr__(self) -> str:
        measures = self.scores.set_index("measure")
        told = "; ".join(
            f"{name} {row['learner']:.4g} by the learner, {row['regression']:.4g} by the regression"
            for name, row in measures.loc[["deviance", "discrimination"]].iterrows()
        )
        return f"BesideRegression({len(self.units)} units, rank correlation {self.rank_correlation:.4g}; {told})"

    def movers(self, count: int = 10) -> pd.DataFrame:
        """Return the units that move most between the two, the largest first."""
        whole("count", count)
        there = self.units.dropna(subset=["moved"])
        order = there["moved"].abs().sort_values(ascending=False, kind="stable").index
        return there.loc[order[:count]].reset_index(drop=True)


def beside_regression(learner: CrossFittedFit, regression: Fit) -> BesideRegression:
    """Set a cross-fitted learner beside a regression of the same outcome, each unit's expected value without itself.

    Parameters
    ----------
    learner : CrossFittedFit
    regression : Fit
        Of `Pooled`, `FixedEffects` or `RandomEffects`, with the same units, outcome and family; covariates may differ.

    Returns
    -------
    BesideRegression

    Raises
    ------
    SpecificationError
        They are not of the same outcome.

    Notes
    -----
    A regression of all other units beside a learner of the other folds has the larger table; ``folds="units"`` gives
    both the same.
    """
    if not isinstance(learner, CrossFittedFit) or not isinstance(regression, Fit):
        raise SpecificationError(
            "beside_regression takes the fit of a CrossFitted, and that of a Pooled, FixedEffects or RandomEffects; "
            f"found {type(learner).__name__} and {type(regression).__name__}"
        )
    one, two = learner.design, regression.design
    _check_same(learner, regression)
    k = len(one.units)
    size, observed = (group_sums(one.unit, values, k) for values in (one.size, one.outcome))
    with one_blas_thread():
        practice = regression.practice("others")
        predictor = practice.own_eta(regression._rows, two.unit) + practice.average[two.unit]
        spread = None if practice.spread is None else practice.spread[two.unit]
        said = families.marginal(regression._rows.family, predictor, spread)[0]
    said = np.where(practice.found[two.unit], said, np.nan)
    units = pd.DataFrame({"unit": one.units, "size": size, "observed": observed}).infer_objects()
    units.attrs = {"simulated": one.simulated}
    units["learner"] = learner.expected().to_numpy()
    units["regression"] = group_sums(two.unit, two.size * said, k)
    units["moved"] = (units["learner"] - units["regression"]) / size
    both = units[["learner", "regression"]].notna().all(axis=1).to_numpy()
    if not both.any():
        raise SpecificationError("there is no unit of which both expect something")
    family = learner.model.kernel_family()
    columns = {
        "learner": _scores(one, family, learner.predicted(), both),
        "regression": _scores(two, family, said, both),
    }
    scores = pd.DataFrame(columns).rename_axis("measure").reset_index()
    effects = [(observed - units[name].to_numpy())[both] / size[both] for name in columns]
    return BesideRegression(scores=scores, units=units, rank_correlation=_correlation(*map(rankdata, effects)))


def _check_same(learner: CrossFittedFit, regression: Fit) -> None:
    one, two = learner.design, regression.design
    family, other = learner.model.family, regression.model.family
    if family != other:
        raise SpecificationError(f"the learner has family={family!r} and the regression {other!r}; take the same")
    if list(one.units) != list(two.units):
        raise SpecificationError(
            f"the learner has {len(one.units)} units and the regression {len(two.units)}, or others; fit both to one "
            "table"
        )
    k = len(one.units)
    for name in ("size", "outcome"):
        first = group_sums(one.unit, getattr(one, name), k)
        if not np.allclose(first, group_sums(two.unit, getattr(two, name), k), rtol=1e-9):
            raise SpecificationError(
                f"the two differ in the {name} of units (another outcome, role or table); fit both to one table"
            )


def _correlation(x: Floats, y: Floats) -> float:
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def _scores(design: Design, family: Family, means: Floats, units: Mask) -> dict[str, float]:
    """Return the measures of `BesideRegression.scores`, over the cases of some units."""
    there = units[design.unit] & (design.size > 0)
    mu, y, size = means[there], design.outcome[there], design.size[there]
    total, rate = size.sum(), y.sum() / size.sum()
    # A case of a count of trials is 0 or 1, and so is its square.
    own = y if family.name == "binomial" else design.squares[there]
    squares = float(np.sum(own - 2.0 * mu * y + mu**2 * size))
    varied = float(np.sum(own - 2.0 * rate * y + rate**2 * size))
    explained = 1.0 - squares / varied if varied > 0 else float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.sum(size * mu) / y.sum())
    return {
        "deviance": deviance(family, design, means, there) / total,
        "squared_error": squares / total,
        "total_ratio": ratio,
        "calibration_slope": _calibration_slope(design, family, means, there),
        "discrimination": _pairs_right(mu, y, size) if family.share else explained,
    }


def deviance(family: Family, design: Design, means: Floats, there: Mask) -> float:
    """Return twice the negative log-likelihood of some cells, without terms that no mean enters."""
    mu, y, size = means[there], design.outcome[there], design.size[there]
    if family.share:
        terms = xlogy(y, mu) + xlogy(np.maximum(size - y, 0.0), 1.0 - mu)
    elif family.name == "poisson":
        terms = xlogy(y, mu) - size * mu
    elif family.name == "gamma":
        with np.errstate(divide="ignore"):
            terms = -(size * np.log(mu) + y / mu)
    else:
        return float(np.sum(design.squares[there] - 2.0 * mu * y + mu**2 * size))
    return float(-2.0 * terms.sum())


def _calibration_slope(design: Design, family: Family, means: Floats, there: Mask) -> float:
    eta = edge_of(family, means[there])
    if np.ptp(eta) <= 1e-9 * (1.0 + np.max(np.abs(eta))):
        return float("nan")
    c, zero = len(eta), np.zeros(len(eta), dtype=np.intp)
    rows = Rows(
        eta[:, None], design.outcome[there], design.size[there], np.zeros(c), zero, 1, family, design.cases[there]
    )
    with one_blas_thread():
        _, basis, solution = fit_in_basis(rows)
    if solution is None or not solution.certificate.converged:
        return float("nan")
    return float(basis.to_columns(solution.slopes)[0])


def _pairs_right(mu: Floats, events: Floats, size: Floats) -> float:
    """Return the area under the ROC curve of cells with events among cases; ties count half."""
    _, place = np.unique(mu, return_inverse=True)
    groups = int(place.max()) + 1
    with_event = group_sums(place, events, groups)
    without = group_sums(place, np.maximum(size - events, 0.0), groups)
    below = np.cumsum(without) - 0.5 * without
    pairs = with_event.sum() * without.sum()
    return float(with_event @ below / pairs) if pairs > 0 else float("nan")


def learning_curve(
    fit: CrossFittedFit,
    *,
    shares: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
    repeats: int = 3,
    rng: int | np.random.Generator | None = None,
) -> pd.DataFrame:
    """Return the error on unseen units by the number of units that the estimator learns from.

    Parameters
    ----------
    fit : CrossFittedFit
        Its folds (of the first split) are predicted in turn, each from a random part of the units outside it, at the
        level at which totals agree over that part.
    shares : sequence of float
        Of the units outside a fold that are learnt from, above 0, at most 1.
    repeats : int
        Random parts of each share; a share of 1 has one.
    rng : int, Generator or None

    Returns
    -------
    DataFrame
        ``units, repeat, deviance, level_deviance``, one row per share and repeat: number of units learnt from (mean
        over folds); twice the negative log-likelihood per case of all units, and the same with nothing but the level of
        that part. Infinite where something happened that was given no chance.

    Raises
    ------
    SpecificationError
        A share is none, or leaves fewer than two units.

    Notes
    -----
    ``len(shares) × repeats × folds`` fits. A curve that still falls at its right end says that the learner has too few
    units; one that lies above ``level_deviance`` that it has learnt noise.
    """
    if not isinstance(fit, CrossFittedFit):
        raise SpecificationError(f"learning_curve takes the fit of a CrossFitted; found a {type(fit).__name__}")
    whole("repeats", repeats)
    asked = _asked_shares(shares)
    start, design, family = generator(rng), fit.design, fit.model.kernel_family()
    fold = fit._splits[0].fold
    smallest = min(int(np.sum(fold != f)) for f in range(int(fold.max()) + 1))
    if round(asked[0] * smallest) < 2 and asked[0] < 1.0:
        raise SpecificationError(f"shares={asked[0]:g} of {smallest} units is fewer than two; take larger shares")
    scaled = fit.model.exposure is not None or fit.model.sampling_weights is not None
    learner = learner_of(fit.model.estimator, design, family, scaled=scaled)
    found = []
    for share in asked:
        for repeat, child in enumerate(start.spawn(1 if share == 1.0 else repeats)):
            try:
                with one_blas_thread():
                    found.append((repeat, *_point(fit, learner, share, child)))
            except BenchmodelsError as error:
                raise type(error)(f"at a share of {share:g}: {error}") from None
    frame = pd.DataFrame(found, columns=["repeat", "units", "deviance", "level_deviance"])
    frame = frame[["units", "repeat", "deviance", "level_deviance"]]
    frame.attrs = {"simulated": design.simulated}
    return frame


def _point(fit: CrossFittedFit, learner: Learner, share: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the mean number of units learnt from, and the deviance per case with what was learnt and without."""
    design, fold, family = fit.design, fit._splits[0].fold, learner.family
    learnt, alone = np.zeros(len(design.unit)), np.zeros(len(design.unit))
    counts = []
    for f in range(int(fold.max()) + 1):
        outside = np.flatnonzero(fold != f)
        part = rng.permutation(outside)[: max(2, round(share * len(outside)))]
        among, inside = np.isin(design.unit, part), fold[design.unit] == f
        eta, _ = learner.predictions(among, rng, f"all but {len(part)} units")
        for store, predictor in ((learnt, eta), (alone, np.zeros_like(eta))):
            level = common_level(fit._rows, predictor, among)
            store[inside] = families.mean(family, predictor[inside] + level)
        counts.append(len(part))
    cases, there = design.size.sum(), design.size > 0
    errors = (deviance(family, design, means, there) / cases for means in (learnt, alone))
    return float(np.mean(counts)), *errors


def _asked_shares(shares: Sequence[float]) -> list[float]:
    try:
        asked = sorted({float(share) for share in shares})
    except (TypeError, ValueError) as error:
        raise SpecificationError(
            f"shares={shares!r}; give shares above 0, at most 1, such as (0.25, 0.5, 1)"
        ) from error
    if not asked or not all(0.0 < share <= 1.0 for share in asked):
        raise SpecificationError(f"shares={shares!r}; give shares above 0, at most 1, such as (0.25, 0.5, 1)")
    return asked

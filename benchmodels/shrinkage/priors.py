"""What each prior says of the units it is asked of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import ndtri

from benchmodels.asked import share
from benchmodels.errors import SpecificationError
from benchmodels.kernels.conjugate import ConjugatePosterior, conjugate_posterior
from benchmodels.kernels.empirical_bayes import NormalPosterior
from benchmodels.kernels.npmle import npmle
from benchmodels.kernels.robust_interval import critical_value, effect_moments
from benchmodels.shrinkage.target import named

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison

    Floats = NDArray[np.float64]

__all__ = ["ESTIMATOR", "Answer", "Interval", "Prior", "answer_of", "interval_of"]

Prior = Literal["normal", "gamma", "beta", "npmle"]
Interval = Literal["robust", "posterior", "none"]

ESTIMATOR: dict[str, str] = {
    "normal": "REML variance, Morris (1983) shrinkage",
    "gamma": "gamma prior of Poisson rate ratios, over all priors the counts make likely",
    "beta": "beta prior of binomial shares, over all priors the counts make likely",
    "npmle": "nonparametric maximum likelihood of the distribution of effects",
}
_INTERVALS: dict[str, tuple[Interval, ...]] = {
    "normal": ("robust", "posterior"),
    "gamma": ("posterior",),
    "beta": ("posterior",),
    "npmle": ("none",),
}
# Standard error of a target on the log scale above which its own law is far from normal.
_ROUGH = 0.3
_CHANCE = "units vary no more than chance: the variance between them is estimated as 0"


@dataclass(frozen=True, eq=False)
class Answer:
    """What a prior says of the units it was asked of; the fields as in `benchmodels.shrinkage.Shrinkage`."""

    target: Floats
    shrunken: Floats
    shrunken_std_error: Floats
    lower: Floats
    upper: Floats
    reliability: Floats
    between_sd: Floats
    coefficients: Floats
    notes: tuple[str, ...]
    joint: NormalPosterior | ConjugatePosterior | None = None
    kurtosis: float = float("nan")
    certificate: float = float("nan")


def interval_of(prior: Prior, interval: Interval | None, level: float) -> Interval:
    """Return the kind of interval that is asked for, or refuse it."""
    if prior not in tuple(_INTERVALS):
        raise SpecificationError(f"prior={prior!r}; allowed are {', '.join(map(repr, _INTERVALS))}")
    share("level", level)
    allowed = _INTERVALS[prior]
    if interval is not None and interval not in allowed:
        raise SpecificationError(f"interval={interval!r}; prior={prior!r} allows {', '.join(map(repr, allowed))}")
    return allowed[0] if interval is None else interval


def answer_of(
    kept: Comparison, design: Floats, fit: NormalPosterior, *, prior: Prior, interval: Interval, level: float
) -> Answer:
    """Shrink the units of a comparison, all with a known uncertainty; ``fit`` is the normal prior's answer to them."""
    if prior == "normal":
        return _normal(kept, fit, interval, level)
    return _any_distribution(kept, fit) if prior == "npmle" else _conjugate(kept, design, prior, level)


def _normal(kept: Comparison, fit: NormalPosterior, interval: Interval, level: float) -> Answer:
    s2, kurtosis = kept.std_error**2, np.nan
    if interval == "posterior":
        half = -ndtri(0.5 * (1.0 - level)) * fit.std_error
    else:
        residual = kept.corrected - kept.null - fit.target
        second, kurtosis = effect_moments(residual, kept.std_error, 1.0 / (s2 + fit.tau2))
        bias2 = (1.0 - fit.weight) ** 2 * max(second, fit.tau2)
        noise2 = fit.weight**2 * s2 + (1.0 - fit.weight) ** 2 * fit.target_variance
        half = critical_value(bias2 / noise2, kurtosis, level=level) * np.sqrt(noise2)
    centre = kept.null + fit.mean
    return Answer(
        target=kept.null + fit.target,
        shrunken=centre,
        shrunken_std_error=fit.std_error,
        lower=centre - half,
        upper=centre + half,
        reliability=fit.tau2 / (fit.tau2 + s2),
        between_sd=np.full(len(kept), np.sqrt(fit.tau2)),
        coefficients=fit.coefficients,
        notes=() if fit.tau2 > 0 else (_CHANCE,),
        joint=fit,
        kurtosis=kurtosis,
    )


def _any_distribution(kept: Comparison, fit: NormalPosterior) -> Answer:
    target = kept.null + fit.target
    mixture = npmle(kept.corrected - target, kept.std_error)
    unknown = np.full(len(kept), np.nan)
    return Answer(
        target=target,
        shrunken=target + mixture.posterior_mean,
        shrunken_std_error=unknown,
        lower=unknown,
        upper=unknown,
        reliability=mixture.variance / (mixture.variance + kept.std_error**2),
        between_sd=np.full(len(kept), np.sqrt(mixture.variance)),
        coefficients=fit.coefficients,
        notes=("no intervals: a distribution estimated as a few points says nothing of how well a unit is known",),
        certificate=mixture.max_derivative,
    )


def _conjugate(kept: Comparison, design: Floats, prior: Literal["gamma", "beta"], level: float) -> Answer:
    _refuse_without_counts(kept, prior)
    fit = conjugate_posterior(kept.observed, kept.expected, kept.size, design, prior=prior, level=level)
    # The estimate is a straight line in the rate ratio or the share.
    rate = kept.expected / kept.size
    factor = np.ones(len(kept)) if prior == "beta" else rate
    shift = -rate if kept.contrast == "difference" else np.zeros(len(kept))
    if kept.contrast != "difference":
        factor = factor / rate * (kept.null if kept.contrast == "rate" else 1.0)
    return Answer(
        target=shift + factor * fit.target,
        shrunken=shift + factor * fit.mean,
        shrunken_std_error=factor * fit.std_error,
        lower=shift + factor * fit.lower,
        upper=shift + factor * fit.upper,
        reliability=fit.reliability,
        between_sd=factor * fit.between_sd,
        coefficients=fit.coefficients,
        notes=(*(() if np.isfinite(fit.strength) else (_CHANCE,)), *_few_cases(kept.expected, design)),
        joint=fit,
    )


def _few_cases(expected: Floats, design: Floats) -> tuple[str, ...]:
    """Return a note where the target of some units rests on so few cases that its error is not normal."""
    information = design.T @ (expected[:, None] * design)
    error = np.sqrt(np.einsum("kp,pq,kq->k", design, np.linalg.pinv(information), design))
    few = int((error > _ROUGH).sum())
    if not few:
        return ()
    return (
        f"the target of {few} of {len(expected)} units rests on few cases (fewer than about {round(_ROUGH**-2)}): "
        "their limits are approximate",
    )


def _refuse_without_counts(kept: Comparison, prior: Literal["gamma", "beta"]) -> None:
    observed, expected, size = kept.observed, kept.expected, kept.size
    if kept.replicates is not None:
        raise SpecificationError(f"prior={prior!r} is for counts; the uncertainty of this comparison is by replicates")
    if kept.standard != "indirect":
        raise SpecificationError(
            f"prior={prior!r} needs compare(standard='indirect'), where observed is the unit's own"
        )
    whole = (observed >= 0) & (observed == np.round(observed)) & (expected > 0)
    if prior == "beta":
        whole &= (observed <= size) & (expected < size)
    if not whole.all():
        within = " within size" if prior == "beta" else ""
        raise SpecificationError(
            f"prior={prior!r} needs whole counts{within} and expected counts above 0; {int((~whole).sum())} of "
            f"{len(kept)} units have none: {named(kept.unit[~whole])}"
        )
    if not observed.any() or (prior == "beta" and (observed == size).all()):
        raise SpecificationError(f"prior={prior!r} cannot be fitted: every unit has no cases, or nothing but cases")

"""Posterior ranks and report-card grades of units, from a posterior: of a shrinkage, or of one's own draws."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.asked import whole
from benchmodels.errors import SpecificationError
from benchmodels.kernels import grades, posterior_ranks
from benchmodels.shrinkage import Posterior

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Posterior", "ReportCard", "expected_ranks", "report_card"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ReportCard:
    """Grades of k units with what they are worth.

    Parameters
    ----------
    unit : (k,) array
    found : kernels.grades.Grades
        Grades (1 is the best), loss, bound and gap, expected shares of pairs.
    concordance_value : float
        λ.
    """

    unit: NDArray[np.object_]
    found: grades.Grades
    concordance_value: float

    def __repr__(self) -> str:
        f = self.found
        told = "optimal" if f.optimal else f"within {f.gap:.2g} of the best loss per pair"
        return f"ReportCard({f.grade.max()} grades of {len(self.unit)} units, discordance {f.discordance:.1%}, {told})"

    def to_frame(self) -> pd.DataFrame:
        """Return the grades as a table; always the same columns in the same order, one row per unit."""
        return pd.DataFrame({"unit": self.unit, "grade": self.found.grade}).infer_objects()


def expected_ranks(
    posterior: Posterior,
    *,
    tau: int = 5,
    threshold: float | None = None,
    draws: int = 10_000,
    rng: int | np.random.Generator | None = 0,
) -> pd.DataFrame:
    """Return posterior ranks as a table, one row per unit.

    Parameters
    ----------
    posterior : Posterior
        k units; `benchmodels.shrinkage.Shrinkage.posterior` gives one.
    tau : int, default 5
        τ, from 1 to k.
    threshold : float, optional
        In the effects' unit of measure; ``exceeds`` is the probability of being above it, whatever is better.
    draws : int, default 10,000
        Where the posterior is normal.
    rng : int, numpy.random.Generator or None, default 0
        The same seed gives the same answer, whatever the order of units.

    Returns
    -------
    DataFrame
        Columns unit, expected, percentile, rank, first, among, among_rank, exceeds: see
        `benchmodels.kernels.posterior_ranks.PosteriorRanks`; rank 1 is the best.

    Raises
    ------
    DataError, SpecificationError
        As `benchmodels.kernels.posterior_ranks.posterior_ranks`.

    References
    ----------
    Lin, Louis, Paddock, Ridgeway (2006), Bayesian Anal 1:915-946.
    """
    _a_posterior(posterior, "expected_ranks")
    whole("tau", tau, most=len(posterior.unit), what="the number of units")
    if threshold is not None and not isinstance(threshold, Real):
        raise SpecificationError(f"threshold={threshold!r}; give a number in the effects' unit of measure, or None")
    sample = posterior.sample(draws=draws, rng=rng)
    found = posterior_ranks.posterior_ranks(-sample if posterior.better == "low" else sample, tau=tau)
    exceeds = np.full(len(posterior.unit), np.nan) if threshold is None else (sample > threshold).mean(axis=0)
    names = ("expected", "percentile", "rank", "first", "among", "among_rank")
    columns = {name: getattr(found, name) for name in names}
    return pd.DataFrame({"unit": posterior.unit, **columns, "exceeds": exceeds}).infer_objects()


def _a_posterior(given: object, what: str) -> None:
    if not isinstance(given, Posterior):
        raise SpecificationError(
            f"{what} takes a Posterior, and this is a {type(given).__name__}: give shrink(comparison).posterior(), or "
            "ask ranks() of a Bayesian fit"
        )


def report_card(posterior: Posterior, *, concordance_value: float = 0.25, time_limit: float = 60.0) -> ReportCard:
    """Return the grades with the smallest expected discordance less λ times concordance.

    Parameters
    ----------
    posterior : Posterior
        k units.
    concordance_value : float, default 0.25
        λ: what a pair in the right order is worth when a pair in the wrong order costs 1. Two units alone get different
        grades when one is better with probability over 1 / (1 + λ), 80 % by default.
    time_limit : float, default 60
        Seconds; then the best grades found are returned, with their gap.

    Returns
    -------
    ReportCard

    Raises
    ------
    DataError, SpecificationError, ConvergenceError
        As `benchmodels.kernels.grades.grades`.

    References
    ----------
    Kline, Rose, Walters (2024), A discrimination report card, Am Econ Rev 114:2472-2525.
    """
    _a_posterior(posterior, "report_card")
    for name, value in (("concordance_value", concordance_value), ("time_limit", time_limit)):
        if not isinstance(value, Real):
            raise SpecificationError(f"{name}={value!r}; give a number")
    found = grades.grades(posterior.above(), concordance_value=concordance_value, time_limit=time_limit)
    return ReportCard(unit=posterior.unit, found=found, concordance_value=concordance_value)

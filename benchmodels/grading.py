"""Posterior ranks and report-card grades of units, from any shrinkage: means with their spread, or draws."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.asked import generator, whole
from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels import grades, posterior_ranks
from benchmodels.kernels.rank_sets import gaussian_draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better

    Floats = NDArray[np.float64]

__all__ = ["Posterior", "ReportCard", "expected_ranks", "report_card"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Posterior:
    """Joint posterior of the effects of k units: normal, or by draws.

    Parameters
    ----------
    unit : (k,) array
        Labels.
    mean : (k,) array, optional
        Posterior means, in the effects' unit of measure; with ``covariance``.
    covariance : (k,) or (k, k) array, optional
        Posterior variances of independent units, or their covariance, in its square.
    draws : (b, k) array, optional
        Posterior draws, in place of the two.
    better : 'low', 'high' or None
        Which effects rank first; the highest when None.

    Raises
    ------
    SpecificationError
        Neither, or both, of a normal posterior and draws; or an unknown ``better``.
    DataError
        Shapes that do not fit, no draws, values that are not finite (leave out units without a posterior), or
        variances below zero.
    """

    unit: NDArray[np.object_]
    mean: Floats | None = None
    covariance: Floats | None = None
    draws: Floats | None = None
    better: Better | None = None

    def __post_init__(self) -> None:
        if (self.draws is None) == (self.mean is None) or (self.mean is None) != (self.covariance is None):
            raise SpecificationError("a posterior is either mean and covariance, or draws")
        if self.better not in ("low", "high", None):
            raise SpecificationError(f"better={self.better!r}; allowed are 'low', 'high', None")
        object.__setattr__(self, "unit", np.array(self.unit, dtype=object))
        for name in ("mean", "covariance", "draws"):
            self._take_in(name)
        k = len(self.unit)
        for name, shapes in (("mean", [(k,)]), ("covariance", [(k,), (k, k)])):
            value = getattr(self, name)
            if value is not None and value.shape not in shapes:
                raise DataError(f"{name} has shape {value.shape}; the posterior is of {k} units")
        if self.draws is not None and (self.draws.ndim != 2 or self.draws.shape[1] != k):
            raise DataError(f"draws have shape {self.draws.shape}; one column for each of {k} units")
        if self.draws is not None and not len(self.draws):
            raise DataError("draws have no rows; a posterior needs one at least")
        if self.covariance is not None and (self._variance() < 0.0).any():
            raise DataError("covariance has a variance below zero; give variances, not standard deviations with a sign")

    def _take_in(self, name: str) -> None:
        if getattr(self, name) is None:
            return
        try:
            value = np.array(getattr(self, name), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{name} holds something that is no number") from error
        if not np.isfinite(value).all():
            raise DataError(f"there are values of {name} that are not finite; leave out units without a posterior")
        value.flags.writeable = False
        object.__setattr__(self, name, value)

    def _variance(self) -> Floats:
        assert self.covariance is not None
        return self.covariance if self.covariance.ndim == 1 else np.diagonal(self.covariance)

    def above(self) -> Floats:
        """Return (k, k): the probability that the unit of the row is better than that of the column."""
        if self.draws is not None:
            p = posterior_ranks.above_by_draws(self.draws)
        else:
            assert self.mean is not None and self.covariance is not None  # by __post_init__
            p = posterior_ranks.above(self.mean, self.covariance)
        return p.T if self.better == "low" else p

    def sample(self, *, draws: int, rng: int | np.random.Generator | None = 0) -> Floats:
        """Return the draws (b, k) there are, or so many from the normal posterior."""
        if self.draws is not None:
            return self.draws
        assert self.mean is not None and self.covariance is not None  # by __post_init__
        whole("draws", draws)
        # Drawn in an order of the posterior's own, so that the order of units does not count.
        order = np.lexsort((self.unit.astype(str), self._variance(), self.mean))
        s = np.diag(self.covariance) if self.covariance.ndim == 1 else self.covariance
        errors = gaussian_draws(s[np.ix_(order, order)], draws=draws, rng=generator(rng))
        return np.asarray(self.mean + errors[np.argsort(order)].T)


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
        k units.
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
    whole("tau", tau, most=len(posterior.unit), what="the number of units")
    if threshold is not None and not isinstance(threshold, Real):
        raise SpecificationError(f"threshold={threshold!r}; give a number in the effects' unit of measure, or None")
    sample = posterior.sample(draws=draws, rng=rng)
    found = posterior_ranks.posterior_ranks(-sample if posterior.better == "low" else sample, tau=tau)
    exceeds = np.full(len(posterior.unit), np.nan) if threshold is None else (sample > threshold).mean(axis=0)
    names = ("expected", "percentile", "rank", "first", "among", "among_rank")
    columns = {name: getattr(found, name) for name in names}
    return pd.DataFrame({"unit": posterior.unit, **columns, "exceeds": exceeds}).infer_objects()


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
    for name, value in (("concordance_value", concordance_value), ("time_limit", time_limit)):
        if not isinstance(value, Real):
            raise SpecificationError(f"{name}={value!r}; give a number")
    found = grades.grades(posterior.above(), concordance_value=concordance_value, time_limit=time_limit)
    return ReportCard(unit=posterior.unit, found=found, concordance_value=concordance_value)

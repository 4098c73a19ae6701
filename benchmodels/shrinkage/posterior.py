"""Joint posterior of the effects of units: what ranks, grades and chances are read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.asked import generator, whole
from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels import posterior_ranks
from benchmodels.kernels.rank_sets import gaussian_draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better

    Floats = NDArray[np.float64]

__all__ = ["Posterior"]


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

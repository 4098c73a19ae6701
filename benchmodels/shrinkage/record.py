"""The answer of `shrink`: both estimates of each unit, and the joint posterior behind the shrunken ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.asked import generator, whole
from benchmodels.errors import SpecificationError
from benchmodels.kernels.conjugate import ConjugatePosterior
from benchmodels.kernels.empirical_bayes import NormalPosterior, PrecisionTest
from benchmodels.shrinkage.posterior import Posterior
from benchmodels.shrinkage.priors import Interval, Prior

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Coverage, Source

    Floats = NDArray[np.float64]

__all__ = ["Shrinkage"]

_COLUMNS = (
    "unit", "size", "estimate", "std_error", "shrunken", "shrunken_std_error", "lower", "upper", "target", "reliability"
)  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class Shrinkage:
    """Shrunken and unshrunken estimates of k units, side by side.

    Parameters
    ----------
    unit, size, estimate, std_error : (k,) arrays
        As in the comparison, unshrunken.
    target : (k,) array
        What the unit is shrunk towards, in the estimate's unit of measure.
    shrunken, shrunken_std_error : (k,) arrays
        Posterior mean and standard deviation, in the estimate's unit of measure. NaN where withheld.
    lower, upper : (k,) arrays
        Interval around the shrunken value at ``level``; NaN where withheld.
    reliability : (k,) array
        τ² / (τ² + s²): share of the variance of such a unit's estimate that is not noise, 0 to 1.
    between_sd : (k,) array
        τ, standard deviation of effects around the target, in the estimate's unit of measure; one number but for
        the gamma and beta priors.
    prior, estimator, interval : str
        As asked of `shrink`; how the prior was fitted; what the interval is.
    level : float
    terms : tuple of str; coefficients : (q,) array
        Of the target: of its distance from the null (normal, npmle), of the log mean of observed over expected
        (gamma), or of its distance from the expected share in logits (beta).
    kurtosis : float
        Of the effects, behind the robust interval; else NaN.
    certificate : float
        Largest directional derivative of the nonparametric likelihood, 1 at its maximum; else NaN.
    precision : PrecisionTest
        Whether effects go with the standard error, as shrinkage takes them not to do.
    joint : NormalPosterior, ConjugatePosterior or None
        Of the units that are shrunk; None for npmle.
    better : 'low', 'high' or None
        As in the comparison.
    notes : tuple of str
        What a reader must know beside the numbers.
    source : Source
    coverage : Coverage, optional
        As in the comparison; where ``coverage.shrunken`` is short of the level, intervals are not to be called by it.
    """

    unit: NDArray[np.object_]
    size: Floats
    estimate: Floats
    std_error: Floats
    target: Floats
    shrunken: Floats
    shrunken_std_error: Floats
    lower: Floats
    upper: Floats
    reliability: Floats
    between_sd: Floats
    prior: Prior
    estimator: str
    interval: Interval
    level: float
    terms: tuple[str, ...]
    coefficients: Floats
    kurtosis: float
    certificate: float
    precision: PrecisionTest
    joint: NormalPosterior | ConjugatePosterior | None
    better: Better | None
    notes: tuple[str, ...]
    source: Source
    coverage: Coverage | None = None

    def __len__(self) -> int:
        return len(self.unit)

    def __repr__(self) -> str:
        known, middle = int(np.isfinite(self.shrunken).sum()), float(np.nanmedian(self.reliability))
        told = f"{known} of {len(self)} units, prior={self.prior!r}, median reliability {middle:.2f}"
        found = self.coverage
        held = "" if found is None else f", held {found.shrunken:.0%} when simulated"
        doubt = held if found is None or np.isfinite(found.shrunken) else ", of unknown coverage"
        return f"Shrinkage({told}, interval={self.interval!r}, level={self.level}{doubt})"

    def to_frame(self) -> pd.DataFrame:
        """Return both estimates as a table; always the same columns in the same order, one row per unit."""
        frame = pd.DataFrame({name: getattr(self, name) for name in _COLUMNS})
        frame["unit"] = frame["unit"].infer_objects()
        return frame

    def posterior(self, *, draws: int = 10_000, rng: int | np.random.Generator | None = 0) -> Posterior:
        """Return the joint posterior of the units that are shrunk, for ranks, grades and chances.

        `benchmodels.expected_ranks` tells from it how likely each unit is to be the best, among the τ best, or above a
        threshold; `benchmodels.report_card` grades by it.

        Parameters
        ----------
        draws : int, default 10,000
            Of the gamma and beta priors. The normal prior's posterior is a mean and a covariance, and is drawn from
            where draws are needed.
        rng : int, numpy.random.Generator or None, default 0
            The same seed gives the same answer, whatever the order of units.

        Returns
        -------
        Posterior
            In the estimate's unit of measure. Units without a known uncertainty are left out.

        Raises
        ------
        SpecificationError
            The prior is 'npmle', the comparison's intervals hold less often than they say (`coverage`), a number of
            draws below 1, or an impossible seed.

        Notes
        -----
        Effects are tied by the error of the target and of the spread of effects, which all units share. It is the
        posterior under the prior asked for, whatever ``interval`` is.

        Examples
        --------
        >>> import pandas as pd
        >>> from benchmodels import Pooled, expected_ranks, shrink
        >>> cases, people = [3, 9, 4, 18, 7, 1], [90, 110, 100, 95, 120, 80]
        >>> table = pd.DataFrame({"unit": list("abcdef"), "cases": cases, "people": people})
        >>> fit = Pooled("cases ~ 1", unit="unit", family="binomial", trials="people").fit(table)
        >>> found = shrink(fit.compare(contrast="ratio", better="low"), prior="beta")
        >>> ranks = expected_ranks(found.posterior(), tau=2, threshold=1.0)
        >>> ranks[["unit", "first", "exceeds"]].round(1).loc[[3, 5]]
          unit  first  exceeds
        3    d    0.0      1.0
        5    f    0.7      0.0
        """
        whole("draws", draws)
        known = np.isfinite(self.shrunken_std_error)
        unit, mean = self.unit[known], self.shrunken[known]
        if self.joint is None:
            raise SpecificationError(
                "prior='npmle' has no posterior to rank by: a distribution estimated as a few points says nothing of "
                "how well a unit is known"
            )
        if self.coverage is not None and not self.coverage.reached(self.coverage.level):
            raise SpecificationError(
                "chances and grades would take the standard errors at their word, and these are known to be too small: "
                f"{self.coverage.of_intervals()}"
            )
        if isinstance(self.joint, NormalPosterior):
            return Posterior(unit=unit, mean=mean, covariance=self.joint.covariance(), better=self.better)
        order = np.argsort(unit.astype(str), kind="stable")
        drawn = self.joint.sample(draws=draws, rng=generator(rng), order=order)
        # The estimate is a straight line in the rate ratio or the share.
        moved = (drawn - self.joint.mean) / self.joint.std_error * self.shrunken_std_error[known]
        return Posterior(unit=unit, draws=mean + moved, better=self.better)

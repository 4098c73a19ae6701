"""A posterior, and the doors to what it is for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd

from benchmodels.adjustment.bayesian.model import BayesianProblem, BayesianRandomEffects, problem
from benchmodels.adjustment.bayesian.posterior import PosteriorDraws
from benchmodels.adjustment.fit import check_level, check_option
from benchmodels.asked import entropy, generator, whole
from benchmodels.comparison import Better, Comparison, Contrast, Standard
from benchmodels.errors import SpecificationError
from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.basis import group_means
from benchmodels.kernels.posterior_ranks import posterior_ranks
from benchmodels.kernels.posterior_totals import DrawnPractice
from benchmodels.parallel import one_blas_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from xarray import DataTree

    Floats = NDArray[np.float64]

__all__ = ["BayesianFit", "fit_bayesian"]


@dataclass(frozen=True, eq=False, kw_only=True)
class BayesianFit:
    """The posterior of a `BayesianRandomEffects` model given a table; d draws, p columns, k units.

    Parameters
    ----------
    model : BayesianRandomEffects
    draws : PosteriorDraws
        With ``draws.diagnostics``: k-hat or R-hat, and effective numbers of draws.
    rng : str
        Entropy of the generator.
    """

    model: BayesianRandomEffects
    draws: PosteriorDraws
    rng: str
    _problem: BayesianProblem = field(repr=False)

    def __repr__(self) -> str:
        d, found = self._problem.design, self.draws.diagnostics
        said = f"k-hat {found.khat:.2f}" if self.draws.engine == "quadrature" else f"{found.divergences} divergences"
        return (
            f"BayesianFit of {self.model!r}\n{d.rows_read} rows read, {d.rows_dropped} dropped, "
            f"{len(d.outcome)} cells, {len(d.units)} units; {len(self.draws)} draws by {self.draws.engine}, {said}"
        )

    def summary(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return every parameter with its posterior.

        Parameters
        ----------
        level : float
            Of the equal-tailed interval.

        Returns
        -------
        DataFrame
            ``name, mean, sd, lower, upper, ess, rhat, khat``: the intercept is at the centre of the columns, slopes are
            per unit of measure of each column. ``rhat`` is of the sampler, ``khat`` of importance weights; NaN for the
            other engine.
        """
        check_level(level)
        parameters, found = self.draws.parameters, self.draws.diagnostics
        values = np.column_stack(list(parameters.values()))
        lower, upper = np.quantile(values, _tails(level), axis=0)
        return pd.DataFrame(
            {
                "name": list(parameters),
                "mean": values.mean(axis=0),
                "sd": values.std(axis=0, ddof=1),
                "lower": lower,
                "upper": upper,
                "ess": [found.ess.get(name, np.nan) for name in parameters],
                "rhat": [found.rhat.get(name, np.nan) for name in parameters],
                "khat": found.khat,
            }
        )

    def coefficients(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return level and slopes in the columns of `Fit.coefficients`: posterior mean, standard deviation, interval.

        ``term, name, estimate, std_error, df, lower, upper`` on the link scale per unit of measure of each column; the
        level, as term "1", is that of an average unit at covariates zero. Limits are posterior quantiles.
        """
        check_level(level)
        draws, design = self.draws, self._problem.design
        own = [name for name, where in design.terms for _ in range(where.start, where.stop)]
        terms = own + [f"mean({own[design.names.index(n[5:-1])]})" for n in draws.names[len(own) :]]
        values = np.column_stack([draws.intercept - draws.slopes @ self._problem.center, draws.slopes])
        lower, upper = np.quantile(values, _tails(level), axis=0)
        return pd.DataFrame(
            {
                "term": ["1", *terms],
                "name": ["level", *draws.names],
                "estimate": values.mean(axis=0),
                "std_error": values.std(axis=0, ddof=1),
                "df": np.inf,
                "lower": lower,
                "upper": upper,
            }
        )

    def unit_effects(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return the posterior of each unit's own level less the average one.

        Returns
        -------
        DataFrame
            ``unit, mean, sd, lower, upper``, link scale; with ``slopes="within"`` terms between units count to it.
        """
        check_level(level)
        effects = self.effects
        lower, upper = np.quantile(effects, _tails(level), axis=0)
        columns = {"mean": effects.mean(axis=0), "sd": effects.std(axis=0, ddof=1), "lower": lower, "upper": upper}
        return pd.DataFrame({"unit": self._problem.units, **columns}).infer_objects()

    @property
    def effects(self) -> Floats:
        """Draws (d, k) of unit effects on the link scale, with what terms between units add (``slopes="within"``)."""
        found, outside = self._problem, self._problem.outside
        if not len(outside):
            return self.draws.effects
        k = len(found.units)
        means = group_means(found.columns[:, outside], found.size, found.unit, k)
        return np.asarray(self.draws.effects + self._scaled_slopes[:, outside] @ means.T)

    def exceedance(self, *, margin: float = 0.0) -> pd.DataFrame:
        """Return the probability that each unit's effect is beyond a margin.

        Parameters
        ----------
        margin : float
            Zero or more, link scale: what counts as a difference.

        Returns
        -------
        DataFrame
            ``unit, above, below``: P(effect > margin) and P(effect < −margin).
        """
        if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0.0 <= margin < np.inf:
            raise SpecificationError(f"margin is a number of zero or more, on the link scale; found {margin!r}")
        effects = self.effects
        above, below = (effects > margin).mean(axis=0), (effects < -margin).mean(axis=0)
        return pd.DataFrame({"unit": self._problem.units, "above": above, "below": below}).infer_objects()

    def ranks(self, *, tau: int = 1, better: Better | None = None) -> pd.DataFrame:
        """Return posterior ranks of unit effects; rank 1 is the lowest where ``better="low"``, else the highest.

        Parameters
        ----------
        tau : int
            τ, the number of places at the top.
        better : "low", "high" or None

        Returns
        -------
        DataFrame
            ``unit, expected_rank, rank, first, among``: posterior mean of the rank; ranks of these, which have the
            smallest expected squared error; probability of rank 1; and of being among the first τ.
        """
        check_option("better", better, (*get_args(Better), None))
        whole("tau", tau, most=len(self._problem.units), what="the number of units")
        found = posterior_ranks(-self.effects if better == "low" else self.effects, tau=tau)
        columns = {"expected_rank": found.expected, "rank": found.rank, "first": found.first, "among": found.among}
        return pd.DataFrame({"unit": self._problem.units, **columns}).infer_objects()

    def compare(
        self,
        *,
        standard: Standard = "indirect",
        contrast: Contrast = "difference",
        level: float = 0.95,
        better: Better | None = None,
    ) -> Comparison:
        """Set each unit's own practice against average practice, draw by draw.

        In a draw the parameters and unit effects are known. T_i = Σ_j μ(x_j'β + α + u_i) is then what the unit's cases
        have on average under its own practice, and E_i = Σ_j μ̄(x_j'β + α*) under average practice, a mean over
        N(0, unit_sd²) of levels about the one α* that solves ΣE = ΣT. A replicate is (T − E) / size, T / E or that
        times the overall rate: a draw of the unit's *true* contrast, not of the outcome that it happened to have. The
        direct standard sets the whole population's cases under the unit's practice against the same under average
        practice. All units are reference, as the parameters are learnt from all of them.

        Parameters
        ----------
        standard : "indirect" or "direct"
        contrast : "difference", "ratio" or "rate"
        level : float
            Of the equal-tailed posterior intervals.
        better : "low", "high" or None

        Returns
        -------
        Comparison
            ``estimate`` is the posterior mean of the contrast, drawn to the average unit; ``observed`` and ``expected``
            are the outcome as it was (direct: posterior mean of the standardised total) and the posterior mean of E, so
            that O / E stands beside it unshrunken. ``replicates`` (d, k) are of kind "draws". There is no null
            distribution of such an estimate: ``null_std_error`` is NaN, and `exceedance` says who stands out.

        Warns
        -----
        PartialResultWarning
            Units without a ratio, as their expected value is not above zero in every draw.
        """
        from benchmodels.adjustment.bayesian.comparing import compare

        check_option("standard", standard, get_args(Standard))
        check_option("contrast", contrast, get_args(Contrast))
        check_option("better", better, (*get_args(Better), None))
        check_level(level)
        with one_blas_thread():
            return compare(self, standard=standard, contrast=contrast, level=level, better=better)

    def leave_one_unit_out(self) -> pd.DataFrame:
        """Return how well the other units predict each unit, its effect integrated out.

        Returns
        -------
        DataFrame
            ``unit, elpd, khat``: log predictive density of the unit's outcomes given those of the others, in nats
            without binomial coefficients and log(m^y / y!), so that it does not depend on how cases are grouped; and
            the tail index of its weights. The sum over units compares models of the same table.

        Warns
        -----
        PartialResultWarning
            Units whose k-hat is above 0.7; the message counts and names them.

        References
        ----------
        Vehtari, Gelman & Gabry (2017), Statistics and Computing 27:1413; Merkle, Furr & Rabe-Hesketh (2019),
        Psychometrika 84:802 (marginal, not conditional, likelihoods).
        """
        from benchmodels.adjustment.bayesian.held_out import leave_one_unit_out

        with one_blas_thread():
            return leave_one_unit_out(self)

    def to_datatree(self, *, rng: int | np.random.Generator | None = 0) -> DataTree:
        """Return the posterior as an ArviZ DataTree.

        Groups ``posterior`` (intercept, slopes by ``term``, unit_sd, effects by ``unit``, residual_sd),
        ``log_likelihood`` (``outcome`` by ``unit``, effects integrated out), ``posterior_predictive`` (``outcome``: new
        totals of the unit's own cases) and ``observed_data``. With ``arviz_stats.summary`` say ``ci_prob`` and
        ``ci_kind``.

        Parameters
        ----------
        rng : int, Generator or None
            Of the new outcomes.
        """
        from benchmodels.adjustment.bayesian.arviz import to_datatree

        source = generator(rng)
        with one_blas_thread():
            return to_datatree(self, source)

    @property
    def _scaled_slopes(self) -> Floats:
        """Slopes (d, p) of the scaled columns."""
        return np.asarray(self.draws.slopes * self._problem.scale)

    def _practice(self) -> tuple[Rows, DrawnPractice]:
        """Return rows of the columns by which something is expected, and practice at every draw."""
        found, draws = self._problem, self.draws
        columns = np.ascontiguousarray(found.columns[:, found.inside])
        rows = Rows(
            columns, found.outcome, found.size, found.offset, found.unit, len(found.units), found.family, found.cases
        )
        levels = draws.intercept[:, None] + self.effects
        return rows, DrawnPractice(self._scaled_slopes[:, found.inside], levels, draws.unit_sd)


def fit_bayesian(model: BayesianRandomEffects, data: object) -> BayesianFit:
    """Read the table and draw from the posterior."""
    found, source = problem(model, data), generator(model.rng)
    if model.engine == "nuts":
        # Loaded only where it is asked for: it needs numpyro.
        from benchmodels.adjustment.bayesian.sampled import sample

        draws = sample(found, draws=model.draws, rng=source)
    else:
        from benchmodels.adjustment.bayesian.importance import sample_importance

        draws = sample_importance(found, draws=model.draws, rng=source)
    return BayesianFit(model=model, draws=draws, rng=entropy(source), _problem=found)


def _tails(level: float) -> list[float]:
    return [0.5 * (1.0 - level), 0.5 * (1.0 + level)]

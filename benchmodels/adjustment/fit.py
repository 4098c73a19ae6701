"""A fitted model of average practice: estimates, certificate, and the doors to what they are for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd

from benchmodels.adjustment.coefficients import By, Covariance, coefficients, wild_test, within_between
from benchmodels.adjustment.noise import noise_kind
from benchmodels.adjustment.practice import Practice, average_practice, expected_total
from benchmodels.comparison import Better, Comparison, Contrast, Reference, Standard
from benchmodels.design import Design
from benchmodels.errors import SpecificationError
from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.basis import Basis, group_sums
from benchmodels.kernels.counts import Limits
from benchmodels.kernels.families import mean, variance
from benchmodels.kernels.levels import own_levels
from benchmodels.kernels.newton import Certificate, LevelsFit
from benchmodels.parallel import one_blas_thread
from benchmodels.roles import Roles
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.diagnostics.calibration import Of
    from benchmodels.adjustment.diagnostics.cases import Grouping
    from benchmodels.adjustment.random import RandomPart
    from benchmodels.kernels.wild import WildTest

    Floats = NDArray[np.float64]

__all__ = ["Fit", "check_level", "check_option"]


def check_option(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise SpecificationError where an option is not one of those allowed."""
    if value not in allowed:
        raise SpecificationError(f"{name} must be one of {listed(allowed)}; found {value!r}")


def check_level(level: float) -> None:
    """Raise SpecificationError where a confidence level is not a share."""
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0.0 < level < 1.0:
        raise SpecificationError(f"level is a share between 0 and 1, such as 0.95; found {level!r}")


@dataclass(frozen=True, eq=False)
class Fit:
    """A model of average practice fitted to a table.

    Parameters
    ----------
    model : Roles
        The question, a `Pooled`, `FixedEffects` or `RandomEffects`.
    design : Design
        The table as arrays: c cells, p columns, k units.
    certificate : Certificate
        Vouches for the maximum: converged, iterations, criterion, value.
    random : RandomPart or None
        What random effects estimate beside slopes and levels.
    penalised : bool
        Slopes and levels are of Firth's penalised likelihood.
    """

    model: Roles
    design: Design
    certificate: Certificate
    _rows: Rows = field(repr=False)
    _basis: Basis = field(repr=False)
    _solution: LevelsFit = field(repr=False)
    random: RandomPart | None = field(default=None, repr=False)
    penalised: bool = False

    def __repr__(self) -> str:
        d = self.design
        return (
            f"Fit of {self.model!r}\n{d.rows_read} rows read, {d.rows_dropped} dropped, {len(d.outcome)} cells, "
            f"{len(d.units)} units; {self.certificate.criterion} {self.certificate.value:.1e} "
            f"after {self.certificate.iterations} iterations"
        )

    @property
    def slopes(self) -> pd.Series[float]:
        """Slopes on the link scale, per unit of measure of each column."""
        values = self._basis.to_columns(self._solution.slopes)
        names = self.design.names if self.random is None else self.random.expected_names
        return pd.Series(values, index=list(names), name="slope")

    @property
    def unit_levels(self) -> pd.Series[float]:
        """Level of each unit on the link scale (one and the same when pooled); infinite without or with only events."""
        levels = self._solution.levels + self._basis.level_shift(self._solution.slopes)
        return pd.Series(np.broadcast_to(levels, len(self.design.units)).copy(), index=self.design.units, name="level")

    @property
    def dispersion(self) -> float:
        """Residual variance of a measured outcome per unit of size and of its variance function; 1 for counts."""
        if self.random is not None:
            return self.random.dispersion
        return 1.0 if self._rows.family.counted else self.pearson

    @property
    def pearson(self) -> float:
        """Pearson dispersion of the table's rows: residual squares over their variance, per degree of freedom.

        Of the rows as they were read (collapsing does not change it), so a table of cases and one of their counts
        have different values; for what is unusual among units see `flags.reference_distribution`.
        """
        d, solution = self.design, self._solution
        finite = np.isfinite(solution.levels)
        levels = np.where(finite, solution.levels, 0.0)
        mu = mean(self._rows.family, self._rows.columns @ solution.slopes + levels[self._rows.codes] + d.offset)
        there = finite[self._rows.codes]
        squares = (d.squares - 2.0 * mu * d.outcome + mu**2 * d.size)[there] / variance(self._rows.family, mu[there])
        rows = d.cases[there].sum()
        df = rows - len(solution.slopes) - finite.sum()
        return max(float(squares.sum()), 0.0) * (rows / d.weights[there].sum()) / df if df > 0 else float("nan")

    @property
    def cells(self) -> pd.DataFrame:
        """Cells: unit, cell, weight (size), outcome, and the covariate row; what needs cases starts here."""
        d = self.design
        frame = pd.DataFrame({"unit": d.units[d.unit], "cell": np.arange(len(d.unit))})
        frame = frame.assign(weight=d.size, outcome=d.outcome)
        return pd.concat([frame, pd.DataFrame(d.columns, columns=list(d.names))], axis=1)

    def coefficients(self, *, covariance: Covariance = "model", by: By = "unit", level: float = 0.95) -> pd.DataFrame:
        """Return slopes with standard errors and intervals.

        Parameters
        ----------
        covariance : str
            "model": from the information matrix. "quasi": the same times the Pearson dispersion of the rows. "HC0" to
            "HC3": from the spread of the table's rows. "CR1", "CR2": from the spread of clusters; CR2 is unbiased
            under the model and comes with Satterthwaite's degrees of freedom, CR1 with clusters − 1.
        by : "unit" or "cluster"
            Clusters of CR1 and CR2: units (which then count as a sample), or the role cluster.
        level : float
            Of the intervals: normal, or t where ``df`` is finite.

        Returns
        -------
        DataFrame
            ``term, name, estimate, std_error, df, lower, upper``: one row per column, on the link scale per unit of
            measure of the column. A pooled model's level comes first, as term "1". RandomEffects with slopes within
            units: "mean(x)" is what the unit's mean of x adds to the slope within (between less within).

        Raises
        ------
        SpecificationError
            The option is not one of these, or does not go with the model.
        """
        check_option("covariance", covariance, get_args(Covariance))
        check_option("by", by, get_args(By))
        check_level(level)
        with one_blas_thread():
            return coefficients(self, covariance=covariance, by=by, level=level)

    def wild_bootstrap(
        self,
        name: str,
        *,
        by: By = "unit",
        null: float = 0.0,
        replicates: int = 9999,
        level: float = 0.95,
        rng: int | np.random.Generator | None = None,
    ) -> WildTest:
        """Test one slope by the wild cluster bootstrap, which holds its level with few or unequal clusters.

        Parameters
        ----------
        name : str
            Of the column, as in `coefficients`.
        by : "unit" or "cluster"
        null : float
            Slope under the null hypothesis, link scale per unit of measure of the column.
        replicates : int
        level : float
            Of the interval, the values that the test does not reject.
        rng : int, Generator or None

        Returns
        -------
        WildTest
            p_value, lower, upper, replicates, exact. Restricted for a Gaussian outcome, of the scores for others.
        """
        check_option("by", by, get_args(By))
        check_level(level)
        with one_blas_thread():
            generator = np.random.default_rng(rng)
            return wild_test(self, name, by=by, null=null, replicates=replicates, level=level, rng=generator)

    @property
    def shape(self) -> float:
        """Second parameter of a negative binomial (a in V = M + a M²) or beta-binomial (ρ) outcome; else 0."""
        return self._rows.family.shape

    @property
    def unit_sd(self) -> float:
        """Standard deviation of the random intercepts of units, on the link scale."""
        return self._random().unit_sd

    def unit_sd_interval(self, *, level: float = 0.95) -> tuple[float, float]:
        """Return the profile-likelihood interval of `unit_sd`; its lower limit may be zero."""
        check_level(level)
        return self._random().sd_interval(level)

    def unit_sd_test(self) -> tuple[float, float]:
        """Return twice the log-likelihood ratio of no variation between units, and its p value (½χ²₀ + ½χ²₁)."""
        random = self._random()
        return 2.0 * (random.log_likelihood - random.pooled_log_likelihood), random.no_spread_p()

    def unit_effects(self) -> pd.DataFrame:
        """Return each unit's own level less the average one, as it stands and shrunken, side by side.

        Returns
        -------
        DataFrame
            ``unit, unshrunken, shrunken, std_error``, link scale. Unshrunken: the level at which the unit's own cases
            are as observed, infinite without or with only events. Shrunken: posterior mean given the parameters, with
            its standard deviation; terms between units count to both.
        """
        random, d = self._random(), self.design
        eta = self._rows.columns @ self._solution.slopes + d.offset
        observed = group_sums(d.unit, d.outcome, len(d.units))
        start = np.full(len(d.units), random.level)
        own = own_levels(self._rows.family, d.size, eta, d.unit, observed, start)
        return pd.DataFrame(
            {
                "unit": d.units,
                "unshrunken": own - random.level,
                "shrunken": random.context + random.posterior_mean,
                "std_error": random.posterior_sd,
            }
        ).infer_objects()

    def within_between(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return slopes within and between units side by side (RandomEffects with ``slopes="within"``).

        Returns
        -------
        DataFrame
            ``name, within, within_std_error, between, between_std_error, difference, difference_std_error, lower,
            upper``: the limits are of the difference, which practice tied to composition makes (Mundlak).
        """
        check_level(level)
        return within_between(self._random(), len(self.design.names), level)

    def _random(self) -> RandomPart:
        if self.random is None:
            raise SpecificationError(f"{type(self.model).__name__} has no random intercepts; use RandomEffects")
        return self.random

    def practice(self, reference: Reference = "others") -> Practice:
        """Return average practice as each unit meets it: slopes and the average level; see `Practice`."""
        check_option("reference", reference, get_args(Reference))
        return self._others if reference == "others" else self._practice("all")

    @cached_property
    def _others(self) -> Practice:
        # Every comparison, calibration and diagnosis asks for it, and random effects are fitted k times.
        return self._practice("others")

    def _practice(self, reference: Reference) -> Practice:
        with one_blas_thread():
            if self.random is not None:
                return self.random.practice(self._rows, self.design.unit, reference)
            d, penalised = self.design, self.penalised
            return average_practice(self._rows, d.unit, len(d.units), self._solution, reference, penalised=penalised)

    def expected(self, *, reference: Reference = "others") -> pd.Series[float]:
        """Return the expected total of each unit under average practice, in the outcome's unit of measure.

        Parameters
        ----------
        reference : "others" or "all"
            Whether the unit itself is left out of slopes and level, or counts among the reference cases.
        """
        practice = self.practice(reference)
        values = expected_total(self._rows, self.design.unit, practice)
        return pd.Series(np.where(practice.found, values, np.nan), index=self.design.units, name="expected")

    def compare(
        self,
        *,
        standard: Standard = "indirect",
        contrast: Contrast = "difference",
        reference: Reference = "others",
        level: float = 0.95,
        limits: Limits = "mid-p",
        better: Better | None = None,
    ) -> Comparison:
        """Set observed against expected for every unit.

        Parameters
        ----------
        standard : "indirect" or "direct"
            Own cases under average practice; or the whole population's cases under the unit's own practice, on which
            units of different composition may be ranked.
        contrast : "difference", "ratio" or "rate"
            (O − E) / size, O / E, or O / E × the overall rate.
        reference : "others" or "all"
            Reference cases of the expected value: without the unit itself, or with it.
        level : float
            Of the intervals.
        limits : "mid-p" or "exact"
            For counts. Mid-P limits cover the level on average; exact ones cover at least the level (large units to the
            accuracy of the saddlepoint tail, see `benchmodels.kernels.counts.count_limits`).
        better : "low", "high" or None
            Which direction of the estimate is better, where one may say so.

        Returns
        -------
        Comparison

        Warns
        -----
        PartialResultWarning
            Some units' uncertainty, or expected value, is withheld; the message counts and names them.
        """
        from benchmodels.adjustment.compare import compare

        check_option("standard", standard, get_args(Standard))
        check_option("contrast", contrast, get_args(Contrast))
        check_option("limits", limits, get_args(Limits))
        check_option("better", better, (*get_args(Better), None))
        check_level(level)
        with one_blas_thread():
            return compare(
                self,
                self._rows,
                self._solution,
                self.practice(reference),
                standard=standard,
                contrast=contrast,
                level=level,
                limits=limits,
                better=better,
            )

    def calibration(self, *, bins: int = 10, by: Grouping | None = None, of: Of = "cases") -> pd.DataFrame:
        """Return observed against expected rates in groups: see `benchmodels.adjustment.diagnostics.calibration`."""
        from benchmodels.adjustment.diagnostics import calibration

        return calibration(self, bins=bins, by=by, of=of)

    @property
    def noise_kind(self) -> str:
        """Where the units' own noise is known from: counts, cases, clusters, periods or none."""
        return noise_kind(self.design, self._rows.family, self.model.cluster)

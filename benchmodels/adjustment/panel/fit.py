"""A fitted panel: what linearmodels found, and the doors to what it is for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc, fdtrc

from benchmodels.adjustment.coefficients import _frame
from benchmodels.adjustment.fit import check_level
from benchmodels.adjustment.panel.levels import own_effects
from benchmodels.adjustment.panel.programs import LEVEL, estimate, run
from benchmodels.errors import SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.fit import Fit
    from benchmodels.adjustment.panel.model import Panel
    from benchmodels.adjustment.panel.rows import PanelRows
    from benchmodels.comparison import Better, Comparison, Contrast, Reference, Standard
    from benchmodels.design import Design

    Floats = NDArray[np.float64]

__all__ = ["PanelFit", "PanelTest"]

_COMPARES = {
    "random": "RandomEffects({formula!r}, unit={unit!r}, period={period!r}, family='gaussian')",
    "between": "Pooled({formula!r}, unit={unit!r}, period={period!r}, family='gaussian')",
    "first difference": "FixedEffects({formula!r}, unit={unit!r}, period={period!r}, family='gaussian')",
}


@dataclass(frozen=True, kw_only=True)
class PanelTest:
    """A test of the panel literature.

    Parameters
    ----------
    null : str
        What is tested, as a sentence without a full stop.
    statistic : float
        Chi-squared where ``df_denominator`` is infinite, else F.
    df : int
    df_denominator : float
    p : float
    """

    null: str
    statistic: float
    df: int
    df_denominator: float
    p: float


@dataclass(frozen=True, eq=False)
class PanelFit:
    """A linear panel model fitted to a table of one row per unit and period.

    Parameters
    ----------
    model : Panel
    design : Design
        The table as arrays: n rows, p columns, k units.
    """

    model: Panel
    design: Design
    _rows: PanelRows = field(repr=False)
    _results: Any = field(repr=False)
    _average: Fit | None = field(repr=False)

    def __repr__(self) -> str:
        d, r = self.design, self._rows
        short = int((np.bincount(r.unit, minlength=r.units) == 1).sum())
        return (
            f"PanelFit of {self.model!r}\n{d.rows_read} rows read, {d.rows_dropped} dropped, {r.units} units, "
            f"{r.periods} periods, {'balanced' if len(r.outcome) == r.units * r.periods else 'unbalanced'}, {short} "
            "unit(s) with one period"
        )

    @property
    def slopes(self) -> pd.Series[float]:
        """Slopes (p,), in the outcome's unit of measure per unit of each column."""
        values = self._results.params.to_numpy()[: len(self._rows.names)]
        return pd.Series(values, index=list(self._rows.names), name="slope")

    @property
    def residual_variance(self) -> float:
        """Variance of a row about the model, at an exposure of 1 if there is one, in squared units of the outcome."""
        return float(self._results.s2 * self._rows.weight.mean())

    @property
    def residual_ss(self) -> float:
        """Residual sum of squares of the transformed rows, at weights whose mean is 1."""
        return float(self._results.resid_ss)

    @property
    def r2(self) -> pd.Series[float]:
        """R² of the model's own transformed rows, and within units, between their means, and overall, by its slopes."""
        found = self._results
        values = {
            "model": found.rsquared,
            "within": found.rsquared_within,
            "between": found.rsquared_between,
            "overall": found.rsquared_overall,
        }
        return pd.Series({name: float(value) for name, value in values.items()}, name="r2")

    def coefficients(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return slopes with standard errors and intervals, as linearmodels has them.

        Parameters
        ----------
        level : float
            Of the intervals: Student's t with the residual degrees of freedom.

        Returns
        -------
        DataFrame
            ``term, name, estimate, std_error, df, lower, upper`` as in `Fit.coefficients`; the level of pooled, random
            and between comes first.
        """
        check_level(level)
        found, names = self._results, list(self._rows.names)
        # Without covariates linearmodels is given a level, to have something to fit; it is that of the mean unit.
        leveled = LEVEL in found.params.index
        terms = [name for name, where in self.design.terms for _ in range(where.start, where.stop)]
        df = np.full(len(names) + leveled, float(found.df_resid))
        values, error = found.params.to_numpy(), found.std_errors.to_numpy()
        return _frame(terms, names, values, error, df, level, pooled=leveled)

    def covariance_matrix(self) -> pd.DataFrame:
        """Return the covariance of the coefficients, in the order of linearmodels: slopes, then the level."""
        names = [*self._rows.names, *(["level"] if LEVEL in self._results.params.index else [])]
        return pd.DataFrame(self._results.cov.to_numpy(), index=names, columns=names)

    def variance_components(self) -> pd.Series[float]:
        """Return ``unit`` and ``residual``, variances in squared units of the outcome, and ``share`` of the first.

        Raises
        ------
        SpecificationError
            Effects are not random.
        """
        if self.model.effects != "random":
            raise SpecificationError("variance components are of effects='random'")
        found = self._results.variance_decomposition
        unit, residual = float(found["Effects"]), float(found["Residual"])
        return pd.Series({"unit": unit, "residual": residual, "share": unit / (unit + residual)}, name="variance")

    @property
    def theta(self) -> pd.Series[float]:
        """Part of its mean that is taken from each unit's rows (random effects): 0 is pooled, 1 is within."""
        if self.model.effects != "random":
            raise SpecificationError("theta is of effects='random'")
        found = self._results.theta
        return pd.Series(found.to_numpy()[:, 0], index=self.design.units[found.index.to_numpy()], name="theta")

    def poolability(self) -> PanelTest:
        """Return the F test that all levels are one; it supposes one variance, whatever ``covariance`` is.

        Raises
        ------
        SpecificationError
            Effects are neither "unit" nor "both".
        """
        if self.model.effects not in ("unit", "both"):
            raise SpecificationError("poolability is asked of effects='unit' or 'both'")
        found = self._results.f_pooled
        of = "units have one level" if self.model.effects == "unit" else "units, and periods, have one level"
        return PanelTest(
            null=of,
            statistic=float(found.stat),
            df=int(found.df),
            df_denominator=float(found.df_denom),
            p=float(found.pval),
        )

    def hausman(self) -> PanelTest:
        """Test that random effects do not go with the covariates: slopes within units are those of random effects.

        Returns
        -------
        PanelTest
            With ``covariance="unadjusted"`` Hausman's own, chi-squared. Else that of the unit means added to the random
            effects model (Mundlak, Wooldridge), with that covariance, by F with k − 1 degrees of freedom.

        Raises
        ------
        SpecificationError
            Effects are neither "unit" nor "random", rows are weighted, no covariate varies within units, or Hausman's
            variance of the difference is not positive, as happens in small samples.

        References
        ----------
        Hausman (1978), Econometrica 46:1251; Wooldridge (2010), Econometric Analysis of Cross Section and Panel Data,
        2nd ed., section 10.7.3.
        """
        rows = self._rows
        if self.model.effects not in ("unit", "random") or np.any(rows.weight != 1.0):
            raise SpecificationError("Hausman's test is asked of effects='unit' or 'random', without exposure")
        varying = np.flatnonzero(rows.varying())
        if not len(varying):
            raise SpecificationError("no covariate varies within units, so that there is nothing to test")
        null = "effects of units do not go with the covariates"
        if self.model.covariance == "unadjusted":
            statistic = _hausman(rows, varying)
            p = float(chdtrc(len(varying), statistic))
            return PanelTest(null=null, statistic=statistic, df=len(varying), df_denominator=float("inf"), p=p)
        statistic, q = _of_means(rows, varying, self.model)
        p = float(fdtrc(q, rows.units - 1, statistic))
        return PanelTest(null=null, statistic=statistic, df=q, df_denominator=float(rows.units - 1), p=p)

    def unit_effects(self) -> pd.DataFrame:
        """Return each unit's own level less the average one of rows, as it stands and shrunken.

        Returns
        -------
        DataFrame
            ``unit, level, unshrunken, shrunken, std_error`` in the outcome's unit of measure. ``level`` is what is left
            of the unit's mean when the slopes have taken theirs. For effects "unit" and "both" nothing is shrunken, and
            the standard error, of ``unshrunken``, is of a model with one variance for all rows; `compare` gives each
            unit its own. For "random" effects are about the level, and ``shrunken`` is the best linear prediction,
            with its standard deviation given the variance components; linearmodels' own ``estimated_effects`` are θ
            times the mean residual, which is less.

        Raises
        ------
        SpecificationError
            Effects are of another kind.
        """
        if self.model.effects not in ("unit", "both", "random"):
            raise SpecificationError(
                f"effects={self.model.effects!r} has no effects of units; use effects='unit', 'both' or 'random'"
            )
        return own_effects(self._rows, self._results, self.model.effects, self.design.units)

    def compare(
        self,
        *,
        standard: Standard = "indirect",
        contrast: Contrast = "difference",
        reference: Reference = "others",
        level: float = 0.95,
        better: Better | None = None,
    ) -> Comparison:
        """Set observed against expected for every unit: `Fit.compare` of the same slopes.

        Observed and expected are sums over the unit's periods and size is their number, so that a difference is per
        period, in the outcome's unit of measure. Own noise is the unit's variation over its periods, with serial
        correlation pooled over units and t with T − 1 degrees of freedom; ``covariance``, where units count as a
        sample, does not enter it. With effects "both" period levels are slopes of the expected value.

        Parameters
        ----------
        standard, contrast, reference, level, better
            See `benchmodels.Fit.compare`.

        Raises
        ------
        SpecificationError
            Effects are "random", "between" or "first difference"; the message says which model compares.
        """
        if self._average is None:
            instead = _COMPARES[self.model.effects].format(
                formula=self.model.formula, unit=self.model.unit, period=self.model.period
            )
            raise SpecificationError(
                f"a Panel with effects={self.model.effects!r} estimates slopes and does not compare units; use "
                f"{instead}.fit(data).compare()"
            )
        return self._average.compare(
            standard=standard, contrast=contrast, reference=reference, level=level, better=better
        )


def _hausman(rows: PanelRows, varying: NDArray[np.intp]) -> float:
    """Return Hausman's statistic of the columns that vary within units."""
    names = tuple(rows.names[j] for j in varying)
    within = run(replace(rows, columns=rows.columns[:, varying], names=names), "unit", cov_type="unadjusted")
    drawn = run(rows, "random", cov_type="unadjusted")
    difference = within.params.to_numpy() - drawn.params.to_numpy()[varying]
    spread = within.cov.to_numpy() - drawn.cov.to_numpy()[np.ix_(varying, varying)]
    # In units of the standard errors, so that the columns' units of measure do not decide.
    scale = within.std_errors.to_numpy()
    values, vectors = np.linalg.eigh(spread / np.outer(scale, scale))
    if values[0] <= 1e-10:
        raise SpecificationError(
            "slopes of random effects are estimated no better than those within units, so that Hausman's variance of "
            "their difference is not positive; ask for covariance='clustered', whose test needs no such difference"
        )
    return float(np.sum((vectors.T @ (difference / scale)) ** 2 / values))


def _of_means(rows: PanelRows, varying: NDArray[np.intp], model: Panel) -> tuple[float, int]:
    """Return F and its degrees of freedom of unit means added to random effects."""
    means = rows.means(rows.columns[:, varying])[rows.unit]
    kept: list[int] = []
    base = rows.constant / np.abs(rows.constant).max(axis=0)
    for j in range(means.shape[1]):
        # Means that all units share (those of a period's indicator) or that others make up are no test.
        column = means[:, j] / max(float(np.abs(means[:, j]).max()), 1e-300)
        left = column - base @ np.linalg.lstsq(base, column, rcond=None)[0]
        if np.linalg.norm(left) > 1e-7 * np.linalg.norm(column):
            kept.append(j)
            base = np.column_stack([base, column])
    if not kept:
        raise SpecificationError("units do not differ in the means of any covariate, so that there is nothing to test")
    if rows.units <= rows.columns.shape[1] + len(kept) + 1:
        raise SpecificationError(
            f"{rows.units} units are too few for {rows.columns.shape[1]} covariates and {len(kept)} unit means; ask "
            "for covariance='unadjusted'"
        )
    found = estimate(rows, replace(model, effects="random"), extra=means[:, kept])
    where = slice(rows.columns.shape[1], rows.columns.shape[1] + len(kept))
    added, spread = found.params.to_numpy()[where], found.cov.to_numpy()[where, where]
    return float(added @ np.linalg.solve(spread, added)) / len(kept), len(kept)

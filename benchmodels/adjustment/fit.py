"""A fitted model of average practice: estimates, certificate, and the doors to what they are for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from benchmodels.adjustment.noise import noise_kind
from benchmodels.adjustment.practice import Practice, average_practice, own_total
from benchmodels.comparison import Better, Comparison, Contrast, Reference, Standard
from benchmodels.design import Design, Roles, read_design
from benchmodels.errors import ConvergenceError, DataError, SpecificationError
from benchmodels.kernels.basis import Basis, group_means, group_sums, well_conditioned
from benchmodels.kernels.counts import Limits, count_limits
from benchmodels.kernels.families import mean
from benchmodels.kernels.leave_out import unit_pieces
from benchmodels.kernels.newton import Certificate, LevelsFit, Rows, fit_levels
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Covariance", "Fit", "fit_model"]

Covariance = Literal["model", "unit"]


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
        The question, a `Pooled` or `FixedEffects`.
    design : Design
        The table as arrays: c cells, p columns, k units.
    certificate : Certificate
        Vouches for the maximum: converged, iterations, criterion, value.
    """

    model: Roles
    design: Design
    certificate: Certificate
    _rows: Rows = field(repr=False)
    _basis: Basis = field(repr=False)
    _solution: LevelsFit = field(repr=False)

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
        return pd.Series(values, index=list(self.design.names), name="slope")

    @property
    def unit_levels(self) -> pd.Series[float]:
        """Level of each unit on the link scale (one and the same when pooled); infinite without or with only events."""
        levels = self._solution.levels + self._basis.level_shift(self._solution.slopes)
        return pd.Series(np.broadcast_to(levels, len(self.design.units)).copy(), index=self.design.units, name="level")

    @property
    def dispersion(self) -> float:
        """Residual variance of a Gaussian outcome per unit of size, squared units of measure; 1 for counts."""
        if self.model.family != "gaussian":
            return 1.0
        d, solution = self.design, self._solution
        eta = self._rows.columns @ solution.slopes + solution.levels[self._rows.codes] + d.offset
        squares = float(np.sum(d.squares - 2.0 * eta * d.outcome + eta**2 * d.size))
        df = d.cases.sum() - len(solution.slopes) - len(solution.levels)
        return max(squares, 0.0) / df if df > 0 else float("nan")

    @property
    def cells(self) -> pd.DataFrame:
        """Cells: unit, cell, weight (size), outcome, and the covariate row; what needs cases starts here."""
        d = self.design
        frame = pd.DataFrame({"unit": d.units[d.unit], "cell": np.arange(len(d.unit))})
        frame = frame.assign(weight=d.size, outcome=d.outcome)
        return pd.concat([frame, pd.DataFrame(d.columns, columns=list(d.names))], axis=1)

    def coefficients(self, *, covariance: Covariance = "model", level: float = 0.95) -> pd.DataFrame:
        """Return slopes with standard errors and intervals.

        Parameters
        ----------
        covariance : "model" or "unit"
            From the information matrix, or clustered by unit (units count as a sample; CR1, t with k − 1 degrees of
            freedom).
        level : float
            Of the intervals.

        Returns
        -------
        DataFrame
            ``term, name, estimate, std_error, lower, upper``: one row per column, on the link scale per unit of
            measure of the column. A pooled model's level comes first, as term "1".
        """
        check_option("covariance", covariance, get_args(Covariance))
        check_level(level)
        d, solution = self.design, self._solution
        p, pooled = len(solution.slopes), len(solution.levels) == 1
        step = solution.step
        information = step.schur()
        if pooled:
            information = np.block([[step.gram, step.border.T], [step.border, step.level_weight[None]]])
        variance = np.linalg.inv(information) * self.dispersion if len(information) else information
        quantile = -float(ndtri(0.5 * (1.0 - level)))
        if covariance == "unit":
            k = len(d.units)
            scores = self._unit_scores(pooled=pooled)
            bread = np.linalg.inv(information) if len(information) else information
            variance = bread @ (scores.T @ scores) @ bread * (k / (k - 1.0))
            quantile = -float(stdtrit(k - 1, 0.5 * (1.0 - level)))
        turn = np.eye(p) if self._basis.turn is None else self._basis.turn
        if pooled:
            # (slopes, level) on the basis → on the columns; the level moves back by center · slopes.
            turn = np.block([[turn, np.zeros((p, 1))], [-(self._basis.center @ turn)[None], np.ones((1, 1))]])
        estimate = turn @ np.r_[solution.slopes, solution.levels[:1]] if pooled else turn @ solution.slopes
        error = np.sqrt(np.einsum("ij,jk,ik->i", turn, variance, turn))
        terms = [name for name, where in d.terms for _ in range(where.start, where.stop)]
        frame = pd.DataFrame(
            {
                "term": [*terms, "1"] if pooled else terms,
                "name": [*d.names, "level"] if pooled else list(d.names),
                "estimate": estimate,
                "std_error": error,
                "lower": estimate - quantile * error,
                "upper": estimate + quantile * error,
            }
        )
        return pd.concat([frame.iloc[-1:], frame.iloc[:-1]], ignore_index=True) if pooled else frame

    def _unit_scores(self, *, pooled: bool) -> Floats:
        pieces = unit_pieces(
            self._rows, self.design.unit, len(self.design.units), self._solution.slopes, self._solution.levels
        )
        if pooled:
            return np.column_stack([pieces.score, pieces.level_score])
        weight = np.where(pieces.weight > 0, pieces.weight, 1.0)
        return pieces.score - pieces.border * (pieces.level_score / weight)[:, None]

    def practice(self, reference: Reference = "others") -> Practice:
        """Return average practice as each unit meets it: slopes and the average level; see `Practice`."""
        check_option("reference", reference, get_args(Reference))
        with one_blas_thread():
            return average_practice(self._rows, self.design.unit, len(self.design.units), self._solution, reference)

    def expected(self, *, reference: Reference = "others") -> pd.Series[float]:
        """Return the expected total of each unit under average practice, in the outcome's unit of measure.

        Parameters
        ----------
        reference : "others" or "all"
            Whether the unit itself is left out of slopes and level, or counts among the reference cases.
        """
        practice = self.practice(reference)
        values = own_total(self._rows, self.design.unit, practice, practice.average)
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

    def calibration(self, *, bins: int = 10) -> pd.DataFrame:
        """Return observed against expected rates in groups of cases of rising expected rate.

        Cases are grouped by the rate expected of them under average practice, their own unit left out; each group
        holds about the same size. A cell is never split.

        Returns
        -------
        DataFrame
            ``bin, size, expected, observed, lower, upper``: rates; limits mid-P at 95 per cent, of sampling alone.

        Raises
        ------
        SpecificationError
            The outcome is not a count, or ``bins`` is not 2 or more.
        """
        if self.model.family == "gaussian":
            raise SpecificationError("calibration by groups is for counts (binomial, poisson)")
        if bins < 2:
            raise SpecificationError(f"calibration needs 2 or more bins; found {bins}")
        practice = self.practice("others").filled(self._solution)
        eta = practice.own_eta(self._rows, self.design.unit) + practice.average[self.design.unit]
        mu = mean(self._rows.family, eta)
        order = np.argsort(mu, kind="stable")
        below = np.cumsum(self._rows.size[order]) - 0.5 * self._rows.size[order]
        group = np.empty(len(mu), dtype=np.intp)
        group[order] = np.minimum((below / self._rows.size.sum() * bins).astype(np.intp), bins - 1)
        _, group = np.unique(group, return_inverse=True)
        order = np.argsort(group, kind="stable")
        group, eta, rows = group[order], eta[order], self._rows.take(order)
        bins = int(group.max()) + 1
        count, size = group_sums(group, rows.outcome, bins), group_sums(group, rows.size, bins)
        low, high = count_limits(
            rows.family, count, rows.size, eta, group, np.zeros(bins), confidence=0.95, limits="mid-p"
        )
        rate = [
            group_sums(group, rows.size * mean(rows.family, eta + shift[group]), bins) / size
            for shift in (np.zeros(bins), low, high)
        ]
        return pd.DataFrame(
            {
                "bin": np.arange(1, len(count) + 1),
                "size": size,
                "expected": rate[0],
                "observed": count / size,
                "lower": rate[1],
                "upper": rate[2],
            }
        )

    @property
    def noise_kind(self) -> str:
        """Where the units' own noise is known from: counts, cases, clusters, periods or none."""
        return noise_kind(self.design, self.model.family, self.model.cluster)


def fit_model(model: Roles, formula: str, data: object, *, levels: Literal["one", "each"]) -> Fit:
    """Read the table, find a basis, and run Newton; errors name columns.

    Raises
    ------
    SpecificationError, DataError, ConvergenceError
    """
    design = read_design(formula, model, data)
    k, each = len(design.units), levels == "each"
    codes = design.unit if each else np.zeros(len(design.unit), dtype=np.intp)
    starts = design.starts if each else np.zeros(1, dtype=np.intp)
    _check_events(design, model)
    if each and design.names:
        _check_mixed(design, model)
    with one_blas_thread():
        columns, basis = well_conditioned(design.columns, design.size, codes, k if each else 1)
        if basis.dependent:
            _raise_dependent(design, basis.dependent, each=each)
        rows = Rows(columns, design.outcome, design.size, design.offset, codes, starts, model.family)
        solution = fit_levels(rows)
    if not solution.certificate.converged:
        _raise_not_converged(design, basis, solution)
    return Fit(model, design, solution.certificate, rows, basis, solution)


def _check_events(design: Design, model: Roles) -> None:
    if model.family == "gaussian":
        if (
            np.all(design.squares - design.outcome**2 / np.where(design.size > 0, design.size, 1.0) <= 0)
            and np.ptp(design.outcome / np.where(design.size > 0, design.size, 1.0)) == 0
        ):
            raise DataError(f"the outcome {design.outcome_name!r} is the same in every row: nothing to compare")
        return
    events, size = float(design.outcome.sum()), float(design.size.sum())
    if events <= 0:
        raise DataError(f"the outcome {design.outcome_name!r} is zero in every row: nothing to compare")
    if model.family == "binomial" and events >= size:
        raise DataError(f"the outcome {design.outcome_name!r} happens in every case: nothing to compare")
    # A category without events (or with nothing else) has no finite slope: said before Newton runs away.
    for name, column in zip(design.names, design.columns.T, strict=True):
        # The first rows settle it for a continuous column, without a look at all of it.
        if not all(np.all((part == 0) | (part == 1)) for part in (column[:64], column)):
            continue
        inside = column == 1
        met, of = float(design.outcome[inside].sum()), float(design.size[inside].sum())
        if of > 0 and (met <= 0 or (model.family == "binomial" and met >= of)):
            what = "no events" if met <= 0 else "nothing but events"
            raise DataError(
                f"separation: {name!r} has {what} among its {of:g} cases, so its slope is infinite; merge it with a "
                "neighbouring category or leave it out"
            )


def _check_mixed(design: Design, model: Roles) -> None:
    """Raise where no unit has both events and cases without: nothing is left to learn within units."""
    k = len(design.units)
    events, size = group_sums(design.unit, design.outcome, k), group_sums(design.unit, design.size, k)
    mixed = events > 0
    if model.family == "binomial":
        mixed &= events < size
    if model.family != "gaussian" and not mixed.any():
        raise DataError(
            f"every unit has no events or nothing but events in {design.outcome_name!r}: slopes within units cannot be "
            "learnt from them; use Pooled"
        )


def _raise_dependent(design: Design, dependent: tuple[int, ...], *, each: bool) -> None:
    weight = np.maximum(design.size, 0.0)
    constant: list[str] = []
    collinear: list[str] = []
    codes = design.unit if each else np.zeros(len(design.unit), dtype=np.intp)
    means = group_means(design.columns, weight, codes, int(codes.max()) + 1)
    for j in dependent:
        column = design.columns[:, j]
        spread = np.max(np.abs(column - means[codes, j])[weight > 0])
        (constant if spread <= 1e-9 * max(1e-300, float(np.max(np.abs(column)))) else collinear).append(design.names[j])
    if constant and each:
        raise SpecificationError(
            f"{listed(constant)} is constant within units, so FixedEffects cannot tell it from the units themselves; "
            "leave it out, or use Pooled"
        )
    if constant:
        raise DataError(f"{listed(constant)} is the same in every row; leave it out")
    raise DataError(
        f"collinear covariates{' within units' if each else ''}: {listed(collinear)} follows exactly from those before "
        f"it in the formula ({listed(design.names)}); leave one out"
    )


def _raise_not_converged(design: Design, basis: Basis, solution: LevelsFit) -> None:
    slopes = np.abs(basis.to_columns(solution.slopes)) * design.columns.std(axis=0)
    large = [name for name, size in zip(design.names, slopes, strict=True) if not size < 5.0]
    path = ", ".join(f"{v:.1e}" for v in solution.certificate.path[-5:]) or "none"
    why = (
        f"; {listed(large)} runs away, which is what separation looks like (the outcome follows from it without "
        "exception): merge categories or leave it out"
        if large
        else ""
    )
    raise ConvergenceError(
        f"no maximum found after {solution.certificate.iterations} Newton steps (last decrements in standard errors: "
        f"{path}){why}"
    )

"""A learner cross-fitted to a table: what is expected of each unit, and what there is to say for it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn, get_args

import numpy as np
import pandas as pd

from benchmodels.adjustment.compare import _overlap, _warn, compare
from benchmodels.adjustment.cross_fitted.learner import edge_of
from benchmodels.adjustment.cross_fitted.splits import CrossFit, average_mean, common_level
from benchmodels.adjustment.fit import Fit, check_level, check_option
from benchmodels.adjustment.noise import noise_kind
from benchmodels.adjustment.practice import Practice
from benchmodels.comparison import Better, Comparison, Contrast, Coverage, Reference, Standard
from benchmodels.design import Design
from benchmodels.errors import ConvergenceError, PartialResultWarning, SpecificationError
from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.counts import Limits
from benchmodels.kernels.families import mean
from benchmodels.kernels.newton import fit_in_basis
from benchmodels.parallel import one_blas_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.cross_fitted.model import CrossFitted

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["CrossFitCertificate", "CrossFittedFit"]

_NOT_SAID = (
    "the limits hold a unit's own noise and that of the common level, and nothing of what the learner would have "
    "become on other data"
)


_IMPOSSIBLE = "the learner gave cases chances of exactly 0 or 1, which leave no room for what was observed"
# Means nearer to 0 or 1 were predicted to be there.
_EDGE = 1e-12


@dataclass(frozen=True, kw_only=True)
class CrossFitCertificate:
    """What there is to say for a cross-fit, in place of a maximum.

    Parameters
    ----------
    fits : int
        How many times the estimator learnt.
    total_ratio : float
        Expected over observed total of all units, each without itself: 1 where unseen cells are predicted as high as
        they are.
    level : tuple of float
        Lowest and highest α*, link scale: how far the learner was from the others' total.
    slope : tuple of float
        Lowest and highest calibration slope over folds; 1 under ``calibrate="level"``. Below 1: the learner was too
        sure of itself.
    edge : int
        Predictions of exactly 0 (or 1), over all fits: no data vouch for them.
    split_spread : float
        Median over units of the standard deviation of the expected value over repeats, as a share of that value: what
        the deal of units alone does. NaN without repeats.
    """

    fits: int
    total_ratio: float
    level: tuple[float, float]
    slope: tuple[float, float]
    edge: int
    split_spread: float


@dataclass(frozen=True, eq=False)
class CrossFittedFit:
    """A learner cross-fitted to a table.

    Parameters
    ----------
    model : CrossFitted
    design : Design
        The table as arrays: c cells, p columns, k units.
    """

    model: CrossFitted
    design: Design
    _rows: Rows = field(repr=False)
    _splits: tuple[CrossFit, ...] = field(repr=False)
    _found: Mask = field(repr=False)
    _rng: str = field(repr=False)

    def __repr__(self) -> str:
        d, c = self.design, self.certificate
        return (
            f"Fit of {self.model!r}\n{d.rows_read} rows read, {d.rows_dropped} dropped, {len(d.outcome)} cells, "
            f"{len(d.units)} units; learnt {c.fits} times, expected over observed total {c.total_ratio:.4f}"
        )

    @cached_property
    def certificate(self) -> CrossFitCertificate:
        """What there is to say for the fit; see `CrossFitCertificate`."""
        found, k = self._found, len(self.design.units)
        observed = group_sums(self.design.unit, self.design.outcome, k)[found].sum()
        levels = np.concatenate([split.level[found] for split in self._splits]) if found.any() else np.array([np.nan])
        slopes = np.concatenate([split.slope for split in self._splits])
        frame = self.splits()
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = (frame["std_dev"] / frame["expected"].abs())[found]
            ratio = float(frame["expected"].sum() / observed)
        return CrossFitCertificate(
            fits=sum(split.fits for split in self._splits),
            total_ratio=ratio,
            level=(float(levels.min()), float(levels.max())),
            slope=(float(slopes.min()), float(slopes.max())),
            edge=sum(split.edge for split in self._splits),
            split_spread=float(relative.median()),
        )

    def splits(self) -> pd.DataFrame:
        """Return how the deal of units moves expected values.

        Returns
        -------
        DataFrame
            ``unit, fold, expected, std_dev, lowest, highest``, totals in the outcome's unit of measure: the fold in
            the first split; mean, standard deviation (NaN without repeats) and range over splits.
        """
        k = len(self.design.units)
        totals = np.stack([self._total(average_mean(self._rows, self.design.unit, [s])) for s in self._splits])
        spread = totals.std(axis=0, ddof=1) if len(totals) > 1 else np.full(k, np.nan)
        frame = pd.DataFrame({"unit": self.design.units, "fold": self._splits[0].fold})
        frame = frame.assign(expected=totals.mean(axis=0), std_dev=spread)
        return frame.assign(lowest=totals.min(axis=0), highest=totals.max(axis=0)).infer_objects()

    def _total(self, means: Floats) -> Floats:
        totals = group_sums(self.design.unit, self.design.size * means, len(self.design.units))
        return np.where(self._found, totals, np.nan)

    def predicted(self, *, reference: Reference = "others") -> Floats:
        """Return the expected mean of each cell (c,), per trial, exposure or case, each unit's without itself.

        ``reference`` is as in `expected`.
        """
        check_option("reference", reference, get_args(Reference))
        if reference == "others":
            return average_mean(self._rows, self.design.unit, list(self._splits))
        eta = self._learnt
        return mean(self._rows.family, eta + common_level(self._rows, eta, np.ones(len(eta), dtype=bool)))

    @property
    def _learnt(self) -> Floats:
        """Linear predictor (c,) before a level."""
        means = [mean(self._rows.family, split.eta) for split in self._splits]
        return edge_of(self._rows.family, np.mean(means, axis=0))

    def expected(self, *, reference: Reference = "others") -> pd.Series[float]:
        """Return the expected total of each unit, in the outcome's unit of measure; NaN where none is known.

        Parameters
        ----------
        reference : "others" or "all"
            Reference cases of the level: without the unit, or with it. What the learner knows is of the other folds in
            both.
        """
        return pd.Series(self._total(self.predicted(reference=reference)), index=self.design.units, name="expected")

    @property
    def cells(self) -> pd.DataFrame:
        """Cells: unit, cell, weight (size), outcome, expected mean without the unit, and the covariate row."""
        d = self.design
        frame = pd.DataFrame({"unit": d.units[d.unit], "cell": np.arange(len(d.unit)), "weight": d.size})
        frame = frame.assign(outcome=d.outcome, expected=self.predicted())
        return pd.concat([frame, pd.DataFrame(d.columns, columns=list(d.names))], axis=1)

    @property
    def noise_kind(self) -> str:
        """Where the units' own noise is known from: counts, cases, clusters, periods or none."""
        return noise_kind(self.design, self._rows.family, self.model.cluster)

    def coefficients(self) -> NoReturn:
        """Raise SpecificationError: a learner has none."""
        raise SpecificationError(
            f"{type(self.model.estimator).__name__} is cross-fitted: it has learnt {self.certificate.fits} times, and "
            "no set of coefficients is behind the expected values; Pooled, FixedEffects and RandomEffects have slopes "
            "with standard errors, and beside_regression sets the two side by side"
        )

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
        """Set observed against expected for every unit; options are those of `Fit.compare`.

        Parameters
        ----------
        standard : "indirect"
            A learner has no level of a unit's own practice by which the whole population could be its.
        contrast, reference, limits, better
            As in `Fit.compare`; reference as in `expected`.
        level : float
            Asked for. The limits hold the unit's own noise and that of α*, not the learner's, and claim no level:
            ``coverage`` says so, and ``different`` gives no verdict.

        Returns
        -------
        Comparison

        Warns
        -----
        PartialResultWarning
            Some units' uncertainty, or expected value, is withheld.
        """
        check_option("standard", standard, get_args(Standard))
        if standard == "direct":
            raise SpecificationError(
                "standard='direct' asks for the whole population under each unit's own practice, of which a "
                "cross-fitted learner knows nothing; use standard='indirect', or Pooled, FixedEffects or RandomEffects"
            )
        check_option("contrast", contrast, get_args(Contrast))
        check_option("limits", limits, get_args(Limits))
        check_option("better", better, (*get_args(Better), None))
        check_level(level)
        impossible = self._impossible(reference)
        engine, practice = self._engine(reference, self._found & ~impossible)
        rows, solution = engine._rows, engine._solution
        with one_blas_thread(), warnings.catch_warnings():
            # Told below, with what the engine does not know of.
            warnings.simplefilter("ignore", PartialResultWarning)
            found = compare(
                engine, rows, solution, practice,
                standard=standard, contrast=contrast, level=level, limits=limits, better=better,
            )  # fmt: skip
        case_mix = replace(rows, columns=rows.offset[:, None])
        overlap = _overlap(case_mix, self.design.unit, len(found), replace(solution, slopes=np.ones(1)))
        return self._told(replace(found, overlap=overlap), impossible)

    def _told(self, found: Comparison, impossible: Mask) -> Comparison:
        """Return the comparison with what is to be said of a learner, and of units of which it was too sure."""
        coverage = Coverage(
            level=found.level, intervals=np.nan, ranks=np.nan, all_ranks=np.nan, shrunken=np.nan, simulated=_NOT_SAID
        )
        source = replace(found.source, noise=f"{found.source.noise}; {self._noise_text()}", rng=self._rng)
        withheld, estimate = found.withheld.copy(), found.estimate
        withheld[impossible] = _IMPOSSIBLE
        observed = group_sums(self.design.unit, self.design.outcome, len(found))
        observed = np.where(impossible, observed, found.observed)
        expected = np.where(impossible, self.expected(reference=found.reference), found.expected)
        if found.contrast == "difference":
            estimate = np.where(impossible, (observed - expected) / found.size, estimate)
        _warn(found.unit, withheld)
        return replace(
            found, observed=observed, expected=expected, estimate=estimate, withheld=withheld, source=source,
            coverage=coverage,
        )  # fmt: skip

    def _impossible(self, reference: Reference) -> Mask:
        """Return the units (k,) whose observed count cannot be under chances of exactly 0 or 1, or that leave none."""
        d, family, k = self.design, self._rows.family, len(self.design.units)
        if family.link == "identity":
            return np.zeros(k, dtype=bool)
        mu = np.nan_to_num(self.predicted(reference=reference))
        # A rate has a unit of measure; a share has none.
        rate = 1.0 if family.share else float(d.outcome.sum() / d.size.sum())
        never, always = mu < _EDGE * rate, (mu > 1.0 - _EDGE) & family.share
        open_to_chance = group_sums(d.unit, d.size * ~(never | always), k) > 0
        if not family.share:
            return self._found & ~open_to_chance
        observed, least = group_sums(d.unit, d.outcome, k), group_sums(d.unit, d.size * always, k)
        unlikely = group_sums(d.unit, d.size * never, k)
        most = group_sums(d.unit, d.size, k) - unlikely
        below = (least > 0) & (observed <= least)
        above = (unlikely > 0) & (observed >= most)
        return self._found & (~open_to_chance | below | above)

    def _noise_text(self) -> str:
        spread = self.certificate.split_spread
        dealt = "" if np.isnan(spread) else f"; over {len(self._splits)} splits they vary by {spread:.2%} (median unit)"
        return f"expected values are of a cross-fitted learner, whose own uncertainty is not in the limits{dealt}"

    def _engine(self, reference: Reference, usable: Mask) -> tuple[Fit, Practice]:
        """Return the fit of a level alone to what was learnt, and average practice as each unit meets it."""
        k, means = len(self.design.units), self.predicted(reference=reference)
        if not usable.any():
            raise ConvergenceError(
                "there is no unit to compare: the other units give it no level, or the learner is so sure of its cases "
                f"that nothing is left to chance ({self.certificate.edge} predictions of exactly 0 or 1)"
            )
        # Units that are withheld take no part; the average of the others stands in for them.
        there = usable[self.design.unit]
        eta = edge_of(self._rows.family, np.where(there, means, means[there].mean()))
        rows, basis, solution = fit_in_basis(replace(self._rows, offset=eta))
        if solution is None or not solution.certificate.converged:
            raise ConvergenceError(
                f"the predictions of {type(self.model.estimator).__name__} are so sure of themselves that no common "
                f"level agrees with what was observed ({self.certificate.edge} predictions of exactly 0 or 1)"
            )
        empty = replace(self.design, columns=rows.columns, names=(), terms=())
        practice = Practice(np.zeros((k, 0)), np.zeros(k), usable, reference == "others")
        return Fit(self.model, empty, solution.certificate, rows, basis, solution), practice

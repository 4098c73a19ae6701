"""Average practice learnt by any scikit-learn estimator: the question, and its fit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from benchmodels.adjustment.cross_fitted.fit import CrossFittedFit
from benchmodels.adjustment.cross_fitted.learner import checked_estimator, first_words, learner_of
from benchmodels.adjustment.cross_fitted.splits import Calibrate, CrossFit, balanced_folds, cross_fit
from benchmodels.adjustment.estimate import check_events
from benchmodels.adjustment.fit import check_option
from benchmodels.asked import entropy, generator, whole
from benchmodels.design import Design, read_design
from benchmodels.errors import ConvergenceError, PartialResultWarning, SpecificationError
from benchmodels.kernels.arrow import Rows
from benchmodels.kernels.basis import group_sums
from benchmodels.parallel import one_blas_thread
from benchmodels.roles import Roles
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["CrossFitted", "Folds"]

Folds = int | Literal["units"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CrossFitted(Roles):
    """Any scikit-learn regressor or classifier, taught what is expected of a unit by the other units alone.

    The units are dealt to folds. What is expected of a case is μ(η(x) + α*), with η learnt from the cases of the other
    folds, on the link scale, and α* the one level at which expected and observed totals agree over all other units. So
    nothing that happens in a unit has a part in its own expected value.

    A learner of pooled cases sees composition and practice together, as `Pooled` does: where they go together it takes
    part of practice for composition, and the more so the better it learns. `FixedEffects` does not.

    Parameters
    ----------
    formula : str
        ``"outcome ~ covariates"``. The learner gets the columns of the formula's matrix, categories as indicators, as
        an array in the order of `CrossFittedFit.design.names`; bends and interactions are its own affair.
    estimator : object
        An unfitted regressor (of the outcome per trial, average exposure or case) or, for shares, a classifier with
        ``predict_proba``. Copied: the object given is never fitted. Cells that stand for several cases count as so
        many: ``fit`` must take ``sample_weight``, also within a pipeline. Exposure and sampling weights count in
        proportion, one on average; so penalties do not depend on what exposure is counted in.
    folds : int or "units"
        Parts that units are dealt to, 2 to k, balanced by size; "units" leaves out one at a time.
    repeats : int
        How often units are dealt anew; expected values are the mean, and their spread is reported.
    calibrate : "level" or "slope"
        "level": α* alone. "slope": η is first multiplied by the slope of outcomes on predictions of unseen cells
        (Cox 1958, Platt 2000), learnt within the other folds, at f (f − 1) / 2 more fits.
    rng : int, Generator or None
        Deals units, and seeds what in the estimator has no ``random_state``.
    unit, family, link, trials, exposure, frequency, sampling_weights, period, cluster, choice, missing
        See `benchmodels.roles.Roles`; no offset, and families without a shape of their own.

    Raises
    ------
    SpecificationError
        The estimator cannot be what is asked, or an option is none.

    Notes
    -----
    Where the other folds hold one single value of a column and the unit another (a category nobody else has), nothing
    is expected of the unit. Elsewhere a learner answers far from what it has seen; ``Comparison.overlap`` tells.

    What to expect, from a few simulated tables of 98 units of some 300 cases (such as those of
    tests/adjustment/test_cross_fitted.py): where the truth bends, boosting, a forest or splines had half to nine
    tenths of the error that `Pooled` has in expected rates; where it is a straight logit, up to 1.4 times its error.
    Where composition and practice had a correlation of 0.6, units' effects came out 0.8 to 0.9 as large as they are,
    with `Pooled` alike and with `FixedEffects` 0.9 to 1.

    Besides the fits the level of each unit costs some passes over all cells: 1,300 units of 36,000 cells 10 to 20 s.
    Learners with threads of their own (OpenMP, as in histogram boosting) are many times slower where other work shares
    the cores: ``threadpoolctl.threadpool_limits(1)`` around the fit.

    References
    ----------
    Chernozhukov et al. (2018), Econometrics Journal 21:C1 (cross-fitting); Cox (1958), Biometrika 45:562.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LinearRegression
    >>> table = pd.DataFrame({"town": list("aabbcc"), "old": [0, 1, 0, 1, 0, 1], "days": [1.0, 3, 2, 4, 3, 5]})
    >>> model = CrossFitted("days ~ old", unit="town", family="gaussian", estimator=LinearRegression(), folds="units")
    >>> model.fit(table).expected().round(9).tolist()
    [7.0, 6.0, 5.0]
    """

    formula: str = field(kw_only=False)
    estimator: Any
    folds: Folds = 5
    repeats: int = 1
    calibrate: Calibrate = "level"
    rng: int | np.random.Generator | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.family in ("negative_binomial", "beta_binomial"):
            plain = "poisson" if self.family == "negative_binomial" else "binomial"
            raise SpecificationError(
                f"a learner has no use for the shape of family={self.family!r}; say family={plain!r}"
            )
        if self.offset is not None:
            raise SpecificationError(
                "a learner has no place for an offset on the link scale; for time or volume say exposure=…"
            )
        if self.folds != "units":
            whole("folds", self.folds, least=2, what="or 'units' to leave out one at a time")
        whole("repeats", self.repeats)
        if self.repeats > 1 and self.folds == "units":
            raise SpecificationError("folds='units' deals units in one way only; repeats are for fewer folds")
        check_option("calibrate", self.calibrate, get_args(Calibrate))
        generator(self.rng)
        object.__setattr__(self, "estimator", checked_estimator(self.estimator, self.kernel_family()))

    def __repr__(self) -> str:
        return " ".join(super().__repr__().split())

    def __eq__(self, other: object) -> bool:
        # Estimators compare by identity, and this one is a copy.
        return isinstance(other, CrossFitted) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def fit(self, data: object) -> CrossFittedFit:
        """Cross-fit to a dataframe; see `CrossFittedFit`.

        Raises
        ------
        DataError, SpecificationError, ConvergenceError
            The table or the estimator does not give what is needed; the message says which.

        Warns
        -----
        PartialResultWarning
            Of some units nothing can be expected; or the estimator warned.
        """
        design, family = read_design(self.formula, self, data), self.kernel_family()
        k = len(design.units)
        check_events(design, family, categories=False)
        if not design.names:
            raise SpecificationError(f"{self.formula!r} has no covariates for a learner to learn from")
        if self.folds != "units" and self.folds > k:
            raise SpecificationError(f"folds={self.folds} and there are {k} units; take at most {k}, or folds='units'")
        folds = k if self.folds == "units" else int(self.folds)
        scaled = self.exposure is not None or self.sampling_weights is not None
        learner = learner_of(self.estimator, design, family, scaled=scaled)
        rng = generator(self.rng)
        size = group_sums(design.unit, design.size, k)
        rows = _bare(design, family)
        splits = []
        with one_blas_thread(), warnings.catch_warnings(record=True) as met:
            warnings.simplefilter("always")
            for child in rng.spawn(self.repeats):
                fold = balanced_folds(size, folds, child)
                splits.append(cross_fit(learner, rows, design.unit, design.units, fold, self.calibrate, child))
        if met:
            warnings.warn(
                f"{type(self.estimator).__name__} gave {first_words(met)}", PartialResultWarning, stacklevel=2
            )
        return CrossFittedFit(self, design, rows, tuple(splits), _known(design, splits), entropy(rng))


def _bare(design: Design, family: Any) -> Rows:
    """Return the design as rows of one level, without columns."""
    c = len(design.unit)
    zero = np.zeros(c, dtype=np.intp)
    return Rows(np.zeros((c, 0)), design.outcome, design.size, np.zeros(c), zero, 1, family, design.cases)


def _known(design: Design, splits: list[CrossFit]) -> Mask:
    """Return which units (k,) the other folds say something of, in every split; warn of the others."""
    units, k = design.units, len(design.units)
    known = np.ones(k, dtype=bool)
    strange: set[str] = set()
    for split in splits:
        known &= np.isfinite(split.level)
        where = split.fold[design.unit]
        for f in range(int(split.fold.max()) + 1):
            rest, inside = design.columns[(where != f) & (design.size > 0)], (where == f) & (design.size > 0)
            alike = np.ptp(rest, axis=0) == 0
            unseen = (design.columns != rest[0]) & alike & inside[:, None]
            strange |= {design.names[j] for j in np.flatnonzero(unseen.any(axis=0))}
            known[np.unique(design.unit[unseen.any(axis=1)])] = False
    lost = int((~known).sum())
    if lost == k:
        raise ConvergenceError(
            "nothing can be expected of any unit: the other folds share no value of some column with it, or there is "
            "no level at which the learner agrees with the total of the others (does it predict 0 or 1 exactly?)"
        )
    if lost:
        why = f"in the other folds {listed(sorted(strange))} does not vary" if strange else "the others give no level"
        warnings.warn(
            f"nothing is expected of {lost} of {k} units ({listed(units[~known].tolist())}): {why}; merge categories, "
            "or take more folds (folds='units')",
            PartialResultWarning,
            stacklevel=3,
        )
    return known

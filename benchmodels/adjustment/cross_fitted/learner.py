"""Somebody else's estimator: what it is, how cases and weights reach it, and whether what it says can be believed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmodels.errors import ConvergenceError, DataError, SpecificationError
from benchmodels.kernels.families import Family, link
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.design import Design

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["Learner", "at_edge", "checked_estimator", "edge_of", "first_words", "learner_of"]

Kind = Literal["classifier", "regressor"]

# The linear predictor that stands for a mean at the edge: the mean there is at most a rounding error from it.
_EDGES: dict[str, tuple[float, float]] = {
    "logit": (-36.0, 36.0),
    "probit": (-37.0, 8.3),
    "cloglog": (-36.0, 3.6),
    "log": (-700.0, 700.0),
    "identity": (-np.inf, np.inf),
}


def checked_estimator(estimator: object, family: Family) -> Any:
    """Return a copy of an estimator that can be what it is asked to be, or raise SpecificationError."""
    if isinstance(estimator, type):
        raise SpecificationError(
            f"estimator is the class {estimator.__name__}; give an object, such as {estimator.__name__}()"
        )
    lacking = [name for name in ("fit", "predict", "get_params") if not callable(getattr(estimator, name, None))]
    if lacking:
        raise SpecificationError(
            f"estimator takes a scikit-learn regressor or classifier; this {type(estimator).__name__} has no "
            f"{listed(lacking)}"
        )
    kind = _kind(estimator)
    if kind == "classifier" and family.name not in ("binomial", "fractional"):
        raise SpecificationError(
            f"{type(estimator).__name__} is a classifier, which learns shares: family={family.name!r} takes a regressor"
        )
    if kind == "classifier" and not hasattr(estimator, "predict_proba"):
        raise SpecificationError(
            f"{type(estimator).__name__} has no predict_proba, so it says nothing of how often; take a classifier "
            "with probabilities, or a regressor (of shares)"
        )
    return _copy(estimator)


def _copy(estimator: object) -> Any:
    from sklearn.base import clone

    try:
        return clone(estimator)
    except Exception as error:  # any code of anybody's
        raise SpecificationError(f"{type(estimator).__name__} cannot be copied unfitted: {_said(error)}") from error


def _kind(estimator: object) -> Kind:
    """Return what the estimator calls itself; one that says nothing is known by its methods."""
    from sklearn.utils import get_tags

    try:
        said = get_tags(estimator).estimator_type
    except Exception:  # no tags: not of scikit-learn's family
        said = getattr(estimator, "_estimator_type", None)
    if said in ("classifier", "regressor"):
        return said  # type: ignore[no-any-return]
    if said is not None:
        raise SpecificationError(
            f"{type(estimator).__name__} is a {said}; estimator takes a scikit-learn regressor or classifier"
        )
    return "classifier" if hasattr(estimator, "predict_proba") else "regressor"


@dataclass(frozen=True, eq=False)
class Learner:
    """An estimator with the cases of a table.

    Parameters
    ----------
    estimator : object
        Never fitted itself; every fit is of a copy.
    kind : "classifier" or "regressor"
    family : Family
    columns : (c, p) array
    rate, weight : (c,) arrays
        Outcome per ``average`` of size, and how many cases a cell counts for; a weight of 0 is not learnt from.
    average : float
        Size of an average case: the mean exposure, or 1. Penalties and tolerances know absolute numbers, so that what
        exposure is counted in must not reach the estimator.
    weighted : bool
        Some weight differs from one: they are given to the estimator.
    order : (c,) array of int
        The order that cells are learnt from in, which is not that of the table's rows.
    """

    estimator: Any
    kind: Kind
    family: Family
    columns: Floats
    rate: Floats
    weight: Floats
    average: float
    weighted: bool
    order: NDArray[np.intp]

    def predictions(self, rows: Mask, rng: np.random.Generator, without: str) -> tuple[Floats, int]:
        """Learn from some cells and return the linear predictor (c,) of all, and how many are at the edge.

        Parameters
        ----------
        rows : (c,) array of bool
            Cells to learn from.
        rng : Generator
            For what the estimator leaves to chance.
        without : str
            The units left out, for messages.
        """
        rows = rows & (self.weight > 0)
        x, y, weight = self._cases(rows)
        if self.kind == "classifier" and len(np.unique(y)) < 2:
            raise DataError(
                f"without {without} the outcome is {'1' if y[0] else '0'} in every case, of which a classifier learns "
                "nothing; take fewer folds, folds='units', or merge small units"
            )
        fitted = _seeded(_copy(self.estimator), rng)
        try:
            if self.weighted:
                _fit_weighted(fitted, x, y, weight)
            else:
                fitted.fit(x, y)
            said = fitted.predict_proba(self.columns) if self.kind == "classifier" else fitted.predict(self.columns)
            if self.kind == "classifier":
                said = _of_events(fitted, said, len(self.rate))
        except Exception as error:  # any code of anybody's
            if isinstance(error, SpecificationError):
                raise
            raise SpecificationError(
                f"{type(self.estimator).__name__} failed when learning without {without}: {_said(error)}"
            ) from error
        return self._predictor(said)

    def _cases(self, rows: Mask) -> tuple[Floats, NDArray[Any], Floats]:
        """Return covariates, outcome and weights; for a classifier a cell is its successes and its failures."""
        cells = self.order[rows[self.order]]
        x, y, weight = self.columns[cells], self.rate[cells], self.weight[cells]
        if self.kind == "regressor":
            return x, y, weight
        both = np.concatenate([weight * y, weight * (1.0 - y)])
        event = np.repeat([1, 0], len(y))
        there = both > 0
        return np.concatenate([x, x])[there], event[there], both[there]

    def _predictor(self, said: object) -> tuple[Floats, int]:
        name, cells = type(self.estimator).__name__, len(self.rate)
        try:
            mean = np.asarray(said, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise SpecificationError(f"{name} predicts something that is no number: {_said(error)}") from error
        if mean.shape not in ((cells,), (cells, 1)):
            raise SpecificationError(f"{name} predicts an array of shape {mean.shape}; ({cells},) is needed")
        mean = mean.reshape(cells)
        lost = int(np.sum(~np.isfinite(mean)))
        if lost:
            raise ConvergenceError(f"{name} predicts nothing finite for {lost} of {cells} cells")
        # A sum of many leaves passes an edge by rounding alone.
        near = 1e-12 * max(1.0, float(np.max(np.abs(mean))))
        mean = np.where(np.abs(mean) <= near, 0.0, mean) if self.family.link != "identity" else mean
        mean = np.where(np.abs(mean - 1.0) <= near, 1.0, mean) if self.family.share else mean
        outside = (mean < 0) | (mean > 1) if self.family.share else mean < 0
        if self.family.link != "identity" and outside.any():
            between = "between 0 and 1" if self.family.share else "zero or more"
            raise SpecificationError(
                f"{name} predicts {mean.min():.4g} to {mean.max():.4g}, and {int(outside.sum())} of {cells} cells are "
                f"outside what family={self.family.name!r} allows ({between}); take a classifier, a loss that keeps "
                "within (loss='poisson'), trees or a forest, or say family='gaussian'"
            )
        with np.errstate(divide="ignore"):
            edge = ~np.isfinite(link(self.family, mean))
        return edge_of(self.family, mean / self.average), int(edge.sum())


def edge_of(family: Family, mean: Floats) -> Floats:
    """Return the linear predictor of means, where they are at an edge (0, 1) the finite one that stands for it."""
    with np.errstate(divide="ignore"):
        return np.clip(link(family, mean), *_EDGES[family.link])


def at_edge(family: Family, eta: Floats) -> tuple[Mask, Mask]:
    """Return which linear predictors stand for a mean of exactly 0, and of exactly 1."""
    low, high = _EDGES[family.link]
    return eta <= low, (eta >= high) & family.share


def learner_of(estimator: Any, design: Design, family: Family, *, scaled: bool) -> Learner:
    """Return the learner of a table; ``scaled``: sizes are no counts of cases, and weigh in proportion."""
    size = design.size * (design.cases.sum() / design.size.sum()) if scaled else design.size
    rate = np.divide(design.outcome, design.size, out=np.zeros(len(size)), where=design.size > 0)
    if family.share:
        # Sums of sampling weights may leave a share a rounding error beyond its edge.
        rate = np.clip(rate, 0.0, 1.0)
        average = 1.0
    else:
        average = float(design.size.sum() / design.weights.sum())
    kind = _kind(estimator)
    there = size[size > 0]
    # Nothing that an outcome decides: whether weights are given may change what is learnt.
    weighted = (kind == "classifier" and family.name == "fractional") or not np.allclose(there, 1.0, rtol=1e-12)
    if weighted:
        _check_weights(estimator)
    # What an estimator leaves to chance would else go by the order of rows in the table.
    order = np.lexsort((size, rate, *design.columns.T, design.unit))
    return Learner(estimator, kind, family, design.columns, rate * average, size, average, weighted, order)


def _parts(estimator: Any) -> list[Any]:
    """Return the estimator and those inside it."""
    inside = list(estimator.get_params(deep=True).values())
    return [estimator, *(part for part in inside if hasattr(part, "fit") and not isinstance(part, type))]


def _takes_weights(part: object) -> bool:
    from sklearn.utils.validation import has_fit_parameter

    return bool(has_fit_parameter(part, "sample_weight"))


def _check_weights(estimator: Any) -> None:
    """Raise where what predicts would not see weights; steps that only prepare columns need not."""
    innermost = []
    for part in _parts(estimator):
        own = part.get_params(deep=True).values() if hasattr(part, "get_params") else ()
        if hasattr(part, "predict") and not any(hasattr(p, "predict") and not isinstance(p, type) for p in own):
            innermost.append(part)
    without = sorted({type(part).__name__ for part in innermost if not _takes_weights(part)})
    if without:
        raise SpecificationError(
            f"cells stand for unequal numbers of cases, and {listed(without)} cannot take weights (fit has no "
            "sample_weight); take an estimator that can, such as a forest, gradient boosting or a (penalised) "
            "regression"
        )


def _fit_weighted(estimator: Any, x: Floats, y: NDArray[Any], weight: Floats) -> None:
    """Fit with weights, which routing takes to every part that knows them."""
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        for part in _parts(estimator):
            if _takes_weights(part) and hasattr(part, "set_fit_request"):
                part.set_fit_request(sample_weight=True)
            if hasattr(part, "predict") and hasattr(part, "set_score_request"):
                part.set_score_request(sample_weight=True)
        estimator.fit(x, y, sample_weight=weight)


def _seeded(estimator: Any, rng: np.random.Generator) -> Any:
    """Give a seed to whatever would draw one of its own; seeds that were set stay."""
    params = estimator.get_params(deep=True)
    unset = sorted(name for name in params if name.split("__")[-1] == "random_state" and params[name] is None)
    return estimator.set_params(**{name: int(rng.integers(2**31)) for name in unset}) if unset else estimator


def _of_events(fitted: Any, said: object, cells: int) -> object:
    shares, classes = np.asarray(said), list(getattr(fitted, "classes_", (0, 1)))
    if shares.shape != (cells, 2) or 1 not in classes:
        raise SpecificationError(
            f"{type(fitted).__name__} gives probabilities of shape {shares.shape} for classes {listed(classes)}; "
            f"({cells}, 2) is needed, of the classes 0 and 1"
        )
    return shares[:, classes.index(1)]


def _said(error: Exception) -> str:
    """Return the first line of somebody else's error."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if len(text) <= 300 else f"{text[:300]} …"


def first_words(met: list[warnings.WarningMessage]) -> str:
    """Return how many warnings an estimator gave, and the first line of the first."""
    return f"{len(met)} warning(s), the first: {str(met[0].message).strip().splitlines()[0][:300]}"

"""Fits that published results are read off: one small section of a file of claims, and the package's own estimators.

A section names one of a closed set of models and the columns that it takes; what it gives is read by kind and name,
so that every published number is set against one number of ours and nothing else.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from benchmodels.adjustment.coefficients import Covariance
from benchmodels.adjustment.models import Method
from benchmodels.errors import BenchmodelsWarning, ConvergenceError, DataError, SpecificationError
from benchmodels.kernels.families import FamilyName, Link
from benchmodels.replication.faults import COUNTS

if TYPE_CHECKING:
    from benchmodels.adjustment import Fit
    from benchmodels.comparison import Comparison

__all__ = ["FIT_KINDS", "FitKind", "FitSpec", "Fitted", "fitted"]

Name = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Scalar = str | int | float | bool
Goods = Annotated[list[Name], Field(min_length=1)]
FitKind = Literal[
    "pooled",
    "fixed-effects",
    "random-effects",
    "random-effects-within",
    "dea",
    "fdh",
    "standardised",
    "observed-expected",
    "shrunken",
]

# What may be read off a fit. In the name of a value, "a/b" is b of a: the slack of good b of unit a.
FIT_KINDS: tuple[str, ...] = (
    "coefficient",
    "std_error",
    "spread",
    "unit_effect",
    "efficiency",
    "expansion",
    "inefficiency",
    "mean_efficiency",
    "scale_efficiency",
    "super_efficiency",
    "slack",
    "target",
    "peer_weight",
    "standardised_rate",
    "standardised_ratio",
    "rate_limit",
    "shrunken",
    "shrunken_std_error",
    "shrunken_target",
)

_MODELS = ("pooled", "fixed-effects", "random-effects", "random-effects-within")
_FRONTIERS = ("dea", "fdh")
# Which fits take a key; all other fits refuse it, since an option that is not read is a claim that nobody checks.
_TAKEN_BY: dict[str, tuple[str, ...]] = {
    "formula": _MODELS,
    "family": _MODELS,
    "link": _MODELS,
    "exposure": _MODELS,
    "trials": (*_MODELS, "observed-expected"),
    "covariance": _MODELS,
    "method": ("random-effects", "random-effects-within"),
    "inputs": _FRONTIERS,
    "outputs": _FRONTIERS,
    "orientation": _FRONTIERS,
    "returns": ("dea",),
    "nondiscretionary": ("dea",),
    "stratum": ("standardised",),
    "events": ("standardised", "observed-expected"),
    "population": ("standardised",),
    "standard": ("standardised",),
    "expected": ("observed-expected",),
    "limits": ("standardised", "observed-expected"),
    "level": ("standardised", "observed-expected"),
    "scale": ("standardised", "observed-expected"),
    "estimate": ("shrunken",),
    "std_error": ("shrunken",),
    "towards": ("shrunken",),
}
_NEEDED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_MODELS, ("formula",)),
    **dict.fromkeys(_FRONTIERS, ("inputs", "outputs")),
    "standardised": ("stratum", "events", "population"),
    "observed-expected": ("events", "expected"),
    "shrunken": ("estimate", "std_error"),
}


class FitSpec(BaseModel):
    """One fit of a file of claims: a table, a model, and the columns that it takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    table: Name = Field(description="Which of the file's tables.")
    kind: FitKind = Field(description="Which model.")
    unit: Name | None = Field(None, description="Column that names the unit; the first column by default.")
    filter: dict[Name, Scalar | list[Scalar]] = Field(
        default_factory=dict, description="Rows kept: column = value, or a list of values."
    )
    formula: Annotated[str, StringConstraints(pattern=r"~")] | None = Field(None, description="outcome ~ covariates.")
    family: FamilyName | None = Field(None, description="Family of the outcome; 'gaussian' by default.")
    link: Link | None = Field(None, description="Link, where it is not the family's first.")
    trials: Name | None = Field(None, description="Number of cases behind a count of events.")
    exposure: Name | None = Field(None, description="Time or volume, as given.")
    covariance: Covariance | None = Field(None, description="Where standard errors come from; 'model' by default.")
    method: Method | None = Field(None, description="Random effects: 'ml' (by default) or 'reml'.")
    inputs: Goods | None = Field(None, description="Columns of what is used.")
    outputs: Goods | None = Field(None, description="Columns of what is made.")
    returns: Literal["crs", "vrs", "drs", "irs"] | None = Field(None, description="Returns to scale; 'vrs' by default.")
    orientation: Literal["input", "output", "directional", "graph"] | None = Field(
        None, description="What is to move; 'input' by default."
    )
    nondiscretionary: Goods | None = Field(None, description="Goods that nobody can change.")
    stratum: Name | None = Field(None, description="Column of the strata, such as age.")
    events: Name | None = Field(None, description="Column of what is counted.")
    population: Name | None = Field(None, description="Column of persons or person-years.")
    standard: Name | None = Field(
        None, description="Column of the standard population, the same for all units; all units together by default."
    )
    expected: Name | None = Field(None, description="Column of what was to be expected.")
    limits: Literal["exact", "byar", "mid-p", "wilson"] | None = Field(None, description="How limits are found.")
    level: float | None = Field(None, gt=0.5, lt=1.0, description="Level of the limits; 0.95 by default.")
    scale: float | None = Field(None, gt=0, description="Rates are told times this: 100 for per cent.")
    estimate: Name | None = Field(None, description="Column of estimates that are given.")
    std_error: Name | None = Field(None, description="Column of their standard errors, taken as known.")
    towards: Literal["mean", "null"] | None = Field(None, description="What is shrunken towards; 'mean' by default.")

    @model_validator(mode="after")
    def _goes_together(self) -> FitSpec:
        given = {name for name in _TAKEN_BY if getattr(self, name) is not None}
        lacking = [name for name in _NEEDED[self.kind] if name not in given]
        strange = sorted(name for name in given if self.kind not in _TAKEN_BY[name])
        parts = [f"needs {', '.join(lacking)}"] if lacking else []
        parts += [f"does not take {', '.join(strange)}"] if strange else []
        if parts:
            raise PydanticCustomError(
                "fit", "kind {kind} {parts}", {"kind": repr(self.kind), "parts": "; ".join(parts)}
            )
        return self

    def options(self, *names: str) -> dict[str, Any]:
        """Return those of the keys that are given, so that the estimators' own defaults stand."""
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """What a fit gives, to be read by kind and name.

    Parameters
    ----------
    readers : mapping of str to callable
        By kind: what works out all values of that kind, by name. Each is called when it is first asked for.
    """

    readers: Mapping[str, Callable[[], dict[str, float]]]
    _known: dict[str, dict[str, float]] = field(default_factory=dict, repr=False)

    def value(self, kind: str, of: str) -> float:
        """Return one number.

        Parameters
        ----------
        kind : str
            One of `FIT_KINDS` that this fit gives.
        of : str
            Unit or term; "unit/good", "unit/peer" or "unit/lower" where a unit has several.

        Returns
        -------
        float
            In the unit of measure of the fit's table, times the fit's scale.

        Raises
        ------
        SpecificationError
            The fit does not give this kind, or has nothing of this name; the message says what there is.
        DataError
            The number was not found: the program has no solution, or the uncertainty is withheld.
        """
        if kind not in self.readers:
            raise SpecificationError(f"this fit gives no {kind!r}; it gives {', '.join(self.readers)}")
        if kind not in self._known:
            # What the package warns of (few units for so many goods) is no news to the reader of a textbook.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", BenchmodelsWarning)
                self._known[kind] = self.readers[kind]()
        values = self._known[kind]
        if of not in values:
            some = list(values)
            there = ", ".join(map(repr, some[:12])) + (f" and {len(some) - 12} more" if len(some) > 12 else "")
            raise SpecificationError(f"there is no {kind} of {of!r}; there is {there or 'none'}")
        if values[of] != values[of]:
            raise DataError(f"the {kind} of {of!r} was not found: it has no solution, or its uncertainty is withheld")
        return values[of]


def fitted(spec: FitSpec, frame: pd.DataFrame) -> Fitted:
    """Fit what a section asks for to its table, with the package's own estimators.

    Parameters
    ----------
    spec : FitSpec
    frame : DataFrame
        The table, one row a unit, a cell or a case.

    Returns
    -------
    Fitted

    Raises
    ------
    SpecificationError, DataError, ConvergenceError
        As the estimators have cause to.

    Examples
    --------
    >>> table = pd.DataFrame({"unit": list("abc"), "cost": [20.0, 40, 60], "persons": [20.0, 50, 40]})
    >>> spec = FitSpec(table="t", kind="dea", inputs=["cost"], outputs=["persons"], returns="crs")
    >>> round(fitted(spec, table).value("efficiency", "a"), 3)
    0.8
    """
    rows = _rows(spec, frame)
    unit = spec.unit or str(rows.columns[0])
    if unit not in rows.columns:
        raise DataError(f"the table has no column {unit!r}; there is {', '.join(map(str, rows.columns))}")
    makers = dict.fromkeys(_MODELS, _model) | dict.fromkeys(_FRONTIERS, _frontier)
    makers |= {"standardised": _standardised, "observed-expected": _expected, "shrunken": _shrunken}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BenchmodelsWarning)
        try:
            return Fitted(readers=makers[spec.kind](spec, rows, unit))
        except np.linalg.LinAlgError as error:
            raise ConvergenceError(f"the {spec.kind} fit of {spec.table!r} has no solution: {error}") from error


def _rows(spec: FitSpec, frame: pd.DataFrame) -> pd.DataFrame:
    for column, wanted in spec.filter.items():
        if column not in frame.columns:
            raise DataError(f"the table has no column {column!r}; there is {', '.join(map(str, frame.columns))}")
        kept = frame[column].isin(wanted if isinstance(wanted, list) else [wanted])
        if not kept.any():
            raise DataError(f"no row of the table has {column!r} = {wanted!r}")
        frame = frame[kept]
    return frame.reset_index(drop=True)


def _by_name(names: Any, values: Any, scale: float = 1.0) -> dict[str, float]:
    return {str(name): float(value) * scale for name, value in zip(names, values, strict=True)}


def _model(spec: FitSpec, rows: pd.DataFrame, unit: str) -> dict[str, Callable[[], dict[str, float]]]:
    from benchmodels.adjustment import FixedEffects, Pooled, RandomEffects

    asked: dict[str, Any] = {"unit": unit, "family": spec.family or "gaussian"}
    asked |= spec.options("link", "trials", "exposure")
    formula = str(spec.formula)
    model: Pooled | FixedEffects | RandomEffects
    if spec.kind == "pooled":
        model = Pooled(formula, **asked)
    elif spec.kind == "fixed-effects":
        model = FixedEffects(formula, **asked)
    else:
        slopes: Literal["pooled", "within"] = "within" if spec.kind == "random-effects-within" else "pooled"
        model = RandomEffects(formula, slopes=slopes, **asked, **spec.options("method"))
    fit = model.fit(rows)
    table = fit.coefficients(**spec.options("covariance"))
    readers: dict[str, Callable[[], dict[str, float]]] = {
        "coefficient": lambda: _by_name(table["name"], table["estimate"]),
        "std_error": lambda: _by_name(table["name"], table["std_error"]),
        "spread": lambda: _spread(fit, counted=spec.family in COUNTS),
    }
    if fit.random is not None:
        effects = fit.unit_effects()
        readers["unit_effect"] = lambda: _by_name(effects["unit"], effects["shrunken"])
    return readers


def _spread(fit: Fit, *, counted: bool) -> dict[str, float]:
    """Return standard deviations: of rows (measured outcomes), and of units where they are a sample."""
    found = {} if counted else {"rows": fit.dispersion**0.5}
    return found if fit.random is None else found | {"units": fit.unit_sd}


def _frontier(spec: FitSpec, rows: pd.DataFrame, unit: str) -> dict[str, Callable[[], dict[str, float]]]:
    from benchmodels.frontier import DEA, FDH, UnitsFit

    asked = {"inputs": spec.inputs, "outputs": spec.outputs, "unit": unit} | spec.options("orientation")
    model = FDH(**asked) if spec.kind == "fdh" else DEA(**asked, **spec.options("returns", "nondiscretionary"))
    fit = model.fit(rows)
    readers: dict[str, Callable[[], dict[str, float]]] = {
        "efficiency": lambda: _by_name(fit.unit, fit.efficiency),
        "expansion": lambda: _by_name(fit.unit, fit.expansion),
        "mean_efficiency": lambda: {"all": float(fit.efficiency.mean())},
        "super_efficiency": lambda: _by_name(fit.unit, fit.super_efficiency().efficiency),
    }
    if isinstance(fit, UnitsFit):
        return readers

    def goods(column: str) -> dict[str, float]:
        table = fit.targets()
        return _by_name(table["unit"].astype(str) + "/" + table["good"].astype(str), table[column])

    def peer_weights() -> dict[str, float]:
        table = fit.peers()
        return _by_name(table["unit"].astype(str) + "/" + table["peer"].astype(str), table["weight"])

    def scale_efficiency() -> dict[str, float]:
        table = fit.scale()
        return _by_name(table["unit"], table["scale_efficiency"])

    return readers | {
        "inefficiency": lambda: _by_name(fit.unit, fit.inefficiency),
        "scale_efficiency": scale_efficiency,
        "slack": lambda: goods("slack"),
        "target": lambda: goods("target"),
        "peer_weight": peer_weights,
    }


def _standardised(spec: FitSpec, rows: pd.DataFrame, unit: str) -> dict[str, Callable[[], dict[str, float]]]:
    from benchmodels.adjustment.given import compare_strata

    asked: dict[str, Any] = {"stratum": spec.stratum, "events": spec.events, "population": spec.population}
    if spec.standard is not None:
        asked["standard"] = _standard(rows, str(spec.stratum), spec.standard)
    comparison = compare_strata(rows, unit=unit, **asked, **spec.options("limits", "level"))
    return _estimates("standardised_rate", comparison, spec.scale or 1.0)


def _standard(rows: pd.DataFrame, stratum: str, column: str) -> pd.Series[float]:
    lost = [name for name in (stratum, column) if name not in rows.columns]
    if lost:
        raise DataError(f"the table has no column {lost[0]!r}; there is {', '.join(map(str, rows.columns))}")
    found = rows[[stratum, column]].drop_duplicates()
    twice = found[stratum][found[stratum].duplicated()]
    if len(twice):
        raise DataError(f"the standard population {column!r} of {twice.iloc[0]!r} differs between units")
    return found.set_index(stratum)[column]


def _expected(spec: FitSpec, rows: pd.DataFrame, unit: str) -> dict[str, Callable[[], dict[str, float]]]:
    from benchmodels.adjustment.given import compare_expected

    asked: dict[str, Any] = {"observed": spec.events, "expected": spec.expected}
    comparison = compare_expected(rows, unit=unit, **asked, **spec.options("trials", "limits", "level"))
    return _estimates("standardised_ratio", comparison, spec.scale or 1.0)


def _estimates(kind: str, comparison: Comparison, scale: float) -> dict[str, Callable[[], dict[str, float]]]:
    def limits() -> dict[str, float]:
        lower = _by_name([f"{unit}/lower" for unit in comparison.unit], comparison.lower, scale)
        return lower | _by_name([f"{unit}/upper" for unit in comparison.unit], comparison.upper, scale)

    return {
        kind: lambda: _by_name(comparison.unit, comparison.estimate, scale),
        "rate_limit": limits,
        "std_error": lambda: _by_name(comparison.unit, comparison.std_error, scale),
    }


def _shrunken(spec: FitSpec, rows: pd.DataFrame, unit: str) -> dict[str, Callable[[], dict[str, float]]]:
    from benchmodels.shrinkage import shrink

    towards: Literal["mean", "null"] = spec.towards or "mean"
    found = shrink(_given(spec, rows, unit), towards=towards)
    return {
        "shrunken": lambda: _by_name(found.unit, found.shrunken),
        "shrunken_std_error": lambda: _by_name(found.unit, found.shrunken_std_error),
        "shrunken_target": lambda: _by_name(found.unit, found.target),
        "spread": lambda: {"units": float(found.between_sd[0])},
    }


def _given(spec: FitSpec, rows: pd.DataFrame, unit: str) -> Comparison:
    """Return estimates and standard errors of a table as a comparison with nothing expected."""
    from benchmodels._version import __version__
    from benchmodels.comparison import Comparison, Source

    lost = [name for name in (str(spec.estimate), str(spec.std_error)) if name not in rows.columns]
    if lost:
        raise DataError(f"the table has no column {lost[0]!r}; there is {', '.join(map(str, rows.columns))}")
    numbers = rows[[str(spec.estimate), str(spec.std_error)]].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if not np.isfinite(numbers).all() or not (numbers[:, 1] > 0).all() or rows[unit].duplicated().any():
        raise DataError(f"{spec.estimate!r} and {spec.std_error!r} take one row a unit, numbers, and errors above zero")
    (estimate, error), k = numbers.T, len(rows)
    nothing, unknown = np.zeros(k), np.full(k, np.nan)
    return Comparison(
        unit=rows[unit].to_numpy(dtype=object), size=np.ones(k), observed=estimate, expected=nothing,
        estimate=estimate, lower=unknown, upper=unknown, noise=error**2, shared=np.zeros((k, 0)),
        core=np.zeros((0, 0)), null=0.0, null_std_error=error, df=np.full(k, np.inf), overlap=unknown,
        withheld=np.full(k, "", dtype=object), standard="indirect", contrast="difference", reference="all",
        level=0.95, better=None,
        source=Source(
            model=f"estimates as given in {spec.estimate!r}", version=__version__, rows_read=k, rows_dropped=0,
            noise=f"the standard errors given in {spec.std_error!r}",
        ),
    )  # fmt: skip

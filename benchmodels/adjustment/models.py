"""The questions: frozen models that hold no data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from benchmodels.adjustment.estimate import Penalty, fit_model
from benchmodels.adjustment.fit import Fit, check_option
from benchmodels.adjustment.random import fit_random
from benchmodels.roles import Roles

__all__ = ["Context", "FixedEffects", "Method", "Pooled", "RandomEffects", "Slopes"]

Slopes = Literal["pooled", "within"]
Context = Literal["unit", "composition"]
Method = Literal["ml", "reml"]


@dataclass(frozen=True, repr=False, kw_only=True)
class Pooled(Roles):
    """One level and one set of slopes for all cases, whatever their unit.

    The mean of a case is μ(α + x'β). Slopes also carry what differs *between* units: where composition and practice
    go together, part of practice is taken for composition. `FixedEffects` does not have this flaw; with one row a
    unit `Pooled` is what there is.

    Parameters
    ----------
    formula : str
        ``"outcome ~ covariates"``.
    penalty : "none" or "firth"
        Firth's penalised likelihood keeps slopes (and levels) finite where a category or a unit has no events, or
        nothing else; for binomial (logit) and Poisson outcomes.
    unit, family, link, trials, exposure, offset, frequency, period, cluster, choice, missing
        See `benchmodels.roles.Roles`.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"school": list("aabb"), "girl": [0, 1, 0, 1]})
    >>> table = table.assign(absent=[9, 4, 14, 9], pupils=[90, 80, 95, 99])
    >>> model = Pooled("absent ~ girl", unit="school", trials="pupils")
    >>> model.fit(table).compare(contrast="ratio").to_frame()[["unit", "observed"]].values.tolist()
    [['a', 13.0], ['b', 23.0]]
    """

    formula: str = field(kw_only=False)
    penalty: Penalty = "none"

    def fit(self, data: object) -> Fit:
        """Fit to a dataframe; see `Fit`."""
        return fit_model(self, self.formula, data, levels="one", penalty=self.penalty)


@dataclass(frozen=True, repr=False, kw_only=True)
class FixedEffects(Roles):
    """One level for each unit; slopes within units only.

    The mean of a case is μ(α_i + x'β). The levels are absorbed by a block-arrow Newton, never as dummy columns.
    A covariate that is constant within units cannot be told from the unit itself and is refused.

    Parameters
    ----------
    formula : str
        ``"outcome ~ covariates"``.
    penalty : "none" or "firth"
        Firth's penalised likelihood keeps slopes (and levels) finite where a category or a unit has no events, or
        nothing else; for binomial (logit) and Poisson outcomes.
    unit, family, link, trials, exposure, offset, frequency, period, cluster, choice, missing
        See `benchmodels.roles.Roles`.
    """

    formula: str = field(kw_only=False)
    penalty: Penalty = "none"

    def fit(self, data: object) -> Fit:
        """Fit to a dataframe; see `Fit`."""
        return fit_model(self, self.formula, data, levels="each", penalty=self.penalty)


@dataclass(frozen=True, repr=False, kw_only=True)
class RandomEffects(Roles):
    """One level for each unit, drawn from a normal distribution whose standard deviation is estimated.

    The mean of a case is μ(α + x'β + u_i), u_i ~ N(0, unit_sd²), by maximum likelihood: adaptive quadrature for
    counts, in closed form but for one variance ratio for a Gaussian outcome. What is expected of a unit is the mean
    over such units, ∫ μ(η + unit_sd z) φ(z) dz, at the level where ΣE = ΣO.

    Parameters
    ----------
    formula : str
        ``"outcome ~ covariates"``.
    slopes : "pooled" or "within"
        "pooled": one slope for differences within and between units; where composition and practice go together, it
        takes part of practice for composition. "within": the unit's mean of each covariate gets a coefficient of its
        own (Mundlak 1978), so that the slope is that within units; see `Fit.within_between`.
    context : "unit" or "composition"
        With ``slopes="within"``: whether what differs between units (unit means, covariates that are constant within
        units) stays in the unit effect, or counts as composition and enters the expected value.
    method : "ml" or "reml"
        REML is for a Gaussian outcome.
    unit, family, link, trials, exposure, offset, frequency, period, cluster, choice, missing
        See `benchmodels.roles.Roles`; family "binomial", "poisson" or "gaussian".

    References
    ----------
    Mundlak (1978), Econometrica 46:69; Bell & Jones (2015), Political Science Research and Methods 3:133.
    """

    formula: str = field(kw_only=False)
    slopes: Slopes = "pooled"
    context: Context = "unit"
    method: Method = "ml"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("slopes", self.slopes, get_args(Slopes))
        check_option("context", self.context, get_args(Context))
        check_option("method", self.method, get_args(Method))

    def fit(self, data: object) -> Fit:
        """Fit to a dataframe; see `Fit`."""
        return fit_random(self, data)

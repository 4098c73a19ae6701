"""The questions: frozen models that hold no data."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmodels.adjustment.fit import Fit, fit_model
from benchmodels.design import Roles

__all__ = ["FixedEffects", "Pooled"]


@dataclass(frozen=True, repr=False)
class Pooled(Roles):
    """One level and one set of slopes for all cases, whatever their unit.

    The mean of a case is μ(α + x'β). Slopes also carry what differs *between* units: where composition and practice
    go together, part of practice is taken for composition. `FixedEffects` does not have this flaw; with one row a
    unit `Pooled` is what there is.

    Parameters
    ----------
    formula : str
        ``"outcome ~ covariates"``.
    unit, family, trials, exposure, offset, frequency, period, cluster, choice, missing
        See `benchmodels.design.Roles`.

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

    def fit(self, data: object) -> Fit:
        """Fit to a dataframe; see `Fit`."""
        return fit_model(self, self.formula, data, levels="one")


@dataclass(frozen=True, repr=False)
class FixedEffects(Roles):
    """One level for each unit; slopes within units only.

    The mean of a case is μ(α_i + x'β). The levels are absorbed by a block-arrow Newton, never as dummy columns.
    A covariate that is constant within units cannot be told from the unit itself and is refused.

    Parameters
    ----------
    formula : str
        ``"outcome ~ covariates"``.
    unit, family, trials, exposure, offset, frequency, period, cluster, choice, missing
        See `benchmodels.design.Roles`.
    """

    formula: str = field(kw_only=False)

    def fit(self, data: object) -> Fit:
        """Fit to a dataframe; see `Fit`."""
        return fit_model(self, self.formula, data, levels="each")

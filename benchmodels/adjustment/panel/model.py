"""The question: a linear model of one row per unit and period."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal, get_args

from benchmodels.adjustment.fit import Fit, check_option
from benchmodels.adjustment.models import FixedEffects, Pooled
from benchmodels.adjustment.panel.rows import panel_rows
from benchmodels.asked import whole
from benchmodels.design import read_design
from benchmodels.errors import DroppedRowsWarning, SpecificationError
from benchmodels.kernels.families import FamilyName
from benchmodels.roles import Roles

if TYPE_CHECKING:
    from benchmodels.adjustment.panel.fit import PanelFit

__all__ = ["Panel", "PanelCovariance", "PanelEffects"]

PanelEffects = Literal["unit", "both", "random", "between", "first difference", "pooled"]
PanelCovariance = Literal["unadjusted", "robust", "clustered", "driscoll-kraay"]

_REFUSED = ("offset", "frequency", "sampling_weights", "cluster")
_OWN = ("formula", "effects", "covariance", "bandwidth")


@dataclass(frozen=True, repr=False, kw_only=True)
class Panel(Roles):
    """A linear model of units over periods, one row each, as econometrics knows it.

    The outcome of unit i in period t is α + x_it'β + u_i + v_t + e_it; ``effects`` says what is done with u and v. The
    estimates are those of linearmodels, unchanged. What it adds to `FixedEffects` and `RandomEffects` with a Gaussian
    outcome are two-way effects, first differences, the between regression, standard errors that allow for periods, and
    the tests of the panel literature; a unit's own uncertainty comes from `FixedEffects` (see `PanelFit.compare`).

    Parameters
    ----------
    formula : str
        ``"outcome ~ covariates"``.
    period : str
        Required here.
    effects : str
        "unit": a level for each unit (within). "both": and one for each period. "random": levels of units are drawn,
        with the variance components of Swamy and Arora. "between": unit means on unit means. "first difference":
        changes on changes between neighbouring periods of the table, without a level; a drift is what the period
        itself, as a covariate, has for a slope. "pooled": one level.
    covariance : str
        Of the coefficients. "unadjusted": one variance. "robust": rows differ in variance. "clustered": rows of one
        unit go together. "driscoll-kraay": and units move together over neighbouring periods (Bartlett's kernel).
    bandwidth : int, optional
        Of "driscoll-kraay", periods; linearmodels' own choice when not given.
    exposure : str, optional
        As elsewhere the outcome is then a total: rows are outcome / exposure, weighted by exposure. For effects
        "unit", "both" and "pooled".
    unit, choice, missing
        See `benchmodels.roles.Roles`. Other roles are refused.

    Raises
    ------
    SpecificationError
        An option or a role that is not known here.

    Notes
    -----
    Equal to R's plm 2.6-2 on Grunfeld's data in every coefficient, unadjusted standard error, residual sum of squares,
    R², effect, θ and test that both give (``tests/adjustment/test_panel.py``, which has where they differ, and why).
    "robust" is not consistent within units of few periods (Stock and Watson 2008); "clustered" needs many units, and
    "driscoll-kraay" many periods: for few units `FixedEffects` has ``coefficients(covariance="CR2")``.

    References
    ----------
    Baltagi (2021), Econometric Analysis of Panel Data, 6th ed., chapters 2 and 3. Swamy & Arora (1972), Econometrica
    40:261. Driscoll & Kraay (1998), Review of Economics and Statistics 80:549. Stock & Watson (2008), Econometrica
    76:155.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"place": list("aaabbb"), "year": [1, 2, 3] * 2, "need": [1.0, 2, 4, 2, 3, 3]})
    >>> table["cost"] = [3.0, 5.0, 9.0, 9.0, 11.0, 11.0]
    >>> fit = Panel("cost ~ need", unit="place", period="year", effects="unit").fit(table)
    >>> fit.coefficients()["estimate"].round(6).tolist()
    [2.0]
    """

    formula: str = field(kw_only=False)
    family: FamilyName = "gaussian"
    effects: PanelEffects = "unit"
    covariance: PanelCovariance = "unadjusted"
    bandwidth: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.family != "gaussian":
            raise SpecificationError(
                f"Panel is linear, so family={self.family!r} does not go with it; use FixedEffects or RandomEffects"
            )
        if self.period is None:
            raise SpecificationError("Panel needs the role period, as period='year'")
        check_option("effects", self.effects, get_args(PanelEffects))
        check_option("covariance", self.covariance, get_args(PanelCovariance))
        for role in _REFUSED:
            if getattr(self, role) is not None:
                raise SpecificationError(
                    f"Panel has one row per unit and period and takes no {role}; FixedEffects and RandomEffects do"
                )
        if self.bandwidth is not None:
            whole("bandwidth", self.bandwidth, least=0)
            if self.covariance != "driscoll-kraay":
                raise SpecificationError(f"bandwidth is for covariance='driscoll-kraay', not {self.covariance!r}")
        if self.exposure is not None and self.effects not in ("unit", "both", "pooled"):
            raise SpecificationError(
                f"effects={self.effects!r} takes no exposure; make the outcome per inhabitant first, or use "
                "effects='unit', 'both' or 'pooled'"
            )
        if self.effects == "between" and self.covariance in ("clustered", "driscoll-kraay"):
            raise SpecificationError(
                f"covariance={self.covariance!r} says nothing of the between regression, which has one row a unit; use "
                "'unadjusted' or 'robust'"
            )

    def fit(self, data: object) -> PanelFit:
        """Fit to a dataframe; see `PanelFit`.

        Raises
        ------
        DataError
            A unit has two rows in a period, or there are too few units or periods for these effects.
        SpecificationError
            A covariate does not vary where these effects look, or goes with others.
        """
        from benchmodels.adjustment.panel.fit import PanelFit
        from benchmodels.adjustment.panel.programs import estimate

        design = read_design(self.formula, self, data)
        rows = panel_rows(design, self.unit, str(self.period), self.effects)
        average = self._average_practice(data)
        return PanelFit(self, design, rows, estimate(rows, self), average)

    def _average_practice(self, data: object) -> Fit | None:
        """Return the fit that compares units: that of `FixedEffects` or `Pooled`, which names what cannot be told."""
        roles = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _OWN}
        with warnings.catch_warnings():
            # The rows that are dropped have been told of already.
            warnings.simplefilter("ignore", DroppedRowsWarning)
            if self.effects == "pooled":
                return Pooled(self.formula, **roles).fit(data)
            if self.effects == "unit":
                return FixedEffects(self.formula, **roles).fit(data)
            if self.effects == "both":
                name = str(self.period)
                quoted = name if name.isidentifier() else f"`{name}`"
                return FixedEffects(f"{self.formula} + C({quoted})", **roles).fit(data)
        return None

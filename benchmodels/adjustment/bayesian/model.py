"""The question, and the arrays that every engine of it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

import numpy as np

from benchmodels.adjustment.bayesian.posterior import Engine
from benchmodels.adjustment.bayesian.prior import Prior
from benchmodels.adjustment.estimate import check_events
from benchmodels.adjustment.fit import check_option
from benchmodels.adjustment.models import Slopes
from benchmodels.adjustment.random import _model_columns, _raise_dependent, _scaled, _well_apart
from benchmodels.asked import generator, whole
from benchmodels.design import Design, read_design
from benchmodels.errors import SpecificationError
from benchmodels.kernels.basis import orthogonal
from benchmodels.kernels.families import link
from benchmodels.parallel import one_blas_thread
from benchmodels.roles import Roles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.bayesian.fit import BayesianFit
    from benchmodels.kernels.families import Family

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["BayesianProblem", "BayesianRandomEffects", "problem"]


@dataclass(frozen=True, repr=False, kw_only=True)
class BayesianRandomEffects(Roles):
    """One level for each unit, drawn from a normal distribution; every parameter has a prior and a posterior.

    The mean of a case is μ(α + x'β + u_i), u_i ~ N(0, unit_sd²), as in `RandomEffects`; here what is not known of α, β
    and unit_sd enters every statement on the units, also where units are few and unit_sd may be zero.

    Parameters
    ----------
    formula : str
        ``"outcome ~ covariates"``.
    slopes : "pooled" or "within"
        As in `RandomEffects`; what differs between units (unit means, covariates that are constant within units) stays
        in the unit effect with "within".
    prior : Prior
    engine : "quadrature" or "nuts"
        "quadrature": unit effects integrated out by adaptive quadrature, the few parameters drawn by importance
        sampling, which tells itself whether it can be trusted (k-hat). "nuts": Hamiltonian Monte Carlo; needs numpyro.
    draws : int
        Draws that are kept, 100 or more.
    rng : int, Generator or None
        The same seed gives the same draws.
    unit, family, link, trials, exposure, offset, frequency, period, cluster, choice, missing
        See `benchmodels.roles.Roles`; family "binomial", "poisson" or "gaussian". Cases of a cluster count as
        independent given the unit.

    References
    ----------
    Normand, Glickman & Gatsonis (1997), Journal of the American Statistical Association 92:803.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"school": list("abcdefgh"), "absent": [9, 14, 5, 12, 0, 7, 21, 10], "pupils": 90})
    >>> fit = BayesianRandomEffects("absent ~ 1", unit="school", trials="pupils", rng=1).fit(table)
    >>> bool(fit.draws.diagnostics.khat < 0.7)
    True
    >>> effects = fit.unit_effects()
    >>> effects["unit"][effects["mean"].idxmin()], effects["unit"][effects["mean"].idxmax()]
    ('e', 'g')
    """

    formula: str = field(kw_only=False)
    slopes: Slopes = "pooled"
    prior: Prior = Prior()
    engine: Engine = "quadrature"
    draws: int = 4000
    rng: int | np.random.Generator | None = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_option("slopes", self.slopes, get_args(Slopes))
        check_option("engine", self.engine, get_args(Engine))
        whole("draws", self.draws, least=100)
        generator(self.rng)
        if not isinstance(self.prior, Prior):
            raise SpecificationError(f"prior takes a Prior, such as Prior(unit_sd_scale=0.5); found {self.prior!r}")

    def fit(self, data: object) -> BayesianFit:
        """Draw from the posterior given a dataframe; see `BayesianFit`."""
        from benchmodels.adjustment.bayesian.fit import fit_bayesian

        return fit_bayesian(self, data)


@dataclass(frozen=True, eq=False, kw_only=True)
class BayesianProblem:
    """All that an engine reads: n cells sorted by unit, p columns, k units, and the priors in the outcome's units.

    Parameters
    ----------
    names : tuple of p str
        Columns of the model: those of the formula, then (``slopes="within"``) unit means.
    columns : (n, p) array
        Of mean zero and standard deviation one over cases.
    center, scale : (p,) arrays
        A covariate in its own unit of measure is ``center + scale * column``; its slope is that of the column over
        ``scale``.
    inside : (m,) array of int
        Columns by which something is expected; what the others add stays in the unit effect.
    outcome, size : (n,) arrays
        Totals of the cell: successes and trials, events and exposure, or the sum of outcomes and of sizes of cases.
    squares, cases : (n,) arrays
        Sum over the cell's cases of outcome² / size, and their number: the log-likelihood of a Gaussian cell at mean μ
        per unit of size and residual standard deviation σ is −½ (squares − 2 μ outcome + μ² size) / σ² − cases log σ,
        less a constant of the data.
    offset : (n,) array
        Link scale.
    unit : (n,) array of int
        Unit of each cell, 0 … k − 1, non-decreasing.
    units : (k,) array
        Labels.
    family : Family
        Name and link.
    prior : Prior
    intercept_center, intercept_sd, slope_sd, unit_sd_scale, residual_sd_scale : float
        The prior on the link scale of this outcome: normal(intercept_center, intercept_sd) of the intercept at columns
        zero, normal(0, slope_sd) of the slopes of ``columns``, half-normal of unit_sd and (Gaussian) residual_sd.
    design : Design
        Where the arrays come from.
    """

    names: tuple[str, ...]
    columns: Floats
    center: Floats
    scale: Floats
    inside: Codes
    outcome: Floats
    size: Floats
    squares: Floats
    cases: Floats
    offset: Floats
    unit: Codes
    units: NDArray[np.object_]
    family: Family
    prior: Prior
    intercept_center: float
    intercept_sd: float
    slope_sd: float
    unit_sd_scale: float
    residual_sd_scale: float
    design: Design

    @property
    def outside(self) -> Codes:
        """Columns whose part stays in the unit effect."""
        return np.setdiff1d(np.arange(len(self.names)), self.inside)


def problem(model: BayesianRandomEffects, data: object) -> BayesianProblem:
    """Read the table as every engine takes it; errors name columns.

    Raises
    ------
    SpecificationError
        A family or a role that the model does not know, or slopes within units that cannot be told.
    DataError
        The table does not hold what is asked for.
    """
    family = model.kernel_family()
    if family.name not in ("binomial", "poisson", "gaussian"):
        raise SpecificationError(
            f"BayesianRandomEffects takes family='binomial', 'poisson' or 'gaussian'; found {model.family!r}"
        )
    if model.sampling_weights is not None:
        raise SpecificationError("sampling_weights do not go with BayesianRandomEffects; use FixedEffects or Pooled")
    design = read_design(model.formula, model, data)
    # A category without events has a finite slope under a prior.
    check_events(design, family, categories=False)
    columns, names, varying = _model_columns(design, model.slopes)
    with one_blas_thread():
        scaled, basis = _scaled(columns, design.size)
        if not _well_apart(scaled, design.size):
            dependent = orthogonal(columns, design.size, np.zeros_like(design.unit), 1)[1].dependent
            if dependent:
                _raise_dependent(design, names, dependent)
    assert basis.turn is not None
    center, sd = _outcome_scale(design, family)
    prior = model.prior
    cases = np.where(design.size > 0, design.cases, 0.0)
    return BayesianProblem(
        names=names,
        columns=scaled,
        center=basis.center,
        scale=1.0 / basis.turn.diagonal(),
        inside=np.arange(len(names)) if model.slopes == "pooled" else varying,
        outcome=design.outcome,
        size=design.size,
        squares=design.squares,
        cases=cases,
        offset=design.offset,
        unit=design.unit,
        units=design.units,
        family=family,
        prior=prior,
        intercept_center=center,
        intercept_sd=prior.intercept_sd * sd,
        slope_sd=prior.slope_sd * sd,
        unit_sd_scale=prior.unit_sd_scale * sd,
        # A case of size s has the variance residual_sd² / s: the prior is of a case of average size, so that the unit
        # of measure of exposure is of no consequence.
        residual_sd_scale=prior.residual_sd_scale * sd * float(np.sqrt(design.size.sum() / cases.sum())),
        design=design,
    )


def _outcome_scale(design: Design, family: Family) -> tuple[float, float]:
    """Return the mean of the intercept's prior and the unit of measure of all priors, on the link scale."""
    total = float(design.size.sum())
    mean = float(design.outcome.sum()) / total
    drift = float(design.size @ design.offset) / total
    if family.name == "binomial":
        return 0.0, 1.0
    if family.name == "poisson":
        return float(link(family, np.array([mean]))[0]) - drift, 1.0
    return mean - drift, float(np.sqrt(max(float(design.squares.sum()) / total - mean**2, 0.0)))

"""Unit effects that are partly alike among neighbours (BYM2): the model of Besag, York & Mollié, scaled. By NUTS."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import brentq

from benchmodels.adjustment.bayesian.evidence import evidence_of, informed
from benchmodels.adjustment.bayesian.fit import BayesianFit
from benchmodels.adjustment.bayesian.model import BayesianRandomEffects, problem
from benchmodels.adjustment.bayesian.posterior import PosteriorDraws
from benchmodels.adjustment.bayesian.sampled import (
    check_chains,
    coefficients,
    judge,
    levels_about,
    numpyro,
    posterior_of,
    run,
    values_of,
)
from benchmodels.adjustment.diagnostics.spatial import neighbour_weights
from benchmodels.adjustment.fit import check_level, check_option
from benchmodels.asked import entropy, generator
from benchmodels.errors import DataError
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.bayesian.evidence import Evidence
    from benchmodels.adjustment.bayesian.model import BayesianProblem
    from benchmodels.adjustment.bayesian.sampled import Numpyro
    from benchmodels.adjustment.diagnostics.spatial import Neighbours
    from benchmodels.comparison import Better, Comparison, Contrast, Standard

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["MixingPrior", "SpatialFit", "UnitMap", "fit_spatial", "unit_map"]

MixingPrior: TypeAlias = Literal["penalised", "uniform"]

# Riebler et al. (2016), section 3.3: without a word from the data the map explains less than half, two times in three.
_HALF, _BELOW_HALF = 0.5, 2.0 / 3.0


@dataclass(frozen=True, eq=False, kw_only=True)
class UnitMap:
    """The covariance ``axes diag(variance) axes'`` of effects that are alike among neighbours, scaled to a spread of 1.

    Parameters
    ----------
    axes : (k, k) array
        Orthonormal columns.
    variance : (k,) array
        Along each of them; zero for the mean of each connected part, which the units' own effects carry.
    part : (k,) array of int
        Connected part of each unit; a unit without neighbours is one of its own.
    factor : (parts,) array
        Geometric mean of the marginal variances of the unscaled process, by which a part is divided; NaN for units
        without neighbours, whose effect has variance one.
    """

    axes: Floats
    variance: Floats
    part: Codes
    factor: Floats

    def covariance(self) -> Floats:
        """Return the (k, k) covariance."""
        return np.asarray((self.axes * self.variance) @ self.axes.T)


def unit_map(units: NDArray[np.object_], neighbours: Neighbours) -> UnitMap:
    """Return the scaled intrinsic autoregression on a map that may be in several parts and have islands.

    Parameters
    ----------
    units : (k,) array
        Labels.
    neighbours : mapping of unit to units, or (k, k) array or DataFrame
        Who borders on whom; a border that is named from one side counts, and what an array holds counts as a border
        where it is not zero. Units that are not named are islands.

    Returns
    -------
    UnitMap

    Raises
    ------
    DataError
        Neighbours that are no units, a unit that is its own neighbour, an array of another shape, or no border at all.

    Notes
    -----
    Effects sum to zero within each part, and each part is divided by the geometric mean of its marginal variances, so
    that the spread means the same on every map. One eigendecomposition per part: k³, for some thousands of units.

    References
    ----------
    Besag, York & Mollié (1991), Annals of the Institute of Statistical Mathematics 43:1; Sørbye & Rue (2014), Spatial
    Statistics 8:39 (scaling); Freni-Sterrantino, Ventrucci & Rue (2018), Spatial and Spatio-temporal Epidemiology
    26:25 (parts and islands).

    Examples
    --------
    >>> row = unit_map(np.array(list("abcd"), dtype=object), {"a": "b", "b": "c"})
    >>> row.part.tolist(), row.factor.round(3).tolist()
    ([0, 0, 0, 1], [0.409, nan])
    """
    k = len(units)
    weights = neighbour_weights(units, neighbours)
    if not np.isfinite(weights.data).all() or (weights.data < 0).any():
        raise DataError("neighbours hold weights below zero or missing; give 1 for a border and 0 for none")
    border = (weights + weights.T) > 0
    own = np.flatnonzero(border.diagonal())
    if len(own):
        raise DataError(f"{listed(units[own].tolist())} would be their own neighbours; take them out of their own list")
    if not border.nnz:
        raise DataError("no unit has a neighbour: there is no map to learn from; use BayesianRandomEffects")
    parts, part = sparse.csgraph.connected_components(border, directed=False)
    axes, variance, factor = np.eye(k), np.ones(k), np.full(parts, np.nan)
    dense = border.toarray().astype(np.float64)
    for number in range(parts):
        at = np.flatnonzero(part == number)
        if len(at) > 1:
            inside = dense[np.ix_(at, at)]
            values, vectors = np.linalg.eigh(np.diag(inside.sum(axis=1)) - inside)
            spread = np.concatenate([[0.0], 1.0 / values[1:]])
            factor[number] = np.exp(np.log((vectors**2) @ spread).mean())
            axes[np.ix_(at, at)], variance[at] = vectors, spread / factor[number]
    return UnitMap(axes=axes, variance=variance, part=part.astype(np.intp), factor=factor)


@dataclass(frozen=True, eq=False, kw_only=True)
class SpatialFit:
    """The posterior of unit effects that are partly alike among neighbours; d draws, k units.

    Parameters
    ----------
    model : BayesianRandomEffects
    draws : PosteriorDraws
        ``unit_sd`` is the standard deviation of both kinds of effects together.
    mixing : (d,) array
        ρ, the share of their variance that follows the map: 0 none, 1 all.
    map : UnitMap
    """

    model: BayesianRandomEffects
    draws: PosteriorDraws
    mixing: Floats
    map: UnitMap
    _fit: BayesianFit = field(repr=False)

    def summary(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return ``parameter, mean, sd, lower, upper``: intercept, slopes, unit_sd, mixing, residual_sd."""
        return _summary({**self.draws.parameters, "mixing": self.mixing}, level)

    def unit_effects(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return ``unit, mean, sd, lower, upper`` of the effects; see `BayesianFit.unit_effects`."""
        return self._fit.unit_effects(level=level)

    def compare(
        self,
        *,
        standard: Standard = "indirect",
        contrast: Contrast = "difference",
        level: float = 0.95,
        better: Better | None = None,
    ) -> Comparison:
        """Set each unit's own practice against average practice; see `BayesianFit.compare`."""
        return self._fit.compare(standard=standard, contrast=contrast, level=level, better=better)


def fit_spatial(
    model: BayesianRandomEffects,
    data: object,
    neighbours: Neighbours,
    *,
    mixing_prior: MixingPrior = "penalised",
    chains: int = 4,
    warmup: int = 1000,
    progress: bool = False,
) -> SpatialFit:
    """Draw from the posterior of a model whose unit effects are partly alike among neighbours (BYM2).

    Effects are ``unit_sd (√(1 − ρ) v + √ρ s)``: v independent, s the scaled intrinsic autoregression on the map. Small
    units then borrow from their neighbours and not only from all units.

    Parameters
    ----------
    model : BayesianRandomEffects
        Its formula, roles, prior, number of draws and rng; drawn by NUTS whatever its engine.
    data : dataframe
    neighbours : mapping of unit to units, or (k, k) array or DataFrame
        See `unit_map`; islands are allowed.
    mixing_prior : "penalised" or "uniform"
        Of ρ. "penalised": the penalised-complexity prior with P(ρ < ½) = ⅔, which leans to no map.
    chains, warmup : int
        Two or more chains, and transitions of each that tune it and are thrown away.
    progress : bool
        Show a bar for each chain on standard error.

    Returns
    -------
    SpatialFit

    Raises
    ------
    SpecificationError
        Numpyro is not installed, or a question that cannot be asked.
    DataError
        The table or the neighbours do not hold what is needed.

    Warns
    -----
    PartialResultWarning
        Draws that are not good enough: counted, with what to do.

    Notes
    -----
    The two effects are drawn as their sum, along the axes of the map, where they are independent. On the lip cancer of
    Scotland the slope agrees with INLA's (tests/adjustment/test_bayesian_structured.py).

    References
    ----------
    Riebler, Sørbye, Simpson & Rue (2016), Statistical Methods in Medical Research 25:1145; Simpson, Rue, Riebler,
    Martins & Sørbye (2017), Statistical Science 32:1 (the prior).

    Examples
    --------
    >>> model = BayesianRandomEffects("cases ~ outdoor", unit="county", family="poisson", exposure="expected")
    >>> fit = fit_spatial(model, table, borders)  # doctest: +SKIP
    >>> fit.summary()  # doctest: +SKIP
    """
    check_option("mixing_prior", mixing_prior, get_args(MixingPrior))
    check_chains(model.draws, chains, warmup)
    asked, stream = problem(model, data), generator(model.rng)
    map_ = unit_map(asked.units, neighbours)
    with numpyro() as tools:
        evidence = evidence_of(asked)

        def density() -> None:
            _spatial_density(tools, asked, evidence, map_, mixing_prior)

        found = run(
            density, draws=model.draws, chains=chains, warmup=warmup, rng=stream, progress=progress, acceptance=0.95
        )
    mixing = found.flat("mixing")
    plain = posterior_of(asked, evidence, found, unit_sd=found.flat("unit_sd"))
    draws = replace(plain, diagnostics=judge({**values_of(plain, asked), "mixing": mixing}, found))
    fit = BayesianFit(model=model, draws=draws, rng=entropy(stream), _problem=asked)
    return SpatialFit(model=model, draws=draws, mixing=mixing, map=map_, _fit=fit)


def _spatial_density(
    tools: Numpyro, asked: BayesianProblem, evidence: Evidence, map_: UnitMap, mixing_prior: MixingPrior
) -> None:
    jnp = tools.jnp
    intercept, slopes, residual_sd = coefficients(tools, asked, evidence)
    unit_sd = tools.sample("unit_sd", tools.distributions.HalfNormal(asked.unit_sd_scale / evidence.scale))
    mixing = tools.sample("mixing", tools.distributions.Uniform(0.0, 1.0))
    if mixing_prior == "penalised":
        tools.factor("mixing_prior", _penalised(jnp, mixing, map_.variance))
    sd = unit_sd * jnp.sqrt(1.0 - mixing + mixing * jnp.asarray(map_.variance))
    axes = jnp.asarray(map_.axes)
    center = intercept + jnp.asarray(evidence.means) @ slopes
    # The least variance of an axis counts: where it may vanish, as the mixing goes to one, it is drawn scaled.
    known = informed((map_.axes**2).T @ evidence.information, evidence.spread**2 * np.minimum(map_.variance, 1.0))
    level = axes @ levels_about(tools, axes.T @ center, sd, known)
    tools.factor("likelihood", evidence.log_likelihood(slopes, level, residual_sd))
    tools.deterministic("effects", level - center)


def _penalised(jnp: Any, mixing: Any, variance: Floats) -> Any:
    """Return the log-density of the penalised-complexity prior of the mixing, on 0 to 1.

    The distance from no map is the root of twice the Kullback-Leibler divergence, ``Σ g - log(1 + g)`` with
    ``g = mixing (variance - 1)``, and exponential before the data. It is that of differences between units: the means
    of parts have no variance by the map, and would put an eighth of the prior within a thousandth of one.
    """
    gain = variance[variance > 1e-9 * variance.max()] - 1.0

    def from_none(at: float) -> float:
        return float(np.sqrt((at * gain - np.log1p(at * gain)).sum()))

    half, whole = from_none(_HALF), from_none(1.0)

    def beyond(rate: float) -> float:
        return float(np.expm1(-rate * half) / np.expm1(-rate * whole)) - _BELOW_HALF

    # On a long and narrow map nearly all of the distance is covered soon: it is then uniform before the data.
    least = 1e-6 / whole
    rate = least if beyond(least) >= 0 else float(brentq(beyond, least, 50.0 / half))
    # Below this the difference of the two sums has no digits left.
    near = mixing < 1e-4
    along = jnp.where(near, 0.5, mixing) * jnp.asarray(gain)
    far = jnp.sqrt(jnp.sum(along - jnp.log1p(along)))
    straight = float(np.sqrt(0.5 * (gain**2).sum()))
    distance = jnp.where(near, straight * mixing, far)
    slope = jnp.where(near, straight, jnp.sum(gain * along / (1.0 + along)) / (2.0 * far))
    return np.log(rate / -np.expm1(-rate * whole)) - rate * distance + jnp.log(slope)


def _summary(parameters: dict[str, Floats], level: float) -> pd.DataFrame:
    check_level(level)
    tails = [0.5 - level / 2.0, 0.5 + level / 2.0]
    rows = [(name, v.mean(), v.std(ddof=1), *np.quantile(v, tails)) for name, v in parameters.items()]
    return pd.DataFrame(rows, columns=["parameter", "mean", "sd", "lower", "upper"])

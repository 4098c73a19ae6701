"""Several outcomes of the same units, whose effects are tied between outcomes. By NUTS only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.adjustment.bayesian.evidence import evidence_of
from benchmodels.adjustment.bayesian.fit import BayesianFit
from benchmodels.adjustment.bayesian.model import BayesianRandomEffects, problem
from benchmodels.adjustment.bayesian.posterior import Diagnostics
from benchmodels.adjustment.bayesian.sampled import (
    check_chains,
    coefficients,
    judge,
    numpyro,
    posterior_of,
    run,
    values_of,
)
from benchmodels.adjustment.fit import check_level
from benchmodels.asked import entropy, generator
from benchmodels.errors import DataError, SpecificationError
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.bayesian.evidence import Evidence
    from benchmodels.adjustment.bayesian.model import BayesianProblem
    from benchmodels.adjustment.bayesian.sampled import Chains, Numpyro

    Floats = NDArray[np.float64]

__all__ = ["TogetherFit", "fit_together"]


@dataclass(frozen=True, eq=False, kw_only=True)
class TogetherFit:
    """The posterior of several outcomes of the same k units, whose effects are tied; d draws, q outcomes.

    Parameters
    ----------
    fits : dict of str to BayesianFit
        Each outcome's posterior by name, informed by the others.
    effects : (d, q, k) array
        Unit effects, link scale of each outcome.
    correlation : (d, q, q) array
        Of unit effects between outcomes.
    units : (k,) array
    """

    fits: dict[str, BayesianFit]
    effects: Floats
    correlation: Floats
    units: NDArray[np.object_]

    def correlations(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return how practice in one outcome goes with practice in another.

        Returns
        -------
        DataFrame
            ``outcome, other, mean, lower, upper, above_zero``: posterior mean, equal-tailed interval, and probability
            of a correlation above zero.
        """
        check_level(level)
        names, rows = list(self.fits), []
        for i, name in enumerate(names):
            for j in range(i + 1, len(names)):
                draws = self.correlation[:, i, j]
                lower, upper = np.quantile(draws, [0.5 - level / 2.0, 0.5 + level / 2.0])
                rows.append((name, names[j], draws.mean(), lower, upper, (draws > 0).mean()))
        return pd.DataFrame(rows, columns=["outcome", "other", "mean", "lower", "upper", "above_zero"])


def fit_together(
    models: Mapping[str, BayesianRandomEffects],
    data: object,
    *,
    concentration: float = 2.0,
    draws: int = 4000,
    chains: int = 4,
    warmup: int = 1000,
    rng: int | np.random.Generator | None = 0,
    progress: bool = False,
) -> TogetherFit:
    """Draw several outcomes of the same units at once, their effects multivariate normal between units.

    Parameters
    ----------
    models : mapping of str to BayesianRandomEffects
        Two or more outcomes by name, each with its own formula, roles and prior; their engine, draws and rng are not
        used.
    data : dataframe, or mapping of str to dataframe
        One table for all, or one for each outcome by its name. The units must be the same.
    concentration : float
        η of the LKJ prior of the correlations: 1 is uniform, more leans to none.
    draws, chains, warmup : int
        Draws of all chains; chains; and transitions of each that are thrown away.
    rng : int, Generator or None
    progress : bool

    Returns
    -------
    TogetherFit

    Raises
    ------
    SpecificationError
        Numpyro is not installed, or a question that cannot be asked.
    DataError
        Outcomes of different units, or tables that do not hold what is asked for.

    Warns
    -----
    PartialResultWarning
        Draws that are not good enough: counted, with what to do.

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100:1989; Daniels & Normand (2006),
    Biostatistics 7:1 (profiling on several outcomes).

    Examples
    --------
    >>> models = {
    ...     "absence": BayesianRandomEffects("absent ~ 1", unit="school", trials="pupils"),
    ...     "transfer": BayesianRandomEffects("moved ~ 1", unit="school", trials="pupils"),
    ... }
    >>> fit_together(models, table, rng=1).correlations()  # doctest: +SKIP
    """
    check_chains(draws, chains, warmup)
    if isinstance(concentration, bool) or not isinstance(concentration, int | float) or not 0 < concentration < np.inf:
        raise SpecificationError(f"concentration is a number above zero, such as 2.0; found {concentration!r}")
    asked, stream = _same_units(models, data), generator(rng)
    with numpyro() as tools:
        evidence = {name: evidence_of(one) for name, one in asked.items()}

        def density() -> None:
            _together_density(tools, asked, evidence, concentration)

        found = run(density, draws=draws, chains=chains, warmup=warmup, rng=stream, progress=progress)
    return _together(models, asked, evidence, found, entropy(stream))


def _same_units(models: Mapping[str, BayesianRandomEffects], data: object) -> dict[str, BayesianProblem]:
    if not isinstance(models, Mapping) or len(models) < 2:
        raise SpecificationError("fit_together takes a mapping of two or more outcomes to a BayesianRandomEffects each")
    if isinstance(data, Mapping) and set(data) != set(models):
        raise SpecificationError(f"data has tables for {listed(data)}, models has outcomes {listed(models)}")
    tables = data if isinstance(data, Mapping) else dict.fromkeys(models, data)
    asked = {name: problem(model, tables[name]) for name, model in models.items()}
    first, *others = asked
    for name in others:
        apart = set(asked[first].units.tolist()) ^ set(asked[name].units.tolist())
        if apart:
            lost = listed(sorted(apart, key=str))
            raise DataError(f"outcomes of the same units are needed; {first!r} and {name!r} do not share {lost}")
    return asked


def _together_density(
    tools: Numpyro, asked: dict[str, BayesianProblem], evidence: dict[str, Evidence], concentration: float
) -> None:
    jnp, distributions, q = tools.jnp, tools.distributions, len(asked)
    drawn = [coefficients(tools, asked[name], evidence[name], f" of {name}") for name in asked]
    scales = np.array([asked[name].unit_sd_scale / evidence[name].scale for name in asked])
    unit_sd = tools.sample("unit_sd", distributions.HalfNormal(jnp.asarray(scales)).to_event(1))
    root = tools.sample("root", distributions.LKJCholesky(q, concentration))
    factor = unit_sd[:, None] * root
    center = jnp.stack(
        [a + jnp.asarray(evidence[name].means) @ b for name, (a, b, _) in zip(asked, drawn, strict=True)], axis=1
    )
    # A unit's levels are drawn as they stand where its own cases say enough of every one of them.
    known = np.all([evidence[name].informed for name in asked], axis=0)
    level, at, rest = jnp.zeros(known.shape + (q,)), np.flatnonzero(known), np.flatnonzero(~known)
    if len(at):
        normal = distributions.MultivariateNormal(center[at], scale_tril=factor).to_event(1)
        level = level.at[at].set(tools.sample("levels", normal))
    if len(rest):
        scaled = tools.sample("scaled", distributions.Normal(jnp.zeros((len(rest), q)), 1.0).to_event(2))
        level = level.at[rest].set(center[rest] + scaled @ factor.T)
    for j, (name, (_, slopes, residual_sd)) in enumerate(zip(asked, drawn, strict=True)):
        tools.factor(f"likelihood of {name}", evidence[name].log_likelihood(slopes, level[:, j], residual_sd))
        tools.deterministic(f"effects of {name}", level[:, j] - center[:, j])


def _together(
    models: Mapping[str, BayesianRandomEffects],
    asked: dict[str, BayesianProblem],
    evidence: dict[str, Evidence],
    found: Chains,
    seed: str,
) -> TogetherFit:
    spread, root = found.flat("unit_sd"), found.flat("root")
    correlation = root @ root.swapaxes(1, 2)
    plain = {
        name: posterior_of(one, evidence[name], found, unit_sd=spread[:, j], mark=f" of {name}")
        for j, (name, one) in enumerate(asked.items())
    }
    values = {f"{name}: {what}": value for name in asked for what, value in values_of(plain[name], asked[name]).items()}
    above = [(i, j) for i in range(len(asked)) for j in range(i + 1, len(asked))]
    names = list(asked)
    values |= {f"correlation of {names[i]} and {names[j]}": correlation[:, i, j] for i, j in above}
    told = judge(values, found)
    fits = {}
    for name, one in asked.items():
        start = f"{name}: "
        ess, rhat = (
            {key.removeprefix(start): v for key, v in part.items() if key.startswith(start)}
            for part in (told.ess, told.rhat)
        )
        draws = replace(plain[name], diagnostics=Diagnostics(ess=ess, rhat=rhat, divergences=told.divergences))
        fits[name] = BayesianFit(model=models[name], draws=draws, rng=seed, _problem=one)
    effects = np.stack([plain[name].effects for name in asked], axis=1)
    return TogetherFit(fits=fits, effects=effects, correlation=correlation, units=asked[names[0]].units)

"""The second engine: the same posterior by NUTS through numpyro (extra ``bayes``), where nothing is integrated."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.adjustment.bayesian.evidence import evidence_of
from benchmodels.adjustment.bayesian.posterior import Diagnostics, PosteriorDraws
from benchmodels.asked import generator, whole
from benchmodels.errors import PartialResultWarning, SpecificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from benchmodels.adjustment.bayesian.evidence import Evidence
    from benchmodels.adjustment.bayesian.model import BayesianProblem

    Floats = NDArray[np.float64]

__all__ = [
    "Chains",
    "Numpyro",
    "check_chains",
    "coefficients",
    "judge",
    "levels_about",
    "numpyro",
    "posterior_of",
    "run",
    "sample",
    "values_of",
]

# Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), section 4: what draws must reach to be reported.
MOST_RHAT = 1.01
LEAST_ESS = 400.0


@dataclass(frozen=True, eq=False)
class Numpyro:
    """The modules that densities are written with."""

    sample: Any
    factor: Any
    deterministic: Any
    distributions: Any
    jnp: Any


@contextlib.contextmanager
def numpyro() -> Iterator[Numpyro]:
    """Lend numpyro in double precision, and leave jax as it was.

    Raises
    ------
    SpecificationError
        Numpyro is not installed.
    """
    with warnings.catch_warnings():
        # Other people's deprecations, none of which a user of this package can act on.
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        try:
            import jax
            import jax.numpy as jnp
            import numpyro as library
            import numpyro.distributions as distributions
        except ImportError as error:
            raise SpecificationError("engine='nuts' needs numpyro: pip install \"benchmodels[bayes]\"") from error
        # Its place has moved between releases of jax.
        home: Any = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
        with home.enable_x64(True):
            yield Numpyro(library.sample, library.factor, library.deterministic, distributions, jnp)


@dataclass(frozen=True, eq=False)
class Chains:
    """Draws by name, each (chains, draws of a chain, ...), and the transitions that diverged."""

    values: dict[str, Floats]
    divergences: int

    def flat(self, name: str) -> Floats:
        """Return the draws (d, ...) of a name, chain after chain."""
        value = self.values[name]
        return value.reshape(-1, *value.shape[2:])


def run(
    model: Callable[[], None],
    *,
    draws: int,
    chains: int,
    warmup: int,
    rng: np.random.Generator,
    progress: bool,
    together: tuple[str, ...] = (),
    acceptance: float = 0.8,
) -> Chains:
    """Draw from a density that is written in numpyro; only within `numpyro`.

    Parameters
    ----------
    model : callable
        Names what is drawn.
    draws, chains, warmup : int
        Draws of all chains; and transitions of each that are thrown away.
    rng : Generator
    progress : bool
    together : tuple of str
        Names whose correlations the metric learns.
    acceptance : float
        Share of proposals to be accepted: more means shorter steps.
    """
    import jax
    from numpyro.infer import MCMC, NUTS, init_to_uniform

    kernel = NUTS(
        model,
        dense_mass=[together] if together else False,
        target_accept_prob=acceptance,
        init_strategy=init_to_uniform(radius=1.0),
    )
    # One after the other, compiled once: numpyro's own ways compile each chain anew, or let all wait for the longest
    # trajectory; neither is as fast. Only the first shows how far it has come.
    sampler = MCMC(
        kernel,
        num_warmup=warmup,
        num_samples=draws // chains,
        num_chains=chains,
        chain_method="sequential" if progress else lambda chain: lambda starts: jax.lax.map(chain, starts),
        progress_bar=progress,
    )
    sampler.run(jax.random.PRNGKey(int(rng.integers(2**63))), extra_fields=("diverging",))
    values = {name: np.asarray(value) for name, value in sampler.get_samples(group_by_chain=True).items()}
    return Chains(values, int(np.asarray(sampler.get_extra_fields()["diverging"]).sum()))


def levels_about(tools: Numpyro, centre: Any, sd: Any, informed: NDArray[np.bool_]) -> Any:
    """Draw levels (k,) that are normal about their centres: as they stand where units inform them, else scaled."""
    normal, jnp, k = tools.distributions.Normal, tools.jnp, len(informed)
    known, unknown = np.flatnonzero(informed), np.flatnonzero(~informed)
    level, sd = jnp.zeros(k), jnp.broadcast_to(sd, (k,))
    if len(known):
        level = level.at[known].set(tools.sample("levels", normal(centre[known], sd[known]).to_event(1)))
    if len(unknown):
        scaled = tools.sample("scaled", normal(jnp.zeros(len(unknown)), 1.0).to_event(1))
        level = level.at[unknown].set(centre[unknown] + sd[unknown] * scaled)
    return level


def coefficients(tools: Numpyro, problem: BayesianProblem, evidence: Evidence, mark: str = "") -> tuple[Any, Any, Any]:
    """Draw intercept (about the start), slopes and residual standard deviation, in the evidence's scale."""
    normal, half, scale = tools.distributions.Normal, tools.distributions.HalfNormal, evidence.scale
    center, p = (problem.intercept_center - evidence.start) / scale, len(problem.names)
    intercept = tools.sample("intercept" + mark, normal(center, problem.intercept_sd / scale))
    slopes = tools.jnp.zeros(0)
    if p:
        slopes = tools.sample("slopes" + mark, normal(tools.jnp.zeros(p), problem.slope_sd / scale).to_event(1))
    if not evidence.gaussian:
        return intercept, slopes, None
    return intercept, slopes, tools.sample("residual_sd" + mark, half(problem.residual_sd_scale / scale))


def sample(
    problem: BayesianProblem,
    *,
    draws: int = 4000,
    chains: int = 4,
    warmup: int = 1000,
    rng: int | np.random.Generator | None = None,
    progress: bool = False,
) -> PosteriorDraws:
    """Draw from the posterior by the No-U-Turn sampler.

    Parameters
    ----------
    problem : BayesianProblem
    draws : int
        Draws that are kept, of all chains: a multiple of their number.
    chains, warmup : int
        Two or more chains, each from a start of its own; and transitions of each that tune it and are thrown away.
    rng : int, Generator or None
        The same seed gives the same draws on the same machine and release of jax.
    progress : bool
        Show a bar for each chain on standard error.

    Returns
    -------
    PosteriorDraws

    Raises
    ------
    SpecificationError
        Numpyro is not installed, or numbers that cannot be meant.

    Warns
    -----
    PartialResultWarning
        R-hat above 1.01, fewer than 400 effective draws in bulk or tails, or divergences: counted, with what to do.

    Notes
    -----
    A unit's level is drawn at the means of its own covariates: as it stands (centred) where its own cases say at least
    as much of it as the other units do, else in standard deviations of its prior (not centred). The metric learns the
    correlations of intercept and slopes.

    References
    ----------
    Hoffman & Gelman (2014), Journal of Machine Learning Research 15:1593; Betancourt & Girolami (2015), in Current
    Trends in Bayesian Methodology, ch. 4; Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Bayesian Analysis
    16:667.
    """
    check_chains(draws, chains, warmup)
    stream = generator(rng)
    with numpyro() as tools:
        evidence = evidence_of(problem)

        def model() -> None:
            intercept, slopes, residual_sd = coefficients(tools, problem, evidence)
            half = tools.distributions.HalfNormal
            unit_sd = tools.sample("unit_sd", half(problem.unit_sd_scale / evidence.scale))
            expected = tools.jnp.asarray(evidence.means) @ slopes
            level = levels_about(tools, intercept + expected, unit_sd, evidence.informed)
            tools.factor("likelihood", evidence.log_likelihood(slopes, level, residual_sd))
            tools.deterministic("effects", level - expected - intercept)

        together = ("intercept", "slopes") if problem.names else ()
        found = run(model, draws=draws, chains=chains, warmup=warmup, rng=stream, progress=progress, together=together)
    plain = posterior_of(problem, evidence, found, unit_sd=found.flat("unit_sd"))
    return replace(plain, diagnostics=judge(values_of(plain, problem), found))


def check_chains(draws: int, chains: int, warmup: int) -> None:
    """Raise SpecificationError for numbers that no chains can be made of."""
    whole("chains", chains, least=2)
    whole("draws", draws, least=4 * chains, what="draws of all chains")
    whole("warmup", warmup, least=100)
    if draws % chains:
        raise SpecificationError(f"draws={draws} is no multiple of chains={chains}; give {draws - draws % chains}")


def posterior_of(
    problem: BayesianProblem, evidence: Evidence, found: Chains, *, unit_sd: Floats, mark: str = ""
) -> PosteriorDraws:
    """Return draws of one outcome in its own unit of measure; ``unit_sd`` (d,) is in the evidence's scale."""
    scale, d = evidence.scale, len(unit_sd)
    slopes = found.flat("slopes" + mark) if problem.names else np.zeros((d, 0))
    return PosteriorDraws(
        names=problem.names,
        intercept=evidence.start + scale * found.flat("intercept" + mark),
        slopes=scale * slopes / problem.scale,
        unit_sd=scale * unit_sd,
        effects=scale * found.flat("effects" + mark),
        residual_sd=scale * found.flat("residual_sd" + mark) if evidence.gaussian else None,
        chains=found.values["intercept" + mark].shape[0],
        engine="nuts",
    )


def values_of(draws: PosteriorDraws, problem: BayesianProblem) -> dict[str, Floats]:
    """Return all that was drawn for one outcome by name, each (d,)."""
    effects = {f"effect of {unit}": draws.effects[:, i] for i, unit in enumerate(problem.units.tolist())}
    return {**draws.parameters, **effects}


def judge(values: dict[str, Floats], found: Chains) -> Diagnostics:
    """Return R-hat and the effective number of draws of each value (d,), and warn where they are not good enough."""
    from arviz_stats.base import array_stats

    chains = next(iter(found.values.values())).shape[0]
    stacked = np.stack([value.reshape(chains, -1) for value in values.values()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rhat = np.asarray(array_stats.rhat(stacked))
        ess = np.minimum(
            array_stats.ess(stacked, method="bulk"), array_stats.ess(stacked, method="tail", prob=(0.05, 0.95))
        )
    names, draws = list(values), stacked.shape[1] * stacked.shape[2]
    said = []
    apart, few = ~(rhat <= MOST_RHAT), ~(ess >= LEAST_ESS)
    if apart.any():
        worst = int(np.argmax(np.where(np.isnan(rhat), np.inf, rhat)))
        said.append(f"R-hat is above {MOST_RHAT} for {apart.sum()} of {len(names)} ({names[worst]}: {rhat[worst]:.3f})")
    if few.any():
        least = int(np.argmin(np.where(np.isnan(ess), -np.inf, ess)))
        said.append(
            f"fewer than {LEAST_ESS:.0f} draws are effective for {few.sum()} of {len(names)} "
            f"({names[least]}: {ess[least]:.0f})"
        )
    if found.divergences:
        said.append(f"{found.divergences} of {draws} transitions diverged")
    if said:
        warnings.warn(
            f"NUTS: {'; '.join(said)}. Ask for more draws (draws={2 * draws}) and a longer warmup; where transitions "
            "still diverge, a narrower prior of unit_sd, or a model without ties (engine='quadrature')",
            PartialResultWarning,
            stacklevel=4,
        )
    told = dict(zip(names, zip(ess.tolist(), rhat.tolist(), strict=True), strict=True))
    return Diagnostics(
        ess={name: value for name, (value, _) in told.items()},
        rhat={name: value for name, (_, value) in told.items()},
        divergences=found.divergences,
    )

"""Statistics of tests of a frontier's shape, and worlds in which the null hypothesis is true.

One half of the units is held against the frontier that would do under the null hypothesis, the other half against the
one that does under the alternative as well: halves, since both frontiers of the same units would be one another's, and
the difference of their means would have no normal law.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from benchmodels.kernels.frontier_bootstrap import pseudo_replicates
from benchmodels.kernels.frontier_means import Estimator, Side, contrasts, exponent, moments, own_scores, part_of
from benchmodels.kernels.smoothed_scores import smoothed_draws
from benchmodels.kernels.technology import bounds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.kernels.technology import Returns

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = [
    "Question", "Rule", "association", "coordinates", "independence_replicates", "null_scores", "null_worlds",
    "returns_replicates", "returns_ratios", "rule_of", "share_beyond", "split_statistics",
]  # fmt: skip

Question = Literal["convexity", "returns", "separability"]

# Pairs of units whose order is looked at together.
_PAIRS = 1 << 20
# Decimals of an efficiency: those that differ by less, as all on the frontier do by rounding, are the same.
_DECIMALS = 9


class Rule(NamedTuple):
    """Which frontiers a question sets against each other.

    ``loose`` does under both hypotheses, ``tight`` under the null hypothesis alone, and makes no unit look better;
    ``rate`` is the one whose κ says over how many units means are taken; ``kappas`` are those of the jackknife of each.
    """

    loose: Estimator
    tight: Estimator
    rate: Estimator
    kappas: tuple[float, float]


def rule_of(question: Question, estimator: Estimator, goods: int) -> Rule:
    """Return what a question sets against what.

    Convexity: FDH against DEA with variable returns. Returns: variable against constant. Separability: ``estimator``
    against itself, over units of each kind alone and over all.

    Notes
    -----
    Where returns are constant the estimator with variable ones has the faster rate of the other, κ = 2 / goods (Kneip,
    Simar & Wilson 2016), and it might be halved by that. But in small samples most of its bias is that of the ends of
    the frontier, and falls at its own rate 2 / (goods + 1): of 49 units with two goods and constant returns the bias is
    .028 and the jackknife finds .017 by the former and .029 by the latter, which is taken. Means are over as many units
    as constant returns allow.

    References
    ----------
    Kneip, Simar & Wilson (2016), J Bus Econ Stat 34:435-456, section 3. Daraio, Simar & Wilson (2018), Econom J
    21:170-191.
    """
    if question == "convexity":
        return Rule("fdh", "vrs", "fdh", (exponent("fdh", goods), exponent("vrs", goods)))
    if question == "returns":
        return Rule("vrs", "crs", "crs", (exponent("vrs", goods), exponent("crs", goods)))
    kappa = exponent(estimator, goods)
    return Rule(estimator, estimator, estimator, (kappa, kappa))


def split_statistics(
    inputs: Floats,
    outputs: Floats,
    side: Side,
    question: Question,
    *,
    estimator: Estimator,
    splits: int,
    halvings: int,
    rngs: Sequence[np.random.Generator],
    strata: Codes | None = None,
) -> Floats:
    """Return the statistic of each random split of each of r tables, (r, splits); large where the null is false.

    Parameters
    ----------
    inputs : (r, n, m) array; outputs : (r, n, s) array
        r tables of n units.
    side, question, estimator
        As in `rule_of`; the estimator is that of the separability test.
    splits, halvings : int
        Of the units of each table; of each half of them, for its bias.
    rngs : sequence of r Generator
    strata : (n,) array of int, optional
        Kinds of units, of the separability test: splits and halves are of each kind.

    Returns
    -------
    (r, splits) array
        Standard normal under the null hypothesis, each by itself; NaN where all units of both halves are efficient.
    """
    (r, n, m), goods = inputs.shape, inputs.shape[2] + outputs.shape[2]
    rule = rule_of(question, estimator, goods)
    first: list[Codes] = []
    second: list[Codes] = []
    for world, rng in enumerate(rngs):
        for _ in range(splits):
            mine, other = _halved(n, strata, rng)
            first.append(mine + world * n)
            second.append(other + world * n)
    own = [rng for rng in rngs for _ in range(splits)]
    every = None if strata is None else np.tile(strata, r)
    flat = inputs.reshape(-1, m), outputs.reshape(-1, goods - m)
    found = [
        moments(
            *flat, side, which, samples, kappa=kappa, halvings=halvings, rngs=own, strata=kinds,
            parts=[part_of(len(units), rule.rate, goods) for units in samples],
        )
        for which, samples, kappa, kinds in (
            (rule.loose, second, rule.kappas[0], every), (rule.tight, first, rule.kappas[1], None)
        )
    ]  # fmt: skip
    return contrasts(*found).reshape(r, splits)


def _halved(n: int, strata: Codes | None, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Return two random halves of n units, or of each kind of them."""
    kinds = [np.arange(n)] if strata is None else [np.flatnonzero(strata == kind) for kind in np.unique(strata)]
    mixed = [rng.permutation(kind) for kind in kinds]
    return np.concatenate([kind[::2] for kind in mixed]), np.concatenate([kind[1::2] for kind in mixed])


def share_beyond(statistic: Floats, replicates: Floats) -> Floats:
    """Return p-values (k,): (1 + the number of b replicates at least as large) / (b + 1), without those that are NaN.

    Examples
    --------
    >>> share_beyond(np.array([0.5, 2.0]), np.array([0.0, 1.0, np.nan, 2.0]))
    array([0.75, 0.5 ])
    """
    known = np.sort(replicates[np.isfinite(replicates)])
    beyond = len(known) - np.searchsorted(known, statistic, side="left")
    return np.asarray(np.where(np.isfinite(statistic), (1.0 + beyond) / (1.0 + len(known)), np.nan))


def null_worlds(
    inputs: Floats, outputs: Floats, side: Side, scores: Floats, pool: Floats, rngs: Sequence[np.random.Generator],
    strata: Codes | None = None,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return tables (r, n, m), (r, n, s) in which the null hypothesis is true.

    Each unit is moved to the frontier that the null hypothesis allows, and from there back by an efficiency drawn from
    the pool of all units, with replacement, or from that of its kind.

    Parameters
    ----------
    inputs : (n, m) array; outputs : (n, s) array
    side : {'input', 'output'}
    scores : (n,) array
        Efficiencies, 0 to 1, against that frontier.
    pool : (n,) array
        Efficiencies that are drawn from, `null_scores`.
    rngs : sequence of r Generator
    strata : (n,) array of int, optional

    References
    ----------
    Simar & Wilson (2020), J Prod Anal 53:287-303, section 4.
    """
    drawn = np.empty((len(rngs), len(scores)))
    kinds = np.zeros(len(scores), dtype=np.intp) if strata is None else strata
    for row, rng in zip(drawn, rngs, strict=True):
        for kind in np.unique(kinds):
            mine = np.flatnonzero(kinds == kind)
            row[mine] = pool[rng.choice(mine, len(mine))]
    factor = (scores / drawn)[:, :, None]
    if side == "input":
        return inputs * factor, np.broadcast_to(outputs, (len(rngs), *outputs.shape))
    return np.broadcast_to(inputs, (len(rngs), *inputs.shape)), outputs / factor


def returns_ratios(null: Floats, variable: Floats) -> tuple[Floats, Floats]:
    """Return Σ θ₀ / Σ θ and the mean of θ₀ / θ less 1, of efficiencies (…, n) under the null's and variable returns.

    References
    ----------
    Simar & Wilson (2002), Eur J Oper Res 139:115-132, equations 4.6 and 4.5; (2011), J Prod Anal 36:33-53, equation 48
    (less 1).
    """
    ratio = np.sum(null, axis=-1) / np.sum(variable, axis=-1)
    return np.asarray(ratio), np.asarray(np.mean(null / variable, axis=-1) - 1.0)


def returns_replicates(
    inputs: Floats, outputs: Floats, side: Side, null: Returns, *, delta: Floats, bandwidth: float, count: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return `returns_ratios` (count,) of units held against frontiers drawn where the null hypothesis is true.

    Pseudo-units have the units' mix and the null's frontier, with distances from the smoothed law of ``delta`` (n,),
    1 / θ₀, as in the bootstrap of Simar and Wilson (1998); the units themselves are held against both frontiers of the
    pseudo-units.
    """
    drawn = smoothed_draws(delta, bandwidth, count, rng)
    step = np.concatenate([inputs if side == "input" else 0 * inputs, outputs if side == "output" else 0 * outputs], 1)
    both = [
        1.0 / pseudo_replicates(inputs, outputs, step, bounds_of(which), side, delta=delta, drawn=drawn).distance
        for which in (null, "vrs")
    ]
    return returns_ratios(*both)


def association(scores: Floats, around: Floats) -> tuple[Floats, Floats]:
    """Return how far (r,) efficiencies (r, n) are from independent of the units' other coordinates (n, c).

    With Ĥ the empirical law of both, F̂ and Ĝ those of each: Σ (Ĥ - F̂ Ĝ)² over the units, after Blum, Kiefer and
    Rosenblatt (1961), Ann Math Stat 32:485-498, and √n times the largest |Ĥ - F̂ Ĝ|, after Kolmogorov and Smirnov.
    Efficiencies within 1e-9 are the same, or rounding would rank the units of the frontier.
    """
    (r, n), total, largest = scores.shape, [], []
    rounded = np.round(scores, _DECIMALS)
    below = np.ones((n, n), dtype=np.bool_)
    for column in around.T:
        below &= column[None, :] <= column[:, None]
    theirs = below.mean(axis=1)
    step = max(1, _PAIRS // n**2)
    weight = below.astype(np.float64) / n
    for low in range(0, r, step):
        some = rounded[low : low + step]
        less = (some[:, None, :] <= some[:, :, None]).astype(np.float64)
        gap = np.einsum("rij,ij->ri", less, weight) - less.mean(axis=2) * theirs
        total.append(np.sum(gap**2, axis=1))
        largest.append(np.sqrt(n) * np.abs(gap).max(axis=1))
    return np.concatenate(total), np.concatenate(largest)


def independence_replicates(
    inputs: Floats, outputs: Floats, side: Side, bounds: tuple[float, float], *, delta: Floats, bandwidth: float,
    count: int, rng: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return `association` (count,) of pseudo-units whose distances are drawn independently of all else.

    Drawn as in `returns_replicates`, from distances ``delta`` (n,) under returns ``bounds``, and found again: a
    pseudo-unit's distance is to the frontier of the pseudo-units.
    """
    drawn = smoothed_draws(delta, bandwidth, count, rng)
    step = np.concatenate([inputs if side == "input" else 0 * inputs, outputs if side == "output" else 0 * outputs], 1)
    found = pseudo_replicates(inputs, outputs, step, bounds, side, delta=delta, drawn=drawn).distance
    # A unit and its pseudo-unit are on one ray, so that their distances differ by the factor that it was moved by.
    return association(delta / (found * drawn), coordinates(inputs, outputs, side))


def coordinates(inputs: Floats, outputs: Floats, side: Side) -> Floats:
    """Return what a unit is beside its efficiency, (n, m + s - 1): the mix of what moves, and the goods that do not.

    A mix is the angle of each further good with the first one, which grows with their ratio.
    """
    moving, still = (inputs, outputs) if side == "input" else (outputs, inputs)
    return np.concatenate([np.arctan2(moving[:, 1:], moving[:, :1]), still], axis=1)


def null_scores(
    inputs: Floats, outputs: Floats, side: Side, rule: Rule, strata: Codes | None = None
) -> tuple[Floats, Floats]:
    """Return the efficiencies (n,) of units against the frontier that the null hypothesis allows, and a pool of them.

    With kinds of units the pool is of efficiencies against the frontier of each kind alone. They are the same under the
    null hypothesis, but where it is false no unit of a kind comes near to the frontier of all, and tables of such units
    would tell nothing of the test's law: drawn from them, the separability test of 98 units with two goods found an
    alternative in a tenth of the tables that it finds in all of by this pool.
    """
    every = np.arange(len(inputs))
    if strata is None:
        scores = own_scores(inputs, outputs, side, rule.tight, [every])[0]
        return scores, scores
    kinds = [np.flatnonzero(strata == kind) for kind in np.unique(strata)]
    scores, *parts = own_scores(inputs, outputs, side, rule.tight, [every, *kinds])
    pool = np.empty(len(inputs))
    pool[np.concatenate(kinds)] = np.concatenate(parts)
    return scores, pool

"""Tests by the smoothed bootstrap: returns to scale after Simar and Wilson (2002), independence after Wilson (2003)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from benchmodels.asked import entropy, generator, share, whole
from benchmodels.errors import SpecificationError
from benchmodels.frontier.testing.asked import Asked, asked_of, check_enough
from benchmodels.frontier.testing.outcome import HypothesisTest, judged
from benchmodels.frontier.testing.sizes import size_of
from benchmodels.kernels.frontier_hypotheses import (
    association,
    coordinates,
    independence_replicates,
    returns_ratios,
    returns_replicates,
    share_beyond,
)
from benchmodels.kernels.frontier_means import own_scores
from benchmodels.kernels.smoothed_scores import Rule, bandwidth_of
from benchmodels.kernels.technology import bounds_of
from benchmodels.parallel import map_blocks, one_blas_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.dea import DEAFit

    Floats = NDArray[np.float64]

__all__ = ["Association", "Ratio", "bootstrap_returns", "check_independence"]

Ratio = Literal["sums", "ratios"]
Association = Literal["squares", "largest"]
# Replicates drawn together; a part of what makes the answer.
_BLOCK = 20


def bootstrap_returns(
    fit: DEAFit,
    *,
    null: Literal["crs", "drs"] = "crs",
    statistic: Ratio = "sums",
    bandwidth: Rule | float = "silverman",
    replicates: int = 999,
    level: float = 0.05,
    rng: int | np.random.Generator | None = None,
    workers: int = 1,
) -> HypothesisTest:
    """Test returns to scale by the bootstrap of Simar and Wilson (2002).

    All units are held against both frontiers, and that against drawn frontiers with the null hypothesis' returns.
    Inefficiency is taken to be alike everywhere (homogeneous); `check_returns` needs nothing of the sort.

    Parameters
    ----------
    fit : fit of `benchmodels.frontier.DEA` with returns='vrs', 'crs' or 'drs'
        Oriented to inputs or outputs; which of the returns makes no difference.
    null : {'crs', 'drs'}, default 'crs'
        Constant, or not increasing, against variable returns.
    statistic : {'sums', 'ratios'}, default 'sums'
        Σ θ₀ / Σ θ, or the mean of θ₀ / θ less 1: efficiencies by the null's returns and by variable ones. Small where
        the null hypothesis is false.
    bandwidth : {'silverman', 'normal', 'cross-validated'} or float, default 'silverman'
        Of the distances 1 / θ₀, as in `benchmodels.kernels.smoothed_scores.bandwidth_of`.
    replicates : int, default 999
    level : float, default .05
    rng : int, Generator or None
        The same seed gives the same answer, whatever the number of workers and the order of rows.
    workers : int, default 1

    Returns
    -------
    HypothesisTest

    Raises
    ------
    SpecificationError
        Another fit; options that cannot be meant.
    DataError
        Too few units, or too few within the frontier to smooth their distances.

    Notes
    -----
    Both statistics are those of rDEA 1.2-8 to the last digit, and the replicates under its bandwidth have its law
    (``tests/frontier/test_testing.py``). p = (1 + replicates at most as large) / (1 + replicates).

    References
    ----------
    Simar & Wilson (2002), Eur J Oper Res 139:115-132; (2011), J Prod Anal 36:33-53 (the second statistic, less 1).
    """
    _check(statistic, Ratio, bandwidth, replicates, level)
    if null not in ("crs", "drs"):
        raise SpecificationError(f"null={null!r}; allowed are 'crs', 'drs', against 'vrs'")
    asked = asked_of(fit, "the bootstrap of returns", ("vrs", "crs", "drs"))  # type: ignore[arg-type]
    source = generator(rng)
    theta, variable = _scores(asked, null), _scores(asked, "vrs")
    delta = np.maximum(1.0 / theta, 1.0)
    h = _bandwidth(delta, bandwidth)

    def work(size: int, rng: np.random.Generator) -> Floats:
        both = returns_replicates(
            asked.inputs, asked.outputs, asked.side, null, delta=delta, bandwidth=h, count=size, rng=rng
        )
        return np.stack(both)

    place = get_args(Ratio).index(statistic)
    many = np.concatenate(map_blocks(work, replicates, block=_BLOCK, rng=source, workers=workers), axis=1)[place]
    value = float(returns_ratios(theta, variable)[place])
    p = float(share_beyond(np.array([-value]), -many)[0])
    words = "constant" if null == "crs" else "nowhere increasing"
    strange = _strange(bandwidth) or ("" if null == "crs" else "it was simulated with null='crs' alone")
    return _outcome(
        "returns-2002", f"returns to scale are {words}", statistic, value, p, level, many, asked, "crs", strange,
        entropy(source),
    )  # fmt: skip


def check_independence(
    fit: DEAFit,
    *,
    statistic: Association = "squares",
    bandwidth: Rule | float = "silverman",
    replicates: int = 999,
    level: float = 0.05,
    rng: int | np.random.Generator | None = None,
    workers: int = 1,
) -> HypothesisTest:
    """Test whether efficiency has nothing to do with what units make and with the mix of what they use.

    The homogeneous smoothed bootstraps (kind='smoothed' of `benchmodels.frontier.DEAFit.bootstrap`, and
    `bootstrap_returns`) take that for granted. In output orientation it is what units use, and the mix of what they
    make.

    Parameters
    ----------
    fit : fit of `benchmodels.frontier.DEA`
        Oriented to inputs or outputs, with returns 'vrs', 'crs' or 'drs'.
    statistic : {'squares', 'largest'}, default 'squares'
        Σ (Ĥ - F̂ Ĝ)² over units, or √n max |Ĥ - F̂ Ĝ|: the empirical law of efficiency and the other coordinates against
        the product of the laws of each.
    bandwidth, replicates, level, rng, workers
        As in `bootstrap_returns`, with its errors.

    Returns
    -------
    HypothesisTest

    Notes
    -----
    Efficiencies found depend on goods even where true ones do not: near the ends of the frontier all units look
    efficient. So the law of the statistic is that of pseudo-units whose distances are drawn independently, and found
    again, as Wilson (2003) does. His statistics compare empirical laws as these two do, of Blum, Kiefer and Rosenblatt
    and of Kolmogorov and Smirnov; we do not claim that constants and weights are his.

    References
    ----------
    Wilson (2003), J Prod Anal 20:361-386. Blum, Kiefer & Rosenblatt (1961), Ann Math Stat 32:485-498.
    """
    _check(statistic, Association, bandwidth, replicates, level)
    asked = asked_of(fit, "the test of independence", ("vrs", "crs", "drs"))  # type: ignore[arg-type]
    source = generator(rng)
    delta = np.maximum(1.0 / _scores(asked, asked.estimator), 1.0)
    h = _bandwidth(delta, bandwidth)
    bounds = bounds_of(asked.estimator)  # type: ignore[arg-type]

    def work(size: int, rng: np.random.Generator) -> Floats:
        both = independence_replicates(
            asked.inputs, asked.outputs, asked.side, bounds, delta=delta, bandwidth=h, count=size, rng=rng
        )
        return np.stack(both)

    place = get_args(Association).index(statistic)
    many = np.concatenate(map_blocks(work, replicates, block=_BLOCK, rng=source, workers=workers), axis=1)[place]
    around = coordinates(asked.inputs, asked.outputs, asked.side)
    value = float(association(1.0 / delta[None], around)[place][0])
    p = float(share_beyond(np.array([value]), many)[0])
    mix = "what is made and the mix of what is used" if asked.side == "input" else "what is used and the mix made"
    return _outcome(
        "independence", f"efficiency is independent of {mix}", statistic, value, p, level, many, asked,
        asked.estimator, _strange(bandwidth), entropy(source),
    )  # fmt: skip


def _check(statistic: str, allowed: object, bandwidth: object, replicates: int, level: float) -> None:
    if statistic not in get_args(allowed):
        raise SpecificationError(f"statistic={statistic!r}; allowed are {', '.join(map(repr, get_args(allowed)))}")
    share("level", level, example=0.05)
    whole("replicates", replicates, least=19, what="enough for a p-value of 5 %")


def _scores(asked: Asked, returns: str) -> Floats:
    check_enough({"all": len(asked.inputs)}, asked.goods, 1)
    with one_blas_thread():
        every = [np.arange(len(asked.inputs))]
        return own_scores(asked.inputs, asked.outputs, asked.side, returns, every)[0]  # type: ignore[arg-type]


def _bandwidth(delta: Floats, bandwidth: Rule | float) -> float:
    if isinstance(bandwidth, str):
        return bandwidth_of(delta, bandwidth)
    number = isinstance(bandwidth, (float, int, np.floating, np.integer)) and not isinstance(bandwidth, bool)
    if not number or not 0.0 < float(bandwidth) < np.inf:
        raise SpecificationError(f"bandwidth={bandwidth!r}; give a rule, or a number above 0")
    return float(bandwidth)


def _strange(bandwidth: object) -> str:
    return "" if bandwidth == "silverman" else "it was simulated with bandwidth='silverman' alone"


def _outcome(
    question: str, null: str, statistic: str, value: float, p: float, level: float, many: Floats, asked: Asked,
    estimator: str, strange: str, rng: str,
) -> HypothesisTest:  # fmt: skip
    known = size_of(
        question, statistic, estimator, units=len(asked.inputs), goods=asked.goods, side=asked.side, level=level,
        strange=strange,
    )  # fmt: skip
    verdict, reason = judged(p, level, known)
    return HypothesisTest(
        question=question, null=null, statistic_name=statistic, statistic=value, p_value=p, level=level,
        verdict=verdict, reason=reason, size=known.size, power=known.power, units=len(asked.inputs),
        goods=asked.goods, splits=0, halvings=0, replicates=len(many), statistics=np.array([value]), replicated=many,
        rng=rng,
    )  # fmt: skip

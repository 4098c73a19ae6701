"""Tails of a sum of unequal Bernoulli trials, for many units at once.

Moving all trials of a unit by one level is a tilt of the sum's own exponential family. So the saddlepoint for a count
is known without a search of its own: it is the distance from the level where the count would be the mean.

References
----------
Lugannani & Rice (1980), Advances in Applied Probability 12:475; Daniels (1987), International Statistical Review 55:37,
eq. 4.6 (lattice variables). Hong (2013), Computational Statistics & Data Analysis 59:41 (exact, by Fourier transform).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, betaincc, ndtr

from benchmodels.kernels.basis import group_sums
from benchmodels.kernels.families import Family
from benchmodels.kernels.levels import own_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["CountTails", "count_tails", "exact_mass"]


@dataclass(frozen=True, eq=False)
class CountTails:
    """Tails of k sums at c counts each, as functions of the level.

    Parameters
    ----------
    size, eta : (n,) arrays
        Trials of each row, and its log odds without the level.
    unit : (n,) array
        Unit of each row.
    count : (c, k) array; trials : (k,) array
        At least this many, of so many.
    saddle, cumulant, variance : (c, k) arrays
        Level at which the count is the mean, and the sum's log normaliser and variance there.
    """

    size: Floats
    eta: Floats
    unit: Codes
    count: Floats
    trials: Floats
    saddle: Floats
    cumulant: Floats
    variance: Floats

    def at(self, level: Floats) -> tuple[Floats, Floats]:
        """Return the chance (c, k) of at least the count, and of fewer, at a level (k,).

        Notes
        -----
        The saddlepoint tail, times what the binomial of the same mean and variance has exactly over what it has by
        saddlepoint: trials that are alike are exact, and small counts nearly so. The edges (no trial, all trials) are
        exact products.
        """
        k = self.count.shape[-1]
        log_odds = self.eta + level[self.unit]
        plus, expected, variance, third = (group_sums(self.unit, v, k) for v in _moments(self.size, log_odds))
        with np.errstate(all="ignore"):
            upper, lower = _saddlepoint(self.saddle - level, self.count, self.cumulant - plus, self.variance)
            chance = 1.0 - variance / expected
            trials = expected / chance
            # Only where that binomial is as skew as the sum: some sure cases and many rare ones are nothing like it.
            inside = np.abs(third / variance - (1.0 - 2.0 * chance)) < 0.3
            inside = inside & (chance > 1e-12) & (trials - self.count > 0.5)
            share = self.count / trials
            tilt = np.log(share / (1.0 - share)) - np.log(chance / (1.0 - chance))
            gain = trials * (np.log1p(-chance) - np.log1p(-share))
            alike, alike_lower = _saddlepoint(tilt, self.count, gain, trials * share * (1.0 - share))
            whole = betainc(self.count, trials - self.count + 1.0, chance)
            whole_lower = betaincc(self.count, trials - self.count + 1.0, chance)
            upper = np.where(inside & (alike > 0), upper * (whole / alike), upper)
            lower = np.where(inside & (alike_lower > 0), lower * (whole_lower / alike_lower), lower)
            # All trials: the sum of the log chances is that of the log odds less the normaliser.
            every = np.exp(group_sums(self.unit, self.size * log_odds, k) - plus)
        none = np.exp(-plus)
        first, last = self.count == 1.0, np.abs(self.count - self.trials) < 1e-9
        upper, lower = np.where(first, 1.0 - none, upper), np.where(first, none, lower)
        upper, lower = np.where(last, every, upper), np.where(last, 1.0 - every, lower)
        beyond = self.count > self.trials + 1e-9
        upper = np.where(self.count <= 0, 1.0, np.where(beyond, 0.0, upper))
        lower = np.where(self.count <= 0, 0.0, np.where(beyond, 1.0, lower))
        return np.clip(upper, 0.0, 1.0), np.clip(lower, 0.0, 1.0)


def count_tails(size: Floats, eta: Floats, unit: Codes, count: Floats, start: Floats) -> CountTails:
    """Prepare the tails at counts (c, k), which may be fractional; ``start`` (k,) is a finite level near their own."""
    k = count.shape[-1]
    saddle, cumulant, variance = np.empty(count.shape), np.empty(count.shape), np.empty(count.shape)
    for i, one in enumerate(count):
        saddle[i] = own_levels(Family("binomial"), size, eta, unit, one, start)
        plus, _, weight, _ = _moments(size, eta + np.where(np.isfinite(saddle[i]), saddle[i], 0.0)[unit])
        cumulant[i], variance[i] = group_sums(unit, plus, k), group_sums(unit, weight, k)
    return CountTails(size, eta, unit, count, group_sums(unit, size, k), saddle, cumulant, variance)


def _moments(size: Floats, log_odds: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return log normaliser, mean, variance and third cumulant of each row's count, (n,), by one exponential."""
    small = np.exp(-np.abs(log_odds))
    plus = np.maximum(log_odds, 0.0) + np.log1p(small)
    share = 1.0 / (1.0 + small)
    mean = np.where(log_odds > 0, share, small * share)
    variance = size * small * share * share
    return size * plus, size * mean, variance, variance * (1.0 - 2.0 * mean)


def _saddlepoint(tilt: Floats, count: Floats, gain: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Return the Lugannani–Rice tails of a lattice sum; ``gain`` is the cumulant function at the tilt.

    Close to the mean, where the formula is a difference of large numbers, the tilt is held at a fiftieth of a standard
    deviation; that is far from any limit that is looked for.
    """
    spread = np.sqrt(variance)
    near = np.abs(tilt) * spread < 0.02
    rate = np.where(near, np.where(tilt < 0, -0.02, 0.02) / spread, tilt)
    root = np.where(near, rate * spread, np.sign(tilt) * np.sqrt(2.0 * np.maximum(tilt * count - gain, 0.0)))
    bend = np.exp(-0.5 * root**2) / np.sqrt(2.0 * np.pi) * (1.0 / (-np.expm1(-rate) * spread) - 1.0 / root)
    return np.asarray(ndtr(-root) + bend), np.asarray(ndtr(root) - bend)


def exact_mass(size: Floats, log_odds: Floats) -> Floats:
    """Return the exact chances of 0, 1, … all trials, for one unit of whole numbers of trials.

    The characteristic function at half as many frequencies as there are outcomes, turned back by one FFT: cost
    trials × rows / 2.
    """
    outcomes = round(float(size.sum())) + 1
    chance = 0.5 + 0.5 * np.tanh(0.5 * log_odds)
    wave = np.exp(-2j * np.pi * np.arange(outcomes // 2 + 1) / outcomes)
    log_function = np.log1p(chance * (wave[:, None] - 1.0)) @ size
    return np.clip(np.fft.irfft(np.exp(log_function), outcomes), 0.0, 1.0)

"""Shrunken estimates beside the unshrunken ones: how much of a unit's distance from the others is its own.

A shrunken value is closer to the truth on average over units. It is not a verdict on a unit: what is unusual about a
small unit is shrunk away with the noise.
"""

from benchmodels.shrinkage.estimates import minimum_size, shrink
from benchmodels.shrinkage.posterior import Posterior
from benchmodels.shrinkage.priors import Interval, Prior
from benchmodels.shrinkage.record import Shrinkage
from benchmodels.shrinkage.target import Towards

__all__ = ["Interval", "Posterior", "Prior", "Shrinkage", "Towards", "minimum_size", "shrink"]

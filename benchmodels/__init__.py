"""Fair comparison of public services: outcomes adjusted for the people a unit serves, with their uncertainty."""

from benchmodels._version import __version__
from benchmodels.adjustment import Fit, FixedEffects, Pooled, RandomEffects, TwoPart
from benchmodels.comparison import Comparison
from benchmodels.errors import (
    BenchmodelsError,
    BenchmodelsWarning,
    ConvergenceError,
    DataError,
    DroppedRowsWarning,
    PartialResultWarning,
    SpecificationError,
)
from benchmodels.flags import Flags, ReferenceDistribution, explained_share, flag, reference_distribution
from benchmodels.ranking import Ranking, rank

__all__ = [
    "BenchmodelsError",
    "BenchmodelsWarning",
    "Comparison",
    "ConvergenceError",
    "DataError",
    "DroppedRowsWarning",
    "Fit",
    "FixedEffects",
    "Flags",
    "PartialResultWarning",
    "Pooled",
    "RandomEffects",
    "Ranking",
    "ReferenceDistribution",
    "SpecificationError",
    "TwoPart",
    "__version__",
    "explained_share",
    "flag",
    "rank",
    "reference_distribution",
]

"""Fair comparison of public services: outcomes adjusted for the people a unit serves, with their uncertainty."""

from benchmodels._version import __version__
from benchmodels.adjustment import (
    Fit,
    FixedEffects,
    Pooled,
    RandomEffects,
    StandardisedRates,
    TwoPart,
    bootstrap_t,
    standardised_rates,
)
from benchmodels.adjustment.given import compare_expected, compare_strata
from benchmodels.bands import simultaneous_level
from benchmodels.beside import AverageBesideBest, average_beside_best
from benchmodels.comparison import Comparison, Coverage
from benchmodels.courses import AbsenceCourses, absence_courses
from benchmodels.disclosure import Withholding, withheld_cells, withheld_totals, withheld_units
from benchmodels.errors import (
    BenchmodelsError,
    BenchmodelsWarning,
    ConvergenceError,
    DataError,
    DroppedRowsWarning,
    PartialResultWarning,
    SpecificationError,
)
from benchmodels.flags import Flags, explained_share, flag
from benchmodels.grading import Posterior, ReportCard, expected_ranks, report_card
from benchmodels.placing import BestSet, Difference, Differences, best_set, differences, differs
from benchmodels.ranking import Ranking, rank
from benchmodels.reference import ReferenceDistribution, reference_distribution
from benchmodels.shrinkage import Shrinkage, minimum_size, shrink
from benchmodels.steering import SecondStep, second_step

__all__ = [
    "AbsenceCourses",
    "AverageBesideBest",
    "BenchmodelsError",
    "BenchmodelsWarning",
    "BestSet",
    "Comparison",
    "ConvergenceError",
    "Coverage",
    "DataError",
    "Difference",
    "Differences",
    "DroppedRowsWarning",
    "Fit",
    "FixedEffects",
    "Flags",
    "PartialResultWarning",
    "Pooled",
    "Posterior",
    "RandomEffects",
    "Ranking",
    "ReferenceDistribution",
    "ReportCard",
    "SecondStep",
    "Shrinkage",
    "SpecificationError",
    "StandardisedRates",
    "TwoPart",
    "Withholding",
    "__version__",
    "absence_courses",
    "average_beside_best",
    "best_set",
    "bootstrap_t",
    "compare_expected",
    "compare_strata",
    "differences",
    "differs",
    "expected_ranks",
    "explained_share",
    "flag",
    "minimum_size",
    "rank",
    "reference_distribution",
    "report_card",
    "second_step",
    "shrink",
    "simultaneous_level",
    "standardised_rates",
    "withheld_cells",
    "withheld_totals",
    "withheld_units",
]

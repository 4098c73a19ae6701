"""Fair comparison of public services: outcomes adjusted for the people a unit serves, with their uncertainty."""

from benchmodels._version import __version__
from benchmodels.adjustment import (
    BayesianRandomEffects,
    CrossFitted,
    CrossFittedFit,
    Fit,
    FixedEffects,
    Panel,
    PanelFit,
    Pooled,
    Prior,
    RandomEffects,
    StandardisedRates,
    TwoPart,
    bootstrap_t,
    standardised_rates,
)
from benchmodels.adjustment.bayesian.structured import SpatialFit, fit_spatial
from benchmodels.adjustment.bayesian.together import TogetherFit, fit_together
from benchmodels.adjustment.given import compare_expected, compare_strata
from benchmodels.adjustment.learning import beside_regression, learning_curve
from benchmodels.allocation import Allocation, allocate
from benchmodels.bands import simultaneous_level
from benchmodels.beside import AverageBesideBest, average_beside_best
from benchmodels.comparison import Comparison, Coverage
from benchmodels.courses import AbsenceCourses, absence_courses
from benchmodels.decomposition import activity_growth, cost_growth, decompose, kitagawa, oaxaca_blinder
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
from benchmodels.half_years import Annualised, annualised
from benchmodels.multiverse import Multiverse, MultiverseResult, leave_out_matrix
from benchmodels.peer_comparison import AmongPeers, compare_within_peers
from benchmodels.peers import Peers, find_peers
from benchmodels.placing import BestSet, Difference, Differences, best_set, differences, differs
from benchmodels.profiles import Profile, profile
from benchmodels.ranking import Ranking, rank
from benchmodels.reference import ReferenceDistribution, reference_distribution
from benchmodels.scaling import ScaledUp, sample_balance, scale_up
from benchmodels.sensitivity import e_value, e_values
from benchmodels.shrinkage import Shrinkage, minimum_size, shrink
from benchmodels.steering import SecondStep, second_step
from benchmodels.variation import Variation, small_area_variation, systematic_component

__all__ = [
    "AbsenceCourses",
    "Allocation",
    "AmongPeers",
    "Annualised",
    "AverageBesideBest",
    "BayesianRandomEffects",
    "BenchmodelsError",
    "BenchmodelsWarning",
    "BestSet",
    "Comparison",
    "ConvergenceError",
    "Coverage",
    "CrossFitted",
    "CrossFittedFit",
    "DataError",
    "Difference",
    "Differences",
    "DroppedRowsWarning",
    "Fit",
    "FixedEffects",
    "Flags",
    "Multiverse",
    "MultiverseResult",
    "Panel",
    "PanelFit",
    "PartialResultWarning",
    "Peers",
    "Pooled",
    "Posterior",
    "Prior",
    "Profile",
    "RandomEffects",
    "Ranking",
    "ReferenceDistribution",
    "ReportCard",
    "ScaledUp",
    "SecondStep",
    "Shrinkage",
    "SpatialFit",
    "SpecificationError",
    "StandardisedRates",
    "TogetherFit",
    "TwoPart",
    "Variation",
    "Withholding",
    "__version__",
    "absence_courses",
    "activity_growth",
    "allocate",
    "annualised",
    "average_beside_best",
    "beside_regression",
    "best_set",
    "bootstrap_t",
    "compare_expected",
    "compare_strata",
    "compare_within_peers",
    "cost_growth",
    "decompose",
    "differences",
    "differs",
    "e_value",
    "e_values",
    "expected_ranks",
    "explained_share",
    "find_peers",
    "fit_spatial",
    "fit_together",
    "flag",
    "kitagawa",
    "learning_curve",
    "leave_out_matrix",
    "minimum_size",
    "oaxaca_blinder",
    "profile",
    "rank",
    "reference_distribution",
    "report_card",
    "sample_balance",
    "scale_up",
    "second_step",
    "shrink",
    "simultaneous_level",
    "small_area_variation",
    "standardised_rates",
    "systematic_component",
    "withheld_cells",
    "withheld_totals",
    "withheld_units",
]

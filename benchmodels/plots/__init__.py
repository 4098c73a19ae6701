"""Pictures of comparisons, rankings, fits and best practice, as matplotlib Axes.

Each function draws what it is given and computes no statistic, returns the Axes, never shows or saves, and
leaves matplotlib's settings alone. matplotlib is imported when the first picture is drawn.
"""

from __future__ import annotations

from benchmodels.plots.beside import beside
from benchmodels.plots.composites import composite_profile, composite_scores
from benchmodels.plots.courses import courses
from benchmodels.plots.diagnostics import overlap, subgroups
from benchmodels.plots.expenditure import contributions
from benchmodels.plots.fits import calibration
from benchmodels.plots.frontiers import dominance, efficiencies, peers, targets
from benchmodels.plots.funnels import funnel
from benchmodels.plots.learners import learner_beside, learning
from benchmodels.plots.lists import caterpillar, rank_sets
from benchmodels.plots.maps import choropleth
from benchmodels.plots.mergers import gap_ratios, merger_parts, partners
from benchmodels.plots.multiverses import specification_curve, specification_ranges
from benchmodels.plots.planes import frontier, influence
from benchmodels.plots.productivity import productivity_of_unit, productivity_of_units
from benchmodels.plots.profiles import among_peers, profile
from benchmodels.plots.second_steps import departures
from benchmodels.plots.texts import Lang
from benchmodels.plots.waterfalls import waterfall
from benchmodels.plots.years import foretold, year_to_year

__all__ = [
    "Lang",
    "among_peers",
    "beside",
    "calibration",
    "caterpillar",
    "choropleth",
    "composite_profile",
    "composite_scores",
    "contributions",
    "courses",
    "departures",
    "dominance",
    "efficiencies",
    "foretold",
    "frontier",
    "funnel",
    "gap_ratios",
    "influence",
    "learner_beside",
    "learning",
    "merger_parts",
    "overlap",
    "partners",
    "peers",
    "productivity_of_unit",
    "productivity_of_units",
    "profile",
    "rank_sets",
    "specification_curve",
    "specification_ranges",
    "subgroups",
    "targets",
    "waterfall",
    "year_to_year",
]

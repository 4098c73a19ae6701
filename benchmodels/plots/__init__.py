"""Pictures of comparisons, rankings, fits and best practice, as matplotlib Axes.

Each function draws what it is given and computes no statistic, returns the Axes, never shows or saves, and
leaves matplotlib's settings alone. matplotlib is imported when the first picture is drawn.
"""

from __future__ import annotations

from benchmodels.plots.beside import beside
from benchmodels.plots.courses import courses
from benchmodels.plots.diagnostics import overlap, subgroups
from benchmodels.plots.expenditure import contributions
from benchmodels.plots.fits import calibration
from benchmodels.plots.frontiers import dominance, efficiencies, peers, targets
from benchmodels.plots.funnels import funnel
from benchmodels.plots.lists import caterpillar, rank_sets
from benchmodels.plots.maps import choropleth
from benchmodels.plots.planes import frontier, influence
from benchmodels.plots.second_steps import departures
from benchmodels.plots.texts import Lang

__all__ = [
    "Lang",
    "beside",
    "calibration",
    "caterpillar",
    "choropleth",
    "contributions",
    "courses",
    "departures",
    "dominance",
    "efficiencies",
    "frontier",
    "funnel",
    "influence",
    "overlap",
    "peers",
    "rank_sets",
    "subgroups",
    "targets",
]

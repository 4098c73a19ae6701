"""What to ask of a fit before its comparison is believed.

Does it hit the level everywhere (calibration) and tell cases apart (discrimination); are ratios one number for all of a
unit's cases (subgroups) and slopes for all units (homogeneity); who steers it (influence), who has no peers (overlap);
is there a map in what is left (spatial). Expected values are made without the unit's own cases.
"""

from benchmodels.adjustment.diagnostics.calibration import calibration, discrimination, subgroups
from benchmodels.adjustment.diagnostics.homogeneity import Homogeneity, homogeneity
from benchmodels.adjustment.diagnostics.influence import influence, overlap
from benchmodels.adjustment.diagnostics.spatial import spatial

__all__ = [
    "Homogeneity",
    "calibration",
    "discrimination",
    "homogeneity",
    "influence",
    "overlap",
    "spatial",
    "subgroups",
]

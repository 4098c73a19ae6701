"""Why a figure is what it is, in parts that add up: by term, by cell, by slope, by growth.

`decompose` divides what is expected of a unit among the terms of a formula; `kitagawa` divides a gap in rates over
cells into composition and rates; `oaxaca_blinder` a gap into covariates and slopes; `cost_growth` and
`activity_growth` divide growth. Every result adds up, or is not returned, and has ``steps`` for a waterfall.
"""

from benchmodels.decomposition.activity import activity_growth
from benchmodels.decomposition.cells import Kitagawa, kitagawa
from benchmodels.decomposition.gaps import OaxacaBlinder, oaxaca_blinder
from benchmodels.decomposition.growth import cost_growth
from benchmodels.decomposition.periods import TOTAL, Growth
from benchmodels.decomposition.steps import Step, Steps
from benchmodels.decomposition.terms import LEFT_OUT, Decomposition, decompose

__all__ = [
    "LEFT_OUT",
    "TOTAL",
    "Decomposition",
    "Growth",
    "Kitagawa",
    "OaxacaBlinder",
    "Step",
    "Steps",
    "activity_growth",
    "cost_growth",
    "decompose",
    "kitagawa",
    "oaxaca_blinder",
]

"""Measures of best practice beyond the radial: slacks, good by good; ideal points; the eyes of others.

Of the range directional model (Portela, Thanassoulis, Simpson 2004), which takes amounts below zero, the measure β is
the ``inefficiency`` of ``benchmodels.frontier.DEA(orientation="directional", direction="range")``.
"""

from benchmodels.frontier.measures.cross import CrossEfficiency, CrossFit
from benchmodels.frontier.measures.fit import SlackFit
from benchmodels.frontier.measures.multidirectional import MultiDirectional, MultiDirectionalFit
from benchmodels.frontier.measures.slacks import Additive, Russell, SlackBased

__all__ = [
    "Additive",
    "CrossEfficiency",
    "CrossFit",
    "MultiDirectional",
    "MultiDirectionalFit",
    "Russell",
    "SlackBased",
    "SlackFit",
]

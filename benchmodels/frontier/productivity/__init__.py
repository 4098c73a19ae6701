"""Productivity over time: how much better units do than before, and how much of that is the frontier's."""

from benchmodels.frontier.productivity.bootstrap import MalmquistBootstrap
from benchmodels.frontier.productivity.changes import Changes
from benchmodels.frontier.productivity.decompositions import DECOMPOSITIONS, Decomposition, decomposition_table
from benchmodels.frontier.productivity.hicks_moorsteen import HicksMoorsteen
from benchmodels.frontier.productivity.luenberger import Luenberger
from benchmodels.frontier.productivity.malmquist import Malmquist, MalmquistFit
from benchmodels.frontier.productivity.windows import Windows, WindowsFit

__all__ = [
    "DECOMPOSITIONS",
    "Changes",
    "Decomposition",
    "HicksMoorsteen",
    "Luenberger",
    "Malmquist",
    "MalmquistBootstrap",
    "MalmquistFit",
    "Windows",
    "WindowsFit",
    "decomposition_table",
]

"""Units together: mergers, sharing without one, and kinds of units beside each other."""

from benchmodels.frontier.together.bootstrap import MergerBootstrap
from benchmodels.frontier.together.gains import Gains
from benchmodels.frontier.together.mergers import MergerGains, MergersFit
from benchmodels.frontier.together.metafrontier import Metafrontier, MetafrontierFit
from benchmodels.frontier.together.sharing import Reallocation

__all__ = [
    "Gains",
    "MergerBootstrap",
    "MergerGains",
    "MergersFit",
    "Metafrontier",
    "MetafrontierFit",
    "Reallocation",
]

"""Does it hold under another model? One question asked under every defensible specification."""

from benchmodels.multiverse.found import MultiverseResult
from benchmodels.multiverse.left_out import leave_out_matrix
from benchmodels.multiverse.specifications import Multiverse, Specification

__all__ = ["Multiverse", "MultiverseResult", "Specification", "leave_out_matrix"]

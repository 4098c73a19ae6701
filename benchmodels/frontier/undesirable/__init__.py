"""What is made and unwanted: frontiers on which bads cannot be thrown away for nothing."""

from benchmodels.frontier.undesirable.fit import UndesirableFit
from benchmodels.frontier.undesirable.model import UndesirableDEA

__all__ = ["UndesirableDEA", "UndesirableFit"]

"""Studies as specifications, and their running into one folder of results."""

from benchmodels.replication.outcome import Outcome, answer
from benchmodels.replication.run import run_studies, run_study
from benchmodels.replication.study import Study, parse_study, read_study, shipped_studies

__all__ = [
    "Outcome",
    "Study",
    "answer",
    "parse_study",
    "read_study",
    "run_studies",
    "run_study",
    "shipped_studies",
]

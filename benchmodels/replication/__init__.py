"""Studies as specifications, published results as claims, and the running, auditing and verifying of both."""

from benchmodels.replication.claims.audit import Audit, AuditedNumber, audit_claims
from benchmodels.replication.claims.specification import Claims, literature, parse_claims, published, read_claims
from benchmodels.replication.open_studies import open_studies
from benchmodels.replication.outcome import Outcome, answer
from benchmodels.replication.provenance.crate import write_crate
from benchmodels.replication.provenance.differences import Differences, compare_runs
from benchmodels.replication.provenance.verification import Verification, verify_folder
from benchmodels.replication.run import run_studies, run_study
from benchmodels.replication.several_outcomes import run_several_outcomes
from benchmodels.replication.study import Study, more_studies, parse_study, read_study, shipped_studies
from benchmodels.replication.together_and_over_time import run_together_and_over_time

__all__ = [
    "Audit",
    "Claims",
    "Differences",
    "AuditedNumber",
    "Outcome",
    "Study",
    "Verification",
    "answer",
    "audit_claims",
    "compare_runs",
    "literature",
    "more_studies",
    "open_studies",
    "parse_claims",
    "parse_study",
    "published",
    "read_claims",
    "read_study",
    "run_several_outcomes",
    "run_studies",
    "run_study",
    "run_together_and_over_time",
    "shipped_studies",
    "verify_folder",
    "write_crate",
]

"""Real tables through the same door as any other; skipped where the public statistics are not beside the checkout."""

import tomllib
from pathlib import Path

import pytest

from benchmodels import Pooled, reference_distribution
from benchmodels.replication import audit_claims, parse_claims
from benchmodels.replication.outcome import answer
from benchmodels.replication.study import read_study
from tests.real import tables

HERE = Path(__file__).parent
beside = pytest.mark.skipif(not tables.BESIDE.exists(), reason="public statistics are not beside the checkout")


def test_star98_study():
    outcome = answer(read_study(HERE / "star98.toml"))
    assert len(outcome.main) == 303
    assert outcome.reference is not None
    # Twenty facts about districts explain most of the variation, and leave a dispersion of about 15.
    assert 0.8 < outcome.explained < 0.9
    assert 14.0 < outcome.reference.phi < 16.0


@beside
def test_dropout_in_denmark():
    table = tables.dropout()
    assert len(table) == 98
    raw = Pooled("discontinued ~ 1", unit="kommune", trials="total").fit(table).compare()
    # The Pearson dispersion of the same counts without covariates is 20.9.
    assert reference_distribution(raw).phi == pytest.approx(20.9, abs=0.3)
    outcome = answer(read_study(HERE / "dropout.toml"), data=table)
    assert outcome.explained < 0.1, "two averages explain next to nothing, and the report must say so"


@beside
def test_persistent_absence_in_england():
    table, suppressed = tables.persistent_absence()
    assert suppressed == ["City of London, Primary", "Isles of Scilly, Secondary", "Bracknell Forest, Special"]
    own = 100.0 * table["absentees"] / table["enrolments"]
    assert (own - table["persistent_absence_pct"]).abs().median() < 1.0
    outcome = answer(read_study(HERE / "persistent-absence.toml"), data=table)
    assert len(outcome.main) == 151
    assert 0.3 < outcome.explained < 0.7


@beside
def test_a_published_regression_on_public_figures():
    """Slopes of absence on well-being over municipalities, as printed; the table is not in this package."""
    content = tomllib.loads((HERE / "absence-and-well-being.toml").read_text(encoding="utf-8"))
    audit = audit_claims(parse_claims(content, folder=tables.BESIDE / "dk"))
    assert [number.verdict for number in audit.numbers] == ["confirmed", "confirmed"]

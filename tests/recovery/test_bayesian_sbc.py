"""The committed calibration of Bayesian random effects is of this code, and ranks of true values are uniform."""

import json

import pytest

from tests.recovery.bayesian_sbc import BINS, FAMILIES, FILE, table_of
from tests.recovery.code import code_hash

TABLE = json.loads(FILE.read_text(encoding="utf-8"))


def test_the_table_is_fresh_and_whole():
    assert TABLE["code"] == code_hash(TABLE["functions"]), "stale: python -m tests.recovery.bayesian_sbc"
    assert set(TABLE["families"]) == set(FAMILIES)
    for part in TABLE["families"].values():
        assert part["sets"] + part["skipped"] >= 200 and part["skipped"] <= 20


def test_ranks_of_true_values_are_uniform():
    found = [(family, name, row) for family, part in TABLE["families"].items() for name, row in part["ranks"].items()]
    assert len(found) == 13
    for family, name, row in found:
        assert len(row["counts"]) == BINS
        # A level of .05 over all 13 parameters, for each of the two tests.
        assert min(row["chi2_p"], row["ks_p"]) > 0.05 / 13, (family, name)
    assert max(part["largest_khat"] for part in TABLE["families"].values()) < 0.7


@pytest.mark.parametrize("family", FAMILIES)
def test_a_few_more_are_too(family):
    """Other data sets than those of the table."""
    found = table_of(family, 30, first=10_000, draws=200)
    assert found["largest_khat"] < 0.7
    for name, row in found["ranks"].items():
        assert row["ks_p"] > 1e-4, name

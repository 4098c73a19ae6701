"""Real tables, made from public statistics that lie beside the checkout (absent elsewhere: the tests skip).

``python -m tests.real.tables DIR`` writes them as CSV for ``benchmodels run tests/real/….toml --data …``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

BESIDE = Path(__file__).parents[3] / "shared" / "data"
DROPOUT = BESIDE / "dk" / "dst_statusu6_2024_youth_education_status.csv"
INDICATORS = BESIDE / "dk" / "dk_kommune_indicators_98.csv"
ATTENDANCE = BESIDE / "england" / "dfe_attendance_2024_25_by_la_phase.csv"
AUTHORITIES = BESIDE / "england" / "dfe_lait_la_panel_2022_2025.csv"


def dropout() -> pd.DataFrame:
    """98 Danish municipalities: youth education discontinued of all, with two facts about the young people."""
    status = pd.read_csv(DROPOUT)[["kommune", "total", "discontinued"]]
    facts = pd.read_csv(INDICATORS)[["kommune", "low_education_25_29_pct", "vulnerable_children_pct"]]
    # The country as a whole and Christiansø, which is no municipality, have no row in the facts.
    return status.merge(facts, on="kommune", how="inner", validate="one_to_one")


def persistent_absence() -> tuple[pd.DataFrame, list[str]]:
    """English authorities: persistent absentees of enrolments over phases; and the suppressed cells by name."""
    raw = pd.read_csv(ATTENDANCE, dtype=str)
    raw = raw[
        (raw["geographic_level"] == "Local authority")
        & raw["education_phase"].isin(["Primary", "Secondary", "Special"])
    ]
    hidden = raw[["enrolments", "pa_perc"]].isin(["c", "z", "x", "low"]).any(axis=1)
    suppressed = (raw.loc[hidden, "la_name"] + ", " + raw.loc[hidden, "education_phase"]).tolist()
    shown = raw[~hidden].astype({"old_la_code": int, "enrolments": float, "pa_perc": float})
    shown = shown.assign(absentees=shown["enrolments"] * shown["pa_perc"] / 100.0)
    sums = shown.groupby("old_la_code", as_index=False)[["enrolments", "absentees"]].sum()
    facts = pd.read_csv(AUTHORITIES).query("year == 2025")
    columns = [
        "old_la_code",
        "la_name",
        "child_low_income_pct",
        "fsm6_primary_pct",
        "fsm6_secondary_pct",
        "eal_primary_pct",
        "eal_secondary_pct",
        "persistent_absence_pct",
    ]
    return sums.merge(facts[columns], on="old_la_code", how="inner", validate="one_to_one"), suppressed


def main() -> None:
    folder = Path(sys.argv[1])
    dropout().to_csv(folder / "dropout.csv", index=False)
    table, suppressed = persistent_absence()
    table.to_csv(folder / "persistent-absence.csv", index=False)
    print(f"suppressed cells, not filled: {'; '.join(suppressed)}")


if __name__ == "__main__":
    main()

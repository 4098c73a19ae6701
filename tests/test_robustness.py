"""The multiverse of a study: which specifications it has, what is written, and what is said."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmodels import SpecificationError
from benchmodels.replication import answer, parse_study, read_study, shipped_studies
from benchmodels.replication.robustness import multiverse_of, run_multiverse
from tests.test_study_choices import NAMES, cells, spec


def study(**changes: object):
    asked = copy.deepcopy(spec(**changes))
    asked["roles"].pop("choice")
    asked["model"]["formula"] = "fravær ~ C(sex) + udvalg"
    asked["model"]["kind"] = "pooled"
    return parse_study(asked)


def test_every_term_is_in_or_out_and_units_have_levels_or_not() -> None:
    multiverse = multiverse_of(study())
    assert [choice.name for choice in multiverse.choices][:3] == ["C(sex)", "udvalg", "model"]
    assert multiverse.models == ("pooled", "fixed")
    assert len(multiverse.specifications()) == 8
    kept = multiverse_of(study(), always=("C(sex)",))
    assert len(kept.specifications()) == 4
    with pytest.raises(SpecificationError, match=r"no term C\(age\) in the formula; there are C\(sex\), udvalg"):
        multiverse_of(study(), always=("C(age)",))
    with pytest.raises(SpecificationError, match="nothing to vary"):
        multiverse_of(study(), always=("C(sex)", "udvalg"))


def test_years_are_never_left_out() -> None:
    housing = multiverse_of(read_study(shipped_studies()["sheltered-housing"]))
    assert all("year" not in choice.name for choice in housing.choices[:-3])
    assert len(housing.choices) == 3 + 4


def test_what_is_written_is_the_study_beside_the_other_specifications(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    found = run_multiverse(
        study(), out=tmp_path / "æ" / "out", data=cells(), unit=NAMES[3], progress=lambda *at: done.append(at)
    )
    assert {path.name for path in found.files} == {
        *("units.csv", "specifications.csv", "drivers.csv"),
        *(f"{name}.{kind}" for name in ("ranges", "curve") for kind in ("svg", "png")),
    }
    assert all(path.stat().st_size > 100 for path in found.files)
    assert done[-1][0] == done[-1][1]

    units = pd.read_csv(found.files[0], encoding="utf-8-sig")
    own = answer(study(), data=cells()).main
    assert units["unit"].tolist() == own.unit.tolist()
    # In the study's own unit of measure, percentage points.
    np.testing.assert_allclose(units["estimate"], 100.0 * own.estimate, rtol=1e-8)
    assert (units["minimum"] <= units["estimate"] + 1e-9).all()
    # The number of panels is constant within units: with a level for each unit it cannot be there, and that is said.
    named = pd.read_csv(found.files[1], encoding="utf-8-sig")
    lost = named[named["status"] == "not estimable"]
    assert set(lost["model"]) == {"fixed"} and lost["reason"].str.contains("udvalg").all()
    assert found.sentences[0] == f"{len(named) - len(lost)} af 8 specifikationer kunne beregnes."
    assert "ingen sandsynlighed" in found.sentences[-1]
    row, at = found.found.of(NAMES[3]).iloc[0], found.found.position(NAMES[3])
    own_words = next(sentence for sentence in found.sentences if sentence.startswith(NAMES[3]))
    above = int((found.found.verdict[:, at] == 2).sum())
    assert f"højere end forventet i {above} og lavere i" in own_words
    assert f"{100 * row['maximum']:.1f}".replace(".", ",").replace("-", "−") in own_words


def test_in_english_without_a_unit(tmp_path: Path) -> None:
    found = run_multiverse(study(), out=tmp_path, data=cells(), lang="en")
    assert "could be estimated" in found.sentences[0]
    assert not (tmp_path / "curve.svg").exists()
    assert not any("simulated" in sentence for sentence in found.sentences)


def test_simulated_figures_are_said_to_be_and_ratios_are_told_in_per_cent(tmp_path: Path) -> None:
    table = cells()
    table.attrs = {"simulated": True}
    found = run_multiverse(
        study(comparison={"contrast": "ratio", "scale": 100.0, "decimals": 1}),
        out=tmp_path,
        data=table,
        unit=NAMES[3],
        lang="en",
    )
    assert any(sentence.startswith("The figures are simulated") for sentence in found.sentences)
    own_words = next(sentence for sentence in found.sentences if sentence.startswith(NAMES[3]))
    assert "the expected in the chosen specification, and between" in own_words and "% " in own_words


def test_an_unknown_unit_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match="Atlantis"):
        run_multiverse(study(), out=tmp_path / "out", data=cells(), unit="Atlantis")
    assert not (tmp_path / "out").exists()


def test_units_that_the_study_keeps_back_are_in_no_specification(tmp_path: Path) -> None:
    table = cells()
    table.loc[table["kommune"] == NAMES[2], ["elever", "fravær"]] = [[3, 1], [4, 1]]
    asked = study(disclosure={"threshold": 5})
    kept = set(answer(asked, data=table).main.unit[answer(asked, data=table).main.withheld != ""].tolist())
    assert NAMES[2] in kept
    found = run_multiverse(asked, out=tmp_path, data=table)
    assert not kept & set(found.found.unit.tolist())
    for name in kept:
        assert all(name not in path.read_text(encoding="utf-8-sig") for path in found.files if path.suffix == ".csv")
    assert len(found.sentences) > 5

"""The audit of the appendix: what holds, what does not, that every cell matters, and what is written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmodels import cli
from benchmodels.datasets import expenditure_midtjylland
from benchmodels.replication import audit_claims, published, read_claims

SEEDS = Path(__file__).resolve().parents[1].parent / "shared" / "seeds"
SEED_OF = {"kkr-midtjylland-2023": "kkr-midtjylland-udgiftsanalyse", "kl-partnerskab": "kl-partnerskab-voksenomraadet"}


@pytest.fixture(scope="module")
def claims():
    return read_claims(published()["kkr-midtjylland-2023"])


@pytest.fixture(scope="module")
def audit(claims):
    return audit_claims(claims)


def growth(table: int, row: str | tuple[str, ...], first: int = 2018, last: int = 2022) -> tuple[float, float]:
    """Two sums, by a loop over the printed table."""
    rows = (row,) if isinstance(row, str) else row
    frame = expenditure_midtjylland()
    sums = []
    for year in (first, last):
        total = 0.0
        for line in frame.to_dict("records"):
            if line["table"] == table and line["year"] == year and line["item"] in rows:
                total += line["dkk_1000"]
        sums.append(total)
    return sums[0], sums[1]


def test_what_the_tables_contradict(audit):
    """The whole list, each number worked out by a plain loop: nothing else may be contradicted."""
    homes = ("Længerevarende botilbud", "Botilbudslignende tilbud", "Midlertidig botilbud")
    law = "Afgørelser efter lov om bekæmpelse af ungdomskriminalitet"
    adults, children = growth(1, "I alt"), growth(5, "I alt")
    midt = growth(6, "I alt")
    like = growth(2, "Botilbudslignende tilbud")
    first, last = growth(1, homes)
    country, region = growth(5, law, 2019), growth(6, law, 2019)
    whole = adults[1] + children[1] - adults[0] - children[0]
    expected = {
        "53,1": (adults[0] + children[0]) / 1e6,
        "68": 100 * (last - first) / whole,
        "1,3": 100 * (midt[1] / midt[0] - 1),
        "421": (country[1] - country[0]) / 1e3,
        "82,4": (region[1] - region[0]) / 1e3,
        "20,5": 100 * (like[1] / like[0] - 1),
        "4,31": growth(4, "I alt")[0] / 1e6,
        "130": (growth(6, "I alt", 2018, 2020)[1] - midt[0]) / 1e3,
    }
    told = {f.printed.text: f.computed for f in audit.of("contradicted")}
    assert told == pytest.approx(expected, rel=1e-9)
    assert len(audit.of("contradicted")) == 12  # 53,1, 1,3, 421 and 82,4 stand in both sections


def test_the_verdicts_of_the_appendix(audit):
    own = [f for f in audit.numbers if f.own]
    assert audit.counts() == {"confirmed": 171, "rounding": 14, "contradicted": 12, "not computable": 30}
    assert {f.own for f in audit.of("rounding")} == {False}  # printed totals only, off by one or two thousand DKK
    assert len(own) == 197
    assert len(audit.numbers) - len(own) == 30
    assert all(f.claim.missing for f in audit.of("not computable"))
    assert audit.unused == ()
    assert not audit.ok


def test_every_cell_matters(claims):
    """Any cell of the six tables that is changed by more than rounding changes at least one verdict."""
    frame = expenditure_midtjylland()
    before = {str(table): _verdicts_of(claims, str(table), frame) for table in range(1, 7)}
    checked = 0
    for place in range(len(frame)):
        line = frame.iloc[place]
        for factor in (1.001, 0.7):
            other = frame.copy()
            # An empty cell is filled; a full one is moved by a thousandth, at least 20 (thousand DKK), or cut.
            value = line["dkk_1000"]
            move = 1e5 if value != value else value + max(abs(value) * abs(factor - 1), 20) * (1 if factor > 1 else -1)
            other.loc[place, "dkk_1000"] = move
            table = str(line["table"])
            assert _verdicts_of(claims, table, other) != before[table], line.to_dict()
            checked += 1
    assert checked == 600


_SUBSETS: dict[str, object] = {}


def _verdicts_of(claims, table, frame):
    """The verdicts of what touches one table; the whole file 600 times would take minutes."""
    if table not in _SUBSETS:

        def touches(c):
            return any(
                a.startswith(f"{table} | ") for n in ("of", "base", "whole", "among") for a in getattr(c, n) or ()
            )

        kept = [c for c in claims.claims if touches(c)]
        _SUBSETS[table] = claims.model_copy(update={"claims": kept})
    names = {str(n): frame for n in range(1, 7)}
    return [f.verdict for f in audit_claims(_SUBSETS[table], tables=names).numbers]


@pytest.mark.parametrize("name", sorted(SEED_OF))
def test_quotes_stand_in_the_document(name):
    path = SEEDS / f"{SEED_OF[name]}.txt"
    if not path.exists():
        pytest.skip("the document is not here")
    text = re.sub(r"\s+", " ", path.read_text(encoding="utf-8").replace("*", ""))
    for claim in read_claims(published()[name]).claims:
        assert re.sub(r"\s+", " ", claim.quote) in text, claim.id


def test_every_number_of_the_document_is_a_claim(claims):
    """No digit in sections 2 and 4 but years, laws, tables, pages and dates is left without a claim."""
    path = SEEDS / "kkr-midtjylland-udgiftsanalyse.txt"
    if not path.exists():
        pytest.skip("the document is not here")
    text = path.read_text(encoding="utf-8").replace("*", "")
    two, four = text.index("2. UDGIFTSUDVIKLINGEN"), text.index("4. KVANTITATIV ANALYSE")
    sections = text[two : text.index("3. VIDERE ANALYSE")] + text[four : text.index("5. DATAKILDER")]
    prose = "\n".join(line for line in sections.splitlines() if "\t" not in line)
    for pattern in (
        r"20\d\d(-(20)?\d\d)?",
        r"§§?\s*[\d/]+( og ABL § 105)?",
        r"[Tt]abel \d",
        r"tabel\d",
        r"side \d+\S*",
        r"sde \d+",
        r"\d+\.\d+\.\d+-[\d.]+",
        r"delrapport \d",
        r"dranst \d",
        r"22-pl",
        r"hovedart 4",
        r"\d\. [A-ZÆØÅ]",
        r"\d\. januar",
        r"\(1000 kr\.\)",
        r"afsnit \d",
        r"5\.28\.2\S+",
        r"KLSocial \d+",
        r"[¹²³⁴⁵⁶⁷⁸⁹⁰]+",
        r"100 ?%",
        r"SEL",
        r"\b4\.\d ",
    ):
        prose = re.sub(pattern, " ", prose)
    numbers = {n.rstrip(".,") for n in re.findall(r"\d[\d.,]*", prose)}
    told = {str(c.published).lstrip("-") for c in claims.claims}
    assert numbers - told == set()


def test_json_and_table(audit):
    content = json.loads(audit.to_json())
    assert content["verdicts"] == audit.counts()
    assert content["numbers"][0]["published"] == "53,1"
    assert next(f for f in content["numbers"] if f["verdict"] == "not computable")["computed"] is None
    assert list(audit.to_frame()["id"])[:1] == ["s2-samlet-2018"]


def leave(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    return int(left.value.code or 0)


def test_command(tmp_path, capsys):
    assert leave("audit", "kkr-midtjylland-2023", "--out", str(tmp_path / "page")) == 0
    said = capsys.readouterr()
    assert "MODSAGT  afsnit 4, private tilbud: »fra 4,31 mia. kr. i 2018«. Trykt 4,31 mia. kr." in said.out
    assert "efterregnet 4,3412 mia. kr." in said.out
    assert "171 bekræftet, 14 afrunding, 12 modsagt, 30 kan ikke efterregnes" in said.out
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "http://" not in page and "https://" not in page
    assert page.count('class="claim contradicted"') == 12
    assert sorted(p.name for p in (tmp_path / "page").iterdir()) == [
        "audit.csv",
        "audit.json",
        "index.html",
        "manifest.json",
    ]
    assert leave("audit", "kkr-midtjylland-2023", "--strict", "--lang", "en") == 5
    assert "CONTRADICTED" in capsys.readouterr().out
    assert leave("audit", "kl-partnerskab", "--strict", "--print", "csv") == 0
    assert capsys.readouterr().out.startswith("document,id,verdict")
    assert leave("audit", "kl-partnerskab", "--print", "json") == 0
    assert json.loads(capsys.readouterr().out)[0]["document"]["id"] == "kl-partnerskab"


def test_command_says_what_is_wrong(tmp_path, capsys):
    assert leave("audit", "no-such-document") == 2
    assert "no-such-document" in capsys.readouterr().err
    (tmp_path / "c.toml").write_text("[document", encoding="utf-8")
    assert leave("audit", str(tmp_path / "c.toml")) == 2
    assert "not valid TOML" in capsys.readouterr().err


def test_all_documents_are_counted_together(capsys):
    assert leave("audit", "kkr-midtjylland-2023", "wong-beasley-1990-departments", "--lang", "en") == 0
    said = capsys.readouterr().out
    assert "Documents: 2; 178 confirmed, 14 rounding, 12 contradicted, 30 not computable" in said
    assert "look them up before you cite them" in said

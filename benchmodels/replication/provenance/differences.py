"""Two results side by side: what changed in data, study, options and package, what in the tables, and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmodels.errors import DataError
from benchmodels.replication.provenance.agreement import Agreement, compare_cells, read_cells, tolerances
from benchmodels.replication.provenance.causes import causes_of
from benchmodels.replication.provenance.crate import CRATE
from benchmodels.replication.provenance.filed import PAGE, compare_pages
from benchmodels.replication.provenance.folder import TOOL
from benchmodels.replication.provenance.manifest import (
    Finding,
    Manifest,
    Record,
    as_frame,
    hash_file,
    read_manifest,
    short,
)
from benchmodels.replication.provenance.origin import WITHHELD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd

__all__ = ["Differences", "compare_runs"]

_MISSING = object()
_WIDEST = 8
_UNCOMPARED = "uncompared"
_DANISH = ".da.csv"


@dataclass(frozen=True, eq=False, kw_only=True)
class Differences:
    """What differs between two results.

    Parameters
    ----------
    a, b : Path
        The folders.
    findings : tuple of Finding
        Why first, then what was asked and of what, then the tables; those that are no faults are of no consequence.
    tables : tuple of Agreement
        Of the tables that both have, the first as recorded.
    """

    a: Path
    b: Path
    findings: tuple[Finding, ...]
    tables: tuple[Agreement, ...]

    @property
    def uncompared(self) -> tuple[str, ...]:
        """Files that both manifests list, and that could not be compared."""
        return tuple(finding.where for finding in self.findings if finding.about == _UNCOMPARED)

    @property
    def ok(self) -> bool:
        """Whether nothing differs but the time of the calculation, and figures within their tolerance."""
        return not any(finding.fault for finding in self.findings)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per finding: about, where, text, column, unit, recorded, found, fault."""
        return as_frame(self.findings)

    def to_text(self) -> str:
        """Return the answer and one line a finding, why first."""
        head = f"{self.a} -> {self.b}"
        count = sum(finding.fault and finding.about != "why" for finding in self.findings)
        told = f"{count} {'difference' if count == 1 else 'differences'}" if count else "no difference"
        told += " in what was compared" if self.uncompared and not count else ""
        return "\n".join([f"{head}: {told}", *(f"{finding.about:10} {finding.text}" for finding in self.findings)])

    def to_json(self) -> str:
        """Return the same as JSON, with verdicts that changed and the tolerances."""
        content = {
            "a": str(self.a),
            "b": str(self.b),
            "ok": self.ok,
            "findings": [finding.to_dict() for finding in self.findings],
            "verdicts": {
                table.name: {
                    column: [{"from": one, "to": other, "units": n} for (one, other), n in moves.items()]
                    for column, moves in table.moves.items()
                }
                for table in self.tables
            },
            "tolerance": tolerances(),
        }
        return json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)


def compare_runs(a: str | Path, b: str | Path) -> Differences:
    """Say what differs between two results, and why where that can be told; nothing is calculated.

    Parameters
    ----------
    a, b : str or Path
        Folders of results, or their manifest.json. Without the tables beside it a manifest is compared alone.

    Returns
    -------
    Differences

    Raises
    ------
    DataError
        One of them holds no manifest, or one that is damaged, of another tool, or of a later format.

    Notes
    -----
    Tables are compared within the tolerances of `provenance.agreement.TOLERANCES`, pages word by word but for the day
    they were made on, and pictures by their hashes. A Danish table is told of where it differs and the other of its
    study does not. Where several things differ the folders alone do not tell what each of them did: run one of them
    with the other's data or options.
    """
    first, second = read_manifest(a), read_manifest(b)
    asked = [*_studies(first, second), *_options(first, second), *_versions(first, second)]
    tables, told = _tables(first, second)
    told += [*_lists(first, second), *_page(first, second), *_others(first, second)]
    unlike = {first.study_of(table.name) for table in tables if not table.ok}
    unlike |= {first.study_of(f.where) or second.study_of(f.where) for f in told if f.fault}
    why = causes_of(first, second, asked, unlike=unlike, compared={first.study_of(table.name) for table in tables})
    return Differences(a=first.folder, b=second.folder, findings=(*why, *asked, *told), tables=tuple(tables))


def _change(about: str, where: str, key: str, one: object, other: object, *, fault: bool = True) -> Finding:
    texts = ["none" if value is _MISSING else short(value) for value in (one, other)]
    label = f"{short(where)}: {short(key)}" if where else short(key)
    told = f"{label}: {texts[0]} -> {texts[1]}"
    return Finding(about=about, where=where, column=key, text=told, recorded=texts[0], found=texts[1], fault=fault)


def _studies(first: Manifest, second: Manifest) -> Iterable[Finding]:
    one, other = ({record.id: record for record in found.content.studies} for found in (first, second))
    for name in one:
        if name not in other:
            yield Finding(about="study", where=name, text=f"{short(name)}: only in the first")
    for name in other:
        if name not in one:
            yield Finding(about="study", where=name, text=f"{short(name)}: only in the second")
    for name in one:
        if name in other:
            yield from _data(one[name], other[name])
            yield from _keys(one[name], other[name], seeds=first.content.options.rng == second.content.options.rng)


def _data(one: Record, other: Record) -> Iterable[Finding]:
    a, b = one.data, other.data
    if WITHHELD in (a.sha256, b.sha256):
        told = f"{short(one.id)}: a hash was withheld for disclosure control: whether the data are the same is not told"
        if a.sha256 == b.sha256:
            yield Finding(about="data", where=one.id, column="sha256", text=told, fault=False)
        else:
            yield _change("data", one.id, "sha256", a.sha256, b.sha256)
    elif a.sha256 != b.sha256:
        alike = a.rounded_sha256 is not None and a.rounded_sha256 == b.rounded_sha256
        told = "last digits of a bundled table" if alike else "sha256"
        yield _change("platform" if alike else "data", one.id, told, f"{a.sha256[:12]}…", f"{b.sha256[:12]}…")
    for key in ("name", "rows", "simulated"):
        if getattr(a, key) != getattr(b, key):
            # By another name the same bytes are the same data.
            yield _change("data", one.id, key, getattr(a, key), getattr(b, key), fault=True)


def _keys(one: Record, other: Record, *, seeds: bool) -> Iterable[Finding]:
    a, b = _flat(one.study), _flat(other.study)
    for key in dict.fromkeys([*a, *b]):
        if a.get(key, _MISSING) != b.get(key, _MISSING):
            yield _change("study", one.id, key, a.get(key, _MISSING), b.get(key, _MISSING))
    if seeds and one.rng and other.rng and one.rng != other.rng:
        # One seed gives each study its own numbers, by its place among those run together.
        yield _change("options", one.id, "random numbers", one.rng, other.rng)


def _flat(study: Mapping[str, Any]) -> dict[str, Any]:
    """Return every key of a study by its path; a list counts as one value."""
    found: dict[str, Any] = {}
    left: list[tuple[str, Any]] = [("", study)]
    while left:
        path, value = left.pop(0)
        if isinstance(value, dict) and value:
            left += [(f"{path}.{key}" if path else str(key), inner) for key, inner in value.items()]
        elif value != {}:
            found[path] = value
    return found


def _options(first: Manifest, second: Manifest) -> Iterable[Finding]:
    a, b = first.content.options, second.content.options
    for key, label in (("rng", "seed"), ("lang", "lang"), ("command", "command")):
        if getattr(a, key) != getattr(b, key):
            yield _change("options", "", label, getattr(a, key), getattr(b, key))
    if first.danish_csv != second.danish_csv:
        yield _change("options", "", "danish_csv", first.danish_csv, second.danish_csv)


def _versions(first: Manifest, second: Manifest) -> Iterable[Finding]:
    a, b = first.content.versions, second.content.versions
    for key in dict.fromkeys([*a, *b]):
        one, other = a.get(key, _MISSING), b.get(key, _MISSING)
        if one != other:
            about = "package" if key == TOOL else "libraries"
            yield _change(about, "", key, one, other, fault=_MISSING not in (one, other))
    x, y = first.content.platform, second.content.platform
    if x is None or y is None:
        if x is not y:
            which = "first" if x is None else "second"
            yield Finding(about="platform", where="", text=f"the {which} does not record its platform", fault=False)
        return
    for key in dict.fromkeys([*x, *y]):
        if x.get(key) != y.get(key):
            yield _change("platform", "", key, x.get(key, _MISSING), y.get(key, _MISSING))


def _tables(first: Manifest, second: Manifest) -> tuple[list[Agreement], list[Finding]]:
    """Compare the tables that both have on file, and say which of them are not what their manifest lists."""
    agreements: list[Agreement] = []
    findings: list[Finding] = []
    there = set(second.tables)
    # Danish tables last: they are held against what their like told.
    for name in sorted((n for n in first.tables if n in there), key=lambda n: (n.endswith(_DANISH), n)):
        findings += [note for found in (first, second) for note in _unfaithful(found, name)]
        if any(found.file(name) is None for found in (first, second)):
            continue
        try:
            agreement = compare_cells(*(read_cells(found.folder / name) for found in (first, second)))
        except DataError as error:
            findings.append(Finding(about="tables", where=name, text=str(error)))
            continue
        plain = name.removesuffix(_DANISH) + ".csv"
        told_of = any(table.name == plain and not table.ok for table in agreements)
        if name.endswith(_DANISH) and (agreement.ok or told_of):
            continue
        agreements.append(agreement)
        findings += _moved(agreement)
    return agreements, findings


def _lists(first: Manifest, second: Manifest) -> Iterable[Finding]:
    """Say which files only one of them lists; of studies that both have, where the file is of one study."""
    for one, other, which in ((first, second, "first"), (second, first, "second")):
        for name in sorted(set(one.content.files) - set(other.content.files) - {CRATE}):
            table = name.endswith(".csv")
            if table and not all(found.study_of(name) for found in (one, other)):
                # Of a study that the other does not have, which is told already.
                continue
            # Written the Danish way or not is told among the options.
            fault = not (name.endswith(_DANISH) and first.danish_csv != second.danish_csv)
            about = "tables" if table and fault else "files"
            yield Finding(about=about, where=name, text=f"{short(name)}: only in the {which}", fault=fault)


def _page(first: Manifest, second: Manifest) -> Iterable[Finding]:
    both = (first, second)
    if not all(PAGE in found.content.files for found in both):
        return
    if first.content.files[PAGE] == second.content.files[PAGE] and all(found.file(PAGE) is None for found in both):
        return
    lost = [found for found in both if found.file(PAGE) is None]
    if lost:
        told = f"{PAGE}: is not in {lost[0].folder}, so that it is not compared"
        yield Finding(about=_UNCOMPARED, where=PAGE, text=told, fault=False)
        return
    try:
        beyond, _, a, b = compare_pages(first, second)
    except DataError as error:
        yield Finding(about="page", where=PAGE, text=str(error))
        return
    if beyond:
        told = f"{PAGE}: differs in {beyond} places, first: {short(a)!r} -> {short(b)!r}"
        yield Finding(about="page", where=PAGE, text=told, recorded=a, found=b)


def _others(first: Manifest, second: Manifest) -> Iterable[Finding]:
    """Compare pictures, and whatever else both list, by the hashes of the files, or as recorded where they are not."""
    names = [n for n in first.content.files if n in second.content.files and n not in (PAGE, CRATE)]
    unlike = []
    for name in (n for n in names if not n.endswith(".csv")):
        for found in (first, second):
            yield from (note for note in _unfaithful(found, name) if note.fault)
        if len({_hash(found, name) for found in (first, second)}) > 1:
            unlike.append(name)
    if unlike:
        shown = ", ".join(map(short, unlike[:3])) + (f" and {len(unlike) - 3} more" if len(unlike) > 3 else "")
        told = f"{len(unlike)} other {'file differs' if len(unlike) == 1 else 'files differ'}, by the hash: {shown}"
        yield Finding(about="files", where=", ".join(unlike), text=told)


def _hash(found: Manifest, name: str) -> str:
    path = found.file(name)
    return found.content.files[name] if path is None else hash_file(path)


def _unfaithful(found: Manifest, name: str) -> list[Finding]:
    path = found.file(name)
    if path is None:
        told = f"{short(name)}: is not in {found.folder}, so that it is not compared"
        return [Finding(about=_UNCOMPARED, where=name, text=told, fault=False)]
    try:
        same = hash_file(path) == found.content.files[name]
    except DataError as error:
        return [Finding(about="files", where=name, text=str(error))]
    told = f"{short(name)}: in {found.folder} it was changed after it was made; it is compared as it is"
    return [] if same else [Finding(about="files", where=name, text=told)]


def _moved(found: Agreement) -> Iterable[Finding]:
    name = found.name
    sides = (
        ("went", found.gone), ("came", found.came),
        ("columns that went", found.columns_gone), ("columns that came", found.columns_came),
    )  # fmt: skip
    for told, rows in sides:
        if rows:
            more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
            shown = ", ".join(short(row) for row in rows[:3])
            yield Finding(about="tables", where=name, text=f"{name}: {told}: {shown}{more}", unit=rows[0])
    for column, moves in found.moves.items():
        if moves:
            ranked = sorted(moves.items(), key=lambda item: -item[1])[:_WIDEST]
            shown = ", ".join(f"{short(a or 'none')} -> {short(b or 'none')}: {n}" for (a, b), n in ranked)
            yield Finding(about="tables", where=name, column=column, text=f"{name}: {column}: {shown}")
    for c in found.beyond:
        if c.column in found.moves:
            continue
        values = f"{short(c.recorded or 'none')} -> {short(c.found or 'none')}"
        told = f"{name}: {short(c.column)}: {c.beyond} of {c.values} differ, most {short(c.unit)}: {values}"
        yield Finding(
            about="tables", where=name, text=told, column=c.column, unit=c.unit, recorded=c.recorded, found=c.found
        )

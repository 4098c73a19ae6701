"""Published statements as data: what was said where, and which cells of which tables it rests on.

A file of claims holds no code. A claim names one of a small closed set of kinds and the cells that go into it, as
'table | row | column'; so whoever reads the file can work it out by hand.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from benchmodels.errors import SpecificationError
from benchmodels.replication.claims.fits import FIT_KINDS, FitSpec
from benchmodels.replication.claims.printed import PrintLanguage, read_printed

__all__ = [
    "ARGUMENTS",
    "ARGUMENT_NAMES",
    "Claim",
    "Claims",
    "TableSpec",
    "literature",
    "parse_claims",
    "published",
    "read_claims",
]


def _legible(text: str) -> str:
    """Refuse control characters: they have no place in print, and terminals obey some of them."""
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise PydanticCustomError("legible", "holds control characters")
    return text


Text = Annotated[str, AfterValidator(_legible)]
Name = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True), AfterValidator(_legible)]
Cells = Annotated[list[Name], Field(min_length=1)]
CellKind = Literal[
    "value",
    "sum",
    "mean",
    "count",
    "difference",
    "growth",
    "share",
    "ratio",
    "share_of_growth",
    "contribution",
    "growth_of_ratio",
    "rank",
]

# What each kind takes: cells that are added up under each name.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "value": ("of",),
    "sum": ("of",),
    "mean": ("of",),
    "count": ("of",),
    "difference": ("of", "base"),
    "growth": ("of", "base"),
    "share": ("of", "base"),
    "ratio": ("of", "base"),
    "share_of_growth": ("of", "base", "whole", "whole_base"),
    "contribution": ("of", "base", "whole_base"),
    "growth_of_ratio": ("of", "base", "per", "per_base"),
    "rank": ("of", "among"),
}
ARGUMENT_NAMES = ("of", "base", "whole", "whole_base", "per", "per_base", "among", "among_base")
_FOLDER = Path(__file__).parent
Decimals = Annotated[int, Field(ge=-9, le=15)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Document(_Section):
    """What was published."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")] = Field(
        description="Name of the file: small letters a-z, digits and hyphens."
    )
    title: Name
    source: Name = Field(description="Who, when, where: as one would cite it.")
    language: PrintLanguage = Field(description="Whose marks its numbers are printed with.")
    topic: Literal["description", "regression", "standardisation", "shrinkage", "frontier"] = Field(
        "description", description="What kind of results it holds."
    )
    data_note: Text = Field("", description="Where the tables come from.")
    seen: Literal["all", "some", "none"] = Field(
        "all", description="How many of the printed numbers were read in print or in a public copy of it."
    )


class TableSpec(_Section):
    """A printed table: wide (rows x columns), long (one line a cell), or typed into the file."""

    title: Name
    path: Name | None = Field(None, description="CSV file beside this one.")
    language: PrintLanguage | None = Field(
        None,
        description="Whose marks its cells are written with: 'da' 1.234,5 or 'en' 1,234.5; the document's by default.",
    )
    sep: Literal[",", ";", "\t", "|"] | None = Field(None, description="Column separator of the file; else found.")
    encoding: Name = Field("utf-8-sig", description="Encoding of the file; UTF-8 with or without mark by default.")
    dataset: Name | None = Field(None, description="A table of the package, or of an installed library.")
    cells: dict[Name, dict[Name, Text]] | None = Field(None, description="Row, column, and the cell as printed.")
    rows: Name | None = Field(None, description="Column that names the rows.")
    columns: Name | None = Field(None, description="Long tables: column that names the columns.")
    values: Name | None = Field(None, description="Long tables: column with the cells.")
    where: dict[Name, str | int] = Field(default_factory=dict, description="Lines kept: column = value.")
    unit: Text = Field("", description="Unit of measure of the cells: 'kr.', '1.000 kr.', 'personer'.")
    decimals: Decimals | dict[Name, Decimals] | None = Field(
        None, description="Printed decimals, of all columns or by column; exact figures where none are given."
    )
    total: Name | None = Field(None, description="The row with printed totals; each is a claim of its own.")
    groups: dict[Name, list[Name]] = Field(default_factory=dict, description="Names for several rows added up.")

    def half(self, column: str) -> float:
        """Return half a unit of the last printed digit in a column; 0 where figures are exact."""
        decimals = self.decimals.get(column) if isinstance(self.decimals, dict) else self.decimals
        return 0.0 if decimals is None else 0.5 * 10.0**-decimals


class Claim(_Section):
    """One published number, and what it rests on."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$")]
    where: Name = Field(description="Section and page, or table.")
    quote: Name = Field(description="A few words as printed.")
    kind: str = Field(description="What is to be worked out.")
    published: Text | dict[Name, Text] = Field(description="The number as printed; or one for each unit or term.")
    unit: Text = Field("", description="Unit of measure it is printed in: 'mia. kr.', '%'.")
    precision: Text | None = Field(None, description="Unit of the last digit that means something: '1.000'.")
    of: Cells | None = None
    base: Cells | None = Field(None, description="What it is set against: the earlier, the whole, the divisor.")
    whole: Cells | None = Field(None, description="The total later on.")
    whole_base: Cells | None = Field(None, description="The total at first.")
    per: Cells | None = Field(None, description="What there is one of for each: persons, later on.")
    per_base: Cells | None = Field(None, description="The same at first.")
    among: Cells | None = Field(None, description="What a rank is among, itself included.")
    among_base: Cells | None = Field(None, description="The same at first, in the same order.")
    by: Literal["value", "difference", "growth"] = Field("value", description="What a rank is of; 1 is the largest.")
    fit: Name | None = Field(None, description="The fit it is read off.")
    missing: Name | None = Field(None, description="What would be needed to work it out and is not published.")
    aside: dict[Name, Cells] = Field(
        default_factory=dict,
        description="Arguments, as cells or as ids of claims whose printed numbers stand in for them.",
    )
    note: Text = Field("", description="What a reader should know.")


class Claims(_Section):
    """A document, its tables, and what it says of them."""

    document: Document
    tables: dict[Name, TableSpec] = Field(default_factory=dict)
    fits: dict[Name, FitSpec] = Field(default_factory=dict)
    claims: list[Claim] = Field(min_length=1)
    _folder: Path = PrivateAttr(default_factory=Path)

    @property
    def folder(self) -> Path:
        """Folder that the paths of tables start from."""
        return self._folder


def published() -> dict[str, Path]:
    """Return the documents whose claims come with the package: id and file."""
    return _files("published")


def literature() -> dict[str, Path]:
    """Return the classical results that come with the package: id and file."""
    return _files("literature")


def _files(folder: str) -> dict[str, Path]:
    return {path.stem: path for path in sorted((_FOLDER / folder).glob("*.toml"))}


def read_claims(path: str | Path) -> Claims:
    """Read and check a file of claims.

    Parameters
    ----------
    path : str or Path
        A TOML file, UTF-8.

    Raises
    ------
    SpecificationError
        The file is missing, is not TOML, or says what cannot be worked out; every fault is listed.

    Examples
    --------
    >>> claims = read_claims(published()["kkr-midtjylland-2023"])
    >>> claims.document.language, len(claims.tables)
    ('da', 7)
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise SpecificationError(f"claims file {path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise SpecificationError(f"claims file {path}: not UTF-8 at byte {error.start}") from error
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits
        raise SpecificationError(f"claims file {path}: not valid TOML: {error}") from error
    return parse_claims(table, name=path.name, folder=path.parent)


def parse_claims(table: dict[str, Any], *, name: str = "claims", folder: Path | None = None) -> Claims:
    """Check claims given as nested dictionaries; see `read_claims`."""
    try:
        claims = Claims.model_validate(_with_lists(table))
    except ValidationError as error:
        told = [_fault(dict(item)) for item in error.errors(include_url=False)]
        raise _refusal(name, list(dict.fromkeys(told))) from error
    faults = [fault for claim in claims.claims for fault in _claim_faults(claim, claims)]
    faults += [fault for key, spec in claims.tables.items() for fault in _table_faults(key, spec)]
    faults += [
        f"fits.{key}.table: there is no table {fit.table!r}"
        for key, fit in claims.fits.items()
        if fit.table not in claims.tables
    ]
    times = Counter(claim.id for claim in claims.claims)
    faults += [f"claims: the id {twice!r} is used twice" for twice in sorted(i for i in times if times[i] > 1)]
    if faults:
        raise _refusal(name, faults)
    claims._folder = folder or Path()
    return claims


_KEYS: dict[str, type[BaseModel]] = {
    "document": Document,
    "tables": TableSpec,
    "fits": FitSpec,
    "claims": Claim,
}


def _fault(item: dict[str, Any]) -> str:
    """Say a fault by the place of its key, and what the key might have been."""
    place = [str(part) for part in item["loc"] if not _inner(str(part))]
    where = ".".join(place)
    if item["type"] == "extra_forbidden" and place[0] in _KEYS:
        near = get_close_matches(place[-1], list(_KEYS[place[0]].model_fields), n=1, cutoff=0.6)
        return f"{where}: there is no such key" + (f"; did you mean {near[0]!r}?" if near else "")
    if item["type"] in ("string_type", "dict_type") and place[-1] == "published":
        return f"{where}: the number as printed, in quotes: published = {str(item['input'])!r}"
    return f"{where}: {item['msg']}"


def _inner(part: str) -> bool:
    """Whether a part of a place is a branch inside the checker, and no key of the file."""
    return "[" in part or part in ("str", "int")


def _refusal(name: str, faults: list[str]) -> SpecificationError:
    plural = "fault" if len(faults) == 1 else "faults"
    return SpecificationError("\n  ".join([f"{name}: {len(faults)} {plural}", *faults]))


def _with_lists(table: dict[str, Any]) -> dict[str, Any]:
    """Let one cell stand for a list of one, so that a file need not be full of brackets."""
    claims = table.get("claims")
    if not isinstance(claims, list):
        return table
    listed = [
        {key: [value] if key in ARGUMENT_NAMES and isinstance(value, str) else value for key, value in claim.items()}
        if isinstance(claim, dict)
        else claim
        for claim in claims
    ]
    return {**table, "claims": listed}


def _claim_faults(claim: Claim, claims: Claims) -> list[str]:
    where = f"claims.{claim.id}"
    given = [name for name in ARGUMENT_NAMES if getattr(claim, name) is not None]
    faults = []
    if claim.kind in FIT_KINDS and claim.missing is not None:
        if given or claim.fit is not None:
            faults.append(f"{where}: either 'missing' or a fit, not both")
    elif claim.kind in FIT_KINDS:
        if claim.fit not in claims.fits:
            there = f"there is {', '.join(claims.fits)}" if claims.fits else "the file has no [fits] section"
            needs = "needs the name of a fit" if claim.fit is None else f"there is no fit {claim.fit!r}"
            faults.append(f"{where}.fit: kind {claim.kind!r} {needs}; {there}")
        if (claim.of is None) == isinstance(claim.published, str) or (claim.of is not None and len(claim.of) != 1):
            faults.append(f"{where}.of: one unit or term, or published = {{ unit = 'number', ... }} for several")
        if given not in ([], ["of"]):
            faults.append(f"{where}: kind {claim.kind!r} takes 'fit' and 'of' (found {', '.join(given)})")
    elif claim.kind not in get_args(CellKind):
        known = ", ".join([*get_args(CellKind), *FIT_KINDS])
        return [f"{where}.kind: there is no kind {claim.kind!r}; there is {known}"]
    elif not isinstance(claim.published, str):
        faults.append(f"{where}.published: one number as printed, in quotes")
    elif claim.missing is None:
        faults += _argument_faults(claim, given, claims)
    elif given:
        faults.append(f"{where}: either 'missing' or cells ({', '.join(given)}), not both")
    return faults + _aside_faults(claim, claims) + _number_faults(claim, claims.document.language)


def _argument_faults(claim: Claim, given: list[str], claims: Claims) -> list[str]:
    where, wanted = f"claims.{claim.id}", list(ARGUMENTS[claim.kind])
    if claim.kind == "rank" and claim.by != "value":
        wanted += ["base", "among_base"]
    faults = []
    if set(given) != set(wanted):
        kind, more = f"kind {claim.kind!r}", ""
        if claim.kind == "rank":
            kind, more = (
                f"kind 'rank' by {claim.by!r}",
                "; by 'difference' or 'growth' it takes base and among_base too",
            )
        faults.append(f"{where}: {kind} takes {', '.join(wanted)} (found {', '.join(given) or 'none'}){more}")
    if claim.fit is not None:
        faults.append(f"{where}.fit: kind {claim.kind!r} rests on cells and not on a fit")
    for name in given:
        faults += [f"{where}.{name}: {fault}" for a in getattr(claim, name) if (fault := _address_fault(a, claims))]
    return faults


def _address_fault(address: str, claims: Claims) -> str:
    parts = [part.strip() for part in address.split(" | ")]
    if len(parts) != 3 or not all(parts):
        return f"a cell is written 'table | row | column' (found {address!r})"
    if parts[0] not in claims.tables:
        return f"there is no table {parts[0]!r}; there is {', '.join(claims.tables)}"
    return ""


def _aside_faults(claim: Claim, claims: Claims) -> list[str]:
    where, wanted = f"claims.{claim.id}.aside", list(ARGUMENTS.get(claim.kind, ()))
    if not claim.aside:
        return []
    if sorted(claim.aside) != sorted(wanted) or claim.kind == "rank":
        return [f"{where}: kind {claim.kind!r} takes {', '.join(wanted)} (found {', '.join(claim.aside)})"]
    ids = [known.id for known in claims.claims if isinstance(known.published, str)]
    faults = []
    for name, entries in claim.aside.items():
        for entry in entries:
            fault = _address_fault(entry, claims) if " | " in entry else ""
            if " | " not in entry and entry not in ids:
                fault = f"there is no claim {entry!r}"
            faults += [f"{where}.{name}: {fault}"] if fault else []
    return faults


def _number_faults(claim: Claim, language: PrintLanguage) -> list[str]:
    numbers = [claim.published] if isinstance(claim.published, str) else list(claim.published.values())
    faults = []
    for text in numbers:
        try:
            read_printed(text, language=language, precision=claim.precision)
        except SpecificationError as error:
            faults.append(f"claims.{claim.id}.published: {error}")
    return faults


def _table_faults(key: str, spec: TableSpec) -> list[str]:
    given = [name for name in ("path", "dataset", "cells") if getattr(spec, name) is not None]
    faults = []
    if len(given) != 1:
        faults.append(f"tables.{key}: exactly one of path, dataset and cells (found {', '.join(given) or 'none'})")
    if (spec.columns is None) != (spec.values is None):
        faults.append(f"tables.{key}: columns and values go together, for a long table")
    if spec.path is not None and (Path(spec.path).is_absolute() or ".." in Path(spec.path).parts):
        faults.append(f"tables.{key}.path: a file in or below the folder of this one (found {spec.path!r})")
    if " | " in key:
        faults.append(f"tables.{key}: a name without ' | ', which separates the parts of a cell")
    return faults

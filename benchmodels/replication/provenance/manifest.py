"""The manifest of a result, read back and checked, and findings about results in words."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from benchmodels.errors import DataError
from benchmodels.replication.provenance.folder import FORMAT, MANIFEST, TOOL

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Finding", "Manifest", "Record", "as_frame", "hash_file", "read_manifest", "short"]

_LARGEST = 20_000_000
_SHOWN = 60


def _inside(name: str) -> str:
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or "\0" in name or "\\" in name or not place.parts or ":" in name:
        raise PydanticCustomError("outside", "must name a file inside the folder")
    return name


def _moment(text: str) -> str:
    # To the letter: the day is looked for on the page, and must not be any other word of it.
    try:
        usual = datetime.fromisoformat(text).isoformat(timespec="seconds")
    except ValueError:
        usual = ""
    if text not in ("", usual):
        raise PydanticCustomError("moment", "must be a date and time such as 2026-11-22T10:30:00+00:00")
    return text


Text = Annotated[str, StringConstraints(max_length=100_000)]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Inside = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_inside)]
Moment = Annotated[str, StringConstraints(max_length=40), AfterValidator(_moment)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# SeedSequence takes any, but no one means a seed of a thousand digits.
Seed = Annotated[int, Field(ge=0, lt=2**128)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Options(_Part):
    lang: Literal["da", "en"]
    rng: Seed
    command: Text = ""


class _Output(_Part):
    danish_csv: bool


class Input(_Part):
    """What a manifest says of the data of one study."""

    name: Words
    sha256: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    rows: Annotated[int, Field(ge=0)]
    simulated: bool = False
    kind: Literal["dataset", "file", "memory"] | None = None
    source: Text = ""
    licence: Text = ""
    rounded_sha256: Hash | None = None
    place: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None


class Record(_Part):
    """What a manifest says of one study: the question as asked, its data, and what was told of the answer."""

    study: dict[str, Any]
    study_sha256: Hash | None = None
    data: Input
    model: Text = ""
    rows_read: int | None = None
    rows_dropped: int | None = None
    noise: Text = ""
    parts_exact: bool | None = None
    certificate: Text = ""
    frontier: dict[str, Any] = Field(default_factory=dict)
    reference: Text = ""
    rng: Text = ""
    notes: list[Text] = Field(default_factory=list)

    @property
    def id(self) -> str:
        """File name of the study; '' where the record does not say."""
        heading = self.study.get("study")
        found = heading.get("id") if isinstance(heading, dict) else None
        return found if isinstance(found, str) else ""


class Content(_Part):
    """What a manifest says; keys that are not named here are for readers alone."""

    tool: str
    format: int = 1
    created: Moment = ""
    versions: dict[Words, Text]
    platform: dict[Words, Text] | None = None
    options: _Options
    output: _Output | None = None
    tolerance: dict[Words, dict[Words, float]] | None = None
    studies: list[Record] = Field(min_length=1, max_length=1000)
    files: dict[Inside, Hash]


@dataclass(frozen=True, eq=False, kw_only=True)
class Manifest:
    """A manifest and the folder that it lies in.

    Parameters
    ----------
    folder : Path
    content : Content
    """

    folder: Path
    content: Content

    @property
    def danish_csv(self) -> bool:
        """Whether tables were also written the Danish way; of the first format seen from the files."""
        if self.content.output is not None:
            return self.content.output.danish_csv
        return any(name.endswith(".da.csv") for name in self.content.files)

    @property
    def tables(self) -> list[str]:
        """Names of the tables, in order."""
        return sorted(name for name in self.content.files if name.endswith(".csv"))

    def file(self, name: str) -> Path | None:
        """Return a file of the result; None where there is none, or a link leads out of the folder."""
        place = self.folder / name
        if not os.path.isfile(place):
            return None
        real, folder = os.path.realpath(place), os.path.realpath(self.folder)
        return place if Path(real).is_relative_to(folder) else None

    @property
    def lacking(self) -> list[str]:
        """Keys of its own format that it does not have; none for the first format, which had fewer."""
        if self.content.format == 1:
            return []
        whole = [key for key in ("platform", "output", "tolerance") if getattr(self.content, key) is None]
        records = self.content.studies
        return whole + [
            f"{key} of {record.id}"
            for record in records
            for key, value in (("study_sha256", record.study_sha256), ("data.kind", record.data.kind))
            if value is None
        ]

    def study_of(self, table: str) -> str:
        """Return the id of the study that a table belongs to; '' where there is none."""
        stem = table.removesuffix(".csv").removesuffix(".da")
        ids = sorted((record.id for record in self.content.studies if record.id), key=len, reverse=True)
        return next((name for name in ids if stem == name or stem.startswith(f"{name}-")), "")


def read_manifest(place: str | Path) -> Manifest:
    """Read the manifest of a result.

    Parameters
    ----------
    place : str or Path
        The folder of the result, or its manifest.json.

    Raises
    ------
    DataError
        There is none, it is not of this package or of a later format, or it is damaged: every fault is told.
    """
    path = Path(place)
    path = path / MANIFEST if path.is_dir() else path
    if path.name != MANIFEST or not path.is_file():
        raise DataError(f"{place}: no result of benchmodels: there is no {MANIFEST}; give the folder that holds it")
    table = _parsed(path)
    found = table.get("tool")
    if found != TOOL:
        raise DataError(f"{path}: not the manifest of a result of {TOOL} (tool: {short(found)})")
    known = table.get("format", 1)
    if known not in range(1, FORMAT + 1) or isinstance(known, bool):
        raise DataError(
            f"{path}: a manifest of format {short(known)}; this version of {TOOL} reads 1 to {FORMAT}: take a later one"
        )
    if "audits" in table:
        asked = table.get("options")
        command = asked.get("command") if isinstance(asked, dict) else None
        raise DataError(f"{path}: an audit of published numbers; it is not verified but done again: {short(command)}")
    try:
        content = Content.model_validate(table)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)]
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise DataError(f"{path}: the manifest is damaged: {'; '.join(map(_line, faults[:3]))}{more}") from error
    ids = [record.id for record in content.studies]
    if len(set(ids)) < len(ids):
        raise DataError(f"{path}: the manifest is damaged: studies: two have one id ({', '.join(map(short, ids))})")
    return Manifest(folder=path.parent, content=content)


def _parsed(path: Path) -> dict[str, Any]:
    def refuse(token: str) -> float:
        raise ValueError(f"{token} is no number")

    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path}: {path.stat().st_size} bytes are no manifest; at most {_LARGEST} are read")
        table = json.loads(path.read_bytes().decode("utf-8"), parse_constant=refuse)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the manifest is damaged: not UTF-8 at byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: the manifest is damaged: {_line(str(error))}") from error
    if not isinstance(table, dict):
        raise DataError(f"{path}: the manifest is damaged: {type(table).__name__} in place of named parts")
    return table


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    DataError
        It cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error.strerror or error})") from error


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing found out about a result, or about two.

    Parameters
    ----------
    about : str
        'files', 'package', 'libraries', 'platform', 'data', 'study', 'options', 'run', 'tables', 'page', 'pictures',
        'manifest', 'uncompared' or 'why'.
    where : str
        File, key, or id of the study.
    text : str
        One line.
    column, unit : str
        Of a table, where it is about one.
    recorded, found : str
        The two values, where there are two.
    fault : bool
        Whether the result does not stand because of it, or the two differ.
    """

    about: str
    where: str
    text: str
    column: str = ""
    unit: str = ""
    recorded: str = ""
    found: str = ""
    fault: bool = field(default=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the parts by name."""
        return asdict(self)


def as_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """Return one row per finding."""
    columns = list(Finding.__dataclass_fields__)
    return pd.DataFrame([finding.to_dict() for finding in findings], columns=columns)


def short(value: object) -> str:
    """Return a value of a manifest for one line, cut where it is long."""
    text = _line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _line(text: str) -> str:
    """Return a text on one line, without what a terminal would obey or cannot show."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))

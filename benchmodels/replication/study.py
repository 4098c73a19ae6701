"""A study as a specification: one TOML file with the question, its table, and how to put it in words.

The file is read with the standard library, checked as a whole and refused with every fault at once, so that
a study is corrected in one round and not in ten.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, PrivateAttr, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from benchmodels.errors import SpecificationError
from benchmodels.kernels.families import FamilyName, Link
from benchmodels.reference import Method
from benchmodels.replication.faults import COUNTS, SHARES, cross_faults, named
from benchmodels.replication.section import Development, Growth, Name
from benchmodels.replication.section import Section as _Section
from benchmodels.roles import Missing

__all__ = ["Language", "Study", "Texts", "more_studies", "parse_study", "read_study", "shipped_studies"]

Language = Literal["da", "en"]
Scalar = str | int | float | bool


def _none_or_many(replicates: int) -> int:
    if replicates and replicates < 100:
        raise PydanticCustomError("too_few", "must be 0 for none, or 100 or more")
    return replicates


Replicates = Annotated[int, Field(ge=0), AfterValidator(_none_or_many)]

_FOLDER = Path(__file__).parent / "studies"
_SHIPPED = ("special-education", "school-absence", "sheltered-housing")
_MORE = (
    *("absence-level", "absence-high", "absence-onset", "absence-duration"),
    *("special-education-steering", "special-education-entry"),
)


class Heading(_Section):
    """What the study is called on disk."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] = Field(
        description="File name of the study: small letters a-z, digits and hyphens."
    )


class Aggregate(_Section):
    """Rows summed before the model sees them."""

    by: list[Name] = Field(min_length=1, description="One row is kept for each combination of these columns.")
    sum: list[Name] = Field(min_length=1, description="Columns that are summed; all others must be constant.")


class Courses(_Section):
    """One row per pupil and month made one row per pupil, before rows are kept and summed.

    Columns of the new table: the unit, the pupil, the year, the columns that are kept, days under their own names, and
    as 0 or 1 `pupils` (always 1), `high`, `sudden`, `gradual`, `from_the_start`, `onset_told`, `onset_untold`,
    `transient`, `permanent`, `duration_told`, `duration_untold`.
    """

    pupil: Name = Field(description="Column that names the pupil.")
    month: Name = Field(description="Column of months.")
    absent: Name = Field(description="Column of days or lessons absent.")
    possible: Name = Field(description="Column of days or lessons possible, in the same unit of measure.")
    year: Name | None = Field(None, description="Column of school years; each is told by itself.")
    months: list[str | int] = Field(
        default_factory=list, description="Months in their order; not needed where they are written as 2023-08."
    )
    threshold: float = Field(0.10, gt=0, lt=1, description="Share of what is possible that high absence is above.")
    window: int = Field(3, ge=2, le=6, description="Months that absence is taken over before it rose and at the end.")
    keep: list[Name] = Field(default_factory=list, description="Columns of the pupil's own, the same in every month.")

    def columns(self) -> list[str]:
        """Return the columns of the table of months that are named, beside the unit."""
        return [*filter(None, (self.pupil, self.month, self.absent, self.possible, self.year)), *self.keep]


class Data(_Section):
    """The table: a bundled data set or a file."""

    dataset: Name | None = Field(None, description="Name of a bundled data set, such as 'denmark.school_absence'.")
    path: Name | None = Field(None, description="CSV, XLSX or Parquet file, relative to the study file.")
    sep: Literal[",", ";", "\t", "|"] | None = Field(None, description="Column separator of a CSV file; else found.")
    decimal: Literal[".", ","] | None = Field(
        None, description="Decimal mark of a CSV file; else ',' where the separator is ';' and '.' otherwise."
    )
    encoding: Name = Field("utf-8-sig", description="Encoding of a CSV file; UTF-8 with or without mark by default.")
    sheet: Name | None = Field(None, description="Sheet of an XLSX file; else the first.")
    courses: Courses | None = Field(None, description="Courses of absence told from pupils' months, before all else.")
    filter: dict[str, Scalar | list[Scalar]] = Field(
        default_factory=dict, description="Rows kept: column = value, or a list of values."
    )
    aggregate: Aggregate | None = Field(None, description="Rows summed before the model sees them.")


class Roles(_Section):
    """Which column plays which part; all but unit are optional."""

    unit: Name = Field(description="Column that names the unit.")
    trials: Name | None = Field(None, description="Number of cases behind a count of events.")
    exposure: Name | None = Field(None, description="Time or volume, as given.")
    offset: Name | None = Field(None, description="Known term on the link scale.")
    frequency: Name | None = Field(None, description="The row stands for so many equal cases.")
    sampling_weights: Name | None = Field(None, description="Design weights of a survey.")
    period: Name | None = Field(None, description="Year, half-year or month.")
    cluster: Name | None = Field(None, description="School or person within the unit.")
    choice: list[Name] = Field(
        default_factory=list,
        description="What the unit chooses itself: never in the expected value, held against differences afterwards.",
    )

    def columns(self) -> list[str]:
        """Return the columns that are named by a role, once each."""
        single = [
            self.unit,
            self.trials,
            self.exposure,
            self.offset,
            self.frequency,
            self.sampling_weights,
            self.period,
            self.cluster,
        ]
        return list(dict.fromkeys([name for name in single if name] + self.choice))


class Model(_Section):
    """How the expected value is found."""

    kind: Literal["pooled", "fixed-effects", "random-effects", "random-effects-within"] = Field(
        description="Coefficients over all rows; within units; over all rows or within units with units as a sample."
    )
    formula: Annotated[str, StringConstraints(pattern=r"~")] = Field(description="outcome ~ composition.")
    family: FamilyName = Field(description="Family of the outcome.")
    link: Link | None = Field(None, description="Link, where it is not the family's first.")
    missing: Missing = Field("raise", description="What to do with rows with missing values.")


class Asked(_Section):
    """What is compared, and in which unit of measure it is told."""

    contrast: Literal["difference", "ratio"] = Field(description="The main figure: difference, or ratio.")
    standard: Literal["indirect", "direct"] = Field("indirect", description="Standard of the main figure.")
    reference: Literal["others", "all"] = Field("others", description="Whose practice is the average.")
    level: float = Field(0.95, gt=0.5, lt=1.0, description="Level of the intervals.")
    better: Literal["low", "high"] | None = Field(None, description="Which direction is better, where one is.")
    rank: bool = Field(True, description="Give ranks with their uncertainty.")
    scale: float = Field(1.0, gt=0, description="Rates are told times this: 100 for per cent.")
    decimals: int = Field(1, ge=0, le=6, description="Decimals of rates and differences.")
    limits: Method = Field("tau", description="Reference distribution: beyond which limits a unit is unusual.")
    winsorise: float = Field(0.0, ge=0, lt=0.5, description="Quantile at which z-scores are pulled in for its spread.")
    truncate: float = Field(0.0, ge=0, lt=0.5, description="Share left out at each end for its spread.")


class Disclosure(_Section):
    """Which units are kept back because they would tell of few people, with all of this study that tells of them.

    Studies that read the same table and are run together leave out the same rows. Tables run elsewhere (regions, age
    groups, outcomes that add up, lower thresholds) may still give units away.
    """

    threshold: int = Field(
        ge=2, description="The smallest count that may be told, or number of people behind a cost; 5 and 20 are in use."
    )
    zeros: bool = Field(False, description="Counts: keep none and all back too.")
    percent: float = Field(
        10.0, gt=0, description="Costs: how close (per cent) the second largest may come to knowing the largest."
    )


class Frontier(_Section):
    """Best practice: what the best comparable units would need, or make.

    Goods are summed over the rows of a unit that are left by the filter, before any other sums: a figure that is
    repeated on several rows would count several times. Conditions are averaged by size.
    """

    inputs: list[Name] = Field(min_length=1, description="Columns of what is used.")
    outputs: list[Name] = Field(min_length=1, description="Columns of what is made.")
    outputs_by: Name | None = Field(None, description="Column by whose levels each output is split, such as service.")
    returns: Literal["crs", "vrs", "drs", "irs"] = Field(
        description="Returns to scale: constant, variable, not increasing, not decreasing."
    )
    orientation: Literal["input", "output"] = Field(
        "input", description="Whether less is to be used, or more to be made."
    )
    composition: list[Name] = Field(default_factory=list, description="Columns that comparable units are alike in.")
    nearest: int | None = Field(None, ge=2, description="How many units, itself among them, a unit is held against.")
    environment: dict[str, Literal["high", "low", "same"]] = Field(
        default_factory=dict,
        description="Conditions, and whether 'high' or 'low' is favourable: peers are no better placed, or the 'same'.",
    )

    per_period: bool = Field(
        False, description="Goods are told per period (roles.period) that a unit has, and not as sums over all of them."
    )
    replicates: Replicates = Field(
        0, description="Frontiers that are drawn for the uncertainty of best practice, 100 or more; 0 for none."
    )

    def conditions(self) -> list[str]:
        """Return the columns of what a unit is given, once each."""
        return list(dict.fromkeys([*self.composition, *self.environment]))

    def columns(self) -> list[str]:
        """Return every column that is named, once each."""
        by = [self.outputs_by] if self.outputs_by else []
        return list(dict.fromkeys([*self.inputs, *self.outputs, *by, *self.conditions()]))


class Words(_Section):
    """What a unit is called, where it is not a municipality."""

    one: Name = Field(description="'municipality'")
    the_one: Name = Field(description="'the municipality'")
    many: Name = Field(description="'municipalities'")
    the_many: Name = Field(description="'the municipalities'")
    everyone: Name = Field(description="'the whole country'")


class Goods(_Section):
    """What is used and what is made, as they stand in a sentence about best practice."""

    inputs: Name = Field(description="'the cost'; where outputs are to rise, 'no more cost'.")
    outputs: Name = Field(description="'at least as many persons'; where outputs are to rise, 'the persons'.")


class Texts(_Section):
    """The study in one language."""

    title: Name = Field(description="Heading.")
    question: Name = Field(description="The question, as an officer would put it.")
    outcome: Name = Field(description="What is counted, in a sentence or two.")
    size: Name = Field(description="What the size counts: 'pupils'.")
    rate: Name = Field(description="Unit of measure of a level: '%' or 'DKK per inhabitant'.")
    measure: Name = Field(description="Unit of measure of a difference: 'percentage points'.")
    terms: dict[str, Name] = Field(
        default_factory=dict, description="Label of each term of the formula, column, or level that splits outputs."
    )
    caveats: list[Name] = Field(min_length=1, description="What the figures do not show.")
    sources: list[Name] = Field(default_factory=list, description="Where the table comes from.")
    words: Words | None = Field(None, description="What a unit is called; a municipality by default.")
    frontier: Goods | None = Field(None, description="Goods in a sentence, where the study has a frontier.")
    development: Growth | None = Field(None, description="People and money in a sentence about development.")


class Study(_Section):
    """A question, the table it is asked of, and its words in Danish, English or both.

    Examples
    --------
    >>> study = read_study(shipped_studies()["special-education"])
    >>> study.model.kind, study.roles.unit
    ('fixed-effects', 'municipality')
    """

    study: Heading
    data: Data
    roles: Roles
    model: Model
    comparison: Asked
    disclosure: Disclosure | None = Field(None, description="Which small counts are kept back; none by default.")
    frontier: Frontier | None = Field(None, description="Best practice beside the average; none by default.")
    development: Development | None = Field(None, description="What growth consists of; none by default.")
    texts: dict[Language, Texts] = Field(min_length=1)
    _folder: Path = PrivateAttr(default_factory=Path)

    @property
    def id(self) -> str:
        """File name of the study."""
        return self.study.id

    @property
    def counted(self) -> bool:
        """Whether the outcome is a count of cases, and not an amount or a share."""
        return self.model.family in COUNTS

    @property
    def bounded(self) -> bool:
        """Whether the outcome is a count out of so many cases."""
        return self.model.family in SHARES

    @property
    def data_file(self) -> Path | None:
        """The study's own file of data, found from where the study file lies."""
        return None if self.data.path is None else self._folder / self.data.path

    def words(self, lang: Language) -> Texts:
        """Return the texts in a language.

        Raises
        ------
        SpecificationError
            The study has no texts in this language.
        """
        if lang not in self.texts:
            raise SpecificationError(
                f"study {self.id!r} has no texts in {lang!r}; it has {named(self.texts)}. Add a [texts.{lang}] section"
            )
        return self.texts[lang]


def shipped_studies() -> dict[str, Path]:
    """Return the three studies of the demonstration: id and file."""
    return {name: _FOLDER / f"{name}.toml" for name in _SHIPPED}


def more_studies() -> dict[str, Path]:
    """Return the other studies that come with the package: id and file.

    Courses of absence from pupils' months, start in special provision in grade 0, and special education with what
    municipalities choose; on simulated tables, and on others of the same columns.
    """
    return {name: _FOLDER / f"{name}.toml" for name in _MORE}


def read_study(path: str | Path) -> Study:
    """Read and check a study file.

    Parameters
    ----------
    path : str or Path
        A TOML file, UTF-8.

    Returns
    -------
    Study

    Raises
    ------
    SpecificationError
        The file is missing, is not TOML, or does not say what a study must say; every fault is listed.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SpecificationError(f"study file {path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise SpecificationError(f"study file {path}: not UTF-8 at byte {error.start}") from error
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits, or brackets without end
        raise SpecificationError(f"study file {path}: not valid TOML: {error}") from error
    return parse_study(table, name=str(path), folder=path.parent)


def parse_study(table: dict[str, Any], *, name: str = "study", folder: Path | None = None) -> Study:
    """Check a study given as nested dictionaries.

    Parameters
    ----------
    table : dict
        The sections as read from TOML.
    name : str
        What the study is called in the error message.
    folder : Path, optional
        Folder that a relative ``data.path`` starts from; the current one by default.

    Raises
    ------
    SpecificationError
        All faults at once, one a line, each with the path of its key.
    """
    faults = cross_faults(table)
    study = None
    try:
        study = Study.model_validate(table)
    except ValidationError as error:
        faults += [_fault(dict(item)) for item in error.errors(include_url=False)]
    if faults or study is None:
        faults = sorted(set(faults))
        head = f"{name}: {len(faults)} {'fault' if len(faults) == 1 else 'faults'}"
        raise SpecificationError("\n  ".join([head, *faults]))
    study._folder = folder or Path()
    return study


def _fault(item: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in item["loc"] if part != "[key]") or "study"
    kind, found, context = item["type"], item.get("input"), item.get("ctx", {})
    if kind == "missing":
        return f"{where}: is missing"
    if kind == "extra_forbidden":
        return f"{where}: unknown key{_nearest(item['loc'])}"
    if kind == "literal_error":
        return f"{where}: must be one of {context['expected'].replace(' or ', ', ')} (found {found!r})"
    if kind == "string_pattern_mismatch":
        wanted = "'outcome ~ terms'" if where == "model.formula" else "small letters a-z, digits and hyphens"
        return f"{where}: must be written as {wanted} (found {found!r})"
    message = str(item["msg"])
    message = message.replace("Input should", "must").replace("List should", "must").replace("String should", "must")
    shown = "" if isinstance(found, dict | list) else f" (found {found!r})"
    return f"{where}: {message[:1].lower()}{message[1:]}{shown}"


def _nearest(loc: tuple[str | int, ...]) -> str:
    section = _section(loc[:-1])
    if section is None:
        return ""
    allowed = list(section.model_fields)
    near = difflib.get_close_matches(str(loc[-1]), allowed, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (allowed: {', '.join(allowed)})"


def _section(loc: tuple[str | int, ...]) -> type[_Section] | None:
    """Find the model that a path of keys leads to."""
    section: type[_Section] | None = Study
    for part in loc:
        if section is None:
            # Inside `texts`, the language stands between the field and its model.
            section = Texts
            continue
        annotation = section.model_fields[str(part)].annotation if str(part) in section.model_fields else None
        options = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
        section = next((o for o in options if isinstance(o, type) and issubclass(o, _Section)), None)
    return section

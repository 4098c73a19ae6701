"""Every specification of a multiverse, fitted and compared by the engine that serves a single one."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.design import read_design
from benchmodels.errors import BenchmodelsError, DataError, PartialResultWarning, SpecificationError
from benchmodels.formula import read_formula
from benchmodels.multiverse.found import VERDICTS, MultiverseResult, Status
from benchmodels.parallel import map_blocks
from benchmodels.ranking import rank
from benchmodels.table import listed, read_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.comparison import Comparison
    from benchmodels.multiverse.specifications import AverageModel, Multiverse, Specification

    Floats = NDArray[np.float64]

__all__ = ["run"]

_VALUES = ("estimate", "lower", "upper", "rank", "rank_lower", "rank_upper")


@dataclass(frozen=True, eq=False)
class _Prepared:
    """The table as all specifications read it, and the roles that its rows have come to play."""

    frame: pd.DataFrame
    roles: dict[str, Any]

    def of(self, specification: Specification) -> tuple[AverageModel, pd.DataFrame]:
        """Return model and rows of one specification."""
        model = specification.model
        assert model is not None
        roles = dict(self.roles)
        if roles:
            of_trials = model.family == "binomial"
            roles = {"frequency": None, ("trials" if of_trials else "exposure"): roles["size"]}
        frame = self.frame
        if specification.periods:
            frame = frame[frame[model.period].isin(specification.periods)]
        return replace(model, **roles), frame


@dataclass(frozen=True, eq=False)
class _Done:
    """What one specification gave: values of k units, or the reason why not."""

    status: Status
    reason: str = ""
    rank_reason: str = ""
    null: float = float("nan")
    verdict: NDArray[np.int8] | None = None
    values: dict[str, Floats] = field(default_factory=dict)


def run(
    multiverse: Multiverse, data: object, *, workers: int, progress: Callable[[int], None] | None
) -> MultiverseResult:
    """Do what `Multiverse.run` documents."""
    specifications = multiverse.specifications()
    design = read_design(multiverse.full_formula(), multiverse.main, data)
    prepared = _prepared(multiverse, data)
    _check_periods(multiverse, prepared.frame)
    defined = sorted((s for s in specifications if s.model is not None), key=lambda s: not s.main)
    place = {label: i for i, label in enumerate(design.units)}

    def work(_: int, generator: np.random.Generator) -> _Done:
        # One specification a block; which one is the last number of its generator's key.
        key = generator.bit_generator.seed_seq.spawn_key  # type: ignore[attr-defined]
        return _one(multiverse, prepared, defined[key[-1]], place)

    with warnings.catch_warnings():
        # Of single specifications nothing is told but in the result; an interrupt is.
        interrupted = r"interrupted with \d+ of"
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", message=interrupted)
        done = map_blocks(work, len(defined), block=1, rng=0, workers=workers, least=1, progress=progress)
    answers = {s.number: answer for s, answer in zip(defined, done, strict=False)}
    for s in specifications:
        lost = _Done("not estimable", s.reason) if s.model is None else _Done("not run", "interrupted before its turn")
        answers.setdefault(s.number, lost)
    found = _result(multiverse, specifications, [answers[s.number] for s in specifications], design)
    _tell(found)
    return found


def _result(
    multiverse: Multiverse, specifications: tuple[Specification, ...], answers: list[_Done], design: Any
) -> MultiverseResult:
    k = len(design.units)
    nothing = np.full(k, np.nan)
    values = {name: np.stack([a.values.get(name, nothing) for a in answers]) for name in _VALUES}
    withheld = np.full(k, VERDICTS.index("withheld"), dtype=np.int8)
    return MultiverseResult(
        choices=multiverse.choices,
        specifications=specifications,
        unit=design.units,
        status=tuple(a.status for a in answers),
        reason=tuple(a.reason for a in answers),
        rank_reason=tuple(a.rank_reason for a in answers),
        null=np.array([a.null for a in answers]),
        verdict=np.stack([withheld if a.verdict is None else a.verdict for a in answers]),
        **values,
        main=next(s.number for s in specifications if s.main),
        standard=multiverse.standard,
        contrast=multiverse.contrast,
        reference=multiverse.reference,
        level=multiverse.level,
        better=multiverse.better,
        rows_read=design.rows_read,
        source=design.source,
        simulated=design.simulated,
    )


def _tell(found: MultiverseResult) -> None:
    """Raise where nothing was estimated; warn of specifications that were not, with a reason."""
    lost = [i for i, status in enumerate(found.status) if status in ("not estimable", "failed")]
    if not any(status == "estimated" for status in found.status):
        n, why = len(found.status), found.reason[found.main]
        if n == 1:
            raise DataError(f"the one specification cannot be estimated: {why}")
        raise DataError(f"none of the {n} specifications can be estimated; of the main one: {why}")
    if lost:
        shown = found.main if found.main in lost else lost[0]
        which = "the main one" if shown == found.main else f"number {shown}"
        warnings.warn(
            f"{len(lost)} of {len(found.status)} specifications cannot be estimated and have no values; of {which}: "
            f"{found.reason[shown]}. All reasons: result.by_specification()",
            PartialResultWarning,
            stacklevel=4,
        )


def _one(multiverse: Multiverse, prepared: _Prepared, specification: Specification, place: dict[object, int]) -> _Done:
    """Fit, compare and rank under one specification."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model, frame = prepared.of(specification)
            comparison = model.fit(frame).compare(
                standard=multiverse.standard,
                contrast=multiverse.contrast,
                reference=multiverse.reference,
                level=multiverse.level,
                better=multiverse.better,
            )
        except (SpecificationError, DataError) as error:
            return _Done("not estimable", str(error))
        except (BenchmodelsError, np.linalg.LinAlgError, ArithmeticError) as error:
            return _Done("failed", str(error) or type(error).__name__)
        return _kept(comparison, place, level=multiverse.level, draws=multiverse.draws)


def _kept(comparison: Comparison, place: dict[object, int], *, level: float, draws: int) -> _Done:
    """Keep of a comparison what the multiverse is about, by the units of the whole table."""
    rows = np.array([place[label] for label in comparison.unit])
    values = {name: np.full(len(place), np.nan) for name in _VALUES}
    for name in ("estimate", "lower", "upper"):
        values[name][rows] = getattr(comparison, name)
    reason = ""
    try:
        ranking = rank(comparison, level=level, draws=draws, rng=0)
        for name in ("rank", "lower", "upper"):
            values["rank" if name == "rank" else f"rank_{name}"][rows] = getattr(ranking, name)
    except BenchmodelsError as error:
        reason = str(error)
    verdict = np.full(len(place), VERDICTS.index("withheld"), dtype=np.int8)
    verdict[rows] = [VERDICTS.index(v) for v in comparison.different]
    return _Done("estimated", "", reason, float(comparison.null), verdict, values)


def _prepared(multiverse: Multiverse, data: object) -> _Prepared:
    """Read the table once, and sum rows that no specification tells apart."""
    main, formula = multiverse.main, multiverse.full_formula()
    outcome, right, variables = read_formula(formula)
    wanted = [outcome, *main.played().values(), *variables]
    table = read_table(data, wanted, why="the formula and the roles")
    frame = table.frame
    counts = all(family in ("binomial", "poisson") for family, _ in multiverse.families)
    by_columns = re.search(r"\w\s*\(", re.sub(r"\bC\s*\(", "", right)) is None
    complete = not frame.isna().any(axis=None)
    if not (counts and by_columns and complete and main.sampling_weights is None):
        return _Prepared(frame, {})
    size = main.trials or main.exposure
    cases = frame[main.frequency] if main.frequency else pd.Series(1.0, index=frame.index)
    each = frame[size] if size else pd.Series(1.0, index=frame.index)
    keys = list(dict.fromkeys([n for n in (main.unit, main.period, main.cluster, main.offset) if n] + list(variables)))
    if size in keys:
        # The exposure is a covariate too: it must stay what it is in a row.
        return _Prepared(frame, {})
    name = size or _free_name(f"{outcome} cases", wanted)
    sums = frame[keys].assign(**{outcome: frame[outcome] * cases, name: each * cases})
    coded = {n: _as_category(sums[n]) for n in keys}
    gathered = sums.assign(**coded).groupby(keys, observed=True, sort=False, as_index=False)[[outcome, name]].sum()
    return _Prepared(gathered, {"size": name})


def _as_category(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return text as categories in sorted order, as a formula would code it: read in a fraction of the time."""
    if column.dtype == object and set(map(type, column.unique())) == {str}:
        return pd.Series(pd.Categorical(column, categories=sorted(column.unique())), index=column.index)
    return column


def _free_name(name: str, taken: list[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _check_periods(multiverse: Multiverse, frame: pd.DataFrame) -> None:
    asked = {value for periods in multiverse.periods for value in periods}
    if not asked:
        return
    there = frame[multiverse.main.period].unique().tolist()
    unknown = sorted(repr(value) for value in asked if value not in there)
    if unknown:
        raise DataError(
            f"periods asks for {', '.join(unknown)}, which {multiverse.main.period!r} does not hold; it has "
            f"{listed(sorted(there))}"
        )

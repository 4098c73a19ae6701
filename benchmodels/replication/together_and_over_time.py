"""Municipalities over the years and together with their neighbours: a page and its tables."""

from __future__ import annotations

import datetime
import math
import tomllib
import warnings
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmodels.errors import BenchmodelsWarning, SpecificationError
from benchmodels.frontier import Malmquist, MergerGains
from benchmodels.replication.chapters import words_of_units
from benchmodels.replication.provenance.folder import package_version, staged, write_csv, write_manifest
from benchmodels.report.chapter import Labels
from benchmodels.report.together_over_time import TogetherChapter, render_together_over_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmodels.replication.study import Language

__all__ = ["run_together_and_over_time", "together_of"]


def together_of(
    table: pd.DataFrame,
    labels: Labels,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    unit: str,
    period: str,
    neighbours: Mapping[Any, Sequence[Any]],
    replicates: int = 1000,
    rng: int = 0,
) -> TogetherChapter:
    """Return what a page tells of units over time and together, without writing anything.

    Parameters
    ----------
    table : DataFrame
        One row a unit and period.
    labels : Labels
        Words of the page; ``terms`` by the names of the goods.
    inputs, outputs : sequence of str
        Columns of what is used and made, totals. Changes are by constant returns; mergers, by variable ones, of each
        unit's mean over the periods.
    unit, period : str
    neighbours : mapping of label to labels
        As `benchmodels.datasets.municipality_neighbours` has them.
    replicates : int, default 1000
        Of each of the three bootstraps.
    rng : int

    Raises
    ------
    SpecificationError, DataError
        As the table gives cause to.
    """
    goods: dict[str, Any] = {"inputs": list(inputs), "outputs": list(outputs), "unit": unit}
    periods = sorted(table[period].unique().tolist())
    ends = table[table[period].isin([periods[0], periods[-1]])]
    mean = table.groupby(unit, as_index=False)[[*inputs, *outputs]].mean()
    for some in (ends, mean):
        some.attrs = dict(table.attrs)
    model = Malmquist(**goods, period=period)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", BenchmodelsWarning)
        fit = model.fit(table)
        # Of the two kinds of bootstrap the one whose intervals held more often where the truth was known.
        drawn = fit.bootstrap(replicates=replicates, kind="subsample", rng=rng)
        direct = model.fit(ends).bootstrap(replicates=replicates, kind="subsample", rng=rng)
        gains = MergerGains(**goods).fit(mean).pairs(among=neighbours)
        mergers = gains.bootstrap(replicates=replicates, rng=rng)
    notes = [str(each.message) for each in caught if issubclass(each.category, BenchmodelsWarning)]
    return TogetherChapter(
        labels=labels, fit=fit, drawn=drawn, direct=direct, mergers=mergers, notes=tuple(dict.fromkeys(notes))
    )


def run_together_and_over_time(
    *, out: str | Path, lang: Language = "da", replicates: int = 1000, rng: int = 0, danish_csv: bool = False
) -> Path:
    """Follow simulated municipalities over five years, put neighbours together, and write one folder.

    Parameters
    ----------
    out : str or Path
        Folder for index.html, tables and manifest.json; new, empty, or holding an earlier result, which is replaced in
        one move.
    lang : {'da', 'en'}
    replicates : int, default 1000
    rng : int
    danish_csv : bool
        Also write each table with ``;`` and decimal comma.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    SpecificationError
        A language that there is not; too few replicates.
    DataError
        `out` holds files of others.
    """
    from pathlib import Path

    from benchmodels.datasets import SIMULATED_NOTICE, municipality_neighbours

    asked = _asked()
    if lang not in asked["texts"]:
        raise SpecificationError(f"lang={lang!r}; allowed are {', '.join(map(repr, asked['texts']))}")
    told: dict[str, Any] = {"size": "", "rate": "", "measure": "", **asked["texts"][lang], **words_of_units(lang)}
    chapter = together_of(
        _table(asked), Labels(**told), inputs=[asked["input"]], outputs=list(asked["outputs"]), unit="municipality",
        period="year", neighbours=municipality_neighbours(), replicates=replicates, rng=rng,
    )  # fmt: skip
    tables = tables_of(chapter)
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    options = {"lang": lang, "replicates": replicates, "rng": rng}
    with staged(out) as folder:
        for name, table in tables.items():
            write_csv(table, folder / f"{name}.csv")
            if danish_csv:
                write_csv(table, folder / f"{name}.da.csv", danish=True)
        page = render_together_over_time(
            chapter,
            lang=lang,
            version=package_version(),
            date=now.date().isoformat(),
            notice=SIMULATED_NOTICE[lang],
            command="benchmodels.replication.together_and_over_time.run_together_and_over_time("
            + ", ".join(f"{name}={value!r}" for name, value in ({"out": "out"} | options).items()) + ")",
            files=[(f"{name}.csv", f"{name}.csv") for name in tables],
        )  # fmt: skip
        (folder / "index.html").write_text(page, encoding="utf-8", newline="\n")
        write_manifest(folder, {"created": now.isoformat(), "options": options} | _of_calculation(chapter))
    return Path(out) / "index.html"


def tables_of(chapter: TogetherChapter) -> dict[str, pd.DataFrame]:
    """Return the tables of a page, each of which says in every row whether its figures are simulated."""
    fit, gains = chapter.fit, chapter.mergers.gains
    tables = {
        "changes": chapter.drawn.to_frame(),
        "changes_direct": chapter.direct.to_frame(),
        "changes_cumulated": fit.cumulated(),
        "changes_mean": fit.means(),
        "mergers": gains.to_frame(),
        "mergers_intervals": chapter.mergers.to_frame(),
        "partners": gains.best_partners(),
    }
    simulated = fit.panel.simulated or gains.fit.goods.simulated
    return {name: table.assign(simulated=simulated) for name, table in tables.items()}


def _of_calculation(chapter: TogetherChapter) -> dict[str, Any]:
    """Return what the manifest says of the models and of how often intervals held."""
    coverage = chapter.drawn.coverage
    held = {part: value if math.isfinite(value) else None for part, value in chapter.mergers.held.items()}
    return {
        "simulated": chapter.fit.panel.simulated,
        "models": {"over_time": repr(chapter.fit.model), "together": repr(chapter.mergers.gains.fit.model)},
        "rng": {"over_time": chapter.drawn.rng, "direct": chapter.direct.rng, "together": chapter.mergers.rng},
        "coverage": {
            "over_time": {"level": coverage.level, "parts": coverage.parts, "enough": list(coverage.enough),
                          "simulated": coverage.simulated},
            "together": {"level": chapter.mergers.level, "parts": held},
        },
    }  # fmt: skip


def _table(asked: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a municipality and year: cost, and full-year persons in each kind of housing.

    Cost in the last year's prices, by the country's own price of a place: what became dearer for everyone would look
    as if the best had fallen back.
    """
    from benchmodels.datasets import simulate_denmark

    rows = simulate_denmark().sheltered_housing()
    by = ["municipality", "year"]
    persons = rows.pivot_table(index=by, columns="service", values="full_year_persons", aggfunc="sum")
    table = pd.DataFrame({name: persons[service] for name, service in asked["outputs"].items()})
    table[asked["input"]] = rows.groupby(by)["cost_1000dkk"].sum()
    year = table.groupby(level="year").sum()
    price = year[asked["input"]] / year[list(asked["outputs"])].sum(axis=1)
    table[asked["input"]] /= (price / price.iloc[-1]).reindex(table.index, level="year")
    table = table.reset_index()
    table.attrs = dict(rows.attrs)
    return table


@cache
def _asked() -> dict[str, Any]:
    text = files("benchmodels.replication").joinpath("together_and_over_time.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)

"""The command line: thin. One clear line for an error, and a result or nothing."""

from __future__ import annotations

import os
import sys
import warnings
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmodels.datasets.services.tableinfo import TableInfo
    from benchmodels.replication import Audit, Study

__all__ = ["app", "main"]

# A published number, or a stored result, that does not hold.
_NOT_AS_TOLD = 5

app = typer.Typer(
    name="benchmodels",
    help="Fair comparison of public services: outcomes adjusted for the people a unit serves.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class _Lang(StrEnum):
    da = "da"
    en = "en"


Out = Annotated[Path, typer.Option("--out", help="Folder of the result: new, empty, or an earlier result.")]
PageLang = Annotated[_Lang, typer.Option("--lang", help="Language of the page.")]
WordsLang = Annotated[_Lang, typer.Option("--lang", help="Language of what is said and of the pictures.")]
DanishCsv = Annotated[bool, typer.Option("--danish-csv", help="Also write tables with ';' and decimal comma.")]
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="A study file (TOML), or the id of one that ships.")]
OwnTable = Annotated[
    Path | None, typer.Option("--data", help="CSV, XLSX or Parquet file in place of the study's own table.")
]
NamedOut = Annotated[Path | None, typer.Option("--out", help="Folder of the result; by default named by the study.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the random numbers behind rank sets.")]


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"benchmodels {version('benchmodels')}")
        except PackageNotFoundError:
            from benchmodels import __version__

            typer.echo(f"benchmodels {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave."),
    ] = False,
) -> None:
    del version  # its callback has spoken


@app.command()
def demo(
    out: Out = Path("benchmodels-demo"),
    lang: PageLang = _Lang.da,
    danish_csv: DanishCsv = False,
    seed: Seed = 0,
) -> None:
    """Run the three studies that ship, on simulated figures."""
    from benchmodels.replication import read_study, shipped_studies

    studies = [read_study(path) for path in shipped_studies().values()]
    _run(studies, out=out, data=None, lang=lang, danish_csv=danish_csv, seed=seed, command="benchmodels demo")


@app.command()
def run(
    study: StudyName,
    data: OwnTable = None,
    out: NamedOut = None,
    lang: PageLang = _Lang.da,
    danish_csv: DanishCsv = False,
    seed: Seed = 0,
) -> None:
    """Run one study on its own table or on yours."""
    from benchmodels.replication import more_studies, open_studies, read_study, shipped_studies

    path = _file_of(study, {**shipped_studies(), **more_studies(), **open_studies()}, what="study")
    asked = read_study(path)
    told = Path(study).name if Path(study).is_file() else study
    command = f"benchmodels run {told}" + (f" --data {data.name}" if data else "")
    target = out if out is not None else Path(f"benchmodels-{asked.id}")
    _run([asked], out=target, data=data, lang=lang, danish_csv=danish_csv, seed=seed, command=command)


@app.command()
def multiverse(
    study: StudyName,
    data: OwnTable = None,
    out: NamedOut = None,
    unit: Annotated[str | None, typer.Option("--unit", help="Draw this unit's specification curve.")] = None,
    always: Annotated[
        list[str] | None, typer.Option("--always", help="A term that is never left out; may be given several times.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes; -1 for all there are.")] = 1,
    lang: WordsLang = _Lang.da,
) -> None:
    """Ask a study's question with every term in or out and with other models: does the answer hold?"""
    from rich.console import Console
    from rich.progress import Progress

    from benchmodels.replication import more_studies, open_studies, read_study, shipped_studies
    from benchmodels.replication.robustness import run_multiverse

    asked = read_study(_file_of(study, {**shipped_studies(), **more_studies(), **open_studies()}, what="study"))
    target = out if out is not None else Path(f"benchmodels-{asked.id}-multiverse")
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("specifications")
        found = run_multiverse(
            asked,
            out=target,
            data=data,
            always=tuple(always or ()),
            unit=unit,
            lang=lang.value,
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for sentence in found.sentences:
        typer.echo(sentence)
    typer.echo(f"Files in {target.resolve()}: {', '.join(path.name for path in found.files)}")


def _file_of(name: str, known: Mapping[str, Path], *, what: str) -> Path:
    """Return the file that was named, or the one that ships under this id."""
    from difflib import get_close_matches

    from benchmodels.errors import SpecificationError

    if Path(name).is_file() or Path(name).name != name or Path(name).suffix:
        return Path(name)
    if name in known:
        return known[name]
    near = get_close_matches(name, list(known), n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"those that ship are {', '.join(known)}"
    raise SpecificationError(f"{what} {name!r}: there is no file of this name, and none ships under it; {hint}")


class _Print(StrEnum):
    words = "words"
    csv = "csv"
    json = "json"


@app.command()
def studies(lang: PageLang = _Lang.da) -> None:
    """List the studies that ship: those of the demo, more on simulated figures, and those on open statistics."""
    from benchmodels.replication import more_studies, open_studies, read_study, shipped_studies

    kinds = {"demo": shipped_studies(), "simulated": more_studies(), "open data": open_studies()}
    for kind, found in kinds.items():
        for name, path in found.items():
            typer.echo(f"{name:28} {kind:10} {read_study(path).words(lang.value).title}")


@app.command()
def audit(
    claims: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CLAIMS]...", help="Files of claims (TOML), or ids of documents that ship; else all."),
    ] = None,
    literature: Annotated[
        bool, typer.Option("--literature", help="Classical results of the literature in place of documents.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for a page, a table and JSON.")] = None,
    print_as: Annotated[_Print, typer.Option("--print", help="What is printed: words, or all as CSV or JSON.")] = (
        _Print.words
    ),
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Leave with code 5 where a number does not hold."),
    ] = False,
    lang: PageLang = _Lang.da,
) -> None:
    """Work out published numbers anew from the tables they rest on."""
    from benchmodels.replication import audit_claims, read_claims
    from benchmodels.replication import literature as classics
    from benchmodels.replication import published as shipped

    names = list(claims or (classics() if literature else shipped()))
    paths = [_file_of(name, {**shipped(), **classics()}, what="document") for name in names]
    audits = [audit_claims(read_claims(path)) for path in paths]
    _print_audits(audits, print_as=print_as, lang=lang)
    if out is not None:
        from benchmodels.replication.claims.pages import write_audits

        asked = ["--literature"] if literature and not claims else names
        told = " ".join(["benchmodels audit", *asked, f"--lang {lang.value}"])
        page = write_audits(audits, out=out, lang=lang.value, command=told)
        sys.stderr.write(f"Open {page.resolve()} in a browser.\n")
    if strict and not all(found.ok for found in audits):
        raise typer.Exit(_NOT_AS_TOLD)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="A folder of results, with its manifest.json.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="The file of data, where it does not lie where it was.")
    ] = None,
    any_version: Annotated[
        bool, typer.Option("--any-version", help="Run though another version of benchmodels made the result.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the worst difference of every column.")] = (
        False
    ),
) -> None:
    """Run a stored result again and compare every table; leave with code 5 where it does not stand."""
    from rich.console import Console
    from rich.progress import Progress

    from benchmodels.replication import verify_folder

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        found = verify_folder(folder, data=data, allow_other_versions=any_version, progress=_teller(bar))
    typer.echo(found.to_json() if as_json else found.to_text())
    if not found.ok:
        raise typer.Exit(_NOT_AS_TOLD)


@app.command()
def diff(
    first: Annotated[Path, typer.Argument(metavar="A", help="A folder of results.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what differs between two results: data, options, versions, tables, and why where that can be told."""
    from benchmodels.replication import compare_runs

    found = compare_runs(first, second)
    typer.echo(found.to_json() if as_json else found.to_text())


@app.command()
def crate(folder: Annotated[Path, typer.Argument(help="A folder of results, with its manifest.json.")]) -> None:
    """Describe a stored result as an RO-Crate: ro-crate-metadata.json beside its manifest."""
    from benchmodels.replication.provenance.crate import write_crate

    typer.echo(f"Wrote {write_crate(folder)}.")


@app.command()
def fetch(
    table: Annotated[str, typer.Argument(help="Code of a table of StatBank Denmark, such as FOLK1A.")],
    selection: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[VARIABLE=CODES]...",
            help="'Tid=>=2018', 'OMRÅDE=101,147', 'ALDER=*'. Without any: what the table holds.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="CSV file; what it is of stands beside it as JSON.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Only what was fetched before.")] = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask again though the answer is kept.")] = False,
    lang: PageLang = _Lang.da,
) -> None:
    """Fetch figures of Statistics Denmark (CC BY 4.0), or say what a table holds; answers are kept."""
    from rich.console import Console
    from rich.progress import Progress

    from benchmodels.datasets import Cache, StatBank

    bank = StatBank(cache=Cache(offline=True) if offline else Cache(), lang=lang.value)
    if not selection:
        _describe(bank.table_info(table, refresh=refresh))
        return
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        frame = bank.data(table, _selection(selection), refresh=refresh, progress=_teller(bar))
    if out is None:
        typer.echo(frame.to_csv(index=False), nl=False)
        sys.stderr.write(f"{frame.attrs['source']}\n")
        return
    from benchmodels.replication.provenance.fetched import write_fetched

    typer.echo(f"Wrote {len(frame)} rows to {write_fetched(frame, out)}. {frame.attrs['source']}")


def _selection(words: Sequence[str]) -> dict[str, str | list[str]]:
    from benchmodels.errors import SpecificationError

    chosen: dict[str, str | list[str]] = {}
    for word in words:
        name, equals, codes = word.partition("=")
        if not (name and equals and codes):
            raise SpecificationError(f"a selection is written VARIABLE=CODES, such as 'Tid=>=2018' (found {word!r})")
        chosen[name] = codes.split(",") if "," in codes and "(" not in codes else codes
    return chosen


def _describe(info: TableInfo) -> None:
    """Print the variables of a table, each with its first codes."""
    typer.echo(f"{info.id}: {info.text}\n  {info.unit}; {info.first_period} to {info.last_period}; {info.updated}")
    for variable in info.variables.values():
        codes = [f"{code} = {text}" for code, text in list(variable.values.items())[:6]]
        more = f" and {len(variable.values) - 6} more" if len(variable.values) > 6 else ""
        may = " (may be left out)" if variable.elimination else ""
        typer.echo(f"  {variable.id}{may}: {'; '.join(codes)}{more}")


def _print_audits(audits: Sequence[Audit], *, print_as: _Print, lang: _Lang) -> None:
    from benchmodels.replication.claims.pages import audit_json, audit_table, terminal_lines
    from benchmodels.report.wording import wording

    if print_as is _Print.json:
        typer.echo(audit_json(audits))
        return
    if print_as is _Print.csv:
        from benchmodels.replication.provenance.folder import harmless

        typer.echo(harmless(audit_table(audits)).to_csv(index=False), nl=False)
        return
    w = wording(lang.value)

    def counted(numbers: Mapping[str, int]) -> str:
        return ", ".join(f"{n} {w('audit_verdict_' + verdict.replace(' ', '_'))}" for verdict, n in numbers.items())

    for found in audits:
        document = found.claims.document
        typer.echo(f"{document.title}\n  {document.source}")
        if document.seen != "all":
            typer.echo(f"  {w('audit_seen_' + document.seen)}")
        for verdict, line in terminal_lines(found, lang=lang.value):
            typer.echo(f"  {w('audit_verdict_' + verdict.replace(' ', '_')).upper()}  {line}")
        typer.echo(f"  {counted(found.counts())}")
        if found.unused:
            typer.echo(f"  {w('audit_unused', number=len(found.unused))}")
    if len(audits) > 1:
        every = {verdict: sum(found.counts()[verdict] for found in audits) for verdict in audits[0].counts()}
        typer.echo(f"{w('audit_documents')}: {len(audits)}; {counted(every)}")


def _run(
    studies: Sequence[Study],
    *,
    out: Path,
    data: Path | None,
    lang: _Lang,
    danish_csv: bool,
    seed: int,
    command: str,
) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from benchmodels.replication import run_studies

    console = Console(stderr=True)
    command += f" --lang {lang.value}" + (f" --seed {seed}" if seed else "")
    try:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            page = run_studies(
                studies,
                out=out,
                data=data,
                lang=lang.value,
                danish_csv=danish_csv,
                rng=seed,
                progress=_teller(bar),
                command=command,
            )
    except KeyboardInterrupt as interruption:
        # The framework would leave without a word.
        sys.stderr.write("benchmodels: interrupted; nothing was written\n")
        raise typer.Exit(130) from interruption
    typer.echo(f"Open {page.resolve()} in a browser.")


def _teller(bar: object) -> Callable[[int, int, str], None]:
    from rich.markup import escape
    from rich.progress import Progress

    if not isinstance(bar, Progress):  # for the type checker; rich is imported only when something is run
        raise TypeError(type(bar).__name__)
    task = bar.add_task("")

    def tell(done: int, total: int, words: str) -> None:
        bar.update(task, completed=done, total=total, description=escape(words))

    return tell


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its code.

    0 is success, 2 a fault in the command or the study, 3 in the data, 4 an estimate that was not found, 5 a published
    or stored result that does not hold, 130 an interruption, 1 anything else. Warnings of the libraries below are kept
    off the terminal: what they could mean for a result is checked, and told in the result. The environment variable
    BENCHMODELS_DEBUG=1 shows them, and the traceback of an internal error.
    """
    from benchmodels.errors import BenchmodelsError, ConvergenceError, DataError, SpecificationError

    codes: list[tuple[type[BaseException], int]] = [
        (SpecificationError, 2),
        (DataError, 3),
        (ConvergenceError, 4),
        (BenchmodelsError, 1),
        (OSError, 1),
    ]
    debug = os.environ.get("BENCHMODELS_DEBUG", "") not in ("", "0")
    for stream in (sys.stdout, sys.stderr):
        # A terminal or a file that does not know a letter gets a mark in its place, and not half an answer.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        with warnings.catch_warnings():
            if not debug:
                for kind in (RuntimeWarning, FutureWarning, DeprecationWarning, PendingDeprecationWarning):
                    warnings.simplefilter("ignore", kind)
            app(args=list(arguments) if arguments is not None else None, prog_name="benchmodels")
    except tuple(kind for kind, _ in codes) as error:
        sys.stderr.write(f"benchmodels: {error}\n")
        sys.exit(next(code for kind, code in codes if isinstance(error, kind)))
    except Exception as error:  # nothing a user did should end in a traceback; what was staged is gone by now
        if debug:
            raise
        text = " ".join(str(error).split()) or "no text"
        sys.stderr.write(f"benchmodels: internal error: {type(error).__name__}: {text}; please report it\n")
        sys.exit(1)


if __name__ == "__main__":
    main()

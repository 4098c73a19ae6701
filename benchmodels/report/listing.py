"""Pages of one list of units, each of which opens: what they have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmodels.report.templating import part, template
from benchmodels.report.wording import first_upper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmodels.report.chapter import Labels
    from benchmodels.report.wording import Wording

__all__ = ["all_of", "render_listing"]


def all_of(w: Wording, names: Sequence[str]) -> str:
    """Return names in a row, as they stand in a sentence."""
    return names[0] if len(names) == 1 else w("and", first=", ".join(names[:-1]), last=names[-1])


def render_listing(
    name: str,
    *,
    w: Wording,
    labels: Labels,
    rows: Sequence[dict[str, Any]],
    tiles: Sequence[tuple[str, str, str]],
    source: str,
    simulated: bool,
    notes: Sequence[str],
    version: str,
    date: str,
    notice: str,
    command: str,
    files: Sequence[tuple[str, str]],
    **rest: object,
) -> str:
    """Write a page of one list of units.

    Parameters
    ----------
    name : str
        Of the template, which extends that of lists, and of its style.
    w : Wording
    labels : Labels
    rows : sequence of dict
        What is told of each unit, with its label as ``unit``, in the order of the page.
    tiles : sequence of (str, str, str)
        Figures of all units: value, what it is, and a note.
    source : str
        Of the data, as they say it.
    simulated : bool
    notes : sequence of str
        Warnings of the calculation, in English.
    version, date, notice, command, files
        As the page's own function documents.
    **rest
        What the template asks for besides.

    Returns
    -------
    str
        HTML with style and script inside.
    """
    return template(f"{name}.html.j2").render(
        lang=w.lang,
        w=w,
        labels=labels,
        simulated=simulated,
        notice=(notice or w("simulated")) if simulated else "",
        rows=rows,
        by_name=sorted(range(len(rows)), key=lambda i: w.order(rows[i]["unit"])),
        tiles=tiles,
        notes=[first_upper(w.translated(note)) for note in notes],
        sources=[*labels.sources, *([w.translated(source)] if source else [])],
        cite=w("cite", title=labels.title, version=version, date=date, source="; ".join(labels.sources) or "–"),
        command=command,
        files=files,
        css=[part(f"{style}.css") for style in ("page", "list", name)],
        js=part("list.js"),
        **rest,
    )

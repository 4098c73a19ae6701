"""Why two results differ: what could be the cause, told only as far as two manifests tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmodels.replication.provenance.manifest import Finding, short

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from benchmodels.replication.provenance.manifest import Manifest

__all__ = ["causes_of"]

# What no number in a table rests on: words of the page, and how it is written.
_WORDS = ("texts.", "comparison.decimals")
_WRITING = ("lang", "command", "danish_csv")
# Where the data came from; whether they are the same is told by their hash.
_ORIGIN = ("data.dataset", "data.path")
_NAMED = {
    "data": "the data",
    "study": "the study",
    "options": "the seed",
    "package": "the version of benchmodels",
    "libraries": "the versions of libraries",
    "platform": "the machine",
    "together": "which studies were run together",
}


def causes_of(
    first: Manifest,
    second: Manifest,
    changes: Sequence[Finding],
    *,
    unlike: Collection[str],
    compared: Collection[str],
) -> list[Finding]:
    """Say for each study that both have what could have moved its tables.

    Parameters
    ----------
    first, second : Manifest
    changes : sequence of Finding
        What differs in data, study, options, versions and platform.
    unlike, compared : collection of str
        Ids of the studies whose tables differ, and of those whose tables were compared at all.

    Returns
    -------
    list of Finding
        Studies of one answer share a line.
    """
    other = {record.id for record in second.content.studies}
    answers: dict[tuple[str, bool], list[str]] = {}
    for record in first.content.studies:
        if record.id in other:
            told = _answer(first, second, changes, record.id, unlike=unlike, compared=compared)
            if told:
                answers.setdefault((told, record.id in unlike), []).append(record.id)
    return [
        Finding(about="why", where=", ".join(ids), text=f"{', '.join(map(short, ids))}: {told}", fault=fault)
        for (told, fault), ids in answers.items()
    ]


def _answer(
    first: Manifest,
    second: Manifest,
    changes: Sequence[Finding],
    study: str,
    *,
    unlike: Collection[str],
    compared: Collection[str],
) -> str:
    own = [change for change in changes if change.where in ("", study)]
    causes = list(dict.fromkeys(kind for change in own if change.fault for kind in _cause(change)))
    causes += _together(first, second, study)
    unknown = _unknown(own)
    left = f"; {' and '.join(unknown)}" if unknown else ""
    named = _listed(_NAMED[cause] for cause in causes)
    if study not in unlike:
        if not causes or study not in compared:
            return ""
        return f"no table differs beyond the tolerances, though this does: {named}"
    if not causes:
        if unknown:
            return f"nothing that both manifests record differs{left}"
        return "nothing that the manifests record differs: a table was changed afterwards; verify both folders"
    if len(causes) == 1:
        rest = "all else that both record is alike" if unknown else "all else is alike"
        return f"the tables differ because of {named}: {rest}{left}"
    return (
        f"{named} differ, and the folders alone cannot tell them apart: run one of them again with "
        f"{_NAMED[causes[0]]} of the other and all else as it was, and compare anew{left}"
    )


def _cause(change: Finding) -> Iterable[str]:
    """Return what kind of cause a change may be, if any."""
    if change.about == "study":
        words = change.column.startswith(_WORDS) or change.column in _ORIGIN
        return () if words else ("study",)
    if change.about == "data":
        return ("data",) if change.column in ("sha256", "rows") else ()
    if change.about == "options":
        return () if change.column in _WRITING else ("options",)
    return (change.about,)


def _together(first: Manifest, second: Manifest, study: str) -> list[str]:
    """Studies that keep small counts back do so for all that are run with them."""
    one, other = ({record.id: record for record in found.content.studies} for found in (first, second))
    kept = any("disclosure" in record.study for found in (one, other) for record in found.values())
    return ["together"] if kept and set(one) != set(other) else []


def _unknown(changes: Sequence[Finding]) -> list[str]:
    """Say what may differ and is not recorded."""
    found = []
    if any(change.about == "data" and not change.fault for change in changes):
        found.append("whether the data are the same is not told, their hash being withheld")
    if any(change.about in ("libraries", "platform") and not change.fault for change in changes):
        found.append("versions or platform are not all recorded in both")
    return found


def _listed(names: Iterable[str]) -> str:
    *head, last = [*names] or [""]
    return f"{', '.join(head)} and {last}" if head else last

"""Best practice in words: what the best comparable units would need, with whom a unit is held, and what that is not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmodels.report.wording import first_upper

if TYPE_CHECKING:
    from benchmodels.report.chapter import BestPractice, Chapter
    from benchmodels.report.wording import Wording

__all__ = ["Practice", "few_words", "method_words", "national_tile", "practice_of"]

# Peers with a smaller share of the target are told together.
_NAMED = 0.01


@dataclass(frozen=True, kw_only=True)
class Practice:
    """Best practice of one unit, as text; goods are label, now and target, none where they are the same or unknown."""

    sentence: str
    peers: str
    goods: tuple[tuple[str, str, str], ...]


def practice_of(chapter: Chapter, w: Wording) -> dict[Any, Practice]:
    """Return the words of every unit of the chapter, also of those that the frontier has no answer for."""
    found = chapter.frontier
    if found is None:
        return {}
    scores: dict[Any, Any] = {record["unit"]: record for record in found.scores.to_dict("records")}
    peers = dict(list(found.peers.groupby("unit", sort=False)))
    goods = dict(list(found.targets.groupby("unit", sort=False)))
    words = {}
    for label in chapter.main.unit.tolist():
        score = scores.get(label, {"place": "none", "status": "absent"})
        known = score["place"] in ("within", "slack")
        words[label] = Practice(
            sentence=_sentence(chapter, w, label, score),
            peers=_peers(w, label, peers[label]) if known else "",
            goods=_goods(chapter, w, goods[label]) if known else (),
        )
    return words


def _sentence(chapter: Chapter, w: Wording, label: object, score: dict[str, Any]) -> str:
    place = score["place"]
    if place == "none":
        return w("frontier_none", unit=label, why=w(f"frontier_why_{str(score['status']).replace(' ', '_')}"))
    if place == "within":
        return w(
            f"frontier_within_{_orientation(chapter)}",
            unit=label,
            share=_percent(w, float(score["efficiency"])),
            inputs=chapter.labels.inputs,
            outputs=chapter.labels.outputs,
        )
    told = w(f"frontier_{place}", unit=label)
    count = int(score["peer_for"])
    if place == "best":
        key = "frontier_peer_for" if count else "frontier_peer_for_none"
        told += " " + w(key, unit=label, number=w.number(count))
    return told


def _orientation(chapter: Chapter) -> str:
    return chapter.frontier.orientation if chapter.frontier is not None else ""


def _percent(w: Wording, share: float) -> str:
    """Return a share in per cent; one below 100 is never rounded up to it."""
    near = 0.995 <= share < 1.0
    return w.percent(w.number(min(100.0 * share, 99.9) if near else 100.0 * share, 1 if near else 0))


def _peers(w: Wording, label: object, peers: Any) -> str:
    names, shares = peers["peer"].tolist(), peers["share"].tolist()
    told = [
        w("frontier_peer", peer=name, share=w.percent(w.number(100.0 * share)))
        for name, share in zip(names, shares, strict=True)
        if share >= _NAMED
    ]
    rest = len(names) - len(told)
    if rest:
        told.append(w("frontier_peers_rest", number=w.number(rest), share=w.percent(w.number(100.0 * _NAMED))))
    listed = told[0] if len(told) == 1 else w("and", first=", ".join(told[:-1]), last=told[-1])
    return w("frontier_peers", unit=label, peers=listed)


def _goods(chapter: Chapter, w: Wording, goods: Any) -> tuple[tuple[str, str, str], ...]:
    told = []
    for good, value, target in zip(goods["good"], goods["value"], goods["target"], strict=True):
        decimals = _decimals(float(value))
        name = first_upper(chapter.labels.good(str(good)))
        told.append((name, w.number(float(value), decimals), w.number(float(target), decimals)))
    return tuple(told)


def _decimals(value: float) -> int:
    """Return decimals that leave about three digits."""
    return 0 if value >= 100.0 or value <= 0.0 else min(2 - math.floor(math.log10(value)), 6)


def national_tile(chapter: Chapter, w: Wording) -> list[tuple[str, str, str]]:
    """Return how many units nobody comparable does better than, and the median of all."""
    if chapter.frontier is None:
        return []
    scores = chapter.frontier.scores
    best, known = int((scores["place"] == "best").sum()), scores["efficiency"].dropna()
    value = w("of", number=w.number(best), total=w.number(len(known)))
    note = ""
    if len(known):
        median = _percent(w, float(known.median()))
        note = w(
            f"frontier_median_{_orientation(chapter)}",
            median=median,
            inputs=chapter.labels.inputs,
            outputs=chapter.labels.outputs,
        )
    return [(value, w("frontier_national"), note)]


def few_words(chapter: Chapter, w: Wording) -> str:
    """Return the warning that units are too few to be told apart; nothing where they are not."""
    found = chapter.frontier
    if found is None or not found.few:
        return ""
    goods = found.targets["good"].nunique()
    return w("frontier_few", number=w.number(found.comparable), goods=w.number(goods))


def method_words(chapter: Chapter, w: Wording) -> dict[str, Any] | None:
    """Return sentences of how best practice was found, its model and its certificate."""
    found = chapter.frontier
    if found is None:
        return None
    return {
        "sentences": [
            w(f"frontier_method_{found.orientation}"),
            first_upper(w(f"frontier_returns_{found.returns}")),
            *_comparable(chapter, found, w),
            w("frontier_method_share"),
        ],
        "model": found.model,
        "certificate": w.translated(found.certificate),
    }


def _comparable(chapter: Chapter, found: BestPractice, w: Wording) -> list[str]:
    label = chapter.labels.term
    told = []
    if found.nearest is not None:
        alike = ", ".join(label(name) for name in found.composition)
        told.append(w("frontier_nearest", number=w.number(found.nearest), alike=alike))
    for kind in ("high", "low", "same"):
        names = [label(name) for name, favourable in found.environment.items() if favourable == kind]
        if names:
            told.append(w(f"frontier_environment_{kind}", names=", ".join(names)))
    return [*told, w("frontier_own_circle")] if told else [w("frontier_all")]

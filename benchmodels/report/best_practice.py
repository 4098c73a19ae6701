"""Best practice in words: what the best comparable units would need, with whom a unit is held, and what that is not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmodels.report.uncertain import caution_of, drawn_words, held_words, limits_words, percent_of, place_words
from benchmodels.report.wording import first_upper

if TYPE_CHECKING:
    from collections.abc import Collection

    from benchmodels.report.chapter import BestPractice, Chapter
    from benchmodels.report.wording import Wording

__all__ = ["Practice", "few_words", "method_words", "national_tile", "practice_of"]

# A smaller share of the whole, or one that leaves less to the others, is told as below or above.
_LEAST = 0.01
# A peer counted more times than this is smaller than what it stands for; one larger than that by as much is in part.
_FAR = 2.0


@dataclass(frozen=True, kw_only=True)
class Practice:
    """Best practice of one unit, as text.

    Goods are label, now and for comparison, with limits of the latter where frontiers were drawn again; there are none
    where these are the same or unknown. The circle is whom the unit may be held against, as a heading and as names;
    nothing where all may be.
    """

    sentence: str
    limits: str = ""
    place: str = ""
    drawn: str = ""
    peers: str = ""
    starred: str = ""
    goods: tuple[tuple[str, ...], ...] = ()
    no_goal: str = ""
    few: str = ""
    circle: str = ""
    others: str = ""

    def slots(self) -> dict[str, str]:
        """Return each sentence by its place on the page."""
        rest = ("limits", "place", "drawn", "peers", "starred", "no_goal", "few", "circle", "others")
        return {"frontier": self.sentence} | {f"frontier_{name}": getattr(self, name) for name in rest}


def practice_of(chapter: Chapter, w: Wording) -> dict[Any, Practice]:
    """Return the words of every unit of the chapter, also of those that the frontier has no answer for."""
    found = chapter.frontier
    if found is None:
        return {}
    scores: dict[Any, Any] = {record["unit"]: record for record in found.scores.to_dict("records")}
    peers = dict(list(found.peers.groupby("unit", sort=False)))
    goods = dict(list(found.targets.groupby("unit", sort=False)))
    circles = {} if found.circles is None else found.circles.groupby("unit")["other"].agg(list).to_dict()
    beaten = {label for label, score in scores.items() if score["place"] in ("within", "slack")}
    few = found.few
    words = {}
    for label in chapter.main.unit.tolist():
        score = scores.get(label, {"place": "none", "status": "absent"})
        told = Practice(
            sentence=_sentence(chapter, w, label, score),
            limits=limits_words(chapter, w, score),
            place=place_words(chapter, w, score),
        )
        if label in beaten:
            told = replace(
                told,
                peers=_peers(found, w, label, peers[label], beaten),
                drawn=drawn_words(found, w, label),
                starred=w("frontier_starred") if beaten & set(peers[label]["peer"]) else "",
                goods=_goods(chapter, w, goods[label]),
                no_goal=_no_goal(chapter, w, label, goods[label]),
            )
        if label in few:
            kinds, number = w.number(len(goods[label])), w.number(score["comparables"])
            told = replace(told, few=w("frontier_few_own", unit=label, number=number, goods=kinds))
        if found.circles is not None and label in scores:
            others = circles.get(label, [])
            told = replace(told, circle=_circle(w, label, len(others)), others=_listed(w, others))
        words[label] = told
    return words


def _sentence(chapter: Chapter, w: Wording, label: object, score: dict[str, Any]) -> str:
    place = score["place"]
    if place == "none":
        return w("frontier_none", unit=label, why=w(f"frontier_why_{str(score['status']).replace(' ', '_')}"))
    if place == "within":
        return w(
            f"frontier_within_{_orientation(chapter)}",
            unit=label,
            share=percent_of(w, float(score["efficiency"])),
            inputs=chapter.labels.inputs,
            outputs=chapter.labels.outputs,
        )
    told = w(f"frontier_{place}", unit=label)
    count = int(score["peer_for"])
    if place == "best":
        key = {0: "frontier_peer_for_none", 1: "frontier_peer_for_one"}.get(count, "frontier_peer_for")
        told += " " + w(key, unit=label, number=w.number(count))
    return told


def _orientation(chapter: Chapter) -> str:
    return chapter.frontier.orientation if chapter.frontier is not None else ""


def _peers(found: BestPractice, w: Wording, label: object, peers: Any, beaten: Collection[Any]) -> str:
    alone = len(peers) == 1
    told = []
    for name, share, weight in zip(peers["peer"], peers["share"], peers["weight"], strict=True):
        key = "frontier_peer_times" if found.returns != "vrs" and _scaled(share, weight) else "frontier_peer"
        starred = f"{name}*" if name in beaten else str(name)
        told.append(w(key, peer=starred, share=_share(w, share, alone=alone), times=_times(w, weight)))
    listed = told[0] if alone else w("and", first=", ".join(told[:-1]), last=told[-1])
    return w("frontier_peers", unit=label, peers=listed)


def _scaled(share: float, weight: float) -> bool:
    """Return whether a peer is much smaller than what it stands for and counted often, or much larger and in part.

    Of two peers of the unit's own size half of each is a mixture, and neither is scaled down: hence also the share.
    """
    return share >= _LEAST and (weight > _FAR or weight < share / _FAR)


def _share(w: Wording, share: float, *, alone: bool) -> str:
    """Return a share in per cent; none is told as nothing, and none but that of a single peer as all."""
    if share < _LEAST:
        return w("frontier_share_less", share=w.percent(w.number(100.0 * _LEAST)))
    if share > 1.0 - _LEAST and not alone:
        return w("frontier_share_more", share=w.percent(w.number(100.0 * (1.0 - _LEAST))))
    return w.percent(w.number(100.0 * share))


def _times(w: Wording, weight: float) -> str:
    """Return a multiple with two digits."""
    return w.number(weight, max(_decimals(weight) - 1, 0))


def _circle(w: Wording, label: object, number: int) -> str:
    key = {0: "frontier_circle_none", 1: "frontier_circle_one"}.get(number, "frontier_circle")
    return w(key, unit=label, number=w.number(number))


def _listed(w: Wording, others: list[Any]) -> str:
    return ", ".join(sorted((str(other) for other in others), key=w.order))


def _goods(chapter: Chapter, w: Wording, goods: Any) -> tuple[tuple[str, ...], ...]:
    names = [first_upper(chapter.labels.good(str(good))) for good in goods["good"]]
    columns = [names, *_now_and_compared(w, goods)]
    if "lower" in goods:
        ends = zip(goods["lower"], goods["upper"], goods["value"], strict=True)
        # What does not move has none.
        columns.append(
            [w.span(low, high, _decimals(value)) if math.isfinite(low + high) else "" for low, high, value in ends]
        )
    return tuple(zip(*columns, strict=True))


def _now_and_compared(w: Wording, goods: Any) -> tuple[list[str], list[str]]:
    decimals = [_decimals(float(value)) for value in goods["value"]]
    now, compared = (
        [w.number(float(value), places) for value, places in zip(goods[name], decimals, strict=True)]
        for name in ("value", "target")
    )
    return now, compared


def _no_goal(chapter: Chapter, w: Wording, label: object, goods: Any) -> str:
    """Return that what is given is no target, where those it is held against are seen to do better in it too."""
    given = goods[goods["part"] != _orientation(chapter)]
    now, compared = _now_and_compared(w, given)
    return w(f"frontier_no_goal_{_orientation(chapter)}", unit=label) if now != compared else ""


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
        note = w(
            f"frontier_median_{_orientation(chapter)}",
            median=percent_of(w, float(known.median())),
            inputs=chapter.labels.inputs,
            outputs=chapter.labels.outputs,
        )
        note += "; " + w("frontier_median_none" if chapter.frontier.drawn is None else "frontier_median_limits")
    return [(value, w("frontier_national"), note)]


def few_words(chapter: Chapter, w: Wording) -> str:
    """Return the warning that units have too few to be held against; nothing where none have."""
    found = chapter.frontier
    if found is None or not found.few:
        return ""
    return w(
        "frontier_few",
        number=w.number(len(found.few)),
        total=w.number(len(found.scores)),
        advised=w.number(found.advised),
        goods=w.number(found.targets["good"].nunique()),
    )


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
            w(f"frontier_method_share_{found.orientation}"),
            *([] if found.returns == "vrs" else [w("frontier_method_times")]),
            *([] if found.drawn is None else [w("frontier_method_drawn"), held_words(found, w)]),
        ],
        "caution": w(caution_of(found)),
        "limits": found.drawn is not None,
        "noise": w.translated(found.noise),
        "given": w(f"frontier_given_{found.orientation}"),
        "circles": found.circles is not None,
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

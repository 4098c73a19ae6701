"""Groups of units by name, as they are asked for: checked, and turned into positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.frontier.scores import read_only
from benchmodels.kernels.merging import Sums
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.intp]

__all__ = ["Groups", "all_pairs", "connected_groups", "near_pairs", "place_of", "read_groups"]

Neighbours = Mapping[Any, Iterable[Any]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Groups:
    """g groups of k units.

    Parameters
    ----------
    label : (k,) array
        Of all units.
    sums : Sums
        Positions of each group's units.
    named : tuple of g labels, optional
        The caller's names of the groups; by default the names of their units.
    """

    label: NDArray[np.object_]
    sums: Sums
    named: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        read_only(self.sums)

    def __len__(self) -> int:
        return len(self.sums)

    def members(self, group: int) -> tuple[Any, ...]:
        """Return the labels of the units of the group at a position."""
        first = self.sums.first
        return tuple(self.label[self.sums.unit[first[group] : first[group + 1]]].tolist())

    @property
    def name(self) -> NDArray[np.object_]:
        """Names of the groups, (g,)."""
        names = np.empty(len(self), dtype=object)
        for group in range(len(self)):
            names[group] = " + ".join(map(str, self.members(group))) if self.named is None else self.named[group]
        return names

    def some(self, at: Codes) -> Groups:
        """Return some of the groups, in the order asked for."""
        named = None if self.named is None else tuple(self.named[i] for i in at.tolist())
        return Groups(label=self.label, sums=self.sums.some(at), named=named)


def place_of(label: NDArray[np.object_]) -> dict[Any, int]:
    """Return the position of each label."""
    return {name: place for place, name in enumerate(label.tolist())}


def read_groups(groups: object, label: NDArray[np.object_]) -> Groups:
    """Return the groups asked for: lists of labels, or such lists by the group's name. Groups may overlap.

    Raises
    ------
    SpecificationError
        No groups; one that is no list, has fewer than two units, names a unit twice or one that is not there; two of
        the same units.
    """
    named = tuple(groups) if isinstance(groups, Mapping) else None
    given = list(groups.values()) if isinstance(groups, Mapping) else groups
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise SpecificationError(f"groups={groups!r}; give a list of groups, each a list of units, or them by name")
    lists = list(given)
    if not lists:
        raise SpecificationError("groups is empty; give a list of groups, each a list of two units or more")
    place, found = place_of(label), []
    met: dict[frozenset[int], int] = {}
    for number, members in enumerate(lists):
        told = f"group {named[number]!r}" if named else f"group {number + 1} of {len(lists)}"
        if isinstance(members, str) or not isinstance(members, Iterable):
            raise SpecificationError(f"{told} is {members!r}; give a list of units")
        units = list(members)
        if len(units) < 2:
            raise SpecificationError(f"{told} has {len(units)} unit(s) ({listed(units)}); a merger has two or more")
        at = [_placed(unit, place, told) for unit in units]
        if len(set(at)) < len(at):
            twice = sorted({str(unit) for unit in units if units.count(unit) > 1})
            raise SpecificationError(f"{told} names a unit more than once: {', '.join(twice)}")
        before = met.setdefault(frozenset(at), number)
        if before != number:
            raise SpecificationError(f"{told} has the same units as the one at place {before + 1}: {listed(units)}")
        found.append(at)
    return Groups(label=label, sums=_sums(found), named=named)


def _placed(unit: object, place: Mapping[Any, int], told: str) -> int:
    try:
        known = unit in place
    except TypeError:
        known = False
    if not known:
        near = get_close_matches(str(unit), [str(name) for name in place], n=3, cutoff=0.5)
        there = f"near: {', '.join(near)}" if near else f"there are {listed(place)}"
        raise SpecificationError(f"{told} names {unit!r}, which is not among the {len(place)} units; {there}")
    return place[unit]


def _sums(groups: list[list[int]]) -> Sums:
    first = np.concatenate([[0], np.cumsum([len(units) for units in groups])]).astype(np.intp)
    return Sums(np.array([unit for units in groups for unit in units], dtype=np.intp), first)


def all_pairs(label: NDArray[np.object_], *, unit: object = None) -> Groups:
    """Return all pairs of units, or with ``unit`` those that it is in, itself first."""
    one, other = np.triu_indices(len(label), 1)
    if unit is not None:
        at = _placed(unit, place_of(label), "the pairs asked for")
        other = np.delete(np.arange(len(label)), at)
        one = np.full_like(other, at)
    return Groups(label=label, sums=_pairs(one, other))


def near_pairs(label: NDArray[np.object_], neighbours: Neighbours, *, unit: object = None) -> Groups:
    """Return the pairs of neighbours, or with ``unit`` those that it is in, itself first.

    A pair counts where either is on the other's list; neighbours that are not among the units are left out.
    """
    graph = _graph(label, neighbours)
    if unit is not None:
        at = _placed(unit, place_of(label), "the pairs asked for")
        pairs = [(at, other) for other in sorted(graph[at])]
    else:
        pairs = [(one, other) for one in range(len(label)) for other in sorted(graph[one]) if one < other]
    if not pairs:
        of = "" if unit is None else f" of {unit!r}"
        raise SpecificationError(f"none of the neighbours{of} are among the {len(label)} units; there are no pairs")
    one, other = np.array(pairs, dtype=np.intp).T
    return Groups(label=label, sums=_pairs(one, other))


def connected_groups(label: NDArray[np.object_], neighbours: Neighbours, units: int) -> Groups:
    """Return all groups of so many units in which one can go from each to each across neighbours."""
    graph = _graph(label, neighbours)
    found: set[tuple[int, ...]] = {(unit,) for unit in range(len(label))}
    for _ in range(units - 1):
        found = {
            tuple(sorted((*group, other)))
            for group in found
            for unit in group
            for other in graph[unit]
            if other not in group
        }
    if not found:
        raise SpecificationError(f"no {units} of the {len(label)} units hang together by the neighbours given")
    return Groups(label=label, sums=_sums([list(group) for group in sorted(found)]))


def _pairs(one: Codes, other: Codes) -> Sums:
    return Sums(np.stack([one, other], axis=1).ravel(), np.arange(0, 2 * len(one) + 1, 2))


def _graph(label: NDArray[np.object_], neighbours: Neighbours) -> list[set[int]]:
    """Return the neighbours of each unit, by position, both ways."""
    if not isinstance(neighbours, Mapping):
        raise SpecificationError(f"neighbours={neighbours!r}; give a list of neighbours, unit by unit")
    place = place_of(label)
    graph: list[set[int]] = [set() for _ in label]
    if not set(place) & set(neighbours):
        raise SpecificationError(
            f"none of the {len(label)} units are among the {len(neighbours)} that have neighbours: units are "
            f"{listed(place)}, neighbours are of {listed(neighbours)}"
        )
    for unit, others in neighbours.items():
        if isinstance(others, str) or not isinstance(others, Iterable):
            raise SpecificationError(f"the neighbours of {unit!r} are {others!r}; give a list of units")
        for other in others:
            if unit in place and other in place and unit != other:
                graph[place[unit]].add(place[other])
                graph[place[other]].add(place[unit])
    return graph

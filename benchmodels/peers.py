"""Who is comparable with whom: the units most alike, official groups, or an own list."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from benchmodels.asked import whole
from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.nearest import mahalanobis_distances, nearest_order, weighted_distances
from benchmodels.table import Table, listed, numbers, read_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

__all__ = ["ALONE", "Peers", "find_peers"]

Distance = Literal["standardised", "mahalanobis", "weighted"]

# A unit whose nearest is farther than this share of all pairs has nobody alike.
ALONE = 0.25


@dataclass(frozen=True, eq=False, kw_only=True)
class Peers:
    """For each of n units those it is held against.

    Parameters
    ----------
    unit : (n,) array
    peer : tuple of n arrays of int
        Positions of each unit's peers, the most alike first. That one unit is another's peer does not make the other
        its own.
    distance : tuple of n arrays
        From the unit, in standard deviations; NaN where no columns were asked for.
    columns : (c,) tuple of str; values : (n, c) array
        What units are alike in, in its own units of measure.
    nearest_share : (n,) array
        Share of all pairs of units that are closer than the unit and its first peer, 0 to 1.
    alone : (n,) array of bool
        The first peer is farther than a quarter of all pairs: the unit has nobody alike.
    how : str
        How peers were found, as a sentence without a full stop.
    notes : tuple of str
    """

    unit: NDArray[np.object_]
    peer: tuple[Positions, ...]
    distance: tuple[Floats, ...]
    columns: tuple[str, ...]
    values: Floats
    nearest_share: Floats
    alone: NDArray[np.bool_]
    how: str
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.unit)

    def __repr__(self) -> str:
        few, many = min(map(len, self.peer)), max(map(len, self.peer))
        return (
            f"Peers({len(self)} units with {few if few == many else f'{few} to {many}'} peers each, {self.how}; "
            f"{int(self.alone.sum())} without anyone alike)"
        )

    def of(self, unit: object) -> list[object]:
        """Return the labels of a unit's peers, the most alike first."""
        labels = self.unit.tolist()
        if unit not in labels:
            raise SpecificationError(f"there is no unit {unit!r} among the {len(labels)}: {listed(labels)}")
        return [labels[i] for i in self.peer[labels.index(unit)]]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per unit and peer: ``unit, peer, place, distance``, and by column the peer less the unit.

        Differences are in the columns' own units of measure, and named ``column: difference``.
        """
        at = np.repeat(np.arange(len(self)), [len(p) for p in self.peer])
        of = np.concatenate(self.peer) if len(at) else np.zeros(0, dtype=np.intp)
        told = {
            "unit": self.unit[at],
            "peer": self.unit[of],
            "place": np.concatenate([np.arange(1, len(p) + 1) for p in self.peer]),
            "distance": np.concatenate(self.distance),
        }
        apart = self.values[of] - self.values[at]
        return pd.DataFrame(
            told | {f"{name}: difference": apart[:, j] for j, name in enumerate(self.columns)}
        ).infer_objects()


def find_peers(
    table: object,
    columns: Sequence[str] = (),
    *,
    unit: str,
    k: int | None = 7,
    distance: Distance = "standardised",
    weights: Mapping[str, float] | None = None,
    groups: str | None = None,
    given: Mapping[object, Sequence[object]] | None = None,
) -> Peers:
    """Find for each unit those it can be held against.

    Parameters
    ----------
    table : dataframe, one row per unit
    columns : sequence of str
        Numbers that units are to be alike in: conditions, not results. May be empty with ``groups`` or ``given``.
    unit : str
        Column: labels.
    k : int or None, default 7
        How many of the most alike; None, with ``groups``, for all of the group.
    distance : {'standardised', 'mahalanobis', 'weighted'}, default 'standardised'
        Euclidean in standard deviations; with the correlation of the columns taken out, so that two columns of one
        thing do not count twice; or in standard deviations weighted.
    weights : mapping of str to float, optional
        Of 'weighted', one for each column, zero or more; their sum does not matter.
    groups : str, optional
        Column of fixed (official) groups: peers are of the unit's own group.
    given : mapping, optional
        Own lists: for each unit its peers, which are then taken as they are.

    Returns
    -------
    Peers

    Raises
    ------
    SpecificationError
        k is not below the number of units, columns without distances or the other way around, or lists that name
        strangers.
    DataError
        Missing values (units are named), constant columns, columns of which one follows from others ('mahalanobis'),
        labels twice there, or a group of one unit.

    Notes
    -----
    Units as near as each other are ordered by label. Cost n² c: for municipalities and schools, not for persons.

    Examples
    --------
    >>> table = pd.DataFrame({"k": list("abcd"), "x": [1.0, 2.0, 4.0, 9.0]})
    >>> find_peers(table, ["x"], unit="k", k=2).of("d")
    ['c', 'b']
    """
    if not isinstance(columns, Iterable):
        raise SpecificationError(f"columns={columns!r}; give the names of columns, as ['income', 'age']")
    names = [columns] if isinstance(columns, str) else list(columns)
    _check(names, k, distance, weights, groups, given)
    extra = [groups] if groups is not None else []
    read = read_table(table, [unit, *names, *extra], why="find_peers")
    labels, values = _read(read, unit, names)
    apart = _distances(values, names, distance, weights) if names else np.full((len(labels),) * 2, np.nan)
    group = None if groups is None else _group(read, groups, labels)
    if given is not None:
        found = _given(given, labels)
    else:
        if k is not None:
            whole("k", k, most=len(labels) - 1, what="fewer than there are units")
        found = _nearest(apart, labels, k, group)
    return _record(labels, names, values, apart, found, _how(names, distance, k, groups, given))


def _check(
    names: list[str], k: int | None, distance: Distance, weights: Mapping[str, float] | None, groups: str | None,
    given: Mapping[object, Sequence[object]] | None,
) -> None:  # fmt: skip
    if distance not in get_args(Distance):
        raise SpecificationError(f"distance={distance!r}; allowed are {listed(get_args(Distance))}")
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise SpecificationError(f"columns={names!r}; name each column once")
    if (distance == "weighted") != (weights is not None):
        raise SpecificationError("weights go with distance='weighted', and it needs them")
    if weights is not None and not isinstance(weights, Mapping):
        raise SpecificationError(f"weights={weights!r}; give one for each column, as {{'income': 2}}")
    if groups is not None and given is not None:
        raise SpecificationError("peers are of groups or given, not both")
    if given is not None and not isinstance(given, Mapping):
        raise SpecificationError("given takes for each unit a list of its peers, as {'Aarhus': ['Odense']}")
    if k is None and groups is None and given is None:
        raise SpecificationError("k=None is for groups; say how many peers a unit is to have")
    if not names and groups is None and given is None:
        raise SpecificationError("columns is empty; name what units are to be alike in, or give groups or lists")
    if not names and groups is not None and k is not None:
        raise SpecificationError("k of a group are the most alike in columns: name columns, or say k=None for all")


def _read(read: Table, unit: str, names: list[str]) -> tuple[NDArray[np.object_], Floats]:
    read.refuse_missing([unit], advice="name each unit")
    read.check_labels([unit])
    labels = read.frame[unit].to_numpy(dtype=object)
    twice = read.frame[unit][read.frame[unit].duplicated()].unique()
    if len(twice):
        raise DataError(f"{len(twice)} unit(s) have more than one row in {unit!r}: {listed(twice)}")
    if len(labels) < 2:
        raise DataError("there is one unit, and nobody to hold it against")
    for name in names:
        lacking = labels[read.frame[name].isna().to_numpy()]
        if len(lacking):
            raise DataError(f"{len(lacking)} unit(s) lack {name!r}: {listed(lacking)}; fill it in, or leave them out")
    values = [numbers(read, name, role="what units are to be alike in") for name in names]
    flat = [name for name, v in zip(names, values, strict=True) if np.ptp(v) <= 1e-12 * np.abs(v).max()]
    if flat:
        raise DataError(f"the same for all units, so that none is more alike: {listed(flat)}; leave it out")
    return labels, np.column_stack(values) if values else np.zeros((len(labels), 0))


def _distances(values: Floats, names: list[str], distance: Distance, weights: Mapping[str, float] | None) -> Floats:
    if distance == "mahalanobis":
        found = mahalanobis_distances(values)
        if found is None:
            raise DataError(
                f"among {listed(names)} one follows from the others, or there are too few units: leave columns out, or "
                "use distance='standardised'"
            )
        return found
    w = np.ones(len(names))
    if weights is not None:
        if set(weights) != set(names):
            raise SpecificationError(f"weights are of {listed(weights)}; the columns are {listed(names)}")
        try:
            w = np.array([weights[name] for name in names], dtype=np.float64)
        except (TypeError, ValueError):
            w = np.full(len(names), np.nan)
        if not (np.isfinite(w).all() and (w >= 0).all() and w.sum() > 0):
            raise SpecificationError(f"weights={dict(weights)!r}; give numbers of zero or more, not all zero")
        w = w * len(w) / w.sum()
    return weighted_distances(values, w)


def _group(read: Table, groups: str, labels: NDArray[np.object_]) -> NDArray[np.intp]:
    lacking = labels[read.frame[groups].isna().to_numpy()]
    if len(lacking):
        raise DataError(f"{len(lacking)} unit(s) have no {groups!r}: {listed(lacking)}")
    read.check_labels([groups])
    codes, met = pd.factorize(read.frame[groups].astype(object))
    single = list(met[np.flatnonzero(np.bincount(codes) == 1)])
    if single:
        raise DataError(f"{groups!r} has groups of one unit, which has no peers: {listed(single)}")
    return np.asarray(codes)


def _given(given: Mapping[object, Sequence[object]], labels: NDArray[np.object_]) -> list[Positions]:
    place = {label: i for i, label in enumerate(labels.tolist())}
    lost = [label for label in place if label not in given]
    if lost:
        raise SpecificationError(f"given has no peers of {len(lost)} unit(s): {listed(lost)}")
    found = []
    for label in place:
        own = (
            [given[label]]
            if isinstance(given[label], str) or not isinstance(given[label], Iterable)
            else [*given[label]]
        )
        strange = [name for name in own if not isinstance(name, Hashable) or name not in place]
        if strange or not own or label in own or len(set(own)) < len(own):
            raise SpecificationError(
                f"peers of {label!r} are {listed(own)}; give one or more other units of the table, each once"
                + (f" (not there: {listed(strange)})" if strange else "")
            )
        found.append(np.array([place[name] for name in own], dtype=np.intp))
    return found


def _nearest(
    apart: Floats, labels: NDArray[np.object_], k: int | None, group: NDArray[np.intp] | None
) -> list[Positions]:
    named, found = np.array([str(label) for label in labels]), []
    for i in range(len(labels)):
        others = np.flatnonzero(np.arange(len(labels)) != i)
        if group is not None:
            others = others[group[others] == group[i]]
        order = nearest_order(np.nan_to_num(apart[i, others]), named[others])
        found.append(others[order[:k]])
    return found


def _record(
    labels: NDArray[np.object_], names: list[str], values: Floats, apart: Floats, found: list[Positions], how: str
) -> Peers:
    n = len(labels)
    distance = tuple(apart[i, own] for i, own in enumerate(found))
    share_closer = np.full(n, np.nan)
    if names:
        pairs = np.sort(apart[np.triu_indices(n, 1)])
        first = np.array([own.min() for own in distance])
        share_closer = np.searchsorted(pairs, first * (1.0 - 1e-12)) / len(pairs)
    alone = share_closer > ALONE
    notes = []
    if alone.any():
        notes.append(
            f"{int(alone.sum())} unit(s) have nobody alike, their nearest is farther than a quarter of all pairs: "
            f"{listed(labels[alone])}"
        )
    return Peers(
        unit=labels, peer=tuple(found), distance=distance, columns=tuple(names), values=values,
        nearest_share=share_closer, alone=alone, how=how, notes=tuple(notes),
    )  # fmt: skip


def _how(
    names: list[str], distance: Distance, k: int | None, groups: str | None,
    given: Mapping[object, Sequence[object]] | None,
) -> str:  # fmt: skip
    if given is not None:
        return "as given"
    alike = f"the {k} most alike in {', '.join(names)} ({distance})" if k is not None else "all"
    return alike if groups is None else f"{alike} of the same {groups}"

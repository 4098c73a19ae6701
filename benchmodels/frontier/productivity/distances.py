"""The distances that an index needs, for every unit and pair of neighbouring periods of a panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.errors import DataError
from benchmodels.kernels.productivity import radial_distances
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL
from benchmodels.kernels.technology import bounds_of
from benchmodels.parallel import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.frontier.productivity.decompositions import Ask, Reference
    from benchmodels.frontier.productivity.panel import Panel
    from benchmodels.kernels.productivity import Side
    from benchmodels.kernels.technology import Returns

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["ABSENT", "Pairs", "asked_of", "distances_of", "pairs_of", "references_of", "status_of"]

ABSENT = "absent"


@dataclass(frozen=True, eq=False)
class Pairs:
    """Every unit in every pair of neighbouring periods, pair by pair.

    Parameters
    ----------
    who : (p,) array of int; pair : (p,) array of int
        The unit, and the earlier of the two periods, by position.
    earlier, later : (p,) arrays of int
        Rows of the panel; -1 where the unit is absent.
    """

    who: Codes
    pair: Codes
    earlier: Codes
    later: Codes

    @property
    def present(self) -> NDArray[np.bool_]:
        """Whether the unit is there in both periods (p,)."""
        return np.asarray((self.earlier >= 0) & (self.later >= 0))

    def spread(self, values: NDArray[Any], absent: float) -> NDArray[Any]:
        """Return values of the pairs that are present, one kind after the other, as (kinds, p)."""
        there = np.flatnonzero(self.present)
        kinds = values.reshape(-1, len(there)) if len(there) else values.reshape(1, 0)
        whole = np.full((len(kinds), len(self.who)), absent, dtype=values.dtype)
        whole[:, there] = kinds
        return whole


def pairs_of(panel: Panel) -> Pairs:
    """Return the pairs of a panel: a unit is in those of which it is there in one of the periods."""
    rows = panel.rows
    earlier, later = rows[:, :-1].T, rows[:, 1:].T
    pair, who = np.nonzero((earlier >= 0) | (later >= 0))
    return Pairs(who, pair, earlier[pair, who], later[pair, who])


def references_of(panel: Panel, reference: Reference) -> list[Codes]:
    """Return the reference rows of each period, and behind them those common to pairs of periods, if there are any.

    The technology of a period is that of all units that are there in it (contemporaneous), or were by then
    (sequential). Behind: of all rows (global), or of the two periods of each pair (biennial).
    """
    last = len(panel.period) - 1
    own = [panel.in_periods(0 if reference == "sequential" else t, t) for t in range(last + 1)]
    if reference == "global":
        return [*own, panel.in_periods(0, last)]
    return [*own, *(panel.in_periods(t, t + 1) for t in range(last))] if reference == "biennial" else own


def asked_of(panel: Panel, pairs: Pairs, asked: Sequence[Ask], reference: Reference) -> tuple[Codes, Codes, Codes]:
    """Return the rows used and made and the reference set of all distances asked, of the pairs that are present."""
    periods, there = len(panel.period), np.flatnonzero(pairs.present)
    if not len(there):
        raise DataError("no unit is there in two neighbouring periods, so that there is no change to measure")
    earlier, later, pair = pairs.earlier[there], pairs.later[there], pairs.pair[there]
    places = {
        "earlier": pair,
        "later": pair + 1,
        "common": np.full_like(pair, periods) if reference == "global" else periods + pair,
    }
    rows = {
        "earlier": (earlier, earlier),
        "later": (later, later),
        "later used, earlier made": (later, earlier),
        "earlier used, later made": (earlier, later),
    }
    used, made = (np.concatenate([rows[ask.point][part] for ask in asked]) for part in (0, 1))
    return used, made, np.concatenate([places[ask.reference] for ask in asked])


def distances_of(
    panel: Panel,
    pairs: Pairs,
    asked: Sequence[Ask],
    *,
    reference: Reference,
    returns: Returns | tuple[float, float],
    side: Side,
) -> dict[Ask, tuple[Floats, Codes]]:
    """Return efficiencies and statuses, (p,) each, of all distances asked; NaN and -1 where a unit is absent."""
    sets = references_of(panel, reference)
    found: dict[Ask, tuple[Floats, Codes]] = {}
    for kind in dict.fromkeys(ask.returns for ask in asked):
        some = [ask for ask in asked if ask.returns == kind]
        used, made, member = asked_of(panel, pairs, some, reference)
        with one_blas_thread():
            # All years, and all that is asked of them, in one call.
            held = radial_distances(
                panel.inputs, panel.outputs, bounds_of(returns if kind == "asked" else kind), side,
                used=used, made=made, sets=sets, member=member,
            )  # fmt: skip
        both = pairs.spread(held.value, np.nan), pairs.spread(held.status, -1)
        found |= {ask: (value, status) for ask, value, status in zip(some, *both, strict=True)}
    return found


def status_of(pairs: Pairs, codes: Sequence[Codes]) -> NDArray[np.object_]:
    """Return the status of each pair (p,) in words: the worst of its programs'."""
    told = np.full(len(pairs.who), "solved", dtype=object)
    for code in codes:
        told[(code == INFEASIBLE) & (told == "solved")] = "infeasible"
        told[(code != INFEASIBLE) & (code != OPTIMAL)] = "not solved"
    told[~pairs.present] = ABSENT
    return told

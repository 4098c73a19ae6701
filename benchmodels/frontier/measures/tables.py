"""What the fits of this subpackage show of their answers: peers, targets and slacks, as `DEAFit` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.shared_simplex import INFEASIBLE, OPTIMAL, UNBOUNDED
from benchmodels.table import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.frontier.goods import Goods
    from benchmodels.kernels.shared_simplex import Allowed

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["movable", "peers_table", "refuse_idle", "slacks_table", "status_in_words", "targets_table"]

_STATUS = {OPTIMAL: "solved", INFEASIBLE: "infeasible", UNBOUNDED: "unbounded"}


def status_in_words(status: Codes, allowed: Allowed | None, reference: int) -> NDArray[np.object_]:
    """Return the status of each point (k,), as `Scores` has it."""
    told = np.array([_STATUS.get(int(s), "not solved") for s in status], dtype=object)
    lost = np.flatnonzero(status == INFEASIBLE)
    if allowed is not None and len(lost):
        told[lost[~allowed(lost, 0, reference).any(axis=1)]] = "alone"
    return told


def movable(
    inputs: Sequence[str], outputs: Sequence[str], nondiscretionary: Sequence[str], orientation: str
) -> NDArray[np.bool_]:
    """Return which goods (m + s,) an orientation moves: those that somebody can change.

    Raises
    ------
    SpecificationError
        A name that is no good; or no good is left to move.
    """
    goods = (*inputs, *outputs)
    strange = [name for name in nondiscretionary if name not in goods]
    if strange:
        raise SpecificationError(
            f"nondiscretionary {listed(strange)} is neither input nor output; a condition that is none of them belongs "
            "to environment"
        )
    moves = [
        name not in nondiscretionary and orientation in ("none", "input" if i < len(inputs) else "output")
        for i, name in enumerate(goods)
    ]
    if goods and not any(moves):
        raise SpecificationError(f"every good that orientation={orientation!r} moves is nondiscretionary")
    return np.array(moves, dtype=np.bool_)


def refuse_idle(points: Goods, counts: NDArray[np.bool_]) -> None:
    """Raise for points that have nothing of the goods that count (k, m + s), so that there is no share of them."""
    idle = ~counts.any(axis=1)
    if idle.any():
        raise DataError(
            f"nothing counts for {listed(points.unit[idle])}: there is nothing of the goods that the measure moves"
        )


def peers_table(unit: NDArray[np.object_], peer: Codes, weight: Floats) -> pd.DataFrame:
    """Return ``unit, peer, weight``, by unit, the largest weight first."""
    at, place = np.nonzero((peer >= 0) & (weight > 0))
    frame = pd.DataFrame(
        {"unit": unit[at], "peer": unit[peer[at, place]], "weight": weight[at, place], "order": at}
    ).sort_values(["order", "weight"], ascending=[True, False], kind="stable")
    return frame.drop(columns="order").reset_index(drop=True).infer_objects()


def targets_table(goods: Goods, target: Floats, slack: Floats) -> pd.DataFrame:
    """Return ``unit, good, part, value, target, slack``: one row a unit and good."""
    (k, width), m = goods.goods.shape, goods.inputs.shape[1]
    return pd.DataFrame(
        {
            "unit": np.repeat(goods.unit, width),
            "good": np.tile(np.array(goods.names, dtype=object), k),
            "part": np.tile(np.where(np.arange(width) < m, "input", "output").astype(object), k),
            "value": goods.goods.ravel(),
            "target": target.ravel(),
            "slack": slack.ravel(),
        }
    ).infer_objects()


def slacks_table(goods: Goods, slack: Floats) -> pd.DataFrame:
    """Return ``unit`` and the goods by name: one row a unit."""
    frame = pd.DataFrame(slack, columns=list(goods.names))
    frame.insert(0, "unit", goods.unit)
    return frame.infer_objects()

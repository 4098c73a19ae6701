"""So many goods for so few units: what a frontier knows, and whether to sum goods before it is sought."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import DataError, SpecificationError
from benchmodels.frontier.dea import DEAFit, fit_dea
from benchmodels.frontier.models import DEA
from benchmodels.frontier.scores import read_only
from benchmodels.kernels.aggregates import Aggregate, aggregate_of
from benchmodels.kernels.frontier_bootstrap import rate
from benchmodels.kernels.technology import bounds_of
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.goods import Goods

__all__ = ["Advice", "Aggregated", "aggregate"]

Advice = Literal["sum", "depends", "keep"]

# Shares of the first root, and units, between which sums were seen to do better or worse by simulation:
# tests/recovery/dimension_reduction.json, which a test holds these to.
_ALIKE, _APART, _MOST = 0.99, 0.65, 98


@dataclass(frozen=True, eq=False, kw_only=True)
class Aggregated:
    """A frontier of all goods, and one of a single input and a single output that are sums of them.

    Parameters
    ----------
    full, reduced : DEAFit
        Of all goods; of the sums, whose mean unit has 1 of each.
    input_share, output_share : float
        Wilson's R_x and R_y: the largest eigenvalue of the goods' cross-products over the sum of all eigenvalues; 1
        where all units have goods in the same proportion, and for a single good.
    weight : (m + s,) array
        What one unit of measure of each good counts in its sum.
    """

    full: DEAFit
    reduced: DEAFit
    input_share: float
    output_share: float
    weight: NDArray[np.float64]

    def __post_init__(self) -> None:
        read_only(self)

    def weights(self) -> pd.DataFrame:
        """Return ``good, part, weight, mean_share``: what each counts in the sum, and its share of the mean unit's."""
        goods, m = self.full.goods, len(self.full.model.inputs)
        return pd.DataFrame(
            {
                "good": list(goods.names),
                "part": ["input"] * m + ["output"] * (len(goods.names) - m),
                "weight": self.weight,
                "mean_share": self.weight * goods.goods.mean(axis=0),
            }
        ).infer_objects()

    @property
    def effective_units(self) -> tuple[float, float]:
        """With how many units an estimate of the usual rate, root n, would do as well: of all goods, and of the sums.

        n to the power 2 κ, where n to the power -κ is the rate of the frontier: 98 units with seven goods tell under
        variable returns as much as 10 would of a mean.
        """
        n, bounds = len(self.full.goods), bounds_of(self.full.model.returns)
        goods = self.full.goods.goods.shape[1]
        return float(n ** (2.0 * rate(goods, bounds))), float(n ** (2.0 * rate(2, bounds)))

    @property
    def advice(self) -> Advice:
        """Whether sums are likely to come nearer to the true efficiencies, by mean square error.

        'sum': both shares are .99 or more, and units 98 or fewer. 'keep': one share is below .65, or there is one input
        and one output already. 'depends', in between: sums come nearer where goods matter in proportion to their
        weights in the sum, and are further off where one good does most of the work, which the shares cannot tell.

        Notes
        -----
        The shares and the effective number of units are Wilson's (2018); the bounds are ours, from simulated tables of
        40, 98 and 300 units with 3 to 7 goods (``tests/recovery/dimension_reduction.json``). With 98 units, three
        inputs and three outputs whose proportions differ by a standard deviation of .3 on the log scale (shares of
        .95), the mean square error of sums was .12 of that of all goods where inputs matter alike, and 1.30 times as
        large where one of them has .8 of the weight.
        """
        least = min(self.input_share, self.output_share)
        if self.full.goods.goods.shape[1] == 2 or least < _APART:
            return "keep"
        return "sum" if least >= _ALIKE and len(self.full.goods) <= _MOST else "depends"

    def __repr__(self) -> str:
        full, reduced = self.effective_units
        return (
            f"Aggregated({len(self.full.goods)} units, R_x={self.input_share:.3f}, R_y={self.output_share:.3f}, "
            f"effective units {full:.0f} of all goods and {reduced:.0f} of sums, advice={self.advice!r})"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return both efficiencies side by side: ``unit, efficiency, efficiency_of_sums, input, output``."""
        return pd.DataFrame(
            {
                "unit": self.full.unit,
                "efficiency": self.full.efficiency,
                "efficiency_of_sums": self.reduced.efficiency,
                "input": self.reduced.goods.inputs[:, 0],
                "output": self.reduced.goods.outputs[:, 0],
            }
        ).infer_objects()


def aggregate(model: DEA, data: object) -> Aggregated:
    """Fit a model of many goods, and beside it one of their sums.

    A frontier of many goods comes near to the true one very slowly. Where all units use inputs in much the same
    proportions, and make outputs in much the same, sums lose little, and what is left can be found from few units.

    Parameters
    ----------
    model : DEA
        Of orientation 'input' or 'output', without weights or nondiscretionary goods.
    data : dataframe
        One row a unit.

    Returns
    -------
    Aggregated

    Raises
    ------
    SpecificationError
        Another orientation; weights; nondiscretionary goods.
    DataError
        As in `DEA.fit`; a unit that has only goods without a part in the sum.

    Notes
    -----
    Efficiencies of the two are estimates of the same thing only if goods matter in proportion to their weights in the
    sum. These are those of the first eigenvector of cross-products, which knows what units use and make, and nothing of
    what it does.

    References
    ----------
    Wilson (2018), Eur J Oper Res 267:349-367.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> size = rng.lognormal(size=98)
    >>> table = pd.DataFrame({"unit": range(98), "nurses": size, "doctors": 0.2 * size * rng.uniform(0.9, 1.1, 98),
    ...     "patients": 9.0 * size * rng.uniform(0.5, 1.0, 98)})
    >>> aggregate(DEA(inputs=["nurses", "doctors"], outputs=["patients"], unit="unit"), table)
    Aggregated(98 units, R_x=0.999, R_y=1.000, effective units 98 of all goods and 452 of sums, advice='sum')
    """
    if not isinstance(model, DEA):
        raise SpecificationError(f"aggregate takes a benchmodels.frontier.DEA (found {type(model).__name__})")
    if model.orientation not in ("input", "output"):
        raise SpecificationError(f"orientation={model.orientation!r}; sums need 'input' or 'output'")
    if model.weights is not None or model.nondiscretionary:
        raise SpecificationError(
            "goods that have weights, or that cannot move, are not summed; leave these options out"
        )
    goods = model.read(data)
    m = len(model.inputs)
    sums = [_summed(goods, slice(None, m)), _summed(goods, slice(m, None))]
    names = tuple(
        old[0] if len(old) == 1 else f"sum of {part}"
        for part, old in (("inputs", model.inputs), ("outputs", model.outputs))
    )
    one = replace(
        goods, names=names, inputs=sums[0].value[:, None].copy(), outputs=sums[1].value[:, None].copy()
    )  # fmt: skip
    return Aggregated(
        full=fit_dea(model, goods),
        reduced=fit_dea(replace(model, inputs=names[:1], outputs=names[1:]), one),
        input_share=sums[0].share,
        output_share=sums[1].share,
        weight=np.concatenate([found.weight for found in sums]),
    )


def _summed(goods: Goods, part: slice) -> Aggregate:
    found = aggregate_of(goods.goods[:, part])
    nothing = ~(found.value > 0)
    if nothing.any():
        raise DataError(
            f"{listed(goods.unit[nothing])} have none of the goods of which a sum is made: "
            f"{listed(np.array(goods.names[part])[found.weight > 0].tolist())}"
        )
    return found

"""What a test of a frontier says, and whether it may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from benchmodels.frontier.scores import read_only

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.frontier.testing.sizes import Size

    Floats = NDArray[np.float64]

__all__ = ["HypothesisTest", "Verdict", "judged"]

Verdict = Literal["rejected", "not rejected", "withheld"]


@dataclass(frozen=True, eq=False, kw_only=True)
class HypothesisTest:
    """A null hypothesis about a frontier, held against a table.

    Parameters
    ----------
    question : str
        'convexity', 'returns', 'separability', 'means', 'returns-2002' or 'independence'.
    null : str
        The null hypothesis in words.
    statistic_name : str; statistic, p_value : float
    level : float
    verdict : {'rejected', 'not rejected', 'withheld'}
        Withheld where simulations have the test reject a true null hypothesis too often, or do not tell.
    reason : str
        Why that verdict, in words.
    size : float
        How often simulated tables whose null hypothesis was true were rejected at the level; NaN where unknown.
    power : float
        How often those were whose null hypothesis was not true (one alternative each, of the generator's choice).
    units, goods : int
    splits, halvings, replicates : int
        Of the table, of each of its halves, and of the bootstrap; 0 where there are none.
    statistics : (s,) array
        Of each split; else the one statistic.
    replicated : (b,) array
        The statistic in each replicate.
    rng : str
        Entropy of the generator.
    """

    question: str
    null: str
    statistic_name: str
    statistic: float
    p_value: float
    level: float
    verdict: Verdict
    reason: str
    size: float
    power: float
    units: int
    goods: int
    splits: int
    halvings: int
    replicates: int
    statistics: Floats
    replicated: Floats
    rng: str

    def __post_init__(self) -> None:
        read_only(self)

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __repr__(self) -> str:
        return (
            f"HypothesisTest({self.null}: {self.verdict}; {self.statistic_name} = {self.statistic:.4g}, "
            f"p = {self.p_value:.3g}; {self.reason})"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row: all but the arrays and the generator."""
        left = ("statistics", "replicated", "rng")
        return pd.DataFrame([{name: value for name, value in self.__dict__.items() if name not in left}])


def judged(p_value: float, level: float, known: Size) -> tuple[Verdict, str]:
    """Return the verdict of a test and why."""
    if not known.known:
        return "withheld", f"how often it rejects what is true is not known: {known.told}"
    if not known.right:
        return (
            "withheld",
            f"it rejects what is true too often: in {known.size:.0%} of {known.told}, at a level of {level:.0%}",
        )
    if p_value <= level:
        return "rejected", f"p <= {level:g}; what is true was rejected in {known.size:.0%} of {known.told}"
    found = f", and the alternative simulated found in {known.power:.0%}" if np.isfinite(known.power) else ""
    return "not rejected", f"p > {level:g}; what is true was rejected in {known.size:.0%} of {known.told}{found}"

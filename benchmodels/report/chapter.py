"""What a page needs to know of one study: results that were computed elsewhere, and the words for them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from benchmodels.beside import AverageBesideBest
    from benchmodels.comparison import Comparison, Coverage
    from benchmodels.flags import ReferenceDistribution
    from benchmodels.report.development import Development

__all__ = ["BestPractice", "Chapter", "Labels"]


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The words of a study in the language of the page; see the schema of a study for what each says.

    ``inputs`` and ``outputs`` are what is used and made, as they stand in a sentence about best practice.
    """

    title: str
    question: str
    outcome: str
    size: str
    rate: str
    measure: str
    caveats: Sequence[str]
    terms: Mapping[str, str] = field(default_factory=dict)
    sources: Sequence[str] = ()
    one: str
    the_one: str
    many: str
    the_many: str
    everyone: str
    inputs: str = ""
    outputs: str = ""

    def term(self, term: str) -> str:
        """Return the label of a term of the formula, or of the column it is made of, or the term itself."""
        column = re.sub(r"^\w+\(\s*([^,()]+).*\)$", r"\1", term).strip()
        return self.terms.get(term) or self.terms.get(column) or column

    def good(self, name: str) -> str:
        """Return the label of a good, or of the column and the level that it was split from: 'column: level'."""
        return ": ".join(self.terms.get(part, part) for part in ([name] if name in self.terms else name.split(": ", 1)))


@dataclass(frozen=True, eq=False, kw_only=True)
class BestPractice:
    """What the best comparable units would need, or make.

    Parameters
    ----------
    scores : DataFrame
        unit, efficiency, status, comparables, place, peer_for: how many units, itself among them, it may be held
        against; 'best' where nobody comparable does better, 'slack' where somebody does in some goods, 'within' or
        'none'; and how many others the unit is a peer for. Where frontiers were drawn again also lower, upper,
        rank_lower, rank_upper and withheld: limits of the efficiency and of its place, and why there are none.
    peers : DataFrame
        unit, peer, weight, share: share of the target that is made up by the peer.
    targets : DataFrame
        unit, good, part, value, target, slack; where frontiers were drawn again also lower, upper of what moves.
    circles : DataFrame, optional
        unit, other: whom each may be held against; none where all may be held against all.
    orientation, returns : str
    composition : tuple of str; nearest : int, optional; environment : mapping of str to str
        Who is comparable.
    model, certificate : str
        The model as it prints, and what its solutions were checked by.
    drawn : DataFrame, optional
        unit, peer, found, frequency: whom units were held against in frontiers that were drawn again.
    level : float; coverage : Coverage, optional; noise : str
        What limits were asked for at, how often such limits held, and what was drawn.
    """

    scores: pd.DataFrame
    peers: pd.DataFrame
    targets: pd.DataFrame
    circles: pd.DataFrame | None = None
    orientation: str
    returns: str
    composition: tuple[str, ...] = ()
    nearest: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    certificate: str = ""
    drawn: pd.DataFrame | None = None
    level: float = math.nan
    coverage: Coverage | None = None
    noise: str = ""

    @property
    def advised(self) -> int:
        """How many units to be held against are advised for so many goods, max(m s, 3 (m + s)): else most look best.

        References
        ----------
        Cooper, Seiford & Tone (2007), Data Envelopment Analysis, 2nd ed., on the number of units.
        """
        goods = self.targets.drop_duplicates("good")["part"].tolist()
        inputs, outputs = goods.count("input"), goods.count("output")
        return max(inputs * outputs, 3 * (inputs + outputs))

    @property
    def few(self) -> frozenset[Any]:
        """The units that have fewer."""
        return frozenset(self.scores.loc[self.scores["comparables"] < self.advised, "unit"].tolist())


@dataclass(frozen=True, eq=False, kw_only=True)
class Chapter:
    """The results of one study.

    Parameters
    ----------
    id : str
        File name of the study, also its anchor on the page.
    labels : Labels
    difference, ratio : Comparison
        The same fit with both contrasts.
    contrast : str
        Which of the two is the main figure: that of the verdicts and the figures.
    flags : DataFrame
        unit, estimate, different, unusual, z of the main figure.
    ranking : DataFrame, optional
        unit, estimate, rank, lower, upper, simultaneous_lower, simultaneous_upper.
    shrinkage : DataFrame, optional
        unit, shrunken, reliability of the main figure.
    parts : DataFrame, optional
        unit, term, contribution: what moves the unit's expected rate away from that of all.
    calibration : DataFrame, optional
        bin, size, expected, observed, lower, upper.
    coefficients : DataFrame, optional
    reference : ReferenceDistribution, optional
        Of the main figure: φ, τ and the limits of the funnel.
    limits : DataFrame, optional
        method, value, above, below, chosen, descriptive: how many units are unusual under each reference distribution.
    overall : float
        Observed rate of all units together, in the outcome's unit of measure; NaN for that of the units with an
        expected value.
    parts_exact : bool
        False where continuous covariates were gathered on a grid for the parts.
    frontier : BestPractice, optional
    beside : AverageBesideBest, optional
        Average practice beside best practice, where both are of the outcome.
    choices : DataFrame, optional
        What units chose, held against the main figure, one row per term: choice, category, reference, estimate, lower,
        upper, p, p_choice, measure ('difference' on the scale told, or 'log ratio'), units, tau, i2, r2, withheld.
    choice_notes : sequence of str
        What a reader of it must know.
    development : Development, optional
        What growth in amounts consists of, for each unit and for all together.
    explained : float
        Share of the variation between units that composition explains; NaN where not known.
    scale, decimals : float, int
        Rates and differences are told times scale, with so many decimals.
    counts : bool
        The outcome counts cases, so that observed less expected is a number of them.
    formula, kind : str
        The model as written, and 'pooled', 'fixed-effects', 'random-effects' or 'random-effects-within'.
    notes : sequence of str
        Warnings from the calculation.
    files : mapping of str to str
        Key of the word for a file, and its place relative to the page.
    """

    id: str
    labels: Labels
    difference: Comparison
    ratio: Comparison
    contrast: Literal["difference", "ratio"]
    flags: pd.DataFrame
    ranking: pd.DataFrame | None
    parts: pd.DataFrame | None
    calibration: pd.DataFrame | None
    coefficients: pd.DataFrame | None
    reference: ReferenceDistribution | None
    explained: float
    scale: float
    decimals: int
    counts: bool
    formula: str
    kind: str
    overall: float = math.nan
    parts_exact: bool = True
    shrinkage: pd.DataFrame | None = None
    limits: pd.DataFrame | None = None
    frontier: BestPractice | None = None
    beside: AverageBesideBest | None = None
    choices: pd.DataFrame | None = None
    choice_notes: Sequence[str] = ()
    development: Development | None = None
    notes: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def main(self) -> Comparison:
        """The comparison that the verdicts and figures are of."""
        return self.ratio if self.contrast == "ratio" else self.difference

    @property
    def national(self) -> float:
        """Observed rate of all units together, on the scale told."""
        if math.isfinite(self.overall):
            return self.overall * self.scale
        known = np.isfinite(self.main.observed)
        total = float(self.main.size[known].sum())
        return float(self.main.observed[known].sum()) / total * self.scale if total else math.nan

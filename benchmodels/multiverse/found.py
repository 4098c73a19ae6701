"""What a multiverse found: the range of every unit's answer, and whose doing the range is."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmodels.errors import SpecificationError
from benchmodels.kernels.multiverse_shares import ChoiceShares, choice_shares
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better, Contrast, Reference, Standard
    from benchmodels.multiverse.specifications import Choice, Specification

    Floats = NDArray[np.float64]

__all__ = ["VERDICTS", "MultiverseResult", "Status"]

Status = Literal["estimated", "not estimable", "failed", "not run"]

VERDICTS = ("below", "not different", "above", "withheld")


@dataclass(frozen=True, eq=False, kw_only=True)
class MultiverseResult:
    """Answers of S specifications for k units; NaN where one has none.

    A multiverse is not a confidence interval: specifications are not a sample, and a share of them is no probability.
    It says how far an answer rests on choices that could have been made otherwise.

    Parameters
    ----------
    choices : tuple of Choice
        Those of one option included.
    specifications : tuple of S Specification
    unit : (k,) array
        Labels.
    status, reason, rank_reason : tuples of S str
        "estimated", "not estimable" (not defined for these data), "failed" (no maximum found) or "not run"; why; and
        why there are no ranks.
    null : (S,) array
        Estimate of a unit as expected.
    estimate, lower, upper : (S, k) arrays
        Of the contrast, in its unit of measure, each with its own interval.
    verdict : (S, k) array of int
        Position in `VERDICTS`: by the unit's own noise, see `Comparison.different`.
    rank, rank_lower, rank_upper : (S, k) arrays
        Ranks and their marginal sets.
    main : int
        Number of the specification that was chosen.
    standard, contrast, reference, level, better
        As asked.
    rows_read : int
        Rows of the table.
    source : str
        What the table says of its own origin.
    simulated : bool
        The figures are simulated.
    """

    choices: tuple[Choice, ...]
    specifications: tuple[Specification, ...]
    unit: NDArray[np.object_]
    status: tuple[Status, ...]
    reason: tuple[str, ...]
    rank_reason: tuple[str, ...]
    null: Floats
    estimate: Floats
    lower: Floats
    upper: Floats
    verdict: NDArray[np.int8]
    rank: Floats
    rank_lower: Floats
    rank_upper: Floats
    main: int
    standard: Standard
    contrast: Contrast
    reference: Reference
    level: float
    better: Better | None
    rows_read: int
    source: str
    simulated: bool

    def __repr__(self) -> str:
        done = sum(status == "estimated" for status in self.status)
        held = int(self.to_frame()["holds"].sum())
        noun = "specification" if len(self.status) == 1 else "specifications"
        return (
            f"MultiverseResult({done} of {len(self.status)} {noun} estimated, {len(self.unit)} units, "
            f"{self.standard} {self.contrast}; {held} have the same verdict in all; not a confidence interval)"
        )

    @property
    def complete(self) -> bool:
        """Whether every specification has an estimate of every unit: the crossing is full, and its parts are exact."""
        return bool(np.isfinite(self.estimate).all())

    def to_frame(self) -> pd.DataFrame:
        """Return one row per unit.

        Returns
        -------
        DataFrame
            ``unit, specifications, estimate, lower, upper, verdict`` (of the main specification), ``minimum,
            quartile_1, median, quartile_3, maximum`` (of the estimates), ``rank`` (main), ``rank_minimum,
            rank_maximum``, ``union_lower, union_upper`` (ranks in the marginal set of some specification),
            ``common_lower, common_upper`` (in the sets of all; NaN where there is none), ``share_above, share_below,
            share_not_different`` (of the specifications that give a verdict), ``holds`` (all give the same).
        """
        quartiles = _columnwise(np.nanquantile, self.estimate, np.array([0.0, 0.25, 0.5, 0.75, 1.0]), lead=5)
        known = self.verdict != VERDICTS.index("withheld")
        number = known.sum(axis=0)
        shares = {
            name: np.divide(
                (self.verdict == i).sum(axis=0), number, out=np.full(len(self.unit), np.nan), where=number > 0
            )
            for i, name in enumerate(VERDICTS[:3])
        }
        low, high = _columnwise(np.nanmax, self.rank_lower), _columnwise(np.nanmin, self.rank_upper)
        frame = pd.DataFrame(
            {
                "unit": self.unit,
                "specifications": np.isfinite(self.estimate).sum(axis=0),
                "estimate": self.estimate[self.main],
                "lower": self.lower[self.main],
                "upper": self.upper[self.main],
                "verdict": np.array(VERDICTS, dtype=object)[self.verdict[self.main]],
                "minimum": quartiles[0],
                "quartile_1": quartiles[1],
                "median": quartiles[2],
                "quartile_3": quartiles[3],
                "maximum": quartiles[4],
                "rank": self.rank[self.main],
                "rank_minimum": _columnwise(np.nanmin, self.rank),
                "rank_maximum": _columnwise(np.nanmax, self.rank),
                "union_lower": _columnwise(np.nanmin, self.rank_lower),
                "union_upper": _columnwise(np.nanmax, self.rank_upper),
                "common_lower": np.where(low <= high, low, np.nan),
                "common_upper": np.where(low <= high, high, np.nan),
                "share_above": shares["above"],
                "share_below": shares["below"],
                "share_not_different": shares["not different"],
                "holds": np.max([shares[name] for name in shares], axis=0) == 1.0,
            }
        )
        frame["unit"] = frame["unit"].infer_objects()
        return frame

    def by_specification(self) -> pd.DataFrame:
        """Return one row per specification.

        Returns
        -------
        DataFrame
            ``number, main, status, reason, formula, model, family, periods, above, below, withheld`` (units by
            verdict), ``rank_reason``; formula is empty where the specification is not defined.
        """
        named = {choice.name: choice.options for choice in self.choices[-3:]}
        rows = []
        for i, s in enumerate(self.specifications):
            there = self.verdict[i]
            estimated = self.status[i] == "estimated"
            model, family, periods = s.options[-3:]
            rows.append(
                {
                    "number": s.number,
                    "main": s.main,
                    "status": self.status[i],
                    "reason": self.reason[i],
                    "formula": "" if s.model is None else s.model.formula,
                    "model": named["model"][model],
                    "family": named["family"][family],
                    "periods": named["periods"][periods],
                    "above": int((there == VERDICTS.index("above")).sum()),
                    "below": int((there == VERDICTS.index("below")).sum()),
                    "withheld": int((there == VERDICTS.index("withheld")).sum()) if estimated else len(self.unit),
                    "rank_reason": self.rank_reason[i],
                }
            )
        return pd.DataFrame(rows)

    def answers(self) -> pd.DataFrame:
        """Return one row per specification and unit.

        Returns
        -------
        DataFrame
            ``specification, unit, estimate, lower, upper, verdict, rank, rank_lower, rank_upper``.
        """
        s, k = self.estimate.shape
        frame = pd.DataFrame(
            {
                "specification": np.repeat(np.arange(s), k),
                "unit": np.tile(self.unit, s),
                **{name: getattr(self, name).ravel() for name in ("estimate", "lower", "upper")},
                "verdict": np.array(VERDICTS, dtype=object)[self.verdict.ravel()],
                **{name: getattr(self, name).ravel() for name in ("rank", "rank_lower", "rank_upper")},
            }
        )
        frame["unit"] = frame["unit"].infer_objects()
        return frame

    def drivers(self) -> pd.DataFrame:
        """Return which choice drives the estimates, over all units.

        Returns
        -------
        DataFrame
            ``choice, options, first_order, shapley, total, complete``, the largest Shapley share on top. Shares of the
            variance over specifications, summed over units: ``first_order`` of the choice alone, ``total`` with all
            its interactions, ``shapley`` with an even part of each (these add to one). ``complete``: the crossing is
            full, where the shares are those of the analysis of variance; otherwise they are of the specifications
            there are, which no longer vary one choice at a time.
        """
        names, shares = self._shares
        weight = np.where(np.isfinite(shares.variance), shares.variance, 0.0).sum()
        frame = pd.DataFrame({"choice": names, "options": [len(self._of(name).options) for name in names]})
        for column in ("first_order", "shapley", "total"):
            parts = np.nansum(getattr(shares, column), axis=1)
            frame[column] = parts / weight if weight > 0 else np.full(len(names), np.nan)
        frame["complete"] = self.complete
        return frame.sort_values("shapley", ascending=False, kind="stable", ignore_index=True)

    def drivers_by_unit(self) -> pd.DataFrame:
        """Return which choice drives each unit's estimate.

        Returns
        -------
        DataFrame
            ``unit, choice, sd, first_order, shapley, total``, by unit and choice. ``sd``: standard deviation of the
            unit's estimates over specifications, in the estimate's unit of measure; the rest are shares of its square,
            as in `drivers`. NaN where all estimates are alike.
        """
        names, shares = self._shares
        d, k = len(names), len(self.unit)
        sd = np.sqrt(np.maximum(shares.variance, 0.0))
        # Rounding leaves estimates that are alike a hair apart.
        largest = _columnwise(np.nanmax, np.abs(self.estimate))
        varies = sd > 1e-10 * np.where(np.isfinite(largest), largest, np.inf)
        frame = pd.DataFrame({"unit": np.repeat(self.unit, d), "choice": np.tile(np.array(names, dtype=object), k)})
        frame["sd"] = np.repeat(sd, d)
        for column in ("first_order", "shapley", "total"):
            parts = getattr(shares, column) / np.where(varies, shares.variance, np.nan)
            frame[column] = parts.T.ravel()
        return frame.infer_objects()

    def of(self, unit: object) -> pd.DataFrame:
        """Return one unit's row of the table (`to_frame`)."""
        at = self.position(unit)
        return self.to_frame().iloc[[at]].reset_index(drop=True)

    def position(self, unit: object) -> int:
        """Return the row of a unit, or raise SpecificationError that names what there is."""
        names = [str(label) for label in self.unit]
        if str(unit) not in names:
            near = get_close_matches(str(unit), names, n=3, cutoff=0.5)
            hint = f"; near: {listed(near)}" if near else ""
            raise SpecificationError(f"no unit {unit!r}; there are {listed(names)}{hint}")
        return names.index(str(unit))

    def _of(self, name: str) -> Choice:
        return next(choice for choice in self.choices if choice.name == name)

    @cached_property
    def _shares(self) -> tuple[list[str], ChoiceShares]:
        several = [j for j, choice in enumerate(self.choices) if len(choice.options) > 1]
        options = np.array([s.options for s in self.specifications], dtype=np.intp)
        shares = choice_shares(
            self.estimate, [options[:, j] for j in several], [len(self.choices[j].options) for j in several]
        )
        return [self.choices[j].name for j in several], shares


def _columnwise(of: Any, values: Floats, *more: Floats, lead: int = 0) -> Floats:
    """Apply a NaN-blind function over specifications; NaN, without a warning, for units that have no value."""
    k = values.shape[1]
    found = np.full((lead, k) if lead else k, np.nan)
    known = np.isfinite(values).any(axis=0)
    if known.any():
        found[..., known] = of(values[:, known], *more, axis=0)
    return found

"""The benefit of the doubt: what is asked, as a frozen question that holds no data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from benchmodels.errors import SpecificationError
from benchmodels.kernels.composites import corners_of
from benchmodels.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.comparison import Better
    from benchmodels.frontier.composites.fit import BenefitOfTheDoubtFit

    Floats = NDArray[np.float64]

__all__ = ["BenefitOfTheDoubt", "CompositeOrientation"]

CompositeOrientation = Literal["radial", "directional"]
Direction = Literal["own", "mean", "spread"]


@dataclass(frozen=True, kw_only=True)
class BenefitOfTheDoubt:
    """The benefit of the doubt: several outcomes in one number, with the weights that are kindest to each unit.

    A unit is held against mixtures of others, as in data envelopment with one input that all have one of. Nobody else
    does better by the weights that put it in its best light; where that is not enough, other weights are worse.

    Parameters
    ----------
    outcomes : sequence of str
        Two or more by column, or by name among comparisons; one is allowed, and its best unit is then the yardstick.
    unit : str, optional
        Column that names the unit; not needed where comparisons are given.
    better : {'high', 'low'} or mapping of str to one of them, optional
        Which direction is better, of all outcomes or one by one. Comparisons say it themselves where they were asked.
    orientation : {'radial', 'directional'}, default 'radial'
        'radial': all outcomes better in proportion. Outcomes must be above zero (or zero, without bounds on shares),
        and better in the same direction: high ones are expanded, efficiency 1 / φ as in Melyn & Moesen (1991); low ones
        are contracted, efficiency θ, as inputs are. 'directional': all better along ``direction`` at once, low ones
        down and high ones up (Zanella, Camanho & Dias 2015). No outcome is ever inverted or moved.
    direction : 'own', 'mean', 'spread' or mapping of str to float, default 'own'
        What one step of the directional measure is: the unit's own outcomes, those of the mean unit, a standard
        deviation between units, or an amount of each. With the last three it does not matter where zero is, so that
        outcomes may be below zero, as differences from the expected are.
    shares : (low, high) or mapping of str to (low, high), optional
        Least and largest share of an outcome in a step, which is what weight x step is, and sums to 1. Of the
        unit's own outcomes ('radial', 'own') these are the pie shares of practice, as (.1, .5).
    order : sequence of str
        Outcomes whose shares are to be in this order, the largest first.
    ratios : mapping of (str, str) to (low, high), optional
        Bounds of the share of one outcome over that of another. The ratio of weights is that of shares times the
        inverse ratio of steps.
    missing : {'raise', 'drop'}, default 'raise'
        Of units that lack an outcome.

    Raises
    ------
    SpecificationError
        Options that cannot be meant, or bounds that no shares meet.

    Notes
    -----
    Bounds are linear in the shares, and met exactly: what units are held against is every permitted weighting at a
    corner of the bounds (`benchmodels.kernels.composites`). The composite says how far all outcomes are from best
    practice by the kindest weights, and never which weights are right.

    Of three adjusted outcomes of 12 simulated countries, with shares of .1 to .5, it goes together with the planted
    composite by a rank correlation of .80 (its middle by `BenefitOfTheDoubtFit.uncertainty` .82, the mean of
    standardised outcomes .79), and has .60 of the planted best tenth in its own (.65, .55). Against the mean of planted
    practice it is .71, and the mean of standardised outcomes .77: for an average with equal weights take one. The set
    of those that may be among the ten best held all of them, and 72 of 98 units (``tests/recovery/``
    ``planted_composites.py``).

    References
    ----------
    Melyn & Moesen (1991), Public Economics Research Paper 17, KU Leuven. Cherchye, Moesen, Rogge & Van Puyenbroeck
    (2007), Soc Indic Res 82:111-145. Wong & Beasley (1990), J Oper Res Soc 41:829-835 (shares). Zanella, Camanho & Dias
    (2015), Eur J Oper Res 245:517-530 (directional).

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"school": list("abcdefghi"), "marks": [4.0, 8, 6, 3, 5, 7, 2, 6, 4],
    ...     "wellbeing": [9.0, 3, 6, 2, 5, 2, 8, 3, 4]})
    >>> asked = BenefitOfTheDoubt(outcomes=["marks", "wellbeing"], unit="school", better="high")
    >>> asked.fit(table).efficiency.round(3).tolist()
    [1.0, 1.0, 1.0, 0.433, 0.833, 0.875, 0.889, 0.8, 0.667]
    """

    outcomes: Sequence[str]
    unit: str | None = None
    better: Better | Mapping[str, Better] | None = field(default=None, hash=False)
    orientation: CompositeOrientation = "radial"
    direction: Direction | Mapping[str, float] = field(default="own", hash=False)
    shares: tuple[float, float] | Mapping[str, tuple[float, float]] | None = field(default=None, hash=False)
    order: Sequence[str] = ()
    ratios: Mapping[tuple[str, str], tuple[float, float]] | None = field(default=None, hash=False)
    missing: Literal["raise", "drop"] = "raise"

    def __post_init__(self) -> None:
        for name in ("outcomes", "order"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise SpecificationError(f"{name}={value!r}; give a list of outcomes")
            object.__setattr__(self, name, tuple(value))
            twice = sorted({repr(each) for each in getattr(self, name) if getattr(self, name).count(each) > 1})
            if twice:
                raise SpecificationError(f"{name} holds {', '.join(twice)} more than once")
        if not self.outcomes:
            raise SpecificationError("outcomes=(); give one outcome or more")
        if self.unit is not None and self.unit in self.outcomes:
            raise SpecificationError(f"{self.unit!r} is both unit and outcome")
        for name in ("better", "direction", "shares", "ratios"):
            if isinstance(getattr(self, name), Mapping):
                object.__setattr__(self, name, dict(getattr(self, name)))
        self._check_better()
        self._check_direction()
        if self.missing not in ("raise", "drop"):
            raise SpecificationError(f"missing={self.missing!r}; allowed are 'raise', 'drop'")
        self.corners()

    def _check_better(self) -> None:
        asked = self.better if isinstance(self.better, dict) else {name: self.better for name in self.outcomes}
        self._known("better", asked)
        if any(value not in ("high", "low", *([] if isinstance(self.better, dict) else [None]))
               for value in asked.values()):  # fmt: skip
            raise SpecificationError(f"better={self.better!r}; allowed are 'high', 'low', or one of them by outcome")

    def _check_direction(self) -> None:
        if self.orientation not in get_args(CompositeOrientation):
            raise SpecificationError(f"orientation={self.orientation!r}; allowed are 'radial', 'directional'")
        if isinstance(self.direction, dict):
            self._known("direction", self.direction)
            lacking = [name for name in self.outcomes if name not in self.direction]
            amounts = list(self.direction.values())
            told = all(
                isinstance(amount, Real) and not isinstance(amount, bool) and 0 < float(amount) < math.inf
                for amount in amounts
            )
            if lacking or not told:
                raise SpecificationError(
                    f"direction={self.direction!r}; give an amount above zero of each of {listed(self.outcomes)}"
                )
        elif self.direction not in get_args(Direction):
            raise SpecificationError(
                f"direction={self.direction!r}; allowed are 'own', 'mean', 'spread', or an amount of each outcome"
            )
        if self.direction != "own" and self.orientation == "radial":
            raise SpecificationError(f"direction={self.direction!r} belongs to orientation='directional'")

    def _known(self, what: str, asked: Iterable[object]) -> None:
        strange = [name for name in asked if name not in self.outcomes]
        if strange:
            raise SpecificationError(f"{what} names {listed(strange)}; the outcomes are {listed(self.outcomes)}")

    @property
    def bounded(self) -> bool:
        """Whether shares have bounds."""
        return self.shares is not None or len(self.order) > 1 or bool(self.ratios)

    def corners(self) -> Floats | None:
        """Return the corners (v, s) of the shares that are permitted; None where all are.

        Raises
        ------
        SpecificationError
            Bounds that no shares meet, that are no bounds, or that have too many corners.
        """
        rows = [*self._share_rows(), *self._order_rows(), *self._ratio_rows()]
        return corners_of(np.array(rows).reshape(-1, len(self.outcomes))) if self.bounded else None

    def _of(self, name: str) -> Floats:
        return np.asarray(np.eye(len(self.outcomes))[list(self.outcomes).index(name)])

    def _share_rows(self) -> list[Floats]:
        if self.shares is None:
            return []
        asked = self.shares if isinstance(self.shares, dict) else dict.fromkeys(self.outcomes, self.shares)
        self._known("shares", asked)
        rows = []
        for name, bounds in asked.items():
            low, high = _ends("shares", bounds, most=1.0)
            # Shares sum to 1, so that a bound is a multiple of their sum.
            rows += [self._of(name) - low] if low > 0 else []
            rows += [high - self._of(name)] if high < 1 else []
        return rows

    def _order_rows(self) -> list[Floats]:
        self._known("order", self.order)
        return [self._of(more) - self._of(less) for more, less in zip(self.order, self.order[1:], strict=False)]

    def _ratio_rows(self) -> list[Floats]:
        if self.ratios is None:
            return []
        rows = []
        pairs = isinstance(self.ratios, dict) and all(isinstance(p, tuple) and len(p) == 2 for p in self.ratios)
        if not pairs:
            raise SpecificationError(f"ratios={self.ratios!r}; give bounds by pair, as {{('a', 'b'): (0.5, 2)}}")
        for (first, second), bounds in self.ratios.items():
            self._known("ratios", (first, second))
            if first == second:
                raise SpecificationError(f"ratios names {first!r} over itself")
            low, high = _ends("ratios", bounds, most=math.inf)
            rows.append(self._of(first) - low * self._of(second))
            rows += [high * self._of(second) - self._of(first)] if high < math.inf else []
        return rows

    def fit(self, data: object) -> BenefitOfTheDoubtFit:
        """Hold every unit against the best of all.

        Parameters
        ----------
        data : dataframe, or mapping of str to Comparison
            One row a unit; or what was compared, outcome by outcome: adjusted outcomes with their uncertainty. Units
            are then matched by label, and an estimate is what it is corrected to.

        Returns
        -------
        BenefitOfTheDoubtFit

        Raises
        ------
        SpecificationError
            A table without ``unit`` or ``better``; comparisons that are not of the outcomes, have no direction, or
            another than the model says; a radial measure of outcomes that are better in different directions.
        DataError
            Columns that are missing or no numbers; outcomes that cannot be compared in the way asked: below zero, all
            zero, or the same for every unit; a unit in two rows.

        Warns
        -----
        BenchmodelsWarning
            So few units for so many outcomes that most look best.
        PartialResultWarning
            Units without an answer, with the reason.
        """
        from benchmodels.frontier.composites.fit import fit_composite
        from benchmodels.frontier.composites.outcomes import read_outcomes

        return fit_composite(self, read_outcomes(self, data))


def _ends(what: str, bounds: object, *, most: float) -> tuple[float, float]:
    pair = tuple(bounds) if isinstance(bounds, Sequence) and not isinstance(bounds, str) else ()
    numbers = len(pair) == 2 and all(isinstance(end, Real) and not isinstance(end, bool) for end in pair)
    if not numbers or not 0.0 <= pair[0] <= pair[1] <= most:
        limits = "0 <= low <= high <= 1" if most == 1.0 else "0 <= low <= high"
        raise SpecificationError(f"{what} holds {bounds!r}; give (low, high) with {limits}")
    return float(pair[0]), float(pair[1])

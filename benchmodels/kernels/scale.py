"""Scale: what a unit loses by its size, whether returns rise or fall there, and the sizes that lose nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmodels.errors import DataError, SpecificationError
from benchmodels.kernels.faces import optimal_faces
from benchmodels.kernels.shared_simplex import OPTIMAL, STALLED
from benchmodels.kernels.small_programs import SmallPrograms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.kernels.envelopment import Envelopment
    from benchmodels.kernels.shared_simplex import Allowed
    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Names = NDArray[np.str_]

__all__ = ["ProductiveScale", "nature_of_returns", "productive_scale", "returns_of_prices", "scale_efficiency"]

# Two efficiencies that count as the same, relative; those of `envelop` agree to 1e-12.
SAME = 1e-8


def scale_efficiency(crs: Floats, vrs: Floats) -> Floats:
    """Return efficiency under constant returns relative to that under variable returns.

    Parameters
    ----------
    crs, vrs : (k,) arrays
        Efficiencies of one orientation, in (0, 1] for units of the reference; of expansions their inverses. NaN stays.

    Returns
    -------
    (k,) array
        In (0, 1]: 1 at the most productive scale.

    Raises
    ------
    DataError
        An efficiency is higher under constant than under variable returns, by more than 1e-8 of itself.

    References
    ----------
    Banker, Charnes & Cooper (1984), Management Science 30, 1078-1092, section 5.

    Examples
    --------
    >>> scale_efficiency(np.array([0.6, 0.5]), np.array([0.75, 0.5])).tolist()
    [0.7999999999999999, 1.0]
    """
    _nested(crs, vrs, "constant", "variable")
    return np.asarray(crs / vrs)


def nature_of_returns(crs: Floats, drs: Floats, vrs: Floats) -> Names:
    """Say how returns to scale are at each unit's projection.

    Parameters
    ----------
    crs, drs, vrs : (k,) arrays
        Efficiencies of one orientation under constant, non-increasing and variable returns; of expansions their
        inverses. Their ties are decided at 1e-8, relative.

    Returns
    -------
    (k,) array of str
        ``"constant"`` where all three are the same; ``"increasing"`` where only variable returns let the unit be
        compared with smaller ones, so that crs = drs < vrs; ``"decreasing"`` where drs is above crs; ``""`` without an
        efficiency.

    Raises
    ------
    DataError
        The three are not in the order crs <= drs <= vrs.

    References
    ----------
    Färe, Grosskopf & Lovell (1985), The Measurement of Efficiency of Production, ch. 8.

    Examples
    --------
    >>> nature_of_returns(np.array([0.8, 0.5]), np.array([0.8, 0.7]), np.array([1.0, 0.7])).tolist()
    ['increasing', 'decreasing']
    """
    _nested(crs, drs, "constant", "non-increasing")
    _nested(drs, vrs, "non-increasing", "variable")
    return _named(drs > crs * (1.0 + SAME), vrs > drs * (1.0 + SAME), np.isnan(crs + drs + vrs))


def returns_of_prices(lower: Floats, upper: Floats) -> Names:
    """Say how returns to scale are from the ends of the price of Σλ = 1 under variable returns.

    Parameters
    ----------
    lower, upper : (k,) arrays
        ``returns_lower[:, 0]`` and ``returns_upper[:, 0]`` of `price_ranges`; a distance is Σ price x input - Σ price x
        output + price of Σλ = 1, and its direction has the value 1.

    Returns
    -------
    (k,) array of str
        ``"increasing"`` where the whole range is negative, ``"decreasing"`` where it is positive, else ``"constant"``;
        ``""`` where an end is NaN. Zero is decided at 1e-8.

    Notes
    -----
    The ranges are at the projection, in the direction of the program; `nature_of_returns` asks the same by
    efficiencies, and both agree (``test_three_ways_to_ask_for_returns_agree``).

    References
    ----------
    Banker & Thrall (1992), European Journal of Operational Research 62, 74-84, proposition 1.

    Examples
    --------
    >>> returns_of_prices(np.array([-2.0, -1.0]), np.array([-1.0, np.inf])).tolist()
    ['increasing', 'constant']
    """
    return _named(lower > SAME, upper < -SAME, np.isnan(lower) | np.isnan(upper))


@dataclass(frozen=True, eq=False, kw_only=True)
class ProductiveScale:
    """Range of Σλ over the optimal solutions of k programs with constant returns.

    Parameters
    ----------
    lower, upper : (k,) arrays
        Without unit of measure; NaN without an answer. Input efficiency x inputs / Σλ and outputs / Σλ are a most
        productive scale, for every Σλ between them: the largest at ``lower``, the smallest at ``upper``.
    status : (k,) array of int
        As in `Envelopment`.
    """

    lower: Floats
    upper: Floats
    status: Codes

    @property
    def returns(self) -> Names:
        """(k,) array of str: ``"increasing"`` where Σλ is below 1 in every solution, ``"decreasing"`` above."""
        return _named(self.lower > 1.0 + SAME, self.upper < 1.0 - SAME, np.isnan(self.lower + self.upper))


def productive_scale(
    technology: Technology,
    inputs: Floats,
    outputs: Floats,
    direction: Floats,
    found: Envelopment,
    *,
    own: Codes,
    allowed: Allowed | None = None,
    frame: Codes | None = None,
) -> ProductiveScale:
    """Find how many of its peers' sizes a unit's projection is, at least and at most.

    Parameters
    ----------
    technology : Technology
        n reference units, with constant returns.
    inputs : (k, m) array; outputs : (k, s) array; direction : (k, m + s) array; own, allowed, frame
        As given to `envelop`.
    found : Envelopment
        What it returned.

    Returns
    -------
    ProductiveScale

    Raises
    ------
    SpecificationError
        Returns that are not constant; a point that may use itself without being a reference unit.

    Notes
    -----
    Solutions may leave slacks, as the efficiencies do. Where there is one solution nothing is solved; elsewhere two
    programs of a few columns a point, each checked by its prices.

    References
    ----------
    Banker (1984), European Journal of Operational Research 17, 35-44; Banker & Thrall (1992), ibid. 62, section 4.

    Examples
    --------
    >>> from benchmodels.kernels.envelopment import envelop
    >>> from benchmodels.kernels.technology import Technology
    >>> x, y = np.array([[1.0], [2.0], [3.0], [6.0]]), np.array([[1.0], [4.0], [6.0], [6.0]])
    >>> goods = x, y, np.concatenate([x, 0.0 * y], axis=1)
    >>> technology, own = Technology(x, y, (0.0, np.inf)), np.arange(4)
    >>> found = productive_scale(technology, *goods, envelop(technology, *goods, own=own), own=own)
    >>> found.lower.round(4).tolist(), found.upper.round(4).tolist()
    ([0.1667, 0.6667, 1.0, 1.0], [0.25, 1.0, 1.5, 1.5])
    """
    if not technology.cone or technology.moves is not None:
        raise SpecificationError(
            f"bounds={technology.bounds} of the sum of intensities; needed are constant returns, without trade-offs"
        )
    faces = optimal_faces(technology, inputs, outputs, direction, found, own=own, allowed=allowed, frame=frame)
    answered = found.status == OPTIMAL
    lower = np.where(answered, found.weight.sum(axis=1), np.nan)
    upper, status = lower.copy(), found.status.copy()
    programs, f = SmallPrograms(), len(faces.unit)
    per_column = 1.0 / technology.length[faces.unit]
    for i in np.flatnonzero(answered & ~faces.single).tolist():
        code = faces.of(i)
        for ends, sign in ((lower, -1.0), (upper, 1.0)):
            # Of proportional units, which are equal columns, only the smallest and the largest can be an end.
            column = code[code < f]
            column = column[np.lexsort((-sign * per_column[column], faces.twin[column]))]
            column = column[np.unique(faces.twin[column], return_index=True)[1]]
            some = np.concatenate([column, code[code >= f]])
            each = np.append(per_column[column], np.zeros(len(some) - len(column)))
            gain, size = sign * each / each.max(), len(some)
            solved = programs.solve(faces.body(some), faces.target[i], gain, np.zeros(size), np.full(size, np.inf))
            ends[i] = solved.value @ each * faces.length[i]
            status[i] = solved.status if status[i] == OPTIMAL else STALLED
    lost = status != OPTIMAL
    lower[lost], upper[lost] = np.nan, np.nan
    return ProductiveScale(lower=lower, upper=upper, status=status)


def _nested(smaller: Floats, larger: Floats, of_smaller: str, of_larger: str) -> None:
    above = int(np.sum(smaller > larger * (1.0 + SAME)))
    if above:
        raise DataError(
            f"{above} efficiencies are higher under {of_smaller} than under {of_larger} returns; needed are "
            "efficiencies of the same points, reference and orientation (of expansions, their inverses)"
        )


def _named(decreasing: NDArray[np.bool_], increasing: NDArray[np.bool_], missing: NDArray[np.bool_]) -> Names:
    return np.select([missing, decreasing, increasing], ["", "decreasing", "increasing"], "constant")

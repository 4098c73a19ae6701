"""Graph efficiency: inputs times θ and outputs by θ, both at once, up to the frontier (hyperbolic efficiency)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmodels.kernels.envelopment import Envelopment, envelop
from benchmodels.kernels.faces import no_own
from benchmodels.kernels.shared_simplex import ARTIFICIAL, INFEASIBLE, OPTIMAL, STALLED, UNBOUNDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmodels.kernels.shared_simplex import Allowed
    from benchmodels.kernels.technology import Technology

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Graph", "graph_efficiency"]

# Step along the direction (θ inputs, outputs / θ) at which a point counts as on the frontier.
_CLOSE = 1e-12
# What is given as an answer though steps no longer shrink.
_SURE = 1e-9
# Facets that are crossed on the way; two to four are usual.
_MOST = 50


@dataclass(frozen=True, eq=False, kw_only=True)
class Graph:
    """Graph efficiencies of k points.

    Parameters
    ----------
    efficiency : (k,) array
        θ; NaN without one. Above 1 for a point beyond the frontier.
    residual : (k,) array
        Step that is left from (θ inputs, outputs / θ) to the frontier, relative to that point.
    rounds : (k,) array of int
        Programs solved for the point.
    status : (k,) array of int
        As in `Envelopment`; `STALLED` where the residual is above 1e-9.
    last : Envelopment
        At (θ inputs, outputs / θ), in their own direction: peers, slacks and prices there.
    """

    efficiency: Floats
    residual: Floats
    rounds: Codes
    status: Codes
    last: Envelopment


def graph_efficiency(
    technology: Technology,
    inputs: Floats,
    outputs: Floats,
    *,
    own: Codes,
    allowed: Allowed | None = None,
    frame: Codes | None = None,
    run: Callable[..., Any] = map,
) -> Graph:
    """Find the smallest θ at which (θ inputs, outputs / θ) can be produced.

    Parameters
    ----------
    technology : Technology
        n reference units.
    inputs : (k, m) array; outputs : (k, s) array
        The points, in the goods' units of measure.
    own, allowed, frame, run
        As in `envelop`; each point is in the reference, or may not use itself.

    Returns
    -------
    Graph

    Raises
    ------
    SpecificationError
        A point that may use itself without being a reference unit.

    Notes
    -----
    The prices p at the end of the direction (θ inputs, outputs / θ) are a plane with the technology on one side, and
    the path crosses it at a root of a quadratic equation. With β the distance, and a the value of inputs where inputs
    and outputs are worth 1 together, θ grows by

        -2β / (1 + β + √((1 + β)² - 4aβ))

    of itself. No θ below the root can be produced, so that from the second round on θ rises to the answer and stops
    after finitely many facets, with β = 0 as its certificate. Under constant returns the first step is the last:
    θ = √((1 - β) / (1 + β)), the root of input efficiency. Accuracy 1e-12 of θ, two to four rounds
    (``test_projections_are_on_the_frontier``).

    References
    ----------
    Färe, Grosskopf & Lovell (1985), The Measurement of Efficiency of Production, ch. 5 (hyperbolic efficiency).
    Färe, Margaritis, Rouse & Roshdi (2016), European Journal of Operational Research 254, 312-319 (by directions).

    Examples
    --------
    >>> from benchmodels.kernels.technology import Technology
    >>> x, y = np.array([[20.0], [40.0]]), np.array([[20.0], [10.0]])
    >>> graph_efficiency(Technology(x, y, (0.0, np.inf)), x, y, own=np.arange(2)).efficiency.round(12)
    array([1. , 0.5])
    """
    no_own(own)
    k, m = inputs.shape
    theta, before, rounds = np.ones(k), np.full(k, np.inf), np.zeros(k, dtype=np.intp)
    left, last = np.arange(k), None
    while last is None or (len(left) and rounds.max() < _MOST):
        goods = np.concatenate([inputs[left] * theta[left, None], outputs[left] / theta[left, None]], axis=1)
        # A point on its way is no longer the unit itself.
        themselves = own if last is None else np.full(len(left), ARTIFICIAL, dtype=np.intp)
        found = envelop(
            technology, goods[:, :m], goods[:, m:], goods,
            own=themselves, allowed=_of(allowed, left), frame=frame, run=run,
        )  # fmt: skip
        rounds[left] += 1
        step = _step(found.beta, np.einsum("ij,ij->i", found.price[:, :m], goods[:, :m]))
        found.status[np.isposinf(step)], found.status[step <= -1.0] = INFEASIBLE, UNBOUNDED
        last = found if last is None else _written(last, found, left)
        size = np.abs(found.beta)
        # Where steps are small and no longer shrink they are rounding.
        moving = (found.status == OPTIMAL) & (size > _CLOSE) & ((size > _SURE) | (size < 0.5 * before[left]))
        before[left] = size
        left, step = left[moving], step[moving]
        theta[left] *= 1.0 + step
    residual = np.abs(last.beta)
    status = np.where((last.status == OPTIMAL) & ~(residual <= _SURE), STALLED, last.status)
    return Graph(
        efficiency=np.where(status == OPTIMAL, theta, np.nan),
        residual=residual,
        rounds=rounds,
        status=status,
        last=last,
    )


def _step(beta: Floats, value: Floats) -> Floats:
    """Return by how much of itself θ grows up to the plane; inf where no θ reaches it."""
    linear = 1.0 + beta
    root = np.sqrt(np.maximum(linear * linear - 4.0 * value * beta, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(linear + root > 0, -2.0 * beta / (linear + root), np.where(np.isnan(beta), np.nan, np.inf))


def _written(last: Envelopment, found: Envelopment, at: Codes) -> Envelopment:
    for field in fields(Envelopment):
        getattr(last, field.name)[at] = getattr(found, field.name)
    return last


def _of(allowed: Allowed | None, point: Codes) -> Allowed | None:
    return None if allowed is None else lambda some, low, high: allowed(point[some], low, high)

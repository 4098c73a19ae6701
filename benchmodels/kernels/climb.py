"""The way up a marginal likelihood: damped Newton steps on the score of the quadrature, and what vouches for the top.

References
----------
Louis (1982), JRSS-B 44:226, equation 3.2 (information); Nocedal & Wright (2006), Numerical Optimization, equation
6.19 (BFGS).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError

from benchmodels.kernels.arrow import solve_scaled
from benchmodels.kernels.newton import Certificate
from benchmodels.kernels.quadrature import Derivatives, Place, UnitRows, differentiate, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["LARGEST_SD", "Summit", "climb", "with_exact_information"]

# A larger standard deviation on any of the links says that units are all nothing or all events: it runs to infinity.
LARGEST_SD = 50.0
# Part of the information at the start that must be left in every direction; see the Newton kernel.
KEPT = 1e-7
# Steps remembered where Newton is slow.
PAIRS = 5


@dataclass(frozen=True, eq=False)
class Summit:
    """Where a climb ended.

    ``slow`` says that Newton did not converge as it does with a right matrix: the nodes are too few for the
    information at them (some units' posteriors are far from normal), though not for the score.
    """

    at: Place
    there: Derivatives
    certificate: Certificate
    slow: bool


def climb(rows: UnitRows, at: Place, *, tolerance: float, max_iterations: int, fixed_sd: bool = False) -> Summit:
    """Climb from a place to the top, with the unit standard deviation held if asked or zero.

    Parameters
    ----------
    rows : UnitRows
    at : Place
        Where the climb begins; its number of nodes is kept.
    tolerance : float
        Stop when the decrement is at most this many standard errors.
    max_iterations : int
        Steps.
    fixed_sd : bool
        Move slopes and level alone.

    Notes
    -----
    A step is capped, where the standard deviation would change by more than a factor e², and halved while the
    log-likelihood falls. Where convergence is slower than Newton's, steps are corrected by what the score did along
    the last ones.
    """
    p = len(at.slopes)
    free = p + 1 if fixed_sd or at.unit_sd == 0 else p + 2
    path: list[float] = []
    pairs: list[tuple[Floats, Floats]] = []
    there = first = differentiate(rows, at)
    converged = False
    while len(path) < max_iterations and np.isfinite(at.value):
        score = there.unit_scores.sum(axis=0)[:free]
        try:
            matrix, certain = _metric(there, free)
            move = solve_scaled(_corrected(matrix, pairs), score)
        except LinAlgError:
            break
        path.append(float(np.sqrt(max(float(score @ move), 0.0))))
        if path[-1] <= tolerance:
            converged = (certain or bool(pairs)) and _informed(there, first, p) and at.unit_sd <= LARGEST_SD
            break
        ahead = _advance(rows, at, move)
        if ahead is None:
            break
        at, part = ahead
        there = differentiate(rows, at)
        if pairs or (at.unit_sd > 0 and _slow(path)):
            pairs = [*pairs[1 - PAIRS :], (part * move, score - there.unit_scores.sum(axis=0)[:free])]
    value = path[-1] if path else float("nan")
    certificate = Certificate(converged, len(path), "newton decrement", value, tuple(path))
    return Summit(at, there, certificate, bool(pairs))


def _slow(path: list[float]) -> bool:
    """Whether the last decrement is more of the one before than a right matrix leaves, far from the top or near it."""
    if len(path) < 2 or path[-1] > 1.0:
        return False
    return path[-1] > (0.02 if path[-2] < 0.05 else 0.3) * path[-2]


def with_exact_information(rows: UnitRows, summit: Summit) -> Summit:
    """Return a summit with the derivative of the score itself for information, by central differences.

    Not positive definite: the certificate is withdrawn. Cost 2 (p + 2) evaluations of the score.
    """
    at, there = summit.at, summit.there
    p, nodes = len(at.slopes), len(at.abscissas)
    diagonal = np.where(there.information.diagonal() > 0, there.information.diagonal(), there.complete.diagonal())
    # A thousandth of a standard error is far above rounding, and the error its square.
    steps = 1e-3 / np.sqrt(diagonal)
    information = np.empty((p + 2, p + 2))
    for j, step in enumerate(np.diag(steps)):
        scores = []
        for side in (-step, step):
            unit_sd = at.unit_sd * float(np.exp(side[-1]))
            beside = place(rows, at.slopes + side[:p], at.level + float(side[p]), unit_sd, nodes, at.modes)
            scores.append(differentiate(rows, beside).unit_scores.sum(axis=0))
        information[j] = (scores[0] - scores[1]) / (2.0 * steps[j])
    information = 0.5 * (information + information.T)
    there = replace(there, information=information)
    try:
        certain = _metric(there, p + 2)[1]
    except LinAlgError:
        certain = False
    certificate = replace(summit.certificate, converged=summit.certificate.converged and certain)
    return replace(summit, there=there, certificate=certificate)


def _metric(there: Derivatives, free: int) -> tuple[Floats, bool]:
    """Return a positive definite matrix for the step in the first parameters, and whether it is the information.

    Where the information is not positive definite its eigenvalues lose their signs: the step still leads uphill.
    """
    matrix = there.information[:free, :free]
    if not (np.isfinite(there.unit_scores).all() and np.isfinite(matrix).all()):
        raise LinAlgError("score or information is not finite")
    diagonal = np.where(matrix.diagonal() > 0, matrix.diagonal(), there.complete.diagonal()[:free])
    if not np.all(diagonal > 0):
        raise LinAlgError("a column carries no information")
    root = np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(matrix / np.outer(root, root))
    if values[0] > 0:
        return matrix, True
    vectors *= root[:, None]
    return (vectors * np.maximum(np.abs(values), 1e-3)) @ vectors.T, False


def _corrected(matrix: Floats, pairs: list[tuple[Floats, Floats]]) -> Floats:
    """Return a positive definite matrix that takes each step to the fall of the score along it (BFGS)."""
    for step, fall in pairs:
        along = matrix @ step
        if step @ fall > 1e-4 * (step @ along):
            matrix = matrix - np.outer(along, along) / (step @ along) + np.outer(fall, fall) / (step @ fall)
    return matrix


def _rounding(value: float) -> float:
    """Return what a log-likelihood may fall by for rounding alone."""
    return 1e-12 * (1.0 + abs(value))


def _advance(rows: UnitRows, at: Place, move: Floats) -> tuple[Place, float] | None:
    """Take a step, or the first of its halves that does not lower the log-likelihood; return the part taken."""
    p, nodes = len(at.slopes), len(at.abscissas)
    moved = len(move) == p + 2
    # More than a factor of e² in the standard deviation is beyond what its curvature can tell.
    part = min(1.0, 2.0 / max(abs(float(move[-1])), 2.0)) if moved else 1.0
    for _ in range(30):
        slopes, level = at.slopes + part * move[:p], at.level + part * float(move[p])
        unit_sd = at.unit_sd * float(np.exp(part * move[-1])) if moved else at.unit_sd
        ahead = place(rows, slopes, level, unit_sd, nodes, at.modes)
        if ahead.value >= at.value - _rounding(at.value):
            return ahead, part
        part *= 0.5
    return None


def _informed(there: Derivatives, first: Derivatives, p: int) -> bool:
    """Whether neither the level nor any direction of the slopes has lost nearly all the information it started with."""
    before, now = first.complete, there.complete
    if not now[p, p] > KEPT * before[p, p]:
        return False
    if p == 0:
        return True
    before, now = (full[:p, :p] - np.outer(full[:p, p], full[:p, p]) / full[p, p] for full in (before, now))
    diagonal = before.diagonal()
    if not np.all(diagonal > 0):
        return False
    scale = 1.0 / np.sqrt(diagonal)
    least = [np.linalg.eigvalsh(matrix * np.outer(scale, scale))[0] for matrix in (before, now)]
    return bool(least[1] > KEPT * least[0])

"""What surrounds the units, and how far they are from the frontier: a second stage that knows how distances arise.

Beside it, for contrast, two that do not know.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy.special import expit, stdtrit

from benchmodels.asked import entropy, generator, share, whole
from benchmodels.errors import BenchmodelsWarning, ConvergenceError, DataError, PartialResultWarning, SpecificationError
from benchmodels.frontier.bootstrap import distances_of
from benchmodels.frontier.scores import read_only
from benchmodels.kernels.two_stage import TwoStage, algorithm_1, algorithm_2
from benchmodels.parallel import one_blas_thread
from benchmodels.table import listed, numbers, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmodels.frontier.dea import DEAFit

    Floats = NDArray[np.float64]

__all__ = ["SecondStage", "second_stage_of"]

# Points of a quadrature, and standard deviations to either side of the peak that it spans.
_POINTS, _SPAN = 64, 9.0
# Largest slope of a quasi-likelihood, a unit, at its maximum.
_SLOPE = 1e-9
# Share of replicates without a maximum above which intervals of those left are withheld: the widest are missing.
_MISSING = 0.05


@dataclass(frozen=True, eq=False, kw_only=True)
class SecondStage:
    """Distances 1 / efficiency regressed on what surrounds the units.

    A positive coefficient goes with a longer distance, so with **less** efficiency, in both orientations.

    It is taken for granted that surroundings do not move the frontier itself, but only how far from it units are
    (separability). Where they may move it, these coefficients have no meaning: hold units against those in the same
    surroundings instead (``environment`` and ``composition`` of the model), and look at how much that changes.

    Parameters
    ----------
    unit : (k,) array
    names : tuple of str
        Of the columns, after the constant.
    surroundings : (k, p) array
        The columns, in their units of measure; the first is the constant.
    delta : (k,) array
        Distances found.
    found : TwoStage
    algorithm : {1, 2}
    level : float
    rng : str
        Entropy of the generator.
    """

    unit: NDArray[np.object_]
    names: tuple[str, ...]
    surroundings: Floats
    delta: Floats
    found: TwoStage
    algorithm: Literal[1, 2]
    level: float
    rng: str

    def __post_init__(self) -> None:
        read_only(self, self.found, self.found.stage, self.found.first)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __repr__(self) -> str:
        used = f"{int(self.found.stage.used.sum())} of {len(self.unit)} units"
        return f"SecondStage(algorithm {self.algorithm}, {used}, separability taken for granted)"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a term: ``term, coefficient, std_error, lower, upper``; the constant first, ``sigma`` last.

        Of distances, in their unit: a coefficient is the change of the untruncated mean for one unit of the column.
        """
        stage = self.found.stage
        low, high = self.found.interval(self.level)
        kept = self.found.missing <= _MISSING * len(self.found.errors)
        return pd.DataFrame(
            {
                "term": ["constant", *self.names, "sigma"],
                "coefficient": np.append(stage.coefficients, stage.sigma),
                "std_error": self.found.std_error if kept else np.nan,
                # A standard deviation has no lower end below zero.
                "lower": np.append(low[:-1], max(low[-1], 0.0)) if kept else np.nan,
                "upper": high if kept else np.nan,
            }
        )

    def units_frame(self) -> pd.DataFrame:
        """Return one row a unit: ``unit, efficiency, corrected, used_first, used``.

        ``corrected`` for the bias that algorithm 2 finds; ``used_first`` and ``used``: whether the unit is part of the
        first regression, which leaves out those on the frontier, and of the last.
        """
        return pd.DataFrame(
            {
                "unit": self.unit,
                "efficiency": 1.0 / self.delta,
                "corrected": 1.0 / self.found.corrected,
                "used_first": self.found.first.used,
                "used": self.found.stage.used,
            }
        ).infer_objects()

    def contrast(self) -> pd.DataFrame:
        """Return the same question by two methods that ignore how distances arise, beside the truncated regression.

        One row a method and term: ``term, method, coefficient, std_error, lower, upper, effect``. Methods are
        ``truncated regression``, as in `to_frame`; ``least squares`` of the distances found; and ``fractional logit``
        of the efficiencies found, a quasi-likelihood; the two with errors robust to unequal variances (HC1) and t
        intervals. Coefficients are of distances in the first two, and of log odds of efficiency in the last, with the
        other sign.

        ``effect`` is what can be compared: how much mean efficiency changes with one unit of the column, on average
        over all k units; for the constant there is none.

        Raises
        ------
        ConvergenceError
            The fractional logit was not found: its maximum is there, but beyond a hundred steps.

        Notes
        -----
        **The two are there for contrast, not for conclusions.** Distances found depend on one another through the
        frontier that they share, and fall short of the true ones; a robust error knows of neither, and both methods
        take units that make up the frontier for perfect. Where they tell the same story as the truncated regression,
        it does not rest on the method; where not, believe neither of them.

        Under the truncated regression δ given z is normal around μ = z b, and cut off at 1. By the family's score, mean
        efficiency has the slope Cov(1 / δ, δ) / σ² in μ, so that its effect is -b E[(δ - m)² / δ] / (m σ²) with m the
        mean of δ: an integral with nothing to cancel, by quadrature (to 1e-9: test_second_stage.py). It is neither
        -b / m², the chain rule at the mean, nor b times the slope of m. Least squares take errors for given:
        -b / δ², at each unit. The logit's is g Λ (1 - Λ).

        References
        ----------
        Papke & Wooldridge (1996), J Appl Econom 11:619-632. Ramalho, Ramalho & Henriques (2010), J Prod Anal
        34:159-173. Simar & Wilson (2011), J Prod Anal 36:205-218 (why not these).
        """
        z, told = self.surroundings, self.to_frame().iloc[:-1]
        slope = float(efficiency_slope(z @ self.found.stage.coefficients, self.found.stage.sigma).mean())
        tables = [_rows(told, "truncated regression", told["coefficient"].to_numpy() * slope)]
        line, covariance = _least_squares(self.delta, z)
        tables.append(self._robust("least squares", line, covariance, -float(np.mean(self.delta**-2.0))))
        odds, covariance = _fractional_logit(1.0 / self.delta, z)
        mean = expit(z @ odds)
        tables.append(self._robust("fractional logit", odds, covariance, float(np.mean(mean * (1.0 - mean)))))
        return pd.concat(tables, ignore_index=True)

    def _robust(self, method: str, values: Floats, covariance: Floats, slope: float) -> pd.DataFrame:
        """Return rows with t intervals; an effect is a slope times the coefficient."""
        error = np.sqrt(np.diagonal(covariance))
        reach = stdtrit(len(self.unit) - len(values), 0.5 + self.level / 2.0) * error
        told = {"term": ["constant", *self.names], "coefficient": values, "std_error": error}
        return _rows(pd.DataFrame({**told, "lower": values - reach, "upper": values + reach}), method, values * slope)


def efficiency_slope(mean: Floats, sigma: float) -> Floats:
    """Return how mean efficiency E[1 / δ] changes with the mean before truncation.

    Parameters
    ----------
    mean : (n,) array
        Of the distances, before they are cut off at 1.
    sigma : float
        Their standard deviation, before.

    Returns
    -------
    (n,) array
        Below zero: -E[(δ - m)² / δ] / (m σ²), m = E[δ].

    Notes
    -----
    To 1e-9 for σ up to 10 and means from 1,000 σ below 1 to 1e6 σ above it (test_second_stage.py).

    Examples
    --------
    >>> np.round(efficiency_slope(np.array([0.0, 1.0, 2.0, 4.0]), 0.1), 4)
    array([-0.0091, -0.2977, -0.2519, -0.0626])
    """
    v = (mean - 1.0) / sigma
    below, above = np.minimum(v, 0.0), np.maximum(v, 0.0)
    peak = 1.0 + sigma * above
    unit = (sigma / peak)[:, None]
    low = np.log1p(unit[:, 0] * np.maximum(-above, -_SPAN))[:, None]
    high = np.log1p(unit[:, 0] * _SPAN**2 / (np.hypot(below, _SPAN) - below))[:, None]
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    # In logarithms 1 / δ is smooth also where distances spread far: δ is exp(s) of them at the peak.
    s = low + 0.5 * (high - low) * (points + 1.0)
    off = np.expm1(s) / unit
    density = weights * np.exp(s + off * (below[:, None] - 0.5 * off))
    density /= density.sum(axis=1, keepdims=True)
    middle = np.sum(density * off, axis=1)
    square = np.sum(density * (off - middle[:, None]) ** 2 * np.exp(-s), axis=1) / peak
    return np.asarray(-square / (1.0 + sigma * (above + middle)))


def _rows(told: pd.DataFrame, method: str, effect: Floats) -> pd.DataFrame:
    told = told.assign(effect=effect)
    told.insert(1, "method", method)
    told.loc[told.index[0], "effect"] = np.nan
    return told


def _least_squares(delta: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Return coefficients (p,) and their robust covariance (p, p)."""
    from statsmodels.api import OLS

    body, back = _standardised(z)
    found = OLS(delta, body).fit(cov_type="HC1")
    return back @ found.params, back @ found.cov_params() @ back.T


def _fractional_logit(efficiency: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Return coefficients (p,) and their robust covariance (p, p)."""
    from statsmodels.api import GLM, families

    body, back = _standardised(z)
    with warnings.catch_warnings():
        # It is judged below.
        warnings.simplefilter("ignore")
        found = GLM(efficiency, body, family=families.Binomial()).fit(cov_type="HC0", tol=1e-12, maxiter=100)
    if not np.abs(body.T @ (efficiency - found.fittedvalues)).max() <= _SLOPE * len(z):
        raise ConvergenceError("the fractional logit of the efficiencies was not found")
    # As HC1 has it, which for this model there gives HC0 unsaid.
    covariance = found.cov_params() * len(z) / (len(z) - z.shape[1])
    return back @ found.params, back @ covariance @ back.T


def _standardised(z: Floats) -> tuple[Floats, Floats]:
    """Return z (k, p) with columns of mean 0 and deviation 1 after the constant, and what gives coefficients back."""
    mean, spread = z[:, 1:].mean(axis=0), z[:, 1:].std(axis=0)
    back = np.diag(np.append(1.0, 1.0 / spread))
    back[0, 1:] = -mean / spread
    return np.column_stack([z[:, 0], (z[:, 1:] - mean) / spread]), back


def second_stage_of(
    fit: DEAFit,
    data: object,
    columns: Sequence[str],
    *,
    algorithm: Literal[1, 2],
    first: int,
    replicates: int,
    level: float,
    rng: int | np.random.Generator | None,
) -> SecondStage:
    """Return what `DEAFit.second_stage` documents."""
    if algorithm not in (1, 2) or isinstance(algorithm, bool):
        raise SpecificationError(f"algorithm={algorithm!r}; allowed are 1, 2")
    whole("first", first, least=20, what="enough for a bias")
    whole("replicates", replicates, least=100, what="enough for the tails of an interval")
    share("level", level)
    source = generator(rng)
    side, delta = distances_of(fit, "second_stage")
    z = np.column_stack([np.ones(len(delta)), _surroundings(fit, data, columns)])
    with one_blas_thread():
        if algorithm == 1:
            found = algorithm_1(delta, z, replicates, source)
        else:
            found = algorithm_2(
                fit.goods.inputs, fit.goods.outputs, fit.programs.direction, fit.technology.bounds, side,
                delta=delta, z=z, first=first, second=replicates, rng=source, allowed=fit.programs.allowed,
            )  # fmt: skip
    if found.missing > _MISSING * replicates:
        warnings.warn(
            f"{found.missing} of {replicates} replicates have no likelihood with a maximum, so that intervals of the "
            "rest would be too short: they are withheld",
            PartialResultWarning,
            stacklevel=3,
        )
    elif found.interval(level)[0][-1] <= 0.0:
        warnings.warn(
            "the truncated regression hardly tells the constant from the spread: the interval of sigma reaches to "
            "zero, as where distances crowd at the frontier more than a truncated normal distribution has them",
            BenchmodelsWarning,
            stacklevel=3,
        )
    return SecondStage(
        unit=fit.unit, names=tuple(columns), surroundings=z, delta=delta, found=found, algorithm=algorithm, level=level,
        rng=entropy(source),
    )  # fmt: skip


def _surroundings(fit: DEAFit, data: object, columns: Sequence[str]) -> Floats:
    """Return the columns (k, p) of the units of the fit, joined by label."""
    if isinstance(columns, str) or not len(columns):
        raise SpecificationError(f"columns={columns!r}; give a list of columns")
    unit = fit.model.unit
    table = read_table(data, [unit, *columns], why="the second stage")
    # Rows of units that the frontier left out have no say, whatever they lack.
    table = replace(table, frame=table.frame[table.frame[unit].isin(fit.unit.tolist())].reset_index(drop=True))
    labels = table.frame[unit]
    twice = labels[labels.duplicated()].tolist()
    if twice:
        raise DataError(f"{len(twice)} unit(s) have more than one row: {listed(twice)}")
    place = {label: i for i, label in enumerate(labels.tolist())}
    lost = [label for label in fit.unit.tolist() if label not in place]
    if lost:
        raise DataError(f"{len(lost)} of {len(fit.unit)} units of the frontier have no row: {listed(lost)}")
    order = [place[label] for label in fit.unit.tolist()]
    found = np.column_stack([numbers(table, name, role="a column of the second stage")[order] for name in columns])
    still = [name for name, spread in zip(columns, np.ptp(found, axis=0), strict=True) if spread == 0.0]
    if still:
        raise SpecificationError(f"column(s) that do not vary, beside the constant: {listed(still)}; leave them out")
    return found

"""What both engines return: joint draws from the posterior, and how far they can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from benchmodels.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Diagnostics", "Engine", "PosteriorDraws"]

Engine: TypeAlias = Literal["quadrature", "nuts"]


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """How far draws can be trusted; what an engine does not know is NaN, and no divergences are 0.

    Parameters
    ----------
    khat : float
        Tail index of the importance weights (quadrature): above 0.7 the draws are not to be trusted.
    ess, rhat : dict of str to float
        By parameter ("intercept", the columns' names, "unit_sd", "residual_sd"): effective number of draws; and the
        agreement of chains (nuts), which is to be below 1.01.
    divergences : int
        Of the sampler (nuts).
    """

    khat: float = float("nan")
    ess: dict[str, float] = field(default_factory=dict)
    rhat: dict[str, float] = field(default_factory=dict)
    divergences: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class PosteriorDraws:
    """Joint draws of all parameters, of equal weight; d draws, p columns, k units. Arrays are read-only.

    Parameters
    ----------
    names : tuple of p str
        Columns of the model.
    intercept : (d,) array
        Link scale, at the centre of the columns (their means over cases), of a unit whose effect is zero.
    slopes : (d, p) array
        Link scale per unit of measure of each column.
    unit_sd : (d,) array
        Standard deviation of unit effects, link scale.
    effects : (d, k) array
        Unit effects, link scale; normal with mean zero and this standard deviation before the data.
    residual_sd : (d,) array or None
        Of a Gaussian outcome: of a case of size one, in the outcome's unit of measure; None for counts.
    chains : int
        Draws are in the order of chains, which are of equal length; 1 for quadrature.
    engine : "quadrature" or "nuts"
    diagnostics : Diagnostics

    Raises
    ------
    DataError
        Arrays that do not fit each other, or values that are not finite.
    """

    names: tuple[str, ...]
    intercept: Floats
    slopes: Floats
    unit_sd: Floats
    effects: Floats
    residual_sd: Floats | None = None
    chains: int = 1
    engine: Engine
    diagnostics: Diagnostics = field(default_factory=Diagnostics)

    def __post_init__(self) -> None:
        d, p = len(self.intercept), len(self.names)
        shapes = {"intercept": (d,), "slopes": (d, p), "unit_sd": (d,), "effects": (d, np.shape(self.effects)[-1])}
        if self.residual_sd is not None:
            shapes["residual_sd"] = (d,)
        for name, shape in shapes.items():
            value = np.array(getattr(self, name), dtype=np.float64)
            if value.shape != shape or not np.isfinite(value).all():
                raise DataError(f"{name} of the draws has shape {value.shape}, is to have {shape} and be finite")
            value.flags.writeable = False
            object.__setattr__(self, name, value)
        if d == 0 or self.chains < 1 or d % self.chains:
            raise DataError(f"{d} draws do not make {self.chains} chains of equal length")

    def __len__(self) -> int:
        return len(self.intercept)

    def __setstate__(self, state: dict[str, object]) -> None:
        # Pickle makes arrays writeable again.
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    @property
    def parameters(self) -> dict[str, Floats]:
        """Draws (d,) of intercept, slopes by name, unit_sd and (Gaussian) residual_sd."""
        named = {"intercept": self.intercept, **dict(zip(self.names, self.slopes.T, strict=True))}
        named["unit_sd"] = self.unit_sd
        return named if self.residual_sd is None else {**named, "residual_sd": self.residual_sd}

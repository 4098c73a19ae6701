"""The calls of linearmodels: the only place that knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmodels.errors import SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmodels.adjustment.panel.model import Panel, PanelEffects
    from benchmodels.adjustment.panel.rows import PanelRows

    Floats = NDArray[np.float64]

__all__ = ["LEVEL", "estimate", "run"]

LEVEL = "(level)"


def estimate(rows: PanelRows, model: Panel, *, extra: Floats | None = None) -> Any:
    """Return linearmodels' results for a model; ``extra`` (n, q) columns come after the rows' own."""
    options: dict[str, Any] = {"cov_type": "unadjusted"}
    if model.covariance == "robust":
        options = {"cov_type": "robust"}
    elif model.covariance == "clustered":
        options = {"cov_type": "clustered", "cluster_entity": True}
    elif model.covariance == "driscoll-kraay":
        options = {"cov_type": "kernel", "kernel": "bartlett"}
        if model.bandwidth is not None:
            options["bandwidth"] = model.bandwidth
    return run(rows, model.effects, extra=extra, **options)


def run(rows: PanelRows, effects: PanelEffects, *, extra: Floats | None = None, **options: Any) -> Any:
    """Run one of linearmodels' panel models; ``extra`` (n, q) columns come after the rows' own.

    Raises
    ------
    SpecificationError
        linearmodels refuses, or breaks off.
    """
    from linearmodels.panel import BetweenOLS, FirstDifferenceOLS, PanelOLS, PooledOLS, RandomEffects
    from linearmodels.panel.utility import AbsorbingEffectError

    index = pd.MultiIndex.from_arrays([rows.unit, rows.period], names=["unit", "period"])
    columns = pd.DataFrame(rows.columns, index=index, columns=[f"x{j}" for j in range(len(rows.names))])
    if extra is not None:
        columns = columns.assign(**{f"z{j}": extra[:, j] for j in range(extra.shape[1])})
    outcome = pd.Series(rows.outcome, index=index, name="outcome")
    if effects in ("pooled", "random", "between") or not len(rows.names):
        columns[LEVEL] = 1.0
    weights = None if np.all(rows.weight == 1.0) else pd.Series(rows.weight, index=index, name="weight")
    try:
        if effects in ("unit", "both"):
            both = effects == "both"
            model = PanelOLS(outcome, columns, weights=weights, entity_effects=True, time_effects=both)
        elif effects == "pooled":
            model = PooledOLS(outcome, columns, weights=weights)
        else:
            programs = {"random": RandomEffects, "between": BetweenOLS, "first difference": FirstDifferenceOLS}
            model = programs[effects](outcome, columns)
        return model.fit(**options)
    except AbsorbingEffectError as error:
        # What does not vary at all has been refused before; linearmodels looks less closely.
        spread = np.abs(rows.columns - rows.means(rows.columns)[rows.unit]).max(axis=0, initial=0.0)
        least = int(np.argmin(spread / np.maximum(np.abs(rows.columns).max(axis=0), 1e-300)))
        raise SpecificationError(
            f"{rows.names[least]!r} varies within units by no more than {spread[least]:.3g}, which linearmodels cannot "
            f"tell from nothing beside values of {np.abs(rows.columns[:, least]).max():.3g}, with effects={effects!r}; "
            "subtract a round number near its mean first"
        ) from error
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        said = " ".join(str(error).split())
        raise SpecificationError(f"linearmodels cannot fit effects={effects!r} to this table: {said}") from error

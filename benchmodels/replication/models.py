"""The model that a study asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmodels.replication.study import Study

__all__ = ["model_of"]


def model_of(study: Study) -> Any:
    """Return the model, not fitted, with the study's family and roles."""
    from benchmodels.adjustment import FixedEffects, Pooled, RandomEffects

    asked = study.model
    options: dict[str, Any] = {"family": asked.family, "link": asked.link, "missing": asked.missing}
    options |= study.roles.model_dump() | {"choice": tuple(study.roles.choice)}
    if asked.kind.startswith("random-effects"):
        slopes: Any = "within" if asked.kind.endswith("within") else "pooled"
        return RandomEffects(asked.formula, slopes=slopes, **options)
    model: type[Pooled | FixedEffects] = Pooled if asked.kind == "pooled" else FixedEffects
    return model(asked.formula, **options)

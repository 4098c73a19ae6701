"""Numbers that are asked for: shares, whole numbers and seeds, refused in words where they are none."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from benchmodels.errors import SpecificationError

__all__ = ["entropy", "generator", "share", "whole"]


def share(name: str, value: object, *, example: float = 0.95) -> None:
    """Raise SpecificationError where a value is not a number strictly between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0.0 < float(value) < 1.0:
        raise SpecificationError(f"{name}={value!r}; give a share between 0 and 1, as {example}")


def whole(name: str, value: object, *, least: int = 1, most: int | None = None, what: str = "") -> None:
    """Raise SpecificationError where a value is not a whole number from ``least`` to ``most``.

    Examples
    --------
    >>> whole("tau", 5, most=98, what="the number of units")
    """
    number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else least - 1
    if number < least or (most is not None and number > most):
        until = "up" if most is None else f"to {most}"
        raise SpecificationError(
            f"{name}={value!r}; give a whole number from {least} {until}" + (f", {what}" if what else "")
        )


def generator(rng: int | np.random.Generator | None) -> np.random.Generator:
    """Return the generator that is asked for, or raise SpecificationError."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise SpecificationError(f"rng={rng!r}; give a whole number of 0 or more, a generator, or None") from error


def entropy(drawn_from: np.random.Generator) -> str:
    """Return what a generator must be started from to draw the same again."""
    sequence = drawn_from.bit_generator.seed_seq
    start = getattr(sequence, "entropy", None)
    key = getattr(sequence, "spawn_key", ())
    return f"{start}" if not key else f"{start}, spawn key {tuple(key)}"

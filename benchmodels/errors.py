"""Every exception and warning of the package.

A message says what was asked, what was found, what is allowed and, for names, what there is.
"""

from __future__ import annotations

__all__ = [
    "BenchmodelsError",
    "BenchmodelsWarning",
    "ConvergenceError",
    "DataError",
    "DroppedRowsWarning",
    "PartialResultWarning",
    "SpecificationError",
]


class BenchmodelsError(Exception):
    """Base of every error that this package raises on purpose."""


class DataError(BenchmodelsError, ValueError):
    """The table does not hold what the question needs."""


class SpecificationError(BenchmodelsError, ValueError):
    """The question itself cannot be asked in this way."""


class ConvergenceError(BenchmodelsError, RuntimeError):
    """One answer was asked for and not found."""


class BenchmodelsWarning(UserWarning):
    """Base of every warning of this package."""


class DroppedRowsWarning(BenchmodelsWarning):
    """Rows were dropped because the caller asked for it."""


class PartialResultWarning(BenchmodelsWarning):
    """Many answers were asked for and some are withheld; the message counts and names them."""

"""Units of measure of printed figures, and what one is worth in another."""

from __future__ import annotations

from benchmodels.errors import SpecificationError

__all__ = ["factor"]

_MONEY = {
    **dict.fromkeys(("kr.", "kr", "DKK"), 1.0),
    **dict.fromkeys(("1.000 kr.", "1000 kr.", "1000 DKK", "DKK 1,000"), 1e3),
    **dict.fromkeys(("mio. kr.", "DKK million"), 1e6),
    **dict.fromkeys(("mia. kr.", "DKK billion"), 1e9),
}
_SHARES = {"": 1.0, **dict.fromkeys(("%", "pct.", "per cent", "procent", "pct.point", "percentage points"), 100.0)}


def factor(cells: str, claim: str, *, share: bool) -> float:
    """Return what a result is multiplied by, to stand in the unit of measure it was printed in.

    Parameters
    ----------
    cells : str
        Unit of measure of the table.
    claim : str
        Unit of measure in print; '' for that of the table, or for a plain fraction.
    share : bool
        The result is a fraction, and has no unit of measure of its own.

    Raises
    ------
    SpecificationError
        One cannot be told in the other.

    Examples
    --------
    >>> factor("1.000 kr.", "mia. kr.", share=False), factor("1.000 kr.", "%", share=True)
    (1e-06, 100.0)
    """
    if share:
        if claim not in _SHARES:
            raise SpecificationError(f"a share is told in {', '.join(filter(None, _SHARES))} (found {claim!r})")
        return _SHARES[claim]
    if claim in ("", cells) or {cells, claim} <= {"%", "pct.", "procent", "pct.point", "percentage points"}:
        return 1.0
    if cells in _MONEY and claim in _MONEY:
        return _MONEY[cells] / _MONEY[claim]
    raise SpecificationError(f"figures in {cells!r} cannot be told in {claim!r}; there is {', '.join(_MONEY)}")

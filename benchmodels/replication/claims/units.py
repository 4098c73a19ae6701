"""Units of measure of printed figures, and what one is worth in another."""

from __future__ import annotations

from benchmodels.errors import SpecificationError

__all__ = ["factor", "money"]

_MONEY = {
    **dict.fromkeys(("kr.", "kr", "DKK"), 1.0),
    **dict.fromkeys(("1.000 kr.", "1000 kr.", "1000 DKK", "DKK 1,000"), 1e3),
    **dict.fromkeys(("mio. kr.", "DKK million"), 1e6),
    **dict.fromkeys(("mia. kr.", "DKK billion"), 1e9),
}
_PARTS = ("%", "pct.", "per cent", "procent", "pct.point", "percentage points")


def _folded(unit: str) -> str:
    """Return a unit of measure without its spaces: 'mio.kr.' is 'mio. kr.'."""
    return "".join(unit.split()).casefold()


_WORTH = {_folded(unit): worth for unit, worth in _MONEY.items()}
_SHARES = {"": 1.0, **{_folded(unit): 100.0 for unit in _PARTS}}


def money(unit: str) -> float | None:
    """Return what one of a unit of measure is worth in kroner; None where it is no money.

    Examples
    --------
    >>> money("mio.kr."), money("personer")
    (1000000.0, None)
    """
    return _WORTH.get(_folded(unit))


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
    one, other = _folded(cells), _folded(claim)
    if share:
        if other not in _SHARES:
            raise SpecificationError(f"a share is told in {', '.join(_PARTS)} (found {claim!r})")
        return _SHARES[other]
    if other in ("", one) or {one, other} <= set(_SHARES) - {""}:
        return 1.0
    if one in _WORTH and other in _WORTH:
        return _WORTH[one] / _WORTH[other]
    raise SpecificationError(f"figures in {cells!r} cannot be told in {claim!r}; there is {', '.join(_MONEY)}")

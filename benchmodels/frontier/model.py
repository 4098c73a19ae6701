"""What is asked of every frontier: which goods, of which units, and who may be held against whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from benchmodels.asked import whole
from benchmodels.errors import SpecificationError
from benchmodels.frontier.goods import read_goods
from benchmodels.frontier.reference import Favourable, reference_mask
from benchmodels.table import listed

if TYPE_CHECKING:
    from benchmodels.frontier.goods import Goods
    from benchmodels.kernels.shared_simplex import Allowed

__all__ = ["FrontierModel"]


@dataclass(frozen=True, kw_only=True)
class FrontierModel:
    """The question that all frontier models share.

    Parameters
    ----------
    inputs, outputs : sequence of str
        Columns of what is used and what is made, zero or more, in any unit of measure.
    unit : str
        Column that names the unit; one row each.
    environment : mapping of str to {'high', 'low', 'same'}
        Given conditions: peers are no better placed, where 'high' or 'low' says which is favourable, or have the 'same'
        (Ruggiero 1996). Fewer peers make every unit look better.
    composition : sequence of str; nearest : int, optional
        Peers are the ``nearest`` units most alike in these columns, by distance in standard deviations.
    peers : mapping of label to labels, optional
        A list of peers for some units.
    size : str, optional
        Column of the unit's size, for ``compare``.
    missing : {'raise', 'drop'}, default 'raise'

    Raises
    ------
    SpecificationError
        Options that cannot be meant.

    References
    ----------
    Ruggiero (1996), Eur J Oper Res 90:553-565.
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    unit: str
    environment: Mapping[str, Favourable] = field(default_factory=dict, hash=False)
    composition: Sequence[str] = ()
    nearest: int | None = None
    peers: Mapping[Any, Sequence[Any]] | None = field(default=None, hash=False)
    size: str | None = None
    missing: Literal["raise", "drop"] = "raise"

    def __post_init__(self) -> None:
        self._hold_columns("inputs", "outputs", "composition")
        if not isinstance(self.environment, Mapping):
            raise SpecificationError(f"environment={self.environment!r}; say which is favourable, column by column")
        self._hold_mappings("environment")
        if self.peers is not None:
            object.__setattr__(self, "peers", _lists(self.peers))
        if self.nearest is not None:
            whole("nearest", self.nearest, what="units")
        if self.missing not in ("raise", "drop"):
            raise SpecificationError(f"missing={self.missing!r}; allowed are 'raise', 'drop'")
        mixed = sorted(set(self.environment) & {*self.inputs, *self.outputs})
        if mixed:
            raise SpecificationError(f"{listed(mixed)} is both a good and an environment")

    def _hold_columns(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise SpecificationError(f"{name}={value!r}; give a list of columns")
            object.__setattr__(self, name, tuple(value))

    def _hold_mappings(self, *names: str) -> None:
        for name in names:
            if isinstance(getattr(self, name), Mapping):
                object.__setattr__(self, name, dict(getattr(self, name)))

    @property
    def signed(self) -> bool:
        """Whether amounts below zero have a meaning: no score depends on where zero is."""
        return False

    def read(self, data: object, *, least: int = 2) -> Goods:
        """Return the goods and conditions of a table, as ``fit`` reads them."""
        conditions = [*self.environment, *self.composition, *([self.size] if self.size else [])]
        return read_goods(
            data,
            unit=self.unit,
            inputs=self.inputs,
            outputs=self.outputs,
            conditions=list(dict.fromkeys(conditions)),
            missing=self.missing,
            least=least,
            signed=self.signed,
        )

    def allowed(self, points: Goods, reference: Goods) -> Allowed | None:
        """Return which reference units each point may be held against; None where all may."""
        return reference_mask(
            points,
            reference,
            environment=self.environment,
            peers=self.peers,
            composition=self.composition,
            nearest=self.nearest,
        )


def _lists(peers: object) -> dict[Any, tuple[Any, ...]]:
    if not isinstance(peers, Mapping):
        raise SpecificationError(f"peers={peers!r}; give a list of peers, unit by unit")
    bare = [label for label, some in peers.items() if isinstance(some, str) or not isinstance(some, Iterable)]
    if bare:
        raise SpecificationError(f"give a list of peers for {listed(bare)}")
    return {label: tuple(some) for label, some in peers.items()}

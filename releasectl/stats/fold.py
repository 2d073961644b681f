"""What every sequential rule shares: blocks of ticks go in, a small state comes out.

A rule holds what was fixed in advance. Its state holds what was seen, as plain numbers: reading ticks
1..200 at once, or one by one over two hundred restarts, gives the same state to the bit. A state keeps
the largest evidence so far, because by Ville's inequality crossing the threshold *once* is enough; a
breach is therefore never forgotten.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from releasectl.stats.determinism import Floats, at_least, exp, floats

Block_contra = TypeVar("Block_contra", contravariant=True)
S = TypeVar("S", bound="State")
Decoded = TypeVar("Decoded")


@dataclasses.dataclass(frozen=True)
class State:
    """Base of the states: frozen, arrays over leading axes, with a lossless form for JSON.

    ``ticks`` counts the ticks read, ``log_e`` is the evidence now, ``peak`` the largest so far (natural
    logarithms, at least the 0 of the empty start for ``peak``).
    """

    ticks: int
    log_e: Floats
    peak: Floats

    def breached(self, alpha: float) -> NDArray[np.bool_]:
        """Whether evidence ever reached 1/alpha (Ville): true at most with chance alpha under the null."""
        return at_least(self.peak, math.log(1.0 / alpha))

    def p_value(self) -> Floats:
        """The always-valid p-value: one over the largest evidence so far."""
        return exp(-self.peak)

    def to_json(self) -> dict[str, Any]:
        """Fields as numbers and nested lists. Python's shortest float text reads back to the same bits."""
        return encoded(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The state that ``to_json`` wrote."""
        return decoded(cls, data)


class Rule(Protocol[Block_contra, S]):
    """A sequential method: everything frozen before the first tick."""

    def init(self, shape: tuple[int, ...] = ()) -> S:
        """The state before any tick, for an array of comparisons of this shape."""
        ...

    def run(self, state: S, block: Block_contra) -> tuple[S, Floats]:
        """The state after the block, and log e after each of its ticks, shape (..., ticks)."""
        ...

    def step(self, state: S, block: Block_contra) -> S:
        """The state after the block."""
        ...


def empty(shape: tuple[int, ...], fill: float = 0.0) -> Floats:
    """An array for a fresh state."""
    return np.full(shape, fill, dtype=np.float64)


def encoded(state: Any) -> dict[str, Any]:
    """A dataclass of arrays and integers as numbers and nested lists; infinities become text."""
    return {field.name: _plain(getattr(state, field.name)) for field in dataclasses.fields(state)}


def decoded(kind: type[Decoded], data: dict[str, Any]) -> Decoded:
    """What ``encoded`` wrote, back as ``kind``."""
    return kind(**{field.name: _value(data[field.name], field.type) for field in dataclasses.fields(kind)})  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _value(data: Any, kind: Any) -> Any:
    return int(data) if kind in (int, "int") else floats(_numbers(data))


def _numbers(data: Any) -> Any:
    return [_numbers(entry) for entry in data] if isinstance(data, list) else float(data)

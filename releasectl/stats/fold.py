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
from numpy.typing import ArrayLike, NDArray

from releasectl.stats.determinism import Floats, at_least, exp, floats, same_shape

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


@dataclasses.dataclass(frozen=True)
class Trials:
    """Outcomes per tick of a baseline and a canary arm; integers, shape (..., ticks).

    x counts *good* outcomes, n trials. A tick without trials in an arm is allowed and says nothing.
    When what is counted is a harm (errors, crashes), build it with ``of_bad``.
    """

    x_b: Floats
    n_b: Floats
    x_c: Floats
    n_c: Floats

    @classmethod
    def of_good(cls, *, x_b: ArrayLike, n_b: ArrayLike, x_c: ArrayLike, n_c: ArrayLike) -> Trials:
        """From counts of good outcomes: lower is worse."""
        block = cls(*same_shape(x_b, n_b, x_c, n_c))
        _check_counts(block)
        return block

    @classmethod
    def of_bad(cls, *, y_b: ArrayLike, n_b: ArrayLike, y_c: ArrayLike, n_c: ArrayLike) -> Trials:
        """From counts of bad outcomes: higher is worse."""
        b, m, c, n = same_shape(y_b, n_b, y_c, n_c)
        return cls.of_good(x_b=m - b, n_b=m, x_c=n - c, n_c=n)

    @classmethod
    def of_events(cls, *, y_b: ArrayLike, n_b: ArrayLike, y_c: ArrayLike, n_c: ArrayLike) -> Trials:
        """From counts of events and exposures, for the conditional rule: events may exceed exposure."""
        block = cls(*same_shape(y_b, n_b, y_c, n_c))
        if not all(bool(np.all((a >= 0) & np.isfinite(a))) for a in (block.x_b, block.n_b, block.x_c, block.n_c)):
            raise ValueError("events and exposures must be finite and not negative")
        return block

    @property
    def ticks(self) -> int:
        """Number of ticks in the block."""
        return int(self.x_b.shape[-1])

    def part(self, ticks: slice) -> Trials:
        """Some of the block's ticks."""
        return Trials(self.x_b[..., ticks], self.n_b[..., ticks], self.x_c[..., ticks], self.n_c[..., ticks])

    def flipped(self) -> Trials:
        """Good and bad exchanged."""
        return Trials(self.n_b - self.x_b, self.n_b, self.n_c - self.x_c, self.n_c)

    def swapped(self) -> Trials:
        """Baseline and canary exchanged."""
        return Trials(self.x_c, self.n_c, self.x_b, self.n_b)


def empty(shape: tuple[int, ...], fill: float = 0.0) -> Floats:
    """An array for a fresh state."""
    return np.full(shape, fill, dtype=np.float64)


def encoded(state: Any) -> dict[str, Any]:
    """A dataclass of arrays and integers as numbers and nested lists; infinities become text."""
    return {field.name: _plain(getattr(state, field.name)) for field in dataclasses.fields(state)}


def decoded(kind: type[Decoded], data: dict[str, Any]) -> Decoded:
    """What ``encoded`` wrote, back as ``kind``."""
    return kind(**{field.name: _value(data[field.name], field.type) for field in dataclasses.fields(kind)})  # type: ignore[arg-type]


def _check_counts(block: Trials) -> None:
    for x, n in ((block.x_b, block.n_b), (block.x_c, block.n_c)):
        if not bool(np.all((x >= 0) & (x <= n) & np.isfinite(n))):
            raise ValueError("outcomes must lie between 0 and the trials of their tick")


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

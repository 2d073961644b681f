"""Assignment: which part of all units each variant of a sticky release has, and the key that places them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from releasectl.domain.base import WHOLE, Model, Name

Point = Annotated[int, Field(ge=0, le=WHOLE)]


class Segment(Model):
    """Basis points [start, end) of all units, and the variant that has them."""

    start: Point
    end: Point
    variant: Name


class Assignment(Model):
    """Segments in the order in which they were handed out; together they cover every unit once.

    The order is part of it: what a variant got last it gives up first, so that shares which go back and forth
    move the same units.
    """

    key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """Key of the hash that places a unit, in hexadecimal; another trial has another one."""
    segments: tuple[Segment, ...]

    @model_validator(mode="after")
    def _whole(self) -> Assignment:
        at = 0
        for segment in self.in_order:
            if segment.start != at or segment.end <= at:
                raise ValueError(f"segments leave a gap or overlap at {at}")
            at = segment.end
        if at != WHOLE:
            raise ValueError(f"segments end at {at}, not at {WHOLE}")
        return self

    @property
    def in_order(self) -> tuple[Segment, ...]:
        """From 0 to 10,000."""
        return tuple(sorted(self.segments, key=lambda segment: segment.start))

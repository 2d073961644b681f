"""The stages of a strategy, discriminated by ``type``."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from releasectl.domain.base import Duration, Model, SharePercent, parse_duration


class Canary(Model):
    """Gives the candidate a growing share of real requests, step by step, and ends in promotion or rollback."""

    type: Literal["canary"]
    steps: Annotated[tuple[SharePercent, ...], Field(min_length=1)] = (1, 5, 25, 50)
    """Shares in percent, growing. A last step of 100 leaves stable none and ends comparison: stop at 50 or so."""
    interval: Duration = parse_duration("10m")
    """The least time at each step, counted from when the share is seen to be served."""

    @field_validator("steps")
    @classmethod
    def _growing(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in pairwise(steps)):
            raise ValueError("steps must grow, for example [1, 5, 25, 50]")
        return steps


Stage = Canary
"""One stage. A new kind of stage joins here as a union discriminated by ``type``."""

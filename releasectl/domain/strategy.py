"""The stages of a strategy, discriminated by ``type``."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from releasectl.domain.base import Duration, Model, SharePercent, parse_duration


class Canary(Model):
    """Gives candidates a growing share of real requests, step by step, and ends in promotion or rollback."""

    type: Literal["canary"]
    steps: Annotated[tuple[SharePercent, ...], Field(min_length=1)] = (1, 5, 25, 50)
    """Shares of the candidates together in percent, growing. A last step of 100 leaves stable none and ends
    comparison: stop at 50 or so."""
    interval: Duration = parse_duration("10m")
    """The least time at each step, counted from when the share is seen to be served."""

    @field_validator("steps")
    @classmethod
    def _growing(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in pairwise(steps)):
            raise ValueError("steps must grow, for example [1, 5, 25, 50]")
        return steps


class ABTest(Model):
    """Fixed shares until the objectives are decided: each candidate the same, stable the rest."""

    type: Literal["ab"]
    share: SharePercent = 50
    """Share of the candidates together, in percent."""
    duration: Duration = parse_duration("1h")
    """The least time, counted from when the shares are seen to be served."""


class Approval(Model):
    """Waits for people. Shares stay as they are and guardrails go on guarding."""

    type: Literal["approval"]
    required: Annotated[int, Field(ge=1)] = 1
    """How many different people must approve."""
    from_: tuple[str, ...] = Field(default=(), alias="from")
    """Who may approve: names of people, and of teams of the environment; nobody named means anybody."""
    not_author: bool = True
    """Whoever last changed the candidate in the manifest may not approve it."""
    expires: Duration = parse_duration("7d")
    """An approval counts for this long."""


Stage = Annotated[Canary | ABTest | Approval, Field(discriminator="type")]
"""One stage. A new kind of stage joins the union here and has a module in ``strategies``."""

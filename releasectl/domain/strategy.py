"""The stages of a strategy, discriminated by ``type``."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from releasectl.domain.base import Duration, Model, Name, SharePercent, SomeTime, parse_duration
from releasectl.domain.parts import MOST_VALUES, Dimension


class Growth(Model):
    """Steps that are worked out: each share is ``factor`` times the one before, and the last is ``to``."""

    from_: Annotated[SharePercent, Field(alias="from")] = 1
    """The first share, in percent."""
    to: SharePercent = 50
    """The last share, in percent."""
    factor: Annotated[float, Field(ge=1.2, le=100)] = 3
    """By which a share grows: what may go wrong at a step is at most so many times what has just been seen to go
    well."""

    @model_validator(mode="after")
    def _grows(self) -> Growth:
        if self.from_ >= self.to:
            raise ValueError("the first share must be below the last, for example {from: 1, to: 50}")
        return self

    @property
    def shares(self) -> tuple[float, ...]:
        """Of all steps, in percent, to 0.01 %: 1, 3, 9, 27, 50."""
        points, last = [round(self.from_ * 100)], round(self.to * 100)
        # Rounding must not stop the growth of shares of a few basis points.
        while (larger := max(round(points[-1] * self.factor), points[-1] + 1)) < last:
            points.append(larger)
        return tuple(each / 100 for each in (*points, last))


class Canary(Model):
    """Gives candidates a growing share of real requests, step by step, and ends in promotion or rollback."""

    type: Literal["canary"]
    steps: Annotated[tuple[SharePercent, ...], Field(min_length=1)] = (1, 5, 25, 50)
    """Shares of the candidates together in percent, growing. A last step of 100 leaves stable none and ends
    comparison: stop at 50 or so."""
    grow: Growth | None = None
    """In place of ``steps``: works them out."""
    interval: Duration = parse_duration("10m")
    """The least time at each step, counted from when the share is seen to be served."""

    @field_validator("steps")
    @classmethod
    def _growing(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in pairwise(steps)):
            raise ValueError("steps must grow, for example [1, 5, 25, 50]")
        return steps

    @model_validator(mode="after")
    def _once(self) -> Canary:
        if self.grow is not None and "steps" in self.model_fields_set:
            raise ValueError("give either steps or grow")
        return self

    @property
    def shares(self) -> tuple[float, ...]:
        """Of the candidates together at each step, in percent."""
        return self.steps if self.grow is None else self.grow.shares


class ABTest(Model):
    """Fixed shares until the objectives are decided: each candidate the same, stable the rest."""

    type: Literal["ab"]
    share: SharePercent = 50
    """Share of the candidates together, in percent."""
    duration: Duration = parse_duration("1h")
    """The least time, counted from when the shares are seen to be served."""


class RewardCost(Model):
    """What requests cost, and what that is worth: an arm earns its reward less price times cost."""

    price: Annotated[float, Field(gt=0)]
    """Rewards that one unit of cost is worth: 2 says that a variant which costs 0.01 more a request must earn two
    points more. Where the objective is a mean, in its own unit."""
    per_request: Annotated[Mapping[Name, Annotated[float, Field(ge=0)]], Field(min_length=1)]
    """Cost of one request, by variant; stable and every candidate."""


class Bandit(Model):
    """Moves shares towards the variants that earn most while it learns which these are, and ends with one of them."""

    type: Literal["bandit"]
    objective: Name
    """The metric to earn: one of the policy's objectives, which must also be proven before the stage ends."""
    method: Literal["best", "top-two"] = "best"
    """Shares follow the chance of being best; ``top-two`` keeps the strongest rival near half, to decide sooner."""
    explore: SharePercent = 5
    """Share that every variant has, in percent, until each has the policy's ``minSamples``."""
    floor: SharePercent = 1
    """Share that every variant keeps afterwards, in percent: what has no requests cannot be compared."""
    control: SharePercent | None = None
    """Share of stable, in percent, that is out of the game: stable never has less."""
    max_step: SharePercent = 10
    """The most that a share may move in one update, in points."""
    min_shift: SharePercent = 5
    """Updates in which no share would move by as many points wait, for a day at most: each is a commit."""
    every: Duration = parse_duration("10m")
    """The least time between updates, counted from when the shares are seen to be served."""
    half_life: SomeTime | None = None
    """After this time an outcome counts half: for worlds that drift. Without it nothing is forgotten."""
    tolerance: Annotated[float, Field(gt=0)] = 0.1
    """The stage may end when the leader is expected to lose at most this to the best variant, in points of the
    objective; where that is a mean, in its own unit, and without a default."""
    cost: RewardCost | None = None
    """Makes the reward that of the objective less what requests cost."""


class Agreement(Model):
    """When two answers to one request count as the same, and how often they must be."""

    at_least: Annotated[float, Field(gt=0, lt=100)] = 97
    """Percent of the compared answers. Proven above, the stage ends; proven below, the candidate is taken back."""
    field: str | None = None
    """Field of the output that is compared, such as its label; without it all of the output is."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """Numbers that differ by no more than this are the same."""


class PairedErrors(Model):
    """How much oftener a candidate may fail than stable does on the same requests."""

    at_most: Annotated[float, Field(gt=0, lt=100)] = 1
    """Percent of the pairs in which only the candidate failed, less those in which only stable did."""


class Slower(Model):
    """How often a candidate may take longer than stable does for the same request."""

    than: Duration = parse_duration("50ms")
    """By more than this, or it is not counted."""
    at_most: Annotated[float, Field(gt=0, lt=100)] = 5
    """Percent of the pairs of which both times are known."""


class PairedSegments(Model):
    """Groups of requests in which the limits of a shadow hold as well, each by itself.

    Half of each limit's alpha goes to them, shared evenly by as many as there may be.
    """

    by: Dimension
    """What tells them apart: a field of the predictions' ``segment``, such as ``language``."""
    min_samples: Annotated[int, Field(ge=1)] = 200
    """Pairs that a group needs before it is judged."""
    most: Annotated[int, Field(ge=2, le=MOST_VALUES)] = 20
    """How many groups are judged at most: the first to have their pairs."""
    must_pass: bool = False
    """Whether the stage waits until each of those judged is proven to keep the limits. Without it proof against one
    takes the candidate back, and the whole is enough to go on."""


class Shadow(Model):
    """Copies users' requests to the candidates, drops their answers and compares them with stable's."""

    type: Literal["shadow"]
    mirror: SharePercent = 100
    """Percent of the entry's requests that are copied to each candidate."""
    duration: Duration = parse_duration("10m")
    """The least time, counted from when copies are seen to be made."""
    component: Name | None = None
    """The component whose outputs are compared; the entry unless it is named."""
    agreement: Agreement = Agreement()
    errors: PairedErrors | None = None
    """Without it a failed answer counts as one that disagrees, and no more."""
    slower: Slower | None = None
    segments: PairedSegments | None = None
    """Groups in which these limits hold, too."""
    prove: tuple[Name, ...] = ()
    """Objectives of the policy that must be proven before the stage ends: those whose outcomes are known of answers to
    copies as well, such as what people say of them (``releasectl review``)."""


class Approval(Model):
    """Waits for people. Shares stay as they are and guardrails go on guarding."""

    type: Literal["approval"]
    required: Annotated[int, Field(ge=1)] = 1
    """How many different people must approve."""
    from_: tuple[str, ...] = Field(default=(), alias="from")
    """Who may approve: names of people, and of teams of the environment; nobody named means anybody."""
    not_author: bool = True
    """Whoever last changed the candidate in the manifest may not approve it."""
    expires: SomeTime = parse_duration("7d")
    """An approval counts for this long."""


Stage = Annotated[Shadow | Canary | ABTest | Bandit | Approval, Field(discriminator="type")]
"""One stage. A new kind of stage joins the union here and has a module in ``strategies``."""

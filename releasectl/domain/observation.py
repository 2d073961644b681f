"""What was seen: exact counts in blocks, what is really served, which versions are ready."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from releasectl.domain.base import Model, Time
from releasectl.domain.decision import Allocation


class Values(Model):
    """Sums over the values of the trials, in steps of the metric's clip, and over what was known before."""

    total: int = 0
    squares: Annotated[int, Field(ge=0)] = 0
    before: int = 0
    """Sum of the covariate, in steps of its own clip; 0 like the two below where there is none."""
    before_squares: Annotated[int, Field(ge=0)] = 0
    products: int = 0
    """Of each value with its covariate."""

    def __add__(self, other: Values) -> Values:
        return Values(
            total=self.total + other.total,
            squares=self.squares + other.squares,
            before=self.before + other.before,
            before_squares=self.before_squares + other.before_squares,
            products=self.products + other.products,
        )


class Counts(Model):
    """Exact integers of one arm in one block."""

    trials: Annotated[int, Field(ge=0)] = 0
    events: Annotated[int, Field(ge=0)] = 0
    opposite: Annotated[int, Field(ge=0)] = 0
    """Of pairs, in how many it was the other way round: it happened to stable and not to the candidate."""
    values: Values | None = None
    """Of a mean, whose trials have a value each and no events."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            trials=self.trials + other.trials,
            events=self.events + other.events,
            opposite=self.opposite + other.opposite,
            values=(self.values or Values()) + other.values if other.values else self.values,
        )


class Block(Model):
    """Counts of every arm over one window under one allocation. Arms are compared inside a block only."""

    start_at: Time
    end_at: Time
    epoch: int
    """Sequence number of the decision whose shares were in force."""
    arms: Mapping[str, Counts]
    """Counts by variant."""
    shares: Mapping[str, int] | None = None
    """Basis points by variant, if they are known to have been in force for every request that is counted and
    every request is counted once; then trials must follow them."""


class ReadState(StrEnum):
    """How the last attempt to read a metric ended."""

    OK = "ok"
    NO_DATA = "no-data"
    """The provider answers and has nothing for this release yet."""
    STALE = "stale"
    """The newest sample is older than the metric allows."""
    INVALID = "invalid"
    """Samples that cannot be counts: NaN, infinite, negative, not a number, more events than trials."""
    PROVIDER_ERROR = "provider-error"
    """The provider did not answer."""


NEW_UNITS = "new units"
"""Reading of a release that keeps units on their variant: how many were seen for the first time in the trial, by
variant. It cannot be the name of a metric."""


class Reading(Model):
    """One metric of one release since the last recorded decision."""

    state: ReadState
    detail: str = ""
    blocks: tuple[Block, ...] = ()


class Health(StrEnum):
    """Readiness of a variant's processes, the worst of its components."""

    READY = "ready"
    STARTING = "starting"
    FAILED = "failed"


class VariantHealth(Model):
    health: Health
    detail: str = ""


class Observation(Model):
    """Everything that was read for one release in one pass; with the state it is all a decision depends on."""

    served: Allocation | None = None
    """Shares that the router really serves; None if it serves nothing for this release or did not answer."""
    served_epoch: int | None = None
    """Decision whose shares these are, as the router tells."""
    served_since: Time | None = None
    """Since when the shares of the current decision have been seen to be served."""
    stage_seconds: float | None = None
    """How long the stage has been followed, pauses aside; None where only the calendar can tell."""
    health: Mapping[str, VariantHealth] = {}
    """By variant."""
    readings: Mapping[str, Reading] = {}
    """By metric."""
    folds: Mapping[str, Mapping[str, Any]] | None = None
    """Where the readings' blocks are folded in, when earlier ones since the last decision were too many to keep."""
    unreadable_seconds: float = 0.0
    """Time in this stage during which some guardrail's metric could not be read."""

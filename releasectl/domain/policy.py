"""PromotionPolicy: what must hold before a candidate gets more, and what takes it back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from releasectl.domain.base import Duration, Model, Name, SharePercent, parse_duration
from releasectl.domain.freeze import Freeze
from releasectl.domain.parts import MOST_VALUES, Dimension
from releasectl.domain.release import ApiVersion, Metadata


class Margin(Model):
    """How much worse than stable is still accepted; give one of the three."""

    points: Annotated[float, Field(gt=0, le=100)] | None = None
    """Absolute, in percentage points: 1 accepts an error rate of 3 % where stable has 2 %."""
    percent: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Relative to stable's rate or mean: 10 accepts an error rate of 2.2 % where stable has 2 %."""
    units: Annotated[float, Field(gt=0)] | None = None
    """Absolute, for a mean, in the metric's own unit: 5 accepts 125 ms where stable takes 120 ms."""

    @model_validator(mode="after")
    def _one(self) -> Margin:
        if sum(one is not None for one in (self.points, self.percent, self.units)) != 1:
            raise ValueError("give either points (absolute) or percent (relative); for a mean, units or percent")
        return self


class Segments(Model):
    """Groups of users that a guardrail holds in as well, each by itself: harm to one of them may hide in the whole.

    Half of the guardrail's part of alpha goes to them (a third each where it has a limit, too), so that looking closer
    makes no false rollback more likely.
    """

    by: Dimension
    """What tells them apart: the field that the metric is counted by (``by`` in its query)."""
    min_samples: Annotated[int, Field(ge=1)] = 200
    """Trials that each arm needs in a group before it is judged; until then it neither passes nor fails."""
    most: Annotated[int, Field(ge=2, le=MOST_VALUES)] = 20
    """How many groups are judged at most: the first to have their samples. The evidence is held against this number
    from the start, so that no order in which they turn up can mislead; where there are few, a smaller number finds
    harm sooner."""
    must_pass: bool = False
    """Whether promotion waits until harm is ruled out in each of those judged, too. Without it the guardrail passes
    on the whole, and harm that is shown in a group takes the candidate back: proof for many small groups takes as
    many times the requests."""
    suspicion: Annotated[float, Field(gt=1)] = 3.0
    """No stage ends while the evidence of harm stands at this or more in some group, be it judged yet or not. It is an
    e-value: where the candidate is not worse than the margin, the chance that a group ever comes to 3 is a third at
    most, and next to nothing where it is no worse at all. The wait ends once the evidence has fallen, or with
    ``maxDuration``; steps within a stage do not wait."""


class Guardrail(Model):
    """A metric that must not worsen beyond its margin. Proven harm rolls back at once."""

    metric: Name
    margin: Margin = Margin(points=1.0)
    limit: float | None = None
    """The candidate's own rate, in percent, that it must not be shown to pass, whatever stable does; of a mean, the
    value, in the metric's own unit, that its mean must not be shown to be worse than."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Its part of the policy's alpha, relative to the other guardrails."""
    segments: Segments | None = None
    """Groups of users that it must hold in, each by itself."""


class Objective(Model):
    """A metric that decides promotion, besides the guardrails."""

    metric: Name
    goal: Literal["superior", "non-inferior"] = "non-inferior"
    margin: Margin = Margin(points=1.0)
    """For non-inferior: how much worse than stable still passes. For superior: the gain worth finding, by which
    `plan` tells how long it takes; what must be proven is any gain at all, or ``atLeast``."""
    at_least: Margin | None = None
    """For superior: the least gain that must be proven, where any gain at all is too little."""

    @model_validator(mode="after")
    def _superior(self) -> Objective:
        if self.at_least is not None and self.goal != "superior":
            raise ValueError("atLeast is a gain: it needs goal: superior")
        return self


class Outage(Model):
    """What happens while metrics cannot be read."""

    budget: Duration = parse_duration("10m")
    """How long, added up over the stage, the guardrails' metrics may be unreadable."""
    then: Literal["hold", "rollback"] = "rollback"


class Watch(Model):
    """A last look before promotion: the candidate serves nearly everything while stable stays to be compared with.

    It follows the strategy's stages. Only when it has passed does the manifest change, so a breach during the
    watch is an ordinary rollback to a stable that never stopped serving.
    """

    for_: Duration = Field(default=parse_duration("30m"), alias="for")
    """How long, counted from when the shares are seen to be served."""
    keep: Annotated[SharePercent, Field(le=50)] = 5
    """Share that stable keeps, in percent: what the candidate is compared with."""

    @property
    def type(self) -> Literal["watch"]:
        return "watch"


class PolicySpec(Model):
    """See the field descriptions; every default is the careful one."""

    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """The chance of ever rolling back a harmless candidate, shared by the guardrails, however often one looks."""
    guardrails: tuple[Guardrail, ...] = ()
    objectives: tuple[Objective, ...] = ()
    """All must be proven. The first is the primary one: of several candidates that pass, the one with the largest gain
    in it wins."""
    min_samples: Annotated[int, Field(ge=1)] = 100
    """Trials that each arm needs in each metric at each step."""
    min_dwell: Duration = parse_duration("0s")
    """Least time at each step, where the strategy asks for less."""
    sample_ratio: Annotated[float, Field(gt=0, le=0.1)] = 0.001
    """The chance of ever stopping a trial because requests seem not to follow the decided shares though they do."""
    max_duration: Duration = parse_duration("24h")
    """The longest that a stage may take."""
    when_inconclusive: Literal["rollback", "hold"] = "rollback"
    """What happens at ``maxDuration`` when the evidence proves neither harm nor its absence."""
    outage: Outage = Outage()
    quarantine: Literal["artifact", "combination"] = "artifact"
    """What a rollback forbids until a person lifts it: the artifact, whatever it is tried with, or only the
    combination of versions it was measured in, so that it may be tried again once its neighbours have changed."""
    freeze: tuple[Freeze, ...] = ()
    """Times in which no release with this policy goes forward."""
    watch: Watch | None = None
    """A last look at nearly the whole of the requests before a candidate becomes stable."""


class PromotionPolicy(Model):
    """Guardrails, objectives and error budget; many releases may share one."""

    api_version: ApiVersion
    kind: Literal["PromotionPolicy"]
    metadata: Metadata
    spec: PolicySpec

    @property
    def name(self) -> str:
        return self.metadata.name

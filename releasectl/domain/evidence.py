"""Evidence and Verdict: the numbers for one metric of one candidate, and what they say."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from releasectl.domain.attribution import Attribution
from releasectl.domain.base import Model, Name


class MetricState(StrEnum):
    """The seven states of a metric, never mixed up: a zero is not missing, a fault is not a verdict."""

    OK = "ok"
    BAD = "bad"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no-data"
    STALE = "stale"
    INVALID = "invalid"
    PROVIDER_ERROR = "provider-error"


class Verdict(StrEnum):
    """What a metric says of a candidate."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"


VERDICT_OF: dict[MetricState, Verdict] = {
    MetricState.OK: Verdict.PASS,
    MetricState.BAD: Verdict.FAIL,
    MetricState.INCONCLUSIVE: Verdict.INCONCLUSIVE,
    MetricState.NO_DATA: Verdict.INCONCLUSIVE,
    MetricState.STALE: Verdict.ERROR,
    MetricState.INVALID: Verdict.ERROR,
    MetricState.PROVIDER_ERROR: Verdict.ERROR,
}


class Arm(Model):
    """Totals of one arm over the stage, for people; statistics never compare totals across blocks."""

    trials: Annotated[int, Field(ge=0)]
    events: Annotated[int, Field(ge=0)]
    mean: float | None = None
    """Of the values, for a mean, in the metric's own unit."""

    @property
    def level(self) -> float | None:
        """The mean, or the rate as a fraction of 1; None while there is nothing."""
        if self.mean is not None:
            return self.mean
        return self.events / self.trials if self.trials else None


class Evidence(Model):
    """One metric of one candidate against stable since the stage began. Rates are fractions of 1; estimate, limits
    and margin of a mean are in the metric's own unit."""

    metric: Name
    role: Literal["guardrail", "objective", "segment", "sample-ratio"]
    """``segment``: a guardrail in one group of users; of these only the worst few are told. ``sample-ratio``: whether
    units reached the variants in the decided shares, where they are kept there."""
    candidate: Name
    part: str = ""
    """The group, such as ``language=es``."""
    state: MetricState
    summary: str
    """One sentence for people, numbers included."""
    better: Literal["lower", "higher"] = "lower"
    """Which way of the rate is better."""
    unit: str | None = None
    """Of a mean, perhaps empty; None for a rate."""
    stable: Arm = Arm(trials=0, events=0)
    tried: Arm = Arm(trials=0, events=0)
    """The candidate's totals."""
    step_trials: int = 0
    """The smaller of the two arms' trials in the present step."""
    estimate: float | None = None
    """Candidate's rate minus stable's, stratified by block."""
    lower: float | None = None
    upper: float | None = None
    """Always-valid interval of the difference."""
    log_e: float | None = None
    """Log of the evidence that harm exceeds the margin."""
    threshold: float | None = None
    """Where ``log_e`` proves it."""
    margin: float | None = None
    """Accepted worsening as a difference of rates."""
    suspicious: bool = False
    """Of a group: harm is not proven there, and likely enough that promotion waits."""
    attribution: Attribution | None = None
    """Of proven harm, the component of the graph that it comes from; None where components are not counted."""

    @property
    def verdict(self) -> Verdict:
        return VERDICT_OF[self.state]

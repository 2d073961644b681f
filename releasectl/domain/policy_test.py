"""PolicyTest: cases of evidence over time and the decisions that a policy must take on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from releasectl.domain.base import Duration, Model, Name, SomeTime, parse_duration
from releasectl.domain.decision import Action
from releasectl.domain.observation import Health
from releasectl.domain.reasons import Reason
from releasectl.domain.release import ApiVersion, Metadata
from releasectl.domain.strategy import Canary, Stage


def _rate(text: str) -> str:
    if text.endswith("%") and not 0 <= float(text[:-1]) <= 100:
        raise ValueError(f"{text!r} is not a rate such as 1% or 0.25%")
    return text


RateText = Annotated[str, Field(pattern=r"^(\d+(\.\d+)?%|-?\d+(\.\d+)?( ?~ ?\d+(\.\d+)?)?)$"), AfterValidator(_rate)]
"""``1%`` of a proportion; ``25 ~ 8`` of a mean: its value and standard deviation in its own unit."""
PercentText = Annotated[str, Field(pattern=r"^\d+(\.\d+)?%$"), AfterValidator(_rate)]
PartText = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*=.+$")]
PairRate = Literal["agreement", "errors", "stable-errors", "slower"]
Traffic = Annotated[str, Field(pattern=r"^\d+(\.\d+)?/[smh]$")]


class Rates(Model):
    """How the variants answer."""

    stable: Mapping[Name, RateText] = {}
    """Rate of events of each metric, such as ``{error-rate: 1%}``; of a mean its value and standard deviation, such
    as ``{order-value: 25 ~ 8}``."""
    candidate: Mapping[Name, RateText] = {}
    """The same of every candidate."""
    candidates: Mapping[Name, Mapping[Name, RateText]] = {}
    """The same of single ones, by name; goes before ``candidate``."""


class SegmentPhase(Rates):
    """A group of users who are answered unlike the others. What is not named is as with everybody else."""

    share: PercentText | None = None
    """Part of all requests, such as ``5%``; as before if left out, at first 0%."""


class Phase(Rates):
    """What happens for a while. Rates and means that are not named stay as they were in the phase before; at first
    rates are 0% and means in the middle of their range."""

    for_: Annotated[Duration, Field(alias="for")]
    """How long."""
    requests: Traffic | None = None
    """All requests, such as ``100/s`` or ``30/m``; as before if left out, at first 100/s."""
    segments: Mapping[PartText, SegmentPhase] = {}
    """Groups, such as ``language=es``, for metrics that are counted by them; what ``stable`` and ``candidate`` say is
    then of everybody else."""
    pairs: Mapping[PairRate, PercentText] = {}
    """While requests are copied, in which part of the pairs the answers agree (``agreement``, at first 100%), only the
    candidate fails (``errors``), only stable does (``stable-errors``), or the candidate is ``slower``."""
    candidate_pairs: Mapping[Name, Mapping[PairRate, PercentText]] = {}
    """The same of single candidates, by name; goes before ``pairs``."""
    metrics: Mapping[Name, Literal["ok", "stale", "invalid", "provider-error"]] = {}
    """Metrics that cannot be read in this phase, and how; what they count is known once they can be. What is counted
    of pairs has the names ``agreement``, ``errors`` and ``slower``."""
    health: Health = Health.READY
    """Of the candidates' processes."""


class Expected(Model):
    """A decision that must be taken."""

    decision: Action
    """``HOLD`` comes last: what the trial is held by in the end."""
    reason: Reason | None = None
    candidate: Name | None = None
    within: Duration | None = None
    """At the latest this long after the case began."""
    after: Duration | None = None
    """At the earliest this long after the case began."""


class PolicyCase(Model):
    """Evidence over time and what must follow from it.

    The decisions expected must be taken in this order. Steps need not be named; a promotion or a rollback that
    is not expected fails the case.
    """

    name: Annotated[str, Field(min_length=1)]
    given: Annotated[tuple[Phase, ...], Field(min_length=1)]
    expect: Annotated[tuple[Expected, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _hold_last(self) -> PolicyCase:
        if any(one.decision is Action.HOLD for one in self.expect[:-1]):
            raise ValueError("HOLD tells how the case ends, so it comes last")
        return self


class PolicyTestSpec(Model):
    """Give ``release``, to test its strategy and policy, or ``policy``, with a ``strategy`` or a plain canary."""

    release: Name | None = None
    """A release of this repository."""
    policy: Name | None = None
    """A policy of this repository or a shipped one; in place of the release's if both are given."""
    strategy: tuple[Stage, ...] = (Canary(type="canary"),)
    """Where no release is named."""
    candidates: Annotated[tuple[Name, ...], Field(min_length=1)] = ("candidate",)
    """Where no release is named."""
    look: SomeTime = parse_duration("10s")
    """Time between looks at the metrics."""
    cases: Annotated[tuple[PolicyCase, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _something(self) -> PolicyTestSpec:
        if self.release is None and self.policy is None:
            raise ValueError("give a release or a policy")
        return self


class PolicyTest(Model):
    """Cases that `releasectl test` runs: evidence over time, and the decisions that must follow."""

    api_version: ApiVersion
    kind: Literal["PolicyTest"]
    metadata: Metadata
    spec: PolicyTestSpec

    @property
    def name(self) -> str:
        return self.metadata.name

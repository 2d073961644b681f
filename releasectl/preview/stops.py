"""What can hold or end the trial, in words: a reader should not have to look the policy up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from releasectl.decide.freezes import freezes_of
from releasectl.decide.inputs import Desired
from releasectl.domain.base import format_duration
from releasectl.domain.metric import Metric
from releasectl.domain.policy import Guardrail, Margin, Objective
from releasectl.domain.strategy import Approval, Bandit
from releasectl.preview.document import Stop


def stops(desired: Desired, now: datetime) -> tuple[Stop, ...]:
    """In the order in which they are asked: what takes back, what decides, what holds."""
    return tuple(_stops(desired, now))


def costs(desired: Desired) -> tuple[str, ...]:
    """What requests cost by variant, where a stage declares it."""
    told = []
    for number, stage in enumerate(desired.release.spec.strategy, start=1):
        if isinstance(stage, Bandit) and stage.cost:
            each = ", ".join(f"{name} {cost:g}" for name, cost in stage.cost.per_request.items())
            told.append(f"stage {number}: a request costs {each}; one unit is worth {stage.cost.price:g} rewards")
    return tuple(told)


def _stops(desired: Desired, now: datetime) -> Iterator[Stop]:
    policy = desired.policy.spec
    for guardrail in policy.guardrails:
        yield from _guardrail(guardrail, desired.metrics[guardrail.metric])
    if not policy.guardrails:
        yield Stop(
            kind="guardrail", text="the policy names no guardrail: nothing can be proven, so nothing is promoted"
        )
    for objective in policy.objectives:
        yield Stop(kind="objective", text=_objective(objective, desired.metrics[objective.metric]))
    then = "is taken back" if policy.when_inconclusive == "rollback" else "is held for a person"
    yield Stop(
        kind="duration",
        text=f"a stage that proves nothing in {format_duration(policy.max_duration)}: the candidate {then}",
    )
    lost = "is taken back" if policy.outage.then == "rollback" else "is held"
    yield Stop(
        kind="outage",
        text=f"metrics that cannot be read for {format_duration(policy.outage.budget)} together: the candidate {lost}",
    )
    yield Stop(kind="readiness", text="a version that does not become ready in time, or keeps failing: taken back")
    yield from _people(desired)
    yield from _freezes(desired, now)
    if trust := desired.environment.spec.trust:
        text = f"only commits signed by a key in {trust.signers} are believed: merged unsigned, nothing of this happens"
        yield Stop(kind="trust", text=text)
    caps = desired.environment.spec.caps
    if caps.max_concurrent is not None:
        yield Stop(kind="cap", text=f"at most {caps.max_concurrent} releases of {desired.environment.name} on trial")
    if caps.max_exposure is not None:
        text = f"at most {caps.max_exposure:g} % of the requests of {desired.environment.name} on trial"
        yield Stop(kind="cap", text=text)


def _guardrail(guardrail: Guardrail, metric: Metric) -> Iterator[Stop]:
    worse = "higher" if metric.direction == "lower" else "lower"
    yield Stop(
        kind="guardrail",
        text=f"{metric.name} proven more than {_margin(guardrail.margin)} {worse} than stable's: taken back at once",
    )
    if guardrail.segments is not None:
        groups = guardrail.segments
        text = f"the same for each {groups.by} with {groups.min_samples} samples an arm, {groups.most} of them at most"
        passing = "; all of these must be proven harmless, too" if groups.must_pass else ""
        yield Stop(kind="guardrail", text=f"{metric.name}: {text}{passing}")
        text = f"no stage ends while harm is suspected in one of them (e-value of {groups.suspicion:g} or more)"
        yield Stop(kind="guardrail", text=f"{metric.name} by {groups.by}: {text}")
    if guardrail.limit is not None:
        beyond = "over" if metric.direction == "lower" else "under"
        unit = " %" if metric.kind == "proportion" else ""
        text = f"{metric.name} shown to be {beyond} {guardrail.limit:g}{unit}, whatever stable has: taken back"
        yield Stop(kind="limit", text=text)


def _objective(objective: Objective, metric: Metric) -> str:
    if objective.goal == "superior":
        least = f" by {_margin(objective.at_least)}" if objective.at_least else ""
        return f"{metric.name} must be proven better than stable's{least} before promotion"
    return f"{metric.name} must be proven no more than {_margin(objective.margin)} worse than stable's before promotion"


def _margin(margin: Margin) -> str:
    if margin.points is not None:
        return f"{margin.points:g} point" + ("" if margin.points == 1 else "s")
    if margin.units is not None:
        return f"{margin.units:g} (in its own unit)"
    return f"{margin.percent:g} % of stable's value"


def _people(desired: Desired) -> Iterator[Stop]:
    for number, stage in enumerate(desired.release.spec.strategy, start=1):
        if isinstance(stage, Approval):
            yield Stop(
                kind="approval", text=f"stage {number} waits for {stage.required} of {_names(stage.from_, desired)}"
            )


def _names(names: Sequence[str], desired: Desired) -> str:
    teams = desired.environment.spec.teams
    told = [f"{name} ({', '.join(teams[name])})" if name in teams else name for name in names]
    return ", ".join(told) or "anybody"


def _freezes(desired: Desired, now: datetime) -> Iterator[Stop]:
    for freeze in freezes_of(desired):
        if not freeze.weekly and datetime.fromisoformat(freeze.until) <= now:
            continue
        when = f"every week from {freeze.from_} until {freeze.until} UTC" if freeze.weekly else ""
        when = when or f"from {freeze.from_} until {freeze.until}"
        yield Stop(kind="freeze", text=f"nothing goes forward {when}: {freeze.reason} (ask {freeze.owner})")

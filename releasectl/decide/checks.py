"""Checks that take a candidate back or hold it where it is.

A check answers one question about an Input and returns a Finding when the answer matters. It reads no
clock and no network, so equal Inputs give equal Findings. Their order is policy and lives in chain.py.
All of these are asked while a trial is under way: ``given.state`` has progress and ``given.desired`` is there.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from releasectl.decide.freezes import freezes_of, time_frozen
from releasectl.decide.inputs import Desired, Finding, Input
from releasectl.domain.attribution import Attribution
from releasectl.domain.base import format_duration
from releasectl.domain.decision import EffectiveState, PersonAction, PersonRequest, Progress
from releasectl.domain.evidence import Evidence, MetricState, Verdict
from releasectl.domain.observation import Health
from releasectl.domain.policy import Watch
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE
from releasectl.domain.strategy import Stage
from releasectl.evaluate.attribution import attribute
from releasectl.evaluate.components import Graph
from releasectl.evaluate.guardrails import jointly_harmful
from releasectl.evaluate.segments import may_hold
from releasectl.strategies import STRATEGIES, Finish, Situation, Strategy


def desired_of(given: Input) -> Desired:
    """What git asks for, in chains that are only entered when it is known."""
    if given.desired is None:
        raise ValueError("the manifest is not known here")
    return given.desired


def state_of(given: Input) -> EffectiveState:
    """The state, in chains that are only entered when there is one."""
    if given.state is None:
        raise ValueError("there is no state here")
    return given.state


def progress_of(given: Input) -> Progress:
    """Where the trial stands, in chains that are only entered during one."""
    progress = state_of(given).progress
    if progress is None:
        raise ValueError("nothing is on trial here")
    return progress


def stage_of(given: Input) -> tuple[Stage | Watch, Strategy]:
    """The stage under way and the functions of its kind."""
    # A watch that an edit of the policy has taken away under way has nothing left to wait for.
    stage = desired_of(given).stage(state_of(given)) or Watch(for_=timedelta(0))
    return stage, STRATEGIES[stage.type]


def situation(given: Input) -> Situation:
    """What the strategy of the stage under way may look at."""
    state = state_of(given)
    return Situation(
        progress=progress_of(given),
        allocation=state.allocation,
        teams=desired_of(given).environment.spec.teams,
        authors=_authors(given),
        candidates=state.candidates,
        evidence=_needed(given),
        policy=desired_of(given).policy.spec,
        now=given.now,
        votes=state.votes,
        rewards=given.evaluation.rewards,
    )


def first_request(given: Input, *actions: PersonAction) -> PersonRequest | None:
    """The oldest open request of one of these kinds."""
    return next((request for request in given.requests if request.action in actions), None)


def _rows(given: Input, role: str) -> list[Evidence]:
    return [row for row in given.evaluation.evidence if row.role == role]


# --- take back ------------------------------------------------------------------------------------------


def rollback_requested(given: Input) -> Finding | None:
    """A person asked to take the candidate back."""
    request = first_request(given, PersonAction.ROLLBACK)
    if request is None:
        return None
    return Finding(Reason.REQUESTED, _asked(request, "rollback"), request=request)


def candidate_withdrawn(given: Input) -> Finding | None:
    """The manifest no longer asks for this trial."""
    # An unreadable manifest withdraws nothing: the last good one stands in for it.
    if given.invalid or desired_of(given).release.intent == state_of(given).intent:
        return None
    return Finding(Reason.CANDIDATE_WITHDRAWN, "the manifest asks for something else now; this trial ends")


def guardrail_breached(given: Input) -> Finding | None:
    """A guardrail shows harm beyond its margin, in all requests or in a group of users."""
    for row in _rows(given, "guardrail") + _rows(given, "segment"):
        if row.verdict is Verdict.FAIL:
            message = f"{row.metric}: {row.summary}{_origin(row.attribution)}"
            return Finding(Reason.GUARDRAIL_BREACHED, message, candidate=row.candidate)
    return None


def guardrails_breached_together(given: Input) -> Finding | None:
    """No guardrail alone, but all together show harm."""
    for candidate in state_of(given).candidates:
        rows = [row for row in _rows(given, "guardrail") if row.candidate == candidate]
        worst = jointly_harmful(rows, desired_of(given).policy.spec)
        if worst:
            numbers = worst.summary.partition(": ")[0]
            graph, policy = Graph.of(state_of(given)), desired_of(given).policy.spec
            origin = _origin(attribute(given.evaluation.folds, worst.metric, candidate, policy, graph))
            message = "the guardrails prove harm beyond their margins together, "
            message += f"{worst.metric} most of all: {numbers}{origin}"
            return Finding(Reason.GUARDRAIL_BREACHED, message, candidate=candidate)
    return None


def candidate_failed(given: Input) -> Finding | None:
    """A process of the candidate keeps failing."""
    for candidate in state_of(given).candidates:
        seen = given.observed.health.get(candidate)
        if seen and seen.health is Health.FAILED:
            return Finding(Reason.NEVER_READY, f"{candidate} cannot run: {seen.detail}", candidate=candidate)
    return None


def outage_budget_spent(given: Input) -> Finding | None:
    """Guardrails could not be read for longer than the policy accepts, and it says to go back."""
    outage = desired_of(given).policy.spec.outage
    spent = timedelta(seconds=given.observed.unreadable_seconds)
    if outage.then != "rollback" or spent < outage.budget:
        return None
    faults = ", ".join(
        f"{row.metric} ({row.state}: {row.summary})"
        for row in _rows(given, "guardrail")
        if row.verdict is Verdict.ERROR
    )
    return Finding(
        Reason.OUTAGE_BUDGET_SPENT,
        f"guardrails were unreadable for {format_duration(spent)}, the budget is "
        f"{format_duration(outage.budget)}" + (f": {faults}" if faults else ""),
    )


def inconclusive_for_too_long(given: Input) -> Finding | None:
    """The stage took its whole time and nothing is proven."""
    policy = desired_of(given).policy.spec
    if policy.when_inconclusive != "rollback" or not _time_is_up(given):
        return None
    if stage_of(given)[0].type == "approval":
        # The evidence is in; what is waited for is people.
        return None
    if _has_finished(given):
        # Time ran out while nobody looked, and the proof is there all the same.
        return None
    return Finding(
        Reason.INCONCLUSIVE,
        f"after {format_duration(policy.max_duration)} neither harm nor its absence is proven: {_lacking(given)}",
    )


def stable_failed(given: Input, finding: Finding) -> Finding | None:
    """Whether there is nothing to go back to: stable cannot run, and the candidate that was found harmful can."""
    seen = given.observed.health.get(STABLE)
    if seen is None or seen.health is not Health.FAILED or finding.reason is Reason.NEVER_READY:
        return None
    if finding.request or finding.reason is Reason.CANDIDATE_WITHDRAWN:
        # A person has decided it.
        return None
    message = f"stable cannot run ({seen.detail}), so nothing is rolled back although it should be: {finding.message}"
    return Finding(Reason.NO_WAY_BACK, message, candidate=finding.candidate)


# --- hold -----------------------------------------------------------------------------------------------


def suspended(given: Input) -> Finding | None:
    """A person asked for no action."""
    pause = state_of(given).suspension
    if pause is None:
        return None
    because = f": {pause.reason}" if pause.reason else ""
    return Finding(Reason.SUSPENDED, f"paused by {pause.by}{because}")


def manifest_invalid(given: Input) -> Finding | None:
    """The manifest cannot be read at present."""
    return Finding(Reason.INVALID_MANIFEST, given.invalid) if given.invalid else None


def candidate_not_ready(given: Input) -> Finding | None:
    """A process of a variant on trial is not ready."""
    for name in state_of(given).candidates:
        seen = given.observed.health.get(name)
        if seen is None or seen.health is not Health.READY:
            return Finding(Reason.WAITING_FOR_READINESS, f"{name} is not ready: {seen.detail if seen else 'unknown'}")
    return None


def route_not_served(given: Input) -> Finding | None:
    """The router is not yet seen to serve what was decided."""
    state = state_of(given)
    if given.observed.served_since is not None and state.allocation.same_as(given.observed.served):
        return None
    seen = given.observed.served
    return Finding(
        Reason.WAITING_FOR_ROUTE,
        f"decided {state.allocation}; the router serves {seen if seen else 'nothing that it tells of'}",
    )


def guardrails_missing(given: Input) -> Finding | None:
    """The policy names no guardrail."""
    # "All of nothing passed" would promote unprotected releases, so absence is a finding.
    if desired_of(given).policy.spec.guardrails:
        return None
    return Finding(Reason.NO_GUARDRAILS, f"policy {desired_of(given).policy.name} declares no guardrails")


def sample_ratio_mismatch(given: Input) -> Finding | None:
    """Requests do not reach the variants in the decided shares, so their numbers prove nothing."""
    found = given.evaluation.mismatch
    if found is None:
        return None
    mended = f"`releasectl resume {state_of(given).release}` begins the trial anew once the cause is mended"
    return Finding(Reason.SAMPLE_RATIO_MISMATCH, f"{found}; {mended}")


def gate_cannot_guard(given: Input) -> Finding | None:
    """People are waited for, or have approved, while a metric cannot be read: harm would not be seen."""
    return metrics_unavailable(given) if stage_of(given)[0].type == "approval" else None


def metrics_unavailable(given: Input) -> Finding | None:
    """A metric is stale, invalid or its provider does not answer."""
    for row in given.evaluation.evidence:
        if row.verdict is Verdict.ERROR:
            return Finding(Reason.METRICS_UNAVAILABLE, f"{row.metric} is {row.state}: {row.summary}")
    return None


def dwelling(given: Input) -> Finding | None:
    """The step's least time has not passed since it was seen to be served."""
    stage, strategy = stage_of(given)
    least = max(strategy.dwell(stage), desired_of(given).policy.spec.min_dwell)
    left = _served_since(given) + least - given.now
    if left <= timedelta(0):
        return None
    return Finding(Reason.DWELLING, f"{_rounded(left)} of {format_duration(least)} left at this step")


def collecting_samples(given: Input) -> Finding | None:
    """An arm has fewer samples in this step than the policy wants."""
    if not stage_of(given)[1].samples_each_step:
        return None
    wanted = desired_of(given).policy.spec.min_samples
    for row in given.evaluation.evidence:
        if row.role in ("segment", "sample-ratio"):
            # Groups are judged by the samples they have; a small one would hold every step for ever.
            continue
        if row.state is MetricState.NO_DATA or row.step_trials < wanted:
            return Finding(
                Reason.COLLECTING_SAMPLES,
                f"{row.metric}: {row.step_trials} of {wanted} samples in the smaller arm at this step",
            )
    return None


# --- parts ----------------------------------------------------------------------------------------------


def _needed(given: Input) -> tuple[Evidence, ...]:
    """The evidence that a promotion waits for."""
    policy = desired_of(given).policy.spec
    return tuple(row for row in given.evaluation.evidence if may_hold(row, policy))


def _origin(attribution: Attribution | None) -> str:
    return f"; {attribution.sentence}" if attribution else ""


def _asked(request: PersonRequest, what: str) -> str:
    return f"{request.by} asked for {what}" + (f": {request.reason}" if request.reason else "")


def _served_since(given: Input) -> datetime:
    return given.observed.served_since or given.now


def _time_is_up(given: Input) -> bool:
    desired, since, seconds = desired_of(given), progress_of(given).stage_started_at, given.observed.stage_seconds
    spent = given.now - since if seconds is None else timedelta(seconds=seconds)
    # A trial that was not allowed to go forward has not failed to.
    return spent - time_frozen(freezes_of(desired), since, given.now) >= desired.policy.spec.max_duration


def _has_finished(given: Input) -> bool:
    stage, strategy = stage_of(given)
    return isinstance(strategy.propose(stage, situation(given)), Finish)


def _lacking(given: Input) -> str:
    rows = [row for row in _needed(given) if row.verdict is not Verdict.PASS]
    return "; ".join(f"{row.metric} ({row.summary})" for row in rows) or "time and samples at the last step"


def _authors(given: Input) -> tuple[str, ...]:
    origins = desired_of(given).origins
    return tuple(origins[name].author for name in state_of(given).candidates if name in origins)


def _rounded(span: timedelta) -> str:
    return format_duration(timedelta(seconds=max(1, round(span.total_seconds()))))

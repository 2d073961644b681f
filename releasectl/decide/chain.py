"""The order of the checks, and the one decision that follows.

A trial is asked, in this order: is its promotion merged already, does anything take the candidate back, does a
person want it promoted, does a person want something else, does anything hold it; only then what its strategy
proposes. The first finding wins. Nothing on trial: the manifest is compared with the state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import assert_never

from releasectl.decide import checks, merges, outcomes, people
from releasectl.decide.checks import desired_of, first_request, progress_of, stage_of, state_of
from releasectl.decide.freezes import frozen
from releasectl.decide.inputs import Finding, Input
from releasectl.decide.quarantine import holding, stale
from releasectl.domain.decision import Action, Decision, PersonAction
from releasectl.domain.observation import Health
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE
from releasectl.strategies import Finish, Move, Proposal, Refuse, Wait

Check = Callable[[Input], Finding | None]

TAKE_BACK: Sequence[Check] = (
    checks.rollback_requested,
    people.rejected,
    checks.candidate_withdrawn,
    checks.guardrail_breached,
    checks.guardrails_breached_together,
    checks.candidate_failed,
    checks.outage_budget_spent,
    checks.inconclusive_for_too_long,
)
HOLD: Sequence[Check] = (
    checks.suspended,
    checks.manifest_invalid,
    checks.candidate_not_ready,
    checks.route_not_served,
    checks.guardrails_missing,
    checks.sample_ratio_mismatch,
    checks.gate_cannot_guard,
)
HOLD_GATHERING: Sequence[Check] = (
    checks.metrics_unavailable,
    checks.dwelling,
    checks.collecting_samples,
)
"""Asked besides in a stage that gathers evidence."""


def decide(given: Input) -> Decision:
    """One decision for one release."""
    if given.desired is None:
        return outcomes.removed(given)
    if given.state is None or given.state.removed:
        return _unknown(given)
    if given.state.progress is None:
        return _idle(given)
    decision = _trial(given)
    if decision.action is Action.PROMOTE and decision.edit and given.proposed:
        return outcomes.proposed(given, given.proposed)
    return decision


def first_finding(given: Input, order: Sequence[Check]) -> Finding | None:
    """What the first check with something to say says."""
    return next((finding for check in order if (finding := check(given))), None)


def _trial(given: Input) -> Decision:
    if finding := merges.merged(given):
        return outcomes.merged(given, finding)
    if finding := first_finding(given, TAKE_BACK):
        no_way_back = checks.stable_failed(given, finding)
        return outcomes.hold(given, no_way_back) if no_way_back else outcomes.rollback(given, finding)
    if request := first_request(given, PersonAction.PROMOTE):
        return people.promotion(given, request)
    if answer := people.answer(given):
        return answer
    if finding := first_finding(given, HOLD):
        return outcomes.hold(given, finding)
    stage, strategy = stage_of(given)
    if strategy.gathers and (finding := first_finding(given, HOLD_GATHERING)):
        return outcomes.hold(given, finding)
    proposal = strategy.propose(stage, checks.situation(given))
    if _goes_forward(given, proposal) and (freeze := frozen(given)):
        return outcomes.hold(given, freeze)
    match proposal:
        case Move():
            return outcomes.advance(given, proposal)
        case Wait():
            return outcomes.hold(given, Finding(proposal.reason, proposal.message))
        case Refuse():
            return outcomes.rollback(given, Finding(proposal.reason, proposal.message))
        case Finish():
            return _finished(given, proposal)
        case _:
            assert_never(proposal)


def _goes_forward(given: Input, proposal: Proposal) -> bool:
    """Whether some candidate would get more, or the trial a further stage or its end."""
    if not isinstance(proposal, Move):
        return isinstance(proposal, Finish)
    state = state_of(given)
    return any(proposal.allocation.share(name) > state.allocation.share(name) for name in state.candidates)


def _finished(given: Input, proposal: Finish) -> Decision:
    following = progress_of(given).stage + 1
    if following >= len(desired_of(given).stages):
        return outcomes.promote(given, proposal.passing[0], Finding(proposal.reason, proposal.message))
    return outcomes.next_stage(given, following, proposal)


def _unknown(given: Input) -> Decision:
    if given.invalid:
        return outcomes.hold(given, Finding(Reason.INVALID_MANIFEST, given.invalid))
    if waiting := _not_ready(given, STABLE):
        return outcomes.hold(given, waiting)
    return outcomes.adopt(given)


def _idle(given: Input) -> Decision:
    state, release = state_of(given), desired_of(given).release
    if answer := people.answer(given):
        return answer
    if given.invalid:
        return outcomes.hold(given, Finding(Reason.INVALID_MANIFEST, given.invalid))
    if release.intent == state.intent:
        return outcomes.hold(given, Finding(Reason.IDLE, "nothing is on trial"))
    if pause := checks.suspended(given):
        return outcomes.hold(given, pause)
    if release.variant(STABLE).identity != state.stable.identity:
        # Its pull request may be merged in the moment in which the candidate is taken back: that promotes nothing.
        if merges.by_pull_request(given) and (held := _quarantined(given, STABLE)):
            return outcomes.hold(given, held)
        waiting = _not_ready(given, STABLE)
        return outcomes.hold(given, waiting) if waiting else outcomes.restable(given, Reason.STABLE_CHANGED)
    if outcomes.surroundings(given) != outcomes.surroundings_of(state):
        return outcomes.restable(given, Reason.MANIFEST_CHANGED)
    if not release.spec.candidates:
        return outcomes.hold(given, Finding(Reason.IDLE, "nothing is on trial"))
    return _start(given)


def _start(given: Input) -> Decision:
    release = desired_of(given).release
    for candidate in release.spec.candidates:
        if held := _quarantined(given, candidate.name):
            return outcomes.hold(given, held)
        seen = given.observed.health.get(candidate.name)
        if seen and seen.health is Health.FAILED:
            message = f"{candidate.name} did not become ready: {seen.detail}"
            return outcomes.rollback(given, Finding(Reason.NEVER_READY, message, candidate=candidate.name))
        if waiting := _not_ready(given, candidate.name):
            return outcomes.hold(given, waiting)
    if wait := frozen(given) or given.turn:
        return outcomes.hold(given, wait)
    return outcomes.start(given)


def _quarantined(given: Input, candidate: str) -> Finding | None:
    desired, state = desired_of(given), state_of(given)
    variant = desired.release.variant(candidate)
    held = holding(variant, state.stable, given.quarantine.values(), desired.policy.spec.quarantine)
    if held is None:
        return None
    component, version = next(
        (name, version) for name, version in variant.versions.items() if version.identity == held.identity
    )
    aged = "".join(f"; {sentence}" for sentence in stale((held,), variant))
    return Finding(
        Reason.QUARANTINED,
        f"{component} {version.name} has the artifact that was rolled back as {held.version} "
        f"({held.reason}, decision {held.decision}); `releasectl lift {held.release}` allows it again{aged}",
        candidate=candidate,
    )


def _not_ready(given: Input, variant: str) -> Finding | None:
    seen = given.observed.health.get(variant)
    if seen and seen.health is Health.READY:
        return None
    return Finding(Reason.WAITING_FOR_READINESS, f"{variant} is not ready: {seen.detail if seen else 'not started'}")

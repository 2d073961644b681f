"""Decisions, made: the state that follows, the edit of the manifest, and an identity.

The identity is a digest of the state the decision starts from, what git asks for, and what is to be done;
two controllers that come to the same decision give it the same identity, and a crash cannot record it twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from releasectl.decide.assignments import first_assignment, reassigned
from releasectl.decide.checks import desired_of, progress_of, state_of
from releasectl.decide.inputs import Finding, Input
from releasectl.decide.merges import by_pull_request
from releasectl.decide.quarantine import added, holds
from releasectl.domain.assignment import Assignment
from releasectl.domain.base import WHOLE, digest_of
from releasectl.domain.decision import (
    Action,
    Allocation,
    Decision,
    Edit,
    EffectiveState,
    Outcome,
    Progress,
)
from releasectl.domain.policy import Watch
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE, Release, Route
from releasectl.domain.strategy import Stage
from releasectl.strategies import STRATEGIES, Finish, Move, Situation
from releasectl.strategies.shadow import mirrors_of

Changes = Mapping[str, Any]
"""Fields of the state that a decision sets."""

_WAITING = frozenset(
    {
        Reason.WAITING_FOR_READINESS,
        Reason.WAITING_FOR_ROUTE,
        Reason.METRICS_UNAVAILABLE,
        Reason.DWELLING,
        Reason.COLLECTING_SAMPLES,
        Reason.AWAITING_EVIDENCE,
        Reason.AWAITING_APPROVAL,
        Reason.AWAITING_MERGE,
        Reason.FORGE_UNAVAILABLE,
        Reason.FROZEN,
        Reason.WAITING_FOR_TURN,
    }
)
_FOR_PEOPLE = frozenset(
    {
        Reason.INVALID_MANIFEST,
        Reason.QUARANTINED,
        Reason.NO_GUARDRAILS,
        Reason.SAMPLE_RATIO_MISMATCH,
        Reason.NO_WAY_BACK,
        Reason.EXCEEDS_CAP,
        Reason.MERGE_DECLINED,
    }
)


def hold(given: Input, finding: Finding) -> Decision:
    """Nothing changes; the reason is shown, not recorded, so it needs no identity."""
    return Decision(
        action=Action.HOLD,
        reason=finding.reason,
        message=finding.message,
        release=given.state.release if given.state else desired_of(given).release.name,
        candidate=finding.candidate,
        id="",
        at=given.now,
        state=given.state,
        evidence=given.evaluation.evidence,
        rewards=given.evaluation.rewards,
        condition=_condition(finding.reason),
    )


def adopt(given: Input) -> Decision:
    """A release that is new here: stable serves everything."""
    finding = Finding(Reason.ADOPTED, f"stable serves: {_versions(desired_of(given).release, STABLE)}")
    return _settled(given, finding, Action.ADVANCE)


def restable(given: Input, reason: Reason) -> Decision:
    """Stable, route or surroundings were changed by a person."""
    what = _versions(desired_of(given).release, STABLE)
    text = f"stable serves as the manifest now says: {what}"
    return _settled(given, Finding(reason, text), Action.REALLOCATE)


def start(given: Input) -> Decision:
    """Candidates get their first share."""
    desired = desired_of(given)
    names = tuple(candidate.name for candidate in desired.release.spec.candidates)
    stages = desired.release.spec.strategy
    progress = Progress(stage_started_at=given.now, step_started_at=given.now, first_epoch=state_of(given).seq + 1)
    allocation = _first_of(given, stages[0], progress, names, state_of(given).allocation)
    variants = {name: desired.release.variant(name) for name in (STABLE, *names)}
    finding = Finding(
        Reason.CANDIDATE_STARTED,
        f"{', '.join(_called(desired.release, name) for name in names)} ready; "
        f"{_stage_title(given, 0)} begins with {allocation}",
        candidate=names[0],
    )
    return _decision(
        given,
        Action.ADVANCE,
        finding,
        _next(given, allocation=allocation)
        | {
            "intent": desired.release.intent,
            "variants": variants,
            "progress": progress,
            "folds": {},
            "folded_until": given.now,
            "unreadable_seconds": 0.0,
            "votes": (),
        },
    )


def start_over(given: Input, finding: Finding) -> Decision:
    """The trial begins anew, from its first stage and without evidence or votes: what it went by was wrong.

    So were the shares that it came to: a stage that begins with those before it begins as if all were stable's.
    Outcomes of earlier exposures that come in late are told by their epoch and count no more.
    """
    state, stages = state_of(given), desired_of(given).release.spec.strategy
    progress = Progress(stage_started_at=given.now, step_started_at=given.now, first_epoch=state.seq + 1)
    allocation = _first_of(given, stages[0], progress, state.candidates, Allocation.all_to(STABLE))
    after = _next(given, allocation=allocation) | {
        "progress": progress,
        "folds": {},
        "folded_until": given.now,
        "unreadable_seconds": 0.0,
        "votes": (),
        "suspension": None,
    }
    return _decision(given, Action.REALLOCATE, finding, after)


def advance(given: Input, move: Move) -> Decision:
    """Other shares within the stage under way."""
    state, progress = state_of(given), progress_of(given)
    finding = Finding(move.reason, move.message, candidate=state.candidates[0])
    moved = progress.model_copy(update={"step": move.step, "step_started_at": given.now})
    action = Action.ADVANCE if move.reason is Reason.STEP_PASSED else Action.REALLOCATE
    return _decision(given, action, finding, _next(given, allocation=move.allocation) | {"progress": moved})


def next_stage(given: Input, following: int, finish: Finish) -> Decision:
    """The stage is over and another one follows. What did not pass is dropped.

    Before people, and to be watched, only the best is left.
    """
    state = state_of(given)
    stage = desired_of(given).stages[following]
    kept = finish.passing[:1] if stage.type in ("approval", "watch") else finish.passing
    dropped = tuple(name for name in state.candidates if name not in kept)
    progress = progress_of(given).model_copy(
        update={"stage": following, "step": 0, "stage_started_at": given.now, "step_started_at": given.now}
    )
    allocation = _first_of(given, stage, progress, kept, _without(state.allocation, dropped))
    title = _stage_title(given, following)
    message = f"{finish.message}; {title} follows with {allocation}"
    after = _next(given, allocation=allocation) | {"progress": progress, "unreadable_seconds": 0.0}
    if dropped:
        after |= _dropping(given, dropped)
        message += f"; {', '.join(dropped)} did not pass and is dropped"
    return _decision(
        given,
        Action.ADVANCE,
        Finding(Reason.STAGE_PASSED, message, candidate=kept[0]),
        after,
        # By pull request the manifest names them until one that ends the trial is merged.
        edit=edit_of(desired_of(given).release, drop=dropped) if dropped and not by_pull_request(given) else None,
    )


def promote(given: Input, candidate: str, finding: Finding) -> Decision:
    """The candidate becomes stable and serves everything."""
    release = desired_of(given).release
    promoted = state_of(given).variants[candidate].model_copy(update={"name": STABLE})
    after = _next(given, allocation=Allocation.all_to(STABLE)) | _ended(given)
    after |= {"variants": {STABLE: promoted}, "intent": release.settled(promote=candidate).at_rest().intent}
    message = finding.message + _what_follows(release, promote=candidate)
    others = tuple(other.name for other in release.spec.candidates if other.name != candidate)
    return _decision(
        given,
        Action.PROMOTE,
        Finding(finding.reason, message, candidate=candidate, request=finding.request),
        after,
        edit=edit_of(release, promote=candidate, drop=others),
    )


def merged(given: Input, finding: Finding) -> Decision:
    """The candidate is stable in the manifest already: it serves everything, and there is nothing left to edit."""
    return _settled(given, finding, Action.PROMOTE)


def proposed(given: Input, finding: Finding) -> Decision:
    """A promotion waits for its pull request; recorded only where that settles a person's request."""
    return noted(given, finding, {}) if finding.request else hold(given, finding)


def rollback(given: Input, finding: Finding) -> Decision:
    """Candidates are taken back: the one that the finding names, all of them if it names none.

    Stable has their shares at once. While others are still on trial the trial goes on with them. Unless a
    person withdrew it, a candidate's artifacts are held back.
    """
    state, release = state_of(given), desired_of(given).release
    trial = state.candidates or tuple(candidate.name for candidate in release.spec.candidates)
    names = (finding.candidate,) if finding.candidate else trial
    withdrawn = finding.reason is Reason.CANDIDATE_WITHDRAWN
    after = _next(given, allocation=_without(state.allocation, names)) | _dropping(given, names)
    if set(names) >= set(state.candidates):
        # Candidates that are left in the manifest are not part of what is settled: the next pass starts them.
        after |= _ended(given) | {"intent": release.at_rest().intent}
    if state.progress is not None and not given.invalid and release.intent != state.intent:
        # The manifest has moved on, with or without a request: the next pass compares the two.
        after["intent"] = ""
    if not state.candidates:
        after["epoch"] = state.epoch
    edit = None if withdrawn or given.invalid else edit_of(release, drop=names)
    if edit and by_pull_request(given):
        edit = _at_the_end(given, names, after)
    message = finding.message + (_what_follows(release, drop=names) if edit else "")
    decision = _decision(
        given,
        Action.ROLLBACK,
        Finding(finding.reason, message, candidate=names[0], request=finding.request),
        after,
        edit=edit,
    )
    if withdrawn or decision.state is None:
        return decision
    held = holds(
        release.name,
        [state.variants.get(name) or release.variant(name) for name in names],
        state.stable,
        reason=finding.reason,
        decision=decision.id,
        at=given.now,
    )
    quarantine = added(state.quarantine, held)
    return decision.model_copy(update={"state": decision.state.model_copy(update={"quarantine": quarantine})})


def removed(given: Input) -> Decision:
    """The release is gone from the repository."""
    if given.state is None or given.state.removed:
        return hold(given, Finding(Reason.REMOVED, "gone"))
    after = _next(given, allocation=Allocation.all_to(STABLE)) | _ended(given)
    after |= {"variants": {STABLE: given.state.stable}, "intent": "", "removed": True}
    message = f"{given.state.path} is gone from the repository; its routes and processes go"
    return _decision(given, Action.REALLOCATE, Finding(Reason.REMOVED, message), after)


def noted(given: Input, finding: Finding, changes: Changes) -> Decision:
    """Nothing moves, but it is recorded: a person's request is settled, with what it changes in the state."""
    return _decision(given, Action.HOLD, finding, _next(given) | dict(changes))


def surroundings(given: Input) -> dict[str, Any]:
    """What serves around the variants, as the manifest asks."""
    release = desired_of(given).release
    return {
        "environment": release.spec.environment,
        "entry": release.entry,
        "route": release.spec.route,
        "edges": {component.name: component.after for component in release.spec.components},
    }


def surroundings_of(state: EffectiveState) -> dict[str, Any]:
    """The same as it serves now."""
    return {
        "environment": state.environment,
        "entry": state.entry,
        "route": state.route,
        "edges": dict(state.edges),
    }


# --- parts ----------------------------------------------------------------------------------------------


def _first_of(
    given: Input, stage: Stage | Watch, progress: Progress, candidates: tuple[str, ...], allocation: Allocation
) -> Allocation:
    """What a stage begins with."""
    return STRATEGIES[stage.type].first(
        stage,
        Situation(
            progress=progress,
            allocation=allocation,
            candidates=candidates,
            evidence=given.evaluation.evidence,
            policy=desired_of(given).policy.spec,
            now=given.now,
        ),
    )


def _stage_title(given: Input, index: int) -> str:
    stages = desired_of(given).stages
    return f"{stages[index].type} (stage {index + 1} of {len(stages)})"


def _without(allocation: Allocation, names: tuple[str, ...]) -> Allocation:
    """The shares of these go to stable."""
    kept = {name: share for name, share in allocation.shares.items() if name not in names and name != STABLE}
    return Allocation(shares={STABLE: WHOLE - sum(kept.values()), **kept})


def _dropping(given: Input, names: tuple[str, ...]) -> dict[str, Any]:
    """What follows from dropping candidates."""
    state, release = state_of(given), desired_of(given).release
    return {
        "variants": {name: variant for name, variant in state.variants.items() if name not in names},
        "intent": release.intent if by_pull_request(given) else release.settled(drop=names).intent,
    }


def _at_the_end(given: Input, names: tuple[str, ...], after: dict[str, Any]) -> Edit | None:
    """The edit of a rollback that may have to be proposed: one for the whole trial, when all of it is over."""
    state, release = state_of(given), desired_of(given).release
    if not set(names) >= set(state.candidates):
        return None
    before = tuple(c.name for c in release.spec.candidates if c.name not in state.candidates)
    if state.progress is None or release.intent != state.intent or not before:
        return edit_of(release, drop=names)
    # Some were dropped before and nothing holds them back: as the manifest stands now, all of it is settled.
    after["intent"] = release.intent
    return edit_of(release, drop=(*before, *names))


def edit_of(release: Release, *, promote: str | None = None, drop: tuple[str, ...] = ()) -> Edit:
    """What the manifest must become: see ``Release.settled``."""
    lines: dict[str, tuple[str, ...]] = {}
    for name in (promote,) if promote else drop:
        candidate = release.candidate(name)
        if candidate and candidate.unit == "independent":
            left = release.remaining(candidate, promoted=name == promote)
            lines[name] = tuple(component for component in candidate.versions if component not in left)
    return Edit(promote=promote, drop=tuple(name for name in drop if name not in lines), lines=lines)


def _called(release: Release, name: str) -> str:
    """A candidate's name; of an independent unit, what of it is tried, if that is not all."""
    candidate = release.candidate(name)
    left = release.remaining(candidate, promoted=True) if candidate else {}
    if candidate is None or not left:
        return name
    return f"{name} ({_listed(release.tried(candidate))} alone, {_listed(left)} after it)"


def _what_follows(release: Release, *, promote: str | None = None, drop: tuple[str, ...] = ()) -> str:
    """A half-sentence about the lines of independent units that are left, and those that go untried."""
    found = ""
    for name in (promote,) if promote else drop:
        candidate = release.candidate(name)
        if candidate is None or candidate.unit == "atomic":
            continue
        left = release.remaining(candidate, promoted=name == promote)
        tried = release.tried(candidate)
        gone = {
            component: version
            for component, version in candidate.versions.items()
            if component not in {*left, *tried} and release.spec.stable.get(component) != version
        }
        if gone:
            found += f"; {_listed(gone)} needs {', '.join(tried)} and goes with it untried, not held"
        if left:
            found += f"; {_listed(left)} of {name} is still to be tried"
    return found


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{component} {version}" for component, version in versions.items())


def _settled(given: Input, finding: Finding, action: Action) -> Decision:
    release = desired_of(given).release
    after = _next(given, allocation=Allocation.all_to(STABLE)) | surroundings(given) | _ended(given)
    after |= {
        "variants": {STABLE: release.variant(STABLE)},
        # Candidates are not part of what is settled: with any, the next pass sees a difference and starts them.
        "intent": release.at_rest().intent,
        "removed": False,
    }
    return _decision(given, action, finding, after)


def _next(given: Input, *, allocation: Allocation | None = None) -> dict[str, Any]:
    """What every recorded decision moves on: number, base, folds; the epoch when shares are decided anew."""
    desired, state = given.desired, given.state
    seq = state.seq + 1 if state else 1
    after: dict[str, Any] = {"seq": seq}
    if desired:
        after |= {"path": desired.path, "revision": desired.revision, "generation": desired.generation}
    if allocation is not None:
        after |= {"allocation": allocation, "epoch": seq}
    if state and state.progress:
        after |= {
            "folds": given.evaluation.folds,
            "folded_until": given.now,
            "unreadable_seconds": given.observed.unreadable_seconds,
        }
    return after


def _ended(given: Input) -> dict[str, Any]:
    return {"progress": None, "folds": {}, "folded_until": given.now, "unreadable_seconds": 0.0, "votes": ()}


def _decision(
    given: Input,
    action: Action,
    finding: Finding,
    after: dict[str, Any],
    *,
    edit: Edit | None = None,
) -> Decision:
    answers = (finding.request.id,) if finding.request else ()
    if "allocation" in after:
        after = {**after, "assignment": _assignment(given, after), "mirrors": _mirrors(given, after)}
    identity = _identity(given, action, finding, after, answers)
    after = {**after, "decision": identity, "last": _outcome(given, action, finding)}
    if given.state:
        state = given.state.model_copy(update=after)
    else:
        state = EffectiveState(release=desired_of(given).release.name, **after)
    return Decision(
        action=action,
        reason=finding.reason,
        message=finding.message,
        release=state.release,
        candidate=finding.candidate,
        id=identity,
        at=given.now,
        state=state,
        evidence=given.evaluation.evidence,
        rewards=given.evaluation.rewards,
        edit=edit,
        answers=answers,
        condition=_condition(finding.reason),
    )


def _assignment(given: Input, after: dict[str, Any]) -> Assignment | None:
    """Which units the new shares stand for, on a route that keeps units on their variant."""
    state, desired = given.state, given.desired
    route: Route | None = after.get("route") or (state.route if state else None)
    if route is None or route.sticky is None:
        return None
    before = state.assignment if state else None
    begins = bool(state and state.progress is None and after.get("progress"))
    if before is None or begins:
        release = state.release if state else desired_of(given).release.name
        intent = desired.release.intent if desired else ""
        before = first_assignment(release, state.decision if state else "", intent)
    return reassigned(before, after["allocation"].shares)


def _mirrors(given: Input, after: dict[str, Any]) -> Mapping[str, int]:
    """Copies that follow from the stage that the trial is in afterwards."""
    progress: Progress | None = after.get("progress", given.state.progress if given.state else None)
    if progress is None:
        return {}
    variants = after.get("variants", state_of(given).variants)
    candidates = [name for name in variants if name != STABLE]
    # The last ones of a list may be no stages of the strategy; at most one is under way.
    under_way = desired_of(given).release.spec.strategy[progress.stage : progress.stage + 1]
    return mirrors_of(under_way[0], candidates) if under_way else {}


def _outcome(given: Input, action: Action, finding: Finding) -> Outcome:
    return Outcome(
        action=action,
        reason=finding.reason,
        message=finding.message,
        candidate=finding.candidate,
        at=given.now,
        evidence=given.evaluation.evidence,
        rewards=given.evaluation.rewards,
    )


def _identity(
    given: Input,
    action: Action,
    finding: Finding,
    after: dict[str, Any],
    answers: tuple[str, ...],
) -> str:
    allocation: Allocation | None = after.get("allocation")
    return digest_of(
        {
            "release": given.desired.release.name if given.desired else state_of(given).release,
            "base": given.state.decision if given.state else "",
            "intent": given.desired.release.intent if given.desired else "",
            "action": action.value,
            "reason": finding.reason.value,
            "candidate": finding.candidate or "",
            "allocation": dict(allocation.shares) if allocation else {},
            "answers": list(answers),
        }
    ).removeprefix("sha256:")[:16]


def _condition(reason: Reason) -> Any:
    if reason in _FOR_PEOPLE:
        return "Stalled"
    return "Reconciling" if reason in _WAITING else "Ready"


def _versions(release: Release, variant: str) -> str:
    return ", ".join(f"{component} {version.name}" for component, version in release.variant(variant).versions.items())

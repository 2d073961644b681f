"""What the controller would decide: asked of ``decide()`` itself, as if the change were merged and everything ready.

So the preview cannot disagree with the controller about what an edit means; what it cannot know is what the
metrics will say.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from releasectl.controller.fleet import Fleet
from releasectl.decide.chain import decide
from releasectl.decide.inputs import Desired, Input
from releasectl.decide.turns import waiting
from releasectl.domain.decision import Action, Decision, EffectiveState
from releasectl.domain.observation import Health, Observation, VariantHealth
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE
from releasectl.preview.document import Change, Effect, Following

_FURTHEST = 6
"""Decisions that follow one from the other; more than a change can cause."""
_AT_REST = frozenset({Reason.IDLE, Reason.WAITING_FOR_READINESS})
_TUNING = frozenset({"policy", "metric", "environment"})


@dataclass(frozen=True)
class Course:
    """Decisions in order, and what the release is held by after them if it is."""

    follows: tuple[Decision, ...] = ()
    held_by: Decision | None = None

    @property
    def words(self) -> tuple[object, ...]:
        """What tells it from another course: times and texts aside."""
        held = self.held_by
        return (*((one.action, one.reason) for one in self.follows), held.reason if held else None)

    @property
    def reasons(self) -> Collection[Reason]:
        return {decision.reason for decision in self.follows}


def course(
    name: str, desired: Desired | None, fleet: Fleet, others: Mapping[str, Desired], now: datetime, *, invalid: str = ""
) -> Course:
    """``others`` are the manifests of releases on trial in the fleet, as far as they are known."""
    state = fleet.states.get(name)
    if invalid or (desired is None and (state is None or state.removed)):
        return Course()
    if desired and state and state.progress and desired.release.intent == state.intent:
        # The trial goes on, and what it comes to is for its evidence to say.
        return Course()
    follows: list[Decision] = []
    for _ in range(_FURTHEST):
        decision = _decided(name, desired, state, fleet=fleet, others=others, now=now)
        if decision.action is Action.HOLD:
            return Course(tuple(follows), None if decision.reason in _AT_REST else decision)
        follows.append(decision)
        state = decision.state
        if state is None or state.removed or state.progress:
            break
    return Course(tuple(follows))


def following(decision: Decision) -> Following:
    """A decision as the document shows it."""
    return Following(action=decision.action, reason=decision.reason, message=decision.message)


def effect_of(
    course: Course,
    before: Desired | None,
    after: Desired | None,
    state: EffectiveState | None,
    changes: Sequence[Change],
) -> Effect:
    """What the change does, in one word."""
    if after is None:
        return "removes"
    if before is not None and before.generation == after.generation and not changes:
        return "nothing"
    if Reason.CANDIDATE_STARTED in course.reasons:
        return "restarts" if state and state.progress else "starts"
    if course.held_by is not None:
        return "held"
    if Reason.CANDIDATE_WITHDRAWN in course.reasons:
        return "ends"
    if Reason.ADOPTED in course.reasons:
        return "adopts"
    if course.follows:
        return "serves"
    return "tunes" if any(change.subject in _TUNING for change in changes) else "nothing"


def summary_of(effect: Effect, course: Course, after: Desired | None, state: EffectiveState | None) -> str:
    """The effect as a sentence."""
    names = ", ".join(candidate.name for candidate in after.release.spec.candidates) if after else ""
    running = ", ".join(state.candidates) if state and state.progress else ""
    match effect:
        case "starts":
            return f"the trial of {names} starts"
        case "restarts":
            return f"the trial of {running} under way ends, and that of {names} starts at the first step"
        case "ends":
            return f"the trial of {running} ends, stable serves everything, nothing is held"
        case "held":
            # Without a candidate it is a new stable that waits.
            ended = f"the trial of {running} ends; " if Reason.CANDIDATE_WITHDRAWN in course.reasons else ""
            return f"{ended}{names or 'the change'} waits: {course.held_by.message if course.held_by else ''}"
        case "adopts":
            return "the release is new here: its stable variant serves everything"
        case "serves":
            return "the changed stable or route serves as soon as it is ready"
        case "removes":
            return "the release goes: its trial ends, its routes and processes are taken away"
        case "tunes":
            return _tuned(running)
        case "invalid":
            return "the manifest is invalid: nothing goes forward, what serves goes on serving"
        case "nothing":
            return "nothing that serves changes"


def _tuned(running: str) -> str:
    if running:
        return f"the trial of {running} goes on; changed rules apply from the next pass and their evidence begins anew"
    return "changed rules apply from the next pass; nothing that serves changes"


def _decided(
    name: str,
    desired: Desired | None,
    state: EffectiveState | None,
    *,
    fleet: Fleet,
    others: Mapping[str, Desired],
    now: datetime,
) -> Decision:
    names = {STABLE, *(state.variants if state else ())}
    names |= {candidate.name for candidate in desired.release.spec.candidates} if desired else set()
    given = Input(
        desired=desired,
        state=state,
        observed=Observation(
            served=state.allocation if state else None,
            served_epoch=state.epoch if state else None,
            served_since=now if state else None,
            health=dict.fromkeys(sorted(names), VariantHealth(health=Health.READY)),
        ),
        now=now,
        quarantine=fleet.held,
    )
    decision = decide(given)
    if desired is None or decision.reason is not Reason.CANDIDATE_STARTED:
        return decision
    states = {**fleet.states, **({name: state} if state else {})}
    turn = waiting({name: decision}, {**others, name: desired}, states).get(name)
    return decide(replace(given, turn=turn)) if turn else decision

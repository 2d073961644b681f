"""A release made ready for trial: what the runs of a simulation have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from releasectl.decide.chain import decide
from releasectl.decide.inputs import Desired, Input
from releasectl.domain.decision import Decision, EffectiveState, PersonAction, PersonRequest
from releasectl.domain.observation import Health, Observation, VariantHealth
from releasectl.domain.release import STABLE, Candidate, Release, Version
from releasectl.evaluate.evaluation import Evaluation
from releasectl.strategies.approval import people

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When every run begins; no decision depends on the date."""

BATCHED = frozenset({"canary", "ab", "bandit", "approval", "watch"})
"""Stages of which ``batch`` knows when they certainly hold; others are simulated run by run."""


@dataclass(frozen=True)
class Case:
    """A release whose candidates have just got their first share. ``state`` is what every run begins with."""

    desired: Desired
    state: EffectiveState
    health: dict[str, VariantHealth] = field(default_factory=dict)
    _edited: dict[tuple[str, ...], Desired] = field(default_factory=dict[tuple[str, ...], Desired])

    @property
    def candidates(self) -> tuple[str, ...]:
        return self.state.candidates

    @property
    def is_batched(self) -> bool:
        """Whether all of its stages are of the kinds that can be simulated together."""
        return {stage.type for stage in self.desired.stages} <= BATCHED

    def decide(
        self,
        state: EffectiveState,
        observed: Observation,
        evaluation: Evaluation,
        *,
        served_since: datetime,
        now: datetime,
    ) -> Decision:
        """The decision of a controller that sees the decided shares served, and every variant ready if nothing
        else was observed."""
        return decide(
            Input(
                desired=self.asked(state),
                state=state,
                observed=observed.model_copy(
                    update={
                        "served": state.allocation,
                        "served_since": served_since,
                        "health": observed.health or self.health,
                    }
                ),
                now=now,
                evaluation=evaluation,
            )
        )

    def asked(self, state: EffectiveState) -> Desired:
        """The manifest as the decisions so far have edited it: candidates that were dropped are gone from it."""
        gone = tuple(name for name in self.candidates if name not in state.candidates)
        if gone not in self._edited:
            self._edited[gone] = replace(self.desired, release=self.desired.release.settled(drop=gone))
        return self._edited[gone]

    def approved(self, state: EffectiveState, now: datetime) -> EffectiveState:
        """The state with the votes that an approval asks for: simulated people approve at once."""
        stage = self.desired.stage(state)
        if stage is None or stage.type != "approval" or state.votes:
            return state
        known = people(stage, self.desired.environment.spec.teams)
        names = known[: stage.required] or tuple(f"person-{n + 1}" for n in range(stage.required))
        votes = tuple(PersonRequest(id=name, action=PersonAction.APPROVE, by=name, at=now) for name in names)
        return state.model_copy(update={"votes": votes})


def case_of(desired: Desired) -> Case:
    """The release as it stands when its trial begins; one at rest gets a candidate that stands for the next."""
    release = desired.release
    if not release.spec.candidates:
        desired = replace(desired, release=_with_candidate(release))
    names = (STABLE, *(candidate.name for candidate in desired.release.spec.candidates))
    health = {name: VariantHealth(health=Health.READY) for name in names}
    state = None
    for _ in ("adopted", "started"):
        given = Input(desired=desired, state=state, observed=Observation(health=health), now=START)
        state = decide(given).state
    if state is None or state.progress is None:
        raise ValueError(f"the trial of {release.name} does not begin")
    return Case(desired, state, health)


def at_look(every: timedelta, look: int) -> datetime:
    """The time of a look; 0 is when the trial began."""
    return START + every * look


def _with_candidate(release: Release) -> Release:
    component = release.spec.components[0]
    version = Version(name="simulated", address="simulated:1")
    components = (
        component.model_copy(update={"versions": (*component.versions, version)}),
        *release.spec.components[1:],
    )
    candidate = Candidate(name="candidate", versions={component.name: version.name})
    spec = release.spec.model_copy(update={"components": components, "candidates": (candidate,)})
    return release.model_copy(update={"spec": spec})

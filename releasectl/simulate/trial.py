"""One run, look by look, through ``evaluate()`` and ``decide()`` exactly as a controller calls them.

Slow and plain: it is what ``batch`` is held against, and how strategies are simulated that ``batch`` does
not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from releasectl.domain.decision import Action, Decision, EffectiveState
from releasectl.domain.observation import Block, Counts, Observation, Reading, ReadState, Values
from releasectl.domain.reasons import Reason
from releasectl.evaluate.evaluation import evaluate
from releasectl.simulate.case import Case, at_look
from releasectl.simulate.world import Arrivals, Counted, World, variants_of

Step = tuple[int, Action, Reason]
"""Look, action and reason of a decision that changes something."""

Source = Callable[[int, EffectiveState], Observation]
"""What is seen at a look, given what is served."""


@dataclass(frozen=True)
class Run:
    """How one run went. ``end`` is None while nothing was decided by the last look."""

    steps: tuple[Step, ...]
    end: Decision | None
    looks: int
    back: tuple[Decision, ...] = ()
    """Rollbacks of one of several candidates, after which the trial went on."""
    held: Decision | None = None
    """What it is held by at the last look."""


def run_trial(case: Case, every: timedelta, looks: int, source: Source) -> Run:
    """Every look of one run until the trial ends."""
    state, since = case.state, at_look(every, 1)
    steps: list[Step] = []
    back: list[Decision] = []
    held = None
    for look in range(1, looks + 1):
        now = at_look(every, look)
        observed = source(look, state)
        evaluation = evaluate(
            policy=case.desired.policy.spec,
            metrics=case.desired.metrics,
            candidates=state.candidates,
            folds=state.folds,
            observed=observed,
            epoch=state.epoch,
            stage=case.desired.stage(state),
        )
        decision = case.decide(state, observed, evaluation, served_since=since, now=now)
        if decision.action is Action.HOLD or decision.state is None:
            state, held = state.model_copy(update={"folds": evaluation.folds}), decision
            continue
        steps.append((look, decision.action, decision.reason))
        held = None
        if decision.action is Action.ROLLBACK and decision.state.progress:
            back.append(decision)
        if decision.state.epoch != state.epoch:
            since = at_look(every, look + 1)
        state = case.approved(decision.state, now)
        if state.progress is None:
            return Run(tuple(steps), decision, look, tuple(back))
    return Run(tuple(steps), None, looks, tuple(back), held)


def drawn(case: Case, world: World, seed: Sequence[int]) -> tuple[Source, dict[str, int]]:
    """A source that draws its counts, and the requests by variant that it adds up."""
    variants = variants_of(case.candidates)
    arrivals, requests = Arrivals(world, variants, seed), dict.fromkeys(variants, 0)

    def source(look: int, state: EffectiveState) -> Observation:
        shares = np.array([[state.allocation.share(name) for name in variants]])
        mirrors = np.array([[state.mirrors.get(name, 0) for name in variants]])
        trials, known = arrivals.draw(look, shares, np.array([state.epoch]), mirrors)
        for name, count in zip(variants, trials[0].tolist(), strict=True):
            requests[name] += count
        return observation_of(case, world.every, look, known)

    return source, requests


def observation_of(case: Case, every: timedelta, look: int, counted: Mapping[str, Counted]) -> Observation:
    """What a look tells: a block of each metric that has counts, and no block of the others."""
    readings = dict.fromkeys(case.desired.metrics, Reading(state=ReadState.OK))
    end = at_look(every, look)
    for metric, found in counted.items():
        variants = variants_of(case.candidates)
        arms = {
            name: Counts(
                trials=int(trials), events=int(events), opposite=int(opposite), values=_values(values.tolist())
            )
            for name, trials, events, values, opposite in zip(
                variants, found.trials[0], found.events[0], found.values[0], found.opposite[0], strict=True
            )
        }
        block = Block(start_at=end - every, end_at=end, epoch=int(found.epoch[0]), arms=arms)
        readings[metric] = Reading(state=ReadState.OK, blocks=(block,))
    return Observation(readings=readings)


def _values(sums: Sequence[int]) -> Values | None:
    return Values(total=sums[0], squares=sums[1]) if sums else None

"""C14: a person's rollback works from every state that a trial can be in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from releasectl.domain.decision import PersonAction
from releasectl.domain.observation import ReadState
from releasectl.ports import WorkloadPhase
from tests.scenarios.world import ENVIRONMENT, POLICY, World

MANIFEST = "releases/shop.yaml"
STRATEGY = "strategy: [{type: canary, steps: [10, 50], interval: 10s}]"
FREEZE = '  freeze: [{from: "2026-01-01T00:00:05Z", until: "2027-01-01T00:00:00Z", reason: quiet, owner: cleo}]\n'

STATES: dict[str, Callable[[World], object]] = {
    "Dwelling": lambda world: None,
    "CollectingSamples": lambda world: setattr(world.users, "requests_per_second", 1),
    "MetricsUnavailable": lambda world: setattr(world.users, "state", ReadState.STALE),
    "AwaitingApproval": lambda world: world.replace(MANIFEST, STRATEGY, STRATEGY[:-1] + ", {type: approval}]"),
    "Suspended": lambda world: world.ask(PersonAction.PAUSE),
    "Frozen": lambda world: world.write("environments/local.yaml", ENVIRONMENT + "spec:\n" + FREEZE),
    "InvalidManifest": lambda world: world.replace(MANIFEST, "steps: [10, 50]", "steps: [50, 10]"),
    "WaitingForReadiness": lambda world: world.workloads.set_phase("app", "2", WorkloadPhase.STARTING),
    "NoWayBack": lambda world: (
        world.workloads.set_phase("app", "1", WorkloadPhase.FAILED),
        world.users.error_rates.update({"2": 0.5}),
    ),
}


async def rolled_back(world: World) -> None:
    """A person takes the candidate back; it works within a pass and changes nothing twice."""
    world.ask(PersonAction.ROLLBACK)
    await world.run_for(1)
    assert world.share("stable") == 10_000
    assert world.reasons()[-1] == "ROLLBACK Requested"
    decided = len(world.reasons())
    await world.run_for(5)
    assert len(world.reasons()) == decided


@pytest.mark.parametrize("state", STATES)
async def test_c14_a_person_takes_the_candidate_back_whatever_it_waits_for(world: World, state: str) -> None:
    world.add_candidate("2")
    await world.run_until(lambda: world.share("next") == 1000)
    STATES[state](world)
    await world.run_until(lambda: world.condition() == state)
    await rolled_back(world)


async def test_c14_a_person_takes_the_candidate_back_after_it_was_given_nearly_everything(world: World) -> None:
    world.write("policies/careful.yaml", POLICY + "  watch: {for: 1m}\n")
    world.add_candidate("2")
    await world.run_until(lambda: world.share("next") == 9500)
    await rolled_back(world)

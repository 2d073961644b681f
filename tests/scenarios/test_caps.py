"""Caps over a fleet: who starts, who waits, in which order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from releasectl.domain.decision import PersonAction
from tests.scenarios.world import ENVIRONMENT, World

FLEET = ("mill", "shop", "yard")


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[World]:
    """Three releases, adopted."""
    world = World(tmp_path, releases=FLEET)
    await world.run_for(2)
    yield world
    world.close()


async def cap(world: World, caps: str) -> None:
    """Give the environment these caps."""
    world.write("environments/local.yaml", ENVIRONMENT + f"spec:\n  caps: {{{caps}}}\n")
    await world.run_for(1)


def on_trial(world: World) -> list[str]:
    return [name for name, state in world.states().items() if state.progress]


async def test_as_many_start_as_may_be_on_trial_and_the_next_one_follows(fleet: World) -> None:
    await cap(fleet, "maxConcurrent: 2")
    for name, version in zip(FLEET, ("3", "2", "2"), strict=True):
        fleet.add_candidate(version, release=name)
    await fleet.run_for(3)
    assert on_trial(fleet) == ["mill", "shop"]
    assert fleet.condition("yard") == "WaitingForTurn"
    condition = fleet.status("yard").condition
    assert condition is not None
    assert condition.message == "2 of at most 2 are on trial: mill, shop"
    fleet.ask(PersonAction.ROLLBACK, release="mill")
    await fleet.run_for(3)
    assert on_trial(fleet) == ["shop", "yard"]


async def test_who_asked_first_starts_first_whatever_its_name(fleet: World) -> None:
    await cap(fleet, "maxConcurrent: 1")
    fleet.add_candidate("3", release="shop")
    await fleet.run_for(2)
    # Commits tell seconds: these two are apart.
    fleet.add_candidate("2", release="yard")
    fleet.wait_for_the_next_second()
    fleet.add_candidate("2", release="mill")
    await fleet.run_for(2)
    fleet.ask(PersonAction.ROLLBACK, release="shop")
    await fleet.run_for(3)
    assert on_trial(fleet) == ["yard"]
    assert fleet.condition("mill") == "WaitingForTurn"


async def test_exposure_counts_the_largest_share_that_a_strategy_ever_gives(fleet: World) -> None:
    # Each may come to 50 %, a third of that over three releases: two of them are 33 %.
    await cap(fleet, "maxExposure: 34")
    for name in FLEET:
        fleet.add_candidate("2", release=name)
    await fleet.run_for(3)
    assert on_trial(fleet) == ["mill", "shop"]
    await fleet.run_until(lambda: fleet.share("next", "mill") == 5000)
    assert fleet.condition("yard") == "WaitingForTurn"
    await fleet.run_until(lambda: "yard" in on_trial(fleet))


async def test_a_small_request_does_not_overtake_a_large_one_that_waits(fleet: World) -> None:
    await cap(fleet, "maxExposure: 20")
    fleet.replace("releases/yard.yaml", "steps: [10, 50]", "steps: [1, 2]")
    for name in FLEET:
        fleet.add_candidate("2", release=name)
    fleet.wait_for_the_next_second()
    fleet.replace("releases/yard.yaml", 'versions: {app: "2"}', 'versions: {app: "3"}')
    await fleet.run_for(3)
    assert on_trial(fleet) == ["mill"]
    assert fleet.condition("yard") == "WaitingForTurn"


async def test_a_strategy_that_alone_exceeds_the_cap_is_a_matter_for_people(fleet: World) -> None:
    await cap(fleet, "maxExposure: 10")
    fleet.add_candidate("2", release="shop")
    await fleet.run_for(3)
    condition = fleet.status("shop").condition
    assert condition is not None
    assert (condition.type, condition.reason) == ("Stalled", "ExceedsCap")

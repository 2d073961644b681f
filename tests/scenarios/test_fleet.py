"""What the ledger tells about traffic and held artifacts, without reading all of it."""

from __future__ import annotations

import pytest

from releasectl.controller.fleet import Fleet, read_fleet
from releasectl.domain.decision import PersonAction
from tests.scenarios.world import World


def fleet(world: World, *names: str, everybody: bool = False) -> Fleet:
    return read_fleet(world.person, world.person.fetch().ledger, names, everybody=everybody)


async def test_the_present_traffic_is_that_of_the_last_decision_that_measured_some(on_trial: World) -> None:
    await on_trial.run_until(lambda: on_trial.reasons()[-1] == "ADVANCE StepPassed")
    seen = fleet(on_trial, "shop").traffic["shop"]
    assert seen.requests_per_second == pytest.approx(on_trial.users.requests_per_second, rel=0.15)
    assert 0 < seen.rates["error-rate"] < 0.1
    on_trial.ask(PersonAction.PAUSE)
    await on_trial.run_for(2)
    assert fleet(on_trial, "shop").traffic["shop"].rates


async def test_held_artifacts_of_any_release_are_known(on_trial: World) -> None:
    on_trial.ask(PersonAction.ROLLBACK)
    await on_trial.run_for(2)
    assert [held.version for held in fleet(on_trial).held.values()] == ["2"]
    assert fleet(on_trial).states == {}
    assert set(fleet(on_trial, everybody=True).states) == {"shop"}
    on_trial.ask(PersonAction.LIFT)
    await on_trial.run_for(2)
    assert fleet(on_trial).held == {}


async def test_without_a_ledger_nothing_is_known() -> None:
    assert read_fleet(None, None, ["shop"]) == Fleet()  # type: ignore[arg-type]

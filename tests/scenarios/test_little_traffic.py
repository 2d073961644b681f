"""One request a second: no look holds both arms, and harm is found all the same."""

from __future__ import annotations

import pytest

from releasectl.controller import evidence
from tests.scenarios.test_replay import run_replay
from tests.scenarios.world import World

HALF = "steps: [50], interval: 10s"


@pytest.fixture
async def quiet(world: World) -> World:
    """A release whose users send one request between two passes, of which the candidate gets every second one."""
    world.users.requests_per_second = 1
    world.replace("releases/shop.yaml", "steps: [10, 50], interval: 10s", HALF)
    return world


async def test_harm_is_found_although_no_look_holds_requests_of_both_arms(quiet: World) -> None:
    quiet.users.error_rates["2"] = 0.8
    quiet.add_candidate("2")
    await quiet.run_until(lambda: bool(quiet.state().progress))
    await quiet.run_until(lambda: quiet.state().progress is None)
    assert quiet.reasons()[-1] == "ROLLBACK GuardrailBreached"
    record = quiet.records()[-1]
    (row,) = record["decision"]["evidence"]
    assert min(row["stable"]["trials"], row["tried"]["trials"]) < 50
    blocks = record["given"]["observed"]["readings"]["error-rate"]["blocks"]
    assert all(sum(arm.get("trials", 0) for arm in block["arms"].values()) == 1 for block in blocks)
    assert run_replay(quiet).return_value == 0
    quiet.check()


async def test_what_waits_for_the_other_arm_survives_restarts_and_checkpoints(
    quiet: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few blocks are kept that nearly all evidence goes through folds, of which some hold one arm's counts only.
    monkeypatch.setattr(evidence, "MOST_BLOCKS", 2)
    quiet.users.error_rates["2"] = 0.8
    quiet.add_candidate("2")
    await quiet.run_until(lambda: bool(quiet.state().progress))
    while quiet.state().progress:
        quiet.restart()
        await quiet.run_for(3)
    record = quiet.records()[-1]
    assert record["decision"]["reason"] == "GuardrailBreached"
    folds = record["given"]["observed"]["folds"].values()
    assert any("exact" in fold for fold in folds)
    assert run_replay(quiet).return_value == 0
    quiet.check()

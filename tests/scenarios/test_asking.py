"""What the commands of people write, and what they say when it would be pointless."""

from __future__ import annotations

import asyncio

import pytest

from releasectl.cli.main import main
from tests.scenarios.world import World

STRATEGY = "strategy: [{type: canary, steps: [10, 50], interval: 10s}]"


def ask(world: World, *words: str) -> int:
    return main([*words, "-R", str(world.origin), "--state", str(world.folder / "cli")])


async def test_approve_on_the_command_line_lets_a_waiting_release_go_on(world: World) -> None:
    world.replace("releases/shop.yaml", STRATEGY, STRATEGY[:-1] + ", {type: approval}]")
    world.add_candidate("2", by="ada")
    await world.run_until(lambda: world.condition() == "AwaitingApproval")
    assert ask(world, "approve", "shop", "--by", "bob", "-m", "read the report") == 0
    await world.run_for(3)
    assert world.reasons()[-2:] == ["HOLD Voted", "PROMOTE Approved"]


async def test_a_vote_names_the_trial_and_the_candidates_its_giver_saw(world: World) -> None:
    world.replace("releases/shop.yaml", STRATEGY, STRATEGY[:-1] + ", {type: approval, required: 2}]")
    world.add_candidate("2", by="ada")
    await world.run_until(lambda: world.condition() == "Dwelling")
    state = world.state()
    ask(world, "approve", "shop", "--by", "bob")
    await world.run_for(1)
    [request] = world.records()[-1]["given"]["requests"]
    assert state.progress is not None
    assert request["trial"] == state.progress.first_epoch
    assert request["candidates"] == [state.variants["next"].identity]


@pytest.mark.parametrize("verb", ["approve", "reject"])
async def test_a_vote_is_pointless_without_an_approval_and_says_what_to_do_instead(
    world: World, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(world, verb, "shop") == 5
    assert "nothing is on trial" in capsys.readouterr().err
    world.add_candidate("2")
    await world.run_until(lambda: world.condition() == "Dwelling")
    before = world.person.fetch().ledger
    assert ask(world, verb, "shop") == 5
    assert "no approval waits" in capsys.readouterr().err
    assert world.person.fetch().ledger == before


async def test_waiting_for_an_answer_ends_with_a_negative_one_when_it_is_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.replace("releases/shop.yaml", STRATEGY, STRATEGY[:-1] + ", {type: approval, from: [bob]}]")
    world.add_candidate("2", by="ada")
    await world.run_until(lambda: world.condition() == "Dwelling")
    asking = asyncio.create_task(asyncio.to_thread(ask, world, "approve", "shop", "--by", "eve", "--wait"))
    while not asking.done():
        await asyncio.sleep(0.05)
        await world.run_pass()
    assert asking.result() == 1
    assert "eve is not one of bob" in capsys.readouterr().err

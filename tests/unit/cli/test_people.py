"""What people ask for: a request on the ledger, or a reason why there is nothing to ask."""

from __future__ import annotations

import json
import threading
import time

import pytest

from releasectl.controller.ledger import LedgerReader
from releasectl.domain.decision import PersonRequest
from tests.scenarios.world import World
from tests.unit.cli.conftest import Cli


def requests(world: World, release: str = "shop") -> list[PersonRequest]:
    ledger = LedgerReader(world.person).read(world.person.fetch().ledger)
    return list(ledger.requests.get(release, ()))


async def on_trial(world: World) -> None:
    await world.run_pass()
    await world.run_pass()
    world.add_candidate()
    await world.run_for(3)


@pytest.mark.parametrize("verb", ["pause", "promote", "rollback"])
async def test_a_request_is_a_commit_with_a_name_and_a_reason(world: World, cli: Cli, verb: str) -> None:
    await on_trial(world)
    code, out, err = cli(verb, "shop", "-m", "ada is at lunch", "--by", "ada")
    assert (code, out) == (0, "")
    assert err == f"asked: {verb} shop; the controller answers at its next pass\n"
    (request,) = requests(world)
    assert (request.action, request.by, request.reason) == (verb, "ada", "ada is at lunch")
    await world.run_for(2)
    assert requests(world) == []


@pytest.mark.parametrize(
    ("verb", "why"),
    [
        ("promote", "shop: nothing is on trial\n"),
        ("rollback", "shop: nothing is on trial\n"),
        ("resume", "shop: is not paused\n"),
        ("lift", "shop: nothing is held\n"),
        ("approve", "shop: nothing is on trial\n"),
        ("reject", "shop: nothing is on trial\n"),
    ],
)
async def test_what_would_change_nothing_is_a_precondition_that_fails(
    world: World, cli: Cli, verb: str, why: str
) -> None:
    await world.run_pass()
    await world.run_pass()
    before = world.person.fetch()
    assert cli(verb, "shop") == (5, "", why)
    assert cli(verb, "shop", "--wait") == (5, "", why)
    assert world.person.fetch() == before


async def test_a_second_pause_names_who_paused(world: World, cli: Cli) -> None:
    await on_trial(world)
    cli("pause", "shop", "--by", "ada")
    await world.run_for(2)
    assert cli("pause", "shop", "--by", "bob") == (5, "", "shop: is paused already, by ada\n")
    assert json.loads(cli("status", "shop", "-o", "json")[1])["releases"][0]["phase"] == "paused"
    assert cli("resume", "shop")[0] == 0
    await world.run_for(2)
    assert world.state().suspension is None


async def test_a_pause_that_still_waits_for_its_answer_can_be_ended(world: World, cli: Cli) -> None:
    await on_trial(world)
    assert cli("pause", "shop")[0] == 0
    assert cli("resume", "shop")[2].startswith("asked: resume shop")
    await world.run_for(4)
    assert requests(world) == []
    assert world.state().suspension is None


async def test_an_unknown_release_is_refused_with_the_known_ones(world: World, cli: Cli) -> None:
    await world.run_pass()
    await world.run_pass()
    before = world.person.fetch()
    code, _, err = cli("pause", "shup")
    assert code == 64
    assert "knows no release 'shup'" in err
    assert "hint: it knows: shop" in err
    assert world.person.fetch() == before


async def test_waiting_without_a_controller_ends_at_the_timeout(world: World, cli: Cli) -> None:
    await on_trial(world)
    code, _, err = cli("pause", "shop", "--wait", "--timeout", "0.2")
    assert code == 4
    assert err.endswith("no answer within 0.2 s; the request stays open\n")
    assert len(requests(world)) == 1


async def test_waiting_tells_the_answer(world: World, cli: Cli) -> None:
    await on_trial(world)
    told: list[tuple[int, str, str]] = []
    asking = threading.Thread(target=lambda: told.append(cli("rollback", "shop", "--wait", "--timeout", "30")))
    asking.start()
    deadline = time.monotonic() + 30
    while asking.is_alive() and time.monotonic() < deadline:
        await world.run_pass()  # time stands still, so that nothing else ends the trial
    asking.join(30)
    ((code, _, err),) = told
    assert code == 0
    assert "\nanswered: ROLLBACK " in err
    assert world.share("stable") == 10_000

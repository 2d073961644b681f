"""``wait``: an exit code for what became of a candidate, the same whenever it is asked."""

from __future__ import annotations

import asyncio
import json

from tests.scenarios.world import World
from tests.unit.cli.conftest import Cli


def test_the_last_trial_that_ended_is_told_by_its_exit_code(told: World, reader: Cli) -> None:
    code, out, _ = reader("wait", "shop", "-o", "json")
    verdict = json.loads(out)
    assert (code, verdict["candidate"], verdict["outcome"]) == (0, "better", "promoted")
    assert reader("explain", verdict["decision"])[1].startswith("PROMOTE")


def test_an_earlier_candidate_is_found_in_the_history(told: World, reader: Cli) -> None:
    code, out, _ = reader("wait", "shop", "--candidate", "risky", "-o", "json")
    verdict = json.loads(out)
    assert (code, verdict["outcome"], verdict["reason"]) == (1, "taken back", "GuardrailBreached")


def test_one_that_is_not_there_yet_is_waited_for_until_the_timeout(told: World, reader: Cli) -> None:
    code, out, err = reader("wait", "shop", "--candidate", "future", "--timeout", "0.2", "--every", "0.05")
    assert (code, out) == (4, "shop future: open: future has not been seen on trial yet\n")
    assert err.count("future has not been seen") == 1, "progress is told once, not at each look"


def test_a_release_that_is_not_there_is_a_mistake(told: World, reader: Cli) -> None:
    code, _, err = reader("wait", "shup", "--timeout", "0")
    assert code == 64
    assert "there are: desk, shop" in err


def test_a_person_who_is_needed_ends_the_wait_unless_it_is_patient(world: World, cli: Cli) -> None:
    async def story() -> None:
        await world.run_pass()
        world.add_candidate("2", name="next")
        await world.run_for(6, every=3)

    asyncio.run(story())
    assert cli("wait", "shop", "--timeout", "0")[0] == 4
    cli("pause", "shop")
    asyncio.run(world.run_for(3, every=3))
    code, _, waiting = cli("wait", "shop")
    assert (code, waiting) == (3, "")
    code, _, waiting = cli("wait", "shop", "--patient", "--timeout", "0.1", "--every", "0.05")
    assert (code, waiting.count("shop: ")) == (3, 1)


def test_a_candidate_that_people_took_out_is_no_verdict(world: World, cli: Cli) -> None:
    async def story() -> None:
        await world.run_pass()
        before = world.read("releases/shop.yaml")
        world.add_candidate("2", name="next")
        await world.run_for(6, every=3)
        world.write("releases/shop.yaml", before)
        await world.run_for(3, every=3)

    asyncio.run(story())
    code, out, _ = cli("wait", "shop", "--candidate", "next", "--timeout", "0")
    assert code == 5, out

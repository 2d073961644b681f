"""A release that keeps units on their variant: who is where follows from the ledger alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import releasectl
from releasectl.domain.decision import EffectiveState
from releasectl.plan import route_table
from tests.scenarios.test_replay import run_replay
from tests.scenarios.world import RELEASE, World

STICKY = RELEASE.replace("  policy:", "  route: {sticky: {header: x-user}}\n  policy:").replace("NAME", "shop")


@pytest.fixture
async def sticky(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    world.write("releases/shop.yaml", STICKY)
    await world.run_for(2)
    yield world
    world.close()


def document(world: World) -> dict[str, Any] | None:
    """``assignment.json`` as it is on the ledger branch."""
    tree = world.person.tree(world.person.fetch().ledger or "")
    entry = tree.get("rendered/shop/assignment.json")
    return json.loads(world.person.read([entry.oid])[entry.oid]) if entry else None


def on_trial(world: World) -> set[str]:
    found = document(world)
    assert found is not None
    units = (f"user-{number}" for number in range(2_000))
    return {unit for unit in units if releasectl.assign(unit, found, now=world.clock.at) == "next"}


def owned(state: EffectiveState, variant: str) -> int:
    assert state.assignment is not None
    return sum(one.end - one.start for one in state.assignment.segments if one.variant == variant)


async def test_a_candidate_that_grows_keeps_its_units_and_the_router_has_the_same_layout(sticky: World) -> None:
    assert on_trial(sticky) == set()
    sticky.add_candidate("2")
    await sticky.run_for(5)
    first = on_trial(sticky)
    await sticky.run_for(10)
    second = on_trial(sticky)
    assert sticky.reasons()[-1] == "ADVANCE StepPassed"
    assert first < second
    # 200 and 1,000 of 2,000 expected: five standard deviations to either side.
    assert (abs(len(first) - 200) < 67, abs(len(second) - 1_000) < 112) == (True, True)
    state = sticky.state()
    assert (owned(state, "next"), owned(state, "stable")) == (5_000, 5_000)
    assert sticky.router.tables["shop"].assignment == state.assignment


async def test_a_restart_without_local_memory_moves_nobody(sticky: World) -> None:
    sticky.add_candidate("2")
    await sticky.run_for(5)
    before = sticky.router.tables["shop"].assignment
    sticky.restart("another")
    await sticky.run_for(2)
    assert sticky.router.tables["shop"].assignment == before


async def test_after_the_trial_stable_has_everybody_and_the_next_trial_has_others(sticky: World) -> None:
    sticky.add_candidate("2")
    await sticky.run_for(5)
    first = on_trial(sticky)
    await sticky.run_for(60)
    assert sticky.reasons()[-1] == "PROMOTE EvidenceSufficient"
    assert on_trial(sticky) == set()
    sticky.add_candidate("3")
    await sticky.run_for(5)
    # A tenth each: 20 in common expected if the trials are independent, all 200 if they are not.
    assert len(first & on_trial(sticky)) < 50


async def test_the_document_says_how_long_it_is_good(sticky: World) -> None:
    found = document(sticky)
    assert found is not None
    assert found["unit"] == {"header": "x-user"}
    with pytest.raises(ValueError, match="expired"):
        releasectl.assign("user-1", found, now=sticky.clock.at + timedelta(days=8))


@pytest.mark.parametrize("content", [None, STICKY.replace("sticky: {header: x-user}", "timeout: 9s")])
async def test_the_document_goes_with_the_release_or_with_its_stickiness(sticky: World, content: str | None) -> None:
    assert document(sticky) is not None
    sticky.write("releases/shop.yaml", content)
    await sticky.run_for(3)
    assert document(sticky) is None
    sticky.fsck()


async def test_units_of_a_variant_without_an_address_are_stables_meanwhile(sticky: World) -> None:
    sticky.add_candidate("2")
    await sticky.run_for(5)
    statuses = {key: status for key, status in (await sticky.workloads.observe()).items() if key.version != "2"}
    table = route_table(sticky.state(), statuses)
    assert table is not None
    assert table.assignment is not None
    assert {one.variant for one in table.assignment.segments} == {"stable"}
    assert table.shares.share("stable") == 10_000


async def test_its_decisions_replay(sticky: World) -> None:
    sticky.add_candidate("2")
    await sticky.run_for(60)
    assert sticky.reasons()[-1] == "PROMOTE EvidenceSufficient"
    assert run_replay(sticky).return_value == 0

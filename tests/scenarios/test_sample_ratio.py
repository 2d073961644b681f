"""Minimum evidence and the sample ratio stand before any promotion."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.scenarios.world import RELEASE, World

HALVES = RELEASE.replace("steps: [10, 50]", "steps: [50]").replace("  policy:", "  route: {timeout: 1s}\n  policy:")


@pytest.fixture
async def busy(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    world.users.requests_per_second = 100_000
    world.write("releases/shop.yaml", HALVES.replace("NAME", "shop"))
    await world.run_for(2)
    yield world
    world.close()


async def test_99_samples_hold_the_candidate(world: World) -> None:
    world.users.requests_per_second = 0
    world.add_candidate("2")
    await world.run_for(3)
    world.users.requests_per_second = 99
    await world.run_for(1)
    world.users.requests_per_second = 0
    reports = await world.run_for(60)
    assert reports[-1].considered["shop"].decision.reason == "CollectingSamples"


async def test_one_percent_misrouted_of_a_million_requests_blocks_promotion_and_explains(busy: World) -> None:
    busy.users.misrouted = 0.01
    busy.add_candidate("2")
    reports = await busy.run_for(60)
    held = reports[-1].considered["shop"].decision
    assert (held.action, held.reason, held.condition) == ("HOLD", "SampleRatioMismatch", "Stalled")
    assert "where the shares make 50 %" in held.message
    assert "PROMOTE EvidenceSufficient" not in busy.reasons()
    assert busy.share("next") == 5_000


async def test_a_mismatch_does_not_keep_harm_from_being_taken_back(busy: World) -> None:
    busy.users.misrouted = 0.01
    busy.add_candidate("2")
    await busy.run_for(20)
    busy.users.error_rates["2"] = 0.3
    await busy.run_for(5)
    assert busy.reasons()[-1] == "ROLLBACK GuardrailBreached"


async def test_shares_that_are_kept_are_held_against_every_block_that_was_whole(busy: World) -> None:
    busy.add_candidate("2")
    await busy.run_for(60)
    assert busy.reasons()[-1] == "PROMOTE EvidenceSufficient"
    heads = busy.person.fetch()
    path = f"releases/shop/decisions/{busy.state().seq:06d}.json"
    entry = busy.person.tree(heads.ledger or "")[path]
    observed = json.loads(busy.person.read([entry.oid])[entry.oid])["given"]["observed"]
    shares = [block.get("shares") for block in observed["readings"]["error-rate"]["blocks"]]
    # While requests that began before the change could still end, the shares of what is counted are not known.
    assert shares[:2] == [None, None]
    assert all(known == {"stable": 5_000, "next": 5_000} for known in shares[3:])
    assert len(shares) > 5


async def test_the_evidence_of_a_mismatch_survives_a_restart(busy: World) -> None:
    busy.users.misrouted = 0.01
    busy.add_candidate("2")
    await busy.run_for(20)
    busy.users.misrouted = 0.0
    busy.restart()
    reports = await busy.run_for(10)
    assert reports[-1].considered["shop"].decision.reason == "SampleRatioMismatch"

"""Minimum evidence and the sample ratio stand before any promotion."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from releasectl.domain.decision import PersonAction
from tests.scenarios.test_replay import run_replay
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


async def test_c7_one_percent_misrouted_of_a_million_requests_blocks_promotion_and_explains(busy: World) -> None:
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


async def test_c7_once_the_cause_is_mended_a_person_resumes_and_the_trial_begins_anew(busy: World) -> None:
    busy.users.misrouted = 0.01
    busy.add_candidate("2")
    await busy.run_for(20)
    assert busy.condition() == "SampleRatioMismatch"
    before = busy.state()
    busy.users.misrouted = 0.0
    busy.ask(PersonAction.RESUME, reason="the proxy dropped large requests")
    await busy.run_for(1)
    assert busy.reasons()[-1] == "REALLOCATE Resumed"
    after, record = busy.state(), busy.records()[-1]["decision"]
    assert record["message"].startswith("resumed by ada: the proxy dropped large requests; the trial begins anew")
    assert "where the shares make 50 %" in record["message"]
    assert (after.folds, after.votes, after.epoch) == ({}, (), after.seq)
    assert before.progress is not None
    assert after.progress is not None
    assert after.progress.first_epoch == after.seq > before.progress.first_epoch
    await busy.run_for(60)
    assert busy.reasons()[-1] == "PROMOTE EvidenceSufficient"
    assert run_replay(busy).return_value == 0


async def test_c7_resuming_without_mending_holds_the_trial_again(busy: World) -> None:
    busy.users.misrouted = 0.01
    busy.add_candidate("2")
    await busy.run_for(20)
    busy.ask(PersonAction.RESUME)
    await busy.run_for(1)
    assert busy.condition() != "SampleRatioMismatch"
    await busy.run_for(30)
    assert busy.condition() == "SampleRatioMismatch"
    assert "PROMOTE EvidenceSufficient" not in busy.reasons()


async def test_a_later_stage_begins_anew_as_well_because_what_led_there_was_wrong(tmp_path: Path) -> None:
    world = World(
        tmp_path, template=HALVES.replace("strategy: [", "strategy: [{type: canary, steps: [10], interval: 5s}, ")
    )
    world.users.requests_per_second = 100_000
    await world.run_for(2)
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE StagePassed")
    world.users.misrouted = 0.02
    await world.run_for(9)
    assert (world.condition(), world.share("next")) == ("SampleRatioMismatch", 5_000)
    world.users.misrouted = 0.0
    world.ask(PersonAction.RESUME)
    await world.run_for(2)
    stage = world.status().stage
    assert stage is not None
    assert (stage.number, world.share("next")) == (1, 1_000)
    world.close()

"""What unsigned commits bring about beside the passes, where signatures are demanded: no rights, and no proposals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from releasectl.adapters.git.trailers import append_trailers
from releasectl.domain.reasons import Reason
from releasectl.pulls.proposals import Proposer
from releasectl.pulls.seen import Reading
from tests.scenarios.pulling import ALICE, FORGED, Pulling
from tests.scenarios.test_proposals import SUBSCRIPTION, Shelf, offer
from tests.scenarios.test_pull_requests import ENVIRONMENT, SPEC, Hosted
from tests.scenarios.test_trust import SHOP, SIGNERS, Trusting
from tests.scenarios.world import World

TRUST = f"  trust: {{signers: {SIGNERS}}}\n"
GATE = "[{type: canary, steps: [10], interval: 1s}, {type: approval, required: 1}]"


@pytest.fixture
async def trusting(world: World) -> AsyncIterator[Trusting]:
    trusting = Trusting(world)
    await world.run_for(2)
    yield trusting
    trusting.close()


@pytest.mark.parametrize("restarted", [False, True], ids=["same desk", "after a restart"])
async def test_an_unsigned_commit_gives_nobody_a_role(trusting: Trusting, restarted: bool) -> None:
    world = trusting.world
    pulling = Pulling(world, FORGED + ALICE + TRUST)
    world.add_candidate("2")
    await world.run_until(lambda: world.state().progress is not None)
    pull = await pulling.open("talk", {"notes.md": "x"}, by="mallory")
    await pulling.desk.look()
    with trusting.by(trusting.eve):
        world.write("environments/local.yaml", FORGED + ALICE.replace("alice", "alice, mallory") + TRUST)
    desk = pulling.another_desk("pulls-2") if restarted else pulling.desk
    pulling.say(pull.number, "mallory", "/releasectl rollback shop")
    await desk.look()
    await world.run_for(2)
    assert world.state().progress is not None
    assert any("may not ask" in comment for comment in pulling.ours(pull.number))
    # Whom Ada allows it is still obeyed.
    pulling.say(pull.number, "alice", "/releasectl rollback shop")
    await desk.look()
    await world.run_for(2)
    assert world.reasons()[-1] == "ROLLBACK Requested"
    pulling.close()


async def test_an_unsigned_commit_hides_nobodys_authorship(trusting: Trusting) -> None:
    world = trusting.world
    pulling = Pulling(world, FORGED + ALICE.replace("alice", "ann") + TRUST)
    world.replace(SHOP, "[{type: canary, steps: [10, 50], interval: 10s}]", GATE)
    world.add_candidate("2", by="ann")
    await world.run_until(lambda: world.state().progress is not None)
    with trusting.by(trusting.eve):
        world.replace(SHOP, 'next, versions: {app: "2"}', 'next, versions: {app: "3"}')
    await world.run_for(2)
    pull = await pulling.open("talk", {"notes.md": "x"}, by="tom")
    pulling.say(pull.number, "ann", "/releasectl approve shop")
    await pulling.desk.look()
    await world.run_for(2)
    assert not world.state().votes
    assert any("somebody else must" in comment for comment in pulling.ours(pull.number))
    pulling.close()


async def test_bots_follow_signed_subscriptions_and_vouch_for_no_unsigned_edit(trusting: Trusting) -> None:
    world = trusting.world
    pulling = Pulling(world, FORGED + ALICE + TRUST)
    shelf = Shelf()
    shelf.newest_is = offer("7")
    reading = Reading(trusting.signing("bob"))
    proposer = Proposer(
        forge=pulling.forge, branches=reading, registry=lambda _: shelf, with_trailers=append_trailers
    )  # fmt: skip
    with trusting.by(trusting.eve):
        world.write("subscriptions/bot.yaml", SUBSCRIPTION)
    await proposer.look(await reading.look(), world.clock.now())
    assert not proposer.standing
    world.write("subscriptions/bot.yaml", SUBSCRIPTION + "# read\n")
    with trusting.by(trusting.eve):
        world.replace(SHOP, "policy: careful", "policy: careless")
    await proposer.look(await reading.look(), world.clock.now())
    assert f"{SHOP} waits for a person: commit" in proposer.standing["bot"].told
    assert not pulling.forge.pulls
    world.replace(SHOP, "policy: careless", "policy: careful")
    await proposer.look(await reading.look(), world.clock.now() + timedelta(minutes=2))
    assert proposer.standing["bot"].told == "#1 proposes app 7"
    pulling.close()


async def test_a_promotion_by_pull_request_undoes_no_unsigned_edit(trusting: Trusting) -> None:
    world = trusting.world
    hosted = Hosted(world)
    trusting.restart()
    spec = SPEC.replace("AUTO", "true").replace("ROLLBACK", "push")
    world.write("environments/local.yaml", ENVIRONMENT + spec + TRUST)
    world.add_candidate("2")
    await world.run_until(lambda: world.state().progress is not None)
    with trusting.by(trusting.eve):
        world.replace(SHOP, 'stable: {app: "1"}', 'stable: {app: "3"}')
    await world.run_until(lambda: world.condition() == Reason.FORGE_UNAVAILABLE, every=2)
    condition = world.status().condition
    assert condition is not None
    assert "is not signed" in condition.message
    assert not hosted.pulls
    assert 'stable: {app: "3"}' in world.read(SHOP), "the controller leaves the file to people"
    world.replace(SHOP, 'stable: {app: "3"}', 'stable: {app: "1"}')
    await world.run_until(lambda: bool(hosted.pulls), every=5)

"""Approvals: who may give them, what they are about, how long they count, and what guards meanwhile."""

from __future__ import annotations

import pytest

from releasectl.domain.decision import PersonAction
from releasectl.domain.observation import ReadState
from tests.scenarios.world import ENVIRONMENT, World

MANIFEST = "releases/shop.yaml"
STRATEGY = "strategy: [{type: canary, steps: [10, 50], interval: 10s}]"
TEAMS = ENVIRONMENT + "spec:\n  teams: {risk: [bob, cleo], board: [dana]}\n"


async def gated(world: World, gate: str, *, teams: bool = False) -> World:
    """The world with an approval after the canary."""
    if teams:
        world.write("environments/local.yaml", TEAMS)
    world.replace(MANIFEST, STRATEGY, STRATEGY[:-1] + f", {{type: approval{gate}}}]")
    await world.run_for(2)
    return world


async def at_the_gate(world: World, gate: str = "", *, teams: bool = False, by: str = "ada") -> World:
    """A harmless candidate of ``by`` that has passed its canary and waits for people."""
    await gated(world, gate, teams=teams)
    world.add_candidate("2", by=by)
    await world.run_until(lambda: world.condition() == "AwaitingApproval")
    return world


def said(world: World) -> str:
    """The message of the last recorded decision."""
    last = world.state().last
    assert last is not None
    return last.message


async def test_one_approval_by_somebody_else_promotes(world: World) -> None:
    await at_the_gate(world)
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_for(3)
    assert world.reasons()[-2:] == ["HOLD Voted", "PROMOTE Approved"]
    assert said(world) == "approved by bob"


async def test_nobody_approves_what_they_asked_for(world: World) -> None:
    await at_the_gate(world, by="ada")
    world.ask(PersonAction.APPROVE, by="ada")
    await world.run_for(3)
    assert world.reasons()[-1] == "HOLD Refused"
    assert "somebody else must approve" in said(world)
    assert world.condition() == "AwaitingApproval"


async def test_the_mail_address_tells_an_author_with_another_name(world: World) -> None:
    await at_the_gate(world, by="ada")
    world.ask(PersonAction.APPROVE, by="A. Lovelace <ADA@example.org>")
    await world.run_for(3)
    assert world.reasons()[-1] == "HOLD Refused"


async def test_the_author_is_who_changed_the_candidate_and_not_who_touched_the_file_last(world: World) -> None:
    await gated(world, "")
    world.add_candidate("2", by="ada")
    world.replace(MANIFEST, "# what serves now", "# what serves at present", by="bob")
    await world.run_until(lambda: world.condition() == "AwaitingApproval")
    world.ask(PersonAction.APPROVE, by="ada")
    await world.run_for(2)
    assert world.reasons()[-1] == "HOLD Refused"
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_for(3)
    assert world.reasons()[-1] == "PROMOTE Approved"


async def test_whoever_gives_the_candidate_another_version_becomes_its_author(world: World) -> None:
    await gated(world, "")
    world.add_candidate("3", by="ada")
    world.replace(MANIFEST, 'versions: {app: "3"}', 'versions: {app: "2"}', by="bob")
    await world.run_until(lambda: world.condition() == "AwaitingApproval")
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_for(2)
    assert world.reasons()[-1] == "HOLD Refused"
    world.ask(PersonAction.APPROVE, by="ada")
    await world.run_for(3)
    assert world.reasons()[-1] == "PROMOTE Approved"


async def test_an_author_may_approve_where_the_stage_allows_it(world: World) -> None:
    await at_the_gate(world, ", notAuthor: false", by="ada")
    world.ask(PersonAction.APPROVE, by="ada")
    await world.run_for(3)
    assert world.reasons()[-1] == "PROMOTE Approved"


async def test_a_quorum_needs_different_people(world: World) -> None:
    await at_the_gate(world, ", required: 2")
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_for(2)
    world.ask(PersonAction.APPROVE, by="Bob <bob@example.org>")
    await world.run_for(2)
    assert world.condition() == "AwaitingApproval"
    assert "1 of 2" in world.status().condition.message  # type: ignore[union-attr]
    world.ask(PersonAction.APPROVE, by="cleo")
    await world.run_for(3)
    assert world.reasons()[-1] == "PROMOTE Approved"


async def test_members_of_a_named_team_may_approve_and_others_may_not(world: World) -> None:
    await at_the_gate(world, ", from: [risk]", teams=True)
    world.ask(PersonAction.APPROVE, by="dana")
    await world.run_for(2)
    assert world.reasons()[-1] == "HOLD Refused"
    assert "dana is not one of risk" in said(world)
    world.ask(PersonAction.APPROVE, by="cleo")
    await world.run_for(3)
    assert world.reasons()[-1] == "PROMOTE Approved"


async def test_an_approval_no_longer_counts_once_its_giver_has_left_the_team(world: World) -> None:
    await at_the_gate(world, ", from: [risk], required: 2", teams=True)
    world.ask(PersonAction.APPROVE, by="cleo")
    await world.run_for(2)
    world.write("environments/local.yaml", TEAMS.replace(", cleo", ", eve"))
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_for(3)
    assert world.condition() == "AwaitingApproval"


async def test_an_approval_counts_early_while_the_trial_is_under_way(world: World) -> None:
    await gated(world, "")
    world.add_candidate("2", by="ada")
    await world.run_until(lambda: world.condition() == "Dwelling")
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_until(lambda: world.reasons()[-1].startswith("PROMOTE"))
    assert world.reasons()[-1] == "PROMOTE Approved"


async def test_an_approval_expires(world: World) -> None:
    await gated(world, ", expires: 5s")
    world.add_candidate("2", by="ada")
    await world.run_until(lambda: world.condition() == "Dwelling")
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_until(lambda: world.condition() == "AwaitingApproval")
    await world.run_for(3)
    assert world.condition() == "AwaitingApproval"


async def test_a_new_trial_begins_without_approvals(world: World) -> None:
    await gated(world, "")
    world.add_candidate("3", by="ada")
    await world.run_until(lambda: world.condition() == "Dwelling")
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_for(2)
    world.replace(MANIFEST, 'versions: {app: "3"}', 'versions: {app: "2"}', by="ada")
    await world.run_until(lambda: world.condition() == "AwaitingApproval")
    assert world.state().votes == ()


async def test_an_approval_of_another_trial_or_of_other_candidates_is_refused(world: World) -> None:
    await at_the_gate(world)
    progress = world.state().progress
    assert progress is not None
    world.ask(PersonAction.APPROVE, by="bob", trial=progress.first_epoch - 1)
    await world.run_for(2)
    assert "is over" in said(world)
    world.ask(PersonAction.APPROVE, by="bob", trial=progress.first_epoch, candidates=("sha256:" + "0" * 64,))
    await world.run_for(2)
    assert "other candidates" in said(world)
    assert world.reasons()[-2:] == ["HOLD Refused", "HOLD Refused"]
    assert world.condition() == "AwaitingApproval"


@pytest.mark.parametrize("action", [PersonAction.APPROVE, PersonAction.REJECT])
async def test_a_vote_without_any_approval_to_come_is_refused(world: World, action: PersonAction) -> None:
    world.add_candidate("2")
    await world.run_until(lambda: world.condition() == "Dwelling")
    world.ask(action, by="bob")
    await world.run_for(1)
    assert world.reasons()[-1] == "HOLD Refused"


@pytest.mark.parametrize("wait_for", ["Dwelling", "AwaitingApproval"])
async def test_a_rejection_ends_the_trial_at_any_time_and_holds_the_artifact(world: World, wait_for: str) -> None:
    await gated(world, ", from: [bob]")
    world.add_candidate("2", by="ada")
    await world.run_until(lambda: world.condition() == wait_for)
    world.ask(PersonAction.REJECT, by="bob", reason="wrong licence")
    await world.run_for(1)
    assert world.reasons()[-1] == "ROLLBACK Rejected"
    assert "wrong licence" in said(world)
    assert world.share("stable") == 10_000
    assert [held.version for held in world.state().quarantine] == ["2"]


async def test_somebody_without_a_say_rejects_nothing(world: World) -> None:
    await at_the_gate(world, ", from: [bob]")
    world.ask(PersonAction.REJECT, by="mallory")
    await world.run_for(2)
    assert world.reasons()[-1] == "HOLD Refused"
    assert world.share("next") == 5000


async def test_a_waiting_gate_keeps_guarding(world: World) -> None:
    await at_the_gate(world)
    world.users.error_rates["2"] = 0.3
    await world.run_for(15)
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    assert world.share("stable") == 10_000


async def test_an_approval_does_not_promote_while_the_guardrails_cannot_be_read(world: World) -> None:
    await at_the_gate(world)
    world.users.state = ReadState.PROVIDER_ERROR
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_for(4)
    assert world.condition() == "MetricsUnavailable"
    world.users.state = ReadState.OK
    await world.run_for(3)
    assert world.reasons()[-1] == "PROMOTE Approved"


async def test_people_may_take_longer_than_a_stage_that_gathers_evidence(world: World) -> None:
    await at_the_gate(world)
    await world.run_for(1200, every=60)  # the policy gives a stage ten minutes
    assert world.condition() == "AwaitingApproval"


async def test_a_person_cannot_promote_past_the_approval_of_others(world: World) -> None:
    await gated(world, "")
    world.add_candidate("2", by="ada")
    await world.run_until(lambda: world.condition() == "Dwelling")
    world.ask(PersonAction.PROMOTE, by="ada")
    await world.run_for(1)
    assert world.reasons()[-1] == "HOLD Refused"
    assert "0 of 1 approvals" in said(world)
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_for(1)
    world.ask(PersonAction.PROMOTE, by="ada")
    await world.run_for(1)
    assert world.reasons()[-1] == "PROMOTE Requested"

"""Pull requests are checked and commented, and people command releases under them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from releasectl.domain.decision import PersonAction
from releasectl.ports import CheckState
from tests.scenarios.pulling import ALICE, FORGED, Pulling
from tests.scenarios.world import World, run_git

# Every one of them simulates trials for its plans: together they take a minute.
pytestmark = pytest.mark.slow


@pytest.fixture
async def pulling(world: World) -> AsyncIterator[Pulling]:
    """A world at rest with a forge; alice may command it."""
    found = Pulling(world)
    await world.run_pass()
    yield found
    found.close()


async def merged_and_on_trial(pulling: Pulling, **proposed: str) -> int:
    pull = await pulling.propose(**proposed)
    await pulling.desk.look()
    pulling.forge.merge(pull.number)
    await pulling.world.run_for(3)
    assert pulling.world.state().progress is not None
    return pull.number


# --- checks ---------------------------------------------------------------------------------------------


async def test_a_pull_request_gets_a_status_and_one_comment_for_its_release(pulling: Pulling) -> None:
    pull = await pulling.propose()
    await pulling.desk.look()
    assert pulling.status(pull) == ("success", "Plan: 1 to start.")
    (comment,) = pulling.ours(pull.number)
    assert "shop: the trial of next starts" in comment
    assert "CandidateStarted" in comment


async def test_a_round_in_which_nothing_is_new_writes_nothing(pulling: Pulling) -> None:
    pull = await pulling.propose()
    await pulling.desk.look()
    before = (dict(pulling.forge.statuses), list(pulling.forge.comments[pull.number]))
    await pulling.desk.look()
    restarted = pulling.another_desk("pulls-2")
    await restarted.look()
    assert (dict(pulling.forge.statuses), list(pulling.forge.comments[pull.number])) == before


async def test_a_release_that_leaves_the_pull_request_is_said_to_have_left(pulling: Pulling) -> None:
    pull = await pulling.propose()
    await pulling.desk.look()
    pulling.push("try", {"releases/shop.yaml": pulling.world.read("releases/shop.yaml")})
    await pulling.desk.look()
    (comment,) = pulling.ours(pull.number)
    assert "no longer changes it" in comment
    assert pulling.status(pull) == ("success", "No changes. No release is made of anything that differs.")


async def test_a_new_process_knows_of_which_releases_an_older_one_has_told(pulling: Pulling) -> None:
    pull = await pulling.propose()
    await pulling.desk.look()
    pulling.world.store.note("", "pulls/memory", None)
    pulling.push("try", {"releases/shop.yaml": pulling.world.read("releases/shop.yaml")})
    await pulling.another_desk("pulls-2").look()
    (comment,) = pulling.ours(pull.number)
    assert "no longer changes it" in comment


async def test_a_mistake_fails_the_check_with_its_place(pulling: Pulling) -> None:
    broken = pulling.world.read("releases/shop.yaml").replace("policy: careful", "policy: carefull")
    pull = await pulling.open("typo", {"releases/shop.yaml": broken})
    await pulling.desk.look()
    state, text = pulling.status(pull)
    assert (state, text) == ("failure", "1 mistake in manifests. Plan: 1 invalid.")
    assert "releases/shop.yaml:14:11" in pulling.ours(pull.number)[0]


async def test_what_git_cannot_merge_is_told_and_checked_again_once_it_can(pulling: Pulling) -> None:
    pull = await pulling.propose()
    pulling.world.replace("releases/shop.yaml", "  strategy:", "  candidates: []\n  strategy:")
    await pulling.desk.look()
    state, text = pulling.status(pull)
    assert state == "failure"
    assert text == "cannot be merged: both sides have changed releases/shop.yaml"
    pulling.world.replace("releases/shop.yaml", "  candidates: []\n", "")
    await pulling.desk.look()
    assert pulling.status(pull)[0] == "success"


async def test_what_is_planned_is_the_merge_and_not_the_branch(pulling: Pulling) -> None:
    pull = await pulling.propose()
    pulling.world.replace("policies/careful.yaml", "points: 2", "points: 1")
    await pulling.desk.look()
    (comment,) = pulling.ours(pull.number)
    assert "more than 1 point higher" in comment
    assert "policy" not in comment.split("```diff")[1].split("```")[0]


async def test_a_flood_of_files_is_refused_unread(pulling: Pulling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("releasectl.pulls.check.MOST_FILES", 3)
    pull = await pulling.open("flood", {f"releases/{n}.yaml": "kind: Release\n" for n in range(4)})
    await pulling.desk.look()
    assert pulling.status(pull) == ("failure", "it changes 4 YAML files; more than 3 are not checked")


async def test_pull_requests_that_cannot_be_read_keep_no_others_from_being_checked(
    pulling: Pulling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("releasectl.pulls.desk.MOST_CHECKS", 1)
    lost = await pulling.open("lost", {"notes.md": "x"})
    run_git("update-ref", "-d", f"refs/pull/{lost.number}/head", cwd=pulling.world.origin)
    pull = await pulling.open("sound", {"notes.md": "y"})
    run_git("update-ref", "-d", f"refs/pull/{lost.number}/head", cwd=pulling.world.origin)
    await pulling.desk.look()
    await pulling.desk.look()
    assert pulling.status(lost)[0] == "pending"
    assert pulling.status(pull)[0] == "success"
    pulling.push("sound", {"notes.md": "z"})
    pulling.world.clock.at += timedelta(minutes=3)
    await pulling.desk.look()
    assert pulling.status(lost)[0] == "success"


async def test_a_fault_of_ours_at_one_pull_request_keeps_no_command_from_being_heard(
    pulling: Pulling, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await merged_and_on_trial(pulling)
    await pulling.open("odd", {"notes.md": "x"})
    talk = await pulling.open("talk", {"more.md": "x"})
    real = pulling.forge.set_status

    async def odd(sha: str, state: CheckState, *, context: str, description: str, url: str = "") -> None:
        if sha == pulling.forge.heads("odd"):
            raise KeyError("nobody thought of this")
        await real(sha, state, context=context, description=description, url=url)

    monkeypatch.setattr(pulling.forge, "set_status", odd)
    pulling.say(number, "alice", "/releasectl rollback shop")
    await pulling.desk.look()
    assert pulling.status(talk)[0] == "success"
    await pulling.world.run_for(2)
    assert pulling.world.reasons()[-1] == "ROLLBACK Requested"


async def test_many_releases_get_a_few_comments_and_none_is_said_to_have_left(
    pulling: Pulling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("releasectl.pulls.desk.MOST_COMMENTS", 1)
    manifest = pulling.world.read("releases/shop.yaml")
    more = {f"releases/{name}.yaml": manifest.replace("name: shop", f"name: {name}") for name in ("one", "two")}
    pull = await pulling.open("more", more)
    await pulling.desk.look()
    pulling.push("more", {"notes.md": "x"})
    await pulling.desk.look()
    assert pulling.status(pull) == ("success", "Plan: 2 to adopt.")
    (comment,) = pulling.ours(pull.number)
    assert "one: the release is new here" in comment


HOSTILE = "kind: Release\napiVersion: releasectl.dev/v1alpha1\nmetadata: {name: 'x --> @all <script>'}\n"


async def test_a_strangers_texts_reach_no_comment_as_markup(pulling: Pulling) -> None:
    named = pulling.world.read("releases/shop.yaml").replace("careful", "'@all <img src=x> `--> [a](b)'")
    pull = await pulling.open("evil", {"releases/@all.yaml": HOSTILE, "releases/shop.yaml": named}, by="mallory")
    await pulling.desk.look()
    assert pulling.status(pull)[0] == "failure"
    said = "".join(pulling.ours(pull.number))
    assert [part for part in ("@all", "<img", "[a](b)", "<script") if part in said] == []


async def test_links_in_a_pull_request_are_not_followed(pulling: Pulling) -> None:
    (pulling.world.folder / "clone" / "releases").mkdir(exist_ok=True)
    (pulling.world.folder / "clone" / "releases" / "link.yaml").symlink_to("/etc/passwd")
    pull = await pulling.open("link", {})
    await pulling.desk.look()
    assert pulling.status(pull)[0] == "failure"
    assert not any("root:" in comment for comment in pulling.ours(pull.number))


# --- commands -------------------------------------------------------------------------------------------


async def test_somebody_who_may_takes_the_candidate_back(pulling: Pulling) -> None:
    number = await merged_and_on_trial(pulling)
    pulling.say(number, "alice", "/releasectl rollback shop it smells")
    await pulling.desk.look()
    await pulling.world.run_for(2)
    assert pulling.world.reasons()[-1] == "ROLLBACK Requested"
    given = pulling.world.records()[-1]["given"]["requests"][0]
    assert (given["by"], given["reason"]) == ("alice@memory", "it smells")
    assert given["via"] == f"by alice@memory under pull request {number}"
    await pulling.desk.look()
    assert any("ROLLBACK Requested" in comment for comment in pulling.ours(number))


async def test_a_stranger_is_refused_once_and_nothing_happens(pulling: Pulling) -> None:
    number = await merged_and_on_trial(pulling)
    for _ in range(3):
        pulling.say(number, "mallory", "/releasectl rollback shop")
        await pulling.desk.look()
        await pulling.world.run_for(1)
    assert "ROLLBACK" not in " ".join(pulling.world.reasons())
    refusals = [comment for comment in pulling.ours(number) if "may not ask" in comment]
    assert len(refusals) == 1
    assert pulling.world.state().progress is not None


async def test_a_pull_request_cannot_give_its_author_a_role(pulling: Pulling) -> None:
    await merged_and_on_trial(pulling)
    rights = FORGED + ALICE.replace("alice", "mallory")
    pull = await pulling.open("grab", {"environments/local.yaml": rights}, by="mallory")
    pulling.say(pull.number, "mallory", "/releasectl rollback shop")
    await pulling.desk.look()
    await pulling.world.run_for(1)
    assert pulling.world.state().progress is not None


@pytest.mark.parametrize("again", ["the same desk", "a new process", "a process without memory"])
async def test_a_command_is_obeyed_once_whatever_is_restarted(pulling: Pulling, again: str) -> None:
    number = await merged_and_on_trial(pulling)
    pulling.say(number, "alice", "/releasectl pause shop")
    await pulling.desk.look()
    await pulling.world.run_for(1)
    pulling.world.ask(PersonAction.RESUME)
    await pulling.world.run_for(1)
    # As if the process had died before it could answer.
    pulling.forge.comments[number] = [one for one in pulling.forge.comments[number] if one.author == "alice"]
    if again == "a process without memory":
        pulling.world.store.note("", "pulls/memory", None)
    desk = pulling.desk if again == "the same desk" else pulling.another_desk("pulls-2")
    desk.poke(number)
    await desk.look()
    await pulling.world.run_for(1)
    assert pulling.world.state().suspension is None
    assert sum("Suspended" in one for one in pulling.world.reasons()) == 1


async def test_an_edited_comment_is_no_command(pulling: Pulling) -> None:
    number = await merged_and_on_trial(pulling)
    pulling.say(number, "alice", "/releasectl rollback shop")
    pulling.forge.comments[number][-1] = replace(pulling.forge.comments[number][-1], edited=True)
    await pulling.desk.look()
    await pulling.world.run_for(1)
    assert pulling.world.state().progress is not None
    assert any("edited comment is no command" in comment for comment in pulling.ours(number))


async def test_a_command_that_nobody_heard_in_time_is_not_obeyed_later(pulling: Pulling) -> None:
    number = await merged_and_on_trial(pulling)
    pulling.say(number, "alice", "/releasectl rollback shop")
    pulling.forge.comments[number][-1] = replace(
        pulling.forge.comments[number][-1], at=pulling.world.clock.now() - timedelta(hours=2)
    )
    await pulling.desk.look()
    await pulling.world.run_for(1)
    assert pulling.world.state().progress is not None
    assert any("too long ago" in comment for comment in pulling.ours(number))


async def test_our_own_comments_are_no_commands(pulling: Pulling) -> None:
    number = await merged_and_on_trial(pulling)
    pulling.world.write(
        "environments/local.yaml", FORGED + ALICE.replace("alice", pulling.forge.me), "Let the bot", by="ada"
    )
    pulling.say(number, pulling.forge.me, "/releasectl rollback shop")
    await pulling.desk.look()
    await pulling.world.run_for(1)
    assert pulling.world.state().progress is not None


async def test_a_misspelt_release_commands_no_other(pulling: Pulling) -> None:
    number = await merged_and_on_trial(pulling)
    pulling.say(number, "alice", "/releasectl rollback shopp")
    await pulling.desk.look()
    await pulling.world.run_for(1)
    assert pulling.world.state().progress is not None
    assert any("knows no release `shopp`" in comment for comment in pulling.ours(number))


async def test_status_and_plan_are_anybodys_and_bounded(pulling: Pulling) -> None:
    pull = await pulling.propose()
    await pulling.desk.look()
    for _ in range(15):
        pulling.say(pull.number, "mallory", "/releasectl status shop")
    pulling.say(pull.number, "bob", "/releasectl plan")
    await pulling.desk.look()
    comments = pulling.ours(pull.number)
    assert sum("shop is at rest: stable 100 %" in comment for comment in comments) == 10
    assert any("The plan is up to date" in comment for comment in comments)


# --- approvals ------------------------------------------------------------------------------------------

GATE = "[{type: canary, steps: [10], interval: 1s}, {type: approval, required: 1}]"


async def gated(pulling: Pulling, environment: str) -> None:
    """The release waits for one approval after a first step."""
    world = pulling.world
    world.replace("releases/shop.yaml", "[{type: canary, steps: [10, 50], interval: 10s}]", GATE, by="ada")
    if world.read("environments/local.yaml") != environment:
        world.write("environments/local.yaml", environment, "Let reviews count", by="ada")
    await world.run_for(2)


async def test_whoever_proposed_the_candidate_does_not_approve_it_in_a_comment(pulling: Pulling) -> None:
    await gated(pulling, FORGED + ALICE.replace("alice", "alice, tom"))
    number = await merged_and_on_trial(pulling, by="tom")
    pulling.say(number, "tom", "/releasectl approve")
    await pulling.desk.look()
    await pulling.world.run_for(1)
    assert not pulling.world.state().votes
    assert any("somebody else must" in comment for comment in pulling.ours(number))
    other = await pulling.open("other", {"notes.md": "x"}, by="alice")
    pulling.say(other.number, "tom", "/releasectl approve shop")
    await pulling.desk.look()
    await pulling.world.run_for(1)
    assert not pulling.world.state().votes
    pulling.say(number, "alice", "/releasectl approve")
    await pulling.desk.look()
    await pulling.world.run_for(1)
    assert [vote.by for vote in pulling.world.state().votes] == ["alice@memory"]


async def test_a_review_of_the_checked_commit_counts_where_the_environment_says_so(pulling: Pulling) -> None:
    await gated(pulling, FORGED + ALICE + "  reviewsApprove: true\n")
    pull = await pulling.propose()
    await pulling.desk.look()
    pulling.forge.approve(pull.number, "alice")
    pulling.forge.approve(pull.number, "mallory")
    pulling.forge.merge(pull.number)
    await pulling.world.run_for(3)
    await pulling.desk.look()
    await pulling.world.run_for(2)
    assert [vote.by for vote in pulling.world.state().votes] == ["alice@memory"]


async def test_reviews_count_for_nothing_where_the_environment_does_not_say_so(pulling: Pulling) -> None:
    await gated(pulling, FORGED + ALICE)
    pull = await pulling.propose()
    await pulling.desk.look()
    pulling.forge.approve(pull.number, "alice")
    pulling.forge.merge(pull.number)
    await pulling.world.run_for(3)
    await pulling.desk.look()
    await pulling.world.run_for(2)
    assert not pulling.world.state().votes


async def test_an_empty_commit_after_the_review_satisfies_nothing(pulling: Pulling) -> None:
    await gated(pulling, FORGED + ALICE + "  reviewsApprove: true\n")
    pull = await pulling.propose()
    await pulling.desk.look()
    pulling.forge.approve(pull.number, "alice")
    pulling.push("try", {}, message="Nothing at all")
    await pulling.desk.look()
    pulling.forge.merge(pull.number)
    await pulling.world.run_for(3)
    await pulling.desk.look()
    await pulling.world.run_for(2)
    assert not pulling.world.state().votes


async def test_a_commit_after_the_check_satisfies_nothing(pulling: Pulling) -> None:
    await gated(pulling, FORGED + ALICE + "  reviewsApprove: true\n")
    pull = await pulling.propose()
    await pulling.desk.look()
    pulling.push("try", {"releases/shop.yaml": pulling.with_candidate("3")})
    pulling.forge.approve(pull.number, "alice")
    pulling.forge.merge(pull.number)
    await pulling.world.run_for(3)
    await pulling.desk.look()
    await pulling.world.run_for(2)
    assert not pulling.world.state().votes


async def test_a_conversation_about_many_things_leaves_the_ledger_whole(pulling: Pulling) -> None:
    number = await merged_and_on_trial(pulling)
    pulling.say(number, "alice", "Looks odd.\n\n/releasectl pause shop\n/releasectl frobnicate\n")
    await pulling.desk.look()
    await pulling.world.run_for(1)
    assert pulling.world.state().suspension is not None
    assert any("no command `frobnicate`" in comment for comment in pulling.ours(number))
    run_git("fsck", "--strict", "--no-dangling", cwd=pulling.world.origin)

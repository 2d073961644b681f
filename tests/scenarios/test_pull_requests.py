"""Promotions by pull request: proposed when they are decided, recorded when they are merged.

Real git; the forge is the one in memory, which keeps the same contract as a real Gitea
(``tests/contracts/test_forge.py``).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from releasectl.adapters.forge.memory import MemoryForge
from releasectl.domain.decision import PersonAction
from releasectl.errors import Unavailable
from releasectl.ports import CheckState, Pull, PullState
from tests.scenarios.world import CANDIDATE, ENVIRONMENT, World, run_git

pytestmark = pytest.mark.slow

MANIFEST = "releases/shop.yaml"
SPEC = """\
spec:
  forge: {type: gitea, url: "https://git.example.com", project: models/shop, tokenVariable: FORGE_TOKEN}
  writeBack: {mode: pull-request, autoMerge: AUTO, rollback: ROLLBACK, labels: [releasectl, models]}
"""


class Hosted:
    """A world whose repository is hosted by a forge, and what people do there."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.forge = MemoryForge(self._head, self._land)
        world.forge_of = lambda spec: self.forge if spec else None

    def configure(self, *, auto: bool = False, rollback: str = "push") -> None:
        spec = SPEC.replace("AUTO", str(auto).lower()).replace("ROLLBACK", rollback)
        if self.world.read("environments/local.yaml") != ENVIRONMENT + spec:
            self.world.write("environments/local.yaml", ENVIRONMENT + spec)

    @property
    def pulls(self) -> list[Pull]:
        return list(self.forge.pulls.values())

    def edit(self, branch: str, path: str, before: str, after: str) -> str:
        """A person's commit on a branch."""
        work = self.world.folder / f"work-{branch.replace('/', '-')}"
        run_git("clone", "--quiet", "--branch", branch, str(self.world.origin), str(work), cwd=self.world.folder)
        text = (work / path).read_text()
        assert before in text
        (work / path).write_text(text.replace(before, after))
        person = ("-c", "user.name=bob", "-c", "user.email=bob@example.org")
        run_git(*person, "commit", "--quiet", "--all", "-m", "Edit", cwd=work)
        run_git("push", "--quiet", cwd=work)
        return run_git("rev-parse", "HEAD", cwd=work).strip()

    def _head(self, branch: str) -> str | None:
        ref = self.world.origin / "refs" / "heads" / branch
        return ref.read_text().strip() if ref.exists() else None

    def _land(self, branch: str) -> str:
        origin = self.world.origin
        tree = run_git("merge-tree", "--write-tree", "main", branch, cwd=origin).split()[0]
        person = ("-c", "user.name=bob", "-c", "user.email=bob@example.org")
        parents = ("-p", "main", "-p", branch)
        sha = run_git(*person, "commit-tree", tree, *parents, "-m", "Merge", cwd=origin).strip()
        run_git("update-ref", "refs/heads/main", sha, cwd=origin)
        return sha


@pytest.fixture
async def hosted(world: World) -> Hosted:
    hosted = Hosted(world)
    hosted.configure()
    await world.run_pass()
    return hosted


async def until_proposed(hosted: Hosted) -> Pull:
    hosted.world.add_candidate("2")
    await hosted.world.run_until(lambda: bool(hosted.pulls))
    return hosted.pulls[0]


async def test_a_promotion_happens_when_its_pull_request_is_merged(hosted: Hosted) -> None:
    world = hosted.world
    pull = await until_proposed(hosted)
    await world.run_for(20)
    assert [p.number for p in hosted.pulls] == [pull.number]
    assert world.condition() == "AwaitingMerge"
    # Nothing has changed yet but that it is proposed: the candidate keeps its share.
    assert (world.share("next"), world.state().stable.versions["app"].name) == (5000, "1")
    assert "promote next" in pull.title
    assert "| error-rate | guardrail | PASS |" in pull.body
    assert pull.labels == ("releasectl", "models")

    hosted.forge.merge(pull.number)
    await world.run_for(3)
    assert world.reasons()[-1] == "PROMOTE Merged"
    assert world.state().stable.versions["app"].name == "2"
    assert world.share("stable") == 10_000
    assert 'stable: {app: "2"}   # what serves now' in world.read(MANIFEST)
    await world.run_for(10)
    assert (world.condition(), len(hosted.pulls)) == ("Idle", 1)
    world.check()


async def test_it_is_merged_by_itself_as_soon_as_the_forge_allows_it(hosted: Hosted) -> None:
    world = hosted.world
    hosted.configure(auto=True)
    hosted.forge.needed_approvals, hosted.forge.needed_checks = 1, ("ci",)
    pull = await until_proposed(hosted)
    await world.run_for(12)
    assert hosted.pulls[0].state is PullState.OPEN
    assert "not enough approvals" in world.status().condition.message  # type: ignore[union-attr]
    hosted.forge.approve(pull.number, "alice")
    await world.run_for(12)
    assert "required checks are missing: ci" in world.status().condition.message  # type: ignore[union-attr]
    await hosted.forge.set_status(pull.head_sha, CheckState.SUCCESS, context="ci", description="well")
    await world.run_for(12)
    assert (hosted.pulls[0].state, world.reasons()[-1]) == (PullState.MERGED, "PROMOTE Merged")
    world.check()


async def test_a_breach_while_it_waits_takes_the_candidate_back_and_closes_it(hosted: Hosted) -> None:
    world = hosted.world
    await until_proposed(hosted)
    world.users.error_rates["2"] = 0.5
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK GuardrailBreached")
    await world.run_for(3)
    assert hosted.pulls[0].state is PullState.CLOSED
    assert "error-rate" in hosted.forge.comments[1][0].body
    assert world.share("stable") == 10_000
    world.check()


@pytest.mark.parametrize("memory", ["a", "empty"], ids=["its memory", "no memory"])
async def test_what_nobody_wants_any_more_is_closed_by_the_next_controller(hosted: Hosted, memory: str) -> None:
    world = hosted.world
    pull = await until_proposed(hosted)
    hosted.forge.pulls[2] = replace(pull, number=2, foreign=True, author="mallory")
    hosted.forge.pulls[3] = replace(pull, number=3, head="feature", author="bob")
    world.replace(MANIFEST, CANDIDATE.replace("CANDIDATE", "next").replace("VERSION", "2"), "")
    world.restart(memory)
    await world.run_for(12)
    assert world.reasons()[-1] == "ROLLBACK CandidateWithdrawn"
    assert [one.state.value for one in hosted.pulls] == ["closed", "open", "open"]
    assert "No longer proposed" in hosted.forge.comments[1][0].body
    world.check()


async def test_a_controller_without_memory_goes_on_with_what_is_still_wanted(hosted: Hosted) -> None:
    world = hosted.world
    pull = await until_proposed(hosted)
    world.restart("empty")
    await world.run_for(30)
    assert [(one.number, one.state.value) for one in hosted.pulls] == [(pull.number, "open")]
    hosted.forge.merge(pull.number)
    await world.run_for(3)
    assert world.reasons()[-1] == "PROMOTE Merged"


async def test_merged_when_the_candidate_was_just_taken_back_it_promotes_nothing(hosted: Hosted) -> None:
    world = hosted.world
    hosted.configure(rollback="pull-request")
    pull = await until_proposed(hosted)
    world.users.error_rates["2"] = 0.5
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK GuardrailBreached")
    hosted.forge.merge(pull.number)
    await world.run_for(6)
    assert 'stable: {app: "2"}' in world.read(MANIFEST)
    assert (world.condition(), world.state().stable.versions["app"].name) == ("Quarantined", "1")
    world.ask(PersonAction.LIFT)
    await world.run_for(6)
    assert world.state().stable.versions["app"].name == "2"
    world.check()


async def test_a_merge_that_a_breach_overtakes_is_not_done(hosted: Hosted) -> None:
    world, forge = hosted.world, hosted.forge
    hosted.configure(auto=True)
    go_on = asyncio.Event()
    real = forge.find_pull

    async def slow(head: str) -> Pull | None:
        await go_on.wait()
        return await real(head)

    forge.find_pull = slow  # type: ignore[method-assign]
    world.add_candidate("2")
    await world.run_until(lambda: world.condition() == "AwaitingMerge")
    assert hosted.pulls == []
    world.users.error_rates["2"] = 0.5
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK GuardrailBreached")
    go_on.set()
    await world.run_for(12)
    assert all(pull.state is PullState.CLOSED for pull in hosted.pulls)
    assert world.state().stable.versions["app"].name == "1"
    world.check()


async def test_closing_it_declines_until_somebody_asks_again(hosted: Hosted) -> None:
    world = hosted.world
    pull = await until_proposed(hosted)
    await hosted.forge.close_pull(pull.number)
    await world.run_for(20)
    assert (world.condition(), len(hosted.pulls), world.share("next")) == ("MergeDeclined", 1, 5000)
    # Neither a pause nor a controller without memory makes it forget the answer.
    world.ask(PersonAction.PAUSE)
    await world.run_for(2)
    world.ask(PersonAction.RESUME)
    world.restart("b")
    await world.run_for(12)
    assert (world.condition(), len(hosted.pulls)) == ("MergeDeclined", 1)

    world.ask(PersonAction.PROMOTE)
    await world.run_for(3)
    assert (world.condition(), len(hosted.pulls)) == ("AwaitingMerge", 2)
    await hosted.forge.close_pull(2)
    await world.run_for(12)
    assert world.reasons()[-1] == "HOLD MergeDeclined"
    world.ask(PersonAction.PROMOTE)
    await world.run_for(3)
    hosted.forge.merge(3)
    await world.run_for(3)
    assert world.reasons()[-1] == "PROMOTE Merged"
    await world.run_for(3)
    assert not [path for path in world.person.tree(world.person.fetch().ledger or "") if "/requests/" in path]
    world.check()


async def test_merged_before_it_was_decided_it_is_a_promotion_as_well(hosted: Hosted) -> None:
    world = hosted.world
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE CandidateStarted")
    text = world.read(MANIFEST).replace('stable: {app: "1"}', 'stable: {app: "2"}')
    world.write(MANIFEST, text.replace('  candidates:\n    - {name: next, versions: {app: "2"}}\n', ""), by="bob")
    await world.run_for(3)
    assert world.reasons()[-1] == "PROMOTE Merged"
    assert world.share("stable") == 10_000
    world.check()


async def test_what_a_person_made_of_it_counts(hosted: Hosted) -> None:
    world = hosted.world
    hosted.configure(auto=True)
    hosted.forge.needed_checks = ("ci",)
    pull = await until_proposed(hosted)
    edited = hosted.edit(pull.head, MANIFEST, 'stable: {app: "2"}', 'stable: {app: "3"}')
    await hosted.forge.set_status(edited, CheckState.SUCCESS, context="ci", description="well")
    await world.run_for(12)
    # It is not ours any more, so it is not merged by itself.
    assert hosted.pulls[0].state is PullState.OPEN
    assert "edited by a person" in world.status().condition.message  # type: ignore[union-attr]
    hosted.forge.merge(pull.number)
    await world.run_for(6)
    assert world.reasons()[-2:] == ["ROLLBACK CandidateWithdrawn", "REALLOCATE StableChanged"]
    assert world.state().stable.versions["app"].name == "3"
    world.check()


async def test_it_follows_the_manifest(hosted: Hosted) -> None:
    world = hosted.world
    pull = await until_proposed(hosted)
    world.write(MANIFEST, "# A remark of a person.\n" + world.read(MANIFEST))
    await world.run_for(12)
    [followed] = await hosted.forge.open_pulls()
    assert (followed.number, followed.head_sha != pull.head_sha) == (pull.number, True)
    hosted.forge.merge(pull.number)
    await world.run_for(3)
    assert world.read(MANIFEST).startswith("# A remark of a person.\n")
    assert world.reasons()[-1] == "PROMOTE Merged"


@pytest.mark.parametrize("rollback", ["push", "pull-request"])
async def test_a_rollback_waits_for_nobody_and_may_bypass_pull_requests(hosted: Hosted, rollback: str) -> None:
    world = hosted.world
    hosted.configure(rollback=rollback)
    world.add_candidate("2")
    world.users.error_rates["2"] = 0.5
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK GuardrailBreached")
    assert world.share("stable") == 10_000
    await world.run_for(3)
    if rollback == "push":
        assert (hosted.pulls, "candidates" in world.read(MANIFEST)) == ([], False)
        return
    [pull] = hosted.pulls
    assert pull.labels == ("releasectl", "models", "rollback")
    assert world.condition() == "Quarantined"
    hosted.forge.merge(pull.number)
    await world.run_for(12)
    assert (world.condition(), "candidates" in world.read(MANIFEST), len(hosted.pulls)) == ("Idle", False, 1)
    world.check()


def protect_main(world: World) -> None:
    """From now on nobody may push to main; merges of the forge go past it."""
    hook = world.origin / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    refusal = "remote: GH006: Protected branch update failed for refs/heads/main."
    hook.write_text(f'#!/bin/sh\n[ "$1" != refs/heads/main ] || {{ echo "{refusal}" >&2; exit 1; }}\n')
    hook.chmod(0o755)


async def test_a_rollback_that_may_not_be_pushed_becomes_a_pull_request(hosted: Hosted) -> None:
    world = hosted.world
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE CandidateStarted")
    protect_main(world)
    world.users.error_rates["2"] = 0.5
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK GuardrailBreached")
    assert world.share("stable") == 10_000
    await world.run_for(3)
    [pull] = hosted.pulls
    assert pull.labels == ("releasectl", "models", "rollback")
    assert "next" in world.read(MANIFEST)
    hosted.forge.merge(pull.number)
    await world.run_for(12)
    assert (world.condition(), "candidates" in world.read(MANIFEST), len(hosted.pulls)) == ("Idle", False, 1)
    world.check()


@pytest.mark.parametrize("how", ["pushed", "proposed", "refused"])
async def test_one_that_was_dropped_before_the_rollback_is_not_tried_again(hosted: Hosted, how: str) -> None:
    """Before an approval only the best candidate is left; nothing holds the other one back but that it is settled."""
    world = hosted.world
    hosted.configure(rollback="pull-request" if how == "proposed" else "push")
    world.replace(MANIFEST, "interval: 10s}]", "interval: 10s}, {type: approval}]")
    both = '  candidates:\n    - {name: a, versions: {app: "2"}}\n    - {name: b, versions: {app: "3"}}\n'
    world.replace(MANIFEST, "  strategy:", both + "  strategy:")
    await world.run_until(lambda: world.condition() == "AwaitingApproval")
    assert len(world.state().candidates) == 1
    assert both in world.read(MANIFEST)
    if how == "refused":
        protect_main(world)
    world.ask(PersonAction.ROLLBACK)
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK Requested")
    await world.run_for(12)
    assert (world.condition(), world.reasons()[-1]) == ("Idle", "ROLLBACK Requested")
    if how != "pushed":
        assert both in world.read(MANIFEST)
        [pull] = hosted.pulls
        hosted.forge.merge(pull.number)
        await world.run_for(12)
    assert "candidates" not in world.read(MANIFEST)
    assert (world.condition(), world.reasons()[-1]) == ("Idle", "ROLLBACK Requested")
    world.check()


async def test_lifting_the_hold_tries_again_what_the_manifest_still_names(hosted: Hosted) -> None:
    world = hosted.world
    hosted.configure(rollback="pull-request")
    both = '  candidates:\n    - {name: a, versions: {app: "2"}}\n    - {name: b, versions: {app: "3"}}\n'
    world.replace(MANIFEST, "  strategy:", both + "  strategy:")
    world.users.error_rates["2"] = 0.5
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK GuardrailBreached")
    world.ask(PersonAction.ROLLBACK)
    await world.run_for(2)
    assert (world.condition(), len(world.state().quarantine)) == ("Idle", 2)
    world.users.error_rates["2"] = 0.01
    world.ask(PersonAction.LIFT)
    await world.run_for(4)
    assert world.reasons()[-2:] == ["HOLD Lifted", "ADVANCE CandidateStarted"]
    assert world.state().candidates == ("a", "b")


class Crash(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("after", ["the branch", "the pull request", "the merge"])
async def test_a_crash_leaves_what_the_next_controller_finds(hosted: Hosted, after: str) -> None:
    world, forge = hosted.world, hosted.forge
    hosted.configure(auto=True)
    crashes = 0

    def crashing(name: str) -> Any:
        real = getattr(forge, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            nonlocal crashes
            if name == "ensure_pull" and after == "the branch" and not crashes:
                crashes += 1
                raise Crash
            answer = await real(*arguments, **named)
            if {"ensure_pull": "the pull request", "merge_pull": "the merge"}[name] == after and not crashes:
                crashes += 1
                raise Crash
            return answer

        return call

    for name in ("ensure_pull", "merge_pull"):
        setattr(forge, name, crashing(name))
    world.add_candidate("2")
    with pytest.raises(Crash):
        await world.run_for(120)
    world.restart("another memory")
    await world.run_until(lambda: world.reasons()[-1] == "PROMOTE Merged")
    assert (len(hosted.pulls), crashes) == (1, 1)
    branches = run_git("for-each-ref", "--format=%(refname)", "refs/heads/releasectl/change", cwd=world.origin)
    assert len(branches.split()) == 1
    world.check()


async def test_a_forge_that_is_down_keeps_the_candidate_guarded(hosted: Hosted) -> None:
    world, forge = hosted.world, hosted.forge
    real = forge.find_pull

    async def down(head: str) -> Pull | None:
        raise Unavailable("git.example.com cannot be reached (ConnectError)")

    forge.find_pull = down  # type: ignore[method-assign]
    world.add_candidate("2")
    await world.run_until(lambda: world.condition() == "ForgeUnavailable")
    await world.run_for(5)
    assert (world.share("next"), hosted.pulls) == (5000, [])
    forge.find_pull = real  # type: ignore[method-assign]
    await world.run_until(lambda: bool(hosted.pulls))
    world.users.error_rates["2"] = 0.5
    forge.find_pull = down  # type: ignore[method-assign]
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK GuardrailBreached")


async def test_without_a_token_the_branch_is_what_people_get(hosted: Hosted, tmp_path: Path) -> None:
    """GitLab opens the merge request from the options of the push; a plain git server that takes options records it."""
    world = hosted.world
    told = tmp_path / "options"
    run_git("config", "receive.advertisePushOptions", "true", cwd=world.origin)
    hook = world.origin / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\nenv | grep ^GIT_PUSH_OPTION_ | sort -V >> "{told}"\n')
    hook.chmod(0o755)
    spec = SPEC.replace("gitea", "gitlab").replace(", tokenVariable: FORGE_TOKEN", "").replace("AUTO", "false")
    world.write("environments/local.yaml", ENVIRONMENT + spec.replace("ROLLBACK", "push"))
    world.forge_of = lambda spec: None
    world.add_candidate("2")
    await world.run_until(lambda: world.condition() == "AwaitingMerge")
    await world.run_for(12)

    lines = [line.partition("=")[2] for line in told.read_text().splitlines() if "_COUNT" not in line]
    assert lines.count("merge_request.create") == 1
    assert "merge_request.target=main" in lines
    assert [line for line in lines if line.startswith("merge_request.label")] == [
        "merge_request.label=releasectl",
        "merge_request.label=models",
    ]
    [branch] = run_git(
        "for-each-ref", "--format=%(refname:short)", "refs/heads/releasectl/change", cwd=world.origin
    ).split()
    hosted._land(branch)
    await world.run_for(3)
    assert world.reasons()[-1] == "PROMOTE Merged"

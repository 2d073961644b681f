"""C18, C20: a git host in trouble, over HTTP. Each trouble has its words, and passes when its cause does.

The controller is whole, with a real git server; router and processes are in memory.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from releasectl.adapters.git.repo import GitRepo
from tests.adapters.git.http_host import HttpHost, Trouble, serve
from tests.scenarios.world import World, run_git

TO_THE_END = ["ADVANCE Adopted", "ADVANCE CandidateStarted", "ADVANCE StepPassed", "PROMOTE EvidenceSufficient"]
TAKEN_BACK = ["ADVANCE Adopted", "ADVANCE CandidateStarted", "ROLLBACK GuardrailBreached"]


@dataclass
class Remote:
    """A world whose controller reaches its repository over HTTP only."""

    world: World
    server: HttpHost
    repo: GitRepo

    @property
    def trouble(self) -> Trouble:
        return self.server.trouble

    def problem(self) -> str:
        """The first thing that people are told is wrong; empty if nothing is."""
        return next(iter(self.world.seen.problems), "")

    def hook(self, script: str | None) -> None:
        """Put a hook in the way of pushes, or take it away."""
        hook = self.world.origin / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.unlink(missing_ok=True)
        if script is not None:
            hook.write_text(f"#!/bin/sh\n{script}\n")
            hook.chmod(0o755)


@asynccontextmanager
async def over_http(folder: Path, like: World, *, patience: timedelta = timedelta(minutes=5)) -> AsyncIterator[Remote]:
    world = World.like(folder, like)
    with serve(folder) as server:
        repo = GitRepo(server.url("origin.git"), mirror=folder / "over-http", timeout=20)
        world.patience = patience
        world.wrap = lambda kind, port: repo if kind == "repo" else port
        world.restart()
        yield Remote(world, server, repo)
        repo.close()
    world.close()


@pytest.fixture
async def remote(tmp_path: Path, tried: World) -> AsyncIterator[Remote]:
    """``shop`` with a candidate that has just got its first 10 %."""
    async with over_http(tmp_path, tried) as remote:
        await remote.world.run_pass()
        yield remote


def away(remote: Remote) -> None:
    remote.trouble.status = 503


def read_only(remote: Remote) -> None:
    remote.trouble.read_only = True


def refusing(remote: Remote) -> None:
    remote.hook("echo 'releases are closed today' >&2; exit 1")


def locked_out(remote: Remote) -> None:
    remote.trouble.status = 403


def renamed(remote: Remote) -> None:
    run_git("branch", "-m", "main", "trunk", cwd=remote.world.origin)


def repaired(remote: Remote) -> None:
    remote.trouble.status, remote.trouble.read_only = None, False
    remote.hook(None)
    if "trunk" in run_git("branch", "--list", cwd=remote.world.origin):
        run_git("branch", "-m", "trunk", "main", cwd=remote.world.origin)


TROUBLES: dict[str, tuple[Callable[[Remote], None], str]] = {
    "down": (away, "GitUnavailable: .*come again later"),
    "read-only": (read_only, "GitDenied: .*archived.*right to read and push"),
    "rejecting by hook": (refusing, "GitDenied: .*releases are closed today.*owner"),
    "refusing the credentials": (locked_out, "GitDenied: .*cannot be read.*right to read and push"),
    "without main": (renamed, "GitUnavailable: .*no branch main.*trunk"),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_a_host_in_trouble_is_told_of_moves_nothing_and_is_found_again(remote: Remote, name: str) -> None:
    begin, words = TROUBLES[name]
    world = remote.world
    begin(remote)
    await world.run_for(40, every=2)
    assert world.share("next") == 1_000, "a candidate got more without a record"
    assert re.search(words, remote.problem()), remote.problem()
    repaired(remote)
    await world.run_until(lambda: not remote.problem(), every=5)
    await world.run_until(lambda: world.reasons() == TO_THE_END, every=3)
    world.check()


@pytest.mark.parametrize("name", TROUBLES)
async def test_a_host_in_trouble_keeps_no_bad_candidate_serving(remote: Remote, name: str) -> None:
    world = remote.world
    TROUBLES[name][0](remote)
    world.users.error_rates["2"] = 0.4
    await world.run_for(8)
    assert world.share("stable") == 10_000
    assert world.status().unrecorded
    repaired(remote)
    await world.run_until(lambda: world.reasons() == TAKEN_BACK, every=5)
    assert not world.status().unrecorded
    assert "candidates" not in world.read("releases/shop.yaml")
    world.check()


# --- slow -----------------------------------------------------------------------------------------------

PATIENCE = timedelta(milliseconds=50)
SLOW = 0.3
"""Seconds before each answer: a fetch or a push takes several, a pass waits for none."""


async def test_a_slow_host_holds_up_no_guard(tmp_path: Path, tried: World) -> None:
    async with over_http(tmp_path, tried, patience=PATIENCE) as remote:
        world = remote.world
        await _until_read(remote)
        remote.trouble.delay = SLOW
        world.users.error_rates["2"] = 0.4
        await world.run_until(lambda: world.share("stable") == 10_000, at_most=12)
        assert remote.problem().startswith("GitUnavailable: the repository takes long to"), remote.problem()
        assert world.status().unrecorded
        remote.trouble.delay = 0
        await _until_caught_up(remote, TAKEN_BACK)
        world.check()


async def test_a_push_that_takes_longer_than_a_pass_is_found_in_the_ledger_and_not_made_again(
    tmp_path: Path, tried: World
) -> None:
    async with over_http(tmp_path, tried, patience=timedelta(seconds=2)) as remote:
        world = remote.world
        gate = threading.Event()
        await world.run_pass()
        remote.trouble.in_push = gate.wait
        await world.run_until(lambda: "take a push" in remote.problem(), at_most=60)
        assert world.share("next") == 1_000
        assert (await world.run_pass()).busy, "what becomes of it is looked for soon, however long the interval"
        gate.set()
        await _until_caught_up(remote, TO_THE_END)
        assert not (await world.run_pass()).busy
        world.check()


async def _until_read(remote: Remote) -> None:
    """Passes until one has seen the repository as it is."""
    await asyncio.to_thread(remote.repo.fetch)
    await remote.world.run_until(lambda: not remote.problem() and bool(remote.world.seen.releases), at_most=600)


async def _until_caught_up(remote: Remote, reasons: list[str]) -> None:
    """Passes until so much is decided; each is let have what git has for it."""
    for _ in range(60):
        # Calls on the repository wait for each other: what was under way has ended after this one.
        await asyncio.to_thread(remote.repo.fetch)
        await remote.world.run_for(5, every=5)
        if remote.world.reasons() == reasons:
            break
    await asyncio.to_thread(remote.repo.fetch)
    await remote.world.run_for(10, every=5)
    assert remote.world.reasons() == reasons


# --- somebody comes in between --------------------------------------------------------------------------


MOMENTS = ["before_push", "in_push"]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_commit_between_fetch_and_push_loses_no_decision_and_is_not_lost(remote: Remote, moment: str) -> None:
    world = remote.world
    setattr(remote.trouble, moment, lambda: world.write("notes/1.md", "text", "Note"))
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE StepPassed", at_most=30)
    await world.run_until(lambda: world.reasons() == TO_THE_END, every=2)
    assert "Note" in run_git("log", "--format=%s", "main", cwd=world.origin)
    world.check()


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_manifest_that_changed_between_fetch_and_push_is_never_merged_blindly(
    remote: Remote, moment: str
) -> None:
    world = remote.world
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE StepPassed", at_most=30)
    # The promotion is on its way; the candidate it speaks of is taken out.
    text = world.read("releases/shop.yaml")
    without = "".join(
        line for line in text.splitlines(keepends=True) if "next" not in line and "candidates" not in line
    )
    setattr(remote.trouble, moment, lambda: world.write("releases/shop.yaml", without, "Take it out"))
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK CandidateWithdrawn", every=1)
    assert world.read("releases/shop.yaml") == without
    assert world.state().stable.versions["app"].name == "1"
    world.check()


async def test_c20_history_rewritten_between_fetch_and_push_stops_writing_until_a_person_accepts_it(
    remote: Remote,
) -> None:
    world = remote.world
    for number in range(3):
        world.write(f"notes/{number}.md", "text", f"Note {number}")
    await world.run_pass()
    ledger = run_git("rev-parse", "releasectl/ledger", cwd=world.origin)
    remote.trouble.before_push = partial(run_git, "update-ref", "refs/heads/main", "main~3", cwd=world.origin)
    await world.run_for(60, every=2)
    assert re.search("HistoryRewritten: .*main lost 3 commits: .*Note 2", remote.problem()), remote.problem()
    assert run_git("rev-parse", "releasectl/ledger", cwd=world.origin) == ledger
    assert world.share("next") == 1_000
    remote.repo.acknowledge_rewrite()
    world.person.acknowledge_rewrite()
    await world.run_until(lambda: world.reasons() == TO_THE_END, every=5)
    assert run_git("merge-base", "--is-ancestor", ledger.strip(), "releasectl/ledger", cwd=world.origin) == ""
    world.check()


async def test_c20_decisions_that_a_rewrite_lost_are_offered_again_as_new_commits(remote: Remote) -> None:
    world = remote.world
    before = run_git("rev-parse", "main", cwd=world.origin).strip()
    await world.run_until(lambda: world.reasons() == TO_THE_END, every=2)
    decided = world.decisions()
    run_git("update-ref", "refs/heads/main", before, cwd=world.origin)
    run_git("update-ref", "refs/heads/releasectl/ledger", "releasectl/ledger~2", cwd=world.origin)
    await world.run_for(20, every=5)
    assert re.search("HistoryRewritten: .*main lost 1 commits: .*releasectl/ledger lost 2 commits", remote.problem())
    assert world.share("stable") == 10_000, "traffic stays as it was decided"
    remote.repo.acknowledge_rewrite()
    world.person.acknowledge_rewrite()
    await world.run_until(lambda: world.reasons() == TO_THE_END, every=5)
    assert [one["Releasectl-Decision-Id"] for one in world.decisions()[:2]] == [
        one["Releasectl-Decision-Id"] for one in decided[:2]
    ]
    assert 'stable: {app: "2"}' in world.read("releases/shop.yaml")
    world.check()

"""From a candidate to a promotion on a real Gitea: as a commit, and as pull requests where main is protected.

The data plane is the one in memory, because traffic is not the point here; git goes over HTTP with a token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from releasectl.adapters.forge.forges import Forges
from releasectl.adapters.git.repo import GitRepo
from tests.gitea.server import Account, Gitea, Repository
from tests.scenarios.world import CANDIDATE, ENVIRONMENT, World, run_git

pytestmark = [pytest.mark.gitea, pytest.mark.slow]

TOKEN = "RELEASECTL_FORGE_TOKEN"
MANIFEST = "releases/shop.yaml"
AWorld = Callable[..., "OnGitea"]


class OnGitea(World):
    """A world whose repository is on Gitea. The controller comes with the bot's token, the person is alice."""

    def __init__(self, folder: Path, gitea: Gitea, *, write_back: str, token: bool = True) -> None:
        self.gitea = gitea
        self.hosted: Repository = gitea.repository()
        self._urls = {"person": self.hosted.clone_url_as(gitea.alice)}
        super().__init__(folder)
        run_git("push", "--quiet", "--force", self.hosted.clone_url_as(gitea.admin), "main", cwd=self.origin)
        name = f", tokenVariable: {TOKEN}" if token else ""
        forge = f'{{type: gitea, url: "{gitea.url}", project: {self.hosted.project}{name}}}'
        self.write("environments/local.yaml", f"{ENVIRONMENT}spec:\n  forge: {forge}\n  writeBack: {write_back}\n")
        self.forges = Forges()
        self.forge_of = self.forges

    def _repo(self, name: str) -> GitRepo:
        mirror = self.folder / name
        if name in self._urls:
            repo = GitRepo(self._urls[name], mirror=mirror)
        else:
            repo = GitRepo(self.hosted.clone_url, mirror=mirror, token_variable=TOKEN)
        self._open.append(repo)
        return repo

    async def add_by_pull(self, version: str, *, succeeds: bool = False) -> None:
        """Alice proposes a candidate, its check succeeds where there has to be one, and bob merges."""
        text = self.read(MANIFEST)
        block = CANDIDATE.replace("CANDIDATE", "next").replace("VERSION", version)
        text = text.replace("  strategy:", block + "  strategy:")
        sha = self.gitea.commit(self.hosted, MANIFEST, text, branch=f"try-{version}", by=self.gitea.alice)
        body = {"head": f"try-{version}", "base": "main", "title": f"Try {version}"}
        made = self.call("POST", "/pulls", body, self.gitea.alice)
        if succeeds:
            self.succeed(sha)
        await self.merge(made["number"])

    def succeed(self, sha: str) -> None:
        """The check that main asks for has passed."""
        self.call("POST", f"/statuses/{sha}", {"state": "success", "context": "ci/models"}, self.gitea.alice)

    async def merge(self, number: int) -> None:
        """Bob merges, as soon as Gitea knows whether it can be merged."""
        for _ in range(100):
            if self.call("GET", f"/pulls/{number}")["mergeable"]:
                break
            await asyncio.sleep(0.1)
        self.call("POST", f"/pulls/{number}/merge", {"Do": "merge"}, self.gitea.bob)

    def call(self, method: str, path: str, body: Any = None, by: Account | None = None) -> Any:
        return self.gitea.api(method, f"/repos/{self.hosted.project}{path}", body, by=by)

    def pulls(self, state: str = "all") -> list[dict[str, Any]]:
        """Newest first."""
        return list(self.call("GET", f"/pulls?state={state}"))

    async def end(self) -> None:
        """Nothing goes on and nothing is open."""
        await self.controller.aclose()
        await self.forges.aclose()
        self.close()

    async def run_on(self, seconds: float) -> None:
        """Passes, with a little real time for a server that works in the background."""
        for _ in range(round(seconds)):
            await self.run_for(1)
            await asyncio.sleep(0.05)


@pytest.fixture
async def a_world(gitea: Gitea, tmp_path: Path) -> AsyncIterator[AWorld]:
    """Makes worlds; all of them are closed afterwards."""
    made: list[OnGitea] = []

    def make(**wanted: Any) -> OnGitea:
        made.append(OnGitea(tmp_path / f"world-{len(made)}", gitea, **wanted))
        return made[-1]

    yield make
    for world in made:
        await world.end()


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture(autouse=True)
def token(gitea: Gitea, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(TOKEN, gitea.bot.token)
    return gitea.bot.token


async def test_a_promotion_is_a_commit_where_main_takes_it(gitea: Gitea, a_world: AWorld) -> None:
    world = a_world(write_back="{mode: push}")
    await world.add_by_pull("2")
    await world.run_until(lambda: world.reasons()[-1:] == ["PROMOTE EvidenceSufficient"])
    assert 'stable: {app: "2"}' in gitea.read(world.hosted, MANIFEST)
    assert len(world.pulls()) == 1
    newest = world.call("GET", "/commits?sha=main&limit=1")[0]["commit"]
    assert newest["message"].startswith("release(shop): promote next")
    world.check()


async def test_a_promotion_is_a_pull_request_where_main_is_protected(
    gitea: Gitea, a_world: AWorld, token: str, logged: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    world = a_world(write_back="{mode: pull-request, autoMerge: true, labels: [releasectl]}")
    gitea.protect(world.hosted, approvals=0, checks=("ci/models",))
    await world.run_on(3)
    await world.add_by_pull("2", succeeds=True)
    await world.run_until(lambda: world.condition() == "AwaitingMerge")
    # The forge is spoken with beside the passes.
    await world.run_on(12)
    [pull] = world.pulls("open")
    assert (pull["user"]["login"], pull["base"]["ref"], [one["name"] for one in pull["labels"]]) == (
        gitea.bot.login,
        "main",
        ["releasectl"],
    )
    # Allowed by nobody yet: it stays open, the candidate goes on, and the condition says why.
    assert (world.condition(), world.share("next")) == ("AwaitingMerge", 5000)
    assert "does not merge pull request" in world.status().condition.message  # type: ignore[union-attr]

    world.succeed(pull["head"]["sha"])
    await world.run_on(12)
    assert world.reasons()[-1] == "PROMOTE Merged"
    assert 'stable: {app: "2"}' in gitea.read(world.hosted, MANIFEST)
    assert world.call("GET", f"/pulls/{pull['number']}")["merged"]
    assert {one["name"] for one in world.call("GET", "/branches")} == {"main", "releasectl/ledger", "try-2"}
    world.check()
    await world.end()
    _nowhere(token, world, logged, capfd)


async def test_a_wrong_token_is_told_without_telling_it(
    a_world: AWorld, logged: list[Any], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = a_world(write_back="{mode: pull-request}")
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons()[-1:] == ["ADVANCE StepPassed"])
    wrong = "f00dfeed" * 5
    monkeypatch.setenv(TOKEN, wrong)
    await world.run_until(lambda: world.condition() == "ForgeUnavailable")
    message = world.status().condition.message  # type: ignore[union-attr]
    assert "refuses the credentials (status 401)" in message
    assert TOKEN in message
    await world.end()
    _nowhere(wrong, world, logged, capfd)
    assert wrong not in world.seen.model_dump_json()


async def test_without_a_token_gitea_opens_the_pull_request_from_the_push(gitea: Gitea, a_world: AWorld) -> None:
    world = a_world(write_back="{mode: pull-request}", token=False)
    await world.run_on(3)
    world.add_candidate("2")
    await world.run_until(lambda: world.condition() == "AwaitingMerge")
    await world.run_on(8)
    [pull] = world.pulls("open")
    assert pull["title"] == "release(shop): promote next"
    assert "| error-rate | guardrail | PASS |" in pull["body"]
    first = pull["head"]["sha"]
    # The manifest moves on, and the pull request follows it.
    world.write(MANIFEST, "# A remark.\n" + world.read(MANIFEST))
    await world.run_on(8)
    [pull] = world.pulls("open")
    assert pull["head"]["sha"] != first
    await world.merge(pull["number"])
    await world.run_on(3)
    assert world.reasons()[-1] == "PROMOTE Merged"
    assert gitea.read(world.hosted, MANIFEST).startswith("# A remark.\n")
    world.check()


def _nowhere(secret: str, world: OnGitea, logged: list[Any], capfd: pytest.CaptureFixture[str]) -> None:
    """A token is in no output, log, file, commit, pull request or comment."""
    printed = capfd.readouterr()
    assert secret not in printed.out + printed.err + repr(logged)
    for path in world.folder.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    clone = world.folder / "all"
    run_git("clone", "--quiet", "--mirror", world.hosted.clone_url, str(clone), cwd=world.folder)
    assert secret not in run_git("log", "--all", "-p", cwd=clone)
    for pull in world.pulls():
        assert secret not in repr(pull) + repr(world.call("GET", f"/issues/{pull['number']}/comments"))

"""From a pull request by hand to a promotion and a rollback, on a real Gitea."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from releasectl.adapters.forge.forges import Forges
from releasectl.adapters.git.repo import GitRepo
from releasectl.cli.wiring import SteadyClock
from releasectl.domain.forge import ForgeSpec
from releasectl.pulls.desk import Desk
from tests.gitea.server import Account, Gitea, Repository
from tests.scenarios.world import CANDIDATE, ENVIRONMENT, POLICY, RELEASE, World

pytestmark = [pytest.mark.slow, pytest.mark.gitea]

TOKEN = "TEST_FORGE_TOKEN"


class Hosted(World):
    """A world whose repository is on a server."""

    def __init__(self, folder: Path, url: str) -> None:
        self._url = url
        super().__init__(folder)

    def _repo(self, name: str) -> GitRepo:
        repo = GitRepo(self._url, mirror=self.folder / name)
        self._open.append(repo)
        return repo


@dataclass
class Story:
    gitea: Gitea
    repository: Repository
    world: Hosted
    desk: Desk

    def propose(self, version: str, name: str) -> int:
        """Alice's pull request that adds a candidate; its number."""
        block = CANDIDATE.replace("CANDIDATE", name).replace("VERSION", version)
        text = self.gitea.read(self.repository, "releases/shop.yaml").replace("  strategy:", block + "  strategy:")
        self.gitea.commit(self.repository, "releases/shop.yaml", text, branch=name, by=self.gitea.alice)
        body = {"head": name, "base": "main", "title": f"Try {version}"}
        return int(self._api("POST", "/pulls", body, by=self.gitea.alice)["number"])

    def say(self, number: int, by: Account, text: str) -> None:
        self._api("POST", f"/issues/{number}/comments", {"body": text}, by=by)

    def merge(self, number: int) -> None:
        self._api("POST", f"/pulls/{number}/merge", {"Do": "merge"}, by=self.gitea.alice)

    def status(self, number: int) -> tuple[str, str]:
        """State and description of ours at the head."""
        head = self._api("GET", f"/pulls/{number}")["head"]["sha"]
        (ours,) = [
            one for one in self._api("GET", f"/commits/{head}/status")["statuses"] if one["context"] == "releasectl"
        ]
        return ours["status"], ours["description"]

    def ours(self, number: int) -> list[str]:
        found = self._api("GET", f"/issues/{number}/comments")
        return [one["body"] for one in found if one["user"]["login"] == self.gitea.bot.login]

    def _api(self, method: str, path: str, body: Any = None, *, by: Account | None = None) -> Any:
        return self.gitea.api(method, f"/repos/{self.repository.project}{path}", body, by=by)


@pytest.fixture
async def story(gitea: Gitea, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Story]:
    monkeypatch.setenv(TOKEN, gitea.bot.token)
    repository = gitea.repository(
        {"releases/shop.yaml": RELEASE.replace("NAME", "shop"), "policies/careful.yaml": POLICY}
    )
    named = f"  forge: {{type: gitea, url: '{gitea.url}', project: {repository.project}, tokenVariable: {TOKEN}}}\n"
    roles = "  roles: [{who: [alice], may: [rollback]}]\n"
    gitea.commit(repository, "environments/local.yaml", f"{ENVIRONMENT}spec:\n{named}{roles}")
    url = repository.clone_url_as(gitea.bot)
    world = Hosted(tmp_path, url)
    forges = Forges()
    forge = forges(ForgeSpec(type="gitea", url=gitea.url, project=repository.project, token_variable=TOKEN))
    assert forge is not None
    mirror = GitRepo(url, mirror=tmp_path / "mirror-pulls")
    desk = Desk(forge, mirror, world.store, SteadyClock(), where=repository.project)
    await world.run_pass()
    await world.run_pass()
    yield Story(gitea, repository, world, desk)
    world.close()
    mirror.close()
    await forges.aclose()


async def test_from_a_pull_request_to_a_promotion_and_a_rollback(story: Story) -> None:
    # A pull request by hand is checked and planned.
    first = story.propose("2", "better")
    await story.desk.look()
    assert story.status(first) == ("success", "Plan: 1 to start.")
    (comment,) = story.ours(first)
    assert "shop: the trial of better starts" in comment
    await story.desk.look()
    assert story.ours(first) == [comment]

    # Merged, it becomes a canary and is promoted by a commit on main.
    story.merge(first)
    await story.world.run_until(lambda: story.world.reasons()[-1].startswith("PROMOTE"), at_most=300)
    assert 'stable: {app: "2"}' in story.gitea.read(story.repository, "releases/shop.yaml")

    # A candidate that is on trial is taken back by whom a role allows it, and by nobody else.
    second = story.propose("3", "worse")
    await story.desk.look()
    story.merge(second)
    await story.world.run_for(3)
    assert story.world.state().progress is not None
    story.say(second, story.gitea.mallory, "/releasectl rollback shop")
    await story.desk.look()
    await story.world.run_for(2)
    assert story.world.state().progress is not None
    assert sum("`mallory` may not ask for that here" in one for one in story.ours(second)) == 1

    story.say(second, story.gitea.alice, "Complaints come in.\n\n/releasectl rollback shop complaints")
    await story.desk.look()
    await story.world.run_for(2)
    assert story.world.reasons()[-1] == "ROLLBACK Requested"
    assert "worse" not in story.gitea.read(story.repository, "releases/shop.yaml")
    await story.desk.look()
    assert any("ROLLBACK Requested" in one for one in story.ours(second))
    asked = story.world.records()[-1]["given"]["requests"][0]
    assert (asked["by"], asked["reason"]) == ("alice@gitea", "complaints")
    assert story.gitea.bot.token not in "".join([*story.ours(first), *story.ours(second)])

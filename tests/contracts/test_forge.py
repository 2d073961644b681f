"""What every Forge promises, asked of the one in memory and of a real Gitea.

GitHub and GitLab are not reachable from tests; ``tests/adapters/forge/test_conversations.py`` holds what their
adapters say and understand against the documented API.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from releasectl.adapters.forge.forges import Forges
from releasectl.adapters.forge.memory import MemoryForge
from releasectl.domain.forge import ForgeSpec
from releasectl.errors import Conflict
from releasectl.ports import CheckState, Forge, PullState
from tests.gitea.server import Account, Gitea, Repository

MARKER = "<!-- releasectl:plan:desk -->"
TOKEN = "FORGE_TOKEN"


class Hosted(Protocol):
    """A hosted repository and the people around it."""

    forge: Forge
    me: str

    def commit(self, branch: str, content: str) -> str:
        """A commit on a branch, which is made from main if need be."""
        ...

    def says(self, number: int, who: str, body: str) -> None: ...
    def approves(self, number: int, who: str) -> None: ...
    def merges(self, number: int) -> None: ...
    def asks_for_an_approval(self) -> None: ...


@dataclass
class InMemory:
    heads: dict[str, str] = field(default_factory=lambda: {"main": "0" * 40})
    me: str = "releasectl-bot"

    def __post_init__(self) -> None:
        self.forge = MemoryForge(self.heads.get, self._land, me=self.me)

    def commit(self, branch: str, content: str) -> str:
        before = self.heads.get(branch, self.heads["main"])
        self.heads[branch] = hashlib.sha1(f"{before}{content}".encode()).hexdigest()
        return self.heads[branch]

    def _land(self, branch: str) -> str:
        self.heads["main"] = self.heads.pop(branch)
        return self.heads["main"]

    def says(self, number: int, who: str, body: str) -> None:
        self.forge.say(number, who, body)

    def approves(self, number: int, who: str) -> None:
        self.forge.approve(number, who)

    def merges(self, number: int) -> None:
        self.forge.merge(number)

    def asks_for_an_approval(self) -> None:
        self.forge.needed_approvals = 1


@dataclass
class OnGitea:
    gitea: Gitea
    repository: Repository
    forge: Forge
    me: str

    def commit(self, branch: str, content: str) -> str:
        return self.gitea.commit(self.repository, "releases/desk.yaml", content, branch=branch, by=self.gitea.bot)

    def says(self, number: int, who: str, body: str) -> None:
        self._call("POST", f"/issues/{number}/comments", {"body": body}, who)

    def approves(self, number: int, who: str) -> None:
        self._call("POST", f"/pulls/{number}/reviews", {"event": "APPROVED", "body": "well"}, who)

    def merges(self, number: int) -> None:
        self._call("POST", f"/pulls/{number}/merge", {"Do": "merge"}, "alice")

    def asks_for_an_approval(self) -> None:
        self.gitea.protect(self.repository, approvals=1)

    def _call(self, method: str, path: str, body: Any, who: str) -> None:
        account: Account = getattr(self.gitea, who)
        self.gitea.api(method, f"/repos/{self.repository.project}{path}", body, by=account)


@pytest.fixture(params=["memory", pytest.param("gitea", marks=[pytest.mark.gitea, pytest.mark.slow])])
async def hosted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hosted]:
    if request.param == "memory":
        yield InMemory()
        return
    gitea: Gitea = request.getfixturevalue("gitea")
    repository = gitea.repository({"releases/desk.yaml": "stable: 1\n"})
    monkeypatch.setenv(TOKEN, gitea.bot.token)
    forges = Forges()
    forge = forges(ForgeSpec(type="gitea", url=gitea.url, project=repository.project, token_variable=TOKEN))
    assert forge is not None
    yield OnGitea(gitea, repository, forge, gitea.bot.login)
    await forges.aclose()


async def test_a_pull_request_is_made_once_and_brought_up_to_date_afterwards(hosted: Hosted) -> None:
    sha = hosted.commit("try-2", "stable: 2\n")
    assert await hosted.forge.find_pull("try-2") is None
    made = await hosted.forge.ensure_pull(head="try-2", title="Try 2", body="Why.", labels=("releasectl",))
    again = await hosted.forge.ensure_pull(head="try-2", title="Try it", body="Because.", labels=("releasectl", "hot"))

    assert (made.number, made.state, made.head, made.head_sha, made.base) == (
        again.number,
        PullState.OPEN,
        "try-2",
        sha,
        "main",
    )
    assert (again.title, again.body, set(again.labels)) == ("Try it", "Because.", {"releasectl", "hot"})
    assert (again.author, again.foreign) == (hosted.me, False)
    assert [pull.number for pull in await hosted.forge.open_pulls()] == [made.number]
    found = await hosted.forge.find_pull("try-2")
    assert found == await hosted.forge.pull(made.number) == again


async def test_what_is_not_there_is_none(hosted: Hosted) -> None:
    assert await hosted.forge.pull(12345) is None
    assert await hosted.forge.find_pull("no-such-branch") is None
    assert await hosted.forge.open_pulls() == []


async def test_it_is_merged_only_as_it_was_seen(hosted: Hosted) -> None:
    before = hosted.commit("try-2", "stable: 2\n")
    pull = await hosted.forge.ensure_pull(head="try-2", title="Try 2", body="")
    after = hosted.commit("try-2", "stable: 3\n")
    with pytest.raises(Conflict):
        await hosted.forge.merge_pull(pull.number, head_sha=before)
    merged = await _merged(hosted, pull.number, after)

    seen = await hosted.forge.pull(pull.number)
    assert seen is not None
    assert (seen.state, seen.merged_sha) == (PullState.MERGED, merged)
    # Whoever lost the answer asks again.
    assert await hosted.forge.merge_pull(pull.number, head_sha=after) == merged
    assert await hosted.forge.open_pulls() == []


async def test_the_forge_s_own_conditions_count(hosted: Hosted) -> None:
    hosted.asks_for_an_approval()
    sha = hosted.commit("try-2", "stable: 2\n")
    pull = await hosted.forge.ensure_pull(head="try-2", title="Try 2", body="")
    with pytest.raises(Conflict, match=f"does not merge pull request {pull.number}: .*approvals"):
        await _merged(hosted, pull.number, sha)
    hosted.approves(pull.number, "alice")
    assert await _merged(hosted, pull.number, sha)


async def test_an_approval_is_of_one_commit(hosted: Hosted) -> None:
    first = hosted.commit("try-2", "stable: 2\n")
    pull = await hosted.forge.ensure_pull(head="try-2", title="Try 2", body="")
    assert await hosted.forge.approvals(pull.number) == ()
    hosted.approves(pull.number, "alice")
    second = hosted.commit("try-2", "stable: 3\n")
    hosted.approves(pull.number, "bob")
    assert [(one.by, one.sha) for one in await hosted.forge.approvals(pull.number)] == [
        ("alice", first),
        ("bob", second),
    ]


async def test_what_was_closed_can_be_asked_for_anew(hosted: Hosted) -> None:
    hosted.commit("try-2", "stable: 2\n")
    first = await hosted.forge.ensure_pull(head="try-2", title="Try 2", body="")
    await hosted.forge.close_pull(first.number)
    await hosted.forge.close_pull(first.number)
    found = await hosted.forge.find_pull("try-2")
    assert found is not None
    assert (found.number, found.state) == (first.number, PullState.CLOSED)

    second = await hosted.forge.ensure_pull(head="try-2", title="Try 2", body="")
    assert (second.number != first.number, second.state) == (True, PullState.OPEN)
    await hosted.forge.close_pull(second.number)
    newest = await hosted.forge.find_pull("try-2")
    assert newest is not None
    assert newest.number == second.number


async def test_one_comment_is_kept_up_to_date_among_those_of_others(hosted: Hosted) -> None:
    hosted.commit("try-2", "stable: 2\n")
    number = (await hosted.forge.ensure_pull(head="try-2", title="Try 2", body="")).number
    hosted.says(number, "mallory", f"{MARKER} this looks like the bot's")
    await hosted.forge.mark(number, marker=MARKER, body="first plan")
    hosted.says(number, "alice", "/releasectl status")
    await hosted.forge.mark(number, marker=MARKER, body="second plan")
    await hosted.forge.reply(number, "noted")

    said = [(remark.author, remark.body.split("\n")[0]) for remark in await hosted.forge.remarks(number)]
    assert said == [
        ("mallory", f"{MARKER} this looks like the bot's"),
        (hosted.me, "second plan"),
        ("alice", "/releasectl status"),
        (hosted.me, "noted"),
    ]


async def test_equal_text_writes_nothing(hosted: Hosted) -> None:
    hosted.commit("try-2", "stable: 2\n")
    number = (await hosted.forge.ensure_pull(head="try-2", title="Try 2", body="")).number
    await hosted.forge.mark(number, marker=MARKER, body="a plan\nof two lines\n")
    await hosted.forge.mark(number, marker=MARKER, body="a plan\nof two lines\n")
    [remark] = await hosted.forge.remarks(number)
    assert not remark.edited


async def test_a_long_comment_is_cut_and_found_again(hosted: Hosted) -> None:
    hosted.commit("try-2", "stable: 2\n")
    number = (await hosted.forge.ensure_pull(head="try-2", title="Try 2", body="")).number
    for round_ in "ab":
        await hosted.forge.mark(number, marker=MARKER, body=round_ * 100_000)
    [remark] = await hosted.forge.remarks(number)
    assert remark.body.startswith("b" * 1000)
    assert len(remark.body) < 65_536


async def test_a_status_is_set_as_often_as_one_likes(hosted: Hosted) -> None:
    sha = hosted.commit("try-2", "stable: 2\n")
    await hosted.forge.set_status(sha, CheckState.PENDING, context="releasectl/plan", description="looking")
    for _ in range(2):
        await hosted.forge.set_status(sha, CheckState.SUCCESS, context="releasectl/plan", description="x" * 500)
    assert await hosted.forge.whoami() == hosted.me


async def test_what_a_person_merged_shows_as_merged(hosted: Hosted) -> None:
    hosted.commit("try-2", "stable: 2\n")
    pull = await hosted.forge.ensure_pull(head="try-2", title="Try 2", body="")
    await _settled(hosted, pull.number)
    hosted.merges(pull.number)
    found = await hosted.forge.find_pull("try-2")
    assert found is not None
    assert found.state is PullState.MERGED


async def _merged(hosted: Hosted, number: int, sha: str) -> str:
    """Merge it as a pass after the other would: a forge may first have to find out whether it can."""
    for _ in range(50):
        try:
            return await hosted.forge.merge_pull(number, head_sha=sha)
        except Conflict as error:
            if "try again later" not in error.message.lower():
                raise
        await asyncio.sleep(0.2)
    raise AssertionError("it never could be merged")


async def _settled(hosted: Hosted, number: int) -> None:
    if isinstance(hosted, OnGitea):
        path = f"/repos/{hosted.repository.project}/pulls/{number}"
        for _ in range(50):
            if hosted.gitea.api("GET", path)["mergeable"]:
                return
            await asyncio.sleep(0.2)

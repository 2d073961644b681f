"""GitHub's and GitLab's adapters against recorded conversations.

These are not the live services: requests and answers are written down from the documented REST APIs (GitHub's of
2022-11-28, GitLab's v4). What is checked is that the adapters ask for what the documentation offers, with bodies that
it allows, and understand what it promises. What a forge *does* is asked of a real Gitea in ``tests/contracts``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from releasectl.adapters.forge.forges import Forges
from releasectl.adapters.forge.github import GithubForge, api_of
from releasectl.adapters.forge.gitlab import GitlabForge
from releasectl.domain.forge import ForgeSpec
from releasectl.errors import Conflict, Denied
from releasectl.ports import Approving, CheckState, PullState
from tests.adapters.forge.conversations import TEXT, Exchange, Script, an_object

TOKEN = "s3cret"
SHA, OTHER = "a" * 40, "b" * 40
AT = "2026-01-31T12:00:00Z"
MARKER = "<!-- plan -->"

# --- GitHub ---------------------------------------------------------------------------------------------

GITHUB = "https://api.github.com"
REPO = "/repos/models/desk"
GITHUB_BODIES = {
    "POST pulls": an_object("head base", title=TEXT, body=TEXT, head=TEXT, base=TEXT, draft={"type": "boolean"}),
    "PATCH N": an_object(title=TEXT, body=TEXT, state={"enum": ["open", "closed"]}, base=TEXT),
    "POST labels": an_object(labels={"type": "array", "items": TEXT, "minItems": 1}),
    "PUT merge": an_object(
        sha=TEXT, merge_method={"enum": ["merge", "squash", "rebase"]}, commit_title=TEXT, commit_message=TEXT
    ),
    "POST statuses": an_object(
        "state",
        state={"enum": ["error", "failure", "pending", "success"]},
        target_url=TEXT,
        description={"type": "string", "maxLength": 140},
        context=TEXT,
    ),
    "POST comments": an_object("body", body={"type": "string", "maxLength": 65_536}),
}
FIND = f"GET {REPO}/pulls?state=all&head=models%3Atry-2&sort=created&direction=desc&base=main&page=1&per_page=100"


def a_github_pull(**changes: Any) -> dict[str, Any]:
    """As the documentation shows it, without what nobody here reads."""
    repo = {"id": 1296269, "full_name": "models/desk"}
    return {
        "id": 1,
        "url": f"{GITHUB}{REPO}/pulls/7",
        "html_url": "https://github.com/models/desk/pull/7",
        "number": 7,
        "state": "open",
        "locked": False,
        "title": "Try 2",
        "user": {"login": "releasectl-bot", "id": 1, "type": "User"},
        "body": "Why.",
        "labels": [{"id": 208045946, "name": "releasectl", "color": "f29513", "default": False}],
        "created_at": AT,
        "closed_at": None,
        "merged_at": None,
        "merge_commit_sha": OTHER,
        "head": {"label": "models:try-2", "ref": "try-2", "sha": SHA, "repo": repo},
        "base": {"label": "models:main", "ref": "main", "sha": OTHER, "repo": repo},
        "draft": False,
    } | changes


@pytest.fixture
def github_script() -> Script:
    headers = {
        "authorization": f"Bearer {TOKEN}",
        "accept": "application/vnd.github+json",
        "x-github-api-version": "2022-11-28",
    }
    return Script(GITHUB, GITHUB_BODIES, headers)


@pytest.fixture
async def github(github_script: Script, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GithubForge]:
    monkeypatch.setenv("FORGE_TOKEN", TOKEN)
    forges = Forges(transport=httpx.MockTransport(github_script))
    forge = forges(
        ForgeSpec(type="github", url="https://github.com", project="models/desk", token_variable="FORGE_TOKEN")
    )
    assert isinstance(forge, GithubForge)
    yield forge
    await forges.aclose()


def test_an_enterprise_server_has_its_api_below_the_site() -> None:
    assert api_of("https://github.com/") == "https://api.github.com"
    assert api_of("https://git.corp.example") == "https://git.corp.example/api/v3"


async def test_github_opens_a_pull_request_once(github: GithubForge, github_script: Script) -> None:
    made = {"head": "try-2", "base": "main", "title": "Try 2", "body": "Why."}
    labelled = [{"name": "releasectl"}, {"name": "hot"}]
    with github_script.follows(
        Exchange(FIND, gets=[]),
        Exchange(f"POST {REPO}/pulls", made, a_github_pull(labels=[]), 201),
        Exchange(f"POST {REPO}/issues/7/labels", {"labels": ["releasectl", "hot"]}, labelled),
        Exchange(f"GET {REPO}/pulls/7", gets=a_github_pull(labels=labelled)),
    ):
        pull = await github.ensure_pull(head="try-2", title="Try 2", body="Why.", labels=("releasectl", "hot"))
    assert (pull.number, pull.state, pull.head_sha, pull.merged_sha) == (7, PullState.OPEN, SHA, None)
    assert (pull.labels, pull.foreign) == (("releasectl", "hot"), False)
    with github_script.follows(
        Exchange(FIND, gets=[a_github_pull()]),
        Exchange(f"PATCH {REPO}/pulls/7", {"title": "Try it", "body": "Why."}, a_github_pull(title="Try it")),
    ):
        assert (await github.ensure_pull(head="try-2", title="Try it", body="Why.")).title == "Try it"


async def test_github_is_asked_again_where_somebody_was_faster(github: GithubForge, github_script: Script) -> None:
    made = {"head": "try-2", "base": "main", "title": "Try 2", "body": "Why."}
    errors = [
        {"resource": "PullRequest", "code": "custom", "message": "A pull request already exists for models:try-2."}
    ]
    refused = {"message": "Validation Failed", "errors": errors}
    with github_script.follows(
        Exchange(FIND, gets=[]),
        Exchange(f"POST {REPO}/pulls", made, refused, 422),
        Exchange(FIND, gets=[a_github_pull()]),
    ):
        assert (await github.ensure_pull(head="try-2", title="Try 2", body="Why.")).number == 7
    with (
        github_script.follows(
            Exchange(FIND, gets=[]),
            Exchange(f"POST {REPO}/pulls", made, {"message": "Not Found"}, 404),
        ),
        pytest.raises(Denied, match="knows no project models/desk that this account may see"),
    ):
        await github.ensure_pull(head="try-2", title="Try 2", body="Why.")


async def test_github_merges_as_the_repository_allows(github: GithubForge, github_script: Script) -> None:
    settings = {"allow_merge_commit": False, "allow_squash_merge": True, "allow_rebase_merge": True}
    after = a_github_pull(state="closed", merged_at=AT)
    with github_script.follows(
        Exchange(f"GET {REPO}", gets=settings),
        Exchange(
            f"PUT {REPO}/pulls/7/merge",
            {"sha": SHA, "merge_method": "squash"},
            {"sha": OTHER, "merged": True, "message": "Pull Request successfully merged"},
        ),
        Exchange(f"GET {REPO}/pulls/7", gets=after),
        Exchange(f"DELETE {REPO}/git/refs/heads/try-2", status=204),
    ):
        assert await github.merge_pull(7, head_sha=SHA) == OTHER


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (405, "At least 1 approving review is required by reviewers with write access."),
        (409, "Head branch was modified. Review and try the merge again."),
    ],
)
async def test_github_says_why_it_does_not_merge(
    github: GithubForge, github_script: Script, status: int, message: str
) -> None:
    with (
        github_script.follows(
            Exchange(f"GET {REPO}", gets={}),
            Exchange(f"PUT {REPO}/pulls/7/merge", {"sha": SHA, "merge_method": "merge"}, {"message": message}, status),
            Exchange(f"GET {REPO}/pulls/7", gets=a_github_pull()),
        ),
        pytest.raises(Conflict, match=message),
    ):
        await github.merge_pull(7, head_sha=SHA)


async def test_github_s_last_word_of_each_reviewer_counts(github: GithubForge, github_script: Script) -> None:
    def review(who: str, state: str, sha: str) -> dict[str, Any]:
        return {"id": 80, "user": {"login": who}, "body": "", "state": state, "submitted_at": AT, "commit_id": sha}

    given = [
        review("alice", "APPROVED", SHA),
        review("bob", "APPROVED", SHA),
        review("bob", "CHANGES_REQUESTED", SHA),
        review("cleo", "CHANGES_REQUESTED", SHA),
        review("cleo", "APPROVED", OTHER),
        review("cleo", "COMMENTED", OTHER),
        review("dan", "DISMISSED", SHA),
    ]
    with github_script.follows(Exchange(f"GET {REPO}/pulls/7/reviews?page=1&per_page=100", gets=given)):
        found = await github.approvals(7)
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert found == (Approving("alice", SHA, at), Approving("cleo", OTHER, at))


async def test_github_keeps_one_comment_over_pages(github: GithubForge, github_script: Script) -> None:
    def comment(number: int, who: str, body: str) -> dict[str, Any]:
        return {"id": number, "body": body, "user": {"login": who}, "created_at": AT, "updated_at": AT}

    path = f"GET {REPO}/issues/7/comments"
    more = {"link": f'<{GITHUB}/repositories/1/issues/7/comments?page=2>; rel="next"'}
    with github_script.follows(
        Exchange("GET /user", gets={"login": "releasectl-bot", "id": 1}),
        Exchange(f"{path}?page=1&per_page=100", gets=[comment(1, "mallory", f"x {MARKER}")], headers=more),
        Exchange(f"{path}?page=2&per_page=100", gets=[comment(2, "releasectl-bot", f"old\r\n\r\n{MARKER}")]),
        Exchange(f"PATCH {REPO}/issues/comments/2", {"body": f"new\n\n{MARKER}"}, comment(2, "releasectl-bot", "new")),
    ):
        await github.mark(7, marker=MARKER, body="new")
    with github_script.follows(
        Exchange(f"{path}?page=1&per_page=100", gets=[comment(2, "releasectl-bot", f"new\r\n\r\n{MARKER}")])
    ):
        await github.mark(7, marker=MARKER, body="new")


async def test_github_sets_a_status_and_a_fork_is_foreign(github: GithubForge, github_script: Script) -> None:
    said = {
        "state": "failure",
        "context": "releasectl/plan",
        "description": "x" * 139 + "…",
        "target_url": "https://d/",
    }
    fork = a_github_pull(head={"ref": "try-2", "sha": SHA, "repo": None})
    with github_script.follows(
        Exchange(f"POST {REPO}/statuses/{SHA}", said, {"id": 1}, 201),
        Exchange(f"GET {REPO}/pulls?state=open&base=main&page=1&per_page=100", gets=[fork]),
        Exchange(f"GET {REPO}/pulls/7", gets={"message": "Not Found"}, status=404),
    ):
        await github.set_status(
            SHA, CheckState.FAILURE, context="releasectl/plan", description="x" * 400, url="https://d/"
        )
        [pull] = await github.open_pulls()
        assert pull.foreign
        assert await github.pull(7) is None


# --- GitLab ---------------------------------------------------------------------------------------------

GITLAB = "https://gitlab.example.com/api/v4"
PROJECT = "/projects/group%2Fmodels%2Fdesk"
MRS = f"{PROJECT}/merge_requests"
BOOLEAN = {"type": "boolean"}
GITLAB_BODIES = {
    "POST merge_requests": an_object(
        "source_branch target_branch title",
        source_branch=TEXT,
        target_branch=TEXT,
        title=TEXT,
        description=TEXT,
        labels=TEXT,
        remove_source_branch=BOOLEAN,
        squash=BOOLEAN,
    ),
    "PUT N": an_object(
        title=TEXT, description=TEXT, add_labels=TEXT, state_event={"enum": ["close", "reopen"]}, body=TEXT
    ),
    "PUT merge": an_object(sha=TEXT, should_remove_source_branch=BOOLEAN, auto_merge=BOOLEAN, squash=BOOLEAN),
    "POST statuses": an_object(
        "state",
        state={"enum": ["pending", "running", "success", "failed", "canceled", "skipped"]},
        name=TEXT,
        target_url=TEXT,
        description={"type": "string", "maxLength": 255},
    ),
    "POST notes": an_object("body", body=TEXT),
}
LOOK = f"GET {MRS}?state=all&source_branch=try-2&order_by=created_at&sort=desc&target_branch=main&page=1&per_page=100"


def a_merge_request(**changes: Any) -> dict[str, Any]:
    """As the documentation shows it, without what nobody here reads."""
    return {
        "id": 155,
        "iid": 7,
        "project_id": 15,
        "title": "Try 2",
        "description": "Why.",
        "state": "opened",
        "created_at": AT,
        "target_branch": "main",
        "source_branch": "try-2",
        "author": {"id": 4, "username": "releasectl-bot", "name": "bot"},
        "source_project_id": 15,
        "target_project_id": 15,
        "labels": ["releasectl"],
        "draft": False,
        "sha": SHA,
        "merge_commit_sha": None,
        "squash_commit_sha": None,
        "web_url": "https://gitlab.example.com/group/models/desk/-/merge_requests/7",
        "detailed_merge_status": "mergeable",
    } | changes


@pytest.fixture
def gitlab_script() -> Script:
    return Script(GITLAB, GITLAB_BODIES, {"authorization": f"Bearer {TOKEN}"})


@pytest.fixture
async def gitlab(gitlab_script: Script, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GitlabForge]:
    monkeypatch.setenv("FORGE_TOKEN", TOKEN)
    forges = Forges(transport=httpx.MockTransport(gitlab_script))
    spec = ForgeSpec(
        type="gitlab",
        url="https://gitlab.example.com/",
        project="group/models/desk",
        token_variable="FORGE_TOKEN",
    )
    forge = forges(spec)
    assert isinstance(forge, GitlabForge)
    yield forge
    await forges.aclose()


async def test_gitlab_opens_a_merge_request_once(gitlab: GitlabForge, gitlab_script: Script) -> None:
    said = {
        "source_branch": "try-2",
        "target_branch": "main",
        "title": "Try 2",
        "description": "Why.",
        "labels": "releasectl",
        "remove_source_branch": True,
    }
    with gitlab_script.follows(Exchange(LOOK, gets=[]), Exchange(f"POST {MRS}", said, a_merge_request(), 201)):
        pull = await gitlab.ensure_pull(head="try-2", title="Try 2", body="Why.", labels=("releasectl",))
    assert (pull.number, pull.state, pull.head_sha, pull.author) == (7, PullState.OPEN, SHA, "releasectl-bot")
    edit = {"title": "Try 2", "description": "Why.", "add_labels": "hot"}
    with gitlab_script.follows(
        Exchange(LOOK, gets=[a_merge_request()]),
        Exchange(f"PUT {MRS}/7", edit, a_merge_request(labels=["releasectl", "hot"])),
    ):
        again = await gitlab.ensure_pull(head="try-2", title="Try 2", body="Why.", labels=("releasectl", "hot"))
    assert again.labels == ("releasectl", "hot")
    exists = {"message": ["Another open merge request already exists for this source branch: !7"]}
    with gitlab_script.follows(
        Exchange(LOOK, gets=[]),
        Exchange(f"POST {MRS}", said, exists, 409),
        Exchange(LOOK, gets=[a_merge_request()]),
    ):
        await gitlab.ensure_pull(head="try-2", title="Try 2", body="Why.", labels=("releasectl",))


async def test_gitlab_merges_what_was_seen(gitlab: GitlabForge, gitlab_script: Script) -> None:
    said = {"sha": SHA, "should_remove_source_branch": True}
    merged = a_merge_request(state="merged", merge_commit_sha=OTHER)
    with gitlab_script.follows(Exchange(f"PUT {MRS}/7/merge", said, merged), Exchange(f"GET {MRS}/7", gets=merged)):
        assert await gitlab.merge_pull(7, head_sha=SHA) == OTHER
    refused = {"message": "SHA does not match HEAD of source branch: " + OTHER}
    with (
        gitlab_script.follows(
            Exchange(f"PUT {MRS}/7/merge", said, refused, 409), Exchange(f"GET {MRS}/7", gets=a_merge_request())
        ),
        pytest.raises(Conflict, match="SHA does not match HEAD"),
    ):
        await gitlab.merge_pull(7, head_sha=SHA)


async def test_gitlab_s_approvals_are_of_the_version_that_was_there(gitlab: GitlabForge, gitlab_script: Script) -> None:
    def approval(who: str, at: str | None) -> dict[str, Any]:
        return {"user": {"id": 1, "username": who}} | ({"approved_at": at} if at else {})

    approved = [
        approval("bob", "2026-01-31T13:30:00Z"),
        approval("alice", "2026-01-31T12:30:00Z"),
        approval("old", None),
    ]
    versions = [
        {"id": 2, "head_commit_sha": OTHER, "base_commit_sha": "c", "created_at": "2026-01-31T13:00:00Z"},
        {"id": 1, "head_commit_sha": SHA, "base_commit_sha": "c", "created_at": "2026-01-31T12:00:00Z"},
    ]
    with gitlab_script.follows(
        Exchange(f"GET {MRS}/7/approvals", gets={"iid": 7, "approved_by": approved}),
        Exchange(f"GET {MRS}/7/versions?page=1&per_page=100", gets=versions),
    ):
        found = await gitlab.approvals(7)
    assert [(one.by, one.sha) for one in found] == [("alice", SHA), ("bob", OTHER)]


async def test_gitlab_s_own_notes_are_no_comments(gitlab: GitlabForge, gitlab_script: Script) -> None:
    def note(number: int, who: str, body: str, *, system: bool = False) -> dict[str, Any]:
        author = {"id": 1, "username": who}
        return {"id": number, "body": body, "author": author, "created_at": AT, "updated_at": AT, "system": system}

    listed = f"GET {MRS}/7/notes?sort=asc&order_by=created_at&page=1&per_page=100"
    notes = [note(1, "releasectl-bot", f"approved {MARKER}", system=True), note(2, "alice", "/releasectl plan")]
    with gitlab_script.follows(
        Exchange("GET /user", gets={"id": 4, "username": "releasectl-bot"}),
        Exchange(listed, gets=notes),
        Exchange(f"POST {MRS}/7/notes", {"body": f"plan\n\n{MARKER}"}, note(3, "releasectl-bot", "plan"), 201),
    ):
        await gitlab.mark(7, marker=MARKER, body="plan")
    with gitlab_script.follows(
        Exchange(listed, gets=[*notes, note(3, "releasectl-bot", f"plan\n\n{MARKER}")]),
        Exchange(f"PUT {MRS}/7/notes/3", {"body": f"other\n\n{MARKER}"}, note(3, "releasectl-bot", "other")),
    ):
        await gitlab.mark(7, marker=MARKER, body="other")


async def test_gitlab_takes_a_status_twice(gitlab: GitlabForge, gitlab_script: Script) -> None:
    said = {"state": "failed", "name": "releasectl/plan", "description": "no"}
    again = {
        "message": 'Cannot transition status via :drop from :failed (Reason(s): Status cannot transition via "drop")'
    }
    with gitlab_script.follows(
        Exchange(f"POST {PROJECT}/statuses/{SHA}", said, {"id": 1}, 201),
        Exchange(f"POST {PROJECT}/statuses/{SHA}", said, again, 400),
    ):
        for _ in range(2):
            await gitlab.set_status(SHA, CheckState.FAILURE, context="releasectl/plan", description="no")


async def test_gitlab_closes_and_tells_a_fork(gitlab: GitlabForge, gitlab_script: Script) -> None:
    with gitlab_script.follows(
        Exchange(f"GET {MRS}/7", gets=a_merge_request()),
        Exchange(f"PUT {MRS}/7", {"state_event": "close"}, a_merge_request(state="closed")),
        Exchange(
            f"GET {MRS}?state=opened&target_branch=main&page=1&per_page=100",
            gets=[a_merge_request(source_project_id=16)],
        ),
    ):
        await gitlab.close_pull(7)
        [pull] = await gitlab.open_pulls()
    assert pull.foreign

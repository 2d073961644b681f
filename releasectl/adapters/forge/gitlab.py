"""GitLab: merge requests through API v4 (https://docs.gitlab.com/api/rest/). Its words for things are its own here
only: a pull request is a merge request, a comment a note, a number an ``iid``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from releasectl.adapters.forge.comments import keep_marked
from releasectl.adapters.forge.http import Answer, ForgeHttp
from releasectl.adapters.forge.wording import (
    LONGEST_DESCRIPTION,
    LONGEST_TITLE,
    body_of,
    line_of,
    not_merged,
    not_there,
)
from releasectl.errors import Conflict, Denied
from releasectl.ports import Approving, CheckState, Pull, PullState, Remark

_SIZE: dict[str, Any] = {"size": 100, "size_name": "per_page"}
_STATES = {"merged": PullState.MERGED, "opened": PullState.OPEN, "locked": PullState.OPEN}
"""``locked`` is the moment of a merge under way; all else is closed."""
_STATUS = {
    CheckState.PENDING: "pending",
    CheckState.SUCCESS: "success",
    CheckState.FAILURE: "failed",
    CheckState.ERROR: "failed",
}


class GitlabForge:
    """``ports.Forge`` for one project; ``branch`` is the manifests' branch."""

    kind = "gitlab"

    def __init__(self, http: ForgeHttp, project: str, *, branch: str = "main") -> None:
        self._http = http
        self._name = project
        self._branch = branch
        self._project = f"/projects/{quote(project, safe='')}"
        self._requests = f"{self._project}/merge_requests"
        self._me = ""

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def open_pulls(self) -> Sequence[Pull]:
        """All open merge requests into the manifests' branch."""
        return [pull async for pull in self._pulls({"state": "opened"})]

    async def pull(self, number: int) -> Pull | None:
        """One merge request; None if there is none of that number."""
        answer = await self._http.call("GET", f"{self._requests}/{number}")
        return self._read(answer.data) if answer.ok else None

    async def find_pull(self, head: str) -> Pull | None:
        """The newest merge request from a branch of this project, whatever its state."""
        query = {"state": "all", "source_branch": head, "order_by": "created_at", "sort": "desc"}
        async for pull in self._pulls(query):
            if pull.head == head and not pull.foreign:
                return pull
        return None

    async def ensure_pull(self, *, head: str, title: str, body: str, labels: Sequence[str] = ()) -> Pull:
        """The open merge request from ``head``, made if need be, with this title, body and at least these labels."""
        wanted = {"title": line_of(title, LONGEST_TITLE), "description": body_of(body)}
        found = await self.find_pull(head)
        if found is None or found.state is not PullState.OPEN:
            branches = {"source_branch": head, "target_branch": self._branch}
            more = {"labels": ",".join(labels), "remove_source_branch": True}
            answer = await self._http.call("POST", self._requests, {**branches, **wanted, **more})
            if answer.ok:
                found = self._read(answer.data)
            elif answer.status in (409, 422):
                # Somebody may have made it since it was looked for.
                found = await self.find_pull(head)
            if found is None or found.state is not PullState.OPEN:
                raise self._refused("open a merge request", answer)
        missing = [label for label in labels if label not in found.labels]
        if (found.title, found.body) == (wanted["title"], wanted["description"]) and not missing:
            return found
        more = {"add_labels": ",".join(missing)} if missing else {}
        answer = await self._http.call("PUT", f"{self._requests}/{found.number}", {**wanted, **more})
        if not answer.ok:
            raise self._refused(f"edit merge request {found.number}", answer)
        return self._read(answer.data)

    async def merge_pull(self, number: int, *, head_sha: str) -> str:
        """Merge it if its head is still ``head_sha``; the merge's commit. Conflict if it moved or cannot be merged."""
        wanted = {"sha": head_sha, "should_remove_source_branch": True}
        answer = await self._http.call("PUT", f"{self._requests}/{number}/merge", wanted, repeatable=False)
        after = await self.pull(number)
        if after is None or after.state is not PullState.MERGED or after.head_sha != head_sha:
            raise not_merged(number, self._http.host, answer.words if not answer.ok else "it is not merged yet")
        return after.merged_sha or head_sha

    async def close_pull(self, number: int) -> None:
        """Close it without merging; no error if it is closed already."""
        pull = await self.pull(number)
        if pull and pull.state is PullState.OPEN:
            answer = await self._http.call("PUT", f"{self._requests}/{number}", {"state_event": "close"})
            if not answer.ok:
                raise self._refused(f"close merge request {number}", answer)

    async def set_status(self, sha: str, state: CheckState, *, context: str, description: str, url: str = "") -> None:
        """The status of a commit under a context; a later one replaces an earlier."""
        wanted = {"state": _STATUS[state], "name": context, "description": line_of(description, LONGEST_DESCRIPTION)}
        wanted |= {"target_url": url} if url else {}
        path = f"{self._project}/statuses/{quote(sha, safe='')}"
        answer = await self._http.call("POST", path, wanted, repeatable=True)
        # It refuses to set what is set already, in these words.
        if not answer.ok and "cannot transition status" not in answer.words.lower():
            raise self._refused(f"set the status of {sha[:10]}", answer)

    async def mark(self, number: int, *, marker: str, body: str) -> None:
        """Create or update the one note of ours that carries ``marker``; equal text writes nothing."""
        await keep_marked(self, number, marker=marker, body=body)

    async def remarks(self, number: int) -> Sequence[Remark]:
        """All notes of people on a merge request, oldest first."""
        path = f"{self._requests}/{number}/notes"
        found = []
        async for item in self._http.pages(path, query={"sort": "asc", "order_by": "created_at"}, **_SIZE):
            one = self._http.parsed(_Note, item, path)
            if not one.system:
                edited = one.updated_at > one.created_at
                found.append(Remark(one.id, one.author.username, one.body, one.created_at, edited=edited))
        return tuple(found)

    async def reply(self, number: int, body: str) -> None:
        """A further note."""
        answer = await self._http.call("POST", f"{self._requests}/{number}/notes", {"body": body_of(body)})
        if not answer.ok:
            raise self._refused(f"comment on merge request {number}", answer)

    async def rewrite(self, number: int, remark: int, body: str) -> None:
        """Another text for a note of ours."""
        answer = await self._http.call("PUT", f"{self._requests}/{number}/notes/{remark}", {"body": body})
        if not answer.ok:
            raise self._refused(f"edit a comment on merge request {number}", answer)

    async def approvals(self, number: int) -> Sequence[Approving]:
        """Approvals in force, each of the commit that was the head when it was given.

        GitLab tells who approved and when, and not of what: the commit is that of the newest version of the merge
        request that was there by then. An approval without a time counts for no commit and is left out.
        """
        answer = await self._http.call("GET", f"{self._requests}/{number}/approvals")
        if not answer.ok:
            return ()
        approved = self._http.parsed(_Approvals, answer.data, f"{self._requests}/{number}/approvals").approved_by
        if not approved:
            return ()
        path = f"{self._requests}/{number}/versions"
        versions = [self._http.parsed(_Version, item, path) async for item in self._http.pages(path, **_SIZE)]
        found = []
        for each in approved:
            if each.approved_at is None:
                continue
            before = [version for version in versions if version.created_at <= each.approved_at]
            if before:
                newest = max(before, key=lambda version: version.created_at)
                found.append(Approving(each.user.username, newest.head_commit_sha, each.approved_at))
        return tuple(sorted(found, key=lambda approving: approving.by))

    async def whoami(self) -> str:
        """Login of the account whose token is used."""
        if not self._me:
            answer = await self._http.call("GET", "/user")
            self._me = self._http.parsed(_User, answer.data, "/user").username
        return self._me

    async def _pulls(self, query: dict[str, str]) -> AsyncIterator[Pull]:
        async for item in self._http.pages(self._requests, query={**query, "target_branch": self._branch}, **_SIZE):
            yield self._read(item)

    def _read(self, data: Any) -> Pull:
        given = self._http.parsed(_MergeRequest, data, self._requests)
        return Pull(
            number=given.iid,
            title=given.title,
            body=given.description or "",
            state=_STATES.get(given.state, PullState.CLOSED),
            head=given.source_branch,
            head_sha=given.sha or "",
            base=given.target_branch,
            author=given.author.username if given.author else "",
            url=given.web_url,
            labels=tuple(given.labels),
            # A fast-forward makes no commit of its own, a squash one before the merge.
            merged_sha=given.merge_commit_sha or given.squash_commit_sha or given.sha
            if given.state == "merged"
            else None,
            foreign=given.source_project_id != given.target_project_id,
        )

    def _refused(self, what: str, answer: Answer) -> Exception:
        if answer.status == 404:
            return not_there(self._http.host, self._name)
        words = f"{self._http.host} did not {what}: {answer.words}"
        return Conflict(words) if answer.status in (409, 422) else Denied(words)


class _User(BaseModel):
    username: str


class _MergeRequest(BaseModel):
    iid: int
    title: str
    description: str | None = None
    state: str
    source_branch: str
    target_branch: str
    source_project_id: int | None = None
    target_project_id: int
    sha: str | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    author: _User | None = None
    web_url: str
    labels: list[str] = []


class _Note(BaseModel):
    id: int
    author: _User
    body: str
    created_at: datetime
    updated_at: datetime
    system: bool = False


class _Approval(BaseModel):
    user: _User
    approved_at: datetime | None = None


class _Approvals(BaseModel):
    approved_by: list[_Approval] = []


class _Version(BaseModel):
    head_commit_sha: str
    created_at: datetime

"""GitHub and GitHub Enterprise Server: the REST API of version 2022-11-28 (https://docs.github.com/rest)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from releasectl.adapters.forge.githublike import GithubLike, User
from releasectl.adapters.forge.wording import LONGEST_TITLE, body_of, line_of, not_merged
from releasectl.ports import Approving, Pull, PullState, Remark

ACCEPT = "application/vnd.github+json"
HEADERS = {"x-github-api-version": "2022-11-28"}
_SIZE: dict[str, Any] = {"size": 100, "size_name": "per_page"}
_STYLES = (("merge", "allow_merge_commit"), ("squash", "allow_squash_merge"), ("rebase", "allow_rebase_merge"))


def api_of(url: str) -> str:
    """Address of the API of the site that people open at ``url``."""
    bare = url.rstrip("/")
    return "https://api.github.com" if bare in ("https://github.com", "https://www.github.com") else f"{bare}/api/v3"


class GithubForge(GithubLike):
    """``ports.Forge`` for one repository; ``branch`` is the manifests' branch."""

    kind = "github"

    async def open_pulls(self) -> Sequence[Pull]:
        """All open pull requests into the manifests' branch."""
        return [pull async for pull in self._pulls({"state": "open"})]

    async def find_pull(self, head: str) -> Pull | None:
        """The newest pull request from a branch of this repository, whatever its state."""
        query = {
            "state": "all",
            "head": f"{self._project.partition('/')[0]}:{head}",
            "sort": "created",
            "direction": "desc",
        }
        async for pull in self._pulls(query):
            if pull.head == head and not pull.foreign:
                return pull
        return None

    async def ensure_pull(self, *, head: str, title: str, body: str, labels: Sequence[str] = ()) -> Pull:
        """The open pull request from ``head``, made if need be, with this title, body and at least these labels."""
        wanted = {"title": line_of(title, LONGEST_TITLE), "body": body_of(body)}
        found = await self.find_pull(head)
        if found is None or found.state is not PullState.OPEN:
            answer = await self._http.call(
                "POST", f"{self._repo}/pulls", {"head": head, "base": self._branch, **wanted}
            )
            if answer.ok:
                found = self._read(answer.data)
            elif answer.status == 422:
                # Somebody may have made it since it was looked for.
                found = await self.find_pull(head)
            if found is None or found.state is not PullState.OPEN:
                raise self._refused("open a pull request", answer)
        if (found.title, found.body.replace("\r\n", "\n")) != (wanted["title"], wanted["body"]):
            found = await self._edit(f"edit pull request {found.number}", found.number, wanted)
        missing = [label for label in labels if label not in found.labels]
        if not missing:
            return found
        path = f"{self._repo}/issues/{found.number}/labels"
        answer = await self._http.call("POST", path, {"labels": missing}, repeatable=True)
        if not answer.ok:
            raise self._refused(f"label pull request {found.number}", answer)
        return await self.pull(found.number) or found

    async def merge_pull(self, number: int, *, head_sha: str) -> str:
        """Merge it if its head is still ``head_sha``; the merge's commit. Conflict if it moved or cannot be merged."""
        wanted = {"sha": head_sha, "merge_method": await self._style()}
        answer = await self._http.call("PUT", f"{self._repo}/pulls/{number}/merge", wanted, repeatable=False)
        after = await self.pull(number)
        if after is None or after.state is not PullState.MERGED or after.head_sha != head_sha:
            raise not_merged(number, self._http.host, answer.words if not answer.ok else "it is not merged yet")
        # Gone already where the repository deletes branches by itself; it harms nobody where it stays.
        await self._http.call("DELETE", f"{self._repo}/git/refs/heads/{quote(after.head, safe='/')}")
        return after.merged_sha or head_sha

    async def remarks(self, number: int) -> Sequence[Remark]:
        """All comments on a pull request, oldest first."""
        path = f"{self._repo}/issues/{number}/comments"
        found = []
        async for item in self._http.pages(path, **_SIZE):
            one = self._http.parsed(_Comment, item, path)
            author = one.user.login if one.user else ""
            found.append(Remark(one.id, author, one.body or "", one.created_at, edited=one.updated_at > one.created_at))
        return tuple(sorted(found, key=lambda remark: (remark.at, remark.id)))

    async def approvals(self, number: int) -> Sequence[Approving]:
        """Approvals in force: the last word of each reviewer, of whichever commit it was given."""
        path = f"{self._repo}/pulls/{number}/reviews"
        last: dict[str, _Review] = {}
        # In the order in which they were given. A mere comment takes no approval back.
        async for item in self._http.pages(path, **_SIZE):
            review = self._http.parsed(_Review, item, path)
            if review.user and review.state in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED"):
                last[review.user.login] = review
        return tuple(
            Approving(by, review.commit_id or "", review.submitted_at)
            for by, review in sorted(last.items())
            if review.state == "APPROVED" and review.submitted_at
        )

    async def _pulls(self, query: dict[str, str]) -> AsyncIterator[Pull]:
        path = f"{self._repo}/pulls"
        async for item in self._http.pages(path, query={**query, "base": self._branch}, **_SIZE):
            yield self._read(item)

    async def _style(self) -> str:
        answer = await self._http.call("GET", self._repo)
        settings = answer.data if isinstance(answer.data, dict) else {}
        return next((style for style, allowed in _STYLES if settings.get(allowed, True)), "merge")

    def _read(self, data: Any) -> Pull:
        given = self._http.parsed(_Pull, data, f"{self._repo}/pulls")
        merged = given.merged_at is not None
        state = PullState.MERGED if merged else PullState.OPEN if given.state == "open" else PullState.CLOSED
        return Pull(
            number=given.number,
            title=given.title,
            body=given.body or "",
            state=state,
            head=given.head.ref,
            head_sha=given.head.sha,
            base=given.base.ref,
            author=given.user.login if given.user else "",
            url=given.html_url,
            labels=tuple(label.name for label in given.labels),
            # While it is open this is a trial merge of the server's own.
            merged_sha=given.merge_commit_sha if merged else None,
            # A fork that was deleted is told as null.
            foreign=given.head.repo is None or given.base.repo is None or given.head.repo.id != given.base.repo.id,
        )


class _Label(BaseModel):
    name: str


class _Repository(BaseModel):
    id: int


class _Branch(BaseModel):
    ref: str
    sha: str
    repo: _Repository | None = None


class _Pull(BaseModel):
    number: int
    title: str
    body: str | None = None
    state: str
    merged_at: datetime | None = None
    merge_commit_sha: str | None = None
    head: _Branch
    base: _Branch
    user: User | None = None
    html_url: str
    labels: list[_Label] = []


class _Comment(BaseModel):
    id: int
    user: User | None = None
    body: str | None = None
    created_at: datetime
    updated_at: datetime


class _Review(BaseModel):
    user: User | None = None
    state: str
    commit_id: str | None = None
    submitted_at: datetime | None = None

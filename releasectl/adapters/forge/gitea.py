"""Gitea and Forgejo: pull requests through API v1 (https://docs.gitea.com/api/)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from releasectl.adapters.forge.githublike import GithubLike, User
from releasectl.adapters.forge.wording import LONGEST_TITLE, body_of, line_of, not_merged
from releasectl.ports import Approving, Pull, PullState, Remark

_COLOUR = "#0e8a16"
_STYLES = (
    ("merge", "allow_merge_commits"),
    ("squash", "allow_squash_merge"),
    ("rebase", "allow_rebase"),
    ("rebase-merge", "allow_rebase_explicit"),
    ("fast-forward-only", "allow_fast_forward_only_merge"),
)
"""Ways to merge, the preferred first, with the repository's setting that allows it."""


class GiteaForge(GithubLike):
    """``ports.Forge`` for one project; ``branch`` is the manifests' branch."""

    kind = "gitea"

    async def open_pulls(self) -> Sequence[Pull]:
        """All open pull requests into the manifests' branch."""
        return [pull async for pull in self._pulls("open") if pull.base == self._branch]

    async def find_pull(self, head: str) -> Pull | None:
        """The newest pull request from a branch of this repository, whatever its state."""
        # This tells whether there is one at all, cheaply; of several it gives any.
        path = f"{self._repo}/pulls/{quote(self._branch, safe='')}/{quote(head, safe='/')}"
        answer = await self._http.call("GET", path)
        if not answer.ok:
            return None
        some = self._read(answer.data)
        if some.state is PullState.OPEN:
            return some
        async for pull in self._pulls("all"):
            if pull.head == head and not pull.foreign and pull.base == self._branch:
                return pull
        return some

    async def ensure_pull(self, *, head: str, title: str, body: str, labels: Sequence[str] = ()) -> Pull:
        """The open pull request from ``head``, made if need be, with this title, body and at least these labels."""
        wanted = {"title": line_of(title, LONGEST_TITLE), "body": body_of(body)}
        found = await self.find_pull(head)
        if found is None or found.state is not PullState.OPEN:
            answer = await self._http.call(
                "POST", f"{self._repo}/pulls", {"head": head, "base": self._branch, **wanted}
            )
            if answer.status == 409:
                # Somebody made it since it was looked for.
                found = await self.find_pull(head)
            elif answer.ok:
                found = self._read(answer.data)
            if found is None or found.state is not PullState.OPEN:
                raise self._refused("open a pull request", answer)
        if (found.title, found.body) != (wanted["title"], wanted["body"]):
            found = await self._edit(f"edit pull request {found.number}", found.number, wanted)
        if missing := [label for label in labels if label not in found.labels]:
            await self._label(found.number, missing)
        return await self.pull(found.number) or found

    async def merge_pull(self, number: int, *, head_sha: str) -> str:
        """Merge it if its head is still ``head_sha``; the merge's commit. Conflict if it moved or cannot be merged."""
        wanted = {"Do": await self._style(), "head_commit_id": head_sha, "delete_branch_after_merge": True}
        answer = await self._http.call("POST", f"{self._repo}/pulls/{number}/merge", wanted)
        after = await self.pull(number)
        if after and after.state is PullState.MERGED and after.head_sha == head_sha:
            return after.merged_sha or head_sha
        why = answer.words if not answer.ok else "it is not merged yet"
        raise not_merged(number, self._http.host, why)

    async def remarks(self, number: int) -> Sequence[Remark]:
        """All comments on a pull request, oldest first."""
        # Gitea gives all of them at once.
        path = f"{self._repo}/issues/{number}/comments"
        answer = await self._http.call("GET", path)
        if not answer.ok:
            return ()
        found = self._http.parsed(_Comments, {"all": answer.data or []}, path).all
        return tuple(_remark(one) for one in sorted(found, key=lambda one: (one.created_at, one.id)))

    async def approvals(self, number: int) -> Sequence[Approving]:
        """Approvals in force: the last word of each reviewer, of whichever commit it was given."""
        path = f"{self._repo}/pulls/{number}/reviews"
        last: dict[str, _Review] = {}
        async for item in self._http.pages(path):
            review = self._http.parsed(_Review, item, path)
            if review.user and review.state in ("APPROVED", "REQUEST_CHANGES") and not review.dismissed:
                known = last.get(review.user.login)
                if known is None or review.submitted_at >= known.submitted_at:
                    last[review.user.login] = review
        return tuple(
            Approving(by, review.commit_id, review.submitted_at)
            for by, review in sorted(last.items())
            if review.state == "APPROVED"
        )

    async def _pulls(self, state: str) -> AsyncIterator[Pull]:
        """The newest first."""
        path = f"{self._repo}/pulls"
        async for item in self._http.pages(path, query={"state": state, "base_branch": self._branch}):
            yield self._read(item)

    async def _label(self, number: int, names: Sequence[str]) -> None:
        path = f"{self._repo}/labels"
        known = {one.name: one.id async for one in self._labels(path)}
        ids = []
        for name in names:
            if name not in known:
                answer = await self._http.call("POST", path, {"name": name, "color": _COLOUR})
                if not answer.ok:
                    raise self._refused(f"make the label {name!r}", answer)
                known[name] = self._http.parsed(_Label, answer.data, path).id
            ids.append(known[name])
        answer = await self._http.call("POST", f"{self._repo}/issues/{number}/labels", {"labels": ids}, repeatable=True)
        if not answer.ok:
            raise self._refused(f"label pull request {number}", answer)

    async def _labels(self, path: str) -> AsyncIterator[_Label]:
        async for item in self._http.pages(path):
            yield self._http.parsed(_Label, item, path)

    async def _style(self) -> str:
        answer = await self._http.call("GET", self._repo)
        settings = answer.data if isinstance(answer.data, dict) else {}
        if settings.get("default_merge_style") in dict(_STYLES) and settings.get(
            dict(_STYLES)[settings["default_merge_style"]], True
        ):
            return str(settings["default_merge_style"])
        return next((style for style, allowed in _STYLES if settings.get(allowed, True)), "merge")

    def _read(self, data: Any) -> Pull:
        given = self._http.parsed(_Pull, data, f"{self._repo}/pulls")
        state = PullState.MERGED if given.merged else PullState.OPEN if given.state == "open" else PullState.CLOSED
        return Pull(
            number=given.number,
            title=given.title,
            body=given.body,
            state=state,
            head=given.head.ref,
            head_sha=given.head.sha,
            base=given.base.ref,
            author=given.user.login if given.user else "",
            url=given.html_url,
            labels=tuple(label.name for label in given.labels or ()),
            merged_sha=given.merge_commit_sha if given.merged else None,
            foreign=given.head.repo_id != given.base.repo_id,
        )


class _Label(BaseModel):
    id: int
    name: str


class _Branch(BaseModel):
    ref: str
    sha: str = ""
    repo_id: int = 0


class _Pull(BaseModel):
    number: int
    title: str
    body: str = ""
    state: str
    merged: bool = False
    merge_commit_sha: str | None = None
    head: _Branch
    base: _Branch
    user: User | None = None
    html_url: str
    labels: list[_Label] | None = None


class _Comment(BaseModel):
    id: int
    user: User | None = None
    body: str = ""
    created_at: datetime
    updated_at: datetime


class _Comments(BaseModel):
    all: list[_Comment]


class _Review(BaseModel):
    id: int
    user: User | None = None
    state: str
    commit_id: str = ""
    submitted_at: datetime
    dismissed: bool = False


def _remark(given: _Comment) -> Remark:
    author = given.user.login if given.user else ""
    return Remark(given.id, author, given.body, given.created_at, edited=given.updated_at > given.created_at)

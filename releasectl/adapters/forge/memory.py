"""A forge in memory, for tests and for trying things out; it keeps the same contract as the real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from releasectl.adapters.forge.comments import keep_marked
from releasectl.adapters.forge.wording import body_of, not_merged
from releasectl.errors import Conflict, Denied
from releasectl.ports import Approving, CheckState, Pull, PullState, Remark


@dataclass
class MemoryForge:
    """Pull requests by number. ``heads`` tells a branch's commit, ``land`` merges a branch and tells the new commit."""

    heads: Callable[[str], str | None]
    land: Callable[[str], str]
    me: str = "releasectl-bot"
    branch: str = "main"
    kind: str = "memory"
    needed_approvals: int = 0
    needed_checks: tuple[str, ...] = ()
    pulls: dict[int, Pull] = field(default_factory=dict)
    comments: dict[int, list[Remark]] = field(default_factory=dict)
    given: dict[int, list[Approving]] = field(default_factory=dict)
    statuses: dict[tuple[str, str], tuple[CheckState, str]] = field(default_factory=dict)
    """(commit, context) -> state and description."""

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._ids = count(1)

    async def open_pulls(self) -> Sequence[Pull]:
        """All open pull requests."""
        return [self._now(pull) for pull in self.pulls.values() if pull.state is PullState.OPEN]

    async def pull(self, number: int) -> Pull | None:
        """One pull request; None if there is none of that number."""
        found = self.pulls.get(number)
        return self._now(found) if found else None

    async def find_pull(self, head: str) -> Pull | None:
        """The newest from a branch."""
        found = [pull for pull in self.pulls.values() if pull.head == head and not pull.foreign]
        return self._now(max(found, key=lambda pull: pull.number)) if found else None

    async def ensure_pull(self, *, head: str, title: str, body: str, labels: Sequence[str] = ()) -> Pull:
        """The open pull request from ``head``, made if need be, with this title, body and at least these labels."""
        found = await self.find_pull(head)
        if found is None or found.state is not PullState.OPEN:
            sha = self.heads(head)
            if sha is None:
                raise Conflict(f"there is no branch {head}")
            number = next(self._numbers)
            url = f"http://forge.test/pulls/{number}"
            found = Pull(number, title, body, PullState.OPEN, head, sha, self.branch, self.me, url)
        more = tuple(label for label in labels if label not in found.labels)
        found = replace(found, title=title, body=body_of(body), labels=found.labels + more)
        self.pulls[found.number] = found
        return self._now(found)

    async def merge_pull(self, number: int, *, head_sha: str) -> str:
        """Merge it if its head is still ``head_sha`` and it has the approvals and checks that are needed."""
        pull = await self.pull(number)
        if pull is None:
            raise not_merged(number, self.kind, "there is no such pull request")
        if pull.state is PullState.MERGED and pull.head_sha == head_sha and pull.merged_sha:
            return pull.merged_sha
        if pull.state is not PullState.OPEN or pull.head_sha != head_sha:
            raise not_merged(number, self.kind, "it has moved or is closed")
        if sum(approving.sha == head_sha for approving in self.given.get(number, ())) < self.needed_approvals:
            raise not_merged(number, self.kind, "not enough approvals")
        missing = [
            c for c in self.needed_checks if self.statuses.get((head_sha, c), (None,))[0] is not CheckState.SUCCESS
        ]
        if missing:
            raise not_merged(number, self.kind, f"required checks are missing: {', '.join(missing)}")
        return self.merge(number)

    def merge(self, number: int) -> str:
        """What a person does who merges it."""
        pull = self._now(self.pulls[number])
        merged = self.land(pull.head)
        self.pulls[number] = replace(pull, state=PullState.MERGED, merged_sha=merged)
        return merged

    async def close_pull(self, number: int) -> None:
        """Close it without merging; no error if it is closed already."""
        pull = await self.pull(number)
        if pull and pull.state is PullState.OPEN:
            self.pulls[number] = replace(pull, state=PullState.CLOSED)

    async def set_status(self, sha: str, state: CheckState, *, context: str, description: str, url: str = "") -> None:
        """The status of a commit under a context; a later one replaces an earlier."""
        self.statuses[sha, context] = (state, description)

    async def mark(self, number: int, *, marker: str, body: str) -> None:
        """Create or update the one comment of ours that carries ``marker``; equal text writes nothing."""
        await keep_marked(self, number, marker=marker, body=body)

    async def remarks(self, number: int) -> Sequence[Remark]:
        """All comments on a pull request, oldest first."""
        return tuple(self.comments.get(number, ()))

    async def reply(self, number: int, body: str) -> None:
        """A further comment."""
        self.say(number, self.me, body)

    def say(self, number: int, author: str, body: str) -> Remark:
        """A comment of anybody."""
        if number not in self.pulls:
            raise Denied(f"there is no pull request {number}")
        # Only their order matters, so each comes a second after the one before.
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(self._ids))
        remark = Remark(len(self.comments.get(number, ())) + 1000 * number, author, body_of(body), at)
        self.comments.setdefault(number, []).append(remark)
        return remark

    async def rewrite(self, number: int, remark: int, body: str) -> None:
        """Another text for a comment."""
        self.comments[number] = [
            replace(one, body=body, edited=True) if one.id == remark else one for one in self.comments[number]
        ]

    def approve(self, number: int, by: str) -> None:
        """Somebody's approval of the head as it is now."""
        sha = self._now(self.pulls[number]).head_sha
        others = [one for one in self.given.get(number, ()) if one.by != by]
        self.given[number] = [*others, Approving(by, sha, datetime(2026, 1, 1, tzinfo=UTC))]

    async def approvals(self, number: int) -> Sequence[Approving]:
        """Approvals in force."""
        return tuple(self.given.get(number, ()))

    async def whoami(self) -> str:
        """The account that all of this is done as."""
        return self.me

    async def aclose(self) -> None:
        """Nothing is open."""

    def _now(self, pull: Pull) -> Pull:
        """An open one follows its branch."""
        head = self.heads(pull.head) if pull.state is PullState.OPEN and not pull.foreign else None
        return replace(pull, head_sha=head) if head else pull

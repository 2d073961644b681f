"""What Gitea has taken over from GitHub: paths, bodies and answers of everything but lists, labels and merges."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from releasectl.adapters.forge.comments import keep_marked
from releasectl.adapters.forge.http import Answer, ForgeHttp
from releasectl.adapters.forge.wording import LONGEST_DESCRIPTION, body_of, line_of, not_there
from releasectl.errors import Conflict, Denied
from releasectl.ports import CheckState, Pull, PullState, Remark


class GithubLike(ABC):
    """One project on a host that speaks GitHub's dialect; ``branch`` is the manifests' branch."""

    def __init__(self, http: ForgeHttp, project: str, *, branch: str = "main") -> None:
        self._http = http
        self._project = project
        self._branch = branch
        self._repo = "/repos/" + "/".join(quote(part, safe="") for part in project.split("/"))
        self._me = ""

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def pull(self, number: int) -> Pull | None:
        """One pull request; None if there is none of that number."""
        answer = await self._http.call("GET", f"{self._repo}/pulls/{number}")
        return self._read(answer.data) if answer.ok else None

    async def close_pull(self, number: int) -> None:
        """Close it without merging; no error if it is closed already."""
        pull = await self.pull(number)
        if pull and pull.state is PullState.OPEN:
            await self._edit(f"close pull request {number}", number, {"state": "closed"})

    async def set_status(self, sha: str, state: CheckState, *, context: str, description: str, url: str = "") -> None:
        """The status of a commit under a context; a later one replaces an earlier."""
        wanted = {"state": state.value, "context": context, "description": line_of(description, LONGEST_DESCRIPTION)}
        wanted |= {"target_url": url} if url else {}
        answer = await self._http.call("POST", f"{self._repo}/statuses/{quote(sha, safe='')}", wanted, repeatable=True)
        if not answer.ok:
            raise self._refused(f"set the status of {sha[:10]}", answer)

    async def mark(self, number: int, *, marker: str, body: str) -> None:
        """Create or update the one comment of ours that carries ``marker``; equal text writes nothing."""
        await keep_marked(self, number, marker=marker, body=body)

    @abstractmethod
    async def remarks(self, number: int) -> Sequence[Remark]:
        """All comments on a pull request, oldest first."""

    async def reply(self, number: int, body: str) -> None:
        """A further comment."""
        path = f"{self._repo}/issues/{number}/comments"
        answer = await self._http.call("POST", path, {"body": body_of(body)})
        if not answer.ok:
            raise self._refused(f"comment on pull request {number}", answer)

    async def rewrite(self, number: int, remark: int, body: str) -> None:
        """Another text for a comment of ours."""
        path = f"{self._repo}/issues/comments/{remark}"
        answer = await self._http.call("PATCH", path, {"body": body}, repeatable=True)
        if not answer.ok:
            raise self._refused(f"edit a comment on pull request {number}", answer)

    async def whoami(self) -> str:
        """Login of the account whose token is used."""
        if not self._me:
            answer = await self._http.call("GET", "/user")
            self._me = self._http.parsed(User, answer.data, "/user").login
        return self._me

    @abstractmethod
    def _read(self, data: Any) -> Pull:
        """A pull request in an answer."""

    async def _edit(self, what: str, number: int, wanted: dict[str, str]) -> Pull:
        answer = await self._http.call("PATCH", f"{self._repo}/pulls/{number}", wanted, repeatable=True)
        if not answer.ok:
            raise self._refused(what, answer)
        return self._read(answer.data)

    def _refused(self, what: str, answer: Answer) -> Exception:
        if answer.status == 404:
            return not_there(self._http.host, self._project)
        words = f"{self._http.host} did not {what}: {answer.words}"
        return Conflict(words) if answer.status in (409, 422) else Denied(words)


class User(BaseModel):
    """An account."""

    login: str

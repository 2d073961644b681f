"""What a forge's webhook tells, as far as it matters here: a branch moved, a pull request changed, somebody wrote.

Events wake; they are never believed. Whoever is woken looks at the repository and at the forge, so an event that
is lost, late, doubled or made up costs a look and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

FORGES = ("github", "gitlab", "gitea")

_EVENT_HEADER = {"github": "x-github-event", "gitlab": "x-gitlab-event", "gitea": "x-gitea-event"}
_DELIVERY_HEADERS = {
    "github": ("x-github-delivery",),
    "gitlab": ("webhook-id", "idempotency-key", "x-gitlab-event-uuid"),
    "gitea": ("x-gitea-delivery",),
}
_HEADS = "refs/heads/"


class HookKind(StrEnum):
    PUSH = "push"
    PULL = "pull"
    COMMENT = "comment"


@dataclass(frozen=True)
class HookEvent:
    """Something that happened at the forge."""

    kind: HookKind
    branch: str = ""
    """The branch that moved; of a push only."""
    commit: str = ""
    """Where it moved to."""
    pull: int | None = None
    """Number of the pull request that changed or was commented on."""
    at: datetime | None = None
    """When, if the forge says so."""


def delivery_of(forge: str, headers: Mapping[str, str]) -> str:
    """The forge's name for this delivery; empty if it gave none."""
    return next((value for name in _DELIVERY_HEADERS[forge] if (value := headers.get(name))), "")


def event_of(forge: str, headers: Mapping[str, str], payload: Any) -> HookEvent | None:
    """The event; None for one that nothing here depends on, or whose payload is not what the forge documents."""
    name = headers.get(_EVENT_HEADER[forge], "").lower()
    data = _Data(payload)
    if name in ("push", "push hook"):
        return _push(data)
    if forge == "gitlab":
        return _of_gitlab(name, data)
    if name == "issue_comment":
        # Both forges report comments on issues under the same name.
        on_pull = data["issue"]["pull_request"].there or data["is_pull"].raw is True
        return _about(HookKind.COMMENT, data["issue"]["number"], data["comment"]) if on_pull else None
    if name.startswith("pull_request"):
        kind = HookKind.COMMENT if "comment" in name or "review" in name else HookKind.PULL
        about = data["comment"] if data["comment"].there else data["review"] if data["review"].there else None
        return _about(kind, data["pull_request"]["number"], about or data["pull_request"])
    return None


def _push(data: _Data) -> HookEvent | None:
    ref, after = data["ref"].text, data["after"].text
    if not ref.startswith(_HEADS):
        return None
    return HookEvent(HookKind.PUSH, ref.removeprefix(_HEADS), after, at=data["repository"]["pushed_at"].time)


def _of_gitlab(name: str, data: _Data) -> HookEvent | None:
    about = data["object_attributes"]
    if name == "merge request hook":
        return _about(HookKind.PULL, about["iid"], about)
    if name == "note hook" and about["noteable_type"].text == "MergeRequest":
        return _about(HookKind.COMMENT, data["merge_request"]["iid"], about)
    return None


def _about(kind: HookKind, number: _Data, about: _Data) -> HookEvent | None:
    found = number.number
    times = (about[name].time for name in ("updated_at", "submitted_at", "created_at"))
    return HookEvent(kind, pull=found, at=next(filter(None, times), None)) if found else None


class _Data:
    """Foreign JSON that may be of any shape: what is not there is nothing, and nothing has no parts."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def __getitem__(self, key: str) -> _Data:
        return _Data(self.raw.get(key) if isinstance(self.raw, dict) else None)

    @property
    def there(self) -> bool:
        return self.raw is not None

    @property
    def text(self) -> str:
        return self.raw if isinstance(self.raw, str) else ""

    @property
    def number(self) -> int | None:
        whole = isinstance(self.raw, int) and not isinstance(self.raw, bool)
        return self.raw if whole and self.raw > 0 else None

    @property
    def time(self) -> datetime | None:
        """An instant as forges write them: seconds since 1970, ISO 8601, or GitLab's ``2026-01-31 12:00:00 UTC``."""
        try:
            if self.number is not None:
                return datetime.fromtimestamp(self.number, UTC)
            read = datetime.fromisoformat(self.text.replace(" UTC", "+00:00"))
        except (ValueError, OverflowError, OSError):
            return None
        return read if read.tzinfo else None

"""Decisions read back from the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releasectl.ports import LogEntry, ReleaseRepo

_KEYS = {
    "Releasectl-Decision": "action",
    "Releasectl-Release": "release",
    "Releasectl-Variant": "variant",
    "Releasectl-Reason": "reason",
    "Releasectl-Policy": "policy",
    "Releasectl-Observed": "observed",
    "Releasectl-Evidence": "evidence",
    "Releasectl-Decision-Id": "id",
}


@dataclass(frozen=True)
class Recorded:
    """One decision as its trailers tell it."""

    commit: str
    at: datetime
    fields: dict[str, str]

    @property
    def release(self) -> str:
        return self.fields.get("release", "")

    @property
    def path(self) -> str:
        """File of the decision's record in the ledger."""
        return self.fields.get("evidence", "").partition(" ")[0]

    @property
    def digest(self) -> str:
        """Digest that the record must have."""
        return self.fields.get("evidence", "").partition(" ")[2]


def decisions_of(entry: LogEntry) -> list[Recorded]:
    """Decisions of one commit, in their order; a commit of a pass may hold several."""
    found: list[dict[str, str]] = []
    for key, value in entry.trailers:
        if key == "Releasectl-Decision":
            found.append({})
        if found and key in _KEYS:
            found[-1][_KEYS[key]] = value
    return [Recorded(entry.sha, entry.at, fields) for fields in found]


def history(repo: ReleaseRepo, ledger: str | None, release: str | None, limit: int | None) -> list[Recorded]:
    """Newest first. ``limit`` counts decisions."""
    if ledger is None:
        return []
    path = f"releases/{release}" if release else None
    found: list[Recorded] = []
    for entry in repo.log(ledger, path=path):
        found += [one for one in reversed(decisions_of(entry)) if release in (None, one.release)]
        if limit is not None and len(found) >= limit:
            return found[:limit]
    return found


def matching(repo: ReleaseRepo, ledger: str | None, what: str, limit: int | None = None) -> list[Recorded]:
    """Decisions of a release, else those whose identity or commit begins with ``what``. Newest first."""
    return history(repo, ledger, what, limit) or [
        row
        for row in history(repo, ledger, None, None)
        if len(what) >= 4 and (row.fields.get("id", "").startswith(what) or row.commit.startswith(what))
    ]


def record_of(repo: ReleaseRepo, recorded: Recorded) -> dict[str, Any] | None:
    """The full record of a decision, None if its file is not there."""
    entry = repo.tree(recorded.commit).get(recorded.path)
    if entry is None:
        return None
    data: dict[str, Any] = json.loads(repo.read([entry.oid])[entry.oid])
    return data


def records_of(repo: ReleaseRepo, ledger: str | None, release: str) -> list[dict[str, Any]]:
    """Every record of a release that the ledger's tip has, oldest first."""
    tree = repo.tree(ledger) if ledger else {}
    paths = sorted(path for path in tree if path.startswith(f"releases/{release}/decisions/"))
    contents = repo.read([tree[path].oid for path in paths])
    return [json.loads(contents[tree[path].oid]) for path in paths]

"""The ledger branch as data: where each thing lies and how it is read back.

::

    releases/<name>/state.json                the effective state after the last decision
    releases/<name>/decisions/<seq>.json      a decision with everything it was made from
    releases/<name>/requests/<id>.json        a person's request, until it is answered
    releases/<name>/asked/<id>.json           a request that came by the forge, kept so that it is made only once
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from releasectl.domain.base import Model
from releasectl.domain.decision import EffectiveState, PersonRequest
from releasectl.ports import ReleaseRepo, TreeEntry

_ROOT = "releases"
_FAR = 50
"""Changes of a state file that are looked through for one that can be read."""


def state_path(release: str) -> str:
    return f"{_ROOT}/{release}/state.json"


def decision_path(release: str, seq: int) -> str:
    return f"{_ROOT}/{release}/decisions/{seq:06d}.json"


def request_path(release: str, request: str) -> str:
    return f"{_ROOT}/{release}/requests/{request}.json"


def asked_path(release: str, request: str) -> str:
    return f"{_ROOT}/{release}/asked/{request}.json"


def pretty(data: Any) -> bytes:
    """JSON as it stands in the ledger: sorted and indented, so that its diffs read well."""
    return (json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def dump(value: Model) -> bytes:
    """A domain value as it stands in the ledger."""
    return pretty(value.to_data())


@dataclass(frozen=True)
class Ledger:
    """What the tip of the ledger says."""

    states: Mapping[str, EffectiveState] = field(default_factory=dict)
    requests: Mapping[str, tuple[PersonRequest, ...]] = field(default_factory=dict)
    """Open requests by release, oldest first."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Release -> what is wrong with its state file. Such a release is left alone: ``states`` has the last state of
    it that could be read, so that what serves goes on serving."""
    malformed: Mapping[str, str] = field(default_factory=dict)
    """Release -> which requests for it cannot be read, and why. Nothing comes of them."""


class LedgerReader:
    """Reads the ledger's tip; a file that did not change is not read again."""

    def __init__(self, repo: ReleaseRepo) -> None:
        self._repo = repo
        self._parsed: dict[tuple[str, str], EffectiveState | PersonRequest | str] = {}
        """By path and oid: what a file holds depends on where it lies."""
        self._before: dict[str, EffectiveState | None] = {}
        """By the oid of a state file that cannot be read: the last one before it that can."""

    def read(self, commit: str | None) -> Ledger:
        """The ledger at a commit; empty when there is none yet."""
        if commit is None:
            return Ledger()
        wanted = [entry for entry in self._repo.tree(commit).values() if kind_of(entry.path)]
        self._parse(wanted)
        states: dict[str, EffectiveState] = {}
        requests: dict[str, list[PersonRequest]] = {}
        unreadable: dict[str, str] = {}
        malformed: dict[str, str] = {}
        for entry in wanted:
            release = entry.path.split("/")[1]
            value = self._parsed[entry.path, entry.oid]
            if isinstance(value, EffectiveState):
                states[release] = value
            elif isinstance(value, PersonRequest):
                requests.setdefault(release, []).append(value)
            elif kind_of(entry.path) == "state":
                unreadable[release] = f"{entry.path}: {value}"
                if entry.oid not in self._before:
                    self._before[entry.oid] = self._last_readable(commit, entry.path)
                if before := self._before[entry.oid]:
                    states[release] = before
            else:
                malformed[release] = "; ".join(filter(None, (malformed.get(release), f"{entry.path}: {value}")))
        self._before = {entry.oid: self._before[entry.oid] for entry in wanted if entry.oid in self._before}
        ordered = {name: tuple(sorted(found, key=lambda r: (r.at, r.id))) for name, found in requests.items()}
        return Ledger(states, ordered, unreadable, malformed)

    def _parse(self, entries: Iterable[TreeEntry]) -> None:
        known, self._parsed = self._parsed, {}
        new = []
        for entry in entries:
            key = (entry.path, entry.oid)
            if key in known:
                self._parsed[key] = known[key]
            else:
                new.append(key)
        contents = self._repo.read({oid for _, oid in new})
        for path, oid in new:
            self._parsed[path, oid] = parsed(path, contents[oid])

    def _last_readable(self, commit: str, path: str) -> EffectiveState | None:
        for change in self._repo.log(commit, path=path, limit=_FAR):
            entry = self._repo.tree(change.sha).get(path)
            if entry is None:
                continue
            value = parsed(path, self._repo.read([entry.oid])[entry.oid])
            if isinstance(value, EffectiveState):
                return value
        return None


def kind_of(path: str) -> str | None:
    """``state``, ``request``, or None for anything else that lies on the ledger."""
    parts = path.split("/")
    if len(parts) == 3 and parts[0] == _ROOT and parts[2] == "state.json":
        return "state"
    if len(parts) == 4 and parts[0] == _ROOT and parts[2] == "requests" and path.endswith(".json"):
        return "request"
    return None


def parsed(path: str, content: bytes) -> EffectiveState | PersonRequest | str:
    """A state or a request; a text that says what is wrong with it where it cannot be read."""
    model = EffectiveState if kind_of(path) == "state" else PersonRequest
    try:
        read = model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    if isinstance(read, PersonRequest) and not path.endswith(f"/{read.id}.json"):
        # Answering a request deletes its file, by its id: one of another name would be answered for ever.
        return f"id: {read.id!r} is not the name of the file"
    if isinstance(read, EffectiveState) and read.release != path.split("/")[1]:
        return f"release: {read.release!r} is not the name of the folder"
    return read

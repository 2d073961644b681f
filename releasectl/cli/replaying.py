"""Decisions of a ledger checked one by one: the file against its digest, the record against a second making.

The file is read at the tip of the ledger, so that a change made after the decision is found; what the commit
of the decision holds then tells which field was changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from releasectl.cli.decisions import Recorded
from releasectl.controller.believed import PastReader
from releasectl.controller.desired import DesiredReader
from releasectl.controller.replay import SHOWN, Difference, differences, digest_of_file, replay
from releasectl.ports import ReleaseRepo, TreeEntry


@dataclass(frozen=True)
class Checked:
    """One decision of the ledger and what was found."""

    recorded: Recorded
    seq: int | None
    wrong: tuple[str, ...]
    """What is wrong with the file itself; empty when it is the one that was recorded."""
    changed: tuple[Difference, ...] = ()
    """Fields of the file that are not as they were committed."""
    differs: tuple[Difference, ...] = ()
    """Fields that come out otherwise when the decision is made again."""
    other_versions: Mapping[str, tuple[str, str]] | None = None

    @property
    def equal(self) -> bool:
        return not (self.wrong or self.changed or self.differs)

    def to_data(self) -> dict[str, Any]:
        return {
            "release": self.recorded.release,
            "seq": self.seq,
            "decision": self.recorded.fields.get("id", ""),
            "commit": self.recorded.commit,
            "action": self.recorded.fields.get("action", ""),
            "reason": self.recorded.fields.get("reason", ""),
            "equal": self.equal,
            "wrong": list(self.wrong),
            "changed": [one.to_data() for one in self.changed],
            "differs": [one.to_data() for one in self.differs],
            "otherVersions": {
                name: {"recorded": was, "here": here} for name, (was, here) in (self.other_versions or {}).items()
            },
        }


def check_all(repo: ReleaseRepo, ledger: str, decisions: Sequence[Recorded]) -> Iterator[Checked]:
    """Each decision in the order given."""
    reader, tip = PastReader(repo), repo.tree(ledger)
    before: dict[str, Any] = {}
    for recorded in decisions:
        checked, record = _check(repo, reader, tip, recorded, before.get(recorded.release))
        before[recorded.release] = record
        yield checked


def _check(
    repo: ReleaseRepo, reader: DesiredReader, tip: Mapping[str, TreeEntry], recorded: Recorded, before: Any
) -> tuple[Checked, Any]:
    entry = tip.get(recorded.path)
    if entry is None:
        return Checked(recorded, None, (f"{recorded.path or 'the record'} is not in the ledger",)), None
    content = repo.read([entry.oid])[entry.oid]
    wrong: list[str] = []
    changed: tuple[Difference, ...] = ()
    if digest_of_file(content) != recorded.digest:
        wrong.append(f"{recorded.path}: the trailer says {recorded.digest}, the file has {digest_of_file(content)}")
        changed = _changed(repo, recorded, content)
    record = _json(content)
    if record is None:
        return Checked(recorded, None, (*wrong, f"{recorded.path} is not JSON"), changed), None
    again = replay(content, reader)
    wrong += [again.fault] if again.fault else []
    wrong += _against_trailers(recorded, record) + _against_the_one_before(record, before)
    seq = ((record.get("decision") or {}).get("state") or {}).get("seq")
    return Checked(recorded, seq, tuple(wrong), changed, again.differences, again.other_versions), record


def _changed(repo: ReleaseRepo, recorded: Recorded, content: bytes) -> tuple[Difference, ...]:
    committed = repo.tree(recorded.commit).get(recorded.path)
    if committed is None:
        return ()
    return tuple(differences(_json(repo.read([committed.oid])[committed.oid]), _json(content)))[:SHOWN]


def _against_trailers(recorded: Recorded, record: Mapping[str, Any]) -> list[str]:
    decision, fields = record.get("decision") or {}, recorded.fields
    pairs = {"action": "action", "reason": "reason", "release": "release", "id": "id", "variant": "candidate"}
    return [
        f"the trailer says {key} {fields[key]}, the record {decision.get(name)}"
        for key, name in pairs.items()
        if key in fields and fields[key] != decision.get(name)
    ]


def _against_the_one_before(record: Mapping[str, Any], before: Any) -> list[str]:
    if before is None:
        return []
    left, began = (before.get("decision") or {}).get("state"), (record.get("given") or {}).get("state")
    first = next(differences(left, began), None)
    if first is None:
        return []
    return [f"it does not begin where the decision before ended: {first.field} was {first.recorded}, is {first.found}"]


def _json(content: bytes) -> Any:
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None

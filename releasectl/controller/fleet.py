"""As much of the ledger as a question about a few releases needs.

The whole ledger of thousands of releases takes seconds to read as types. What a question about one release needs of
the others is which artifacts are held and, where an environment caps how much is on trial, what is on trial.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from releasectl.controller.ledger import decision_path, kind_of, parsed
from releasectl.domain.decision import EffectiveState, Quarantine
from releasectl.ports import Objects, TreeEntry

_FURTHEST = 8
"""Decisions that are looked through for one that measured something."""


@dataclass(frozen=True)
class Traffic:
    """What the last decision that measured something saw."""

    requests_per_second: float | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    """Stable's rate of each metric, or its mean."""


@dataclass(frozen=True)
class Fleet:
    """States of the releases asked for, and of the others where they matter."""

    states: Mapping[str, EffectiveState] = field(default_factory=dict)
    held: Mapping[str, Quarantine] = field(default_factory=dict)
    traffic: Mapping[str, Traffic] = field(default_factory=dict)


def read_fleet(repo: Objects, commit: str | None, names: Collection[str], *, everybody: bool = False) -> Fleet:
    """The ledger at a commit for these releases; with ``everybody`` the states of all, for caps."""
    if commit is None:
        return Fleet()
    tree = repo.tree(commit)
    entries = [entry for entry in tree.values() if kind_of(entry.path) == "state"]
    contents = repo.read([entry.oid for entry in entries])
    states = {}
    for entry in entries:
        name, content = entry.path.split("/")[1], contents[entry.oid]
        # Defaults are left out of a state's file: without the word it holds nothing.
        if everybody or name in names or b'"quarantine"' in content:
            value = parsed(entry.path, content)
            if isinstance(value, EffectiveState):
                states[name] = value
    held = {one.key: one for state in states.values() for one in state.quarantine}
    kept = {name: state for name, state in states.items() if everybody or name in names}
    traffic = {name: _traffic(repo, tree, kept[name]) for name in sorted(names) if name in kept}
    return Fleet(kept, held, traffic)


def _traffic(repo: Objects, tree: Mapping[str, TreeEntry], state: EffectiveState) -> Traffic:
    for seq in range(state.seq, max(0, state.seq - _FURTHEST), -1):
        entry = tree.get(decision_path(state.release, seq))
        if entry is None:
            continue
        try:
            record: dict[str, Any] = json.loads(repo.read([entry.oid])[entry.oid])
            found = _measured(record)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if found.rates:
            return found
    return Traffic()


def _measured(record: Mapping[str, Any]) -> Traffic:
    per_second: list[float] = []
    rates = {}
    for row in record["decision"].get("evidence", ()):
        stable = row.get("stable", {})
        if stable.get("mean") is not None:
            rates[row["metric"]] = float(stable["mean"])
        elif stable.get("trials"):
            # Half an event keeps a rate of which none was seen from being impossible.
            rates[row["metric"]] = (stable.get("events", 0) + 0.5) / (stable["trials"] + 1)
    for reading in record["given"]["observed"].get("readings", {}).values():
        blocks = reading.get("blocks", ())
        if not blocks:
            continue
        span = (_at(blocks[-1]["endAt"]) - _at(blocks[0]["startAt"])).total_seconds()
        trials = sum(arm.get("trials", 0) for block in blocks for arm in block["arms"].values())
        if span > 0:
            per_second.append(trials / span)
    # Every request is counted by the metrics of the entry; outcomes are known of some of them only.
    return Traffic(max(per_second, default=None), rates)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)

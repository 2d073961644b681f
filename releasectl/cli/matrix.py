"""Which versions of a graph were measured together, and what that says today. Pure: records of the ledger in, rows out.

A verdict is about versions on trial among the neighbours that they had. It is stale once one of these neighbours has
another version in stable: nothing is promoted or refused on it by mistake, for a trial starts anew when stable
changes and a hold may be limited to the combination, but whoever reads it should know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

from releasectl.domain.base import format_time
from releasectl.domain.decision import Action, EffectiveState
from releasectl.domain.reasons import Reason
from releasectl.domain.release import Variant, Version

_AS_STABLE = frozenset({Reason.ADOPTED, Reason.STABLE_CHANGED})


@dataclass(frozen=True)
class Combination:
    """One variant, as it was tried or adopted."""

    versions: Mapping[str, Version]
    changed: tuple[str, ...]
    """Components that were on trial; none where a person made it stable."""
    verdict: str
    """``promoted``, ``rolled back``, ``dropped``, ``withdrawn``, ``on trial`` or ``adopted``."""
    reason: str
    at: datetime
    decision: str

    def holds(self, component: str, version: str) -> bool:
        return component in self.versions and self.versions[component].name == version

    def stale(self, stable: Variant) -> dict[str, str]:
        """Neighbours that have another version in stable now: component -> that version."""
        return {
            name: stable.versions[name].name
            for name, version in self.versions.items()
            if name not in self.changed
            and name in stable.versions
            and stable.versions[name].identity != version.identity
        }


@dataclass(frozen=True)
class Pair:
    """A version beside one of a neighbouring component, and the last verdict about the two together."""

    one: tuple[str, str]
    """Component and version: the one whose answers the other needs."""
    other: tuple[str, str]
    found: Combination | None
    """None: never measured together."""


@dataclass(frozen=True)
class Matrix:
    """All that the ledger knows of a release's combinations."""

    release: str
    stable: Variant
    combinations: tuple[Combination, ...]
    """Oldest first."""
    pairs: tuple[Pair, ...]

    def to_data(self) -> dict[str, Any]:
        """As JSON: ``pairs`` for reading, ``combinations`` with every neighbour that took part."""
        return {
            "release": self.release,
            "stable": {name: version.name for name, version in self.stable.versions.items()},
            "pairs": [self._pair(pair) for pair in self.pairs],
            "combinations": [
                {
                    "versions": {name: version.name for name, version in one.versions.items()},
                    **self._verdict(one),
                }
                for one in self.combinations
            ],
        }

    def _pair(self, pair: Pair) -> dict[str, Any]:
        named = {
            "component": pair.one[0],
            "version": pair.one[1],
            "neighbour": pair.other[0],
            "neighbourVersion": pair.other[1],
            "together": pair.found is not None,
        }
        return named | (self._verdict(pair.found) if pair.found else {})

    def _verdict(self, one: Combination) -> dict[str, Any]:
        return {
            "changed": list(one.changed),
            "verdict": one.verdict,
            "reason": one.reason,
            "at": format_time(one.at),
            "decision": one.decision,
            "stale": one.stale(self.stable),
        }


def matrix_of(records: Iterable[Mapping[str, Any]], declared: Mapping[str, Sequence[str]]) -> Matrix | None:
    """The matrix from a release's decision records, oldest first; None if there is none with a state.

    ``declared`` are the versions that the manifest offers, by component: those that never met are told as well.
    """
    found: list[Combination] = []
    state: EffectiveState | None = None
    for record in records:
        after = _state(record["decision"].get("state"))
        if after is not None:
            found += _settled(record["decision"], _state(record["given"]["state"]), after)
            state = after
    if state is None:
        return None
    if state.progress is not None and state.last is not None:
        found += [
            _combination(
                state.variants[name],
                state.stable,
                verdict="on trial",
                reason="",
                at=state.last.at,
                decision=state.decision,
            )
            for name in state.candidates
        ]
    return Matrix(state.release, state.stable, tuple(found), tuple(_pairs(found, state, declared)))


def lines(matrix: Matrix) -> list[str]:
    """For a terminal: a line for every pair of neighbours."""
    serves = ", ".join(f"{name} {version.name}" for name, version in matrix.stable.versions.items())
    titles = ["VERSION", "WITH", "VERDICT", "WHEN", "DECISION", ""]
    rows = [_row(pair, matrix.stable) for pair in matrix.pairs]
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
    return [
        f"{matrix.release} serves {serves}",
        "",
        *(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in [titles, *rows]
        ),
    ]


# --- from decisions -------------------------------------------------------------------------------------


def _settled(decision: Mapping[str, Any], before: EffectiveState | None, after: EffectiveState) -> list[Combination]:
    """Combinations that a decision ended the trial of, or made stable without one."""
    action, reason = Action(decision["action"]), Reason(decision["reason"])
    at, identity = datetime.fromisoformat(decision["at"]), str(decision["id"])
    if reason in _AS_STABLE:
        return [
            _combination(after.stable, after.stable, verdict="adopted", reason=reason.value, at=at, decision=identity)
        ]
    if before is None or before.progress is None:
        return []
    return [
        _combination(
            before.variants[name],
            before.stable,
            verdict=_verdict(action, reason, promoted=name == decision.get("candidate")),
            reason=reason.value,
            at=at,
            decision=identity,
        )
        for name in before.candidates
        if name not in after.variants
    ]


def _verdict(action: Action, reason: Reason, *, promoted: bool) -> str:
    if action is Action.PROMOTE and promoted:
        return "promoted"
    if reason is Reason.CANDIDATE_WITHDRAWN or action is Action.REALLOCATE:
        return "withdrawn"
    return "rolled back" if action is Action.ROLLBACK else "dropped"


def _combination(
    variant: Variant, stable: Variant, *, verdict: str, reason: str, at: datetime, decision: str
) -> Combination:
    changed = tuple(
        name
        for name, version in variant.versions.items()
        if name not in stable.versions or stable.versions[name].identity != version.identity
    )
    return Combination(variant.versions, changed, verdict=verdict, reason=reason, at=at, decision=decision)


# --- pairs ----------------------------------------------------------------------------------------------


def _pairs(
    found: Sequence[Combination], state: EffectiveState, declared: Mapping[str, Sequence[str]]
) -> Iterator[Pair]:
    known: dict[str, dict[str, None]] = {name: {} for name in state.stable.versions}
    for name, versions in known.items():
        seen = (one.versions[name].name for one in found if name in one.versions)
        versions.update(dict.fromkeys((*declared.get(name, ()), *seen, state.stable.versions[name].name)))
    for one, other in _neighbours(state):
        for version in known[one]:
            for beside in known[other]:
                yield Pair((one, version), (other, beside), _last(found, (one, version), (other, beside)))


def _neighbours(state: EffectiveState) -> list[tuple[str, str]]:
    """Components that an edge joins, producer first; where there are no edges, each with each."""
    components = list(state.stable.versions)
    edges = [(producer, consumer) for consumer in components for producer in state.edges.get(consumer, ())]
    return [(a, b) for a, b in edges if a in components] or list(combinations(components, 2))


def _last(found: Sequence[Combination], one: tuple[str, str], other: tuple[str, str]) -> Combination | None:
    """The last verdict about either of the two, measured together; what says more than that it was withdrawn."""
    together = [
        each
        for each in found
        if each.holds(*one) and each.holds(*other) and (not each.changed or {one[0], other[0]} & set(each.changed))
    ]
    conclusive = [each for each in together if each.verdict != "withdrawn"]
    return conclusive[-1] if conclusive else together[-1] if together else None


# --- wording --------------------------------------------------------------------------------------------


def _row(pair: Pair, stable: Variant) -> list[str]:
    named = [f"{pair.one[0]} {pair.one[1]}", f"{pair.other[0]} {pair.other[1]}"]
    if pair.found is None:
        return [*named, "never measured together", "-", "-", ""]
    stale = ", ".join(f"{name} is {version} now" for name, version in pair.found.stale(stable).items())
    verdict = f"{pair.found.verdict} {pair.found.reason}".rstrip()
    when = format_time(pair.found.at)[:19].replace("T", " ")
    return [*named, verdict, when, pair.found.decision[:8], f"stale: {stale}" if stale else ""]


def _state(data: Any) -> EffectiveState | None:
    return EffectiveState.model_validate_json(json.dumps(data)) if data else None

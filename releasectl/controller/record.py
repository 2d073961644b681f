"""A decision as it is recorded: the file edits of both branches, the message, the trailers.

A message says what happened and why in words a person reads in `git log`; the trailers say the same to
machines. One ledger commit holds all decisions of a pass; each edit of a manifest is a commit of its own,
so that it can be reverted alone.
"""

from __future__ import annotations

import hashlib
import platform
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from releasectl import __version__
from releasectl.controller.assignment import IN_GIT, assignment_document, assignment_path
from releasectl.controller.ledger import decision_path, dump, pretty, request_path, state_path
from releasectl.decide.inputs import Finding, Input
from releasectl.domain.base import format_time
from releasectl.domain.decision import Action, Decision
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE
from releasectl.ports import Commit

RECORD_FORMAT = "releasectl.dev/decision/v1alpha1"

Trailers = Sequence[tuple[str, str]]
EditFile = Callable[[Decision], tuple[str, bytes] | None]
"""Path and new content of the manifest after a decision's edit; None when it needs or allows none."""
WithTrailers = Callable[[str, Trailers], str]


@dataclass(frozen=True)
class Entry:
    """A decision with its record."""

    decision: Decision
    record: Mapping[str, Any]

    @property
    def content(self) -> bytes:
        return pretty(self.record)


def entry_of(given: Input, decision: Decision) -> Entry:
    """The record of a decision: all that it was made from and all that it decided."""
    desired = given.desired
    return Entry(
        decision,
        {
            "format": RECORD_FORMAT,
            "decision": decision.to_data(),
            "given": {
                "now": format_time(given.now),
                "revision": desired.revision if desired else "",
                "path": desired.path if desired else "",
                "policy": desired.policy.to_data() if desired else None,
                "metrics": {name: metric.to_data() for name, metric in desired.metrics.items()} if desired else {},
                "state": given.state.to_data() if given.state else None,
                "observed": given.observed.to_data(),
                "requests": [request.to_data() for request in given.requests],
                "invalid": given.invalid,
                "quarantine": {key: held.to_data() for key, held in given.quarantine.items()},
                **({"proposed": _finding(given.proposed)} if given.proposed else {}),
            },
            "made_by": made_by(),
        },
    )


def commits(
    entries: Sequence[Entry], *, edit: EditFile, with_trailers: WithTrailers
) -> tuple[list[Commit], list[Commit]]:
    """The commits of a pass: those of the manifests branch and those of the ledger."""
    manifests = []
    for entry in entries:
        edited = edit(entry.decision) if entry.decision.edit else None
        if edited:
            path, content = edited
            message = with_trailers(message_of(entry), trailers_of(entry))
            manifests.append(Commit(message=message, writes={path: content}))
    writes: dict[str, bytes] = {}
    deletes: list[str] = []
    for entry in entries:
        decision = entry.decision
        if decision.state is None:
            continue
        writes[state_path(decision.release)] = dump(decision.state)
        writes[decision_path(decision.release, decision.state.seq)] = entry.content
        document = assignment_document(decision.state, decision.at + IN_GIT)
        if document:
            writes[assignment_path(decision.release)] = pretty(document)
        elif (entry.record["given"]["state"] or {}).get("assignment"):
            deletes.append(assignment_path(decision.release))
        deletes += [request_path(decision.release, answered) for answered in decision.answers]
    ledger = Commit(message=_batch_message(entries, with_trailers), writes=writes, deletes=tuple(deletes))
    return manifests, [ledger]


def message_of(entry: Entry) -> str:
    """Subject and body, without trailers."""
    decision = entry.decision
    subject = f"release({decision.release}): {_headline(decision)}"
    if len(subject) > 72:
        subject = subject[:71] + "…"
    body = textwrap.fill(_capitalised(decision.message) + ".", 90)
    tail = _consequence(decision)
    return "\n\n".join(part for part in (subject, body, tail) if part)


def trailers_of(entry: Entry) -> list[tuple[str, str]]:
    """What machines read. Keys as in ``adapters.git.trailers``."""
    decision, given = entry.decision, entry.record["given"]
    found = [("Releasectl-Decision", decision.action.value), ("Releasectl-Release", decision.release)]
    if decision.candidate:
        found.append(("Releasectl-Variant", decision.candidate))
    found.append(("Releasectl-Reason", decision.reason.value))
    if given["policy"]:
        found.append(("Releasectl-Policy", f"{given['policy']['metadata']['name']}@{given['revision'][:7]}"))
    if given["revision"]:
        found.append(("Releasectl-Observed", given["revision"]))
    if decision.state:
        path = decision_path(decision.release, decision.state.seq)
        found.append(("Releasectl-Evidence", f"{path} sha256:{hashlib.sha256(entry.content).hexdigest()}"))
    found.append(("Releasectl-Decision-Id", decision.id))
    return found


def _batch_message(entries: Sequence[Entry], with_trailers: WithTrailers) -> str:
    if len(entries) == 1:
        return with_trailers(message_of(entries[0]), trailers_of(entries[0]))
    lines = [f"- {entry.decision.release}: {_headline(entry.decision)}" for entry in entries]
    message = f"releases: {len(entries)} decisions\n\n" + "\n".join(lines)
    return with_trailers(message, [trailer for entry in entries for trailer in trailers_of(entry)])


def _headline(decision: Decision) -> str:
    candidate = decision.candidate or "the candidate"
    share = decision.state.allocation.share(candidate) / 100 if decision.state else 0
    match decision.action, decision.reason:
        case Action.PROMOTE, _:
            return f"promote {candidate}"
        case Action.ROLLBACK, Reason.CANDIDATE_WITHDRAWN:
            return f"withdraw {candidate}"
        case Action.ROLLBACK, _:
            return f"roll back {candidate}"
        case Action.ADVANCE, Reason.ADOPTED:
            return "adopt"
        case Action.ADVANCE, _ if decision.state and decision.state.mirrors:
            return f"copy {decision.state.mirrors[candidate] / 100:g} % of requests to {candidate}"
        case Action.ADVANCE, _:
            return f"give {candidate} {share:g} %"
        case Action.REALLOCATE, Reason.REMOVED:
            return "remove"
        case Action.REALLOCATE, Reason.REALLOCATED if decision.state:
            return f"share anew: {decision.state.allocation}"
        case Action.REALLOCATE, _:
            return "serve as the manifest says"
        case _:
            return {
                Reason.SUSPENDED: "pause",
                Reason.RESUMED: "resume",
                Reason.LIFTED: "lift the quarantine",
                Reason.VOTED: "note an approval",
                Reason.REFUSED: "refuse a request",
            }.get(decision.reason, "answer a request")


def _consequence(decision: Decision) -> str:
    state = decision.state
    if state is None:
        return ""
    serves = ", ".join(f"{component} {v.name}" for component, v in state.variants[STABLE].versions.items())
    if decision.action is Action.ROLLBACK and decision.reason is not Reason.CANDIDATE_WITHDRAWN:
        held = ", ".join(
            f"{item.component} {item.version}" for item in state.quarantine if item.decision == decision.id
        )
        kept = f" {_capitalised(held)} is held by its digest until a person lifts it." if held else ""
        return textwrap.fill(f"Stable serves everything: {serves}.{kept}", 90)
    if decision.action is Action.PROMOTE:
        return textwrap.fill(f"Stable is now {serves}.", 90)
    return ""


def _finding(finding: Finding) -> dict[str, str]:
    request = {"request": finding.request.id} if finding.request else {}
    return {"reason": finding.reason.value, "message": finding.message, **request}


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def made_by() -> dict[str, str]:
    """Versions of what computed a decision here."""
    libraries = {name: version(name) for name in ("numpy", "scipy", "pydantic")}
    return {"releasectl": __version__, "python": platform.python_version(), **libraries}

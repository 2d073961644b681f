"""A change of a manifest as a pull request says it: branch, commit, title, body. Pure.

Branches are named by what they are about and not by when somebody looked, so that whoever comes after a crash, or with
no memory at all, finds the one that is there:

- a promotion by the trial and the candidate; asked for anew by a person, by their request besides;
- what a rollback leaves behind by the rollback's decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from releasectl.controller.record import Entry, message_of, trailers_of
from releasectl.decide.inputs import Desired
from releasectl.decide.outcomes import edit_of
from releasectl.domain.base import digest_of
from releasectl.domain.decision import Decision, Edit, EffectiveState, Quarantine
from releasectl.domain.evidence import Evidence
from releasectl.domain.forge import ForgeSpec, WriteBack
from releasectl.domain.release import Release

PREFIX = "releasectl/change/"
_UNRECORDED = {"Releasectl-Evidence", "Releasectl-Decision-Id"}
"""Trailers that speak of a record in the ledger: a proposal has none yet."""
_SHOWN = 8


@dataclass(frozen=True)
class Change:
    """What to do to a manifest, and how to tell of it."""

    release: str
    branches: tuple[str, ...]
    """The first one counts; where a person closed its pull request, the next."""
    path: str
    edit: Edit
    title: str
    text: str
    """Of the commit; the body of the pull request begins with it."""
    trailers: tuple[tuple[str, str], ...]
    body: str
    labels: tuple[str, ...]
    forge: ForgeSpec
    auto_merge: bool

    @property
    def key(self) -> str:
        """Tells apart what has to be looked at anew: a person who asks again is not answered from memory."""
        return self.branches[-1]


def promotion(entry: Entry, desired: Desired, forge: ForgeSpec) -> Change:
    """The change of a promotion that is decided and not recorded."""
    decision, write_back = entry.decision, desired.environment.spec.write_back
    subject, _, rest = message_of(entry).partition("\n\n")
    return Change(
        release=decision.release,
        branches=tuple(_branches(decision, entry.record["given"]["state"]["progress"]["firstEpoch"])),
        path=desired.path,
        edit=decision.edit or Edit(),
        title=subject,
        text=rest,
        trailers=tuple((key, value) for key, value in trailers_of(entry) if key not in _UNRECORDED),
        body=_body(rest, decision.evidence, "Merging it promotes. Closing it declines: the candidate keeps its share "
                   f"and its guardrails, and `releasectl promote {decision.release}` proposes it again."),
        labels=write_back.labels,
        forge=forge,
        auto_merge=write_back.auto_merge,
    )  # fmt: skip


def alive(branch: str, state: EffectiveState) -> bool:
    """Whether a branch is about the trial that is under way."""
    if state.progress is None:
        return False
    keys = [_promotion_key(state.release, state.progress.first_epoch, name) for name in state.candidates]
    return any(branch.startswith(key) for key in keys)


def cleanups(desired: Desired, state: EffectiveState, forge: ForgeSpec) -> Iterator[Change]:
    """Candidates that were rolled back and still stand in the manifest: one change for each rollback.

    Those that were dropped earlier in the same trial go with whichever is merged first: nothing holds them back, so
    that a manifest which names them alone would begin another trial.
    """
    release, write_back = desired.release, desired.environment.spec.write_back
    if state.progress is not None:
        return
    rolled_back = {
        decision: [c.name for c in release.spec.candidates if _identities(release, c.name) & {h.identity for h in held}]
        for decision, held in _by_decision(state).items()
    }
    known = {name for names in rolled_back.values() for name in names}
    settled = release.intent == state.intent
    dropped = [c.name for c in release.spec.candidates if settled and c.name not in known]
    for decision, held in _by_decision(state).items():
        if not rolled_back[decision]:
            continue
        names = (*rolled_back[decision], *dropped)
        what = ", ".join(f"{one.component} {one.version}" for one in held)
        text = (
            f"{what} was rolled back ({held[0].reason}) and is held. It serves nothing; the manifest still asks for it."
        )
        if dropped:
            text += f" {', '.join(dropped)} did not pass in the same trial."
        yield Change(
            release=release.name,
            branches=(f"{PREFIX}{release.name}/drop-{decision[:_SHOWN]}",),
            path=desired.path,
            edit=edit_of(release, drop=names),
            title=f"release({release.name}): take {', '.join(names)} out after its rollback",
            text=text,
            trailers=(("Releasectl-Release", release.name), ("Releasectl-Reason", held[0].reason.value)),
            body=_body(text, state.last.evidence if state.last else (), "Closing it leaves the candidate where it is, "
                       f"held, until the manifest changes or `releasectl lift {release.name}` allows it again."),
            labels=tuple(dict.fromkeys((*write_back.labels, "rollback"))),
            forge=forge,
            auto_merge=write_back.auto_merge,
        )  # fmt: skip


def pushes(decision: Decision, write_back: WriteBack) -> bool:
    """Whether a decision's edit is pushed with its record."""
    if write_back.mode == "push":
        return True
    return decision.action.acts_first and write_back.rollback == "push"


def _branches(decision: Decision, first_epoch: int) -> Iterator[str]:
    key = _promotion_key(decision.release, first_epoch, decision.candidate or "")
    yield key
    for request in decision.answers:
        yield f"{key}-{digest_of(request).removeprefix('sha256:')[:_SHOWN]}"


def _promotion_key(release: str, first_epoch: int, candidate: str) -> str:
    about = {"release": release, "trial": first_epoch, "candidate": candidate}
    return f"{PREFIX}{release}/promote-{digest_of(about).removeprefix('sha256:')[:_SHOWN]}"


def _by_decision(state: EffectiveState) -> Mapping[str, list[Quarantine]]:
    found: dict[str, list[Quarantine]] = {}
    for held in state.quarantine:
        if held.release == state.release:
            found.setdefault(held.decision, []).append(held)
    return found


def _identities(release: Release, candidate: str) -> set[str]:
    tried = release.candidate(candidate)
    return {release.variant(candidate).versions[name].identity for name in release.tried(tried)} if tried else set()


def _body(text: str, evidence: tuple[Evidence, ...], end: str) -> str:
    rows = [f"| {_cell(row.metric)} | {row.role} | {row.verdict.value} | {_cell(row.summary)} |" for row in evidence]
    table = "\n".join(("| metric | role | verdict | numbers |", "|---|---|---|---|", *rows)) if rows else ""
    return "\n\n".join(part for part in (text, table, end) if part)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())

"""What comes of a command in a comment: allowed or not, asked or pointless, and what the controller made of it.

Who may do what stands in the environment on the manifests' branch, never in the pull request. A request is a commit
on the ledger that is made once for a comment, whatever happens to this process in between.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releasectl.controller.asking import Asking, ask
from releasectl.controller.believed import BelievedReader
from releasectl.controller.gates import has_gate_ahead
from releasectl.controller.ledger import Ledger, LedgerReader, decision_path
from releasectl.controller.origins import origins_of
from releasectl.domain.decision import EffectiveState, PersonAction, PersonRequest
from releasectl.domain.environment import Environment
from releasectl.domain.release import Release
from releasectl.domain.roles import identity_of, is_allowed
from releasectl.errors import ManifestError, UsageError
from releasectl.ports import Approving, Heads, Pull, Remark
from releasectl.preview.reading import files_in
from releasectl.preview.selection import Files, compare
from releasectl.pulls.check import PullRepo
from releasectl.pulls.commands import VERBS, Command
from releasectl.pulls.comments import quoted
from releasectl.strategies.approval import same_person

_FURTHEST = 20
"""Decisions that are looked through for the one that settled a request."""


@dataclass(frozen=True)
class Answer:
    """What is said to one command."""

    text: str
    refused: bool = False
    """Whether it was not theirs to ask."""
    release: str = ""
    request: str = ""
    """Identity of the request on the ledger, if one was made."""


@dataclass(frozen=True)
class Heard:
    """One command, and where it was said."""

    command: Command
    index: int
    """Its place among the commands of the comment."""
    remark: Remark
    pull: Pull
    concerned: Sequence[str]
    """Releases of the pull request."""


@dataclass(frozen=True)
class _Place:
    """A release as it stands on the manifests' branch, as far as that is believed: whom it obeys is read there."""

    heads: Heads
    release: Release
    environment: Environment
    path: str


class Registrar:
    """Takes commands and reviews to the ledger. Everything here may wait for git: call it in a thread."""

    def __init__(self, repo: PullRepo, *, forge: str, where: str) -> None:
        """``forge`` is its kind; ``where`` names the repository in texts."""
        self._repo = repo
        self._forge = forge
        self._where = where
        self._ledger = LedgerReader(repo)
        self._believed = BelievedReader(repo)
        self._files: tuple[str, Files] = ("", Files())

    def answer(self, heard: Heard, now: datetime) -> Answer:
        """Do what a command asks."""
        command, concerned = heard.command, heard.concerned
        if not command.is_known:
            return Answer(f"There is no command {quoted(command.verb)}; there are {', '.join(VERBS)}.")
        heads = self._repo.fetch()
        ledger = self._ledger.read(heads.ledger)
        release = command.release or (concerned[0] if len(concerned) == 1 else "")
        if release not in ledger.states:
            return Answer(_which(release, concerned, ledger))
        if command.verb == "status":
            return Answer(_status(ledger, release), release=release)
        place = self._place(heads, release)
        if place is None:
            return Answer(f"The manifest of {release} on the base branch is invalid, so whom it obeys is not known.")
        login, action = heard.remark.author, PersonAction(command.verb)
        if not self._may(place, login, action):
            return Answer("", refused=True)
        if action is PersonAction.APPROVE and self._asked_for_it(place, login, heard.pull):
            return Answer(f"{release}: whoever asked for a candidate does not approve it; somebody else must.")
        request = PersonRequest(
            id=f"{self._forge}-comment-{heard.remark.id}-{heard.index}",
            action=action,
            by=self._identity(place, login),
            at=now,
            reason=command.reason,
            via=f"by {login}@{self._forge} under pull request {heard.pull.number}",
        )
        return self._asked(Asking(release, request, once=True))

    def review(
        self, approving: Approving, pull: Pull, evaluated: Mapping[str, Sequence[str]], now: datetime
    ) -> tuple[Answer, ...]:
        """Let an approving review count for the candidates that were in the pull request when it was checked.

        ``evaluated`` has their identities by release. A review of any other commit than the one that was checked
        and merged counts for nothing, and so does one by the pull request's author.
        """
        if approving.sha != pull.head_sha or approving.by.casefold() == pull.author.casefold():
            return ()
        heads = self._repo.fetch()
        ledger = self._ledger.read(heads.ledger)
        made = []
        for release, identities in sorted(evaluated.items()):
            state = ledger.states.get(release)
            place = self._place(heads, release) if state and state.progress else None
            if state is None or place is None or not has_gate_ahead(self._repo, heads, state):
                continue
            on_trial = {state.variants[name].identity for name in state.candidates}
            counts = place.environment.spec.reviews_approve and self._may(place, approving.by, PersonAction.APPROVE)
            if not counts or not on_trial <= set(identities) or self._asked_for_it(place, approving.by, pull):
                continue
            of = f"{approving.sha[:12]} in pull request {pull.number}"
            request = PersonRequest(
                id=f"{self._forge}-review-{pull.number}-{_plain(approving.by)}-{approving.sha[:12]}",
                action=PersonAction.APPROVE,
                by=self._identity(place, approving.by),
                at=now,
                via=f"by the review of {approving.by}@{self._forge} of {of}",
                candidates=tuple(identities),
            )
            made.append(self._asked(Asking(release, request, once=True)))
        return tuple(made)

    def outcome(self, release: str, request: str) -> str | None:
        """What the controller made of a request; None while it is open."""
        heads = self._repo.fetch()
        ledger = self._ledger.read(heads.ledger)
        if any(one.id == request for one in ledger.requests.get(release, ())) or heads.ledger is None:
            return None
        state, tree = ledger.states.get(release), self._repo.tree(heads.ledger)
        seq = state.seq if state else 0
        for number in range(seq, max(0, seq - _FURTHEST), -1):
            entry = tree.get(decision_path(release, number))
            if entry is None:
                continue
            record: dict[str, Any] = json.loads(self._repo.read([entry.oid])[entry.oid])
            decision = record.get("decision", {})
            if request in decision.get("answers", ()):
                return f"{decision.get('action')} {decision.get('reason')}: {decision.get('message')}"
        return "It was answered; see `releasectl history`."

    def _asked(self, asking: Asking) -> Answer:
        release, request = asking.release, asking.request
        try:
            asked = ask(self._repo, self._ledger, asking, where=self._where)
        except UsageError as error:
            return Answer(f"{release}: {error.message}.")
        if asked.request is None:
            return Answer(f"{release}: {asked.nothing}; nothing was asked.")
        return Answer(
            f"{release}: {request.action} is asked for as {request.by}; the controller answers at its next pass.",
            release=release,
            request=request.id,
        )

    def _place(self, heads: Heads, release: str) -> _Place | None:
        """None where the manifest is invalid or gone."""
        if self._files[0] != heads.manifests:
            entries, _ = self._believed.entries(heads.manifests)
            self._files = (heads.manifests, files_in(self._repo, entries))
        files = self._files[1]
        try:
            found = compare(files, files, only=release).after.resolve(release)
        except ManifestError:
            return None
        return _Place(heads, found.release, found.environment, found.path)

    def _identity(self, place: _Place, login: str) -> str:
        return identity_of(login, self._forge, place.environment.spec.accounts)

    def _may(self, place: _Place, login: str, action: PersonAction) -> bool:
        spec, identity = place.environment.spec, self._identity(place, login)
        return is_allowed(
            spec.roles, spec.teams, login=login, identity=identity, right=action, release=place.release.name
        )

    def _asked_for_it(self, place: _Place, login: str, pull: Pull) -> bool:
        """Whether this person proposed the pull request, or made the commit that brought a candidate, where that
        bars them from approving.

        A commit names no login. Where the environment's ``accounts`` do not join the two, a mail address or a name
        that is the login is enough to ask for somebody else.
        """
        if not any(stage.type == "approval" and stage.not_author for stage in place.release.spec.strategy):
            return False
        if login.casefold() == pull.author.casefold():
            return True
        origins = origins_of(self._repo, place.release, place.path, place.heads.manifests)
        identity, own = self._identity(place, login), login.casefold()
        return any(same_person(identity, one.author) or own in _names(one.author) for one in origins.values())


def _plain(login: str) -> str:
    """As part of a file's name."""
    return re.sub(r"[^a-z0-9_-]", "-", login.casefold())


def _names(author: str) -> set[str]:
    """What of a signature may be a login: the name, and the mail's local part without a number before a plus."""
    name, _, mail = author.rstrip(">").partition("<")
    local = mail.partition("@")[0].casefold()
    return {name.strip().casefold(), local, local.rpartition("+")[2]}


def _which(release: str, concerned: Sequence[str], ledger: Ledger) -> str:
    if release:
        return f"The ledger knows no release {quoted(release)}: a release is known once a controller has adopted it."
    names = ", ".join(concerned) or ", ".join(sorted(ledger.states)[:10])
    return f"Which release? Name it after the verb; here it may be {names or 'none'}."


def _status(ledger: Ledger, release: str) -> str:
    state: EffectiveState = ledger.states[release]
    standing = "removed" if state.removed else "on trial" if state.progress else "at rest"
    if state.suspension:
        standing += f", paused by {quoted(state.suspension.by)}"
    last = f" Last: {state.last.action} {state.last.reason}, {quoted(state.last.message)}." if state.last else ""
    waiting = len(ledger.requests.get(release, ()))
    asked = f" {waiting} requests wait." if waiting else ""
    return f"{release} is {standing}: {state.allocation}.{last}{asked}"

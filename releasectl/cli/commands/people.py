"""What people ask of the controller: a commit on the ledger that it obeys at its next pass."""

from __future__ import annotations

import getpass
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from releasectl.cli.location import Location
from releasectl.cli.options import repository
from releasectl.errors import Conflict, UsageError

if TYPE_CHECKING:
    from releasectl.adapters.git.repo import GitRepo
    from releasectl.controller.ledger import Ledger
    from releasectl.domain.decision import EffectiveState, PersonAction
    from releasectl.ports import Heads

RACES = 8


def _command(name: str, help_text: str) -> click.Command:
    @click.command(name, help=help_text)
    @click.argument("release")
    @repository
    @click.option("-m", "--reason", default="", help="Why; stands in the ledger.")
    @click.option("--by", default=None, help="Who; by default git's user.name, else the login name.")
    @click.option("--wait", is_flag=True, help="Wait until the controller has answered.")
    @click.option(
        "--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds for --wait."
    )
    def command(*, release: str, location: Location, reason: str, by: str | None, wait: bool, timeout: float) -> int:
        return _ask(location, release, name, reason=reason, by=by or _who(), timeout=timeout if wait else None)

    return command


pause = _command(
    "pause",
    """Ask the controller to advance nothing for RELEASE.

    Shares stay as they are and guardrails go on guarding: proven harm still rolls back.
    """,
)
resume = _command("resume", "End a pause of RELEASE.")
promote = _command(
    "promote",
    """Make the candidate of RELEASE stable now, whatever the evidence says.

    It must be ready: a candidate that does not run is not promoted.
    """,
)
rollback = _command(
    "rollback",
    """Take the candidate of RELEASE back now.

    Stable serves everything again, the candidate leaves the manifest, its artifact is held until `lift`.
    """,
)
approve = _command(
    "approve",
    """Approve the candidate of RELEASE, for the approval that waits or is still to come.

    An approval counts for the trial under way only, and not for ever: the stage's `expires` says how long.
    """,
)
reject = _command(
    "reject",
    """Reject the candidate of RELEASE: the trial ends and stable serves everything again.

    For those with a say in an approval that waits or is still to come; its artifact is held until `lift`.
    """,
)
lift = _command("lift", "Allow the held artifacts of RELEASE to be tried again; give the reason with -m.")


def _ask(location: Location, release: str, verb: str, *, reason: str, by: str, timeout: float | None) -> int:
    from releasectl.domain.decision import PersonAction

    action = PersonAction(verb)
    repo = location.open_repo(mirror="mirror-read")
    try:
        request = _commit(repo, location, release, action, reason=reason, by=by)
        if request is None:
            return 0
        click.echo(f"asked: {verb} {release}; the controller answers at its next pass", err=True)
        return 0 if timeout is None else _wait(repo, release, request, timeout)
    finally:
        repo.close()


def _commit(
    repo: GitRepo, location: Location, release: str, action: PersonAction, *, reason: str, by: str
) -> str | None:
    from releasectl.controller.ledger import LedgerReader, dump, request_path
    from releasectl.domain.decision import PersonRequest
    from releasectl.ports import Commit

    reader = LedgerReader(repo)
    request = PersonRequest(id=secrets.token_hex(6), action=action, by=by, at=datetime.now(UTC), reason=reason)
    message = f"release({release}): {by} asks for {action}" + (f"\n\n{reason}" if reason else "")
    for attempt in range(RACES):
        heads = repo.fetch()
        ledger = reader.read(heads.ledger)
        state = _known(ledger, release, location)
        asked = [waiting.action for waiting in ledger.requests.get(release, ())]
        if nothing := _pointless(state, action, asked) or _no_gate(repo, heads, state, action):
            click.echo(f"{release}: {nothing}", err=True)
            return None
        request = request.model_copy(update=_seen(state, action))
        try:
            repo.push(heads, ledger=[Commit(message, {request_path(release, request.id): dump(request)})])
            return request.id
        except Conflict:
            time.sleep(0.05 * (attempt + 1))
    raise Conflict("the ledger is too busy; nothing was asked", hint="try again")


def _known(ledger: Ledger, release: str, location: Location) -> EffectiveState:
    state = ledger.states.get(release)
    if state is None:
        names = ", ".join(sorted(ledger.states)[:10]) or "none"
        raise UsageError(
            f"the ledger of {location.shown_url} knows no release {release!r}",
            hint=f"it knows: {names}; a release is known once a controller has adopted it",
        )
    return state


def _pointless(state: EffectiveState, action: PersonAction, asked: Sequence[PersonAction]) -> str | None:
    """Why there is nothing to ask for: then nothing is written. What is ``asked`` will be answered before it."""
    from releasectl.domain.decision import PersonAction as Action

    on_trial = state.progress is not None
    match action:
        case Action.ROLLBACK | Action.PROMOTE | Action.APPROVE | Action.REJECT if not on_trial:
            return "nothing is on trial"
        case Action.PAUSE if state.suspension and Action.RESUME not in asked:
            return f"is paused already, by {state.suspension.by}"
        case Action.RESUME if not state.suspension and Action.PAUSE not in asked:
            return "is not paused"
        case Action.LIFT if not state.quarantine:
            return "nothing is held"
        case _:
            return None


def _no_gate(repo: GitRepo, heads: Heads, state: EffectiveState, action: PersonAction) -> str | None:
    """Why a vote is pointless although something is on trial."""
    from releasectl.cli.gates import has_gate_ahead
    from releasectl.domain.decision import PersonAction as Action

    if action not in (Action.APPROVE, Action.REJECT) or has_gate_ahead(repo, heads, state):
        return None
    instead = "promote" if action is Action.APPROVE else "rollback"
    return f"no approval waits or is to come in this trial; see `releasectl {instead}`"


def _seen(state: EffectiveState, action: PersonAction) -> Mapping[str, object]:
    """What a vote is about: the trial and the candidates that its giver sees."""
    from releasectl.domain.decision import PersonAction as Action

    if action not in (Action.APPROVE, Action.REJECT) or state.progress is None:
        return {}
    identities = tuple(state.variants[name].identity for name in state.candidates)
    return {"trial": state.progress.first_epoch, "candidates": identities}


def _wait(repo: GitRepo, release: str, request: str, timeout: float) -> int:
    from releasectl.controller.ledger import LedgerReader
    from releasectl.domain.reasons import Reason

    reader = LedgerReader(repo)
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        ledger = reader.read(repo.fetch().ledger)
        if request not in {open_one.id for open_one in ledger.requests.get(release, ())}:
            last = ledger.states[release].last
            click.echo(f"answered: {last.action} {last.reason}: {last.message}" if last else "answered", err=True)
            return 1 if last and last.reason is Reason.REFUSED else 0
        time.sleep(0.3)
    click.echo(f"no answer within {timeout:g} s; the request stays open", err=True)
    return 4


def _who() -> str:
    from git import Git
    from git.exc import GitCommandError, GitCommandNotFound

    try:
        name = str(Git().config("--get", "user.name"))
    except (GitCommandError, GitCommandNotFound):
        name = ""
    return name or getpass.getuser()

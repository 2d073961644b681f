"""What people ask of the controller: a commit on the ledger that it obeys at its next pass."""

from __future__ import annotations

import getpass
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from releasectl.cli.location import Location
from releasectl.cli.options import repository

if TYPE_CHECKING:
    from releasectl.adapters.git.repo import GitRepo


EXIT_CODES = """\b
Exits 0 when it is asked for, or answered with --wait; 5 where it would change nothing, and then asks for nothing.
With --wait also 1 when it is refused, 4 when there is no answer in time."""


def _command(name: str, help_text: str) -> click.Command:
    @click.command(name, help=help_text, epilog=EXIT_CODES)
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
resume = _command(
    "resume",
    """End a pause of RELEASE, or a hold by a wrong sample ratio.

    Mend the cause first: what was counted with it proves nothing, so the trial begins anew.
    """,
)
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
    from releasectl.controller.asking import Asking, ask
    from releasectl.controller.ledger import LedgerReader
    from releasectl.domain.decision import PersonAction, PersonRequest

    request = PersonRequest(
        id=secrets.token_hex(6), action=PersonAction(verb), by=by, at=datetime.now(UTC), reason=reason
    )
    repo = location.open_repo(mirror="mirror-read")
    try:
        asked = ask(repo, LedgerReader(repo), Asking(release, request), where=location.shown_url)
        if asked.request is None:
            click.echo(f"{release}: {asked.nothing}", err=True)
            return 5
        click.echo(f"asked: {verb} {release}; the controller answers at its next pass", err=True)
        return 0 if timeout is None else _wait(repo, release, asked.request.id, timeout)
    finally:
        repo.close()


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

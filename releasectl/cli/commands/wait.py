"""``releasectl wait``: for bots and pipelines, until it is known what became of a candidate."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass

import click

from releasectl.cli.location import Location
from releasectl.cli.options import output, repository
from releasectl.domain.decision import Action
from releasectl.domain.reasons import Reason
from releasectl.domain.status import ReleaseStatus
from releasectl.errors import UsageError

PROMOTED, TAKEN_BACK, PERSON, PENDING, SUPERSEDED = 0, 1, 3, 4, 5

EXAMPLES = """
\b
Examples:
  releasectl wait press-sentiment --timeout 3600            what becomes of the trial under way
  releasectl wait press-sentiment --candidate sentiment-7   also if it has not started yet, or is over
  releasectl wait shop -o json | jq -r .decision            the decision's identity, for `releasectl explain`

\b
Exit codes: 0 promoted, 1 taken back, 3 a person is needed, 4 open at --timeout, 5 withdrawn or replaced
by people, 6 the repository cannot be reached. Progress goes to stderr, the outcome to stdout.
"""


@dataclass(frozen=True)
class Verdict:
    """What is known of a candidate."""

    code: int
    release: str
    candidate: str | None
    outcome: str
    reason: str = ""
    message: str = ""
    decision: str = ""


@click.command(epilog=EXAMPLES)
@click.argument("release")
@repository
@output("text", "json")
@click.option("--candidate", default=None, metavar="NAME", help="Wait for this one, not only for what is on trial now.")
@click.option("--timeout", type=click.FloatRange(min=0), default=None, help="Seconds; without it for ever.")
@click.option("--patient", is_flag=True, help="Go on waiting while a person is needed.")
@click.option("--every", type=click.FloatRange(min=0.05), default=1.0, show_default=True, help="Seconds between looks.")
def wait(
    *,
    release: str,
    location: Location,
    output: str,
    candidate: str | None,
    timeout: float | None,
    patient: bool,
    every: float,
) -> int:
    """Wait until a trial of RELEASE has ended, and exit by how it ended.

    Asks the controller if one runs with this state folder, else the ledger in git; it needs no rights to
    write. Started again after an interruption it comes to the same answer.
    """
    from releasectl.cli.readmodel import read_status

    until = None if timeout is None else time.monotonic() + timeout
    told, looked_back = "", False
    while True:
        report = read_status(location)
        row = next((one for one in report.releases if one.name == release), None)
        if row is None and candidate is None:
            names = ", ".join(one.name for one in report.releases[:10]) or "none"
            raise UsageError(f"there is no release {release!r} in {report.repository}", hint=f"there are: {names}")
        verdict = verdict_on(row, release, candidate)
        if verdict.code == PENDING and candidate and (row is None or row.phase != "trial") and not looked_back:
            # Once is enough: what is decided from now on will be the last decision.
            looked_back, verdict = True, _in_history(location, release, candidate) or verdict
        is_open = verdict.code == PENDING or (verdict.code == PERSON and patient)
        if is_open and verdict.message != told:
            told = verdict.message
            click.echo(f"{release}: {told}", err=True)
        if not is_open or (until is not None and time.monotonic() >= until):
            break
        time.sleep(every)
    click.echo(json.dumps(asdict(verdict)) if output == "json" else _sentence(verdict))
    sys.stdout.flush()
    return verdict.code


def verdict_on(row: ReleaseStatus | None, release: str, candidate: str | None) -> Verdict:
    """What a release's status says of a candidate; of whatever is or was last on trial if none is named."""
    if row is None:
        return Verdict(PENDING, release, candidate, "open", message="the controller does not know the release yet")
    on_trial = [variant.name for variant in row.variants if variant.name != "stable"]
    if row.phase in ("trial", "paused") and (candidate in on_trial if candidate else on_trial):
        return _of_trial(row, candidate or ", ".join(on_trial))
    last = row.last
    if last is not None and last.candidate and candidate in (None, last.candidate):
        ended = _ended(release, last.candidate, last.action, last.reason, message=last.message, decision=row.decision)
        if ended is not None:
            return ended
    if candidate is None:
        return Verdict(SUPERSEDED, release, None, "nothing on trial", message="nothing is on trial, and nothing was")
    if row.condition and row.condition.type == "Stalled":
        return Verdict(PERSON, release, candidate, "stalled", row.condition.reason.value, row.condition.message)
    return Verdict(PENDING, release, candidate, "open", message=f"{candidate} has not been seen on trial yet")


def _ended(
    release: str, candidate: str, action: Action, reason: Reason, *, message: str = "", decision: str = ""
) -> Verdict | None:
    """The verdict in a decision that ended a trial; None if it did not end one."""
    match action, reason:
        case Action.PROMOTE, _:
            code, outcome = PROMOTED, "promoted"
        case Action.ROLLBACK, Reason.CANDIDATE_WITHDRAWN:
            code, outcome = SUPERSEDED, "withdrawn"
        case Action.ROLLBACK, _:
            code, outcome = TAKEN_BACK, "taken back"
        case _:
            return None
    return Verdict(code, release, candidate, outcome, reason.value, message, decision)


def _in_history(location: Location, release: str, candidate: str) -> Verdict | None:
    """How the last trial of a candidate ended, if others have been on trial since."""
    from releasectl.cli.decisions import history
    from releasectl.controller.gitread import heads_of

    repo = location.open_repo(mirror="mirror-read")
    try:
        for row in history(repo, heads_of(repo).ledger, release, None):
            if row.fields.get("variant") == candidate:
                action, reason = Action(row.fields["action"]), Reason(row.fields["reason"])
                ended = _ended(release, candidate, action, reason, decision=row.fields["id"])
                if ended is not None:
                    return ended
    finally:
        repo.close()
    return None


def _of_trial(row: ReleaseStatus, candidate: str) -> Verdict:
    """A trial under way: open, or waiting for somebody."""
    reason = row.condition.reason.value if row.condition else ""
    message = row.condition.message if row.condition else "on trial"
    needed = row.phase == "paused" or (row.condition is not None and row.condition.type == "Stalled")
    waits = row.condition is not None and row.condition.reason is Reason.AWAITING_APPROVAL
    if needed or waits:
        return Verdict(PERSON, row.name, candidate, "waiting for a person", reason, message)
    return Verdict(PENDING, row.name, candidate, "open", reason, message)


def _sentence(verdict: Verdict) -> str:
    name = f"{verdict.release} {verdict.candidate}" if verdict.candidate else verdict.release
    why = f" ({verdict.reason})" if verdict.reason else ""
    return f"{name}: {verdict.outcome}{why}" + (f": {verdict.message}" if verdict.message else "")

"""``releasectl replay``: recorded decisions made again and compared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from releasectl.cli.location import Location
from releasectl.cli.options import output, repository
from releasectl.errors import UsageError

if TYPE_CHECKING:
    from releasectl.cli.replaying import Checked
    from releasectl.controller.replay import Difference

EXAMPLES = """
\b
Examples:
  releasectl replay                          every decision of the ledger
  releasectl replay press-sentiment          all of one release
  releasectl replay 7f3a2c9e                 one, by its identity or its commit
  releasectl replay -o json | jq '.decisions[] | select(.equal | not)'

\b
What it prints:
  equal    press-sentiment #3  ADVANCE StepPassed            4b1c9f0e2d7a6583
  DIFFERS  press-sentiment #4  ROLLBACK GuardrailBreached    9a77c1d0e5f24b36
           changed: given.observed.readings.error-rate.blocks[2].arms.next.events was 14, is 15
           decision.evidence[0].logE: recorded 4.120187334, made again 4.713350912
"""


@click.command(epilog=EXAMPLES)
@click.argument("what", required=False, metavar="[RELEASE|DECISION|COMMIT]")
@repository
@output("table", "json")
def replay(*, what: str | None, location: Location, output: str) -> int:
    """Make recorded decisions again and compare them byte for byte.

    A record holds all that its decision was made from, so anyone can make it again. Each file is held
    against the digest in its commit's trailer too, and each decision against the one before it.

    Exits 0 if all are equal, 1 if one is not.
    """
    from releasectl.cli.decisions import history, matching
    from releasectl.cli.replaying import check_all
    from releasectl.controller.gitread import heads_of

    repo = location.open_repo(mirror="mirror-read")
    try:
        ledger = heads_of(repo).ledger
        rows = matching(repo, ledger, what) if what else history(repo, ledger, None, None)
        if ledger is None or not rows:
            named = f"no release, decision or commit {what!r}" if what else "no decisions"
            raise UsageError(
                f"{named} in the ledger of {location.shown_url}", hint="releasectl history lists the decisions"
            )
        checked = list(check_all(repo, ledger, rows[::-1]))
    finally:
        repo.close()
    bad = sum(not one.equal for one in checked)
    if output == "json":
        found = {"decisions": [one.to_data() for one in checked], "equal": len(checked) - bad, "different": bad}
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _table(checked)
        click.echo(
            f"{len(checked)} decisions: {f'{len(checked) - bad} equal, {bad} different' if bad else 'all equal'}"
        )
    return 1 if bad else 0


def _table(checked: list[Checked]) -> None:
    from releasectl.controller.replay import SHOWN

    width = max(len(f"{one.recorded.release} #{one.seq}") for one in checked)
    for one in checked:
        fields = one.recorded.fields
        title = f"{one.recorded.release} #{'?' if one.seq is None else one.seq}".ljust(width)
        what = f"{fields.get('action', '-')} {fields.get('reason', '-')}"
        click.echo(f"{'equal  ' if one.equal else 'DIFFERS'}  {title}  {what:28}  {fields.get('id', '-')}")
        told = [*one.wrong, *(_change(change) for change in one.changed), *(_differs(d) for d in one.differs[:SHOWN])]
        if len(one.differs) > SHOWN:
            told.append(f"and {len(one.differs) - SHOWN} fields more")
        if not one.equal and one.other_versions:
            versions = ", ".join(f"{name} {was} (here {here})" for name, (was, here) in one.other_versions.items())
            told.append(f"made by other versions: {versions}")
        for line in told:
            click.echo(f"         {line}")


def _change(one: Difference) -> str:
    return f"changed: {one.field} was {one.recorded or 'not there'}, is {one.found or 'gone'}"


def _differs(one: Difference) -> str:
    return f"{one.field}: recorded {one.recorded or 'nothing'}, made again {one.found or 'nothing'}"

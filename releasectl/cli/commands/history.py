"""``releasectl history``: the decisions of the ledger."""

from __future__ import annotations

import json

import click

from releasectl.cli.location import Location
from releasectl.cli.options import output, repository
from releasectl.domain.base import format_time

EXAMPLES = """
\b
Examples:
  releasectl history                         the last 20 decisions of all releases
  releasectl history press-sentiment -n 0    everything of one
  releasectl history -o jsonl | jq -r .reason | sort | uniq -c
"""


@click.command(epilog=EXAMPLES)
@click.argument("release", required=False)
@repository
@output("table", "json", "jsonl")
@click.option("-n", "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="0 for all.")
def history(*, release: str | None, location: Location, output: str, limit: int) -> int:
    """List the decisions of the ledger, newest first.

    Reads git alone. Each line names the decision; `releasectl explain` shows one with its numbers.
    """
    from releasectl.cli.decisions import history as read_history
    from releasectl.controller.gitread import heads_of

    repo = location.open_repo(mirror="mirror-read")
    try:
        rows = read_history(repo, heads_of(repo).ledger, release, limit or None)
    finally:
        repo.close()
    data = [{"at": format_time(row.at), "commit": row.commit, **row.fields} for row in rows]
    if output == "json":
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    elif output == "jsonl":
        for one in data:
            click.echo(json.dumps(one, ensure_ascii=False))
    else:
        _table(data)
    if not rows:
        click.echo(f"no decisions{f' about {release}' if release else ''} in {location.shown_url}", err=True)
    return 0


def _table(data: list[dict[str, str]]) -> None:
    columns = ("at", "release", "action", "variant", "reason", "id", "commit")
    rows = [[row.get(column, "-") for column in columns] for row in data]
    for row in rows:
        row[0], row[-1] = row[0][:19].replace("T", " "), row[-1][:9]
    titles = [column.upper() for column in columns]
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(columns))]
    for row in [titles, *rows] if rows else []:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

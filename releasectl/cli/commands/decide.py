"""``releasectl decide``: one decision, from files alone."""

from __future__ import annotations

from pathlib import Path

import click

EXAMPLES = """
\b
Examples:
  releasectl decide --manifests . --release shop --state state.json --evidence evidence.json \\
      --now 2026-01-31T12:00:00Z -o json

\b
state.json     releases/<name>/state.json of the ledger branch; leave it out for a release that is new
evidence.json  what was observed: `.given.observed` of a decision's record, for example
                 {"served": {"shares": {"stable": 9000, "next": 1000}}, "servedSince": "2026-01-31T11:50:00Z",
                  "health": {"next": {"health": "ready"}},
                  "readings": {"error-rate": {"state": "ok", "blocks": [
                    {"startAt": "...", "endAt": "...", "epoch": 2,
                     "arms": {"stable": {"trials": 900, "events": 9}, "next": {"trials": 100, "events": 1}}}]}}}
"""


@click.command("decide", epilog=EXAMPLES)
@click.option("--manifests", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--release", "name", required=True, help="Name of the release.")
@click.option("--state", "state_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--evidence", "evidence_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--now", required=True, metavar="RFC3339", help="The time at which it is decided.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def decide_offline(
    *, manifests: Path, name: str, state_file: Path | None, evidence_file: Path | None, now: str, output: str
) -> int:
    """Run one decision from files, without a world.

    The same code that the controller runs: equal inputs give equal bytes. Exits 0 whatever the decision is,
    1 if a file or a manifest is invalid.
    """
    from releasectl.cli.offline import decide_from_files

    decision = decide_from_files(manifests, name, state_file, evidence_file, now)
    if output == "json":
        from releasectl.controller.ledger import dump

        click.echo(dump(decision), nl=False)
        return 0
    click.echo(f"{decision.action} {decision.reason}: {decision.message}")
    if decision.state:
        click.echo(f"shares: {decision.state.allocation}")
    for row in decision.evidence:
        click.echo(f"{row.role} {row.metric} {row.state}: {row.summary}")
    return 0

"""``releasectl status``: what is going on."""

from __future__ import annotations

import sys
import time

import click

from releasectl.cli.location import Location
from releasectl.cli.options import output, repository
from releasectl.cli.words import step_of
from releasectl.domain.status import ReleaseStatus, StatusReport
from releasectl.errors import UsageError

EXAMPLES = """
\b
Examples:
  releasectl status                        every release, one line each
  releasectl status press-sentiment        one release as a tree: shares, intervals, last decision
  releasectl status -o wide -w             all trees, redrawn as things change
  releasectl status -o json | jq '.releases[] | {name, phase}'
  releasectl status shop --wait --timeout 600 && echo settled
"""


@click.command(epilog=EXAMPLES)
@click.argument("release", required=False)
@repository
@output("table", "wide", "json", "yaml")
@click.option("-w", "--watch", is_flag=True, help="Redraw on a terminal; elsewhere print a line for each change.")
@click.option("--wait", is_flag=True, help="Wait until nothing is on trial.")
@click.option("--timeout", type=click.FloatRange(min=0), default=None, help="Seconds for --wait and --watch.")
def status(
    *, release: str | None, location: Location, output: str, watch: bool, wait: bool, timeout: float | None
) -> int:
    """Show releases, their shares and their evidence.

    Asks the controller that runs with this state folder. Without one it reads git alone and says so: then
    shares are those decided, and nothing is known of what is served or measured at this moment.

    Exits 0; with --wait 0 once settled, 3 while a person is needed, 4 if still on trial at --timeout.
    """
    from releasectl.cli.readmodel import read_status

    until = None if timeout is None else time.monotonic() + timeout
    if watch:
        return _watch(location, release, output, until)
    while True:
        report = _only(read_status(location), release)
        code = _settled(report)
        if not wait or code != 4 or (until is not None and time.monotonic() >= until):
            break
        time.sleep(0.5)
    click.echo(_text(report, output, tree=release is not None), nl=False)
    return code if wait else 0


def _watch(location: Location, release: str | None, output: str, until: float | None) -> int:
    from releasectl.cli.readmodel import read_status

    if output in ("json", "yaml"):
        raise UsageError("--watch draws for people", hint="leave -o out, or ask again and again with -o json")
    if sys.stdout.isatty():
        from rich.live import Live

        from releasectl.cli.render import console, status_trees

        with Live(console=console(), auto_refresh=False) as live:
            while until is None or time.monotonic() < until:
                live.update(status_trees(_only(read_status(location), release)), refresh=True)
                time.sleep(0.5)
        return 0
    seen: dict[str, str] = {}
    while until is None or time.monotonic() < until:
        for row in _only(read_status(location), release).releases:
            line = _line(row)
            if seen.get(row.name) != line:
                seen[row.name] = line
                click.echo(line)
        time.sleep(0.5)
    return 0


def _only(report: StatusReport, release: str | None) -> StatusReport:
    if release is None:
        return report
    rows = tuple(row for row in report.releases if row.name == release)
    if not rows:
        names = ", ".join(row.name for row in report.releases[:10]) or "none"
        raise UsageError(f"there is no release {release!r} in {report.repository}", hint=f"there are: {names}")
    return report.model_copy(update={"releases": rows})


def _settled(report: StatusReport) -> int:
    if any(row.condition and row.condition.type == "Stalled" for row in report.releases):
        return 3
    return 4 if any(row.phase in ("trial", "new") for row in report.releases) else 0


def _line(row: ReleaseStatus) -> str:
    shares = " ".join(f"{variant.name}={variant.share / 100:g}%" for variant in row.variants)
    condition = f"{row.condition.type} {row.condition.reason}" if row.condition else "-"
    step = f" step {step_of(row.stage)}" if row.stage else ""
    return f"{row.name}: {row.phase}{step}, {shares}, {condition}"


def _text(report: StatusReport, output: str, *, tree: bool) -> str:
    if output == "json":
        import json

        return json.dumps(report.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False) + "\n"
    if output == "yaml":
        import yaml

        dumped: str = yaml.safe_dump(report.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True)
        return dumped
    from releasectl.cli.render import console, status_table, status_trees

    drawing = console()
    with drawing.capture() as captured:
        drawing.print(status_trees(report) if tree or output == "wide" else status_table(report))
    return captured.get()

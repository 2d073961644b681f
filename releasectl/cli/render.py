"""Wording and drawing for people. rich is imported here and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from releasectl.cli.words import reward_summary, step_of
from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.reward import ArmReward
from releasectl.domain.status import Condition, ReleaseStatus, StatusReport, VariantStatus

STATE_STYLE: Mapping[str, str] = {
    MetricState.OK: "green",
    MetricState.BAD: "bold red",
    MetricState.INCONCLUSIVE: "yellow",
    MetricState.NO_DATA: "dim",
    MetricState.STALE: "magenta",
    MetricState.INVALID: "magenta",
    MetricState.PROVIDER_ERROR: "magenta",
}
CONDITION_STYLE = {"Ready": "green", "Reconciling": "yellow", "Stalled": "bold red"}
NO_RELEASES = Text("no releases", style="dim")
BAR_CELLS = 20
WIDTH_ELSEWHERE = 160
"""Columns where the output is no terminal: a file or a pipe has no width of its own."""


def console() -> Console:
    """Standard output; colours only on a terminal and unless NO_COLOR says no."""
    width = None if sys.stdout.isatty() else WIDTH_ELSEWHERE
    return _Console(highlight=False, soft_wrap=False, width=width)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """A reader that has seen enough is told of in one place, ``cli.main``."""
        raise BrokenPipeError


def status_table(report: StatusReport) -> RenderableType:
    """One line a release."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("RELEASE", "PHASE", "STEP", "SHARES", "CONDITION", "LAST DECISION", "AGE"):
        table.add_column(column, overflow="fold")
    for release in report.releases:
        last = f"{release.last.action} {release.last.reason}" if release.last else "-"
        table.add_row(
            release.name,
            release.phase,
            _step(release),
            _shares(release),
            _condition(release.condition),
            last,
            _age(release.last.at if release.last else None, report.at),
        )
    return Group(*_heading(report), table if report.releases else NO_RELEASES)


def status_trees(report: StatusReport) -> RenderableType:
    """A tree for each release: variants with shares, evidence with intervals, the last decision."""
    parts: list[RenderableType] = list(_heading(report))
    parts += [release_tree(release, report.at) for release in report.releases]
    if not report.releases:
        parts.append(NO_RELEASES)
    return Group(*parts)


def release_tree(release: ReleaseStatus, now: datetime) -> Tree:
    """One release."""
    title = Text.assemble((release.name, "bold"), "  ", release.phase)
    if release.stage:
        title.append(f"  {release.stage.type} {_step(release)}")
    if release.url:
        title.append(f"  {release.url}", style="dim")
    tree = Tree(title, guide_style="dim")
    if release.condition:
        line = Text.assemble(_condition(release.condition), "  ", release.condition.message)
        tree.add(line)
    for variant in release.variants:
        tree.add(_variant(variant))
    for row in release.evidence:
        tree.add(evidence_line(row))
    for arm in release.rewards:
        tree.add(reward_line(arm))
    if release.suspension:
        tree.add(Text(f"paused by {release.suspension.by}: {release.suspension.reason or 'no reason given'}"))
    for held in release.quarantine:
        tree.add(Text(f"held: {held.component} {held.version} ({held.reason}, decision {held.decision})", style="red"))
    for sentence in release.problems:
        tree.add(Text(sentence, style="yellow"))
    for sentence in release.stale:
        tree.add(Text(f"stale: {sentence}", style="yellow"))
    if release.last:
        age = _age(release.last.at, now)
        tree.add(
            Text.assemble(
                ("last  ", "dim"),
                f"#{release.seq} {release.last.action} {release.last.reason}, {age} ago: ",
                release.last.message,
            )
        )
    return tree


def evidence_line(row: Evidence) -> Text:
    """One metric: state, numbers, and how far the proof is."""
    parts = Text.assemble((f"{row.role:9} ", "dim"), (f"{row.metric:14} ", ""))
    parts.append(f"{row.state:12} ", style=STATE_STYLE[row.state])
    parts.append(row.summary)
    return parts


def reward_line(arm: ArmReward) -> Text:
    """What one arm of a bandit earns, and how likely it is to be the best."""
    return Text.assemble(("reward    ", "dim"), f"{arm.variant:14} ", reward_summary(arm))


def _heading(report: StatusReport) -> Iterable[RenderableType]:
    if report.source == "git":
        yield Text(
            f"from git alone (no controller answers): what was decided, not what is served or measured now; "
            f"{report.repository} at {report.revision[:9]}",
            style="dim",
            # A line of its own wherever it is read: a long address must not be broken in two.
            no_wrap=True,
            overflow="ignore",
        )
    for problem in report.problems:
        yield Text(problem, style="bold red")
    for one in report.subscriptions:
        yield Text(f"subscription {one.name}: {one.message}", style="yellow" if one.fault else "dim")


def _variant(variant: VariantStatus) -> Text:
    share = variant.share / 100
    filled = round(share / 100 * BAR_CELLS)
    line = Text.assemble(
        (f"{variant.name:14} ", "bold"),
        ("█" * filled, "cyan"),
        ("░" * (BAR_CELLS - filled), "dim"),
        f" {share:6.2f} %",
    )
    if variant.served is not None and variant.served != variant.share:
        line.append(f"  serves {variant.served / 100:g} %", style="yellow")
    line.append("  " + ", ".join(f"{component} {version}" for component, version in variant.versions.items()))
    if variant.health:
        line.append(f"  {variant.health.health}", style="green" if variant.health.health == "ready" else "yellow")
    return line


def _step(release: ReleaseStatus) -> str:
    return step_of(release.stage) if release.stage else "-"


def _shares(release: ReleaseStatus) -> str:
    return " ".join(f"{variant.name}={variant.share / 100:g}%" for variant in release.variants) or "-"


def _condition(condition: Condition | None) -> Text:
    if condition is None:
        return Text("-", style="dim")
    return Text(f"{condition.type} {condition.reason}", style=CONDITION_STYLE[condition.type])


def _age(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "-"
    seconds = max(0, (now - at).total_seconds())
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"

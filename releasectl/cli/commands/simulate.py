"""``releasectl simulate``: error rates, times and exposures of a release before it is released."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from releasectl.errors import UsageError

if TYPE_CHECKING:
    from releasectl.simulate.case import Case

EXAMPLES = """
\b
Examples:
  releasectl simulate press-sentiment                       no difference, and harm of twice the margin
  releasectl simulate press-sentiment --traffic 20          is that enough traffic for this policy?
  releasectl simulate press-sentiment --baseline error-rate=0.2% --effect error-rate=+0.5%
  releasectl simulate press-sentiment --effect tiny-bert/click-through=+1% --delay click-through=10m
  releasectl simulate press-desk --segment print=small:10%,correct=-30% --runs 20
  releasectl simulate press-sentiment --drift 30% --runs 10000 -o markdown

\b
What it prints:
  no difference
    false rollback                0.7 % of runs        +- 0.08
    time to decision, median       42 minutes          +- 0.0
"""

NOT_VARIANTS = ("stable", "delaySeconds", "standardDeviation")
"""Of what is told about a metric of a world: all else are the levels of candidates."""


@click.command(epilog=EXAMPLES)
@click.argument("release")
@click.option(
    "-R",
    "--repo",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="Folder with the manifests.",
)
@click.option("--runs", type=click.IntRange(min=1), default=1000, show_default=True, help="Releases to simulate.")
@click.option(
    "--traffic", type=click.FloatRange(min=0.001), default=100.0, show_default=True, help="Requests a second."
)
@click.option(
    "--baseline",
    multiple=True,
    metavar="METRIC=RATE",
    help="Stable's rate, by default 1% of bad and 10% of good; of a mean, 25~8 is mean and standard deviation.",
)
@click.option(
    "--effect",
    multiple=True,
    metavar="[CANDIDATE/]METRIC=+X%",
    help="The candidate's difference, in points of the rate; of a mean, in its own unit.",
)
@click.option(
    "--segment",
    multiple=True,
    metavar="FIELD=VALUE:SHARE[,[CANDIDATE/]METRIC=+X%]",
    help="Users who are counted apart, their share of the requests, and the difference among them if it is another.",
)
@click.option(
    "--delay", multiple=True, metavar="METRIC=SPAN", help="How late outcomes are known; default its maturity."
)
@click.option("--drift", default="0%", metavar="X%", help="All rates swing by this part of themselves once a day.")
@click.option("--every", default="30s", show_default=True, metavar="SPAN", help="Time between looks.")
@click.option(
    "--looks", type=click.IntRange(min=1), help="Looks at most; by default all that the policy's time allows."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The same seed, the same runs.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
def simulate(
    *,
    release: str,
    folder: Path,
    runs: int,
    traffic: float,
    baseline: tuple[str, ...],
    effect: tuple[str, ...],
    segment: tuple[str, ...],
    delay: tuple[str, ...],
    drift: str,
    every: str,
    looks: int | None,
    seed: int,
    output: str,
) -> int:
    """Simulate a release's strategy and policy in a synthetic world.

    Runs the same decisions that a controller makes, look by look, and tells how often they are wrong and how
    long they take: once without any difference between candidate and stable, and once with --effect, or with
    harm of twice the first guardrail's margin. Every number has its standard error. A bandit's posteriors
    take their time, and what has a shadow or segments is simulated run by run; give fewer --runs.
    """
    from releasectl.cli.folder import catalog_of, desired_in
    from releasectl.cli.worlds import world_of
    from releasectl.domain.base import parse_duration
    from releasectl.simulate import summary
    from releasectl.simulate.case import case_of
    from releasectl.simulate.supposed import equal_world, harmful_world

    case = case_of(desired_in(catalog_of(folder), release))
    try:
        span = parse_duration(every)
    except ValueError as error:
        raise UsageError(f"--every: {error}") from error
    if not span:
        raise UsageError("--every: between looks some time must pass", hint="for example 30s")
    world = world_of(
        case,
        traffic=traffic,
        baseline=baseline,
        effect=effect,
        segment=segment,
        delay=delay,
        drift=drift,
        every=span,
        looks=looks or _looks(case, span.total_seconds()),
    )
    told = effect or any("," in one for one in segment)
    other = ("with the effect", world) if told else ("harm of twice the margin", harmful_world(case, world))
    found = []
    for index, (title, one) in enumerate((("no difference", equal_world(world)), other)):
        figures = summary.figures(summary.simulate(case, one, runs, seed + index))
        found.append({"world": title, **summary.assumptions(one), "figures": [row.to_data() for row in figures]})
        if missing := summary.left_out(case, one):
            found[-1]["notSimulated"] = list(missing)
    if output == "json":
        click.echo(json.dumps({"release": release, "runs": runs, "seed": seed, "worlds": found}, indent=2))
    else:
        click.echo("\n".join((_markdown if output == "markdown" else _table)(release, runs, found)))
    return 0


def _looks(case: Case, every: float) -> int:
    """All looks of a release that uses each stage's whole time."""
    stages = len(case.desired.stages)
    return math.ceil(stages * case.desired.policy.spec.max_duration.total_seconds() / every) + 2


def _table(release: str, runs: int, worlds: list[dict[str, Any]]) -> list[str]:
    lines = [f"{release}: {runs} simulated releases in each world"]
    for world in worlds:
        lines += ["", f"{world['world']}  ({_assumed(world)})"]
        lines += [f"  {row['name']:28} {_value(row):>10} {row['unit']:22} {_error(row)}" for row in world["figures"]]
    return [*lines, *_left_out(worlds)]


def _markdown(release: str, runs: int, worlds: list[dict[str, Any]]) -> list[str]:
    lines = [f"### {release}: {runs} simulated releases in each world"]
    for world in worlds:
        lines += ["", f"**{world['world']}** ({_assumed(world)})", "", "| | value | standard error |", "|---|--:|--:|"]
        for row in world["figures"]:
            lines.append(f"| {row['name']} | {_value(row)} {row['unit']} | {_error(row).removeprefix('+- ')} |")
    return [*lines, *_left_out(worlds)]


def _left_out(worlds: list[dict[str, Any]]) -> list[str]:
    """What the figures do not know of, once for all worlds."""
    missing = dict.fromkeys(told for world in worlds for told in world.get("notSimulated", ()))
    return [line for told in missing for line in ("", f"Not simulated: {told}.")]


def _assumed(world: dict[str, Any]) -> str:
    parts = [f"{world['requestsPerSecond']:g} requests/s", f"a look every {world['lookEverySeconds']:g}s"]
    for metric, rates in world["rates"].items():
        shown = partial(_level, is_mean="standardDeviation" in rates)
        others = [f"{name} {shown(rate)}" for name, rate in rates.items() if name not in NOT_VARIANTS]
        against = f" against {', '.join(others)}" if others else ""
        spread = f", standard deviation {rates['standardDeviation']:.3g}" if "standardDeviation" in rates else ""
        late = f", {rates['delaySeconds']:g}s late" if "delaySeconds" in rates else ""
        parts.append(f"{metric} {shown(rates['stable'])}{against}{spread}{late}")
    for part, group in world.get("segments", {}).items():
        parts.append(f"{100 * group['share']:g} % with {part}{_there(world, group['rates'])}")
    return "; ".join(parts + ([f"drift {100 * world['drift']:g} %"] if world["drift"] else []))


def _there(world: dict[str, Any], rates: dict[str, dict[str, float]]) -> str:
    """Levels in a group that are not those of everybody."""
    found = ""
    for metric, levels in rates.items():
        shown = partial(_level, is_mean="standardDeviation" in world["rates"][metric])
        found += f", {metric} {', '.join(f'{name} {shown(level)}' for name, level in levels.items())} there"
    return found


def _level(value: float, *, is_mean: bool) -> str:
    return f"{value:.4g}" if is_mean else f"{100 * value:.3g} %"


def _value(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return "-"
    return f"{100 * row['value']:.2f} %" if row["unit"] == "of runs" else f"{row['value']:.1f}"


def _error(row: dict[str, Any]) -> str:
    if row["standardError"] is None:
        return "-"
    return f"+- {100 * row['standardError']:.2f}" if row["unit"] == "of runs" else f"+- {row['standardError']:.2g}"

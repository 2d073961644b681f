"""``releasectl metrics``: questions to the event log."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from releasectl.cli.location import Location
from releasectl.cli.options import output, repository
from releasectl.errors import UsageError

if TYPE_CHECKING:
    from releasectl.cli.whatif import Answer
    from releasectl.domain.decision import Allocation

EXAMPLES = """
\b
Examples:
  releasectl metrics ope press-sentiment --shares stable=50,tiny-bert=50
  releasectl metrics ope press-sentiment --shares tiny-bert=100 --metric click-through -o json
"""
NAMES = {
    "ips": "every exposure weighted",
    "snips": "weights normalised",
    "dr": "corrected by a model of arm and segment",
}


@click.group()
def metrics() -> None:
    """Ask the event log what it knows."""


@metrics.command(epilog=EXAMPLES)
@click.argument("release")
@click.option("--shares", required=True, metavar="VARIANT=PERCENT,...", help="The shares in question; 100 in all.")
@click.option("--metric", help="The metric to earn; needed where the event log tells more than one.")
@repository
@output("table", "json")
def ope(*, release: str, shares: str, metric: str | None, location: Location, output: str) -> int:
    """Tell what other shares would have earned.

    Off-policy estimates from the exposures of the trial under way, or of the last one: each was logged with the
    chance with which its variant was chosen. Three estimates that lean on different things should agree within
    their standard errors.

    Exits 1 when the log says too little about such shares to answer.
    """
    wanted = _allocation(shares)
    from releasectl.cli.whatif import ask

    answer = ask(location, release, metric, wanted, datetime.now(UTC))
    if output == "json":
        click.echo(json.dumps(_data(answer), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(answer)))
    return 1 if answer.earned.refused else 0


def _allocation(text: str) -> Allocation:
    """``stable=50,next=50`` as an allocation."""
    from releasectl.domain.base import WHOLE
    from releasectl.domain.decision import Allocation

    points: dict[str, int] = {}
    for part in text.split(","):
        name, _, percent = part.strip().partition("=")
        try:
            share = float(percent) * 100
        except ValueError:
            share = -1.0
        if not name or name in points or not 0 <= share <= WHOLE or abs(share - round(share)) > 1e-6:
            raise UsageError(f"--shares: {part!r} is not a share", hint="for example stable=50,next=50, to 0.01")
        points[name] = round(share)
    if sum(points.values()) != WHOLE:
        raise UsageError(f"--shares add up to {sum(points.values()) / 100:g} %, not 100 %")
    try:
        return Allocation(shares=points)
    except ValueError as error:
        raise UsageError(f"--shares: a variant's name is not valid in {text!r}") from error


def _lines(answer: Answer) -> list[str]:
    earned = answer.earned
    lines = [
        f"{answer.metric} of {answer.release} with {answer.shares}",
        f"  from {earned.rows} exposures under the allocations of decisions #{answer.epochs[0]} to #{answer.epochs[1]}",
    ]
    if answer.without_propensity:
        lines.append(f"  {answer.without_propensity} more were logged without a propensity and say nothing here")
    if earned.served:
        lines.append(f"  as it was served {_rate(earned.served.value, earned.served.se)}")
    if earned.refused:
        return [*lines, f"  refused: {earned.refused}"]
    for name, found in earned.estimates.items():
        lines.append(f"  {name.upper():16} {_rate(found.value, found.se)}   {NAMES[name]}")
    return [*lines, f"  {earned.effective_rows:.0f} effective exposures"]


def _rate(value: float, se: float) -> str:
    return f"{100 * value:.3g} % (standard error {100 * se:.2g})"


def _data(answer: Answer) -> dict[str, Any]:
    earned = answer.earned
    return {
        "release": answer.release,
        "metric": answer.metric,
        "shares": dict(answer.shares.shares),
        "decisions": list(answer.epochs),
        "exposures": earned.rows,
        "withoutPropensity": answer.without_propensity,
        "effectiveExposures": round(earned.effective_rows, 1),
        "served": earned.served._asdict() if earned.served else None,
        "estimates": {name: found._asdict() for name, found in earned.estimates.items()},
        "refused": earned.refused or None,
    }

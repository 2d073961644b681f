"""``releasectl down``: ends what `run` left serving."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from releasectl.cli.location import Location
from releasectl.cli.lock import only_one
from releasectl.cli.options import repository
from releasectl.errors import UsageError


@click.command()
@repository
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-input", is_flag=True, help="Never ask; without --yes this refuses.")
def down(*, location: Location, yes: bool, no_input: bool) -> int:
    """Stop the router and the processes that `run` left serving.

    Users get no answers from then on. Nothing is decided or recorded: the next `run` starts all of it again
    as last decided.
    """
    if not location.state.exists():
        click.echo(f"stopped: nothing was running ({location.state} does not exist)", err=True)
        return 0
    # A controller would start everything again.
    with only_one(location):
        if not yes and (no_input or not sys.stdin.isatty()):
            raise UsageError("this stops all traffic and nobody may be asked", hint="say --yes")
        if not yes and not click.confirm(f"Stop all traffic of {location.shown_url}?", err=True):
            return 1
        ended = asyncio.run(stop_serving(location))
    click.echo(f"stopped: {', '.join(ended) or 'nothing was running'}", err=True)
    return 0


async def stop_serving(location: Location) -> list[str]:
    """End router and processes of every environment of a state folder; returns what was ended."""
    from releasectl.adapters.traffic.envoy import EnvoyRouter
    from releasectl.adapters.workloads.local import LocalWorkloads
    from releasectl.cli.wiring import environment_folder

    root = environment_folder(location.state, "x").parent
    ended = []
    for folder in sorted(root.iterdir()) if root.exists() else []:
        runner = LocalWorkloads(folder / "workloads", cwd=Path.cwd())
        await runner.stop_all()
        await runner.close()
        router = EnvoyRouter(folder / "router", port=0)
        await router.stop()
        await router.close()
        ended.append(f"environment {folder.name}")
    return ended

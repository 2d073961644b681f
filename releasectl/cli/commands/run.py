"""``releasectl run``: the controller."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click
import structlog

from releasectl.cli.location import Location
from releasectl.cli.lock import only_one
from releasectl.cli.options import repository
from releasectl.errors import UsageError

log = structlog.get_logger(__name__)

EXAMPLES = """
\b
Examples:
  releasectl run -R /srv/git/models.git        reconcile until interrupted
  releasectl run -R /srv/git/models.git --once one pass, for cron and for trying things out
  curl -s 127.0.0.1:8686/v1/releases           what it knows, as JSON

\b
SIGTERM and Ctrl-C finish the pass and leave traffic as it is: the router and the processes go on serving,
and the next `run` finds them. `releasectl down` stops them.
"""


@click.command(epilog=EXAMPLES)
@repository
@click.option("--once", is_flag=True, help="One pass, then leave; traffic stays as decided.")
@click.option(
    "--listen",
    default="127.0.0.1:8686",
    show_default=True,
    metavar="HOST:PORT",
    help="Where the API listens; port 0 takes a free one. It has no authentication: keep it on loopback.",
)
@click.option(
    "--accept-rewrite",
    is_flag=True,
    help="Accept that a branch was rewritten and lost commits; until then nothing is written to it.",
)
@click.option("--log-format", type=click.Choice(["console", "json"]), default="console", show_default=True)
@click.option("-v", "--verbose", is_flag=True, help="Log every look, not only what changes.")
@click.option("-q", "--quiet", is_flag=True, help="Log warnings only.")
def run(
    *, location: Location, once: bool, accept_rewrite: bool, listen: str, log_format: str, verbose: bool, quiet: bool
) -> int:
    """Reconcile the releases of a repository.

    Reads manifests from the repository, starts what they name, routes traffic, judges candidates by live
    metrics and commits what it decides: promotions and rollbacks to the manifests' branch, every decision
    with its evidence to the ledger branch.

    A local environment runs the commands that manifests name: whoever may merge into the repository may run
    programs here. Exits 0 when told to stop, 6 with --once if the repository or
    the router cannot be reached.
    """
    from releasectl.logs import configure

    configure(log_format, level="debug" if verbose else "warning" if quiet else "info")
    host, port = _host_and_port(listen)
    with only_one(location):
        if accept_rewrite:
            _accept_rewrite(location)
        return asyncio.run(_run(location, host, port, once=once))


def _accept_rewrite(location: Location) -> None:
    repo = location.open_repo(mirror="mirror")
    try:
        heads = repo.acknowledge_rewrite()
    finally:
        repo.close()
    log.warning("rewrite accepted", manifests=heads.manifests, ledger=heads.ledger)


async def _run(location: Location, host: str, port: int, *, once: bool) -> int:
    from releasectl.cli.service import Service

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    service = await Service.start(location, cwd=Path.cwd(), host=host, port=port)
    try:
        log.info("reconciling", repository=service.repository, api=service.url, state=str(location.state))
        if once:
            return await service.once()
        await service.until(stop)
        log.info("stopping; traffic stays as it is")
        return 0
    finally:
        await service.close()


def _host_and_port(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--listen {listen!r} is not HOST:PORT", hint="for example 127.0.0.1:8686")
    return host.strip("[]"), int(port)

"""``releasectl run``: the controller."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import structlog

from releasectl.cli.location import Location
from releasectl.cli.lock import only_one
from releasectl.cli.options import repository
from releasectl.errors import UsageError

if TYPE_CHECKING:
    from releasectl.cli.service import Service

log = structlog.get_logger(__name__)

SECRET_VARIABLE = "RELEASECTL_WEBHOOK_SECRET"

EXAMPLES = """
\b
Examples:
  releasectl run -R /srv/git/models.git        reconcile until interrupted
  releasectl run -R /srv/git/models.git --once one pass, for cron and for trying things out
  curl -s 127.0.0.1:8686/v1/releases           what it knows, as JSON

\b
Webhooks bring the next pass forward; without them the repository is polled all the same. Put the secret that the
forge shares into RELEASECTL_WEBHOOK_SECRET and let a proxy with TLS pass POST /v1/hooks/github (or gitlab, gitea)
on, and nothing else: the rest of the API has no authentication. Where there is no proxy, --listen-hooks opens a
second port that answers nothing but webhooks.

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
@click.option(
    "--sign-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="RELEASECTL_SIGN_KEY",
    show_envvar=True,
    metavar="FILE",
    help="SSH key that signs every commit: without passphrase, or a public key whose private one ssh-agent holds.",
)
@click.option(
    "--webhook-secret-variable",
    default=SECRET_VARIABLE,
    show_default=True,
    metavar="NAME",
    help="Environment variable with the webhooks' secret; several, separated by spaces, while one is replaced.",
)
@click.option("--listen-hooks", metavar="HOST:PORT", help="A second address that answers webhooks and nothing else.")
@click.option(
    "--keep-features",
    is_flag=True,
    help="Keep the features that predictions carry, for `review`: users' data, in the local event log for 90 days.",
)
@click.option("--log-format", type=click.Choice(["console", "json"]), default="console", show_default=True)
@click.option("-v", "--verbose", is_flag=True, help="Log every look, not only what changes.")
@click.option("-q", "--quiet", is_flag=True, help="Log warnings only.")
def run(
    *,
    location: Location,
    once: bool,
    accept_rewrite: bool,
    listen: str,
    sign_key: Path | None,
    webhook_secret_variable: str,
    listen_hooks: str | None,
    keep_features: bool,
    log_format: str,
    verbose: bool,
    quiet: bool,
) -> int:
    """Reconcile the releases of a repository.

    Reads manifests from the repository, starts what they name, routes traffic, judges candidates by live
    metrics and commits what it decides: promotions and rollbacks to the manifests' branch, every decision
    with its evidence to the ledger branch.

    A local environment runs the commands that manifests name: whoever may merge into the repository may run
    programs here.

    Exits 0 when told to stop. With --once it logs what the pass did and what waits for what, and exits 0 whatever
    waits; 6 if the repository or a router cannot be reached; 70 if releasectl failed at a release.
    """
    from releasectl.logs import configure

    configure(log_format, level="debug" if verbose else "warning" if quiet else "info")
    location = replace(location, sign_key=sign_key)
    host, port = _host_and_port("--listen", listen)
    secrets = _hook_secrets(webhook_secret_variable, wanted=listen_hooks is not None)
    hooks_at = _host_and_port("--listen-hooks", listen_hooks) if listen_hooks else None

    async def serve() -> int:
        from releasectl.cli.service import Service

        starting = Service.start(
            location,
            cwd=Path.cwd(),
            host=host,
            port=port,
            hook_secrets=secrets,
            hooks_at=hooks_at,
            keep_features=keep_features,
        )
        return await _run(starting, location, once=once)

    with only_one(location):
        if sign_key:
            _try_key(location)
        if accept_rewrite:
            _accept_rewrite(location)
        return asyncio.run(serve())


def _try_key(location: Location) -> None:
    """A key that cannot sign would otherwise be met at the first decision."""
    repo = location.open_repo(mirror="mirror")
    try:
        log.info("commits are signed", key=repo.public_key)
    finally:
        repo.close()


def _accept_rewrite(location: Location) -> None:
    repo = location.open_repo(mirror="mirror")
    try:
        heads = repo.acknowledge_rewrite()
    finally:
        repo.close()
    log.warning("rewrite accepted", manifests=heads.manifests, ledger=heads.ledger)


async def _run(starting: Awaitable[Service], location: Location, *, once: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    service = await starting
    try:
        log.info("reconciling", repository=service.repository, api=service.url, state=str(location.state))
        if once:
            return await service.once()
        await service.until(stop)
        log.info("stopping; traffic stays as it is")
        return 0
    finally:
        await service.close()


def _hook_secrets(variable: str, *, wanted: bool) -> tuple[str, ...]:
    """The secrets of webhooks; none unless they are set, which is a mistake if webhooks were asked for."""
    secrets = tuple(os.environ.get(variable, "").split())
    if not secrets and (wanted or variable != SECRET_VARIABLE):
        raise UsageError(
            f"the environment variable {variable} for the webhooks' secret is not set",
            hint="set it to the secret that the forge has; a long random one",
        )
    return secrets


def _host_and_port(option: str, listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{option} {listen!r} is not HOST:PORT", hint="for example 127.0.0.1:8686")
    return host.strip("[]"), int(port)

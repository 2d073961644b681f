"""Commands that end in every way a command can end."""

from __future__ import annotations

import click

from releasectl.errors import Conflict, Denied, ManifestError, Problem, Unavailable, UsageError

ENDS: dict[str, BaseException] = {
    "manifest": ManifestError(
        (Problem("a.yaml", 3, 5, "spec.x", "unknown field"), Problem("b.yaml", 0, 0, "", "empty"))
    ),
    "conflict": Conflict("somebody moved first", hint="try again"),
    "denied": Denied("the host refuses"),
    "unavailable": Unavailable("the host does not answer", hint="it is tried again"),
    "usage": UsageError("there is no such thing", hint="there are others"),
    "bug": ZeroDivisionError("cloning http://ada:SECRET@git.example/x.git, authorization: basic U0VDUkVU"),
    "interrupt": KeyboardInterrupt(),
    "abort": click.Abort(),
    "option": click.UsageError("no such option"),
    "pipe": BrokenPipeError(),
}


@click.command()
@click.argument("way", type=click.Choice([*ENDS, "one", "nothing"]))
def fail(*, way: str) -> int | None:
    """End in one way."""
    if way in ENDS:
        raise ENDS[way]
    return 1 if way == "one" else None

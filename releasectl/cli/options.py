"""Options that several commands share, with one meaning everywhere."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from releasectl.cli.location import Location

P = ParamSpec("P")
R = TypeVar("R")


def repository(command: Callable[P, R]) -> Callable[..., R]:
    """``-R``, ``--branch``, ``--ledger`` and ``--state``, handed on as one ``location``."""

    @click.option(
        "-R",
        "--repo",
        default=".",
        envvar="RELEASECTL_REPO",
        show_envvar=True,
        help="The repository: a path, file://, http(s):// or ssh address. In a clone, its origin.",
    )
    @click.option("--branch", default="main", show_default=True, help="Branch that holds the manifests.")
    @click.option("--ledger", default="releasectl/ledger", show_default=True, help="Branch that holds decisions.")
    @click.option(
        "--state",
        envvar="RELEASECTL_STATE",
        show_envvar=True,
        help="Folder for local state (mirror, logs, router); may be deleted while nothing runs.",
    )
    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        location = Location.find(
            str(kwargs.pop("repo")),
            branch=str(kwargs.pop("branch")),
            ledger=str(kwargs.pop("ledger")),
            state=kwargs.pop("state"),  # type: ignore[arg-type]
        )
        return command(*args, location=location, **kwargs)  # type: ignore[arg-type]

    return wrapper


def output(*formats: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """``-o`` with these formats; the first is the default."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How to print; json does not change with the terminal.",
    )

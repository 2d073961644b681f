"""``releasectl demo``: the whole thing on this machine, in two minutes."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from releasectl.cli.demo.play import Ending
    from releasectl.cli.demo.stage import Stage

EXAMPLES = """
\b
Examples:
  releasectl demo                     watch it
  releasectl demo --headless          as lines, for logs and CI
  releasectl demo --dir /tmp/desk     and look at the folder afterwards:
    git -C /tmp/desk/press-desk.git log --stat main
    git -C /tmp/desk/press-desk.git log releasectl/ledger
    releasectl explain press-sentiment -R /tmp/desk/press-desk.git
"""


@click.command(epilog=EXAMPLES)
@click.option("--headless", is_flag=True, help="Print lines instead of drawing; the default without a terminal.")
@click.option("--keep", is_flag=True, help="Keep the folder with the repository and the logs.")
@click.option(
    "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), help="Work in this folder, and keep it."
)
def demo(*, headless: bool, keep: bool, folder: Path | None) -> int:
    """Watch a bad candidate rolled back and a good one promoted.

    Makes a git repository, starts real language models behind a real Envoy, and sends them labelled lines of
    the press over loopback. Then a person proposes a model that is worse for readers, and another that is
    better. What happens to them is decided by `releasectl run` and stands in git, with the numbers.

    Takes about a minute, ends by itself within 150 seconds and leaves no process behind. Exits 0 if
    the decisions in git are those of the story, 1 if not.
    """
    from releasectl.cli.demo.play import play
    from releasectl.cli.demo.stage import Stage
    from releasectl.cli.demo.telling import Lines, LiveTree

    place = folder or Path(tempfile.mkdtemp(prefix="releasectl-demo-"))
    keep = keep or folder is not None
    try:
        stage = Stage.set_up(place.resolve())
        teller = Lines() if headless or not sys.stdout.isatty() else LiveTree()
        try:
            ending = asyncio.run(play(stage, teller))
        finally:
            teller.close()
        _show_git(stage)
        return _verdict(ending, stage, kept=keep)
    finally:
        if not keep:
            shutil.rmtree(place, ignore_errors=True)


def _show_git(stage: Stage) -> None:
    from git import Repo

    with Repo(stage.repository) as repo:
        for branch, title in (("main", "The manifests, `git log main`"), (stage.location.ledger, "The decisions")):
            click.echo(f"\n{title}:")
            if branch in [head.name for head in repo.heads]:
                click.echo(repo.git.log("--format=  %h %an: %s", branch, "--"))


def _verdict(ending: Ending, stage: Stage, *, kept: bool) -> int:
    errors = ", ".join(f"{count} by {variant}" for variant, count in ending.failed.items()) or "none"
    click.echo(f"\n{ending.answered} lines answered; errors: {errors}")
    for wrong in ending.wrong:
        click.echo(f"not as the story has it: {wrong}", err=True)
    if kept:
        click.echo(f"\nLook at it:\n  git -C {stage.repository} log -p main")
        click.echo(f"  releasectl explain {stage.story.RELEASE} -R {stage.repository} --state {stage.location.state}")
    return 1 if ending.wrong else 0

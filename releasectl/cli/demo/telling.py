"""How the demo is told: a live tree on a terminal, lines elsewhere."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any, Protocol

import click

from releasectl.domain.status import ReleaseStatus


class Teller(Protocol):
    """Told what happens; shows it."""

    def say(self, text: str) -> None: ...
    def chapter(self, chapter: Any) -> None: ...
    def show(self, release: ReleaseStatus, now: datetime) -> None: ...
    def close(self) -> None: ...


class Lines:
    """One line for each thing that changes; for logs and CI."""

    def __init__(self) -> None:
        self._started: datetime | None = None
        self._last = ""

    def say(self, text: str) -> None:
        click.echo(text)

    def chapter(self, chapter: Any) -> None:
        click.echo(f"\n== {chapter.title}\n   {chapter.message.splitlines()[0]} ({chapter.author[0]})")

    def show(self, release: ReleaseStatus, now: datetime) -> None:
        self._started = self._started or now
        shares = " ".join(f"{one.name}={one.share / 100:g}%" for one in release.variants)
        step = f" step {release.stage.step}/{release.stage.steps}" if release.stage else ""
        reason = release.condition.reason if release.condition else ""
        line = f"{release.phase}{step} {shares} {reason}"
        if line != self._last:
            self._last = line
            evidence = "; ".join(f"{row.metric} {row.state}" for row in release.evidence if row.role == "guardrail")
            seconds = (now - self._started).total_seconds()
            click.echo(f"{seconds:6.1f}s  {line}{'  [' + evidence + ']' if evidence else ''}")

    def close(self) -> None:
        return


class LiveTree:
    """The release as a tree that is redrawn, with the story so far above it.

    Every drawing takes turns: a line printed while another thread redraws would stand in the wrong row.
    """

    def __init__(self) -> None:
        from rich.live import Live

        from releasectl.cli.render import console

        self._turn = threading.Lock()
        self._live = Live(console=console(), auto_refresh=False)
        self._live.start()

    def say(self, text: str) -> None:
        self._print((text, ""))

    def chapter(self, chapter: Any) -> None:
        subject = chapter.message.splitlines()[0]
        self._print("\n", (chapter.title, "bold"), f"\n  {chapter.author[0]}: {subject}")

    def show(self, release: ReleaseStatus, now: datetime) -> None:
        from releasectl.cli.render import release_tree

        with self._turn:
            self._live.update(release_tree(release, now), refresh=True)

    def close(self) -> None:
        with self._turn:
            self._live.stop()

    def _print(self, *parts: str | tuple[str, str]) -> None:
        from rich.text import Text

        with self._turn:
            self._live.console.print(Text.assemble(*parts))

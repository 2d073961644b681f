"""The press desk's world: the example's own manifests, and scans whose answers were recorded from the real models.

Readers send scans to what the router serves. A scan is drawn from the recording, and the label it gets is the one
that Tesseract, Apertium and the sentiment model of exactly those versions gave it. What a reader thinks of the label
is posted minutes later, to a real event log, as outside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.domain.decision import EffectiveState
from releasectl.domain.observation import Counts
from releasectl.ports import Increment, Outcome, Prediction, RouteTable
from tests.examples.press_desk import FOLDER as EXAMPLE
from tests.examples.press_desk import scanning
from tests.scenarios.world import Users, World, first_commit

RECORDING = Path(__file__).parents[1] / "examples" / "data" / "press-desk.jsonl"
RELEASE = "press-desk"
MANIFEST = f"releases/{RELEASE}.yaml"
OPINION_MINUTES = (1.0, 8.0)
"""How long a reader takes to say whether a label was right."""

Graph = Mapping[str, str]
"""Component -> version."""


@dataclass(frozen=True)
class Document:
    """One recorded scan."""

    line: str
    label: str
    print: str
    ocr: Mapping[str, Mapping[str, Any]]
    """By version of ``ocr``: the text, and what the components behind it made of that."""

    def answer(self, graph: Graph) -> str | None:
        """The label that this graph gave it; None where nothing could be read."""
        found = self.ocr[graph["ocr"]]["sentiment"][graph["sentiment"]]
        return None if found is None else str(found)

    def is_right(self, graph: Graph) -> bool:
        return self.answer(graph) == self.label


@cache
def recording() -> tuple[Document, ...]:
    """Every recorded scan: as many of each print."""
    return tuple(Document(**json.loads(line)) for line in RECORDING.read_text().splitlines())


class Readers(Users):
    """Users whose requests are recorded scans; their opinions arrive in the event log."""

    log: EventLog

    def __post_init__(self) -> None:
        super().__post_init__()
        self.graphs: dict[tuple[str, str], Graph] = {}
        """(release, tag) -> the versions that answer together."""
        self._prints = {name: [one for one in recording() if one.print == name] for name in scanning.MIX}
        self._opinions: list[tuple[datetime, Outcome]] = []
        self._sent = 0

    def _requests(self, table: RouteTable, seconds: float) -> list[Increment]:
        total = int(self._rng.poisson(self.requests_per_second * seconds))
        names = list(table.shares.shares)
        chances = [table.shares.share(name) / 10_000 for name in names]
        found, predictions = [], []
        for name, trials in zip(names, self._rng.multinomial(total, chances).tolist(), strict=True):
            tag = table.tags[name]
            if (table.release, tag) not in self.graphs:
                self.learn()
            drawn = self._drawn(trials)
            graph = self.graphs[table.release, tag]
            failed = sum(document.answer(graph) is None for document in drawn)
            found.append(Increment(table.release, name, Counts(trials=trials, events=failed), tag))
            for document in drawn:
                predictions.append(self._read(table, name, document, graph))
        now = self.clock.now()
        due = [outcome for at, outcome in self._opinions if at <= now]
        self._opinions = [one for one in self._opinions if one[0] > now]
        self.log.append(predictions, due)
        return found

    def _drawn(self, count: int) -> list[Document]:
        prints = self._rng.multinomial(count, [part / sum(scanning.MIX.values()) for part in scanning.MIX.values()])
        return [
            self._prints[name][index]
            for name, times in zip(scanning.MIX, prints.tolist(), strict=True)
            for index in self._rng.integers(len(self._prints[name]), size=times).tolist()
        ]

    def _read(self, table: RouteTable, variant: str, document: Document, graph: Graph) -> Prediction:
        self._sent += 1
        request, now = f"scan-{self._sent}", self.clock.now()
        said = now + timedelta(minutes=float(self._rng.uniform(*OPINION_MINUTES)))
        right = float(document.is_right(graph))
        self._opinions.append((said, Outcome("correct", right, said, request_id=request)))
        return Prediction(
            request,
            table.release,
            variant,
            now,
            component="sentiment",
            tag=table.tags[variant],
            allocation_id=table.epoch,
            propensity=table.shares.share(variant) / 10_000,
            segment={"print": document.print},
        )


class DeskWorld(World):
    """The example's repository, in an office where readers take minutes to answer."""

    def __init__(self, folder: Path, *, seed: int = 7) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, prepared=first_commit(folder / "first", manifests()))
        self.log = EventLog(folder / "events.sqlite", now=self.clock.now)
        self.readers = Readers(self.router, self.clock, requests_per_second=20, seed=seed)
        self.readers.log = self.log
        self.users = self.readers
        self.users.learn = lambda: self._learn(self.states())  # type: ignore[method-assign]
        self.sources[:] = [self.users, LogSource(self.log)]

    def _learn(self, states: Mapping[str, EffectiveState]) -> None:
        for name, state in states.items():
            for variant in state.variants.values():
                self.readers.graphs[name, variant.tag] = {part: one.name for part, one in variant.versions.items()}

    def try_out(self, name: str, **versions: str) -> None:
        """A person's commit that puts a candidate into the manifest."""
        chosen = ", ".join(f'{component}: "{version}"' for component, version in versions.items())
        block = f"  candidates:\n    - {{name: {name}, versions: {{{chosen}}}}}\n"
        self.replace(MANIFEST, "  strategy:", block + "  strategy:")

    async def decided(self, *, at_most: float = 24 * 3600) -> dict[str, Any]:
        """The decision that ends the trial under way."""

        def ends() -> list[dict[str, Any]]:
            decisions = [record["decision"] for record in self.records(RELEASE)]
            return [one for one in decisions if one["action"] in ("PROMOTE", "ROLLBACK")]

        before = len(ends())
        await self.run_until(lambda: len(ends()) > before, every=60, at_most=at_most)
        # The routes of what was decided.
        await self.run_for(30, every=60)
        return ends()[-1]

    def close(self) -> None:
        super().close()
        self.log.close()


def manifests() -> dict[str, str]:
    """The example's, with labels that take up to eight minutes and not two seconds."""
    names = (MANIFEST, "environments/desk.yaml", "policies/scans.yaml", "metrics/press.yaml")
    texts = {name: (EXAMPLE / name).read_text() for name in names}
    return {name: text.replace("maturity: 3s", "maturity: 10m") for name, text in texts.items()}

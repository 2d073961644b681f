"""A guardrail that holds in every language: harm to the few is found although the many hide it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.cli.commands.explain import explain
from releasectl.ports import Outcome, Prediction
from tests.scenarios.test_replay import run_replay
from tests.scenarios.world import RELEASE, World

METRICS = """\
apiVersion: releasectl.dev/v1alpha1
kind: MetricSet
metadata: {name: own}
spec:
  metrics:
    - {name: wrong, direction: lower, query: {log: {outcome: wrong, by: language}}}
"""
POLICY = """\
apiVersion: releasectl.dev/v1alpha1
kind: PromotionPolicy
metadata: {name: careful}
spec:
  guardrails:
    - {metric: wrong, margin: {points: 4}, segments: {by: language, minSamples: 50, most: 5}}
  minSamples: 50
  maxDuration: 10m
"""
ENVIRONMENT = """\
apiVersion: releasectl.dev/v1alpha1
kind: Environment
metadata: {name: local}
spec: {providers: [{type: log}]}
"""
HALVES = RELEASE.replace("steps: [10, 50]", "steps: [50]").replace("NAME", "shop")


@dataclass
class Readers:
    """People whose answers are logged in a real event log, with their language and whether they were wrong."""

    world: World
    log: EventLog
    languages: Mapping[str, int] = field(default_factory=lambda: {"en": 380, "es": 20})
    """Requests a second."""
    wrong: dict[str, float] = field(default_factory=dict)
    """How often version 2 is wrong in a language, where it is not 2 % as with version 1."""

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(11)
        self._sent = 0

    def ask(self) -> None:
        """A second's requests, to what the router serves."""
        table, at = self.world.router.tables["shop"], self.world.clock.at
        names = list(table.shares.shares)
        likely = [table.shares.share(name) / 10_000 for name in names]
        predictions, outcomes = [], []
        for language, count in self.languages.items():
            for variant in self._rng.choice(names, size=count, p=likely).tolist():
                self._sent += 1
                request, bad = str(self._sent), self.wrong.get(language, 0.02) if variant == "next" else 0.02
                predictions.append(
                    Prediction(
                        request,
                        "shop",
                        variant,
                        at,
                        tag=table.tags[variant],
                        allocation_id=table.epoch,
                        segment={"language": language},
                    )
                )
                outcomes.append(Outcome("wrong", float(self._rng.random() < bad), at, request_id=request))
        self.log.append(predictions, outcomes)

    async def run_until(self, decided: str, *, at_most: int = 60) -> None:
        for _ in range(at_most):
            if self.world.reasons()[-1] == decided:
                return
            self.ask()
            await self.world.run_for(1)
        assert self.world.reasons()[-1] == decided, self.world.status().condition


@pytest.fixture
async def readers(tmp_path: Path) -> AsyncIterator[Readers]:
    world = World(tmp_path, policy=POLICY, template=HALVES)
    log = EventLog(tmp_path / "events.db", now=lambda: world.clock.at)
    world.write("metrics/own.yaml", METRICS)
    world.write("environments/local.yaml", ENVIRONMENT)
    world.sources[:] = [LogSource(log)]
    world.restart()
    await world.run_for(3)
    world.add_candidate("2")
    await world.run_for(3)
    assert world.reasons()[-1] == "ADVANCE CandidateStarted"
    yield Readers(world, log)
    world.close()
    log.close()


async def test_harm_to_a_small_language_takes_the_candidate_back_and_says_whose_it_is(readers: Readers) -> None:
    readers.wrong["es"] = 0.5
    await readers.run_until("ROLLBACK GuardrailBreached")
    record = readers.world.records()[-1]["decision"]
    assert record["message"].startswith("wrong: with language=es ")
    assert "harm beyond the margin is proven there" in record["message"]
    whole, worst, *_ = record["evidence"]
    # All in all about 2 + 48 / 20 points: within the margin.
    assert whole["role"] == "guardrail"
    assert whole["state"] != "bad"
    assert (worst["role"], worst["part"], worst["state"]) == ("segment", "language=es", "bad")
    assert run_replay(readers.world).return_value == 0
    place = ["-R", str(readers.world.origin), "--state", str(readers.world.folder / "reading")]
    told = CliRunner().invoke(explain, ["shop", *place], standalone_mode=False).output
    assert "segment wrong: bad" in told
    assert "of wrong and its 2 parts since the decision before" in told


async def test_where_every_language_is_well_the_candidate_is_promoted_and_few_speakers_do_not_hold_it(
    readers: Readers,
) -> None:
    readers.languages = {"en": 380, "es": 20, "eu": 1}
    await readers.run_until("PROMOTE EvidenceSufficient")
    evidence = readers.world.records()[-1]["decision"]["evidence"]
    assert {row["part"] for row in evidence if row["role"] == "segment"} <= {"language=en", "language=es"}
    assert run_replay(readers.world).return_value == 0


async def test_a_small_language_that_looks_harmed_holds_the_promotion_until_it_is_known(readers: Readers) -> None:
    world = readers.world
    readers.languages, readers.wrong = {"en": 380, "eu": 4}, {"eu": 0.9}
    held: list[str] = []
    while world.reasons()[-1] == "ADVANCE CandidateStarted":
        readers.ask()
        await world.run_for(1)
        condition = world.status().condition
        assert condition is not None
        if condition.reason == "AwaitingEvidence":
            held.append(condition.message)
        assert len(held) < 60
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    assert "with language=eu " in held[-1]
    assert "too few samples there to be judged, and harm is suspected" in held[-1]
    assert world.records()[-1]["decision"]["message"].startswith("wrong: with language=eu ")
    assert run_replay(world).return_value == 0


async def test_a_restart_in_between_loses_no_language(readers: Readers) -> None:
    readers.wrong["es"] = 0.5
    for _ in range(4):
        readers.ask()
        await readers.world.run_for(1)
    readers.world.restart()
    await readers.run_until("ROLLBACK GuardrailBreached")
    record = readers.world.records()[-1]
    spanish = record["given"]["observed"]["readings"]["wrong{language=es}"]["blocks"]
    whole = record["given"]["observed"]["readings"]["wrong"]["blocks"]
    assert len(spanish) == len(whole)
    assert run_replay(readers.world).return_value == 0


async def test_a_language_that_is_not_proven_holds_where_the_policy_wants_every_one_to_pass(readers: Readers) -> None:
    world = readers.world
    world.replace("policies/careful.yaml", "most: 5", "most: 5, mustPass: true")
    readers.wrong["es"] = 0.06
    for _ in range(30):
        readers.ask()
        await world.run_for(1)
    assert world.condition() == "AwaitingEvidence"
    assert "with language=es" in world.status().condition.message  # type: ignore[union-attr]

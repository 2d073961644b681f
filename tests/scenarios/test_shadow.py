"""A shadow stage: candidates answer copies, and evidence ends it either way."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.paired import PairedSource
from releasectl.cli.commands.explain import explain
from releasectl.domain.metric import Metric
from releasectl.ports import Prediction, SourceReading
from tests.scenarios.test_replay import run_replay
from tests.scenarios.world import RELEASE, World

STRATEGY = (
    "strategy: [{type: shadow, duration: 10s, agreement: {atLeast: 90}}, {type: canary, steps: [50], interval: 30s}]"
)
SHADOWED = RELEASE.replace("strategy: [{type: canary, steps: [10, 50], interval: 10s}]", STRATEGY)


class Copies:
    """Answers to copies of 50 requests a look, as the router makes them; each version agrees as often as it is told."""

    kind = "paired"

    def __init__(self, world: World, log: EventLog) -> None:
        self._world, self._log = world, log
        self._source = PairedSource(log)
        self._rng = np.random.default_rng(3)
        self._numbers = itertools.count()
        self.agreeing = {"2": 0.99, "3": 0.99}
        self.failing = {"stable": 0.02, "2": 0.02, "3": 0.02}
        self.slow = {"2": 0.01, "3": 0.01}
        self.with_failures = False
        self.in_spanish = False
        """Whether one in five requests is Spanish, where a quarter of the candidate's answers differ."""

    async def read(
        self, metrics: Sequence[Metric], cursors: Mapping[str, Any], now: datetime
    ) -> Mapping[str, SourceReading]:
        for table in self._world.router.tables.values():
            for variant, points in table.mirrors.items():
                version = self._world.users.versions[table.release, table.tags[variant]]
                for _ in range(points * 50 // 10_000):
                    same = bool(self._rng.random() < self.agreeing[version])
                    self._answer(table.release, table.epoch, now, variant, table.tags[variant], version, same)
        return await self._source.read(metrics, cursors, now)

    def _answer(
        self, release: str, epoch: int, now: datetime, variant: str, tag: str, version: str, same: bool
    ) -> None:
        request = str(next(self._numbers))
        fields: dict[str, Any] = {"component": "app", "allocation_id": epoch}
        if self.in_spanish:
            spanish = int(request) % 5 == 0
            fields["segment"] = {"language": "es" if spanish else "en"}
            same = same and not (spanish and int(request) % 4 == 0)
        stable = Prediction(
            request, release, "stable", now, output="yes", latency_ms=20.0, status=self._status("stable"), **fields
        )
        tried = Prediction(
            request,
            release,
            variant,
            now,
            output="yes" if same else "no",
            latency_ms=200.0 if self._rng.random() < self.slow[version] else 20.0,
            status=self._status(version),
            mirrored=True,
            tag=tag,
            **fields,
        )
        self._log.append([stable, tried], [])

    def _status(self, version: str) -> int | None:
        # Drawn only where a test is about failures, so that the others keep their course.
        return (500 if self._rng.random() < self.failing[version] else 200) if self.with_failures else None


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    log = EventLog(tmp_path / "events.sqlite")
    world.sources.append(Copies(world, log))
    world.write("releases/shop.yaml", SHADOWED.replace("NAME", "shop"))
    await world.run_for(2)
    yield world
    world.close()
    log.close()


def copies(world: World) -> Copies:
    (found,) = (source for source in world.sources if isinstance(source, Copies))
    return found


async def test_a_candidate_that_agrees_gets_users_after_proof_and_none_before(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(6)
    assert dict(world.router.tables["shop"].mirrors) == {"next": 10_000}
    assert world.share("next") == 0
    await world.run_for(20)
    assert world.reasons()[-2:] == ["ADVANCE CandidateStarted", "ADVANCE StagePassed"]
    assert world.share("next") == 5_000
    assert dict(world.router.tables["shop"].mirrors) == {}
    last = world.state().last
    assert last is not None
    assert "answers agree with stable's" in last.message


async def test_one_that_disagrees_is_taken_back_at_once_and_no_user_saw_it(world: World) -> None:
    copies(world).agreeing["2"] = 0.7
    world.add_candidate("2")
    await world.run_for(10)
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    assert world.users.served.get(("shop", "2"), 0) == 0
    assert dict(world.router.tables["shop"].mirrors) == {}
    last = world.state().last
    assert last is not None
    assert "less than 90 % is proven" in last.message


async def test_at_the_limit_it_waits_for_proof_and_not_for_time(world: World) -> None:
    copies(world).agreeing["2"] = 0.9
    world.add_candidate("2")
    reports = await world.run_for(60)
    assert reports[-1].considered["shop"].decision.reason == "AwaitingEvidence"
    assert world.share("next") == 0


async def test_of_two_at_once_the_one_that_disagrees_goes_and_the_other_goes_on(world: World) -> None:
    copies(world).agreeing["3"] = 0.5
    text = world.read("releases/shop.yaml")
    both = '  candidates:\n    - {name: next, versions: {app: "2"}}\n    - {name: late, versions: {app: "3"}}\n'
    world.write("releases/shop.yaml", text.replace("  strategy:", both + "  strategy:"))
    await world.run_for(30)
    assert world.reasons()[-3:] == ["ADVANCE CandidateStarted", "ROLLBACK GuardrailBreached", "ADVANCE StagePassed"]
    assert world.share("next") == 5_000
    assert set(world.state().variants) == {"stable", "next"}


async def test_a_router_that_makes_no_copies_is_waited_for(world: World) -> None:
    world.router.deaf = True
    world.add_candidate("2")
    reports = await world.run_for(5)
    assert reports[-1].considered["shop"].decision.reason == "WaitingForRoute"


async def test_its_decisions_replay(world: World) -> None:
    copies(world).agreeing["3"] = 0.5
    world.add_candidate("2")
    await world.run_for(80)
    world.add_candidate("3", name="late")
    await world.run_for(30)
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    assert run_replay(world).return_value == 0


async def test_the_evidence_survives_a_restart(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(8)
    before = (await world.run_pass()).considered["shop"].decision.evidence[0].tried.trials
    world.restart()
    after = (await world.run_for(1))[0].considered["shop"].decision.evidence[0].tried.trials
    assert after >= before > 0


LIMITS = "agreement: {atLeast: 90}, errors: {atMost: 2}, slower: {than: 50ms, atMost: 5}"


@pytest.fixture
async def limited(world: World) -> World:
    """With limits on errors and times as well; both variants fail now and then."""
    copies(world).with_failures = True
    world.replace("releases/shop.yaml", "agreement: {atLeast: 90}", LIMITS)
    await world.run_for(2)
    return world


async def test_one_that_fails_no_oftener_and_is_no_slower_goes_on_after_proof_of_each(limited: World) -> None:
    limited.add_candidate("2")
    await limited.run_until(lambda: "ADVANCE StagePassed" in limited.reasons())
    proven = {row["metric"]: row["state"] for row in limited.records()[-1]["decision"]["evidence"]}
    assert proven == {"agreement": "ok", "paired-errors": "ok", "slower-answers": "ok"}


async def test_one_that_fails_where_stable_answers_is_taken_back_before_any_user_is_served(limited: World) -> None:
    copies(limited).failing["2"] = 0.08
    limited.add_candidate("2")
    await limited.run_for(40)
    assert limited.reasons()[-1] == "ROLLBACK GuardrailBreached"
    last = limited.state().last
    assert last is not None
    assert "points oftener than stable" in last.message
    assert limited.users.served.get(("shop", "2"), 0) == 0
    assert run_replay(limited).return_value == 0


async def test_one_that_answers_alike_but_late_is_taken_back(limited: World) -> None:
    copies(limited).slow["2"] = 0.2
    limited.add_candidate("2")
    await limited.run_for(40)
    last = limited.state().last
    assert last is not None
    assert "took over 50ms longer than stable's" in last.message
    assert limited.reasons()[-1] == "ROLLBACK GuardrailBreached"


async def test_one_that_differs_in_one_language_only_is_taken_back(world: World) -> None:
    copies(world).in_spanish = True
    grouped = "agreement: {atLeast: 90}, segments: {by: language, minSamples: 50, most: 3, mustPass: true}"
    world.replace("releases/shop.yaml", "agreement: {atLeast: 90}", grouped)
    await world.run_for(2)
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons()[-1] in ("ROLLBACK GuardrailBreached", "ADVANCE StagePassed"))
    last = world.state().last
    assert last is not None
    assert "with language=es" in last.message
    where = ["-R", str(world.origin), "--state", str(world.folder / "elsewhere")]
    told = CliRunner().invoke(explain, ["shop", *where], standalone_mode=False, catch_exceptions=False)
    assert "segment agreement" in told.stdout
    assert "with language=es" in told.stdout
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    assert run_replay(world).return_value == 0

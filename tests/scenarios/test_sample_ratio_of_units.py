"""A release that keeps units on their variant: it is the units that must follow the shares, not their requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

import releasectl
from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.domain.decision import PersonAction
from releasectl.domain.evidence import Evidence
from releasectl.ports import Prediction
from tests.scenarios.test_replay import run_replay
from tests.scenarios.test_sticky import STICKY, document
from tests.scenarios.world import World


class Visitors:
    """Units that come back, heavy users most often, each served where the assignment says it belongs."""

    def __init__(self, world: World, log: EventLog) -> None:
        self.world, self.log = world, log
        self.lost = 0.0
        """Part of the candidate's units that stable serves all the same."""
        self._rng = np.random.default_rng(3)
        self._requests = 0

    def come(self, units: int = 120) -> None:
        """A second's units; each makes from one to forty requests."""
        found, table = document(self.world), self.world.router.tables["shop"]
        assert found is not None
        rows = []
        for number in self._rng.integers(0, 6_000, units).tolist():
            unit = f"user-{number}"
            variant = str(releasectl.assign(unit, found, now=self.world.clock.at))
            if variant != "stable" and number % 100 < 100 * self.lost:
                variant = "stable"
            for _ in range(int(self._rng.geometric(0.2)) if number % 7 else 40):
                self._requests += 1
                rows.append(
                    Prediction(
                        str(self._requests),
                        "shop",
                        variant,
                        self.world.clock.at,
                        unit=unit,
                        allocation_id=table.epoch,
                        tag=table.tags[variant],
                    )
                )
        self.log.append(rows, [])

    async def run_for(self, seconds: int) -> None:
        for _ in range(seconds):
            self.come()
            await self.world.run_for(1)


@pytest.fixture
async def visitors(tmp_path: Path) -> AsyncIterator[Visitors]:
    world = World(tmp_path, template=STICKY)
    log = EventLog(tmp_path / "events.db", now=lambda: world.clock.at)
    world.sources.append(LogSource(log))
    world.restart()
    await world.run_for(3)
    world.add_candidate("2")
    await world.run_for(3)
    assert world.reasons()[-1] == "ADVANCE CandidateStarted"
    yield Visitors(world, log)
    world.close()
    log.close()


def of_units(world: World) -> Evidence:
    return next(row for row in world.status().evidence if row.role == "sample-ratio")


async def test_c7_units_that_go_where_they_belong_are_told_and_hold_nothing(visitors: Visitors) -> None:
    await visitors.run_for(6)
    row = of_units(visitors.world)
    assert row.state == "ok"
    assert "units where the shares make" in row.summary
    await visitors.run_for(40)
    assert visitors.world.reasons()[-1] == "PROMOTE EvidenceSufficient"
    assert run_replay(visitors.world).return_value == 0


async def test_c7_units_that_are_lost_to_stable_block_promotion_until_a_person_has_mended_it(
    visitors: Visitors,
) -> None:
    visitors.lost = 0.4
    await visitors.run_for(45)
    world = visitors.world
    assert world.condition() == "SampleRatioMismatch"
    assert "PROMOTE EvidenceSufficient" not in world.reasons()
    assert of_units(world).state == "bad"
    assert "units where the shares make" in of_units(world).summary
    visitors.lost = 0.0
    world.ask(PersonAction.RESUME)
    await visitors.run_for(60)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"


async def test_a_restart_counts_no_unit_twice(visitors: Visitors) -> None:
    await visitors.run_for(4)
    visitors.world.restart()
    await visitors.run_for(4)
    visitors.world.restart()
    await visitors.world.run_for(1)
    total = sum(arm.trials for block in visitors.world.store.blocks("shop", "new units") for arm in block.arms.values())
    with visitors.log.reading() as db:
        units = db.execute("SELECT COUNT(DISTINCT unit) FROM prediction WHERE allocation_id >= 2").fetchone()[0]
    assert total == units > 500


async def test_without_a_log_the_evidence_says_that_nobody_knows(tmp_path: Path) -> None:
    world = World(tmp_path, template=STICKY)
    await world.run_for(2)
    world.add_candidate("2")
    await world.run_for(5)
    row = of_units(world)
    assert row.state == "no-data"
    assert row.summary == (
        "not known whether units follow the shares: the environment local has no log of predictions to count units in"
    )
    await world.run_for(60)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"
    told = [row["summary"] for row in world.records()[-1]["decision"]["evidence"] if row["role"] == "sample-ratio"]
    assert told == [row.summary]
    world.close()

"""Order values that come late, from the real event log: a guardrail, an A/B test and a bandit of a mean, end to end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.cli.commands.explain import explain
from releasectl.cli.commands.replay import replay
from releasectl.cli.render import console, status_trees
from releasectl.domain.metric import Metric
from releasectl.ports import Outcome, Prediction, SourceReading
from tests.scenarios.world import World

MANIFEST = "releases/shop.yaml"
CANARY = "strategy: [{type: canary, steps: [10, 50], interval: 10s}]"
METRICS = """\
apiVersion: releasectl.dev/v1alpha1
kind: MetricSet
metadata: {name: orders}
spec:
  metrics:
    - name: order-value
      kind: mean
      unit: EUR
      direction: higher
      clip: {high: 200}
      covariate: {feature: spent-before, clip: {high: 200}}
      query: {log: {outcome: order-value}}
"""
WORTH = {"1": 20.0, "2": 23.0, "3": 20.0}
"""Mean order by version."""
PER_SECOND = 100


@dataclass
class Shoppers:
    """Each second some buy from what the router serves; what they spent is known three seconds later."""

    world: World
    log: EventLog
    worth: dict[str, float] = field(default_factory=lambda: dict(WORTH))
    kind: str = "log"

    def __post_init__(self) -> None:
        self._source, self._rng = LogSource(self.log), np.random.default_rng(11)
        self._last, self._count = self.world.clock.now(), 0
        self._due: deque[tuple[datetime, Outcome]] = deque()

    async def read(
        self, metrics: Sequence[Metric], cursors: Mapping[str, Any], now: datetime
    ) -> Mapping[str, SourceReading]:
        bought = [one for _ in range(round((now - self._last).total_seconds())) for one in self._bought(now)]
        self._last = now
        told = []
        while self._due and self._due[0][0] <= now:
            told.append(self._due.popleft()[1])
        self.log.append(bought, told)
        return await self._source.read(metrics, cursors, now)

    def _bought(self, now: datetime) -> Iterator[Prediction]:
        table = self.world.router.tables["shop"]
        names = list(table.shares.shares)
        chosen = self._rng.choice(len(names), PER_SECOND, p=[table.shares.share(name) / 10_000 for name in names])
        for place in chosen.tolist():
            name, self._count = names[place], self._count + 1
            version = self.world.users.versions["shop", table.tags[name]]
            before = float(self._rng.exponential(20))
            spent = max(0.0, self.worth[version] - 20 + 0.8 * before + 0.2 * 20 + float(self._rng.normal(0, 5)))
            request, later = f"r{self._count}", now + timedelta(seconds=3)
            self._due.append((later, Outcome("order-value", spent, later, request_id=request)))
            yield Prediction(
                request,
                "shop",
                name,
                now,
                tag=table.tags[name],
                allocation_id=table.epoch,
                features={"spent-before": before, "name": "Ada"},
            )


@pytest.fixture
def shoppers(world: World) -> Iterator[Shoppers]:
    with closing(EventLog(world.folder / "events.sqlite", now=world.clock.now)) as log:
        shoppers = Shoppers(world, log)
        world.sources.append(shoppers)
        yield shoppers


async def trial(world: World, *, strategy: str, policy: str, candidates: str) -> None:
    """Merge metrics, rules and candidates, and wait for the trial to begin."""
    world.write("metrics/orders.yaml", METRICS)
    world.write("policies/careful.yaml", world.read("policies/careful.yaml") + policy)
    world.replace(MANIFEST, CANARY, f"strategy: [{strategy}]")
    world.replace(MANIFEST, "  strategy:", f"  candidates: {candidates}\n  strategy:")
    await world.run_until(lambda: world.state().progress is not None)


ONE = '[{name: next, versions: {app: "2"}}]'
BOTH = '[{name: next, versions: {app: "2"}}, {name: third, versions: {app: "3"}}]'


async def test_a_mean_that_is_proven_better_promotes_and_is_told_in_its_unit(world: World, shoppers: Shoppers) -> None:
    policy = "  objectives: [{metric: order-value, goal: superior}]\n"
    await trial(world, strategy="{type: ab, share: 50, duration: 5s}", policy=policy, candidates=ONE)
    await world.run_until(lambda: world.state().progress is None)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"
    (row,) = (row for row in world.records()[-1]["decision"]["evidence"] if row["metric"] == "order-value")
    assert row["unit"] == "EUR"
    assert row["lower"] < 3 < row["upper"]
    place = ["-R", str(world.origin), "--state", str(world.folder / "reader")]
    again = CliRunner().invoke(replay, place, standalone_mode=False)
    assert again.return_value == 0, again.output
    told = CliRunner().invoke(explain, [world.records()[-1]["decision"]["id"], *place], standalone_mode=False)
    assert "against a mean of" in told.output
    assert "EUR" in told.output
    world.check()


async def test_a_mean_that_falls_beyond_its_margin_is_taken_back(world: World, shoppers: Shoppers) -> None:
    shoppers.worth["2"] = 14.0
    policy = "  objectives: [{metric: order-value, margin: {units: 2}}]\n"
    guard = "guardrails: [{metric: order-value, margin: {units: 2}}, "
    world.replace("policies/careful.yaml", "guardrails: [", guard)
    await trial(world, strategy="{type: canary, steps: [20, 50], interval: 5s}", policy=policy, candidates=ONE)
    await world.run_until(lambda: world.state().progress is None)
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    assert "2 EUR worse is accepted" in world.records()[-1]["decision"]["message"]
    world.check()


async def test_a_bandit_earns_a_mean_that_comes_late(world: World, shoppers: Shoppers) -> None:
    policy = "  objectives: [{metric: order-value, goal: superior}]\n"
    stage = "{type: bandit, objective: order-value, explore: 10, every: 2s, tolerance: 0.5}"
    await trial(world, strategy=stage, policy=policy, candidates=BOTH)
    await world.run_until(lambda: "REALLOCATE Reallocated" in world.reasons())
    shown = {arm.variant: arm for arm in world.status().rewards}
    assert list(shown) == ["stable", "next", "third"]
    drawing = console()
    with drawing.capture() as captured:
        drawing.print(status_trees(world.seen))
    assert f"earns {shown['next'].mean:.4g} EUR" in captured.get()
    await world.run_until(lambda: world.state().progress is None)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"
    assert world.state().stable.versions["app"].name == "2"
    place = ["-R", str(world.origin), "--state", str(world.folder / "reader")]
    again = CliRunner().invoke(replay, place, standalone_mode=False)
    assert again.return_value == 0, again.output
    world.check()

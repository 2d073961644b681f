"""Worlds that share a batch come to what they come to alone, to the last run."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from releasectl.simulate.case import Case
from releasectl.simulate.summary import simulate
from releasectl.simulate.together import simulate_together
from releasectl.simulate.world import Rate, Spread, World
from tests.unit.simulate.cases import a_case

LATE = timedelta(minutes=2)
PLAIN = World(20.0, {"error-rate": Rate(0.01, delay=LATE)}, timedelta(seconds=30), looks=80)
HARM = World(20.0, {"error-rate": Rate(0.01, {"new": 0.2}, delay=LATE)}, timedelta(seconds=30), looks=80)
RARE = World(20.0, {"error-rate": Rate(0.01, delay=LATE)}, timedelta(seconds=60), looks=40)
POLICY = "{guardrails: [{metric: error-rate, margin: {points: 2}}], minSamples: 50, maxDuration: 30m}"
CANARY = "[{type: canary, steps: [10, 50], interval: 1m}]"


@pytest.fixture(scope="module")
def case() -> Case:
    return a_case(policy=POLICY, strategy=CANARY)


@pytest.mark.parametrize(
    "worlds",
    [
        pytest.param((PLAIN, HARM), id="one ends long before the other"),
        pytest.param((HARM, PLAIN, HARM), id="three"),
        pytest.param((PLAIN, RARE, HARM), id="one is looked at more rarely"),
    ],
)
def test_runs_are_those_of_each_world_alone(case: Case, worlds: tuple[World, ...]) -> None:
    together = simulate_together(case, worlds, 12, seed=3)
    for world, found in zip(worlds, together, strict=True):
        alone = simulate(case, world, 12, seed=3)
        assert found.world == world
        assert list(found.runs) == list(alone.runs)
        assert np.array_equal(found.requests, alone.requests)
    lengths = [{run.looks for run in found.runs} for found in together]
    assert len({frozenset(one) for one in lengths}) > 1, "the worlds must differ for this to show anything"


def test_means_share_a_batch_too() -> None:
    policy = "{guardrails: [{metric: latency, margin: {units: 20}}], minSamples: 50, maxDuration: 30m}"
    case = a_case(policy=policy, strategy=CANARY)
    worlds = [
        World(20.0, {"latency": Rate(100.0, {"new": more}, spread=Spread(30.0, 0.001))}, timedelta(seconds=30), 60)
        for more in (0.0, 60.0)
    ]
    good, bad = simulate_together(case, worlds, 6, seed=1)
    assert [list(one.runs) for one in (good, bad)] == [list(simulate(case, world, 6, seed=1).runs) for world in worlds]


def test_of_worlds_looked_at_equally_often_the_longest_counts(case: Case) -> None:
    short = World(0.5, PLAIN.rates, PLAIN.every, looks=3)
    found, other = simulate_together(case, (short, PLAIN), 4, seed=1)
    assert found.world.looks == other.world.looks == PLAIN.looks
    assert all(run.end for run in found.runs), "the policy ends them after its longest time"


def test_stages_that_go_one_by_one_are_simulated_too() -> None:
    case = a_case(policy=POLICY, strategy="[{type: shadow, mirror: 10, duration: 1m}, {type: canary, interval: 1m}]")
    worlds = (PLAIN, HARM)
    together = simulate_together(case, worlds, 2, seed=2)
    assert [list(one.runs) for one in together] == [list(simulate(case, one, 2, seed=2).runs) for one in worlds]


def test_more_runs_than_go_in_one_batch_are_refused(case: Case) -> None:
    with pytest.raises(ValueError, match="several batches"):
        simulate_together(case, (PLAIN,), 10_000, seed=1)

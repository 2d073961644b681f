"""Runs simulated together are, one by one, what ``evaluate()`` and ``decide()`` make of the same counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from releasectl.domain.base import parse_duration
from releasectl.domain.decision import EffectiveState
from releasectl.domain.observation import Observation
from releasectl.simulate.batch import Batch, run_batch
from releasectl.simulate.case import Case
from releasectl.simulate.trial import Run, observation_of, run_trial
from releasectl.simulate.world import Arrivals, Counted, Ints, Rate, Spread, World, variants_of
from tests.unit.simulate.cases import TWO, a_case

EVERY = timedelta(seconds=30)
RUNS = 50
QUICK = "[{type: canary, steps: [10, 50], interval: 2m}]"
BOTH = (
    "{guardrails: [{metric: error-rate, margin: {points: 2}},"
    " {metric: slow-requests, margin: {percent: 50}, limit: 20}],"
    " objectives: [{metric: click, goal: superior}], minSamples: 200, maxDuration: 25m, watch: {for: 2m}}"
)
EARNS = (
    "{guardrails: [{metric: error-rate, margin: {points: 2}}],"
    " objectives: [{metric: click, goal: superior}], minSamples: 100, maxDuration: 25m}"
)
BANDIT = "[{type: bandit, objective: click, every: 2m, tolerance: 1}]"
MEANS = (
    "{guardrails: [{metric: error-rate, margin: {points: 2}}, {metric: latency, margin: {units: 8}, limit: 150}],"
    " objectives: [{metric: worth, goal: superior}], minSamples: 50, maxDuration: 25m}"
)
SPARSE = (
    "{guardrails: [{metric: error-rate, margin: {points: 40}}],"
    " objectives: [{metric: click, goal: superior}], minSamples: 5, maxDuration: 25m}"
)
WORLDS = {
    "no difference": (a_case(strategy=QUICK), {"error-rate": Rate(0.01), "slow-requests": Rate(0.03)}, 60.0),
    "at the edge of the margin": (
        a_case(policy="fast-iterate", strategy=QUICK),
        {"error-rate": Rate(0.01, {"new": 0.05}), "slow-requests": Rate(0.03, {"new": 0.08})},
        8.0,
    ),
    "harm": (
        a_case(strategy="[{type: canary, steps: [1, 5, 50], interval: 2m}]"),
        {"error-rate": Rate(0.01, {"new": 0.04}), "slow-requests": Rate(0.03)},
        60.0,
    ),
    "harm in both together": (
        a_case(strategy=QUICK),
        {"error-rate": Rate(0.01, {"new": 0.016}), "slow-requests": Rate(0.03, {"new": 0.03})},
        30.0,
    ),
    "two candidates, two stages, late clicks and a limit": (
        a_case(policy=BOTH, strategy="[{type: canary, steps: [20], interval: 2m}, {type: ab, share: 60, duration: 2m},"
               " {type: approval, required: 2}]", candidates=TWO),
        {
            "error-rate": Rate(0.01, {"other": 0.03}),
            "slow-requests": Rate(0.18, {"other": 0.01}),
            "click": Rate(0.1, {"new": 0.04, "other": 0.05}, parse_duration("90s")),
        },
        40.0,
    ),
    "means, one of them late": (
        a_case(policy=MEANS, strategy=QUICK, candidates=TWO),
        {
            "error-rate": Rate(0.01),
            "latency": Rate(120.0, {"other": 12.0}, spread=Spread(40.0, 0.001)),
            "worth": Rate(20.0, {"new": 3.0}, parse_duration("90s"), Spread(12.0, 0.0001)),
        },
        12.0,
    ),
    "a bandit of three whose clicks come late": (
        a_case(policy=EARNS, strategy=BANDIT, candidates=TWO),
        {"error-rate": Rate(0.01), "click": Rate(0.1, {"new": 0.06, "other": -0.02}, parse_duration("90s"))},
        20.0,
    ),
    "a bandit after a canary, of which one arm is harmful": (
        a_case(policy=EARNS, strategy=f"[{{type: canary, steps: [20], interval: 2m}}, {BANDIT[1:]}", candidates=TWO),
        {"error-rate": Rate(0.01, {"other": 0.06}), "click": Rate(0.3, {"new": 0.001, "other": 0.1})},
        20.0,
    ),
    "a bandit of a mean that forgets": (
        a_case(
            policy=EARNS.replace("click", "worth"),
            strategy=BANDIT.replace("click", "worth").replace("every", "halfLife: 10m, method: top-two, every"),
            candidates=TWO,
        ),
        {"error-rate": Rate(0.01), "worth": Rate(20.0, {"new": 3.0}, spread=Spread(12.0, 0.0001))},
        10.0,
    ),
    "hardly a look with both arms": (
        a_case(
            policy=SPARSE,
            strategy="[{type: canary, steps: [30], interval: 5m}, {type: ab, share: 60, duration: 5m}]",
            candidates=TWO,
        ),
        {"error-rate": Rate(0.2, {"other": 0.7}), "click": Rate(0.1, {"new": 0.8}, parse_duration("90s"))},
        0.08,
    ),
    "too little to tell": (
        a_case(policy=BOTH, strategy=QUICK),
        {"error-rate": Rate(0.01), "slow-requests": Rate(0.05), "click": Rate(0.1)},
        5.0,
    ),
}  # fmt: skip


def together(case: Case, world: World) -> tuple[dict[int, Run], dict[tuple[int, int], Mapping[str, Counted]]]:
    """The runs, and what each of them came to know at each look."""
    known: dict[tuple[int, int], Mapping[str, Counted]] = {}
    arrivals = Arrivals(world, variants_of(case.candidates), (5,))
    batch = Batch.begin(case, world.every, range(RUNS))

    def draw(look: int, shares: Ints, epoch: Ints) -> tuple[Ints, dict[str, Counted]]:
        trials, counted = arrivals.draw(look, shares, epoch)
        for row, run in enumerate(batch.ids.tolist()):
            known[run, look] = {
                metric: Counted(*(part[row : row + 1] for part in of)) for metric, of in counted.items()
            }
        return trials, counted

    return run_batch(batch, world.looks, draw, arrivals.keep, lambda _ids, _trials: None), known


QUICKLY = ("harm", "hardly a look with both arms")
THOROUGH = (pytest.mark.slow, pytest.mark.simulation)


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICKLY else THOROUGH) for name in WORLDS])
def test_each_run_of_a_batch_is_decided_like_a_run_of_its_own(name: str) -> None:
    case, rates, traffic = WORLDS[name]
    world = World(traffic, rates, EVERY, looks=60, drift=0.3, period=timedelta(hours=1))
    runs, known = together(case, world)
    for run in range(0, RUNS, 5 if name in QUICKLY else 1):

        def source(look: int, _state: EffectiveState, run: int = run) -> Observation:
            return observation_of(case, EVERY, look, known[run, look])

        alone = run_trial(case, EVERY, world.looks, source)
        assert runs[run].steps == alone.steps
        assert runs[run].looks == alone.looks
        assert (runs[run].end is None) == (alone.end is None)
        if alone.end and runs[run].end:
            assert runs[run].end.to_data()["evidence"] == alone.end.to_data()["evidence"]
            assert runs[run].end.message == alone.end.message


@pytest.mark.slow
@pytest.mark.simulation
def test_the_worlds_above_end_in_every_way() -> None:
    ends = set()
    for case, rates, traffic in WORLDS.values():
        runs, _ = together(case, World(traffic, rates, EVERY, looks=60))
        ends |= {f"{run.end.action} {run.end.reason}" for run in runs.values() if run.end}
        ends |= {f"{one.action} {one.reason} of one" for run in runs.values() for one in run.back}
    assert ends >= {
        "PROMOTE EvidenceSufficient",
        "PROMOTE WatchPassed",
        "ROLLBACK GuardrailBreached",
        "ROLLBACK GuardrailBreached of one",
        "ROLLBACK Inconclusive",
    }

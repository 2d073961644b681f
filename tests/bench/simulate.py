"""``python -m tests.bench.simulate``: simulated releases a second on one core.

Canaries under the shipped careful policy; bandits of three arms, together and, a few of them, one by one.
"""

from __future__ import annotations

import argparse
import time
from datetime import timedelta

from releasectl.simulate.summary import figures, simulate
from releasectl.simulate.trial import drawn, run_trial
from releasectl.simulate.world import Rate, World
from tests.unit.simulate.cases import TWO, a_case

WORLDS = {
    "no difference": {"error-rate": Rate(0.01), "slow-requests": Rate(0.03)},
    "harm": {"error-rate": Rate(0.01, {"new": 0.02}), "slow-requests": Rate(0.03)},
}


EARNS = (
    "{guardrails: [{metric: error-rate, margin: {points: 2}}],"
    " objectives: [{metric: click, goal: superior}], minSamples: 200, maxDuration: 24h}"
)
BANDIT = "[{type: bandit, objective: click, every: 10m}]"
ARMS = {"no difference": {}, "one better": {"new": 0.02}}


def bandits(runs: int) -> None:
    """Three arms, ten requests a second, looked at twice a minute."""
    case = a_case(policy=EARNS, strategy=BANDIT, candidates=TWO)
    for name, effects in ARMS.items():
        rates = {"error-rate": Rate(0.01), "click": Rate(0.05, effects)}
        world = World(10.0, rates, timedelta(seconds=30), looks=720)
        used = time.process_time()
        found = simulate(case, world, runs, seed=1)
        used, looks = time.process_time() - used, sum(run.looks for run in found.runs)
        print(f"bandit, {name}: {runs} releases, {looks / runs:.0f} looks each, {used:.1f} s of CPU")
        print(f"  together: {runs / used:.1f} releases and {looks / used:.0f} looks a second of CPU")
        used, few = time.process_time(), 2
        alone = [run_trial(case, world.every, world.looks, drawn(case, world, (1, run))[0]) for run in range(few)]
        used, looks = time.process_time() - used, sum(run.looks for run in alone)
        print(f"  one by one: {few / used:.2f} releases and {looks / used:.0f} looks a second of CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--bandits", type=int, default=100)
    given = parser.parse_args()
    runs = given.runs
    bandits(given.bandits)
    for name, rates in WORLDS.items():
        world = World(100.0, rates, timedelta(seconds=30), looks=2000)
        began, used = time.perf_counter(), time.process_time()
        found = simulate(a_case(), world, runs, seed=1)
        wall, cpu = time.perf_counter() - began, time.process_time() - used
        looks = sum(run.looks for run in found.runs)
        print(f"{name}: {runs} releases, {looks / runs:.0f} looks each, in {wall:.1f} s ({cpu:.1f} s of CPU)")
        print(f"  {runs / cpu:.0f} releases and {looks / cpu:.0f} looks a second of CPU")
        for figure in figures(found):
            print(f"  {figure.name}: {figure.value} +- {figure.error} {figure.unit}")


if __name__ == "__main__":
    main()

"""``python -m tests.bench.simulate``: simulated releases a second on one core, with the shipped careful policy."""

from __future__ import annotations

import argparse
import time
from datetime import timedelta

from releasectl.simulate.summary import figures, simulate
from releasectl.simulate.world import Rate, World
from tests.unit.simulate.cases import a_case

WORLDS = {
    "no difference": {"error-rate": Rate(0.01), "slow-requests": Rate(0.03)},
    "harm": {"error-rate": Rate(0.01, {"new": 0.02}), "slow-requests": Rate(0.03)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    runs = parser.parse_args().runs
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

"""What a simulation tells: its world in the units of its metrics, and every way in which releases end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from click.testing import CliRunner

from releasectl.cli.main import cli
from releasectl.simulate.summary import figures, simulate
from releasectl.simulate.world import Rate, World
from tests.unit.simulate.cases import ENVIRONMENT, ONE, RELEASE, a_case

EARNS = (
    "{guardrails: [{metric: error-rate, margin: {points: 2}}],"
    " objectives: [{metric: click, margin: {points: 2}}], minSamples: 100, maxDuration: 30m}"
)
BANDIT = "[{type: bandit, objective: click, every: 1m, tolerance: 1}]"
POLICY = b"""\
apiVersion: releasectl.dev/v1alpha1
kind: PromotionPolicy
metadata: {name: own}
spec: {guardrails: [{metric: latency, margin: {units: 10}}], maxDuration: 2m}
"""


def test_a_bandit_that_keeps_stable_has_ended_neither_in_harm_nor_without_a_decision() -> None:
    rates = {"error-rate": Rate(0.01), "click": Rate(0.5, {"new": -0.4})}
    world = World(100.0, rates, timedelta(seconds=30), looks=60)
    told = {one.name: one.value for one in figures(simulate(a_case(policy=EARNS, strategy=BANDIT), world, 3, seed=1))}
    assert told["stable earns most"] == 1.0
    assert told["promoted"] == told["undecided"] == told["inconclusive"] == 0.0


def test_a_mean_is_told_in_its_own_unit(tmp_path: Path) -> None:
    strategy = "[{type: canary, steps: [50], interval: 1m}]"
    release = RELEASE.replace("CANDIDATES", ONE).replace("STRATEGY", strategy).replace("POLICY", "own")
    for name, text in {"release": release.encode(), "environment": ENVIRONMENT, "policy": POLICY}.items():
        (tmp_path / f"{name}.yaml").write_bytes(text)
    asked = ["simulate", "desk", "-R", str(tmp_path), "--runs", "2", "--traffic", "1"]
    done = CliRunner().invoke(cli, [*asked, "--baseline", "latency=120~40", "--effect", "latency=+8"])
    assert "latency 120 against new 128, standard deviation 40)" in done.output

"""`explain` tells what would settle a decision's metrics."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from releasectl.cli.main import cli
from tests.scenarios.world import World


def run(world: World, what: str, *arguments: str) -> Result:
    place = ["-R", str(world.origin), "--state", str(world.folder / "reader")]
    return CliRunner().invoke(cli, ["explain", what, *place, *arguments], standalone_mode=False)


def identity(world: World, reason: str) -> str:
    return next(d["Releasectl-Decision-Id"] for d in world.decisions() if d["Releasectl-Reason"] == reason)


async def test_a_step_that_passed_tells_how_much_more_would_prove_it(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(16)
    done = run(world, identity(world, "StepPassed"))
    assert done.return_value == 0
    told = [line.strip() for line in done.output.splitlines()]
    assert any(line.startswith("at these rates harm is ruled out after about ") for line in told)
    assert any(line.endswith("s at this traffic") for line in told)
    assert any(line.startswith("harm would be proven by a rate of at least ") for line in told)
    found = json.loads(run(world, identity(world, "StepPassed"), "-o", "json").output)["outlook"]
    # 200 requests a second, half of them to the candidate from then on.
    assert abs(found[0]["samplesPerSecond"] - 100) < 5
    assert found[0]["samplesToPass"] > 0


async def test_proven_harm_is_told_without_an_outlook(world: World) -> None:
    world.users.error_rates["2"] = 0.3
    world.add_candidate("2")
    await world.run_for(10)
    done = run(world, "shop")
    assert "ROLLBACK GuardrailBreached" in done.output
    assert "at these rates" not in done.output


async def test_a_decision_outside_of_a_trial_has_none(world: World) -> None:
    assert json.loads(run(world, "shop", "-o", "json").output)["outlook"] == []

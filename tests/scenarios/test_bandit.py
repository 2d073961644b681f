"""A bandit over three versions, from merge to end, in a whole world."""

from __future__ import annotations

from itertools import pairwise

from click.testing import CliRunner

from releasectl.cli.commands.explain import explain
from releasectl.cli.commands.replay import replay
from releasectl.cli.render import console, status_trees
from releasectl.domain.observation import ReadState
from releasectl.domain.reward import ArmReward
from tests.scenarios.world import World

MANIFEST = "releases/shop.yaml"
CANARY = "strategy: [{type: canary, steps: [10, 50], interval: 10s}]"
STAGE = "{type: bandit, objective: error-rate, explore: 10, every: 2s, tolerance: 1}"
CANDIDATES = """\
  candidates:
    - {name: next, versions: {app: "2"}}
    - {name: third, versions: {app: "3"}}
"""
OBJECTIVE = "  objectives: [{metric: error-rate, goal: superior}]\n"
RATES = {"1": 0.12, "2": 0.08, "3": 0.12}


async def three_arms(world: World, stage: str = STAGE) -> World:
    """Version 1 serves; 2, which fails least, and 3 are merged as candidates of a bandit."""
    world.users.error_rates.update(RATES)
    world.write("policies/careful.yaml", world.read("policies/careful.yaml") + OBJECTIVE)
    world.replace(MANIFEST, CANARY, f"strategy: [{stage}]")
    world.replace(MANIFEST, "  strategy:", CANDIDATES + "  strategy:")
    await world.run_until(lambda: world.state().progress is not None)
    return world


def rewards(world: World) -> dict[str, ArmReward]:
    return {arm.variant: arm for arm in world.status().rewards}


async def test_it_explores_moves_shares_by_what_was_earned_and_ends_with_the_best(world: World) -> None:
    await three_arms(world)
    assert [world.share(arm) for arm in ("stable", "next", "third")] == [8000, 1000, 1000]
    await world.run_until(lambda: world.state().progress is None)
    reasons = world.reasons()
    assert reasons[:2] == ["ADVANCE Adopted", "ADVANCE CandidateStarted"]
    assert set(reasons[2:-1]) == {"REALLOCATE Reallocated"}
    assert reasons[-1] == "PROMOTE EvidenceSufficient"
    assert world.state().stable.versions["app"].name == "2"
    assert "candidates" not in world.read(MANIFEST)
    world.check()
    world.fsck()


async def test_every_recorded_move_is_worth_a_commit_and_keeps_to_its_limits(world: World) -> None:
    await three_arms(world)
    await world.run_until(lambda: world.state().progress is None)
    shares = [
        record["decision"]["state"]["allocation"]["shares"]
        for record in world.records()
        if record["decision"]["reason"] in ("CandidateStarted", "Reallocated")
    ]
    for before, after in pairwise(shares):
        moved = [abs(after[arm] - before[arm]) for arm in before]
        assert 500 <= max(moved) <= 1000
        assert sum(after.values()) == 10_000
        assert min(after.values()) >= 100
    assert len(shares) >= 3


async def test_a_breached_arm_falls_to_nothing_in_one_update_while_the_others_go_on(world: World) -> None:
    await three_arms(world)
    await world.run_until(lambda: world.reasons()[-1] == "REALLOCATE Reallocated")
    world.users.error_rates["3"] = 0.9
    before = {arm: world.share(arm) for arm in ("stable", "next", "third")}
    await world.run_until(lambda: "ROLLBACK GuardrailBreached" in world.reasons())
    assert world.share("third") == 0
    assert world.share("stable") + world.share("next") == 10_000
    assert world.share("next") >= before["next"]
    assert world.state().candidates == ("next",)
    assert "third" not in world.read(MANIFEST)
    await world.run_until(lambda: world.state().progress is None)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"
    world.check()


async def test_shares_stay_while_the_metric_cannot_be_read(world: World) -> None:
    await three_arms(world)
    await world.run_until(lambda: world.reasons()[-1] == "REALLOCATE Reallocated")
    before, count = dict(world.state().allocation.shares), len(world.reasons())
    world.users.state = ReadState.PROVIDER_ERROR
    await world.run_for(10)
    assert world.condition() == "MetricsUnavailable"
    assert (dict(world.state().allocation.shares), len(world.reasons())) == (before, count)


async def test_a_restart_without_memory_goes_on_from_the_last_recorded_posterior(world: World) -> None:
    await three_arms(world)
    await world.run_until(lambda: world.reasons().count("REALLOCATE Reallocated") == 2)
    recorded = {row["variant"]: row["trials"] for row in world.records()[-1]["decision"]["rewards"]}
    world.restart("b")
    await world.run_for(1)
    assert all(rewards(world)[arm].trials >= trials for arm, trials in recorded.items())
    await world.run_until(lambda: world.state().progress is None)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"


async def test_status_and_records_show_what_each_arm_earns(world: World) -> None:
    await three_arms(world)
    await world.run_until(lambda: world.reasons()[-1] == "REALLOCATE Reallocated")
    shown = rewards(world)
    assert list(shown) == ["stable", "next", "third"]
    assert abs(sum(arm.p_best for arm in shown.values()) - 1) < 1e-8
    drawing = console()
    with drawing.capture() as captured:
        drawing.print(status_trees(world.seen))
    assert f"best with chance {100 * shown['next'].p_best:.3g} %, expected loss" in captured.get()
    (before, after) = world.records()[-2:]
    assert "rewards" not in before["decision"], "nothing was earned when the stage began"
    assert [row["variant"] for row in after["decision"]["rewards"]] == ["stable", "next", "third"]
    assert after["decision"]["state"]["last"]["rewards"] == after["decision"]["rewards"]


async def test_its_decisions_can_be_made_again_and_explained(world: World) -> None:
    await three_arms(world)
    await world.run_until(lambda: world.state().progress is None)
    place = ["-R", str(world.origin), "--state", str(world.folder / "reader")]
    again = CliRunner().invoke(replay, place, standalone_mode=False)
    assert again.return_value == 0, again.output
    told = CliRunner().invoke(explain, ["shop", *place], standalone_mode=False)
    assert "rewards" in told.output
    assert "best with chance" in told.output

"""What the comments of the shipped policies claim, one test each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from releasectl.domain.decision import PersonAction
from releasectl.domain.observation import ReadState
from tests.scenarios.world import World

MINUTE = 60.0
HOUR = 60 * MINUTE
STRATEGY = "strategy: [{type: canary, steps: [10, 50], interval: 10s}]"

Trial = Callable[..., Awaitable[World]]


@pytest.fixture
async def trial(tmp_path: Path) -> AsyncIterator[Trial]:
    """A candidate on trial under a shipped policy, and so many requests a second."""
    world = World(tmp_path)

    async def begin(policy: str, *, requests: int = 200, approval: bool = False) -> World:
        world.users.requests_per_second = requests
        if approval:
            world.replace("releases/shop.yaml", STRATEGY, STRATEGY[:-1] + ", {type: approval}]")
        world.replace("releases/shop.yaml", "policy: careful", f"policy: {policy}")
        await world.run_for(2)
        world.add_candidate("2", by="ada")
        await world.run_until(lambda: world.share("next") > 0)
        return world

    yield begin
    world.close()


async def decided(world: World, within: float, every: float = MINUTE) -> str:
    """What a trial comes to, within so many seconds."""
    await world.run_until(lambda: world.reasons()[-1].startswith(("PROMOTE", "ROLLBACK")), every=every, at_most=within)
    return world.reasons()[-1]


# --- fast-iterate ---------------------------------------------------------------------------------------


async def test_fast_iterate_decides_in_minutes_of_modest_traffic(trial: Trial) -> None:
    world = await trial("fast-iterate", requests=20)
    assert await decided(world, 15 * MINUTE, every=5) == "PROMOTE EvidenceSufficient"


async def test_fast_iterate_sends_plain_harm_back_at_once(trial: Trial) -> None:
    world = await trial("fast-iterate", requests=20)
    world.users.error_rates["2"] = 0.5
    assert await decided(world, 2 * MINUTE, every=1) == "ROLLBACK GuardrailBreached"


async def test_fast_iterate_leaves_an_open_question_and_missing_metrics_to_somebody(trial: Trial) -> None:
    world = await trial("fast-iterate", requests=0)
    await world.run_for(3 * HOUR, every=5 * MINUTE)
    world.users.state = ReadState.PROVIDER_ERROR
    await world.run_for(20 * MINUTE, every=MINUTE)
    assert world.share("next") == 1000


# --- safe-default ---------------------------------------------------------------------------------------


async def test_safe_default_takes_back_what_fails_two_more_in_a_hundred(trial: Trial) -> None:
    world = await trial("safe-default")
    world.users.error_rates["2"] = 0.04
    assert await decided(world, 2 * HOUR, every=10) == "ROLLBACK GuardrailBreached"


async def test_safe_default_takes_back_what_is_slow_more_often(trial: Trial) -> None:
    world = await trial("safe-default")
    world.users.slow_rates = {"1": 0.05, "2": 0.12}
    assert await decided(world, 2 * HOUR, every=10) == "ROLLBACK GuardrailBreached"


async def test_safe_default_takes_back_what_is_not_ruled_out_within_a_day(trial: Trial) -> None:
    world = await trial("safe-default", requests=0)
    assert await decided(world, 25 * HOUR, every=0.5 * HOUR) == "ROLLBACK Inconclusive"


async def test_safe_default_stops_trusting_a_trial_after_ten_minutes_without_metrics(trial: Trial) -> None:
    world = await trial("safe-default")
    world.users.state = ReadState.PROVIDER_ERROR
    await world.run_for(9 * MINUTE, every=MINUTE)
    assert world.share("next") == 1000
    assert await decided(world, 3 * MINUTE) == "ROLLBACK OutageBudgetSpent"


# --- regulated-human ------------------------------------------------------------------------------------


async def test_regulated_human_takes_its_time_asks_people_and_watches(trial: Trial) -> None:
    world = await trial("regulated-human", approval=True)
    began = world.clock.at
    await world.run_until(lambda: world.condition() == "AwaitingApproval", every=2 * MINUTE, at_most=12 * HOUR)
    assert (world.clock.at - began).total_seconds() >= 2 * HOUR
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_until(lambda: world.share("next") == 9000)
    began = world.clock.at
    assert await decided(world, 5 * HOUR, every=5 * MINUTE) == "PROMOTE WatchPassed"
    assert (world.clock.at - began).total_seconds() >= 4 * HOUR


async def test_regulated_human_accepts_little_harm(trial: Trial) -> None:
    world = await trial("regulated-human", approval=True)
    world.users.error_rates["2"] = 0.025
    assert await decided(world, 3 * HOUR) == "ROLLBACK GuardrailBreached"


async def test_regulated_human_takes_no_bad_stable_for_an_excuse(trial: Trial) -> None:
    world = await trial("regulated-human", approval=True)
    world.users.error_rates |= {"1": 0.08, "2": 0.08}
    assert await decided(world, 3 * HOUR) == "ROLLBACK GuardrailBreached"
    last = world.state().last
    assert last is not None
    assert "past the limit of 5 %" in last.message


async def test_regulated_human_leaves_an_open_question_to_people(trial: Trial) -> None:
    world = await trial("regulated-human", approval=True, requests=0)
    await world.run_for(8 * 24 * HOUR, every=6 * HOUR)
    assert world.share("next") == 1000


async def test_regulated_human_ends_a_trial_that_nobody_can_see(trial: Trial) -> None:
    world = await trial("regulated-human", approval=True)
    world.users.state = ReadState.PROVIDER_ERROR
    assert await decided(world, 7 * MINUTE) == "ROLLBACK OutageBudgetSpent"


# --- cost-aware -----------------------------------------------------------------------------------------


async def test_cost_aware_takes_back_what_is_slow_much_more_often_than_stable(trial: Trial) -> None:
    world = await trial("cost-aware")
    world.users.slow_rates = {"1": 0.05, "2": 0.08}
    assert await decided(world, 4 * HOUR, every=20) == "ROLLBACK GuardrailBreached"


async def test_cost_aware_promotes_what_is_as_quick_as_stable(trial: Trial) -> None:
    world = await trial("cost-aware")
    world.users.slow_rates = {"1": 0.05, "2": 0.05}
    assert await decided(world, 4 * HOUR, every=20) == "PROMOTE EvidenceSufficient"


async def test_cost_aware_does_not_pay_for_a_trial_that_proves_nothing_in_four_hours(trial: Trial) -> None:
    world = await trial("cost-aware", requests=0)
    assert await decided(world, 4.5 * HOUR, every=15 * MINUTE) == "ROLLBACK Inconclusive"

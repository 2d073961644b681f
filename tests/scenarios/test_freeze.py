"""A freeze: nothing goes forward, everything can be taken back, and its reason and owner are told."""

from __future__ import annotations

from datetime import timedelta

from releasectl.domain.base import format_time
from releasectl.domain.decision import PersonAction
from tests.scenarios.world import ENVIRONMENT, POLICY, World


def freeze(world: World, seconds: float = 3600, *, of_the_policy: bool = False) -> None:
    """From now on, in the environment or in the policy."""
    now = world.clock.at.replace(microsecond=0)
    since, until = (format_time(at).replace(".000Z", "Z") for at in (now, now + timedelta(seconds=seconds)))
    entry = f'  freeze: [{{from: "{since}", until: "{until}", reason: year end, owner: cleo}}]\n'
    if of_the_policy:
        world.write("policies/careful.yaml", POLICY + entry)
    else:
        world.write("environments/local.yaml", ENVIRONMENT + "spec:\n" + entry)


async def test_nothing_starts_in_a_freeze_and_the_message_names_reason_and_owner(world: World) -> None:
    freeze(world)
    world.add_candidate("2")
    await world.run_for(5)
    assert world.share("stable") == 10_000
    assert world.condition() == "Frozen"
    condition = world.status().condition
    assert condition is not None
    assert condition.message == "frozen until 2026-01-01T01:00:00Z: year end (ask cleo)"


async def test_a_trial_keeps_its_shares_in_a_freeze_and_goes_on_after_it(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(3)
    freeze(world, 60, of_the_policy=True)
    await world.run_for(50)
    assert world.condition() == "Frozen"
    assert world.share("next") == 1000
    await world.run_until(lambda: world.reasons()[-1].startswith("PROMOTE"))


async def test_a_candidate_that_has_proven_itself_is_not_promoted_in_a_freeze(world: World) -> None:
    world.add_candidate("2")
    await world.run_until(lambda: world.share("next") == 5000)
    freeze(world)
    await world.run_for(40)
    assert world.condition() == "Frozen"
    assert world.share("next") == 5000


async def test_harm_is_rolled_back_in_a_freeze(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(3)
    freeze(world)
    await world.run_for(2)
    world.users.error_rates["2"] = 0.4
    await world.run_for(15)
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"


async def test_a_person_takes_back_but_does_not_promote_in_a_freeze(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(3)
    freeze(world)
    world.ask(PersonAction.PROMOTE)
    await world.run_for(1)
    assert world.reasons()[-1] == "HOLD Refused"
    last = world.state().last
    assert last is not None
    assert "year end (ask cleo)" in last.message
    world.ask(PersonAction.ROLLBACK)
    await world.run_for(1)
    assert world.reasons()[-1] == "ROLLBACK Requested"


async def test_stable_can_be_repaired_by_hand_in_a_freeze(world: World) -> None:
    freeze(world)
    world.replace("releases/shop.yaml", 'stable: {app: "1"}', 'stable: {app: "3"}')
    await world.run_for(3)
    assert world.reasons()[-1] == "REALLOCATE StableChanged"


async def test_frozen_time_does_not_make_a_stage_inconclusive(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(3)
    freeze(world, 1800)
    await world.run_for(1500, every=30)  # the policy gives a stage ten minutes
    assert world.condition() == "Frozen"
    await world.run_until(lambda: world.reasons()[-1].startswith("PROMOTE"), every=10, at_most=600)

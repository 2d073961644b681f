"""A canary from merge to end, in every way it can go."""

from __future__ import annotations

from tests.scenarios.world import World


async def test_a_new_release_is_adopted_and_stable_serves_everything(world: World) -> None:
    assert world.reasons() == ["ADVANCE Adopted"]
    assert world.share("stable") == 10_000


async def test_a_harmless_candidate_is_promoted_step_by_step(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(60)
    assert world.reasons() == [
        "ADVANCE Adopted",
        "ADVANCE CandidateStarted",
        "ADVANCE StepPassed",
        "PROMOTE EvidenceSufficient",
    ]
    assert world.share("stable") == 10_000
    assert world.state().stable.versions["app"].name == "2"
    text = world.read("releases/shop.yaml")
    assert 'stable: {app: "2"}   # what serves now' in text
    assert "candidates" not in text
    world.fsck()


async def test_a_harmful_candidate_is_rolled_back_and_its_artifact_is_held(world: World) -> None:
    world.users.error_rates["2"] = 0.3
    world.add_candidate("2")
    await world.run_for(10)
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    assert world.share("stable") == 10_000
    assert "candidates" not in world.read("releases/shop.yaml")
    world.add_candidate("2", name="again")
    reports = await world.run_for(3)
    assert reports[-1].considered["shop"].decision.reason == "Quarantined"
    assert world.share("again") == 0

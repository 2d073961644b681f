"""C21: a controller is killed at every effect of a story; whoever comes after brings it to the same end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.scenarios.killing import EFFECTS, Killed, Killer
from tests.scenarios.world import World, prepare

STORIES = {
    "promotion": (
        0.01,
        ["ADVANCE Adopted", "ADVANCE CandidateStarted", "ADVANCE StepPassed", "PROMOTE EvidenceSufficient"],
    ),
    "rollback": (0.3, ["ADVANCE Adopted", "ADVANCE CandidateStarted", "ROLLBACK GuardrailBreached"]),
}
TICK = 10.0


class End(NamedTuple):
    """What a story came to."""

    reasons: list[str]
    stable: str
    manifest: str
    shares: dict[str, int]
    held: list[str]


@pytest.fixture(scope="module", params=sorted(STORIES))
def story(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable 1 and a candidate 2 that nobody has looked at yet."""
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder)
    world = World(folder / "person", prepared=folder / "origin.git")
    world.add_candidate("2")
    world.close()
    return world.origin


async def play(world: World, story: str) -> End:
    """Passes until the story's last decision is recorded, and two more."""
    _, expected = STORIES[story]
    await world.run_until(lambda: world.reasons()[-1:] == expected[-1:], every=TICK, at_most=40 * TICK)
    await world.run_for(2 * TICK, every=TICK)
    world.check()
    state = world.state()
    return End(
        reasons=world.reasons(),
        stable=state.stable.versions["app"].name,
        manifest=world.read("releases/shop.yaml"),
        shares=dict(world.router.tables["shop"].shares.shares),
        held=[item.version for item in state.quarantine],
    )


def a_world(folder: Path, origin: Path, story: str) -> World:
    world = World(folder, prepared=origin)
    world.users.error_rates["2"] = STORIES[story][0]
    return world


async def uninterrupted(folder: Path, origin: Path, story: str) -> tuple[End, list[str]]:
    """The end that every interrupted run must come to, and the effects on the way."""
    world = a_world(folder / "uninterrupted", origin, story)
    killer = Killer(10_000)
    world.wrap = killer.wrap
    world.restart()
    try:
        end = await play(world, story)
    finally:
        world.close()
    assert end.reasons == STORIES[story][1]
    return end, killer.done


async def killed_and_carried_on(
    folder: Path, origin: Path, story: str, killer: Killer, memory: str
) -> tuple[End | None, list[str]]:
    """The end after a death, or None if the story was over before it came."""
    world = a_world(folder, origin, story)
    world.wrap = killer.wrap
    world.restart()
    try:
        try:
            await play(world, story)
        except Killed:
            world.wrap = lambda _kind, port: port
            world.restart(memory)
            return await play(world, story), killer.done
        return None, killer.done
    finally:
        world.close()


WAYS = [(after, memory) for after in (False, True) for memory in ("a", "empty")]
"""Killed before or after the effect; the next controller has the memory of the dead one, or none."""


async def kill_at(
    folder: Path, origin: Path, story: str, places: Iterable[int], ways: Sequence[tuple[bool, str]]
) -> int:
    """Kill at each of these effects in each of these ways; returns how many deaths there were."""
    expected, _ = await uninterrupted(folder, origin, story)
    deaths = 0
    for place in places:
        for after, memory in ways:
            name = f"{'after' if after else 'before'} effect {place}, memory {memory}"
            killer = Killer(place, after=after)
            end, done = await killed_and_carried_on(folder / name.replace(" ", "-"), origin, story, killer, memory)
            if end is None:
                return deaths
            deaths += 1
            assert end == expected, f"killed {name} ({done[-1:]})"
    return deaths


async def test_c21_a_story_has_effects_of_every_kind(tmp_path: Path, origin: Path) -> None:
    _, promotion = await uninterrupted(tmp_path / "p", origin, "promotion")
    _, rollback = await uninterrupted(tmp_path / "r", origin, "rollback")
    assert {*promotion, *rollback} == {f"{kind}.{name}" for kind, names in EFFECTS.items() for name in names}


async def test_c21_a_kill_around_a_push_or_an_intent_changes_no_end(tmp_path: Path, origin: Path, story: str) -> None:
    _, done = await uninterrupted(tmp_path / "first", origin, story)
    urgent = [place for place, what in enumerate(done) if what in ("repo.push", "store.begin")][1:]
    ways = [(False, "empty"), (True, "a")]
    assert await kill_at(tmp_path, origin, story, urgent, ways) == len(ways) * len(urgent)


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_c21_a_kill_at_every_effect_changes_no_end(tmp_path: Path, origin: Path, story: str) -> None:
    _, done = await uninterrupted(tmp_path / "first", origin, story)
    assert await kill_at(tmp_path, origin, story, count(), WAYS) >= len(WAYS) * (len(done) - 1)

"""A candidate of several components as independent units: one is tried after the other, each on what was promoted.

The graph and its rates are those of ``test_graph``: sharper OCR harms beside the old sentiment and not beside the new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from releasectl.domain.decision import PersonAction
from tests.scenarios.killing import Killed, Killer
from tests.scenarios.test_graph import PATH, RELEASE, WRONG, GraphWorld
from tests.scenarios.world import prepare

TOPICS = """\
    - name: topics
      versions:
        - {name: "1.0", run: {command: [topics, "1"]}}
        - {name: "2.0", run: {command: [topics, "2"]}}
"""
THREE = RELEASE.replace("  stable: {", TOPICS + '  stable: {topics: "1.0", ').replace(
    "  policy:", "  entry: sentiment\n  policy:"
)
UNIT = """\
  candidates:
    - name: both
      unit: independent
      versions:
        # what reads the letters
        ocr: "2.0"
        sentiment: "2.0"  # by Lucía
"""


def a_world(folder: Path, origin: Path, *, harmful: bool = False) -> GraphWorld:
    world = GraphWorld(folder, prepared=origin)
    world.users.error_rates = dict(WRONG)
    if not harmful:
        world.users.error_rates["2.0+1.0"] = 0.10
    return world


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both new versions proposed as independent units, and nobody has looked yet."""
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder, template=RELEASE.replace("  strategy:", UNIT + "  strategy:"))
    return folder / "origin.git"


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[..., GraphWorld]]:
    """Makes worlds and closes them."""
    made: list[GraphWorld] = []

    def make(**wanted: Any) -> GraphWorld:
        made.append(GraphWorld(tmp_path / str(len(made)), **wanted))
        made[-1].users.error_rates = dict(WRONG)
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
async def world(worlds: Callable[..., GraphWorld], origin: Path) -> GraphWorld:
    """Harmless versions; OCR alone has just got its first share."""
    world = worlds(prepared=origin)
    world.users.error_rates["2.0+1.0"] = 0.10
    await world.run_until(lambda: world.reasons()[-1:] == ["ADVANCE CandidateStarted"])
    return world


def on_trial(world: GraphWorld) -> dict[str, str]:
    """What the candidate runs, by component."""
    return {name: version.name for name, version in world.state().variants["both"].versions.items()}


def running(world: GraphWorld) -> set[str]:
    return {f"{key.component} {key.version}" for key in world.workloads.running}


async def test_producers_are_tried_before_their_consumers_each_on_top_of_what_was_promoted(world: GraphWorld) -> None:
    assert on_trial(world) == {"ocr": "2.0", "sentiment": "1.0"}
    assert "sentiment 2.0" not in running(world)
    await world.run_until(lambda: world.reasons()[-1] == "PROMOTE EvidenceSufficient", every=2.0)
    text = world.read(PATH)
    assert 'stable: {ocr: "2.0", sentiment: "1.0"}' in text
    assert 'ocr: "2.0"\n' not in text and "what reads the letters" not in text
    assert '        sentiment: "2.0"  # by Lucía\n' in text
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE CandidateStarted")
    assert on_trial(world) == {"ocr": "2.0", "sentiment": "2.0"}
    await world.run_until(lambda: world.state().progress is None, every=2.0, at_most=240)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"
    assert world.reasons().count("PROMOTE EvidenceSufficient") == 2
    assert 'stable: {ocr: "2.0", sentiment: "2.0"}' in world.read(PATH)
    assert "candidates" not in world.read(PATH)
    world.check()


async def test_the_messages_say_what_is_tried_and_what_is_still_to_come(world: GraphWorld) -> None:
    await world.run_until(lambda: world.reasons()[-1] == "PROMOTE EvidenceSufficient", every=2.0)
    messages = [record["decision"]["message"] for record in world.records()]
    assert messages[1].startswith("both (ocr 2.0 alone, sentiment 2.0 after it) ready; ")
    assert messages[-1].endswith("; sentiment 2.0 of both is still to be tried")


async def test_a_rolled_back_component_is_held_alone_and_takes_with_it_what_needs_it(
    worlds: Callable[..., GraphWorld], origin: Path
) -> None:
    world = worlds(prepared=origin)
    await world.run_until(lambda: world.reasons()[-1:] == ["ROLLBACK GuardrailBreached"], every=2.0)
    await world.run_for(10)
    assert [(held.component, held.version) for held in world.state().quarantine] == [("ocr", "2.0")]
    assert "candidates" not in world.read(PATH)
    assert world.records()[-1]["decision"]["message"].endswith(
        "; sentiment 2.0 needs ocr and goes with it untried, not held"
    )
    # What was not tried is free to be proposed alone, and proves itself.
    world.try_out("letters", 'sentiment: "2.0"')
    await world.settle(3)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"
    world.check()


async def test_what_does_not_need_the_rolled_back_component_is_tried_next(worlds: Callable[..., GraphWorld]) -> None:
    world = worlds(template=THREE)
    rates = {"1.0": WRONG["1.0+1.0"], "2.0": WRONG["2.0+1.0"]}
    world.users.error_rates = {f"{ocr}+1.0+{topics}": rates[ocr] for ocr in rates for topics in ("1.0", "2.0")}
    world.replace(PATH, "  strategy:", UNIT.replace("# by Lucía\n", '\n        topics: "2.0"\n') + "  strategy:")
    await world.run_until(lambda: world.reasons()[-1:] == ["ROLLBACK GuardrailBreached"], every=2.0)
    left = world.read(PATH).partition("candidates:")[2]
    assert 'topics: "2.0"' in left and "sentiment" not in left.partition("strategy:")[0]
    await world.run_until(lambda: world.reasons()[-1] == "PROMOTE EvidenceSufficient", every=2.0)
    assert world.state().stable.versions["topics"].name == "2.0"
    assert world.state().stable.versions["ocr"].name == "1.0"
    world.check()


# --- people in the middle -------------------------------------------------------------------------------


async def test_a_line_whose_turn_has_not_come_is_changed_without_a_word(world: GraphWorld) -> None:
    before = world.reasons()
    world.replace(PATH, '        sentiment: "2.0"  # by Lucía\n', "        sentiment: '2.0'  # by Tom\n")
    await world.run_for(3)
    assert world.reasons() == before
    world.replace(PATH, "        sentiment: '2.0'  # by Tom\n", "")
    await world.run_for(3)
    assert world.reasons() == before
    await world.run_until(lambda: world.reasons()[-1] == "PROMOTE EvidenceSufficient", every=2.0)
    assert "candidates" not in world.read(PATH)


async def test_the_line_on_trial_taken_out_by_hand_ends_its_trial_and_the_next_one_begins(world: GraphWorld) -> None:
    before = len(world.reasons())
    world.replace(PATH, '        ocr: "2.0"\n', "")
    await world.run_for(4)
    assert world.reasons()[before:] == ["ROLLBACK CandidateWithdrawn", "ADVANCE CandidateStarted"]
    assert on_trial(world) == {"ocr": "1.0", "sentiment": "2.0"}
    assert world.state().quarantine == ()


async def test_a_component_made_stable_by_hand_is_passed_over(world: GraphWorld) -> None:
    before = len(world.reasons())
    world.replace(PATH, 'stable: {ocr: "1.0"', 'stable: {ocr: "2.0"')
    await world.run_for(5)
    assert world.reasons()[before:] == [
        "ROLLBACK CandidateWithdrawn",
        "REALLOCATE StableChanged",
        "ADVANCE CandidateStarted",
    ]
    assert on_trial(world) == {"ocr": "2.0", "sentiment": "2.0"}


async def test_a_changed_unit_begins_anew_where_that_changes_what_is_tried_and_else_goes_on(world: GraphWorld) -> None:
    before = len(world.reasons())
    world.replace(PATH, "      unit: independent\n", "")
    await world.run_for(4)
    assert world.reasons()[before:] == ["ROLLBACK CandidateWithdrawn", "ADVANCE CandidateStarted"]
    assert on_trial(world) == {"ocr": "2.0", "sentiment": "2.0"}
    assert world.share("both") == 1000
    world.replace(
        PATH, "      versions:\n        # what reads", "      unit: independent\n      versions:\n        # what reads"
    )
    world.replace(PATH, '        ocr: "2.0"\n', "")
    await world.run_for(4)
    assert on_trial(world) == {"ocr": "1.0", "sentiment": "2.0"}
    # Of a single line it is all the same.
    before = len(world.reasons())
    for was, now in (("independent", "atomic"), ("atomic", "independent")):
        world.replace(PATH, f"unit: {was}", f"unit: {now}")
        await world.run_for(2)
    assert world.reasons()[before:] == []


async def test_a_persons_rollback_and_promotion_are_about_the_component_on_trial(world: GraphWorld) -> None:
    world.ask(PersonAction.PROMOTE)
    await world.run_until(lambda: world.reasons()[-1] == "PROMOTE Requested")
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE CandidateStarted")
    assert on_trial(world) == {"ocr": "2.0", "sentiment": "2.0"}
    world.ask(PersonAction.ROLLBACK)
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK Requested")
    assert [(held.component, held.version) for held in world.state().quarantine] == [("sentiment", "2.0")]
    assert 'stable: {ocr: "2.0", sentiment: "1.0"}' in world.read(PATH)
    assert "candidates" not in world.read(PATH)


async def test_a_reverted_promotion_begins_with_that_component_again(world: GraphWorld) -> None:
    before = world.read(PATH)
    await world.run_until(lambda: world.reasons()[-1] == "PROMOTE EvidenceSufficient", every=2.0)
    world.write(PATH, before, "Revert")
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE CandidateStarted")
    assert on_trial(world) == {"ocr": "2.0", "sentiment": "1.0"}
    assert world.state().stable.versions["ocr"].name == "1.0"


async def test_whoever_asked_for_a_line_is_its_author_after_the_controllers_own_edit_as_well(
    worlds: Callable[..., GraphWorld],
) -> None:
    gated = RELEASE.replace("steps: [10, 50], interval: 10s}", "steps: [50], interval: 5s}, {type: approval}")
    world = worlds(template=gated)
    world.users.error_rates["2.0+1.0"] = 0.10
    world.replace(PATH, "  strategy:", UNIT + "  strategy:", by="ada")
    await world.run_for(1)
    await world.run_until(lambda: world.condition() == "AwaitingApproval", every=2.0)
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_until(lambda: world.reasons()[-1] == "PROMOTE Approved")
    await world.run_until(lambda: world.condition() == "AwaitingApproval", every=2.0)
    assert on_trial(world) == {"ocr": "2.0", "sentiment": "2.0"}
    world.ask(PersonAction.APPROVE, by="ada")
    await world.run_for(3)
    assert world.reasons()[-1] == "HOLD Refused"
    # The approval of the first component was of that component.
    assert world.state().votes == ()
    world.ask(PersonAction.APPROVE, by="bob")
    await world.run_until(lambda: world.reasons()[-1] == "PROMOTE Approved")


async def test_a_rollback_that_waits_for_git_leaves_a_line_that_a_person_put_in_its_place(
    worlds: Callable[..., GraphWorld],
) -> None:
    text = RELEASE.replace('command: [ocr, "2"]}}', 'command: [ocr, "2"]}}\n        - {name: "3.0", address: "o:3"}')
    world = worlds(template=text.replace("  strategy:", UNIT + "  strategy:"))
    world.users.error_rates = {**WRONG, "3.0+1.0": 0.1}
    await world.run_until(lambda: world.reasons()[-1:] == ["ADVANCE CandidateStarted"])
    away = world.origin.rename(world.origin.with_name("away.git"))
    await world.run_until(lambda: world.share("both") == 0)
    away.rename(world.origin)
    assert world.reasons()[-1] == "ADVANCE CandidateStarted"
    world.replace(PATH, '        ocr: "2.0"\n', '        ocr: "3.0"\n')
    await world.run_until(lambda: world.reasons()[-2:] == ["ROLLBACK GuardrailBreached", "ADVANCE CandidateStarted"])
    assert [(held.component, held.version) for held in world.state().quarantine] == [("ocr", "2.0")]
    assert '        ocr: "3.0"\n        sentiment: "2.0"' in world.read(PATH)


# --- killed ---------------------------------------------------------------------------------------------


class End(NamedTuple):
    """What the story of both components came to."""

    reasons: list[str]
    stable: dict[str, str]
    manifest: str
    held: list[str]


STORIES = {
    "promoted": (False, 2, {"ocr": "2.0", "sentiment": "2.0"}),
    "rolled back": (True, 1, {"ocr": "1.0", "sentiment": "1.0"}),
}
TICK = 10.0


async def play(world: GraphWorld, trials: int) -> End:
    ends = ("PROMOTE EvidenceSufficient", "ROLLBACK GuardrailBreached")
    await world.run_until(lambda: sum(one in ends for one in world.reasons()) >= trials, every=TICK, at_most=60 * TICK)
    await world.run_for(3 * TICK, every=TICK)
    world.check()
    state = world.state()
    return End(
        reasons=world.reasons(),
        stable={name: version.name for name, version in state.stable.versions.items()},
        manifest=world.read(PATH),
        held=[item.version for item in state.quarantine],
    )


async def killed_at(folder: Path, origin: Path, story: str, killer: Killer, memory: str) -> tuple[End, list[str]]:
    """The end, after a death if it came in time, and the effects up to then."""
    harmful, trials, _ = STORIES[story]
    world = a_world(folder, origin, harmful=harmful)
    world.wrap = killer.wrap
    world.restart()
    try:
        try:
            return await play(world, trials), killer.done
        except Killed:
            world.wrap = lambda _kind, port: port
            world.restart(memory)
            return await play(world, trials), killer.done
    finally:
        world.close()


@pytest.mark.parametrize("story", sorted(STORIES))
async def test_c21_a_kill_around_the_push_that_settles_the_first_component_changes_no_end(
    tmp_path: Path, origin: Path, story: str
) -> None:
    expected, done = await killed_at(tmp_path / "whole", origin, story, Killer(10_000), "a")
    assert expected.stable == STORIES[story][2]
    # The push that settles the first component: promotion is the third of its trial's, rollback the second.
    settles = [place for place, what in enumerate(done) if what == "repo.push"][2 if story == "rolled back" else 3]
    for after in (False, True):
        killer = Killer(settles, after=after)
        end, _ = await killed_at(tmp_path / f"after-{after}", origin, story, killer, "empty")
        assert killer.dead
        assert end == expected, f"killed {'after' if after else 'before'} the push"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("story", sorted(STORIES))
async def test_c21_a_kill_at_every_effect_in_the_story_of_a_unit_changes_no_end(
    tmp_path: Path, origin: Path, story: str
) -> None:
    expected, _ = await killed_at(tmp_path / "whole", origin, story, Killer(10_000), "a")
    for place in count():
        killer = Killer(place, after=bool(place % 2))
        end, _ = await killed_at(tmp_path / str(place), origin, story, killer, "a" if place % 3 else "empty")
        if not killer.dead:
            return
        assert end == expected, f"killed at effect {place}"

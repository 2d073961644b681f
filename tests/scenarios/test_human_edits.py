"""Every row of the table of human edits, in the middle of a trial; some are tested where they belong more closely."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from releasectl import decide
from tests.scenarios.world import CANDIDATE, ENVIRONMENT, World

MANIFEST = "releases/shop.yaml"
HERE = Path(__file__)

TESTED = {
    "another candidate in its place": "test_c24_a_candidate_replaced_by_hand_starts_again_at_the_first_step",
    "the candidate's version changed": "test_c24_the_candidates_version_changed",
    "the candidate renamed": "test_c24_the_candidate_renamed",
    "a further candidate added": "test_c24_a_further_candidate_added",
    "the candidate taken out": "test_c24_a_candidate_taken_out_by_hand_ends_the_trial_and_is_not_held",
    "a line of an independent unit whose turn has not come changed": (
        "test_a_line_whose_turn_has_not_come_is_changed_without_a_word"
    ),
    "the line on trial taken out": ("test_the_line_on_trial_taken_out_by_hand_ends_its_trial_and_the_next_one_begins"),
    "`unit` changed": "test_a_changed_unit_begins_anew_where_that_changes_what_is_tried_and_else_goes_on",
    "stable changed": "test_c24_stable_changed",
    "the strategy changed": "test_c24_the_strategy_changed",
    "the route changed": "test_c24_the_route_changed",
    "the policy changed": "test_c24_with_an_edited_policy_the_evidence_begins_anew_under_the_new_rules",
    "teams, caps or freezes changed": "test_c24_teams_caps_or_freezes_changed",
    "the file moved, or only its comments changed": "test_c24_the_file_moved_or_only_its_comments_changed",
    "the release deleted": "test_a_release_deleted_in_mid_trial_is_removed_with_its_candidate",
    "the manifest made invalid": "test_c24_the_manifest_made_invalid",
    "a promotion's commit reverted": (
        "test_c24_a_reverted_promotion_serves_the_old_stable_and_tries_the_candidate_again"
    ),
    "a rollback's commit reverted": "test_c24_a_reverted_rollback_finds_its_artifact_held",
}
START_AGAIN = ["ROLLBACK CandidateWithdrawn", "ADVANCE CandidateStarted"]


@pytest.fixture
async def half_way(world: World) -> World:
    """A candidate at its second step of two."""
    world.add_candidate("2")
    await world.run_until(lambda: world.share("next") == 5000)
    return world


def since(world: World, before: list[str]) -> list[str]:
    """What has been decided since."""
    return world.reasons()[len(before) :]


def test_every_row_of_the_table_has_a_test() -> None:
    rows = re.findall(r"^\| (?!edit |-)(.+?) \| .+ \|$", decide.__doc__ or "", re.MULTILINE)
    assert rows == list(TESTED)
    written = "".join(
        HERE.with_name(name).read_text() for name in (HERE.name, "test_people.py", "test_independent_units.py")
    )
    assert {name for name in TESTED.values() if f"async def {name}(" not in written} == set()


async def test_c24_the_candidates_version_changed(half_way: World) -> None:
    before = half_way.reasons()
    half_way.replace(MANIFEST, 'versions: {app: "2"}', 'versions: {app: "3"}')
    await half_way.run_for(3)
    assert since(half_way, before) == START_AGAIN
    assert half_way.share("next") == 1000
    assert half_way.state().variants["next"].versions["app"].name == "3"
    assert half_way.state().quarantine == ()


async def test_c24_the_candidate_renamed(half_way: World) -> None:
    before = half_way.reasons()
    half_way.replace(MANIFEST, "name: next", "name: better")
    await half_way.run_for(3)
    assert since(half_way, before) == START_AGAIN
    assert half_way.share("better") == 1000
    assert half_way.share("next") == 0


async def test_c24_a_further_candidate_added(half_way: World) -> None:
    before = half_way.reasons()
    other = CANDIDATE.replace("CANDIDATE", "other").replace("VERSION", "3").partition("\n")[2]
    half_way.replace(MANIFEST, "  strategy:", other + "  strategy:")
    await half_way.run_for(3)
    assert since(half_way, before) == START_AGAIN
    assert (half_way.share("next"), half_way.share("other")) == (500, 500)


async def test_c24_stable_changed(half_way: World) -> None:
    before = half_way.reasons()
    half_way.replace(MANIFEST, 'stable: {app: "1"}', 'stable: {app: "3"}')
    await half_way.run_for(4)
    assert since(half_way, before) == [START_AGAIN[0], "REALLOCATE StableChanged", START_AGAIN[1]]
    assert half_way.state().stable.versions["app"].name == "3"
    assert half_way.share("next") == 1000


async def test_c24_the_strategy_changed(half_way: World) -> None:
    before = half_way.reasons()
    half_way.replace(MANIFEST, "steps: [10, 50]", "steps: [2, 20]")
    await half_way.run_for(3)
    assert since(half_way, before) == START_AGAIN
    assert half_way.share("next") == 200


async def test_c24_the_route_changed(half_way: World) -> None:
    before = half_way.reasons()
    half_way.replace(MANIFEST, "  policy: careful", "  route: {prefix: /other}\n  policy: careful")
    await half_way.run_for(4)
    assert since(half_way, before) == [START_AGAIN[0], "REALLOCATE ManifestChanged", START_AGAIN[1]]
    assert half_way.router.tables["shop"].route.prefix == "/other"
    assert half_way.share("next") == 1000


async def test_c24_teams_caps_or_freezes_changed(half_way: World) -> None:
    before = half_way.reasons()
    changed = ENVIRONMENT + "spec:\n  teams: {risk: [bob]}\n  caps: {maxConcurrent: 1}\n"
    weekly = '  freeze: [{from: "Mon 00:00", until: "Sun 23:59", reason: quiet, owner: cleo}]\n'
    half_way.write("environments/local.yaml", changed + weekly)
    await half_way.run_for(20)
    assert since(half_way, before) == []
    assert half_way.share("next") == 5000
    assert half_way.condition() == "Frozen"
    half_way.write("environments/local.yaml", changed)
    await half_way.run_for(20)
    assert since(half_way, before) == ["PROMOTE EvidenceSufficient"]


async def test_c24_the_file_moved_or_only_its_comments_changed(half_way: World) -> None:
    before = half_way.reasons()
    half_way.replace(MANIFEST, "# what serves now", "# what serves at present")
    text = half_way.read(MANIFEST)
    half_way.write("teams/desk/shop.yaml", text, "Copy")
    half_way.write(MANIFEST, None, "Move")
    await half_way.run_for(2)
    assert since(half_way, before) == []
    assert half_way.share("next") == 5000
    await half_way.run_until(lambda: half_way.reasons()[-1] == "PROMOTE EvidenceSufficient")
    assert 'stable: {app: "2"}' in half_way.read("teams/desk/shop.yaml")


async def test_c24_the_manifest_made_invalid(half_way: World) -> None:
    before = half_way.reasons()
    half_way.replace(MANIFEST, "steps: [10, 50]", "steps: [50, 10]")
    await half_way.run_for(30)
    assert since(half_way, before) == []
    assert half_way.condition() == "InvalidManifest"
    assert half_way.share("next") == 5000
    half_way.users.error_rates["2"] = 0.4
    await half_way.run_for(15)
    assert since(half_way, before) == ["ROLLBACK GuardrailBreached"]

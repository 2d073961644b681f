"""A ledger made by a controller, made again from its records; and what a changed digit does."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner, Result

from releasectl.cli.main import cli
from releasectl.controller.ledger import decision_path
from releasectl.domain.decision import PersonAction
from releasectl.ports import Commit
from tests.scenarios.world import World


def run_replay(world: World, *arguments: str) -> Result:
    place = ["-R", str(world.origin), "--state", str(world.folder / "reader")]
    return CliRunner().invoke(cli, ["replay", *arguments, *place], standalone_mode=False)


async def a_whole_story(world: World) -> None:
    """A promotion over a policy edited in the middle and a restart, people's requests, a rollback."""
    world.add_candidate("2")
    await world.run_for(5)
    world.ask(PersonAction.PAUSE)
    await world.run_for(2)
    world.ask(PersonAction.RESUME)
    await world.run_for(3)
    policy = world.read("policies/careful.yaml")
    world.write("policies/careful.yaml", policy.replace("points: 2", "points: 3"), "Accept a little more")
    await world.run_for(3)
    world.restart()
    await world.run_for(50)
    world.users.error_rates["3"] = 0.3
    world.add_candidate("3")
    await world.run_for(10)


async def test_every_decision_of_a_ledger_comes_out_the_same_byte_for_byte(world: World) -> None:
    await a_whole_story(world)
    assert {"PROMOTE EvidenceSufficient", "ROLLBACK GuardrailBreached", "HOLD Suspended"} <= set(world.reasons())
    done = run_replay(world)
    assert done.return_value == 0, done.output
    assert f"{len(world.reasons())} decisions: all equal" in done.output


async def test_a_commit_that_changes_no_release_and_a_restart_make_no_difference(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(5)
    world.write("notes.md", "text", "Note")
    world.restart()
    await world.run_for(20)
    revisions = {record["given"]["revision"] for record in world.records()}
    assert world.person.fetch().manifests in revisions, "the restarted controller names the commit that it read"
    assert run_replay(world).return_value == 0


async def test_a_rebuilt_page_of_evidence_is_in_the_record_whole(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(5)
    # The policy changes and the controller starts anew while evidence is gathered: all blocks are folded again.
    world.write(
        "policies/careful.yaml", world.read("policies/careful.yaml").replace("minSamples: 50", "minSamples: 60")
    )
    await world.run_for(3)
    world.restart()
    await world.run_for(20)
    assert "ADVANCE StepPassed" in world.reasons()
    assert run_replay(world, "shop").return_value == 0


async def test_a_release_that_was_removed_is_replayed_without_its_manifest(world: World) -> None:
    world.write("releases/shop.yaml", None, "Shop closes")
    await world.run_for(3)
    assert world.reasons()[-1] == "REALLOCATE Removed"
    assert run_replay(world).return_value == 0


def tamper(world: World, seq: int, pattern: str, replacement: str) -> None:
    """Change one place of a decision's file at the tip of the ledger."""
    path = decision_path("shop", seq)
    heads = world.person.fetch()
    assert heads.ledger is not None
    entry = world.person.tree(heads.ledger)[path]
    text = world.person.read([entry.oid])[entry.oid].decode()
    changed = re.sub(pattern, replacement, text, count=1, flags=re.DOTALL)
    assert changed != text
    world.person.push(heads, ledger=[Commit("Tidy up", {path: changed.encode()})])


@pytest.mark.parametrize(
    ("pattern", "replacement", "field"),
    [
        (r'("epoch": 2,\s+"startAt": "[^"]*)(\d)Z', r"\g<1>xZ", "startAt"),
        (r'"trials": 20\b', '"trials": 21', ".trials"),
        (r'"logE": (-?\d+\.\d+)', r'"logE": \g<1>1', "logE"),
        (r'"points": 2.0', '"points": 2.5', "points"),
    ],
    ids=["a time of a block", "a count of a block", "a number of the verdict", "the policy's margin"],
)
async def test_one_changed_character_is_found_and_named(
    world: World, pattern: str, replacement: str, field: str
) -> None:
    world.add_candidate("2")
    await world.run_for(20)
    seq = 1 + world.reasons().index("ADVANCE StepPassed")
    tamper(world, seq, pattern, replacement)
    done = run_replay(world)
    assert done.return_value == 1
    different = [line for line in done.output.splitlines() if line.startswith("DIFFERS")]
    assert len(different) == 1
    assert f"shop #{seq}" in different[0]
    changed = [line for line in done.output.splitlines() if "changed: " in line]
    assert len(changed) == 1
    assert field in changed[0]


async def test_a_record_that_was_wrong_from_the_start_is_found_by_making_it_again(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(20)
    seq = 1 + world.reasons().index("ADVANCE StepPassed")
    tamper(world, seq, r'"events": (\d)', r'"events": 1\g<1>')
    done = run_replay(world, "-o", "json")
    one = next(found for found in json.loads(done.output)["decisions"] if found["seq"] == seq)
    assert {found["field"].split(".")[0] for found in one["differs"]} == {"decision"}


async def test_a_record_that_is_gone_is_told(world: World) -> None:
    heads = world.person.fetch()
    world.person.push(heads, ledger=[Commit("Save space", {}, (decision_path("shop", 1),))])
    done = run_replay(world)
    assert done.return_value == 1
    assert "releases/shop/decisions/000001.json is not in the ledger" in done.output


async def test_an_unknown_name_is_a_usage_error(world: World) -> None:
    done = run_replay(world, "shoq")
    assert "no release, decision or commit 'shoq'" in str(done.exception)


async def test_other_versions_are_told_of_when_a_decision_differs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tamper(world, 1, '"numpy": "[^"]*"', '"numpy": "1.0.0"')
    done = run_replay(world)
    assert "made by other versions: numpy 1.0.0 (here " in done.output

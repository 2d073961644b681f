"""Which versions were measured together: the press desk's story on small print, read back from its ledger."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from releasectl.cli.main import cli
from tests.scenarios.test_graph import PATH, RELEASE, WRONG, GraphWorld
from tests.scenarios.world import POLICY

OCR_THREE = RELEASE.replace('command: [ocr, "2"]}}', 'command: [ocr, "2"]}}\n        - {name: "3.0", address: "o:3"}')


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GraphWorld]:
    """OCR 2.0 was rolled back beside sentiment 1.0, then sentiment 2.0 promoted beside OCR 1.0."""
    world = GraphWorld(tmp_path, template=OCR_THREE, policy=POLICY + "  quarantine: combination\n")
    world.users.error_rates = dict(WRONG)
    await world.run_pass()
    await world.run_pass()
    world.try_out("sharper", 'ocr: "2.0"')
    await world.settle(2)
    world.try_out("letters", 'sentiment: "2.0"')
    await world.settle(3)
    yield world
    world.close()


def explained(world: GraphWorld, *options: str) -> Result:
    place = ["-R", str(world.origin), "--state", str(world.folder / "reader")]
    return CliRunner().invoke(cli, ["explain", "shop", "--matrix", *options, *place], standalone_mode=False)


def pairs(world: GraphWorld) -> dict[tuple[str, str], dict[str, Any]]:
    """By the versions of OCR and sentiment."""
    data = json.loads(explained(world, "-o", "json").output)
    assert {(pair["component"], pair["neighbour"]) for pair in data["pairs"]} == {("ocr", "sentiment")}
    return {(pair["version"], pair["neighbourVersion"]): pair for pair in data["pairs"]}


async def test_each_pair_of_neighbours_has_its_last_verdict_with_its_decision(world: GraphWorld) -> None:
    found = pairs(world)
    assert {versions: pair.get("verdict") for versions, pair in found.items()} == {
        ("1.0", "1.0"): "adopted",
        ("2.0", "1.0"): "rolled back",
        ("1.0", "2.0"): "promoted",
        ("2.0", "2.0"): None,
        ("3.0", "1.0"): None,
        ("3.0", "2.0"): None,
    }
    assert [versions for versions, pair in found.items() if not pair["together"]] == [
        ("2.0", "2.0"),
        ("3.0", "1.0"),
        ("3.0", "2.0"),
    ]
    decided = {trailers["Releasectl-Decision-Id"] for trailers in world.decisions()}
    assert {pair["decision"] for pair in found.values() if pair["together"]} <= decided


async def test_a_verdict_beside_a_version_that_stable_no_longer_has_is_stale(world: GraphWorld) -> None:
    found = pairs(world)
    assert found["2.0", "1.0"]["stale"] == {"sentiment": "2.0"}
    assert found["1.0", "2.0"]["stale"] == {}
    lines = explained(world).output.splitlines()
    assert lines[0] == "shop serves ocr 1.0, sentiment 2.0"
    (line,) = [line for line in lines if line.startswith("ocr 2.0  sentiment 1.0")]
    assert "rolled back GuardrailBreached" in line and line.endswith("stale: sentiment is 2.0 now")
    (line,) = [line for line in lines if line.startswith("ocr 2.0  sentiment 2.0")]
    assert "never measured together" in line


async def test_what_is_on_trial_and_what_was_withdrawn_is_told(world: GraphWorld) -> None:
    world.try_out("sharper", 'ocr: "2.0"')
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE CandidateStarted")
    assert pairs(world)["2.0", "2.0"]["verdict"] == "on trial"
    world.replace(PATH, '  candidates:\n    - {name: sharper, versions: {ocr: "2.0"}}\n', "")
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK CandidateWithdrawn")
    assert pairs(world)["2.0", "2.0"]["verdict"] == "withdrawn"


async def test_a_new_verdict_takes_the_place_of_the_stale_one_and_makes_others_stale(world: GraphWorld) -> None:
    world.try_out("sharper", 'ocr: "2.0"')
    await world.settle(3)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"
    found = pairs(world)
    assert found["2.0", "2.0"]["verdict"] == "promoted"
    assert found["2.0", "2.0"]["stale"] == {}
    assert found["1.0", "2.0"]["stale"] == {"ocr": "2.0"}


async def test_a_release_that_is_not_in_the_ledger_is_a_mistake_of_the_caller(world: GraphWorld) -> None:
    place = ["-R", str(world.origin), "--state", str(world.folder / "reader")]
    done = CliRunner().invoke(cli, ["explain", "shup", "--matrix", *place], standalone_mode=False)
    assert "no release 'shup' in the ledger" in str(done.exception)

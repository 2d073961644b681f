"""One decision from files: the controller's own, again, to the byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from releasectl.cli.main import main
from tests.scenarios.world import World
from tests.unit.cli.conftest import Cli


@pytest.fixture
def files(told: World, reader: Cli, tmp_path: Path) -> list[str]:
    """Arguments that give ``decide`` what the controller had before it rolled back."""
    record = json.loads(reader("explain", next(iter(_rollbacks(reader))), "-o", "json")[1])
    manifests = tmp_path / "manifests"
    subprocess.run(["git", "clone", "--quiet", str(told.origin), str(manifests)], check=True, capture_output=True)
    revision = record["given"]["revision"]
    subprocess.run(["git", "checkout", "--quiet", revision], cwd=manifests, check=True, capture_output=True)
    state, evidence = tmp_path / "state.json", tmp_path / "evidence.json"
    state.write_text(json.dumps(record["given"]["state"]))
    evidence.write_text(json.dumps(record["given"]["observed"]))
    return [
        *("--manifests", str(manifests), "--release", "shop", "--state", str(state)),
        *("--evidence", str(evidence), "--now", record["decision"]["at"]),
    ]


def _rollbacks(reader: Cli) -> list[str]:
    rows = json.loads(reader("history", "shop", "-n", "0", "-o", "json")[1])
    return [row["id"] for row in rows if row["action"] == "ROLLBACK"]


def test_equal_inputs_give_equal_bytes_in_any_process(files: list[str]) -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-m", "releasectl", "decide", *files, "-o", "json"],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "4242")
    ]
    assert printed[0] == printed[1]
    decision = json.loads(printed[0])
    assert (decision["action"], decision["reason"]) == ("ROLLBACK", "GuardrailBreached")


def test_the_decision_is_the_recorded_one(files: list[str], reader: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = json.loads(reader("explain", _rollbacks(reader)[0], "-o", "json")[1])["decision"]
    assert main(["decide", *files, "-o", "json"]) == 0
    again = json.loads(capsys.readouterr().out)
    for field in ("action", "reason", "message", "candidate", "evidence", "edit"):
        assert again[field] == recorded[field], field
    assert again["state"]["allocation"] == recorded["state"]["allocation"]
    assert main(["decide", *files]) == 0
    assert capsys.readouterr().out.startswith(f"ROLLBACK GuardrailBreached: {recorded['message']}\n")


def test_a_new_release_needs_no_state(told: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "clone", "--quiet", str(told.origin), str(tmp_path / "m")], check=True, capture_output=True)
    code = main(["decide", "--manifests", str(tmp_path / "m"), "--release", "shop", "--now", "2026-01-01T00:00:00Z"])
    assert code == 0
    assert capsys.readouterr().out.startswith("HOLD WaitingForReadiness: ")


def test_every_problem_of_the_files_is_told(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state.json").write_text('{"release": "shop", "seq": "one"}')
    assert main(["decide", *files]) == 1
    err = capsys.readouterr().err
    for part in ("state.json: seq: ", "state.json: epoch: ", "state.json: variants: "):
        assert part in err
    (tmp_path / "state.json").write_text("{}")
    (tmp_path / "evidence.json").write_text('{"readings": 3}')
    assert main(["decide", *files]) == 1
    err = capsys.readouterr().err
    assert "state.json: seq: " in err
    assert "evidence.json: readings: " in err


def test_an_invalid_manifest_is_a_negative_answer(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    manifest = Path(files[1]) / "releases/shop.yaml"
    manifest.write_text(manifest.read_text().replace("policy: careful", "policy: carefull\n  colour: red"))
    assert main(["decide", *files]) == 1
    err = capsys.readouterr().err
    assert "colour" in err
    assert "releases/shop.yaml:" in err


@pytest.mark.parametrize("now", ["yesterday", "2026-01-01", "2026-01-01T00:00:00"])
def test_a_time_without_an_offset_is_refused(files: list[str], now: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decide", *files[:-1], now]) == 64
    assert "is not a time with an offset" in capsys.readouterr().err


def test_an_unknown_release_names_the_known_ones(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decide", *files, "--release", "shup"]) == 64
    assert "hint: there are: desk, shop" in capsys.readouterr().err

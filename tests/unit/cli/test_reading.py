"""history, explain and status of a repository in which something happened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import yaml

from tests.scenarios.world import World
from tests.unit.cli.conftest import Cli


def rows(reader: Cli, *arguments: str) -> list[dict[str, str]]:
    code, out, _ = reader("history", "-o", "json", *arguments)
    assert code == 0
    found: list[dict[str, str]] = json.loads(out)
    return found


def test_history_tells_the_decisions_newest_first(told: World, reader: Cli) -> None:
    shop = rows(reader, "shop", "-n", "0")
    assert [f"{row['action']} {row['reason']}" for row in reversed(shop)] == told.reasons()
    assert {row["release"] for row in rows(reader, "-n", "0")} == {"shop", "desk"}
    assert rows(reader, "-n", "2") == rows(reader, "-n", "0")[:2]

    lines = reader("history", "shop", "-o", "jsonl", "-n", "0")[1].splitlines()
    assert [json.loads(line) for line in lines] == shop

    table = reader("history", "shop")[1].splitlines()
    assert table[0].split() == ["AT", "RELEASE", "ACTION", "VARIANT", "REASON", "ID", "COMMIT"]
    assert table[1].split()[2:5] == ["shop", "PROMOTE", "better"]


def test_history_of_what_is_not_there_says_so(reader: Cli) -> None:
    code, out, err = reader("history", "shup")
    assert (code, out) == (0, "")
    assert err.startswith("no decisions about shup in /")


def test_explain_finds_a_decision_by_release_identity_and_commit(reader: Cli) -> None:
    rolled_back = next(row for row in rows(reader, "-n", "0") if row["action"] == "ROLLBACK")
    by_id = reader("explain", rolled_back["id"][:8])
    assert by_id == reader("explain", rolled_back["commit"]) == reader("explain", rolled_back["commit"][:9])
    text = by_id[1]
    assert text.startswith("ROLLBACK GuardrailBreached  shop  #")
    for part in (
        rolled_back["id"],
        rolled_back["commit"][:9],
        "policy     careful",
        "before     ",
        "ln E = ",
        "blocks",
    ):
        assert part in text

    latest = reader("explain", "shop")[1]
    assert latest.startswith("PROMOTE EvidenceSufficient  shop  #")
    record = json.loads(reader("explain", rolled_back["id"], "-o", "json")[1])
    assert record["decision"]["id"] == rolled_back["id"]
    assert record["given"]["observed"]["readings"]


def test_explain_of_what_is_not_there_says_where_to_look(reader: Cli) -> None:
    code, out, err = reader("explain", "nothing")
    assert (code, out) == (64, "")
    assert "no release, decision or commit 'nothing'" in err
    assert "hint: releasectl history lists the decisions" in err
    assert reader("explain", "a")[0] == 64, "a prefix of one letter fits too much"


def test_status_from_git_alone_says_so(reader: Cli) -> None:
    code, out, err = reader("status")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("from git alone (no controller answers): what was decided, not what is served")
    assert lines[1].split() == ["RELEASE", "PHASE", "STEP", "SHARES", "CONDITION", "LAST", "DECISION", "AGE"]
    assert [line.split()[:4] for line in lines[2:]] == [
        ["desk", "idle", "-", "stable=100%"],
        ["shop", "idle", "-", "stable=100%"],
    ]
    assert "\x1b" not in out


def test_status_has_one_model_in_every_form(reader: Cli) -> None:
    report = json.loads(reader("status", "-o", "json")[1])
    assert report["source"] == "git"
    other = yaml.safe_load(reader("status", "-o", "yaml")[1])
    assert other["releases"] == report["releases"]
    (shop,) = json.loads(reader("status", "shop", "-o", "json")[1])["releases"]
    assert shop == report["releases"][1]
    assert shop["variants"][0]["versions"] == {"app": "3"}
    assert shop["quarantine"][0]["version"] == "2"


def test_status_of_one_release_is_a_tree(reader: Cli) -> None:
    tree = reader("status", "shop")[1]
    assert "held: app 2 (GuardrailBreached" in tree
    assert "PROMOTE EvidenceSufficient" in tree
    assert "desk" not in tree
    code, _, err = reader("status", "shup")
    assert code == 64
    assert "hint: there are: desk, shop" in err


def test_status_waits_for_what_is_on_trial(world: World, cli: Cli) -> None:
    code, _, _ = cli("status", "--wait", "--timeout", "0")
    assert code == 4, "nothing has adopted it yet"


def test_waiting_ends_at_once_when_nothing_is_on_trial(reader: Cli) -> None:
    assert reader("status", "--wait")[0] == 0


def test_watching_elsewhere_than_on_a_terminal_prints_changes(reader: Cli) -> None:
    code, out, _ = reader("status", "-w", "--timeout", "0.1")
    assert code == 0
    assert out == "desk: idle, stable=100%, -\nshop: idle, stable=100%, -\n"
    assert reader("status", "-w", "-o", "json")[0] == 64


def test_status_loads_neither_numbers_nor_a_client(told: World, tmp_path: Path) -> None:
    heavy = ("numpy", "scipy", "httpx", "asyncio", "structlog", "uvicorn", "releasectl.controller.passes")
    code = f"""
import sys
from releasectl.cli.main import main
code = main(["status", "-R", {str(told.origin)!r}, "--state", {str(tmp_path)!r}])
print(code, [name for name in {heavy!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"

"""What ``validate`` and ``schema`` print, to the byte.

After a change that is meant, run with ``GOLDEN_WRITE=1`` and review the difference.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from releasectl.cli.commands.schema import PRINTED
from releasectl.cli.main import cli
from releasectl.errors import UsageError
from releasectl.manifests.kinds import KINDS

DATA = Path(__file__).parent / "data" / "validate"

BROKEN = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: Desk}
spec:
  environment: local
  components:
    - name: sentiment
      versions:
        - {name: 1.0, run: {command: [python, v1.py]}}
  stable: {sentiment: "1.0"}
  canidates: []
  strategy: [{type: cannary}]
  policy: safe-default
"""
UNWISE = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: unwise}
spec:
  environment: locl
  components:
    - {name: a, versions: [{name: v1, address: "a:1"}, {name: v2, address: "a:2"}]}
  stable: {a: v1}
  strategy: [{type: canary, steps: [10, 100]}]
  policy: save-default
"""
ENVIRONMENT = "apiVersion: releasectl.dev/v1alpha1\nkind: Environment\nmetadata: {name: local}\n"
VALID = BROKEN.replace("Desk", "desk").replace("1.0,", '"1.0",').replace("canid", "candid").replace("cann", "can")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path, text in {
        "environments/local.yaml": ENVIRONMENT,
        "releases/broken.yaml": BROKEN,
        "releases/unwise.yaml": UNWISE,
        "releases/odd,name.yaml": "apiVersion: releasectl.dev/v1alpha1\n\tkind: Release\n",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, str, str]:
    # Not the command by itself: click would remember its help option without -h.
    result = CliRunner().invoke(cli, ["validate", *arguments], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.return_value, result.stdout, result.stderr


def matches(name: str, text: str) -> bool:
    file = DATA / name
    if os.environ.get("GOLDEN_WRITE"):
        file.write_text(text)
    return file.read_text() == text


@pytest.mark.parametrize(("output", "file"), [("table", "table.txt"), ("json", "json.json"), ("github", "github.txt")])
def test_problems_are_printed_as_published(repository: Path, output: str, file: str) -> None:
    code, out, err = run("-o", output)
    assert matches(file, out)
    assert err == "3 manifests in 4 files: 7 errors, 1 warning\n"
    assert code == 1


def test_the_help_teaches_with_examples() -> None:
    result = CliRunner().invoke(cli, ["validate", "--help"], prog_name="releasectl", terminal_width=80)
    assert matches("help.txt", result.output)


def test_a_valid_repository_prints_nothing_but_a_summary(repository: Path) -> None:
    for name in ("odd,name.yaml", "unwise.yaml"):
        (repository / "releases" / name).unlink()
    (repository / "releases/broken.yaml").write_text(VALID)
    assert run() == (0, "", "2 manifests in 2 files: valid\n")
    assert json.loads(run("-o", "json")[1]) == {"valid": True, "files": 2, "documents": 2, "problems": []}


def test_a_warning_alone_is_valid(repository: Path) -> None:
    text = UNWISE.replace("locl", "local").replace("save", "safe")
    (repository / "releases/unwise.yaml").write_text(text)
    code, out, err = run("releases/unwise.yaml")
    assert code == 0
    assert out.startswith("warning: releases/unwise.yaml:9:29: spec.strategy[0].steps: a share of 100")
    assert err == "1 manifest in 1 file: valid, 1 warning\n"


def test_one_file_is_checked_with_all_that_it_refers_to(repository: Path) -> None:
    (repository / "releases/good.yaml").write_text(VALID)
    assert run("releases/good.yaml") == (0, "", "1 manifest in 1 file: valid\n")
    assert run("-R", ".", "releases/good.yaml")[0] == 0


@pytest.mark.parametrize("arguments", [["nowhere"], ["-R", "nowhere"], ["-R", "releases", "environments"]])
def test_a_path_that_is_not_there_is_a_mistake_of_usage(repository: Path, arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        run(*arguments)


def test_a_folder_without_manifests_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    code, out, err = run(".")
    assert (code, out) == (1, "")
    assert err.startswith("no manifests found in .")
    code, _, err = run("compose.yaml")
    assert code == 0
    assert err.startswith("no manifests found in compose.yaml")


def test_validate_is_light_to_import() -> None:
    code = "import sys, releasectl.cli.commands.validate, releasectl.cli.commands.schema\n"
    code += "print(sorted({'numpy', 'scipy', 'pydantic', 'rich', 'jsonschema'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_schema_is_printed_or_written(tmp_path: Path) -> None:
    printed = CliRunner().invoke(cli, ["schema", "release"], standalone_mode=False)
    assert json.loads(printed.stdout)["title"] == "Release"
    every = CliRunner().invoke(cli, ["schema"], standalone_mode=False)
    assert [one["title"] for one in json.loads(every.stdout)] == [*KINDS, *PRINTED]
    written = CliRunner().invoke(cli, ["schema", "--write", str(tmp_path)], standalone_mode=False)
    assert written.return_value == 0
    assert (tmp_path / "release.v1alpha1.json").read_text() == printed.stdout
    with pytest.raises(UsageError, match="unknown kind 'Relase'"):
        CliRunner().invoke(cli, ["schema", "Relase"], standalone_mode=False, catch_exceptions=False)

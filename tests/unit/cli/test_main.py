"""The one door out of the program: exit codes, what is said on the way, and what is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from releasectl.cli import main as program
from releasectl.cli.main import COMMANDS, GROUPS, main

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def a_failing_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(program.COMMANDS, "fail", ("tests.unit.cli.failing:fail", "End in one way."))


@pytest.mark.parametrize(
    ("way", "code", "said"),
    [
        ("nothing", 0, ""),
        ("one", 1, ""),
        ("manifest", 1, "error: a.yaml:3:5: spec.x: unknown field\nb.yaml: empty\n"),
        ("conflict", 5, "error: somebody moved first\nhint: try again\n"),
        ("denied", 5, "error: the host refuses\n"),
        ("unavailable", 6, "error: the host does not answer\nhint: it is tried again\n"),
        ("usage", 64, "error: there is no such thing\nhint: there are others\n"),
        ("interrupt", 130, "\ninterrupted\n"),
        ("abort", 130, "interrupted\n"),
    ],
)
def test_each_family_of_errors_has_its_exit_code(way: str, code: int, said: str, capsys: Capture) -> None:
    assert main(["fail", way]) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", said)


def test_a_bug_is_reported_for_pasting_without_its_secrets(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASECTL_GIT_TOKEN", "ZeroDivision")
    assert main(["fail", "bug"]) == 70
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: this is a fault of releasectl, sorry (***Error: cloning http://***@git.example/x.git")
    for part in ("Please report it", f"Python {sys.version_info.major}.", "command 'fail'", "Traceback", "failing.py"):
        assert part in err
    assert "SECRET" not in err
    assert "U0VDUkVU" not in err


def test_an_unknown_command_names_the_nearest(capsys: Capture) -> None:
    assert main(["stauts"]) == 64
    assert "no command 'stauts'; did you mean 'status'?" in capsys.readouterr().err
    assert main(["xyzzy"]) == 64
    assert "did you mean" not in capsys.readouterr().err


def test_an_unknown_option_or_choice_is_a_mistake_of_usage(capsys: Capture) -> None:
    assert main(["status", "--wiat"]) == 64
    assert "--wait" in capsys.readouterr().err
    assert main(["fail", "option"]) == 64
    assert capsys.readouterr().err.endswith("Error: no such option\n")
    assert main(["history", "-o", "xml"]) == 64
    assert "'jsonl'" in capsys.readouterr().err


def test_no_repository_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    for verb in (["status"], ["history"], ["explain", "x"], ["pause", "x"], ["run"], ["down"]):
        assert main(verb) == 64, verb
        assert capsys.readouterr().err == f"error: {tmp_path} is not a git repository\nhint: give one with -R\n"


def test_down_refuses_where_nobody_can_answer(tmp_path: Path, capsys: Capture) -> None:
    repository = tmp_path / "models.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(repository)], check=True)
    (tmp_path / "state").mkdir()
    assert main(["down", "-R", str(repository), "--state", str(tmp_path / "state")]) == 64
    assert capsys.readouterr().err.endswith("hint: say --yes\n")


def test_every_command_stands_in_one_group_and_says_what_it_does() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(set(COMMANDS) - {"fail"})
    for name, (_, short) in COMMANDS.items():
        assert short.endswith("."), name


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


HEAVY = ("numpy", "scipy", "httpx", "asyncio", "structlog", "pydantic", "rich", "git", "releasectl.stats.odds")


def test_help_loads_nothing_heavy() -> None:
    code = "import sys\nfrom releasectl.cli.main import main\nmain(['--help'])\n"
    loaded = python(code + f"print([name for name in {HEAVY!r} if name in sys.modules])").splitlines()[-1]
    assert loaded == "[]"


def test_the_version_is_told(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("releasectl 0.")


@pytest.mark.parametrize("output", ["table", "json"])
def test_a_reader_that_has_seen_enough_is_no_error(output: str, told: object, tmp_path: Path) -> None:
    origin = told.origin  # type: ignore[attr-defined]
    command = [sys.executable, "-m", "releasectl", "history", "-R", str(origin), "--state", str(tmp_path), "-o", output]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert started.stdout
    assert started.stderr
    started.stdout.close()
    with started.stderr:
        complaints = started.stderr.read()
    assert (started.wait(60), complaints) == (0, b"")

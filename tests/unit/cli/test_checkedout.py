"""Whether git takes a push to the manifests' branch is known beforehand, and git agrees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from releasectl.adapters.git.repo import GitRepo
from releasectl.cli.checkedout import refused_push
from releasectl.cli.location import Location
from releasectl.errors import Denied
from releasectl.ports import Commit

PERSON = ("-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")


def git(*arguments: str, cwd: Path) -> None:
    subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with a work tree and no origin, as `git init` makes it."""
    git("init", "--quiet", "--initial-branch=main", "models", cwd=tmp_path)
    git(*PERSON, "commit", "--quiet", "--allow-empty", "-m", "First", cwd=tmp_path / "models")
    return tmp_path / "models"


def at(place: str | Path) -> Location:
    return Location.find(str(place), branch="main", ledger="releasectl/ledger", state=None)


def takes(place: Path, mirror: Path) -> bool:
    """Whether git takes a push there."""
    with GitRepo(str(place), mirror=mirror) as repo:
        try:
            repo.push(repo.fetch(), manifests=[Commit("Edit", {"a.txt": b"a"})])
        except Denied as error:
            assert "updateInstead" in error.hint
            return False
    return True


@pytest.mark.parametrize(
    ("prepared", "told"),
    [
        ((), True),
        ((("config", "receive.denyCurrentBranch", "refuse"),), True),
        ((("config", "receive.denyCurrentBranch", "true"),), True),
        ((("config", "receive.denyCurrentBranch", "updateInstead"),), False),
        ((("config", "receive.denyCurrentBranch", "ignore"),), False),
        ((("checkout", "--quiet", "-b", "work"),), False),
        ((("checkout", "--quiet", "--detach"),), False),
        ((("checkout", "--quiet", "-b", "work"), ("worktree", "add", "--quiet", "../other", "main")), True),
        ((("checkout", "--quiet", "-b", "work"), ("config", "core.bare", "true")), False),
    ],
    ids=[
        "checked out",
        "refused by name",
        "refused as a truth value",
        "updated with the push",
        "taken without a look",
        "another branch checked out",
        "no branch checked out",
        "checked out in another work tree",
        "bare",
    ],
)
def test_a_push_that_git_will_refuse_is_told_before_it_is_tried(
    folder: Path, tmp_path: Path, prepared: tuple[tuple[str, ...], ...], told: bool
) -> None:
    for command in prepared:
        git(*command, cwd=folder)
    assert bool(refused_push(at(folder))) is told
    assert bool(refused_push(at(f"file://{folder}"))) is told
    assert takes(folder, tmp_path / "mirror") is not told


def test_the_configuration_of_a_person_does_not_count(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[receive]\n\tdenyCurrentBranch = updateInstead\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    assert refused_push(at(folder))
    assert not takes(folder, tmp_path / "mirror")


def test_an_address_elsewhere_is_not_asked() -> None:
    for url in ("https://git.example/a.git", "git@git.example:team/a.git", "file:///nowhere/a.git"):
        assert refused_push(at(url)) == ""


@pytest.mark.slow
def test_a_controller_says_so_at_its_start_with_the_remedy(folder: Path, tmp_path: Path) -> None:
    def run_once() -> list[str]:
        """Problems that the log tells."""
        program = [sys.executable, "-m", "releasectl", "run", "-R", str(folder), "--state", str(tmp_path / "state")]
        options = ["--once", "--listen", "127.0.0.1:0", "--log-format", "json"]
        done = subprocess.run([*program, *options], capture_output=True, text=True, check=True)
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        return [line["what"] for line in lines if line["event"] == "problem"]

    [told] = run_once()
    assert told.startswith(f"BranchCheckedOut: main is checked out in {folder}")
    remedy = told.partition("(")[2].partition(",")[0]
    subprocess.run(remedy.split(" "), check=True)
    assert run_once() == []

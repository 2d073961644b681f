"""A branch for what is proposed: made once, left alone when it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from releasectl.adapters.git.repo import GitRepo
from releasectl.ports import Commit
from tests.scenarios.world import run_git

NAME = "releasectl/propose/bot/app-2"


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    place = tmp_path / "origin.git"
    run_git("init", "--quiet", "--bare", "-b", "main", str(place), cwd=tmp_path)
    work = tmp_path / "work"
    run_git("clone", "--quiet", str(place), str(work), cwd=tmp_path)
    (work / "a.yaml").write_text("a: 1\n")
    run_git("add", ".", cwd=work)
    config = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    run_git(*config, "commit", "--quiet", "-m", "Begin", cwd=work)
    run_git("push", "--quiet", "origin", "HEAD:main", cwd=work)
    return place


def test_it_holds_the_commit_on_top_of_its_base_and_moves_nothing_else(origin: Path, tmp_path: Path) -> None:
    with GitRepo(str(origin), mirror=tmp_path / "mirror") as repo:
        base = repo.fetch()
        tip = repo.push_branch(NAME, base=base.manifests, commits=[Commit("Propose", {"a.yaml": b"a: 2\n"})])
        assert run_git("rev-parse", NAME, cwd=origin).strip() == tip
        assert run_git("rev-parse", f"{NAME}^", cwd=origin).strip() == base.manifests
        assert run_git("show", f"{NAME}:a.yaml", cwd=origin) == "a: 2\n"
        assert repo.fetch() == base


def test_one_that_is_there_stays_as_it_is_whoever_made_it(origin: Path, tmp_path: Path) -> None:
    with GitRepo(str(origin), mirror=tmp_path / "one") as one, GitRepo(str(origin), mirror=tmp_path / "two") as two:
        first = one.push_branch(NAME, base=one.fetch().manifests, commits=[Commit("Propose", {"a.yaml": b"a: 2\n"})])
        second = two.push_branch(NAME, base=two.fetch().manifests, commits=[Commit("Propose", {"a.yaml": b"a: 3\n"})])
        assert first == second


@pytest.mark.parametrize("name", ["main", "releasectl/ledger", "-x", "a..b", "a b"])
def test_the_branches_of_intent_and_decisions_are_never_meant(origin: Path, tmp_path: Path, name: str) -> None:
    with GitRepo(str(origin), mirror=tmp_path / "mirror") as repo:
        base = repo.fetch().manifests
        with pytest.raises(ValueError, match="cannot be the name of a branch"):
            repo.push_branch(name, base=base, commits=[Commit("Propose", {"a.yaml": b"a: 2\n"})])

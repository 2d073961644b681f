"""The forge that other tests stand on does what they take for granted."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.gitea.server import Gitea

pytestmark = [pytest.mark.gitea, pytest.mark.slow]


def test_a_writer_pushes_to_main_unless_it_is_protected(gitea: Gitea, tmp_path: Path) -> None:
    plain = gitea.repository({"a.txt": "1"})
    protected = gitea.repository({"a.txt": "1"}, protected=True)

    assert _push(plain.clone_url_as(gitea.alice), tmp_path / "plain") == 0
    assert _push(protected.clone_url_as(gitea.alice), tmp_path / "protected") != 0
    assert _push(plain.clone_url_as(gitea.mallory), tmp_path / "foreign") != 0


def _push(url: str, clone: Path) -> int:
    subprocess.run(["git", "clone", "--quiet", url, str(clone)], check=True)
    person = ["-c", "user.name=Alice", "-c", "user.email=alice@example.com"]
    commit = ["git", *person, "commit", "--quiet", "--allow-empty", "-m", "Hello"]
    subprocess.run(commit, cwd=clone, check=True)
    pushed = subprocess.run(["git", "push", "--quiet"], cwd=clone, check=False, capture_output=True)
    return pushed.returncode

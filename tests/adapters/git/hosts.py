"""A git host as others see it: a bare repository, and what people do to it with git of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ENV = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_AUTHOR_DATE": "2026-01-31T12:00:00Z",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_COMMITTER_DATE": "2026-01-31T12:00:00Z",
    "LC_ALL": "C",
}


def git(where: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git as a person would; its output. Fails the test if git fails."""
    done = subprocess.run(["git", *arguments], cwd=where, env=ENV, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, f"git {arguments}: {done.stderr.decode()}"
    return done.stdout.decode(errors="replace").strip()


class Host:
    """A bare repository at ``path``, with one person's clone beside it."""

    def __init__(self, folder: Path, files: Mapping[str, str | bytes]) -> None:
        self.path = folder / "host.git"
        self.clone = folder / "clone"
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.path))
        git(folder, "init", "--quiet", "--initial-branch=main", str(self.clone))
        git(self.clone, "remote", "add", "origin", str(self.path))
        if files:
            self.commit(files, "Begin")

    def commit(self, files: Mapping[str, str | bytes], message: str = "Change", branch: str = "main") -> str:
        """A person pushes a commit on top of what the branch is."""
        if self.head(branch):
            git(self.clone, "fetch", "--quiet", "origin", branch)
            git(self.clone, "checkout", "--quiet", "-B", branch, "FETCH_HEAD")
        for name, content in files.items():
            file = self.clone / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "-m", message)
        git(self.clone, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return git(self.clone, "rev-parse", "HEAD")

    def reset(self, branch: str, commit: str) -> None:
        """A person rewrites a branch."""
        git(self.path, "update-ref", f"refs/heads/{branch}", commit)

    def head(self, branch: str) -> str | None:
        found = git(self.path, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        return found or None

    def show(self, branch: str, path: str) -> str:
        return git(self.path, "show", f"refs/heads/{branch}:{path}")

    def files(self, branch: str) -> list[str]:
        return git(self.path, "ls-tree", "-r", "--name-only", f"refs/heads/{branch}").splitlines()

    def subjects(self, branch: str) -> list[str]:
        """Newest first."""
        return git(self.path, "log", "--format=%s", f"refs/heads/{branch}").splitlines()

    def hook(self, name: str, script: str) -> None:
        file = self.path / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/sh\n" + script)
        file.chmod(0o755)

    def is_sound(self) -> bool:
        done = subprocess.run(
            ["git", "fsck", "--full", "--strict"], cwd=self.path, env=ENV, capture_output=True, check=False
        )
        return done.returncode == 0

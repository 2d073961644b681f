"""Which repository a command speaks of, and where its local state lies."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from releasectl.errors import UsageError

if TYPE_CHECKING:
    from releasectl.adapters.git.repo import GitRepo

TOKEN_VARIABLE = "RELEASECTL_GIT_TOKEN"
GIT_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Location:
    """A repository and the folder that belongs to it on this machine."""

    url: str
    branch: str
    ledger: str
    state: Path

    @classmethod
    def find(cls, repo: str, *, branch: str, ledger: str, state: str | None) -> Location:
        """From what was typed. A folder with a work tree stands for its ``origin``, where decisions are pushed."""
        url = _address(repo)
        return cls(url, branch, ledger, Path(state).expanduser().resolve() if state else _default_state(url))

    @property
    def shown_url(self) -> str:
        """The address as it may be shown: without what might be a password in it."""
        return re.sub(r"(?<=://)[^/@]*@", "", self.url)

    @property
    def controller_file(self) -> Path:
        """Says where the controller of this state listens."""
        return self.state / "controller.json"

    def open_repo(self, *, mirror: str = "mirror") -> GitRepo:
        """The repository. Commands read through a mirror of their own, so that they never wait for a controller."""
        from releasectl.adapters.git.repo import GitRepo

        return GitRepo(
            self.url,
            mirror=self.state / mirror,
            branch=self.branch,
            ledger=self.ledger,
            token_variable=TOKEN_VARIABLE if os.environ.get(TOKEN_VARIABLE) else None,
            timeout=GIT_TIMEOUT_SECONDS,
        )

    def controller_url(self) -> str | None:
        """Where the controller listens, if one has said so and its process lives."""
        try:
            said: dict[str, Any] = json.loads(self.controller_file.read_text())
            os.kill(int(said["pid"]), 0)
        except (OSError, ValueError, KeyError):
            return None
        return str(said["url"])


def _address(repo: str) -> str:
    if "://" in repo or re.match(r"[\w.-]+@[\w.-]+:", repo):
        return repo
    path = Path(repo).expanduser()
    if not path.exists():
        raise UsageError(f"there is no repository at {repo}", hint="give its path or address with -R")
    from git import Repo
    from git.exc import InvalidGitRepositoryError, NoSuchPathError

    try:
        with Repo(path, search_parent_directories=True) as found:
            if found.bare:
                return str(Path(found.git_dir).resolve())
            remotes = {remote.name: remote for remote in found.remotes}
            if "origin" in remotes:
                return _absolute(next(iter(remotes["origin"].urls)), Path(found.working_dir))
            return str(Path(found.working_dir).resolve())
    except (InvalidGitRepositoryError, NoSuchPathError) as error:
        raise UsageError(f"{path.resolve()} is not a git repository", hint="give one with -R") from error


def _absolute(url: str, base: Path) -> str:
    local = "://" not in url and not re.match(r"[\w.-]+@[\w.-]+:", url)
    return str((base / url).resolve()) if local else url


def _default_state(url: str) -> Path:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    name = re.sub(r"[^A-Za-z0-9]+", "-", url.rstrip("/").removesuffix(".git").rpartition("/")[2]).strip("-") or "repo"
    return Path(base).expanduser() / "releasectl" / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"

"""Which repository a command speaks of, and where its local state lies."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from releasectl.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from releasectl.adapters.git.repo import GitRepo

TOKEN_VARIABLE = "RELEASECTL_GIT_TOKEN"
GIT_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Location:
    """A repository and the folder that belongs to it on this machine."""

    url: str = field(repr=False)
    """As it was typed, perhaps with credentials: not for showing."""
    branch: str
    ledger: str
    state: Path
    sign_key: Path | None = None
    """SSH key by which commits of ours are signed."""

    @classmethod
    def find(cls, repo: str, *, branch: str, ledger: str, state: str | None) -> Location:
        """From what was typed. A folder with a work tree stands for its ``origin``, where decisions are pushed."""
        url = _address(repo)
        return cls(url, branch, ledger, Path(state).expanduser().resolve() if state else _default_state(url))

    @property
    def shown_url(self) -> str:
        """The address as it may be shown: without what might be a password or a token in it."""
        return without_credentials(self.url)

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
            sign_key=self.sign_key,
        )

    def controller_url(self) -> str | None:
        """Where the controller listens, if one has said so and its process lives."""
        try:
            said: dict[str, Any] = json.loads(self.controller_file.read_text())
            os.kill(int(said["pid"]), 0)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return str(said["url"])


def without_credentials(url: str) -> str:
    """A URL without user, password and query; anything else as it is."""
    scheme, there, rest = url.partition("://")
    if not there:
        return url
    # A password may hold a "/" or an "@" that should have been escaped: nothing before the last "@" is shown.
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _address(repo: str) -> str:
    if "://" in repo or re.match(r"[\w.-]+@[\w.-]+:", repo):
        return repo
    path = Path(repo).expanduser()
    if not path.exists():
        raise UsageError(f"there is no repository at {repo}", hint="give its path or address with -R")
    where = ask_git(path, "rev-parse", "--is-bare-repository", "--absolute-git-dir")
    if where is None:
        raise UsageError(f"{path.resolve()} is not a git repository", hint="give one with -R")
    bare, _, folder = where.partition("\n")
    if bare == "true":
        return str(Path(folder).resolve())
    top = Path(ask_git(path, "rev-parse", "--show-toplevel") or path).resolve()
    origin = ask_git(path, "config", "--get", "remote.origin.url")
    return _absolute(origin, top) if origin else str(top)


def ask_git(path: Path, *question: str) -> str | None:
    """What git says of a folder, None if it refuses. GitPython would cost `status` its whole budget of time."""
    # Inside a hook git's own variables name a repository, which need not be the one that is asked about.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    folder = path if path.is_dir() else path.parent
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *question], env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise Unavailable("git is not installed", hint="install git 2.31 or newer and put it on PATH") from error
    return done.stdout.strip() if done.returncode == 0 else None


def _absolute(url: str, base: Path) -> str:
    local = "://" not in url and not re.match(r"[\w.-]+@[\w.-]+:", url)
    return str((base / url).resolve()) if local else url


def _default_state(url: str) -> Path:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    last = without_credentials(url).rstrip("/").removesuffix(".git").rpartition("/")[2]
    name = re.sub(r"[^A-Za-z0-9]+", "-", last).strip("-") or "repo"
    return Path(base).expanduser() / "releasectl" / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"

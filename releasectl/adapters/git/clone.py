"""A person's clone, read only: revisions by name, and the objects behind them.

Nothing in it is changed and nothing of its configuration is heeded, except where names are resolved: what ``HEAD`` or
``origin/main`` means is for that clone to say.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from releasectl.adapters.git.blobs import Objects
from releasectl.adapters.git.mirror import Suspect
from releasectl.adapters.git.process import Runner
from releasectl.adapters.git.remote import Remote
from releasectl.adapters.git.trees import Trees
from releasectl.errors import Unavailable, UsageError
from releasectl.ports import TreeEntry


class Clone:
    """A repository on this machine, with a work tree or bare."""

    def __init__(self, folder: Path, *, timeout: float = 60.0) -> None:
        """Raises UsageError if the folder is in no repository."""
        self._folder = folder if folder.is_dir() else folder.parent
        common = self._ask("rev-parse", "--git-common-dir")
        if common is None:
            raise UsageError(f"{folder} is not a git repository", hint="give one with -R")
        self._runner = Runner((self._folder / common).resolve(), Remote(str(self._folder)), timeout=timeout)
        self._objects = Objects(self._runner)
        self._trees = Trees(self._runner)

    @property
    def work_tree(self) -> Path | None:
        """Its top folder; None for a bare one."""
        top = self._ask("rev-parse", "--show-toplevel")
        return Path(top) if top else None

    def resolve(self, revision: str) -> str:
        """The commit that a revision names; UsageError if none."""
        found = self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if not found:
            raise UsageError(
                f"{self._folder} has no revision {revision!r}",
                hint="fetch it first, or name a branch, a tag or a commit",
            )
        return found

    def merge_base(self, one: str, other: str) -> str:
        """Where two commits parted; UsageError if they have nothing in common."""
        found = self._ask("merge-base", "--end-of-options", one, other)
        if not found:
            raise UsageError(f"{one[:12]} and {other[:12]} have no commit in common", hint="is the clone shallow?")
        return found

    def committed_at(self, commit: str) -> datetime:
        """When a commit was made."""
        told = self._ask("show", "--no-patch", "--format=%ct", "--end-of-options", commit)
        if not told:
            raise UsageError(f"{self._folder} has no commit {commit}")
        return datetime.fromtimestamp(int(told), UTC)

    def tree(self, commit: str) -> Mapping[str, TreeEntry]:
        """Every entry of a commit by path, recursively."""
        try:
            return self._trees.listing(commit, "")
        except Suspect as fault:
            raise Unavailable(fault.message, hint=fault.hint) from fault

    def read(self, oids: Iterable[str]) -> Mapping[str, bytes]:
        """Contents by oid."""
        try:
            return self._objects.read(oids)
        except Suspect as fault:
            raise Unavailable(fault.message, hint="is it a partial clone? fetch what is missing") from fault

    def close(self) -> None:
        """End the process that reads objects."""
        self._objects.close()

    def _ask(self, *question: str) -> str | None:
        # Inside a hook git's own variables name a repository, which need not be this one.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        try:
            done = subprocess.run(
                ["git", "-C", str(self._folder), *question],
                env=environment, capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise Unavailable("git is not installed", hint="install git 2.31 or newer and put it on PATH") from error
        return done.stdout.strip() if done.returncode == 0 else None

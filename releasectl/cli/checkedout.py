"""A repository with a work tree refuses pushes to the branch that is checked out there: known before it is met."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from releasectl.cli.location import Location, ask_git
from releasectl.domain.reasons import Reason

_TAKES = {"ignore", "warn", "updateinstead", "false", "no", "off", "0"}
"""Values of ``receive.denyCurrentBranch`` with which git takes the push."""


def refused_push(location: Location) -> str:
    """Why decisions that edit a manifest will not be taken, and the remedy; empty if nothing is known against it."""
    path = _local(location.url)
    if path is None:
        return ""
    checked_out = (ask_git(path, "worktree", "list", "--porcelain") or "").splitlines()
    if f"branch refs/heads/{location.branch}" not in checked_out:
        return ""
    # A push hears the repository's own configuration alone: the person's is not read there.
    taken = ask_git(path, "config", "--local", "--includes", "--get", "receive.denyCurrentBranch")
    if (taken or "").lower() in _TAKES:
        return ""
    return (
        f"{Reason.BRANCH_CHECKED_OUT}: {location.branch} is checked out in {path}, where git takes no push to it: "
        "promotions would wait, and candidates that are rolled back stay in the manifest "
        f"(git -C {path} config receive.denyCurrentBranch updateInstead, or use a bare repository: git clone --bare)"
    )


def _local(url: str) -> Path | None:
    if url.startswith("file://"):
        return Path(unquote(urlsplit(url).path))
    path = Path(url)
    return path if path.is_absolute() and path.exists() else None

"""A branch that does not continue what was seen before: which commits are lost, and how that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from releasectl.adapters.git.process import Runner
from releasectl.errors import Conflict

_NAMED = 10


def lost_commits(runner: Runner, old: str, new: str | None) -> tuple[str, ...]:
    """Commits that were on a branch and are not any more, newest first, as ``sha subject``; none if it only grew."""
    if new is not None and runner.run("merge-base", "--is-ancestor", old, new).ok:
        return ()
    # Where the old commits are gone from the mirror as well, their names are all that is left.
    listed = runner.run("log", "-z", "--format=%h %s", old, *([] if new is None else ["--not", new]), "--")
    rows = listed.out.decode("utf-8", "replace").split("\0") if listed.ok else []
    if listed.ok:
        runner.run("update-ref", f"refs/releasectl/lost/{old}", old)
    return tuple(row for row in rows if row) or (old[:12],)


def rewrite_error(where: str, lost: Mapping[str, Sequence[str]]) -> Conflict:
    """The error that stops all writing until a person has looked."""
    parts = []
    for branch, commits in lost.items():
        if commits:
            more = f" and {len(commits) - _NAMED} more" if len(commits) > _NAMED else ""
            parts.append(f"{branch} lost {len(commits)} commits: {'; '.join(commits[:_NAMED])}{more}")
    return Conflict(
        f"history was rewritten in {where}: {', and '.join(parts)}",
        hint="push the lost commits again, or accept it: start the controller once with --accept-rewrite",
    )

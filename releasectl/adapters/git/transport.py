"""The four conversations with the other side: what heads it has, fetch, push; and the refs they leave here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from releasectl.adapters.git.mirror import Suspect
from releasectl.adapters.git.process import Result, Runner
from releasectl.adapters.git.rejections import fetch_error, parse_porcelain, push_error, suggests_corruption

_HEADS = "refs/heads/"
_TRACKING = "refs/remotes/origin/"
_CLONE_PATIENCE = 10


@dataclass(frozen=True)
class Move:
    """One branch from the commit it must be at (None: must not exist) to another."""

    branch: str
    old: str | None
    new: str


def remote_settings(url: str, branches: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The remote ``origin`` as settings, so that nothing of it stands in a file."""
    refspecs = (("remote.origin.fetch", f"+{_HEADS}{branch}:{_TRACKING}{branch}") for branch in branches)
    return (("remote.origin.url", url), ("remote.origin.tagOpt", "--no-tags"), *refspecs)


def remote_heads(runner: Runner, branches: Sequence[str] = ()) -> dict[str, str]:
    """Commits of these branches on the other side, or of all."""
    patterns = [f"{_HEADS}{branch}" for branch in branches]
    result = runner.run("ls-remote", "--quiet", *([] if branches else ["--heads"]), "--", "origin", *patterns)
    if not result.ok:
        raise _fetch_error(runner, result)
    rows = (line.split("\t") for line in result.out.decode("utf-8", "surrogateescape").splitlines())
    heads = {ref.removeprefix(_HEADS): oid for oid, ref in rows if ref.startswith(_HEADS)}
    # A pattern also matches the ends of longer names.
    return {branch: oid for branch, oid in heads.items() if not branches or branch in branches}


def fetch(runner: Runner, branches: Sequence[str], *, first: bool) -> None:
    """Bring these branches here. A rewritten one is taken over as well: who noticed tells."""
    refspecs = [f"+{_HEADS}{branch}:{_TRACKING}{branch}" for branch in branches]
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules")
    # All of a history takes longer than what is new of it.
    limit = runner.timeout * (_CLONE_PATIENCE if first else 1)
    result = runner.run("fetch", *options, "--", "origin", *refspecs, timeout=limit)
    if not result.ok:
        raise _fetch_error(runner, result)


def tracked(runner: Runner) -> dict[str, str]:
    """Commits of the branches as last fetched."""
    result = runner.run("for-each-ref", "--format=%(objectname) %(refname)", _TRACKING)
    if not result.ok or suggests_corruption(result.err, str(runner.directory)):
        raise Suspect("the refs of the mirror cannot be read", result.err)
    rows = (line.split(" ", 1) for line in result.out.decode("utf-8", "surrogateescape").splitlines())
    return {ref.removeprefix(_TRACKING): oid for oid, ref in rows}


def untrack(runner: Runner, branch: str) -> None:
    """Forget a branch that is gone on the other side."""
    runner.run("update-ref", "-d", f"{_TRACKING}{branch}")


def push(runner: Runner, moves: Sequence[Move]) -> None:
    """Move the branches, all or none, each only if it is where it is expected.

    A lease names the commit that each branch must be at. Every new commit descends from the expected one, so
    nothing can be overwritten; the lease adds that a branch which somebody set *back* is refused as well,
    where a plain push would bring the removed commits back. A branch with nothing new is named too, at the
    commit it must be at: if it has moved, nothing is written.
    """
    leases = [f"--force-with-lease={_HEADS}{move.branch}:{move.old or ''}" for move in moves]
    refspecs = [f"{move.new}:{_HEADS}{move.branch}" for move in moves]
    options = ("--atomic", "--porcelain", "--no-progress", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
    result = runner.run("push", *options, *leases, "--", "origin", *refspecs)
    if result.ok:
        return
    statuses = parse_porcelain(result.out.decode("utf-8", "replace"))
    if not statuses and suggests_corruption(result.err, str(runner.directory)):
        raise Suspect(f"the push to {runner.remote.url} could not be made up", result.err)
    raise push_error(statuses, result.err, runner.remote.url)


def _fetch_error(runner: Runner, result: Result) -> Exception:
    error = fetch_error(result.err, runner.remote.url)
    if suggests_corruption(result.err, str(runner.directory)):
        return Suspect(error.message, result.err)
    return error

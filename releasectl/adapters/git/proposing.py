"""Branches for pull requests: found, made, and opened as pull requests by the push itself where the host can do that.

A branch of ours is never forced over what somebody else put there: a push names the commit that it replaces.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from releasectl.adapters.git.mirror import Suspect
from releasectl.adapters.git.process import Runner
from releasectl.adapters.git.rejections import fetch_error, parse_porcelain, push_error
from releasectl.adapters.git.transport import remote_heads
from releasectl.ports import Opening

_HEADS = "refs/heads/"
_HERE = "refs/releasectl/branches/"
_OPTIONS = ("--porcelain", "--no-progress", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")


def bring(runner: Runner, branch: str) -> str | None:
    """Commit of a branch on the other side, with its objects here; None if there is no such branch."""
    there = remote_heads(runner, (branch,)).get(branch)
    if there is None:
        return None
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules")
    result = runner.run("fetch", *options, "--", "origin", f"+{_HEADS}{branch}:{_HERE}{branch}")
    if not result.ok:
        raise fetch_error(result.err, runner.remote.url)
    found = runner.run("rev-parse", "--verify", "--quiet", f"{_HERE}{branch}")
    if not found.ok:
        raise Suspect(f"the branch {branch} was fetched and is not here", found.err)
    return found.out.decode().strip()


def push_branch(
    runner: Runner, commit: str, branch: str, *, into: str, replaces: str | None, opening: Opening | None
) -> None:
    """Push one commit as a branch that must be at ``replaces``, or must not exist; a pull request goes ``into`` one.

    With an ``opening`` for Gitea no branch is pushed: the commit goes to ``refs/for/``, and Gitea keeps it as the pull
    request of this topic and account, whatever it was before.
    """
    options = [f"--push-option={option}" for option in _push_options(branch, into, opening)]
    if opening and opening.kind == "gitea":
        target, lease = f"refs/for/{into}", []
    else:
        target, lease = _HEADS + branch, [f"--force-with-lease={_HEADS}{branch}:{replaces or ''}"]
    result = runner.run("push", *_OPTIONS, *options, *lease, "--", "origin", f"{commit}:{target}")
    if not result.ok:
        raise push_error(parse_porcelain(result.out.decode("utf-8", "replace")), result.err, runner.remote.url)


def _push_options(branch: str, into: str, opening: Opening | None) -> Iterator[str]:
    if opening is None:
        return
    title = " ".join(opening.title.split())
    if opening.kind == "gitea":
        yield f"topic={branch}"
        yield "force-push=true"
        yield f"title={title}"
        # An option is one line; this is how Gitea takes several.
        yield "description={base64}" + base64.b64encode(opening.body.encode()).decode()
        return
    yield "merge_request.create"
    yield f"merge_request.target={into}"
    yield f"merge_request.title={title}"
    # GitLab turns these two characters into a new line.
    yield "merge_request.description=" + opening.body.replace("\n", "\\n")
    yield "merge_request.remove_source_branch"
    for label in opening.labels:
        yield f"merge_request.label={label}"

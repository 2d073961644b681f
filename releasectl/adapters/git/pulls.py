"""Heads of pull requests, and what merging them would come to, without a work tree.

What comes in was written by anybody who may open a pull request: it is fetched under a ref of ours, checked by git
on the way in, merged in the object database by content alone, and never checked out.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from releasectl.adapters.git.blobs import object_name
from releasectl.adapters.git.mirror import Suspect
from releasectl.adapters.git.process import Runner
from releasectl.adapters.git.rejections import fetch_error, suggests_corruption
from releasectl.errors import Conflict, Denied, Unavailable

_OURS = "refs/releasectl/pulls/"
_THEIRS = re.compile(r"refs/(?:pull|merge-requests)/\d+/head")
_NAMED = 10
MOST_FETCHED = 256 << 20
"""Bytes that one fetch may bring, as git packs them. A proposal of manifests has thousands."""


def fetch_head(runner: Runner, ref: str, number: int, *, most: int = MOST_FETCHED) -> str:
    """The commit that a pull request asks to be merged, brought here; Unavailable if the host has no such ref, Denied
    if more than ``most`` bytes would have to be fetched for it."""
    if not _THEIRS.fullmatch(ref):
        raise ValueError(f"{ref!r} is not the head of a pull request")
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules")
    result = runner.run(
        *("fetch", *options, "--", "origin", f"+{ref}:{_OURS}{int(number)}"),
        # All that comes is one pack then, however many objects it has, and so one file.
        settings=(("fetch.unpackLimit", "1"),),
        largest_file=most,
    )
    if not result.ok:
        _sweep(runner)
    if result.wrote_too_much:
        raise Denied(f"it brings more than {most >> 20} MB, which is not checked", hint="keep models out of git")
    if not result.ok:
        raise fetch_error(result.err, runner.remote.url)
    found = runner.run("rev-parse", "--verify", "--quiet", f"{_OURS}{int(number)}^{{commit}}")
    if not found.ok:
        raise Unavailable(f"{ref} of {runner.remote.url} is no commit")
    return found.out.decode().strip()


def _sweep(runner: Runner) -> None:
    """Take away what a fetch that was ended has left: its part of a pack. The mirror is held, so none is under way."""
    for left in (runner.directory / "objects" / "pack").glob("tmp_*"):
        left.unlink(missing_ok=True)


def forget_heads(runner: Runner, keep: Collection[int]) -> None:
    """Let go of pull requests that are not named; git takes their objects away in time."""
    listed = runner.run("for-each-ref", "--format=%(refname)", _OURS)
    for ref in listed.out.decode("utf-8", "surrogateescape").splitlines():
        if ref.removeprefix(_OURS) not in {str(number) for number in keep}:
            runner.run("update-ref", "-d", ref)


def merged_tree(runner: Runner, base: str, head: str) -> str:
    """The tree that merging ``head`` into ``base`` gives. Conflict names the files that both have changed."""
    asked = ("merge-tree", "--write-tree", "--name-only", "-z", "--no-messages")
    result = runner.run(*asked, object_name(base), object_name(head))
    tree, *rest = result.out.decode("utf-8", "replace").split("\0")
    if result.ok:
        return object_name(tree)
    if result.status == 1 and rest:
        names = [name for name in rest if name]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise Conflict(
            f"both sides have changed {', '.join(names[:_NAMED])}{more}", hint="merge the base into the branch"
        )
    if "unrelated histories" in result.err:
        raise Conflict("it has no commit in common with the base", hint="begin the branch at the base")
    if "usage: git merge-tree" in result.err or "unknown option" in result.err:
        raise Denied(
            "merging pull requests in memory needs git 2.38 or newer", hint="update git where the controller runs"
        )
    if suggests_corruption(result.err, str(runner.directory)):
        raise Suspect(f"git cannot merge {head}", result.err)
    raise Unavailable(f"git cannot merge {head[:12]}: {result.err.strip()[:300]}")

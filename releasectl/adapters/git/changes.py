"""What changed along a branch, commit by commit: its first-parent line, which is how it came to be what it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from releasectl.adapters.git.blobs import object_name
from releasectl.adapters.git.mirror import Suspect
from releasectl.adapters.git.process import Runner
from releasectl.ports import Change


def changes(runner: Runner, old: str | None, new: str, *, containing: str = "") -> tuple[Change, ...]:
    """Commits on the line from ``old``, or from the beginning, to ``new``, oldest first, with the paths they changed.

    A merge has changed all that it brought. A ``new`` whose line does not lead through ``old`` is one change of all
    that differs: nobody can put commits onto a branch by making it another's second parent. ``containing`` keeps
    those that added or removed some occurrence of a text.
    """
    span = object_name(new) if old is None else f"{object_name(old)}..{object_name(new)}"
    pick = [f"-S{containing}"] if containing else []
    options = ("--first-parent", "--diff-merges=first-parent", "--no-patch", "--reverse", "-z", "--format=%H %P%x00%s")
    listed = _ask(runner, "log", *options, *pick, span, "--")
    fields = listed.decode("utf-8", "replace").split("\0")
    heads = [(*fields[n].split(" "), "")[:2] for n in range(0, len(fields) - 1, 2)]
    subjects = dict(zip((head[0] for head in heads), fields[1::2], strict=False))
    if old is not None and not containing and heads and heads[0][1] != old:
        heads = [(new, old)]
    asked = "".join(f"{commit} {parent}".strip() + "\n" for commit, parent in heads).encode()
    differing = _ask(runner, "diff-tree", "--stdin", "--root", "-r", "-z", "--name-only", "--no-renames", stdin=asked)
    paths = dict(_by_commit(differing, [head[0] for head in heads]))
    return tuple(Change(commit, subjects.get(commit, ""), tuple(paths.get(commit, ()))) for commit, _ in heads)


def _by_commit(out: bytes, commits: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """diff-tree names a commit, if it changed anything, and then its paths."""
    waiting = iter(commits)
    expected = set(commits)
    found: list[str] = []
    for piece in filter(None, out.decode("utf-8", "surrogateescape").split("\0")):
        # A file may be named like a commit; then that commit is not one still to come, or git says it once more.
        if piece in expected and any(commit == piece for commit in waiting):
            found = []
            yield piece, found
        else:
            found.append(piece)


def _ask(runner: Runner, *arguments: str, stdin: bytes = b"") -> bytes:
    result = runner.run(*arguments, stdin=stdin)
    if not result.ok:
        raise Suspect(f"git {arguments[0]} cannot follow the line of commits", result.err)
    return result.out

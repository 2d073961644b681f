"""Commits built in the object database: no index, no work tree, no checkout.

``git fast-import`` takes the chains of both branches as one stream and answers with the names of the new
commits. No ref is left behind: until they are pushed nothing points at them, so a crash here changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from releasectl.adapters.git.blobs import Objects
from releasectl.adapters.git.mirror import Suspect
from releasectl.adapters.git.process import Runner
from releasectl.adapters.git.signing import Signer, message_of, sign
from releasectl.errors import Denied
from releasectl.ports import Commit

Identity = tuple[str, str]

_PLAIN, _EXECUTABLE = "100644", "100755"
_NULL = "0" * 40
_PATHS_A_CALL = 500
_CRUFT = re.compile(r"[<>\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Chain:
    """Commits to be made on top of ``base``, the first one first; without a base the first is a root."""

    base: str | None
    commits: Sequence[Commit]
    shared: bool = False
    """People write here as well: an executable file stays one, and a link is never written through."""


def build(
    runner: Runner,
    objects: Objects,
    chains: Sequence[Chain],
    *,
    identity: Identity,
    at: datetime,
    signer: Signer | None = None,
) -> tuple[str | None, ...]:
    """Make the commits, signed if there is a ``signer``.

    Returns the tip of each chain, or its base where nothing is to be made.

    Raises ValueError for a commit that changes nothing or names an impossible path.
    """
    for chain in chains:
        for commit in chain.commits:
            _check(commit)
    modes = [_modes(runner, chain) for chain in chains]
    stream = b"".join(_stream(chains, modes, identity, at))
    result = runner.run("fast-import", "--quiet", "--done", "--date-format=raw", stdin=stream)
    if not result.ok:
        raise Suspect(f"git cannot build on {', '.join(str(chain.base) for chain in chains)}", result.err)
    made = iter(result.out.decode().split())
    tips = []
    for chain in chains:
        names = [next(made) for _ in chain.commits]
        _refuse_empty(objects, [chain.base, *names], chain.commits)
        if signer:
            # fast-import cannot sign: the commits are made once more, of the same trees.
            trees = [objects.tree_of(name) for name in names]
            who, when = _cleaned(identity), _stamp(at)
            names = sign(runner, trees, chain.commits, base=chain.base, signer=signer, identity=who, stamp=when)
        tips.append(names[-1] if names else chain.base)
    return tuple(tips)


def _stream(
    chains: Sequence[Chain], modes: Sequence[Mapping[str, str]], identity: Identity, at: datetime
) -> Iterator[bytes]:
    stamp = _stamp(at)
    yield b"feature done\n"
    mark = 0
    for number, chain in enumerate(chains):
        if not chain.commits:
            continue
        ref = f"refs/releasectl/outgoing/{number}"
        for position, commit in enumerate(chain.commits):
            mark += 1
            parent = chain.base if position == 0 else f":{mark - 1}"
            yield f"commit {ref}\nmark :{mark}\n".encode()
            yield f"author {_person(commit.author or identity)} {stamp}\n".encode()
            yield f"committer {_person(identity)} {stamp}\n".encode()
            yield _data(message_of(commit))
            yield f"from {parent}\n".encode() if parent else b""
            yield from _changes(commit, modes[number])
            yield f"\nget-mark :{mark}\n".encode()
        # The name was needed for the stream only.
        yield f"reset {ref}\nfrom {_NULL}\n\n".encode()
    yield b"done\n"


def _changes(commit: Commit, modes: Mapping[str, str]) -> Iterator[bytes]:
    # Deletions first, so that a file may take the place of a folder.
    for path in sorted(commit.deletes):
        yield b"D " + _quoted(path) + b"\n"
    for path in sorted(commit.writes):
        yield f"M {modes.get(path, _PLAIN)} inline ".encode() + _quoted(path) + b"\n" + _data(commit.writes[path])


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _quoted(path: str) -> bytes:
    raw = path.encode("utf-8", "surrogateescape")
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _person(identity: Identity) -> str:
    name, email = _cleaned(identity)
    return f"{name} <{email}>"


def _cleaned(identity: Identity) -> Identity:
    name, email = (_CRUFT.sub(" ", part).strip() for part in identity)
    return name or email or "unknown", email


def _stamp(at: datetime) -> str:
    return f"{int(at.timestamp())} +0000"


def _modes(runner: Runner, chain: Chain) -> Mapping[str, str]:
    """Modes of the files that are rewritten on a shared branch."""
    if chain.base is None or not chain.shared:
        return {}
    paths = sorted({path for commit in chain.commits for path in commit.writes})
    modes = {}
    for start in range(0, len(paths), _PATHS_A_CALL):
        some = paths[start : start + _PATHS_A_CALL]
        listed = runner.run("ls-tree", "-z", "--full-tree", chain.base, "--", *some)
        if not listed.ok:
            raise Suspect(f"git cannot read {chain.base}", listed.err)
        for line in filter(None, listed.out.split(b"\0")):
            fields, _, raw = line.partition(b"\t")
            path, mode = raw.decode("utf-8", "surrogateescape"), fields[:6].decode()
            if mode not in (_PLAIN, _EXECUTABLE):
                raise Denied(f"{path} is a link, a submodule or a folder; it is not written to", hint="make it a file")
            modes[path] = mode
    return modes


def _check(commit: Commit) -> None:
    if not commit.writes and not commit.deletes:
        raise ValueError(f"the commit {commit.message.splitlines()[:1]} changes nothing")
    if both := set(commit.writes) & set(commit.deletes):
        raise ValueError(f"written and deleted in one commit: {sorted(both)}")
    for path in (*commit.writes, *commit.deletes):
        parts = path.split("/")
        if "\0" in path or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
            raise ValueError(f"{path!r} is not a path inside a repository")


def _refuse_empty(objects: Objects, names: Sequence[str | None], commits: Sequence[Commit]) -> None:
    trees = [objects.tree_of(name) if name else None for name in names]
    for before, after, commit in zip(trees, trees[1:], commits, strict=False):
        if before == after:
            raise ValueError(f"the commit {commit.message.splitlines()[:1]} changes nothing")

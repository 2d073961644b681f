"""How long git takes: ``python -m tests.bench.git``. A local bare repository; the median of several runs."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from releasectl.adapters.git.repo import GitRepo
from releasectl.adapters.git.trailers import DECISION, DECISION_ID, RELEASE, append_trailers
from releasectl.ports import Commit, Heads
from tests.adapters.git.hosts import Host, git

RELEASES = 1_000
_MANIFEST = "stable: {}\n" + "# a comment\n" * 40


def _decision(number: int) -> Commit:
    trailers = ((DECISION, "ADVANCE"), (RELEASE, f"r{number % RELEASES}"), (DECISION_ID, f"{number:08x}"))
    state, record = b'{"seq": %d}' % number, b'{"inputs": "%s"}' % (b"x" * 2_000)
    name = f"releases/r{number % RELEASES}"
    writes = {f"{name}/state.json": state, f"{name}/decisions/{number:06d}.json": record}
    return Commit(append_trailers(f"release(r{number % RELEASES}): advance\n\nWhy.", trailers), writes)


class _World:
    """A host with a thousand manifests, and a controller that has seen them."""

    def __init__(self, folder: Path) -> None:
        self.host = Host(folder, {f"releases/r{n}.yaml": _MANIFEST.format(n) for n in range(RELEASES)})
        self.repo = GitRepo(str(self.host.path), mirror=folder / "mirror")
        self.heads = self.repo.fetch()
        self.count = 0

    def next(self) -> int:
        self.count += 1
        return self.count

    def edit(self) -> Commit:
        number = self.next()
        return Commit("Promote", {f"releases/r{number % RELEASES}.yaml": _MANIFEST.format(f"new {number}").encode()})


def _timed(work: Callable[[], object], before: Callable[[], object] = lambda: None, runs: int = 9) -> float:
    took = []
    for _ in range(runs):
        before()
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def _rows(world: _World, folder: Path) -> Iterator[tuple[str, float]]:
    repo, host = world.repo, world.host

    def fetch() -> None:
        world.heads = repo.fetch()

    def push(manifests: int, ledger: int) -> Callable[[], None]:
        def work() -> None:
            edits = [world.edit() for _ in range(manifests)]
            world.heads = repo.push(
                world.heads, manifests=edits, ledger=[_decision(world.next()) for _ in range(ledger)]
            )

        return work

    def look() -> None:
        before = dict(repo.tree(base.manifests))
        tree = repo.tree(world.heads.manifests)
        repo.read(entry.oid for path, entry in tree.items() if before.get(path) != entry)

    def clone() -> None:
        with GitRepo(str(host.path), mirror=folder / f"mirror-{world.next()}") as fresh:
            heads: Heads = fresh.fetch()
            tree = fresh.tree(heads.manifests)
            fresh.read(entry.oid for entry in tree.values())

    base = world.heads
    yield "first clone, list and read 1,000 manifests", _timed(clone, runs=3)
    repo.tree(base.manifests)
    yield "fetch, no news", _timed(fetch)
    yield "fetch, one new commit", _timed(fetch, before=lambda: host.commit({"releases/r1.yaml": f"{world.next()}"}))
    yield "list and read what one commit changed of 1,000", _timed(look, runs=1)
    yield "push one decision, ledger only", _timed(push(0, 1))
    yield "push one decision, both branches", _timed(push(1, 1))
    yield "push 50 decisions as 50 commits", _timed(push(0, 50), runs=5)
    yield "read 1,000 commits with trailers", _timed_log(world, push)
    yield "fetch, no news, before maintenance", _timed(fetch)
    yield "maintenance", _timed(repo.maintain, runs=1)
    yield "fetch, no news, after maintenance", _timed(fetch)


def _timed_log(world: _World, push: Callable[[int, int], Callable[[], None]]) -> float:
    push(0, 1_000)()
    ledger = world.heads.ledger or ""

    def read() -> None:
        entries = world.repo.log(ledger, limit=1_000)
        assert len(entries) == 1_000
        assert all(entry.trailers for entry in entries)

    return _timed(read)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = _World(folder)
        print(f"{git(folder, '--version')}, Python {platform.python_version()}, {os.cpu_count()} cores")
        for what, seconds in _rows(world, folder):
            print(f"{what:<50} {seconds * 1000:9.1f} ms")
        world.repo.close()


if __name__ == "__main__":
    main()

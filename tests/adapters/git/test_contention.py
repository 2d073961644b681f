"""Two controllers, and controllers that are killed: nothing lost, nothing doubled, nothing torn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from releasectl.adapters.git.repo import GitRepo
from releasectl.errors import Conflict, Unavailable
from releasectl.ports import Commit
from tests.adapters.git.conftest import OpenRepo
from tests.adapters.git.hosts import Host

LEDGER = "releasectl/ledger"
ROOT = Path(__file__).resolve().parents[3]


def _write_all(repo: GitRepo, writer: str, count: int) -> int:
    """Record decisions as a controller does: after a lost race fetch and try again. Returns the races lost."""
    lost = 0
    base = repo.fetch()
    for number in range(count):
        commit = Commit(f"{writer} {number}", {f"{writer}/{number}.json": b"{}"})
        while True:
            try:
                base = repo.push(base, ledger=[commit])
                break
            except Conflict:
                lost += 1
                base = repo.fetch()
    return lost


@pytest.mark.parametrize(
    "writers", [2, pytest.param(8, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])], ids=["two", "eight"]
)
def test_writers_each_get_all_their_commits_in_exactly_once(open_repo: OpenRepo, host: Host, writers: int) -> None:
    repos = [open_repo() for _ in range(writers)]
    names = [f"writer-{number}" for number in range(writers)]
    with ThreadPoolExecutor(writers) as pool:
        lost = sum(pool.map(_write_all, repos, names, [50] * writers))
    assert sorted(host.subjects(LEDGER)) == sorted(f"{name} {n}" for name in names for n in range(50))
    assert len(host.files(LEDGER)) == 50 * writers
    assert lost > 0
    assert host.is_sound()


def test_threads_may_share_one_repo(repo: GitRepo, host: Host) -> None:
    heads = repo.fetch()
    names = sorted(repo.tree(heads.manifests))

    def look(_: int) -> list[str]:
        assert repo.fetch() == heads
        tree = repo.tree(heads.manifests)
        assert len(repo.read([entry.oid for entry in tree.values()])) == len(names)
        return sorted(tree)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(look, range(12))) == [names] * 12


def test_processes_may_share_one_mirror(open_repo: OpenRepo, host: Host) -> None:
    one, other = open_repo(mirror="shared"), open_repo(mirror="shared")
    heads = one.push(one.fetch(), ledger=[Commit("Decide", {"1": b"1"})])
    assert other.fetch() == heads
    newer = other.push(heads, ledger=[Commit("Decide", {"2": b"2"})])
    assert one.fetch() == newer
    assert newer.ledger
    assert set(one.tree(newer.ledger)) == {"1", "2"}


VICTIM = """
import sys
from pathlib import Path
from releasectl.adapters.git.repo import GitRepo
from releasectl.ports import Commit
repo = GitRepo(sys.argv[1], mirror=Path(sys.argv[2]))
heads = repo.fetch()
n = 0
while True:
    n += 1
    print(n, flush=True)
    edit = Commit(f"Edit {n}", {"releases/desk.yaml": b"%d" % n})
    heads = repo.push(heads, manifests=[edit], ledger=[Commit(f"Decide {n}", {"state.json": b"%d" % n})])
"""


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_controller_killed_in_a_push_leaves_both_branches_together(
    open_repo: OpenRepo, host: Host, tmp_path: Path, after: int
) -> None:
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(host.path), str(tmp_path / "mirror")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert victim.stdout
    with victim:
        for _ in range(after):
            victim.stdout.readline()
        # A different moment of the push each time.
        threading.Event().wait(0.012 * after)
        victim.kill()
    repo = open_repo(mirror="mirror")
    heads = repo.fetch()
    told = repo.read([repo.tree(heads.manifests)["releases/desk.yaml"].oid]).values()
    if heads.ledger is not None:
        assert list(told) == list(repo.read([repo.tree(heads.ledger)["state.json"].oid]).values())
    again = repo.push(heads, manifests=[Commit("Edit", {"x": b"x"})], ledger=[Commit("Decide", {"x": b"x"})])
    assert (host.head("main"), host.head(LEDGER)) == (again.manifests, again.ledger)
    assert host.is_sound()


def test_a_git_that_outlives_its_controller_is_waited_for(open_repo: OpenRepo, host: Host, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    host.hook("pre-receive", f"echo in > {gate}; cat {gate} >/dev/null\n")
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(host.path), str(tmp_path / "mirror")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    with victim:
        assert gate.read_text() == "in\n"
        victim.send_signal(signal.SIGKILL)
    with pytest.raises(Unavailable, match="another process"):
        open_repo(mirror="mirror", timeout=0.3).fetch()
    (host.path / "hooks" / "pre-receive").unlink()
    gate.write_text("go on\n")
    heads = open_repo(mirror="mirror").fetch()
    assert (host.head("main"), host.head(LEDGER)) == (heads.manifests, heads.ledger)
    assert host.is_sound()


def test_a_push_whose_answer_was_lost_is_found_at_the_next_fetch(repo: GitRepo, host: Host) -> None:
    base = repo.fetch()
    # The server takes the push and dies before it can say so.
    host.hook("reference-transaction", '[ "$1" != committed ] || kill -9 $PPID\n')
    with pytest.raises(Unavailable):
        repo.push(base, ledger=[Commit("Decide\n\nReleasectl-Decision-Id: 7f3a", {"1": b"1"})])
    (host.path / "hooks/reference-transaction").unlink()
    heads = repo.fetch()
    assert heads.ledger == host.head(LEDGER)
    assert heads.ledger
    assert [entry.trailers for entry in repo.log(heads.ledger)] == [(("Releasectl-Decision-Id", "7f3a"),)]

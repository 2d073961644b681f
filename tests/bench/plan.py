"""``python -m tests.bench.plan``: a plan of one release in a repository of thousands.

A real clone with real commits, and the ledger of a controller that has adopted every release. The command runs in a
process of its own each time, as a person or a bot runs it; processor time is told beside the time of the clock,
because other work may be running.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from releasectl.adapters.git.repo import GitRepo
from releasectl.controller.ledger import dump, state_path
from releasectl.domain.release import Release
from releasectl.manifests.load import load_one
from releasectl.ports import Commit
from tests.builders import a_state
from tests.scenarios.world import CANDIDATE, RELEASE, prepare, run_git

ROUNDS = 3


def repository(folder: Path, count: int) -> tuple[Path, Path]:
    """A host with ``count`` releases, all adopted, and a clone of it with a branch that adds one candidate."""
    names = [f"release-{number}" for number in range(count)]
    origin = prepare(folder, releases=names)
    repo = GitRepo(str(origin), mirror=folder / "writer")
    states = {}
    for name in names:
        release = load_one(f"releases/{name}.yaml", RELEASE.replace("NAME", name).encode())
        assert isinstance(release, Release)
        states[state_path(name)] = dump(a_state(release, step=None))
    repo.push(repo.fetch(), ledger=[Commit("Adopt", states)])
    repo.close()
    clone = folder / "clone"
    run_git("clone", "--quiet", str(origin), str(clone), cwd=folder)
    run_git("checkout", "--quiet", "-b", "try", cwd=clone)
    manifest = clone / "releases" / "release-7.yaml"
    block = CANDIDATE.replace("CANDIDATE", "next").replace("VERSION", "2")
    manifest.write_text(manifest.read_text().replace("  strategy:", block + "  strategy:"))
    run_git("-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-am", "Try 2", cwd=clone)
    return origin, clone


def timed(clone: Path, state: Path, *arguments: str) -> tuple[float, float, bytes]:
    """Seconds of the clock and of the processor, children included, and what was printed."""
    command = [sys.executable, "-m", "releasectl", "plan", "-R", str(clone), "-o", "json", *arguments]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, cwd=clone, env={**os.environ, "RELEASECTL_STATE": str(state)}, check=True, capture_output=True
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, spent, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--releases", type=int, default=10_000)
    count = parser.parse_args().releases
    # git would tidy up thousands of new files in the background, while they are timed and when they are deleted.
    os.environ |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "gc.auto", "GIT_CONFIG_VALUE_0": "0"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, clone = repository(folder, count)
        cases = {
            "two commits, one candidate added": ("--against", "origin/main..try"),
            "this folder against the branch": (),
            "one release by name": ("release-9",),
        }
        for title, arguments in cases.items():
            timed(clone, folder / "state", *arguments)
            runs = [timed(clone, folder / "state", *arguments) for _ in range(ROUNDS)]
            wall, spent = min(run[0] for run in runs), min(run[1] for run in runs)
            # A folder's plan is of now; that of two commits is of the later one's time.
            assert "--against" not in arguments or len({run[2] for run in runs}) == 1, "the same commits, other bytes"
            print(f"{title} ({count} releases)".ljust(60), f"{wall:.2f} s, {spent:.2f} s of processor")


if __name__ == "__main__":
    main()

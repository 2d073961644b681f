"""A whole world in one process: real git, real SQLite, a router and workloads in memory, simulated users.

Time is a number that a test moves on. Users send requests to what the router *serves*, and each version
answers as the test says, so a wrong route shows up in the counts exactly as it would outside.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from releasectl.adapters.git.repo import GitRepo
from releasectl.adapters.git.trailers import append_trailers
from releasectl.adapters.store import SqliteStore
from releasectl.adapters.traffic.memory import MemoryRouter
from releasectl.adapters.workloads.memory import MemoryWorkloads
from releasectl.controller.ledger import LedgerReader, dump, request_path
from releasectl.controller.passes import Controller, Report
from releasectl.controller.site import Site
from releasectl.controller.status import StatusBoard
from releasectl.domain.decision import EffectiveState, PersonAction, PersonRequest
from releasectl.domain.forge import ForgeSpec
from releasectl.domain.metric import Metric
from releasectl.domain.observation import Counts, ReadState
from releasectl.domain.status import ReleaseStatus, StatusReport
from releasectl.ports import Commit, Forge, Heads, Increment, MetricSource, RouteTable, SourceReading

START = datetime(2026, 1, 1, tzinfo=UTC)

RELEASE = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: NAME}
spec:
  environment: local
  components:
    - name: app
      versions:
        - {name: "1", run: {command: [app, "1"]}}
        - {name: "2", run: {command: [app, "2"]}}
        - {name: "3", run: {command: [app, "3"]}}
  stable: {app: "1"}   # what serves now
  strategy: [{type: canary, steps: [10, 50], interval: 10s}]
  policy: careful
"""
CANDIDATE = """  candidates:
    - {name: CANDIDATE, versions: {app: "VERSION"}}
"""
POLICY = """\
apiVersion: releasectl.dev/v1alpha1
kind: PromotionPolicy
metadata: {name: careful}
spec:
  guardrails: [{metric: error-rate, margin: {points: 2}}]
  minSamples: 50
  maxDuration: 10m
  outage: {budget: 20s, then: rollback}
"""
ENVIRONMENT = """\
apiVersion: releasectl.dev/v1alpha1
kind: Environment
metadata: {name: local}
"""


class ManualClock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


@dataclass
class Users:
    """A metric source that is fed by requests to what the router serves. Rates are per version of ``app``."""

    router: MemoryRouter
    clock: ManualClock
    requests_per_second: int = 200
    error_rates: dict[str, float] = field(default_factory=lambda: {"1": 0.01, "2": 0.01, "3": 0.01})
    slow_rates: dict[str, float] = field(default_factory=dict)
    """Slow requests by version; where it says nothing, as many as errors."""
    state: ReadState = ReadState.OK
    states: dict[str, ReadState] = field(default_factory=dict)
    """By metric, where one is unlike the others."""
    kind: str = "envoy"
    seed: int = 7
    misrouted: float = 0.0
    """Part of the candidates' requests that reach stable all the same."""

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._last = self.clock.now()
        self.versions: dict[tuple[str, str], str] = {}
        """(release, tag) -> version, learned from the states."""
        self.served: dict[tuple[str, str], int] = {}
        """Requests that each version of each release answered."""

    async def read(
        self, metrics: Sequence[Metric], cursors: Mapping[str, Any], now: datetime
    ) -> Mapping[str, SourceReading]:
        seconds = (now - self._last).total_seconds()
        if self.state is not ReadState.OK:
            return {metric.name: SourceReading(self.state, "the test says so") for metric in metrics}
        self._last = now
        increments = tuple(
            increment for table in self.router.tables.values() for increment in self._requests(table, seconds)
        )
        well = SourceReading(ReadState.OK, increments=increments, cursor=1, exposures=True)
        return {metric.name: self._told(metric.name, well) for metric in metrics}

    def learn(self) -> None:
        """Look up which versions serve; the world says how."""

    def moved(self, by: timedelta) -> None:
        """The wall clock was set anew."""
        self._last += by

    def _told(self, metric: str, well: SourceReading) -> SourceReading:
        state = self.states.get(metric, ReadState.OK)
        if state is not ReadState.OK:
            return SourceReading(state, "the test says so")
        return replace(well, increments=self._slow(well.increments)) if metric == "slow-requests" else well

    def _slow(self, increments: Sequence[Increment]) -> tuple[Increment, ...]:
        """The same requests with slow ones as events, where the test says how many are slow."""
        found = []
        for one in increments:
            rate = self.slow_rates.get(self.versions[one.release, one.tag or ""])
            events = one.counts.events if rate is None else int(self._rng.binomial(one.counts.trials, rate))
            found.append(replace(one, counts=Counts(trials=one.counts.trials, events=events)))
        return tuple(found)

    def _requests(self, table: RouteTable, seconds: float) -> list[Increment]:
        total = round(self.requests_per_second * seconds)
        if not total:
            return []
        names = list(table.shares.shares)
        split = self._rng.multinomial(total, [table.shares.share(name) / 10_000 for name in names])
        found = []
        astray = {name: round(n * self.misrouted) for name, n in zip(names, split.tolist(), strict=True)}
        astray["stable"] = -sum(lost for name, lost in astray.items() if name != "stable")
        for name, reached in zip(names, split.tolist(), strict=True):
            trials = reached - astray[name]
            if (table.release, table.tags[name]) not in self.versions:
                self.learn()
            version = self.versions[table.release, table.tags[name]]
            key = (table.release, version)
            self.served[key] = self.served.get(key, 0) + trials
            errors = int(self._rng.binomial(trials, self.error_rates[version]))
            found.append(Increment(table.release, name, Counts(trials=trials, events=errors), table.tags[name]))
        return found


class Watched(GitRepo):
    """The real repository, whose host is only asked when its branches have moved: most passes find nothing new."""

    def fetch(self) -> Heads:
        heads = self._on_the_host()
        if heads is None or heads != self.known():
            return super().fetch()
        return heads

    def _on_the_host(self) -> Heads | None:
        refs = Path(self.url) / "refs" / "heads"
        try:
            manifests = (refs / self.branch).read_text().strip()
            ledger = refs / self.ledger
            return Heads(manifests, ledger.read_text().strip() if ledger.exists() else None)
        except OSError:
            return None


def prepare(
    folder: Path, *, releases: Sequence[str] = ("shop",), policy: str = POLICY, template: str = RELEASE
) -> Path:
    """A bare repository with the manifests of these releases; many worlds may begin with a copy of it."""
    files = {f"releases/{name}.yaml": template.replace("NAME", name) for name in releases}
    files |= {"policies/careful.yaml": policy, "environments/local.yaml": ENVIRONMENT}
    return first_commit(folder, files)


def first_commit(folder: Path, files: Mapping[str, str]) -> Path:
    """A bare repository in the folder whose only commit has these files, by path."""
    origin = folder / "origin.git"
    work = folder / "first"
    for path, content in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(content)
    run_git("init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(origin), cwd=folder)
    run_git("init", "--quiet", "--template=", "--initial-branch=main", ".", cwd=work)
    run_git("add", ".", cwd=work)
    person = ("-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    run_git(*person, "commit", "--quiet", "-m", "First", cwd=work)
    run_git("push", "--quiet", str(origin), "main", cwd=work)
    shutil.rmtree(work)
    return origin


def run_git(*arguments: str, cwd: Path) -> str:
    """A git command as a person gives it."""
    return subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


class World:
    """Everything around a controller; ``controller`` is replaced by ``restart``."""

    def __init__(self, folder: Path, *, prepared: Path | None = None, **wanted: Any) -> None:
        """``prepared`` is copied; without it a repository is made as ``wanted`` (see ``prepare``)."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._open: list[GitRepo | SqliteStore] = []
        self._asked = 0
        self.seen = StatusReport(source="controller", at=START, repository="origin")
        self.origin = folder / "origin.git"
        if prepared is None:
            prepare(folder, **wanted)
        else:
            shutil.copytree(prepared, self.origin)
        self.clock = ManualClock()
        self.router = MemoryRouter()
        self.workloads = MemoryWorkloads()
        self.users = Users(self.router, self.clock)
        self.sources: list[MetricSource] = [self.users]
        self.person = self._repo("person")
        self.users.learn = lambda: self._learn(self.states())  # type: ignore[method-assign]
        self.patience = timedelta(minutes=5)
        """How long a pass waits for git."""
        self.wrap: Callable[[str, Any], Any] = lambda kind, port: port
        """Puts a test's own layer around a port: ``wrap(kind, port)``."""
        self.forge_of: Callable[[ForgeSpec | None], Forge | None] = lambda spec: None
        self.restart()

    @classmethod
    def like(cls, folder: Path, other: World) -> World:
        """A world that goes on from where another one has come to; its controller is new and remembers nothing.

        Router and processes go on serving as they did.
        """
        world = cls(folder, prepared=other.origin)
        moved = other.clock.at - world.clock.at
        world.clock.at = other.clock.at
        world.users.moved(moved)
        world.router.tables = dict(other.router.tables)
        world.workloads = deepcopy(other.workloads)
        return world

    # --- the controller ---------------------------------------------------------------------------------

    def restart(self, memory: str = "a") -> None:
        """A new controller on the same world; ``memory`` names its local state, another name has none."""
        self.store, self.controller = self.another(memory, self.sources)
        self.board = StatusBoard("origin")

    def another(self, memory: str, sources: Sequence[MetricSource]) -> tuple[SqliteStore, Controller]:
        """A controller with local state and metric sources of its own."""
        store = SqliteStore(self.folder / f"{memory}.sqlite")
        self._open.append(store)
        controller = Controller(
            repo=self.wrap("repo", self._repo(f"mirror-{memory}")),
            store=self.wrap("store", store),
            sites=lambda environment, _entries: Site(
                environment, self.wrap("router", self.router), self.wrap("workloads", self.workloads), sources
            ),
            clock=self.clock,
            with_trailers=append_trailers,
            forge_of=lambda spec: self.forge_of(spec),  # noqa: PLW0108 - a test may put in another one later
            git_patience=self.patience,
        )
        return store, controller

    async def run_pass(self) -> Report:
        """One pass at the present time."""
        report = await self.controller.run_pass()
        self.seen = self.board.update(report, self.router.entry_url)
        self._learn(report.states)
        return report

    def _learn(self, states: Mapping[str, EffectiveState]) -> None:
        for name, state in states.items():
            for variant in state.variants.values():
                self.users.versions[name, variant.tag] = variant.versions["app"].name

    async def run_for(self, seconds: float, *, every: float = 1.0) -> list[Report]:
        """Passes while time moves on."""
        reports = []
        for _ in range(round(seconds / every)):
            self.clock.at += timedelta(seconds=every)
            reports.append(await self.run_pass())
        return reports

    async def run_until(self, ended: Callable[[], bool], *, every: float = 1.0, at_most: float = 120) -> None:
        """Passes while time moves on, until what is asked for is so."""
        for _ in range(round(at_most / every)):
            if ended():
                return
            await self.run_for(every, every=every)
        assert ended(), f"not within {at_most:g} s; decided: {self.reasons()}"

    def close(self) -> None:
        """Let go of repositories and stores."""
        for one in self._open:
            one.close()

    # --- people -----------------------------------------------------------------------------------------

    def write(self, path: str, content: str | None, message: str = "Edit", by: str = "") -> None:
        """A person's commit on main; None deletes."""
        heads = self.person.fetch()
        writes = {} if content is None else {path: content.encode()}
        author = (by, f"{by}@example.org") if by else None
        self.person.push(heads, manifests=[Commit(message, writes, (path,) if content is None else (), author)])

    def read(self, path: str) -> str:
        """A file of main as it is in the repository."""
        heads = self.person.fetch()
        entry = self.person.tree(heads.manifests)[path]
        return self.person.read([entry.oid])[entry.oid].decode()

    def add_candidate(self, version: str = "2", release: str = "shop", name: str = "next", by: str = "") -> None:
        """A person's commit that puts a candidate into the manifest."""
        path = f"releases/{release}.yaml"
        block = CANDIDATE.replace("CANDIDATE", name).replace("VERSION", version)
        text = self.read(path).replace("  strategy:", block + "  strategy:")
        self.write(path, text, f"Try {version}", by)

    def replace(self, path: str, before: str, after: str, by: str = "") -> None:
        """A person's commit that changes some text of a file."""
        text = self.read(path)
        assert before in text, text
        self.write(path, text.replace(before, after), by=by)

    @staticmethod
    def wait_for_the_next_second() -> None:
        """Commits tell whole seconds: what follows is later than what went before."""
        time.sleep(1.05 - time.time() % 1)

    def ask(
        self,
        action: PersonAction,
        release: str = "shop",
        reason: str = "because",
        by: str = "ada",
        trial: int | None = None,
        candidates: tuple[str, ...] = (),
    ) -> str:
        """A person's request on the ledger."""
        heads = self.person.fetch()
        self._asked += 1
        name = f"{action}-{release}-{self._asked}"
        request = PersonRequest(
            id=name,
            action=action,
            by=by,
            at=self.clock.now(),
            reason=reason,
            trial=trial,
            candidates=candidates,
        )
        self.person.push(
            heads, ledger=[Commit(f"Ask for {action}", {request_path(release, request.id): dump(request)})]
        )
        return request.id

    def set_wall_clock(self, by: timedelta) -> None:
        """The wall clock is set anew while no controller runs; users notice nothing."""
        self.clock.at += by
        self.users.moved(by)
        self.restart()

    # --- looking ----------------------------------------------------------------------------------------

    def states(self) -> Mapping[str, EffectiveState]:
        """Effective states as the ledger in the repository has them."""
        return LedgerReader(self.person).read(self.person.fetch().ledger).states

    def state(self, release: str = "shop") -> EffectiveState:
        return self.states()[release]

    def status(self, release: str = "shop") -> ReleaseStatus:
        """What people are shown of a release since the last pass."""
        return next(one for one in self.seen.releases if one.name == release)

    def condition(self, release: str = "shop") -> str:
        """The reason that people are shown."""
        condition = self.status(release).condition
        return condition.reason.value if condition else ""

    def records(self, release: str = "shop") -> list[dict[str, Any]]:
        """The decision records of a release in the ledger, by number."""
        heads = self.person.fetch()
        tree = self.person.tree(heads.ledger) if heads.ledger else {}
        paths = sorted(path for path in tree if path.startswith(f"releases/{release}/decisions/"))
        contents = self.person.read([tree[path].oid for path in paths])
        return [json.loads(contents[tree[path].oid]) for path in paths]

    def check(self) -> None:
        """Ledger, traffic and repository agree, and every decision is recorded once."""
        assert not self.store.intents(), "a decision still waits for its record"
        ids = [one["Releasectl-Decision-Id"] for one in self.decisions()]
        assert len(ids) == len(set(ids)), "a decision is recorded twice"
        for name, state in self.states().items():
            numbers = [record["decision"]["state"]["seq"] for record in self.records(name)]
            assert numbers == list(range(1, state.seq + 1)), f"{name}: {numbers}"
            if not state.removed:
                assert state.allocation.same_as(self.router.tables[name].shares), name
        self.fsck()

    def share(self, variant: str, release: str = "shop") -> int:
        """Basis points that the router serves now."""
        return self.router.tables[release].shares.share(variant)

    def decisions(self, release: str | None = None) -> list[dict[str, str]]:
        """Trailers of the decisions in the ledger, oldest first."""
        heads = self.person.fetch()
        found: list[dict[str, str]] = []
        for entry in reversed(self.person.log(heads.ledger) if heads.ledger else []):
            for key, value in entry.trailers:
                if key == "Releasectl-Decision":
                    found.append({})
                if found:
                    found[-1][key] = value
        return [one for one in found if release in (None, one["Releasectl-Release"])]

    def reasons(self, release: str = "shop") -> list[str]:
        """What was decided, oldest first: ``ACTION Reason``."""
        return [f"{d['Releasectl-Decision']} {d['Releasectl-Reason']}" for d in self.decisions(release)]

    def fsck(self) -> None:
        """The repository is whole."""
        run_git("fsck", "--strict", "--no-dangling", cwd=self.origin)

    # --- parts ------------------------------------------------------------------------------------------

    def _repo(self, name: str) -> GitRepo:
        repo = Watched(str(self.origin), mirror=self.folder / name)
        self._open.append(repo)
        return repo

"""Component processes of one machine, started and supervised by the controller and outliving it.

``ensure`` says what must run and ``observe`` looks: every step of supervision happens in one of the two. A
workload whose command or environment has changed under the same key is started beside the old process, which
serves on until the new one is ready.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import httpx

from releasectl.adapters import processes
from releasectl.adapters.processes import Running
from releasectl.adapters.workloads.patience import Patience
from releasectl.adapters.workloads.remote import Remote
from releasectl.adapters.workloads.supervised import Supervised, marker
from releasectl.domain.base import digest_of
from releasectl.errors import Unavailable
from releasectl.ports import DRAIN, Workload, WorkloadKey, WorkloadStatus

_PROBES_SECONDS = 0.25


class LocalWorkloads:
    """``ports.WorkloadRunner`` on this machine.

    ``directory`` holds one record and one log per process and names the set: two runners of one directory
    supervise the same processes. Commands run in ``cwd``; their first word ``python`` means the interpreter
    that runs the controller. ``drain`` is how long a process outlives the last wish for it.
    """

    def __init__(
        self, directory: Path, *, cwd: Path, drain: timedelta = DRAIN, patience: Patience | None = None
    ) -> None:
        self._directory = directory.resolve()
        self._cwd = cwd.resolve()
        self._drain = drain.total_seconds()
        self._patience = patience or Patience()
        self._units: dict[str, Supervised] | None = None
        self._remotes: dict[WorkloadKey, Remote] = {}
        self._wanted: dict[WorkloadKey, str] = {}
        self._last: tuple[Workload, ...] | None = None
        self._surplus_since: dict[str, float] = {}
        self._probes: dict[WorkloadKey | str, asyncio.Task[None]] = {}
        # A connection kept open would occupy a server that serves one connection at a time.
        self._client = httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    async def ensure(self, workloads: Sequence[Workload]) -> None:
        """Make exactly these run. Returns without waiting for them to be ready."""
        units = self._known()
        if self._last != tuple(workloads):
            self._want(units, workloads)
        self._step(units)

    async def observe(self) -> Mapping[WorkloadKey, WorkloadStatus]:
        """Probe all at once and tell of those wanted; a probe that takes long is told of at the next look."""
        units = self._known()
        self._step(units)
        await self._probe(units)
        # Before anything was asked for, what an earlier controller left is told of: routes lead there.
        told = {unit.key: unit.name for unit in units.values()} if self._last is None else self._wanted
        supervised = {key: self._speaker(units, key, name).status() for key, name in told.items()}
        return supervised | {key: remote.status() for key, remote in self._remotes.items()}

    async def stop_all(self) -> None:
        """End every process of this directory, also those that an earlier controller started; wait for their end."""
        units = self._known()
        self._wanted, self._last, self._remotes = {}, (), {}
        for unit in units.values():
            unit.end(time.monotonic())
        deadline = time.monotonic() + 2 * self._patience.grace + 1
        while units:
            self._step(units)
            if time.monotonic() > deadline:
                raise Unavailable(f"processes do not end: {', '.join(sorted(units))}")
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Let go: probes end, processes run on."""
        for task in self._probes.values():
            task.cancel()
        await asyncio.gather(*self._probes.values(), return_exceptions=True)
        self._probes.clear()
        await self._client.aclose()

    def _known(self) -> dict[str, Supervised]:
        """All processes of the directory; at the first call those that an earlier controller left are taken over."""
        if self._units is None:
            self._directory.mkdir(parents=True, exist_ok=True)
            found = processes.find(marker(self._directory, ""))
            self._units = {}
            for path in sorted(self._directory.glob("*.json")):
                name = path.stem
                group = found.get(marker(self._directory, name), [])
                self._units[name] = self._supervise(name, None, group.pop(0) if group else None)
            # What has our marker and no record, or is a second one of its kind, is nobody's.
            for stranger in (each for group in found.values() for each in group):
                processes.interrupt(stranger, signal.SIGKILL)
        return self._units

    def _want(self, units: dict[str, Supervised], workloads: Sequence[Workload]) -> None:
        self._wanted = {each.key: _name(each) for each in workloads if each.process}
        self._remotes = {
            each.key: self._remotes.get(each.key) or Remote(each, each.address, patience=self._patience)
            for each in workloads
            if each.address
        }
        for each in workloads:
            if each.process:
                name = self._wanted[each.key]
                if name not in units:
                    units[name] = self._supervise(name, each)
                units[name].workload = each
        self._last = tuple(workloads)

    def _supervise(self, name: str, workload: Workload | None, running: Running | None = None) -> Supervised:
        return Supervised(
            name, workload, directory=self._directory, cwd=self._cwd, patience=self._patience, running=running
        )

    def _step(self, units: dict[str, Supervised]) -> None:
        now = time.monotonic()
        wanted = set(self._wanted.values())
        for name in list(units):
            unit = units[name]
            if self._last is None or name in wanted or self._stands_in(units, unit):
                unit.wanted = True
                self._surplus_since.pop(name, None)
            elif now - self._surplus_since.setdefault(name, now) >= self._drain or not unit.ready:
                unit.end(now)
            unit.step(now)
            if unit.gone:
                unit.forget()
                self._surplus_since.pop(name, None)
                del units[name]

    def _stands_in(self, units: Mapping[str, Supervised], unit: Supervised) -> bool:
        """Whether it serves in place of its successor under the same key, which is not ready yet."""
        successor = units.get(self._wanted.get(unit.key, ""))
        return unit.ready and successor is not None and not successor.ready

    def _speaker(self, units: Mapping[str, Supervised], key: WorkloadKey, name: str) -> Supervised:
        """The process to tell of for a key."""
        others = (unit for unit in units.values() if unit.key == key and unit.ready)
        return units[name] if units[name].ready else next(others, units[name])

    async def _probe(self, units: Mapping[str, Supervised]) -> None:
        self._collect()
        for of, question in self._due(units):
            self._probes[of] = asyncio.create_task(question)
        if self._probes:
            await asyncio.wait(self._probes.values(), timeout=_PROBES_SECONDS)
            self._collect()

    def _collect(self) -> None:
        """Drop the probes that are over. One that raised is a fault of ours and is not hidden."""
        for of, task in list(self._probes.items()):
            if task.done():
                del self._probes[of]
                task.result()

    def _due(self, units: Mapping[str, Supervised]) -> Iterator[tuple[WorkloadKey | str, Coroutine[None, None, None]]]:
        now = time.monotonic()
        for name, unit in units.items():
            if name not in self._probes and unit.probe_is_due(now):
                yield name, unit.probe(self._client)
        for key, remote in self._remotes.items():
            if key not in self._probes and remote.probe_is_due(now):
                yield key, remote.probe()


def _name(workload: Workload) -> str:
    """File name of a workload: for people in front, and behind it whatever makes it another process."""
    key, process = workload.key, workload.process
    told = {
        "key": [key.release, key.component, key.version, key.digest],
        "process": process.to_data() if process else None,
        "env": dict(workload.env),
    }
    return f"{key.release}.{key.component}.{key.version}.{digest_of(told).removeprefix('sha256:')[:12]}"

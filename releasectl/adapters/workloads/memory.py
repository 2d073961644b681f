"""Workloads that only pretend: for dry runs and tests of what stands on ``WorkloadRunner``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from releasectl.ports import Address, Workload, WorkloadKey, WorkloadPhase, WorkloadStatus


class MemoryWorkloads:
    """``ports.WorkloadRunner`` without processes: everything is ready, but what ``set_phase`` says otherwise."""

    def __init__(self) -> None:
        self.running: dict[WorkloadKey, Workload] = {}
        self._ports: dict[WorkloadKey, int] = {}
        self._phases: dict[tuple[str, str], tuple[WorkloadPhase, str]] = {}

    def set_phase(self, component: str, version: str, phase: WorkloadPhase, detail: str = "") -> None:
        """What every workload of this version is from now on."""
        self._phases[component, version] = (phase, detail)

    async def ensure(self, workloads: Sequence[Workload]) -> None:
        self.running = {workload.key: workload for workload in workloads}
        for key in self.running:
            self._ports.setdefault(key, 20_000 + len(self._ports))

    async def observe(self) -> Mapping[WorkloadKey, WorkloadStatus]:
        return {key: self._status(key, workload) for key, workload in self.running.items()}

    def _status(self, key: WorkloadKey, workload: Workload) -> WorkloadStatus:
        phase, detail = self._phases.get((key.component, key.version), (WorkloadPhase.READY, ""))
        return WorkloadStatus(
            phase=phase, address=workload.address or Address("127.0.0.1", self._ports[key]), detail=detail
        )

"""A component that runs already, somewhere: nothing to start, only to ask whether it is there."""

from __future__ import annotations

import time

from releasectl.adapters.workloads.patience import Patience
from releasectl.adapters.workloads.probe import probe_tcp
from releasectl.ports import Address, Workload, WorkloadKey, WorkloadPhase, WorkloadStatus

_UNREACHABLE_SECONDS = 60.0


class Remote:
    """One workload that is an address; failed once it has not been reached for a minute."""

    def __init__(self, workload: Workload, address: Address, *, patience: Patience) -> None:
        self.workload = workload
        self._address = address
        self._patience = patience
        self._phase = WorkloadPhase.STARTING
        self._detail = "not probed yet"
        self._reached = time.monotonic()
        self._probed = 0.0
        self._unanswered = 0

    @property
    def key(self) -> WorkloadKey:
        return self.workload.key

    def status(self) -> WorkloadStatus:
        return WorkloadStatus(phase=self._phase, address=self._address, detail=self._detail)

    def probe_is_due(self, now: float) -> bool:
        """Whether asking it makes sense now."""
        return self._phase is not WorkloadPhase.READY or now - self._probed >= self._patience.probe_interval

    async def probe(self) -> None:
        """Ask, and take note."""
        self._probed = time.monotonic()
        self._detail = await probe_tcp(self._address, within=self._patience.probe_timeout)
        now = time.monotonic()
        if not self._detail:
            self._phase, self._reached, self._unanswered = WorkloadPhase.READY, now, 0
            return
        self._unanswered += 1
        if now - self._reached > _UNREACHABLE_SECONDS:
            self._phase = WorkloadPhase.FAILED
        elif self._unanswered >= self._patience.unanswered:
            self._phase = WorkloadPhase.STARTING

"""What is written down about a process, so that a later controller finds it instead of starting a second one.

The record is made before the process, without a pid: whatever moment a crash picks, either the pid or the
marker leads to the process. Environments are not in it; they may hold secrets.
"""

from __future__ import annotations

from pathlib import Path

from releasectl.adapters import files
from releasectl.adapters.processes import Running
from releasectl.domain.base import Model
from releasectl.ports import WorkloadKey


class Record(Model):
    """One workload's process, or the place kept for it."""

    release: str
    component: str
    version: str
    digest: str
    port: int
    ready: str
    pid: int = 0
    started: float = 0.0

    @property
    def key(self) -> WorkloadKey:
        return WorkloadKey(self.release, self.component, self.version, self.digest)

    @property
    def running(self) -> Running | None:
        return Running(self.pid, self.started) if self.pid else None


def write(path: Path, record: Record) -> None:
    files.replace(path, record.model_dump_json().encode())


def read(path: Path) -> Record | None:
    """The record, or None where there is none or it is damaged."""
    try:
        return Record.model_validate_json(files.read(path) or b"")
    except ValueError:
        return None

"""What every workload runner keeps to; run on the one in memory and on real processes."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from releasectl.adapters.workloads.memory import MemoryWorkloads
from releasectl.ports import Address, Workload, WorkloadPhase, WorkloadRunner
from tests.detached import a_runner, until
from tests.servers import a_workload


@pytest.fixture(params=["memory", "local"])
async def runner(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[WorkloadRunner]:
    if request.param == "memory":
        yield MemoryWorkloads()
        return
    async with a_runner(tmp_path / "workloads") as runner:
        yield runner


@pytest.fixture
def listening() -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Address(*server.getsockname())


async def _ready(runner: WorkloadRunner, *workloads: Workload) -> None:
    def all_ready(statuses: dict[object, object]) -> bool:
        return all(getattr(status, "phase", None) is WorkloadPhase.READY for status in statuses.values())

    await until(runner.observe, lambda statuses: len(statuses) == len(workloads) and all_ready(statuses))


async def test_nothing_is_told_of_before_anything_is_wanted(runner: WorkloadRunner) -> None:
    assert await runner.observe() == {}


async def test_all_that_is_wanted_becomes_ready_at_addresses_of_its_own(runner: WorkloadRunner) -> None:
    wanted = [a_workload("1.0"), a_workload("2.0"), a_workload("1.0", component="language-id")]
    await runner.ensure(wanted)
    await _ready(runner, *wanted)
    statuses = await runner.observe()
    assert set(statuses) == {workload.key for workload in wanted}
    assert len({status.address for status in statuses.values()}) == 3


async def test_wanting_the_same_again_changes_nothing(runner: WorkloadRunner) -> None:
    wanted = [a_workload("1.0"), a_workload("2.0")]
    await runner.ensure(wanted)
    await _ready(runner, *wanted)
    before = await runner.observe()
    await runner.ensure(list(reversed(wanted)))
    after = await runner.observe()
    assert {key: (each.pid, each.address) for key, each in after.items()} == {
        key: (each.pid, each.address) for key, each in before.items()
    }


async def test_what_is_no_longer_wanted_is_no_longer_told_of(runner: WorkloadRunner) -> None:
    one, two = a_workload("1.0"), a_workload("2.0")
    await runner.ensure([one, two])
    await runner.ensure([two])
    assert set(await runner.observe()) == {two.key}


async def test_an_address_is_probed_and_handed_on(runner: WorkloadRunner, listening: Address) -> None:
    workload = Workload(a_workload("1.0").key, address=listening)
    await runner.ensure([workload])
    await _ready(runner, workload)
    assert (await runner.observe())[workload.key].address == listening

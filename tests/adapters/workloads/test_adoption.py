"""A controller may be killed at any moment; the next one takes over what runs and starts nothing twice."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import psutil

from releasectl.adapters import processes
from releasectl.adapters.workloads.supervised import marker
from releasectl.ports import WorkloadPhase, WorkloadRunner, WorkloadStatus
from tests.detached import a_runner, left, until
from tests.servers import a_workload

CONTROLLER = """
import asyncio, sys
from pathlib import Path
from releasectl.adapters.workloads.local import LocalWorkloads
from releasectl.ports import WorkloadPhase
from tests.servers import a_workload

async def main():
    runner = LocalWorkloads(Path(sys.argv[1]), cwd=Path(sys.argv[1]).parent)
    await runner.ensure([a_workload()])
    while True:
        for status in (await runner.observe()).values():
            if status.phase is WorkloadPhase.READY:
                print("ready", status.pid, flush=True)
        await asyncio.sleep(0.05)

asyncio.run(main())
"""


async def _ready(runner: WorkloadRunner) -> WorkloadStatus:
    async def look() -> WorkloadStatus:
        (status,) = (await runner.observe()).values()
        return status

    status = await until(look, lambda status: status.phase is WorkloadPhase.READY)
    assert isinstance(status, WorkloadStatus)
    return status


async def test_processes_outlive_a_killed_controller_and_the_next_one_takes_them_over(tmp_path: Path) -> None:
    directory = tmp_path / "workloads"
    async with a_runner(directory) as runner:
        controller = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CONTROLLER, str(directory)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert controller.stdout
        pid = 0
        while not pid and (line := await controller.stdout.readline()):
            pid = int(line.split()[1]) if line.startswith(b"ready") else 0
        controller.kill()
        await controller.communicate()

        assert psutil.pid_exists(pid)
        await runner.ensure([a_workload()])
        status = await _ready(runner)
        assert (status.pid, status.restarts) == (pid, 0)
        assert left("workload", directory) == [pid]


async def test_one_started_just_before_the_crash_is_found_without_its_pid(tmp_path: Path) -> None:
    directory = tmp_path / "workloads"
    async with a_runner(directory) as first:
        await first.ensure([a_workload()])
        before = await _ready(first)
        (record,) = directory.glob("*.json")
        record.write_text(json.dumps({**json.loads(record.read_text()), "pid": 0, "started": 0.0}))
        async with a_runner(directory) as second:
            await second.ensure([a_workload()])
            assert (await _ready(second)).pid == before.pid
            assert left("workload", directory) == [before.pid]


async def test_looking_before_asking_tells_of_what_runs_and_ends_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "workloads"
    async with a_runner(directory) as first:
        await first.ensure([a_workload()])
        before = await _ready(first)
        async with a_runner(directory) as second:
            status = (await second.observe())[a_workload().key]
            assert (status.pid, status.address) == (before.pid, before.address)
            assert (await _ready(second)).pid == before.pid
            await second.ensure([a_workload()])
            assert (await _ready(second)).pid == before.pid


async def test_what_nobody_wants_any_more_is_ended_by_the_next_controller(tmp_path: Path) -> None:
    directory = tmp_path / "workloads"
    async with a_runner(directory) as first:
        await first.ensure([a_workload("1.0"), a_workload("2.0")])
        await until(lambda: left("workload", directory), lambda pids: len(pids) == 2)
        async with a_runner(directory) as second:
            await second.ensure([a_workload("2.0")])
            await _ready(second)

            async def one_left() -> bool:
                await second.observe()
                return len(left("workload", directory)) == 1

            await until(one_left)


async def test_a_second_process_of_a_kind_and_one_without_a_record_are_ended(tmp_path: Path) -> None:
    directory = tmp_path / "workloads"
    async with a_runner(directory) as first:
        await first.ensure([a_workload()])
        before = await _ready(first)
        (record,) = directory.glob("*.json")
        for name in (record.stem, "nobody.knows.this"):
            processes.spawn(
                [sys.executable, "-c", "import time; time.sleep(600)"],
                marker=marker(directory.resolve(), name),
                environment={},
                log=tmp_path / "log",
            )
        async with a_runner(directory) as second:
            await second.ensure([a_workload()])
            assert (await _ready(second)).pid == before.pid
            await until(lambda: left("workload", directory), lambda pids: pids == [before.pid])


async def test_two_controllers_at_once_start_one_process(tmp_path: Path) -> None:
    directory = tmp_path / "workloads"
    async with a_runner(directory) as one, a_runner(directory) as two:
        await asyncio.gather(one.observe(), two.observe())
        await asyncio.gather(one.ensure([a_workload()]), two.ensure([a_workload()]))
        assert (await _ready(one)).pid == (await _ready(two)).pid
        assert len(left("workload", directory)) == 1


async def test_stop_all_ends_what_an_earlier_controller_started(tmp_path: Path) -> None:
    directory = tmp_path / "workloads"
    async with a_runner(directory) as first:
        await first.ensure([a_workload()])
        await _ready(first)
        async with a_runner(directory) as second:
            await second.stop_all()
            assert left("workload", directory) == []
            assert list(directory.glob("*.json")) == []

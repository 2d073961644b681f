"""Real component processes: started, supervised, ended, and found again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from releasectl.adapters.workloads.local import LocalWorkloads
from releasectl.ports import Address, Workload, WorkloadPhase, WorkloadStatus
from tests.detached import HASTE, a_runner, left, until
from tests.servers import EXITS, GOOD, NEVER_READY, STUBBORN, WITH_A_CHILD, a_workload


@pytest.fixture
async def runner(tmp_path: Path) -> AsyncIterator[LocalWorkloads]:
    async with a_runner(tmp_path / "workloads") as runner:
        yield runner


async def _until(
    runner: LocalWorkloads, workload: Workload, phase: WorkloadPhase, *, within: float = 15.0
) -> WorkloadStatus:
    async def look() -> WorkloadStatus:
        return (await runner.observe())[workload.key]

    status = await until(look, lambda status: status.phase is phase, within=within)
    assert isinstance(status, WorkloadStatus)
    return status


async def _ask(status: WorkloadStatus) -> dict[str, object]:
    assert status.address
    async with httpx.AsyncClient(trust_env=False) as client:
        answer: dict[str, object] = (await client.get(f"http://127.0.0.1:{status.address.port}/")).json()
        return answer


async def test_it_is_starting_until_it_answers_and_then_ready(runner: LocalWorkloads) -> None:
    slow = a_workload(code="import time; time.sleep(0.6)\n" + GOOD)
    await runner.ensure([slow])
    first = (await runner.observe())[slow.key]
    assert first.phase is WorkloadPhase.STARTING
    status = await _until(runner, slow, WorkloadPhase.READY)
    assert (await _ask(status))["pid"] == status.pid


async def test_the_environment_is_ours_over_the_manifests_over_the_controllers(
    runner: LocalWorkloads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED", "yes")
    monkeypatch.setenv("RELEASECTL_TOKEN", "secret of the controller")
    workload = a_workload(
        port_variable="MY_PORT",
        process_env={"NAMED": "MY_PORT", "A": "manifest", "B": "manifest"},
        env={"B": "ours", "RELEASECTL_URL_X": "http://x"},
    )
    await runner.ensure([workload])
    told = await _ask(await _until(runner, workload, WorkloadPhase.READY))
    env = told["env"]
    assert isinstance(env, dict)
    assert (env["INHERITED"], env["A"], env["B"], env["RELEASECTL_URL_X"]) == ("yes", "manifest", "ours", "http://x")
    assert "RELEASECTL_TOKEN" not in env
    assert told["cwd"] == str(tmp_path)


async def test_its_output_goes_to_its_log(runner: LocalWorkloads) -> None:
    workload = a_workload(code="import sys; print('out'); print('err', file=sys.stderr)\n" + GOOD)
    await runner.ensure([workload])
    status = await _until(runner, workload, WorkloadPhase.READY)
    assert status.log
    log = Path(status.log).read_text()  # noqa: ASYNC240 - a line or two
    assert "out" in log
    assert "err" in log


async def test_one_that_never_becomes_ready_is_failed_and_never_ready(runner: LocalWorkloads) -> None:
    workload = a_workload(code=NEVER_READY, start_within="300ms")
    await runner.ensure([workload])
    status = await _until(runner, workload, WorkloadPhase.FAILED)
    assert "not ready within 0.3 s" in status.detail
    ends = time.monotonic() + 1.0
    while time.monotonic() < ends:
        assert (await runner.observe())[workload.key].phase is WorkloadPhase.FAILED
        await asyncio.sleep(0.02)
    assert (await runner.observe())[workload.key].restarts >= 1


async def test_one_that_keeps_exiting_is_failed_told_why_and_tried_ever_more_slowly(runner: LocalWorkloads) -> None:
    workload = a_workload(code=EXITS)
    began = time.monotonic()
    await runner.ensure([workload])
    status = await _until(runner, workload, WorkloadPhase.FAILED)
    assert status.detail == "exited with 1: no such model"

    async def restarts() -> int:
        return (await runner.observe())[workload.key].restarts

    await until(restarts, lambda count: count >= 5)
    # Delays of 0.05, 0.1, 0.2, 0.4 and 0.4 s, each shortened by a fifth at most.
    assert time.monotonic() - began > 0.8 * 1.15


async def test_a_command_that_does_not_exist_is_a_failure_like_any_other(runner: LocalWorkloads) -> None:
    workload = a_workload(command=("no-such-command-anywhere",))
    await runner.ensure([workload])
    status = await _until(runner, workload, WorkloadPhase.FAILED)
    assert "no-such-command-anywhere" in status.detail


async def test_one_that_was_killed_comes_back_at_its_address(runner: LocalWorkloads) -> None:
    workload = a_workload()
    await runner.ensure([workload])
    before = await _until(runner, workload, WorkloadPhase.READY)
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)
    await _until(runner, workload, WorkloadPhase.STARTING)
    after = await _until(runner, workload, WorkloadPhase.READY)
    assert after.pid != before.pid
    assert after.address == before.address
    assert after.restarts == 1


async def test_one_that_stops_answering_is_started_anew(runner: LocalWorkloads, tmp_path: Path) -> None:
    sick = tmp_path / "sick"
    workload = a_workload(env={"SICK": str(sick)})
    await runner.ensure([workload])
    before = await _until(runner, workload, WorkloadPhase.READY)
    assert before.pid
    os.kill(before.pid, signal.SIGSTOP)
    after = await until(
        lambda: _status(runner, workload),
        lambda status: status.phase is WorkloadPhase.READY and status.pid != before.pid,
    )
    assert after.restarts == 1
    assert not psutil.pid_exists(before.pid)


async def _status(runner: LocalWorkloads, workload: Workload) -> WorkloadStatus:
    return (await runner.observe())[workload.key]


async def test_one_slow_answer_does_not_cost_its_life(runner: LocalWorkloads) -> None:
    workload = a_workload()
    await runner.ensure([workload])
    before = await _until(runner, workload, WorkloadPhase.READY)
    assert before.pid
    os.kill(before.pid, signal.SIGSTOP)
    await until(lambda: _status(runner, workload), lambda status: status.detail != "")
    os.kill(before.pid, signal.SIGCONT)
    after = await until(lambda: _status(runner, workload), lambda status: status.detail == "")
    assert (after.pid, after.restarts) == (before.pid, 0)


async def test_what_is_not_wanted_any_more_serves_through_the_grace_time_and_ends(tmp_path: Path) -> None:
    workload = a_workload(code=WITH_A_CHILD)
    async with a_runner(tmp_path / "workloads", drain=1.0) as runner:
        await runner.ensure([workload])
        status = await _until(runner, workload, WorkloadPhase.READY)
        assert status.pid
        group = [status.pid, *(child.pid for child in psutil.Process(status.pid).children())]
        assert len(group) == 2
        began = time.monotonic()
        await runner.ensure([])
        assert await runner.observe() == {}
        assert (await _ask(status))["pid"] == status.pid

        async def ended() -> bool:
            await runner.observe()
            return not any(psutil.pid_exists(pid) for pid in group)

        await until(ended)
        assert time.monotonic() - began > 1.0
        assert left("workload", tmp_path / "workloads") == []


async def test_one_wanted_again_within_the_grace_time_is_the_same_process(runner: LocalWorkloads) -> None:
    workload = a_workload()
    await runner.ensure([workload])
    before = await _until(runner, workload, WorkloadPhase.READY)
    await runner.ensure([])
    await runner.ensure([workload])
    await asyncio.sleep(0.3)
    assert (await _until(runner, workload, WorkloadPhase.READY)).pid == before.pid


async def test_one_that_ignores_the_request_to_end_is_ended_by_force(tmp_path: Path) -> None:
    workload = a_workload(code=STUBBORN)
    async with a_runner(tmp_path / "workloads", patience=replace(HASTE, grace=0.3)) as runner:
        await runner.ensure([workload])
        status = await _until(runner, workload, WorkloadPhase.READY)
        await runner.stop_all()
        assert status.pid
        assert not psutil.pid_exists(status.pid)


async def test_a_changed_command_replaces_the_process_once_the_new_one_is_ready(runner: LocalWorkloads) -> None:
    old = a_workload(env={"GENERATION": "1"})
    await runner.ensure([old])
    before = await _until(runner, old, WorkloadPhase.READY)
    new = a_workload(code="import time; time.sleep(0.5)\n" + GOOD, env={"GENERATION": "2"})
    assert new.key == old.key
    await runner.ensure([new])

    async def look() -> WorkloadStatus:
        status = (await runner.observe())[new.key]
        assert status.phase is WorkloadPhase.READY
        assert (await _ask(status))["pid"] == status.pid
        return status

    after = await until(look, lambda status: status.pid != before.pid)
    env = (await _ask(after))["env"]
    assert isinstance(env, dict)
    assert env["GENERATION"] == "2"

    async def old_is_gone() -> bool:
        await runner.observe()
        return not psutil.pid_exists(before.pid or 0)

    await until(old_is_gone)


async def test_an_address_that_nobody_listens_at_is_not_ready(runner: LocalWorkloads) -> None:
    workload = Workload(a_workload().key, address=Address("127.0.0.1", 9))
    await runner.ensure([workload])
    status = (await runner.observe())[workload.key]
    assert status.phase is WorkloadPhase.STARTING
    assert "no connection to 127.0.0.1:9" in status.detail


async def test_one_that_hangs_holds_up_nobody_else(runner: LocalWorkloads) -> None:
    hanging = a_workload(
        "9.0",
        "import socket, os, time\ns = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\ntime.sleep(600)",
    )
    good = a_workload("1.0")
    await runner.ensure([hanging, good])
    await _until(runner, good, WorkloadPhase.READY)
    began = time.monotonic()
    assert (await runner.observe())[good.key].phase is WorkloadPhase.READY
    assert time.monotonic() - began < 1.0


async def test_secrets_of_the_environment_are_in_no_file_and_no_status(runner: LocalWorkloads, tmp_path: Path) -> None:
    workload = a_workload(process_env={"PASSWORD": "hunter2-hunter2"})
    await runner.ensure([workload])
    status = await _until(runner, workload, WorkloadPhase.READY)
    assert "hunter2" not in str(status)
    for path in (tmp_path / "workloads").rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes()

"""A process that is asked line by line, against real processes: what it costs to ask is bounded, and nothing stays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from releasectl.adapters.worker import TookTooLong, Worker
from releasectl.errors import Unavailable


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    made = Worker("tests.adapters.answering", (str(tmp_path / "child"),), seconds=20)
    yield made
    await made.close()
    assert made.pid is None


async def test_one_process_answers_every_question(worker: Worker) -> None:
    assert worker.pid is None, "it is started when it is needed"
    first, second = await worker.ask(b"a"), await worker.ask(b"b")
    assert [first, second] == [f"{word} {worker.pid}".encode() for word in "ab"]


async def test_questions_at_once_are_answered_in_turn(worker: Worker) -> None:
    answers = await asyncio.gather(*(worker.ask(word.encode()) for word in "abc"))
    assert [answer.split()[0] for answer in answers] == [b"a", b"b", b"c"]


@pytest.mark.slow
async def test_what_hangs_is_ended_with_all_that_it_started_and_the_next_question_is_answered(tmp_path: Path) -> None:
    hanging = Worker("tests.adapters.answering", (str(tmp_path / "child"),), seconds=4)
    with pytest.raises(TookTooLong, match="within 4 s"):
        await hanging.ask(b"hang")
    assert hanging.pid is None
    assert not _runs(int((tmp_path / "child").read_text()))
    assert not [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]
    assert (await hanging.ask(b"again")).startswith(b"again ")
    await hanging.close()


async def test_what_dies_is_started_anew(worker: Worker) -> None:
    await worker.ask(b"a")
    before = worker.pid
    with pytest.raises(Unavailable, match="ended with -9 before it had answered"):
        await worker.ask(b"die")
    assert (await worker.ask(b"b")) == f"b {worker.pid}".encode()
    assert worker.pid != before


async def test_a_question_that_nobody_waits_for_any_more_is_not_answered_to_the_next(
    worker: Worker, tmp_path: Path
) -> None:
    asking = asyncio.create_task(worker.ask(b"hang"))
    await _until((tmp_path / "child").exists)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert worker.pid is None
    assert (await worker.ask(b"b")).startswith(b"b ")


async def test_a_process_without_work_is_let_go() -> None:
    idle = Worker("tests.adapters.answering", seconds=20, idle_seconds=0.1)
    await idle.ask(b"a")
    pid = idle.pid
    assert pid is not None
    await _until(lambda: not _runs(pid) and idle.pid is None)
    assert (await idle.ask(b"b")).startswith(b"b ")
    await idle.close()


async def test_it_knows_no_secret_of_ours(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASECTL_GIT_TOKEN", "hush")
    assert "hush" not in json.loads(await worker.ask(b"environment")).values()


async def test_a_program_that_is_not_there_is_told() -> None:
    missing = Worker("tests.adapters.nowhere", seconds=20)
    with pytest.raises(Unavailable, match="ended with 1"):
        await missing.ask(b"a")
    await missing.close()


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(400):
        if holds():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not come true within 20 s")


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

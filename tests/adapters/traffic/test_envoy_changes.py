"""Changes under way: what is in flight is not broken, what is said to be served is served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from releasectl.adapters import processes
from releasectl.adapters.traffic.envoy import EnvoyRouter
from releasectl.errors import Unavailable
from releasectl.ports import Address, RouteTable
from tests.backends import Backend
from tests.detached import an_envoy, until
from tests.relay import Relay
from tests.tables import a_table

pytestmark = pytest.mark.envoy


async def _clusters(router: EnvoyRouter, client: httpx.AsyncClient) -> set[str]:
    lines = (await client.get(f"{router.admin_url}/clusters")).text.splitlines()
    return {line.split("::")[0] for line in lines}


async def test_requests_in_flight_survive_weights_a_new_address_and_removal(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    at = {"stable": stable.address, "cand": cand.address}
    everything = {"stable": 0, "cand": 10_000}
    await router.apply({"desk": a_table(at=at, shares=everything)})
    url = f"{router.entry_url('desk')}?ms=2500"
    slow = [asyncio.create_task(client.get(url)) for _ in range(8)]
    await until(lambda: len(cand.seen), lambda count: count == 8)

    await router.apply({"desk": a_table(at=at, shares={"stable": 5_000, "cand": 5_000}, epoch=2)})
    await router.apply({"desk": a_table(at={"stable": stable.address, "cand": stable.address}, epoch=3)})
    await router.apply({"desk": a_table(at={"stable": stable.address}, epoch=4)})
    await until(router.observe, lambda served: served["desk"].epoch == 4)

    async def without_candidate() -> set[str]:
        await router.observe()
        return await _clusters(router, client)

    left = await until(without_candidate, lambda names: not any("/cand/" in name for name in names))
    assert any("/stable/" in name for name in left)
    assert not any(task.done() for task in slow)
    answers = await asyncio.gather(*slow)
    assert [answer.status_code for answer in answers] == [200] * 8
    assert {answer.json()["name"] for answer in answers} == {"cand"}


async def test_no_request_fails_while_weights_change_many_times(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    at = {"stable": stable.address, "cand": cand.address}
    await router.apply({"desk": a_table(at=at)})
    statuses: list[int] = []
    over = asyncio.Event()

    async def ask() -> None:
        while not over.is_set():
            statuses.append((await client.get(f"{router.entry_url('desk')}")).status_code)

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    for epoch in range(2, 22):
        points = epoch * 400
        await router.apply({"desk": a_table(at=at, shares={"stable": 10_000 - points, "cand": points}, epoch=epoch)})
    over.set()
    await asyncio.gather(*asking)
    assert set(statuses) == {200}
    assert {seen.headers["x-releasectl-allocation"] for seen in cand.seen} <= {str(epoch) for epoch in range(2, 22)}


async def test_a_change_is_live_within_a_second_of_asking_and_at_once_when_apply_returns(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    at = {"stable": stable.address, "cand": cand.address}
    await router.apply({"desk": a_table(at=at)})
    began = time.monotonic()
    await router.apply({"desk": a_table(at=at, shares={"cand": 10_000, "stable": 0}, epoch=2)})
    assert (await router.observe())["desk"].shares.share("cand") == 10_000
    # Envoy's worker threads take it up a moment after its main thread has confirmed.
    await until(lambda: client.get(f"{router.entry_url('desk')}"), lambda answer: answer.json()["name"] == "cand")
    assert time.monotonic() - began < 1


async def test_equal_tables_write_nothing(router: EnvoyRouter, tmp_path: Path) -> None:
    def files() -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in (tmp_path / "envoy").glob("*.json")}

    await router.apply({"desk": a_table(), "other": a_table("other")})
    before = files()
    await router.apply({"other": a_table("other"), "desk": a_table()})
    assert files() == before


async def test_a_release_not_named_loses_its_route(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    at = {"stable": stable.address}
    await router.apply({"desk": a_table(at=at), "other": a_table("other", at=at)})
    url = f"{router.entry_url('other')}"
    await router.apply({"desk": a_table(at=at)})
    await until(lambda: client.get(url), lambda answer: answer.status_code == 404, within=2)
    assert router.entry_url("other") is None
    assert set(await router.observe()) == {"desk"}


async def test_a_host_or_port_that_is_none_costs_only_its_own_release_the_route(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    odd = a_table("odd", hosts=("not a host!",))
    far = a_table("far", at={"stable": Address("127.0.0.1", 70_000)})
    await router.apply({"desk": a_table(at={"stable": stable.address}), "odd": odd, "far": far})
    assert set(await router.observe()) == {"desk"}
    assert router.entry_url("odd") is None
    assert (await client.get(f"{router.entry_url('desk')}")).status_code == 200


async def test_a_configuration_that_envoy_refuses_is_reported_and_the_last_one_serves_on(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    await router.apply({"desk": a_table(at={"stable": stable.address})})
    bad = a_table("bad", timeout=timedelta(seconds=-1))
    with pytest.raises(Unavailable, match="refuses"):
        await router.apply({"desk": a_table(at={"stable": stable.address}, epoch=2), "bad": bad})
    with pytest.raises(Unavailable, match="refuses"):
        await router.apply({"desk": a_table(at={"stable": stable.address}, epoch=2), "bad": bad})
    assert (await client.get(f"{router.entry_url('desk')}")).status_code == 200
    await router.apply({"desk": a_table(at={"stable": stable.address}, epoch=3)})
    assert (await router.observe())["desk"].epoch == 3


async def test_the_entry_moves_to_another_port_when_told_to(tmp_path: Path, stable: Backend) -> None:
    async with an_envoy(tmp_path / "envoy") as first:
        await first.start()
        await first.apply({"desk": a_table(at={"stable": stable.address})})
        pid = first.pid
        port = processes.free_port()
        async with an_envoy(tmp_path / "envoy", port=port) as second, httpx.AsyncClient(trust_env=False) as client:
            await second.start()
            await second.apply({"desk": a_table(at={"stable": stable.address})})
            assert second.pid == pid
            assert (await client.get(f"http://127.0.0.1:{port}/desk/")).status_code == 200


async def test_a_backend_given_by_name_is_looked_up_before_it_gets_requests(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    await router.apply({"desk": a_table(at={"stable": stable.address})})
    named = Address("localhost", stable.address.port)
    await router.apply({"desk": a_table(at={"stable": stable.address, "cand": named}, shares={"cand": 10_000})})
    answers = [await client.get(f"{router.entry_url('desk')}") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}


async def test_a_request_in_flight_keeps_its_variant_on_inner_hops_after_the_candidate_left(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    await router.apply({"desk": a_table(at={"stable": stable.address, "cand": cand.address})})
    await router.apply({"desk": a_table(at={"stable": stable.address}, epoch=2)})
    hop = router.component_url("desk", next(iter(a_table(at={"stable": stable.address}).backends["stable"])))

    async def answers() -> str:
        found = await client.get(f"{hop}/", headers={"x-releasectl-variant": "cand"})
        assert found.status_code == 200
        await router.observe()
        return str(found.json()["name"])

    assert await answers() == "cand"
    await until(answers, lambda name: name == "stable")


def _promoted(at: Mapping[str, Address], *, epoch: int, tag: str) -> dict[str, RouteTable]:
    """Stable's versions, told by their tag, at an address; and whoever else is there."""
    table = a_table(at=at, epoch=epoch)
    return {"desk": replace(table, tags={**table.tags, "stable": tag})}


async def test_a_request_that_began_before_a_promotion_meets_the_old_stable_on_inner_hops(
    tmp_path: Path, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    async with an_envoy(tmp_path / "envoy", drain=3) as router, Backend("third") as third:
        await router.start()
        await router.apply(_promoted({"stable": stable.address, "next": cand.address}, epoch=1, tag="one"))
        await router.apply(_promoted({"stable": cand.address}, epoch=2, tag="two"))

        async def answered_by(variant: str, allocation: int | None) -> str:
            told = {} if allocation is None else {"x-releasectl-allocation": str(allocation)}
            url = router.component_url("desk", "sentiment")
            found = await client.get(f"{url}/", headers={"x-releasectl-variant": variant, **told})
            assert found.status_code == 200
            return str(found.json()["name"])

        await until(lambda: answered_by("stable", 2), lambda name: name == "cand")
        assert await answered_by("stable", 1) == "stable"
        assert await answered_by("next", 1) == "cand"
        # A component that does not pass the allocation on gets what serves now.
        assert await answered_by("stable", None) == "cand"
        # The next candidate takes the name of the one that was promoted, and another controller is at work.
        await router.apply(_promoted({"stable": cand.address, "next": third.address}, epoch=3, tag="two"))
        await router.apply(_promoted({"stable": third.address}, epoch=4, tag="three"))
        await until(lambda: answered_by("stable", 4), lambda name: name == "third")
        assert [await answered_by("stable", epoch) for epoch in (1, 2, 3)] == ["stable", "cand", "cand"]
        again = EnvoyRouter(tmp_path / "envoy", port=0, drain=timedelta(seconds=0.5))
        await again.start()
        await again.apply(_promoted({"stable": third.address}, epoch=4, tag="three"))
        assert [await answered_by("stable", epoch) for epoch in (1, 3)] == ["stable", "cand"]

        async def after_the_grace_time() -> str:
            await again.observe()
            return await answered_by("stable", 1)

        await until(after_the_grace_time, lambda name: name == "third")
        await again.close()


async def test_a_request_on_its_way_through_a_graph_at_its_promotion_is_answered_by_one_variant(
    tmp_path: Path, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    async with an_envoy(tmp_path / "envoy", drain=3) as router, Relay("entry") as old, Relay("new entry") as new:
        await router.start()

        def table(versions: Mapping[str, tuple[Backend, Backend]], epoch: int, tag: str) -> dict[str, RouteTable]:
            backends = {
                variant: {"sentiment": entry.address, "ocr": reader.address}
                for variant, (entry, reader) in versions.items()
            }
            made = a_table(backends=backends, epoch=epoch)
            return {"desk": replace(made, tags={**made.tags, "stable": tag})}

        await router.apply(table({"stable": (old, stable), "next": (new, cand)}, 1, "one"))
        old.asks = new.asks = router.component_url("desk", "ocr")
        slow = asyncio.create_task(client.get(f"{router.entry_url('desk')}?wait=1"))
        await until(lambda: len(old.seen), lambda count: count == 1)
        await router.apply(table({"stable": (new, cand)}, 2, "two"))
        await until(lambda: client.get(f"{router.entry_url('desk')}"), lambda answer: answer.text == "new entry cand")
        old.go_on.set()
        assert (await slow).text == "entry stable"

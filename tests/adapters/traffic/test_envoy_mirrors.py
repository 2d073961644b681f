"""Copies never reach users: a candidate in a shadow that is slow, fails or is gone costs them nothing."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from releasectl.adapters.traffic.envoy import EnvoyRouter
from tests.backends import Backend
from tests.tables import NOWHERE, a_table

pytestmark = pytest.mark.envoy


class Slow(Backend):
    """Takes requests and answers none."""

    async def __aenter__(self) -> Backend:
        self._server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        return self


async def _asked(router: EnvoyRouter, client: httpx.AsyncClient, count: int = 60) -> tuple[set[int], float]:
    """Statuses, and the slowest answer in seconds."""
    statuses, slowest = set(), 0.0
    for _ in range(count):
        began = time.perf_counter()
        answer = await client.get(f"{router.entry_url('desk')}")
        slowest = max(slowest, time.perf_counter() - began)
        assert answer.headers["x-releasectl-variant"] == "stable"
        statuses.add(answer.status_code)
    return statuses, slowest


async def test_a_candidate_that_never_answers_slows_nobody(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    async with Slow("slow") as slow:
        at = {"stable": stable.address, "cand": slow.address}
        await router.apply({"desk": a_table(at=at, mirrors={"cand": 10_000})})
        statuses, slowest = await _asked(router, client)
    assert statuses == {200}
    # The copy has the route's 15 s; an answer that waited for it would take them.
    assert slowest < 3


async def test_candidates_that_fail_or_are_gone_break_no_answer(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    cand.status = 500
    at = {"stable": stable.address, "cand": cand.address, "gone": NOWHERE}
    await router.apply({"desk": a_table(at=at, mirrors={"cand": 10_000, "gone": 10_000})})
    statuses, slowest = await _asked(router, client)
    assert (statuses, slowest < 3) == ({200}, True)
    assert len(cand.seen) >= 50


async def test_a_slow_a_failing_and_a_dead_candidate_at_once_cost_users_nothing(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    cand.status = 503
    async with Slow("slow") as slow:
        at = {"stable": stable.address, "cand": cand.address, "slow": slow.address, "gone": NOWHERE}
        mirrors = {"cand": 10_000, "slow": 10_000, "gone": 10_000}
        await router.apply({"desk": a_table(at=at, mirrors=mirrors)})
        assert dict((await router.observe())["desk"].mirrors) == mirrors
        # At once, so that copies that wait would hold back connections of requests that follow.
        answers = await asyncio.gather(*(client.get(f"{router.entry_url('desk')}") for _ in range(100)))
    assert [answer.status_code for answer in answers] == [200] * 100
    assert {answer.headers["x-releasectl-variant"] for answer in answers} == {"stable"}
    assert len(cand.seen) >= 80

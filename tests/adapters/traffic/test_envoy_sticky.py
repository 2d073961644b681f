"""A unit stays with its variant, by header or by cookie, and moves only from stable to a candidate that grows."""

from __future__ import annotations

import httpx
import pytest

from releasectl.adapters.traffic.envoy import EnvoyRouter
from releasectl.domain.release import Sticky
from releasectl.ports import RouteTable
from tests.backends import Backend
from tests.tables import a_table

pytestmark = pytest.mark.envoy

UNITS = [f"user-{number}" for number in range(160)]


def _table(stable: Backend, cand: Backend, points: int, sticky: Sticky, release: str = "desk") -> RouteTable:
    at = {"stable": stable.address, "cand": cand.address}
    return a_table(release, at=at, shares={"stable": 10_000 - points, "cand": points}, sticky=sticky)


async def _placed(router: EnvoyRouter, client: httpx.AsyncClient, release: str = "desk") -> dict[str, str]:
    url = f"{router.entry_url(release)}"
    return {unit: (await client.get(url, headers={"x-user": unit})).headers["x-releasectl-variant"] for unit in UNITS}


async def test_growth_of_a_candidate_moves_units_from_stable_to_it_only(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    sticky = Sticky(header="x-user")
    on_trial: set[str] = set()
    for points in (500, 2_500, 5_000):
        await router.apply({"desk": _table(stable, cand, points, sticky)})
        placed = await _placed(router, client)
        now = {unit for unit, variant in placed.items() if variant == "cand"}
        assert on_trial <= now
        # Binomial with 160 units: five standard deviations to either side.
        expected = len(UNITS) * points / 10_000
        assert abs(len(now) - expected) < 5 * (expected * (1 - points / 10_000)) ** 0.5
        on_trial = now
    assert await _placed(router, client) == placed


async def test_units_on_trial_differ_from_release_to_release(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    sticky = Sticky(header="x-user")
    await router.apply({name: _table(stable, cand, 5_000, sticky, name) for name in ("desk", "other")})
    assert await _placed(router, client) != await _placed(router, client, "other")


async def test_a_cookie_is_given_once_and_keeps_its_bearer_where_the_first_request_went(
    router: EnvoyRouter, stable: Backend, cand: Backend
) -> None:
    await router.apply({"desk": _table(stable, cand, 5_000, Sticky(cookie="unit"))})
    met = set()
    # One connection for all: clients behind a proxy are still told apart.
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(30):
            client.cookies.clear()
            first = await client.get(f"{router.entry_url('desk')}")
            assert first.headers["set-cookie"].startswith("unit=")
            assert "Path=/desk;" in first.headers["set-cookie"]
            later = [await client.get(f"{router.entry_url('desk')}") for _ in range(4)]
            assert {answer.headers["x-releasectl-variant"] for answer in [first, *later]} == {
                first.headers["x-releasectl-variant"]
            }
            assert not any("set-cookie" in answer.headers for answer in later)
            met.add(first.headers["x-releasectl-variant"])
    assert met == {"stable", "cand"}


async def test_other_cookies_do_not_count_as_the_units(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    await router.apply({"desk": _table(stable, cand, 5_000, Sticky(cookie="unit"))})
    url = f"{router.entry_url('desk')}"
    for cookies, given in (("xunit=1", True), ("a=1; unit=", True), ("a=1; unit=7; b=2", False), ("unit=7", False)):
        answer = await client.get(url, headers={"cookie": cookies})
        assert ("set-cookie" in answer.headers) is given, cookies

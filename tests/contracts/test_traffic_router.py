"""What every traffic router keeps to; run on the one in memory and on a real Envoy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from releasectl.adapters.traffic.memory import MemoryRouter
from releasectl.ports import TrafficRouter
from tests.detached import an_envoy
from tests.tables import NOWHERE, a_table

THREE = dict.fromkeys(("stable", "cand", "rival"), NOWHERE)


@pytest.fixture(params=["memory", pytest.param("envoy", marks=pytest.mark.envoy)])
async def router(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TrafficRouter]:
    if request.param == "memory":
        yield MemoryRouter()
        return
    async with an_envoy(tmp_path / "envoy") as router:
        yield router


async def test_a_router_that_was_just_started_serves_nothing(router: TrafficRouter) -> None:
    await router.start()
    assert await router.observe() == {}
    assert router.entry_url("desk") is None


async def test_starting_twice_changes_nothing(router: TrafficRouter) -> None:
    await router.start()
    await router.apply({"desk": a_table(epoch=3)})
    await router.start()
    assert (await router.observe())["desk"].epoch == 3


async def test_what_is_applied_is_what_is_observed(router: TrafficRouter) -> None:
    await router.start()
    desk = a_table(at=THREE, shares={"stable": 9_998, "cand": 1, "rival": 1}, epoch=7)
    other = a_table("other", at=THREE, mirrors={"cand": 10_000, "rival": 0}, epoch=2)
    await router.apply({"desk": desk, "other": other})
    served = await router.observe()
    assert set(served) == {"desk", "other"}
    assert served["desk"].shares.same_as(desk.shares)
    assert (served["desk"].epoch, served["other"].epoch) == (7, 2)
    assert dict(served["other"].mirrors) == {"cand": 10_000}
    assert served["other"].shares.share("cand") == 0


async def test_the_last_tables_replace_all_before(router: TrafficRouter) -> None:
    await router.start()
    await router.apply({"desk": a_table(), "other": a_table("other")})
    await router.apply({"desk": a_table(shares={"cand": 10_000}, epoch=2)})
    served = await router.observe()
    assert set(served) == {"desk"}
    assert served["desk"].shares.share("cand") == 10_000
    await router.apply({})
    assert await router.observe() == {}


async def test_a_release_has_a_url_for_people_while_it_has_a_route(router: TrafficRouter) -> None:
    await router.start()
    await router.apply({"desk": a_table()})
    assert (router.entry_url("desk") or "").endswith("/desk/")
    await router.apply({})
    assert router.entry_url("desk") is None


async def test_components_find_each_other_before_any_route_exists(router: TrafficRouter) -> None:
    before = router.component_url("desk", "language-id")
    await router.start()
    await router.apply({"desk": a_table()})
    assert router.component_url("desk", "language-id") == before
    assert not before.endswith("/")

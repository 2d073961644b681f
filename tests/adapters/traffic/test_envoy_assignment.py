"""The router and ``releasectl.assign`` place every unit alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import pytest

import releasectl
from releasectl.adapters.traffic.envoy import EnvoyRouter
from releasectl.assignment import FORMAT
from releasectl.decide.assignments import first_assignment, reassigned
from releasectl.domain.assignment import Assignment
from releasectl.domain.base import format_time
from releasectl.domain.release import Sticky
from releasectl.ports import RouteTable
from tests.backends import Backend
from tests.tables import a_table
from tests.units import assigned_by_javascript, some_units

pytestmark = pytest.mark.envoy

NOW = datetime.now(UTC)
SHARES = (
    {"stable": 9_000, "cand": 1_000, "rival": 0},
    {"stable": 6_000, "cand": 1_500, "rival": 2_500},
    {"stable": 5_000, "cand": 4_000, "rival": 1_000},
)


def layouts() -> list[Assignment]:
    made, assignment = [], first_assignment("desk", "d0", "intent")
    for shares in SHARES:
        assignment = reassigned(assignment, shares)
        made.append(assignment)
    return made


def documented(assignment: Assignment) -> dict[str, object]:
    return {
        "format": FORMAT,
        "release": "desk",
        "salt": "desk",
        "key": assignment.key,
        "expires": format_time(NOW + timedelta(hours=1)),
        "segments": [one.model_dump() for one in assignment.in_order],
    }


def tables(backend: Backend, sticky: Sticky) -> list[RouteTable]:
    at = dict.fromkeys(("stable", "cand", "rival"), backend.address)
    return [
        a_table(at=at, shares=shares, assignment=assignment, sticky=sticky, epoch=epoch)
        for epoch, (shares, assignment) in enumerate(zip(SHARES, layouts(), strict=True), start=1)
    ]


async def routed(
    router: EnvoyRouter, client: httpx.AsyncClient, units: Sequence[str], header: str = "x-user", before: str = ""
) -> list[str]:
    """The variant that each unit's answer names, some requests at a time."""
    turns = asyncio.Semaphore(32)

    async def ask(unit: str) -> str:
        async with turns:
            answer = await client.get(f"{router.entry_url('desk')}", headers={header: (before + unit).encode()})
            return answer.headers["x-releasectl-variant"]

    return await asyncio.gather(*(ask(unit) for unit in units))


@pytest.mark.slow
async def test_router_python_and_javascript_agree_while_shares_of_three_move(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    units = some_units(1_000)
    for table in tables(stable, Sticky(header="X-User")):
        assert table.assignment is not None
        document = documented(table.assignment)
        await router.apply({"desk": table})
        placed = await routed(router, client, units)
        assert placed == [releasectl.assign(unit, document) for unit in units]
        assert placed == assigned_by_javascript(units, document, NOW.timestamp())
        assert (await router.observe())["desk"].shares.same_as(table.shares)


async def test_a_cookies_value_is_the_unit_wherever_it_stands(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    table = tables(stable, Sticky(cookie="unit"))[1]
    assert table.assignment is not None
    await router.apply({"desk": table})
    units = [quote(unit) for unit in some_units(200)]
    wanted = [releasectl.assign(unit, documented(table.assignment)) for unit in units]
    assert await routed(router, client, units, "cookie", "unit=") == wanted
    assert await routed(router, client, units, "cookie", "xunit=1; a=b=c; unit=") == wanted


async def test_who_does_not_say_who_they_are_is_placed_at_random(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    await router.apply({"desk": tables(stable, Sticky(header="x-user"))[2]})
    met = await routed(router, client, ["1"] * 200, "x-other")
    empty = await routed(router, client, [""] * 50)
    # 80 of 200 expected for the candidate, standard deviation 6.9.
    assert 40 < met.count("cand") < 120
    assert len(set(empty)) > 1


async def test_nobody_chooses_a_place_and_nobody_is_shown_one(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    table = tables(stable, Sticky(header="x-user"))[2]
    await router.apply({"desk": table})
    answers = [
        await client.get(f"{router.entry_url('desk')}", headers={"x-releasectl-place": str(place), "x-user": "u"})
        for place in range(0, 10_000, 500)
    ]
    assert len({answer.headers["x-releasectl-variant"] for answer in answers}) == 1
    assert not any("x-releasectl-place" in seen.headers for seen in stable.seen)
    share = table.shares.share(answers[0].headers["x-releasectl-variant"]) / 10_000
    assert {seen.headers["x-releasectl-propensity"] for seen in stable.seen} == {f"{share:.4f}"}


async def test_units_stay_when_the_router_starts_again(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    units = some_units(200)
    table = tables(stable, Sticky(header="x-user"))[2]
    await router.apply({"desk": table})
    before = await routed(router, client, units)
    await router.stop()
    await router.start()
    assert await routed(router, client, units) == before

"""What the router costs: ``python -m tests.bench.traffic``. Prints a table; starts and ends an Envoy of its own.

Client and backend share one Python process, so requests a second say what the client can do at least.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import httpx

from releasectl.adapters.traffic.envoy import EnvoyRouter
from releasectl.ports import Address, RouteTable
from tests.backends import Backend, count_variants
from tests.tables import a_table

RELEASES = 1_000
REQUESTS = 20_000


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        router = EnvoyRouter(Path(directory), port=0)
        try:
            async with Backend("one", terse=True) as one, Backend("two", terse=True) as two:
                for name, value in await _measure(router, one.address, two.address):
                    print(f"{name:<58}{value:>12}")
        finally:
            await router.stop()
            await router.close()


async def _measure(router: EnvoyRouter, one: Address, two: Address) -> list[tuple[str, str]]:
    at = {"stable": one, "cand": two}
    rows = [("start Envoy", _ms(await _timed(router.start)))]
    effects = [await _effect(router, at, epoch) for epoch in range(1, 21)]
    rows.append(("apply() of one release, median of 20", _ms(median(applied for applied, _ in effects))))
    rows.append(
        ("from apply() called to an answer by the new variant, median", _ms(median(seen for _, seen in effects)))
    )
    rows.append(("the same, worst of 20", _ms(max(seen for _, seen in effects))))
    began = time.perf_counter()
    await count_variants(router.port, "/desk/", REQUESTS)
    rows.append(
        (f"requests a second, {REQUESTS:,} over 32 connections", f"{REQUESTS / (time.perf_counter() - began):,.0f}")
    )

    many = {f"release-{n}": a_table(f"release-{n}", at=at) for n in range(RELEASES)}
    rows.append(
        (f"apply() of {RELEASES:,} new releases of two variants", _ms(await _timed(lambda: router.apply(many))))
    )
    rows.append(("apply() again, nothing changed", _ms(await _timed(lambda: router.apply(dict(many))))))
    changed: dict[str, RouteTable] = many | {
        "release-7": a_table("release-7", at=at, shares={"stable": 9_000, "cand": 1_000}, epoch=2)
    }
    rows.append(
        (f"apply() with the shares of one of {RELEASES:,} changed", _ms(await _timed(lambda: router.apply(changed))))
    )
    rows.append(("observe() after a change", _ms(await _timed(router.observe))))
    rows.append(("observe() without a change", _ms(await _timed(router.observe))))
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        scrape = f"{router.admin_url}/stats/prometheus"
        rows.append(("one scrape of its statistics", _ms(await _timed(lambda: client.get(scrape)))))
    began = time.perf_counter()
    await count_variants(router.port, f"/release-{RELEASES - 1}/", REQUESTS)
    rows.append((f"requests a second to one of {RELEASES:,}", f"{REQUESTS / (time.perf_counter() - began):,.0f}"))
    return rows


async def _effect(router: EnvoyRouter, at: dict[str, Address], epoch: int) -> tuple[float, float]:
    """Move everything to the other variant; seconds until apply() returned and until an answer shows it."""
    to = "cand" if epoch % 2 else "stable"
    table = a_table(at=at, shares={to: 10_000}, epoch=epoch)
    began = time.perf_counter()
    await router.apply({"desk": table})
    applied = time.perf_counter() - began
    while not (await count_variants(router.port, "/desk/", 1))[to]:
        pass
    return applied, time.perf_counter() - began


async def _timed(call: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


if __name__ == "__main__":
    asyncio.run(main())

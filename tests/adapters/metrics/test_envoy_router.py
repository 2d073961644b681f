"""The router's own Envoy: what it counts is read as it is served."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from releasectl.adapters.metrics.envoy import EnvoySource
from releasectl.adapters.traffic.envoy import EnvoyRouter
from releasectl.domain.decision import Allocation
from releasectl.domain.metric import BUILT_IN
from releasectl.domain.release import Route
from releasectl.ports import Address, RouteTable
from tests.adapters.metrics.real_envoy import a_backend, free_port

pytestmark = pytest.mark.envoy


async def test_shares_count_for_their_variant_and_mirrored_copies_for_none(tmp_path: Path) -> None:
    router = EnvoyRouter(tmp_path, port=0)
    with a_backend() as backend:
        serving, dead = Address("127.0.0.1", backend), Address("127.0.0.1", free_port())
        table = RouteTable(
            release="desk",
            epoch=1,
            route=Route(),
            entry="sentiment",
            shares=Allocation(shares={"stable": 7_000, "tiny": 3_000}),
            backends={
                "stable": {"sentiment": serving},
                "tiny": {"sentiment": dead},
                "watched": {"sentiment": serving},
            },
            tags={"stable": "aaaa", "tiny": "bbbb", "watched": "cccc"},
            mirrors={"watched": 10_000},
        )
        try:
            await router.apply({"desk": table})
            source = EnvoySource(lambda: router.admin_url, {"desk": "sentiment"}.get)
            metrics = [BUILT_IN["error-rate"], BUILT_IN["slow-requests"]]
            cursors: dict[str, Any] = {}

            async def read() -> dict[str, dict[tuple[str, str | None], tuple[int, int]]]:
                readings = await source.read(metrics, cursors, datetime.now(UTC))
                cursors.update({name: reading.cursor for name, reading in readings.items()})
                return {
                    name: {
                        (each.variant, each.tag): (each.counts.trials, each.counts.events)
                        for each in reading.increments
                    }
                    for name, reading in readings.items()
                }

            await read()
            async with httpx.AsyncClient() as client:
                answers = [await client.get(f"http://127.0.0.1:{router.port}/desk/") for _ in range(60)]
            refused = sum(answer.status_code == 503 for answer in answers)
            assert 0 < refused < 60
            counted = await read()
            await source.aclose()
            assert counted["error-rate"] == {
                ("stable", "aaaa"): (60 - refused, 0),
                ("tiny", "bbbb"): (refused, refused),
            }
        finally:
            await router.stop()
            await router.close()

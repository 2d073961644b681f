"""A router that only remembers: for dry runs and tests of what stands on ``TrafficRouter``."""

from __future__ import annotations

from collections.abc import Mapping

from releasectl.errors import Unavailable
from releasectl.ports import RouteTable, Served


class MemoryRouter:
    """``ports.TrafficRouter`` without a data plane.

    ``tables`` is what it serves, ``writes`` counts the changes. While ``broken`` is true it answers nothing;
    while ``deaf`` it accepts every change and serves none of it, as some routers do.
    """

    def __init__(self) -> None:
        self.tables: dict[str, RouteTable] = {}
        self.writes = 0
        self.broken = False
        self.deaf = False

    async def start(self) -> None:
        self._answer()

    async def apply(self, tables: Mapping[str, RouteTable]) -> None:
        self._answer()
        if self.tables != tables and not self.deaf:
            self.tables = dict(tables)
            self.writes += 1

    async def observe(self) -> Mapping[str, Served]:
        self._answer()
        return {
            release: Served(
                shares=table.shares,
                epoch=table.epoch,
                mirrors={variant: points for variant, points in table.mirrors.items() if points},
            )
            for release, table in self.tables.items()
        }

    def entry_url(self, release: str) -> str | None:
        return f"http://router.invalid/{release}/" if release in self.tables else None

    def component_url(self, release: str, component: str) -> str:
        return f"http://inner.invalid/{release}/{component}"

    def _answer(self) -> None:
        if self.broken:
            raise Unavailable("the router in memory is broken on purpose")

"""C11: up, a variant's hops are in force before its share; down, its share goes first, its hops after a grace time.

What Envoy watches are files, so their writes are the effects; a controller may die at each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from releasectl.adapters.traffic import envoy_files
from releasectl.adapters.traffic.envoy import EnvoyRouter
from releasectl.ports import RouteTable
from tests.detached import an_envoy, until
from tests.relay import Relay
from tests.scenarios.killing import Killed
from tests.tables import a_table

pytestmark = pytest.mark.envoy

DRAIN = timedelta(seconds=0.5)


class Disk:
    """Writes of the watched files, by what they hold; the one at ``dies_at`` kills, before or after it is made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: list[str] = []
        self.dies_at: int | None = None
        self.after = False
        write = envoy_files.disk.replace

        def replaced(path: Path, content: bytes) -> None:
            if self.dies_at == len(self.written) and not self.after:
                raise Killed
            write(path, content)
            self.written.append(path.stem)
            if self.dies_at == len(self.written) - 1 and self.after:
                raise Killed

        monkeypatch.setattr(envoy_files.disk, "replace", replaced)

    def begin(self, dies_at: int | None = None, *, after: bool = False) -> None:
        self.written, self.dies_at, self.after = [], dies_at, after


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


class Graph:
    """Two versions of an entry that asks ``ocr``, and the tables of a trial of both at once."""

    def __init__(self, relays: Mapping[str, Relay]) -> None:
        self._relays = relays
        self.answers: list[tuple[int, str]] = []

    def table(self, epoch: int, *, share: int | None) -> dict[str, RouteTable]:
        """``share`` of the candidate in basis points; None: it is gone."""
        versions = {"stable": "1"} if share is None else {"stable": "1", "next": "2"}
        backends = {
            variant: {name: self._relays[f"{name} {version}"].address for name in ("sentiment", "ocr")}
            for variant, version in versions.items()
        }
        shares = {"stable": 10_000 - (share or 0)} | ({} if share is None else {"next": share})
        table = a_table(backends=backends, shares=shares, epoch=epoch)
        return {"desk": replace(table, tags={"stable": "one", "next": "two"})}

    def connect(self, router: EnvoyRouter) -> None:
        for version in ("1", "2"):
            self._relays[f"sentiment {version}"].asks = router.component_url("desk", "ocr")

    @asynccontextmanager
    async def users(self, url: str) -> AsyncIterator[None]:
        """Requests all the time; afterwards every one was answered, and by one variant from end to end."""
        over = asyncio.Event()

        async def ask(client: httpx.AsyncClient) -> None:
            while not over.is_set():
                answer = await client.get(url)
                self.answers.append((answer.status_code, answer.text))

        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            asking = [asyncio.create_task(ask(client)) for _ in range(4)]
            try:
                yield
            finally:
                over.set()
                await asyncio.gather(*asking)


@pytest.fixture
async def graph() -> AsyncIterator[Graph]:
    relays = {
        f"{name} {version}": Relay(f"{name}-{version}") for name in ("sentiment", "ocr") for version in ("1", "2")
    }
    for relay in relays.values():
        await relay.__aenter__()
    yield Graph(relays)
    for relay in relays.values():
        await relay.__aexit__()


def _kinds(written: Sequence[str]) -> list[str]:
    return [next(kind for kind in ("clusters", "inner", "entry") if kind in stem) for stem in written]


async def test_c11_up_hops_before_the_share_and_down_the_share_before_the_hops(
    tmp_path: Path, disk: Disk, graph: Graph
) -> None:
    async with an_envoy(tmp_path / "envoy", drain=DRAIN.total_seconds()) as router:
        await router.start()
        await router.apply(graph.table(1, share=None))
        disk.begin()
        await router.apply(graph.table(2, share=5_000))
        assert _kinds(disk.written) == ["clusters", "inner", "entry"]
        disk.begin()
        await router.apply(graph.table(3, share=None))
        assert _kinds(disk.written) == ["entry"]
        # The share is seen to be gone before any hop is.
        assert (await router.observe())["desk"].shares.share("next") == 0

        async def swept() -> list[str]:
            await router.observe()
            return _kinds(disk.written)

        await until(swept, lambda written: len(written) == 3)
        assert await swept() == ["entry", "inner", "clusters"]


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before it is made", "once it is made"])
async def test_c11_a_controller_that_dies_between_two_effects_costs_no_request_and_mixes_no_variants(
    tmp_path: Path, disk: Disk, graph: Graph, after: bool
) -> None:
    """Whoever comes after finds Envoy as the dead one left it, and brings it to the same end."""
    async with an_envoy(tmp_path / "envoy", drain=DRAIN.total_seconds()) as first:
        await first.start()
        await first.apply(graph.table(1, share=None))
        graph.connect(first)
        await until(first.observe, lambda served: served["desk"].epoch == 1)
        url, epoch = str(first.entry_url("desk")), 1
        async with graph.users(url):
            for share in (5_000, None):
                for effect in range(3):
                    epoch += 1
                    disk.begin(effect, after=after)
                    router = EnvoyRouter(tmp_path / "envoy", port=0, drain=DRAIN)
                    await router.start()
                    try:
                        await router.apply(graph.table(epoch, share=share))
                        await asyncio.sleep(DRAIN.total_seconds())
                        await router.observe()
                    except Killed:
                        pass
                    await router.close()
                    disk.begin()
                    successor = EnvoyRouter(tmp_path / "envoy", port=0, drain=DRAIN)
                    await successor.start()
                    await successor.apply(graph.table(epoch, share=share))
                    assert (await successor.observe())["desk"].shares.share("next") == (share or 0)
                    if effect < 2:
                        # Back, so that the next effect of the same change can be died at.
                        epoch += 1
                        await successor.apply(graph.table(epoch, share=None if share else 5_000))
                        await asyncio.sleep(DRAIN.total_seconds())
                        await successor.observe()
                    await successor.close()
        found = set(graph.answers)
    assert found == {(200, "sentiment-1 ocr-1"), (200, "sentiment-2 ocr-2")}

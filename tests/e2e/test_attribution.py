"""A graph of three components behind a real Envoy: harm at the entry is traced to the component that it comes from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from releasectl.adapters.metrics.envoy import EnvoySource
from releasectl.adapters.traffic.envoy import EnvoyRouter
from releasectl.cli.main import cli
from releasectl.controller.passes import Report
from tests.detached import an_envoy
from tests.relay import Relay
from tests.scenarios.world import World

pytestmark = [pytest.mark.slow, pytest.mark.envoy]

ASKED_A_PASS = 60
AT_ONCE = 20


class EnvoyWorld(World):
    """A world whose requests go through an Envoy; git and SQLite are real as ever, only time is the test's."""

    def __init__(self, folder: Path, router: EnvoyRouter, **wanted: Any) -> None:
        super().__init__(folder, **wanted)
        self.envoy = router
        self.counters = EnvoySource(lambda: router.admin_url, {"shop": "sentiment"}.get)
        self.sources = [self.counters]
        self.wrap = lambda kind, port: router if kind == "router" else port
        self.restart()

    async def run_pass(self) -> Report:
        return await self.controller.run_pass()

    async def ask_and_pass(self, client: httpx.AsyncClient) -> None:
        """Users' requests, then a pass a second later."""
        url = self.envoy.entry_url("shop")
        for _ in range(ASKED_A_PASS // AT_ONCE if url else 0):
            await asyncio.gather(*(client.get(str(url)) for _ in range(AT_ONCE)))
        self.clock.at += timedelta(seconds=1)
        await self.run_pass()


class Desk:
    """Two versions of each component: ``sentiment`` asks ``translation``, which asks ``ocr``."""

    def __init__(self) -> None:
        self.versions = {
            f"{name} {version}": Relay(f"{name}-{version}")
            for name in ("ocr", "translation", "sentiment")
            for version in ("1", "2")
        }

    def manifest(self, candidate: str) -> str:
        components = []
        for name, after in (("ocr", ""), ("translation", "ocr"), ("sentiment", "translation")):
            listed = ", ".join(
                f'{{name: "{version}", address: "127.0.0.1:{self.versions[f"{name} {version}"].address.port}"}}'
                for version in ("1", "2")
            )
            components.append(f"    - {{name: {name}, after: [{after}], versions: [{listed}]}}\n")
        return (
            "apiVersion: releasectl.dev/v1alpha1\nkind: Release\nmetadata: {name: NAME}\nspec:\n  environment: local\n"
            f"  components:\n{''.join(components)}"
            '  stable: {ocr: "1", translation: "1", sentiment: "1"}\n'
            f"  candidates: [{{name: next, versions: {{{candidate}}}}}]\n"
            "  strategy: [{type: canary, steps: [50], interval: 5m}]\n  policy: careful\n"
        )

    def connect(self, router: EnvoyRouter) -> None:
        """Each asks the next one through the inner hop."""
        for name, relay in self.versions.items():
            asks = {"translation": "ocr", "sentiment": "translation"}.get(name.split()[0])
            relay.asks = router.component_url("shop", asks) if asks else ""


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    async with AsyncExitStack() as stack:
        for relay in made.versions.values():
            await stack.enter_async_context(relay)
        yield made


CASES = [
    ('translation: "2"', "translation 2", "it begins in translation 2: by itself 3", "the one that changed"),
    ('ocr: "2", translation: "2"', "translation 2", "it begins in translation 2: by itself 3", "one of two"),
    ('ocr: "2"', "ocr 2", "it begins in ocr 2: by itself 3", "the deepest"),
]


@pytest.mark.parametrize(("candidate", "failing", "says", "_id"), CASES, ids=[case[3] for case in CASES])
async def test_a_rollback_names_the_component_that_fails_by_itself(
    tmp_path: Path, desk: Desk, candidate: str, failing: str, says: str, _id: str
) -> None:
    desk.versions[failing].fails_every = 3
    async with an_envoy(tmp_path / "envoy") as router, httpx.AsyncClient(trust_env=False, timeout=20) as client:
        world = EnvoyWorld(tmp_path / "world", router, template=desk.manifest(candidate))
        try:
            desk.connect(router)
            for _ in range(40):
                if world.reasons()[-1:] == ["ROLLBACK GuardrailBreached"]:
                    break
                await world.ask_and_pass(client)
            assert world.reasons()[-1:] == ["ROLLBACK GuardrailBreached"]
            message = world.records()[-1]["decision"]["message"]
            assert says in message
            (row,) = [row for row in world.records()[-1]["decision"]["evidence"] if row["state"] == "bad"]
            found = {one["component"]: one for one in row["attribution"]["movements"]}
            # Each request of the candidate asked every component once, as far as those above it let it through.
            assert found["sentiment"]["triedTrials"] >= found["translation"]["triedTrials"]
            assert found["sentiment"]["triedBad"] == 0
            assert row["attribution"]["component"] == failing.split(maxsplit=1)[0]
            place = ["-R", str(world.origin), "--state", str(tmp_path / "reader")]
            done = CliRunner().invoke(cli, ["replay", *place], standalone_mode=False)
            assert done.return_value == 0, done.output
            told = CliRunner().invoke(cli, ["explain", "shop", *place], standalone_mode=False, catch_exceptions=False)
            assert "by itself, without the failures that it passed on:" in told.output
            assert f"      {failing}: {found[failing.split(maxsplit=1)[0]]['triedBad']} of " in told.output
        finally:
            await world.counters.aclose()
            world.close()

"""C21 as it happens: `kill -9` on a controller with a real Envoy and real processes, again and again."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stage import Stage, Users, a_stage, served

pytestmark = [pytest.mark.envoy, pytest.mark.slow, pytest.mark.timeout(600)]

TO_THE_END = ["ADVANCE Adopted", "ADVANCE CandidateStarted", "ADVANCE StepPassed", "PROMOTE EvidenceSufficient"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with a_stage(tmp_path) as stage:
        stage.manifest = stage.manifest.replace("interval: 60s", "interval: 3s")
        stage.commit({"releases/shop.yaml": stage.manifest}, "Hurry")
        yield stage


def rows(stage: Stage) -> list[dict[str, str]]:
    """Decisions, oldest first."""
    told: list[dict[str, str]] = json.loads(stage.call("history", "-o", "json", "-n", "0").stdout)
    return told[::-1]


@pytest.mark.parametrize("seed", [1])
async def test_c21_a_controller_killed_at_random_moments_promotes_all_the_same(stage: Stage, seed: int) -> None:
    chance = random.Random(seed)
    stage.run()
    url = await stage.serving()
    await asyncio.to_thread(stage.propose)
    kills = 0
    async with Users(url, per_second=100) as users:
        for _ in range(60):
            await asyncio.sleep(chance.uniform(0.3, 12.0))
            if any(row["action"] == "PROMOTE" for row in await asyncio.to_thread(rows, stage)):
                break
            stage.controllers[-1].kill()
            await asyncio.to_thread(stage.controllers[-1].wait)
            kills += 1
            stage.run()
        shop = await stage.shop_when(
            lambda shop: (shop.get("last") or {}).get("action") == "PROMOTE" and served(shop, "stable") == 10_000
        )
    assert kills >= 3, "it was over before it could be killed"
    assert users.lost == [], "a request was broken by the death of a controller"
    assert set(users.statuses) == {"stable", "next"}
    assert shop["variants"][0]["versions"] == {"app": "2"}
    decided = await asyncio.to_thread(rows, stage)
    assert [f"{row['action']} {row['reason']}" for row in decided] == TO_THE_END
    manifest = stage.git("show", "main:releases/shop.yaml", cwd=stage.origin)
    assert 'stable: {app: "2"}   # what serves now' in manifest
    assert "candidates" not in manifest
    stage.git("fsck", "--strict", "--no-dangling", cwd=stage.origin)

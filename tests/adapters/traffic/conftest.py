"""A running Envoy, two backends and a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from releasectl.adapters.traffic.envoy import EnvoyRouter
from tests.backends import Backend
from tests.detached import an_envoy


@pytest.fixture
async def router(tmp_path: Path) -> AsyncIterator[EnvoyRouter]:
    async with an_envoy(tmp_path / "envoy") as router:
        await router.start()
        yield router


@pytest.fixture
async def stable() -> AsyncIterator[Backend]:
    async with Backend("stable") as backend:
        yield backend


@pytest.fixture
async def cand() -> AsyncIterator[Backend]:
    async with Backend("cand") as backend:
        yield backend


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        yield client

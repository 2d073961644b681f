"""What the tests of metric sources share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.metrics.real_envoy import Envoy, an_envoy


@pytest.fixture
def envoy(tmp_path: Path) -> Iterator[Envoy]:
    with an_envoy(tmp_path) as envoy:
        yield envoy

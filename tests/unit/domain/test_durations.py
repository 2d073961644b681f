"""Durations that must not be 0: a controller that never rests, an approval that never counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from releasectl.domain.environment import EnvironmentSpec
from releasectl.domain.strategy import Approval, Bandit


@pytest.mark.parametrize(
    "made",
    [
        lambda span: EnvironmentSpec(interval=span),
        lambda span: Approval(type="approval", expires=span),
        lambda span: Bandit(type="bandit", objective="click", half_life=span),
    ],
    ids=["time between looks", "time for which an approval counts", "time after which an outcome counts half"],
)
def test_no_time_at_all_is_refused(made: Callable[[timedelta], Any]) -> None:
    assert made(timedelta(milliseconds=1))
    with pytest.raises(ValueError, match="longer than 0s"):
        made(timedelta(0))

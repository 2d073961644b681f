"""What a strategy may come to."""

from __future__ import annotations

import pytest

from releasectl.decide.turns import largest_share
from releasectl.domain.release import Release
from releasectl.manifests.load import load_one
from tests.scenarios.world import RELEASE


@pytest.mark.parametrize(
    ("stages", "share"),
    [
        ("{type: canary, steps: [1, 5, 25]}", 25),
        ("{type: canary, steps: [1, 5]}, {type: ab, share: 40}", 40),
        ("{type: canary, steps: [1, 5]}, {type: approval}", 5),
        ("{type: bandit, objective: bought, floor: 2}", 98),
        ("{type: bandit, objective: bought, control: 30}", 70),
    ],
)
def test_the_largest_share_is_that_of_the_most_generous_stage(stages: str, share: float) -> None:
    text = RELEASE.replace("NAME", "shop").replace("{type: canary, steps: [10, 50], interval: 10s}", stages)
    release = load_one("r.yaml", text.encode())
    assert isinstance(release, Release)
    assert largest_share(release) == share

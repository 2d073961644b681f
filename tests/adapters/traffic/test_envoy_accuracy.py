"""The shares that requests really get, against those declared."""

from __future__ import annotations

import pytest

from releasectl.adapters.traffic.envoy import EnvoyRouter
from tests.backends import Backend, count_variants
from tests.tables import a_table

pytestmark = [pytest.mark.envoy, pytest.mark.slow]

REQUESTS = 100_000


@pytest.mark.parametrize(
    "shares",
    [
        {"stable": 8_333, "cand": 1_667},
        {"stable": 9_999, "cand": 1},
        {"stable": 3_334, "cand": 3_333, "rival": 3_333},
    ],
    ids=["83.33 to 16.67", "99.99 to 0.01", "thirds"],
)
async def test_over_100000_requests_the_observed_shares_fit_the_declared_ones(
    router: EnvoyRouter, shares: dict[str, int]
) -> None:
    from scipy.special import chdtrc

    async with Backend("any", terse=True) as backend:
        at = dict.fromkeys(shares, backend.address)
        await router.apply({"desk": a_table(at=at, shares=shares)})
        counts = await count_variants(router.port, "/desk/", REQUESTS)
    assert sum(counts.values()) == REQUESTS
    expected = {variant: REQUESTS * share / 10_000 for variant, share in shares.items()}
    statistic = sum((counts[variant] - mean) ** 2 / mean for variant, mean in expected.items())
    assert chdtrc(len(shares) - 1, statistic) > 0.001, dict(counts)

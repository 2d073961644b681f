"""The interval for paired yes/no answers covers, at every look, and finds what is there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasectl.stats.betting import betting_cs
from releasectl.stats.paired import FRACTIONS, mean_interval, paired_interval, paired_log_e


def test_the_capital_is_that_of_betting_pair_by_pair() -> None:
    differences, mean = [1, 0, -1, 1, 0, 0], 0.1
    capital = math.fsum(math.prod(1 + f / (1 + mean) * (d - mean) for d in differences) for f in FRACTIONS) / len(
        FRACTIONS
    )
    found = paired_log_e(up=2, down=1, pairs=6, mean=mean)
    assert float(found) == pytest.approx(math.log(capital), rel=1e-12)


@given(
    up=st.integers(0, 200), down=st.integers(0, 200), rest=st.integers(0, 2000), one=st.floats(-0.9, 0.9),
    more=st.floats(0, 0.09),
)  # fmt: skip
def test_evidence_against_a_mean_is_at_least_that_against_a_larger_one(up, down, rest, one, more) -> None:
    pairs = up + down + rest
    small, large = (float(paired_log_e(up=up, down=down, pairs=pairs, mean=m)) for m in (one, one + more))
    assert small >= large - 1e-9


def test_exchanging_the_two_turns_the_interval_round() -> None:
    low, high = paired_interval(up=30, down=10, pairs=500)
    turned = paired_interval(up=10, down=30, pairs=500)
    assert turned.tolist() == [-high, -low]
    assert low < (30 - 10) / 500 < high


def test_without_pairs_everything_is_possible() -> None:
    assert paired_interval(up=0, down=0, pairs=0).tolist() == [-1, 1]
    assert mean_interval(total=0, squares=0, count=0).tolist() == [-math.inf, math.inf]


def test_it_is_about_as_narrow_as_bets_that_follow_the_data() -> None:
    rng = np.random.default_rng(11)
    d = rng.choice([-1, 0, 1], size=2000, p=[0.02, 0.95, 0.03])
    ours = paired_interval(up=(d > 0).sum(), down=(d < 0).sum(), pairs=d.size)
    theirs = betting_cs(x=(d + 1) / 2, running_intersection=False)
    width = 2 * (theirs.upper[-1] - theirs.lower[-1])
    assert ours[1] - ours[0] < 1.15 * width


@pytest.mark.parametrize("p", [(0.01, 0.01), (0.002, 0.03), (0.2, 0.1)])
def test_it_covers_at_all_of_200_looks_together(p: tuple[float, float]) -> None:
    runs, looks, each = 1000, 200, 25
    rng = np.random.default_rng([7, round(1000 * p[0])])
    counts = rng.multinomial(each, [*p, 1 - sum(p)], size=(runs, looks)).cumsum(axis=1)
    pairs = counts.sum(axis=-1)
    # The interval gives up the true mean when one of the two capitals reaches 2/alpha.
    mean, need = p[0] - p[1], math.log(2 / 0.05)
    over = paired_log_e(up=counts[..., 0], down=counts[..., 1], pairs=pairs, mean=mean) >= need
    under = paired_log_e(up=counts[..., 1], down=counts[..., 0], pairs=pairs, mean=-mean) >= need
    missed = float((over | under).any(axis=1).mean())
    assert missed <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_the_interval_of_a_mean_covers_at_all_looks_together() -> None:
    runs, looks, each = 1000, 100, 20
    values = np.random.default_rng(5).exponential(2.0, size=(runs, looks, each))
    total, squares = values.sum(-1).cumsum(1), (values**2).sum(-1).cumsum(1)
    count = each * np.arange(1, looks + 1)
    limits = mean_interval(total=total, squares=squares, count=count, n_opt=500)
    # Asymptotic: the first look has 20 skewed numbers, so looks from 100 numbers on are held to it.
    inside = ((limits[..., 0] <= 2.0) & (limits[..., 1] >= 2.0))[:, 4:]
    assert 1 - inside.all(axis=1).mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)

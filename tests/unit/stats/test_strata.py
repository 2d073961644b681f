"""A stratified mean is unbiased, and its limits hold even where samples are small and one-sided."""

from __future__ import annotations

import math

import numpy as np
import pytest

from releasectl.stats.strata import stratified_mean


def test_a_small_one_worked_out_by_hand() -> None:
    found = stratified_mean(weights=[0.2, 0.1], samples=[[1, 1], [-1]])
    assert found.mean == pytest.approx(0.1)
    # With one of either bound besides: 1, 1, 1, -1 has variance 1; -1, 1, -1 has 4/3.
    assert found.se == pytest.approx(math.sqrt(0.04 * 1 / 2 + 0.01 * (4 / 3) / 1))


def test_without_samples_nothing_is_claimed() -> None:
    assert math.isnan(stratified_mean(weights=[0.3], samples=[[]]).lower)


def test_limits_hold_in_small_samples() -> None:
    weights, right, runs = (0.07, 0.02, 0.01), (0.7, 0.2, 0.0), 2000
    rng = np.random.default_rng(4)
    truth = sum(w * (2 * p - 1) for w, p in zip(weights, right, strict=True))
    found = [
        stratified_mean(weights=weights, samples=[(2.0 * (rng.random(8) < p) - 1).tolist() for p in right])
        for _ in range(runs)
    ]
    means = np.array([one.mean for one in found])
    assert means.mean() == pytest.approx(truth, abs=3.5 * means.std() / math.sqrt(runs))
    held = np.mean([one.lower <= truth <= one.upper for one in found])
    assert held >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / runs)

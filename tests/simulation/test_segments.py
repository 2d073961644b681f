"""Groups of users: twenty of them are looked at a hundred times each, and a harmless candidate stays all the same.

The groups are of unequal size, as languages are, and get their places when they have their samples. The tolerance is
three standard errors of the share of runs.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from releasectl import stats
from releasectl.domain.metric import BUILT_IN
from releasectl.domain.policy import PolicySpec
from releasectl.evaluate.comparison import Comparison
from releasectl.evaluate.guardrails import alphas, guardrail_comparison
from releasectl.evaluate.segments import segmented
from tests.builders import a_policy

pytestmark = [pytest.mark.slow, pytest.mark.simulation]

RUNS, LOOKS, GROUPS = 300, 100, 20
SIZES = np.array([600 / (1 + rank) for rank in range(GROUPS)])
"""Requests of each group at a look, a quarter of them the candidate's."""
SMALL = 9
"""The group that is harmed where one is: 60 of about 2,160 requests a look."""
RATE = 0.02


@pytest.fixture(scope="module")
def spec() -> PolicySpec:
    segments = {"by": "language", "minSamples": 200, "most": GROUPS}
    # A margin of nearly nothing: false alarms are most likely at the edge of what is accepted.
    return a_policy(guardrails=[{"metric": "error-rate", "margin": {"points": 0.01}, "segments": segments}]).spec


def rejected(spec: PolicySpec, harm: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first look at which the whole showed harm, and that at which a group did, run by run; 0 for never."""
    guardrail, metric = spec.guardrails[0], BUILT_IN["error-rate"]
    whole, groups = guardrail_comparison(spec, guardrail, metric, "next"), segmented(spec, guardrail, metric, "next")
    assert isinstance(whole, Comparison)
    assert groups is not None
    assert isinstance(groups.comparison, Comparison)
    rng = np.random.default_rng([20261125, seed])
    worse = np.full(GROUPS, RATE)
    worse[SMALL] += harm
    of_whole, of_groups = whole.fresh_arrays((RUNS,)), groups.comparison.fresh_arrays((RUNS, GROUPS))
    trials = np.zeros((2, RUNS, GROUPS))
    whole_first, first = np.zeros(RUNS, dtype=np.int64), np.zeros(RUNS, dtype=np.int64)
    for look in range(1, LOOKS + 1):
        n_b = rng.poisson(SIZES * 3 / 4, (RUNS, GROUPS))
        n_c = rng.poisson(SIZES / 4, (RUNS, GROUPS))
        x_b, x_c = rng.binomial(n_b, RATE), rng.binomial(n_c, worse)
        trials += np.stack([n_b, n_c])
        counted = [x_b, n_b, x_c, n_c]
        of_groups = groups.comparison.fold_arrays(of_groups, _ticks(*counted))
        of_whole = whole.fold_arrays(of_whole, _ticks(*(one.sum(axis=-1) for one in counted)))
        whole_first[(whole_first == 0) & (of_whole.peak >= math.log(1 / whole.alpha))] = look
        ready = (trials >= 200).all(axis=0)
        log_e = np.where(ready, of_groups.log_e, -math.inf)
        for run in np.flatnonzero(first == 0):
            if stats.e_bh_log(log_e=log_e[run], alpha=groups.comparison.alpha).size:
                first[run] = look
    return whole_first, first


def _ticks(
    x_b: NDArray[np.int64], n_b: NDArray[np.int64], x_c: NDArray[np.int64], n_c: NDArray[np.int64]
) -> stats.Trials:
    return stats.Trials.of_good(x_b=x_b[..., None], n_b=n_b[..., None], x_c=x_c[..., None], n_c=n_c[..., None])


def test_a_harmless_candidate_is_taken_back_for_a_group_or_the_whole_with_chance_alpha_at_most(
    spec: PolicySpec,
) -> None:
    whole, first = rejected(spec, harm=0.0, seed=1)
    tolerance = 3 * math.sqrt(spec.alpha * (1 - spec.alpha) / RUNS)
    assert ((whole > 0) | (first > 0)).mean() <= spec.alpha + tolerance
    part = alphas(spec)["error-rate"]
    assert (first > 0).mean() <= part + 3 * math.sqrt(part * (1 - part) / RUNS)


def test_harm_to_one_group_in_twenty_is_found_before_the_whole_shows_it(spec: PolicySpec) -> None:
    whole, first = rejected(spec, harm=0.08, seed=2)
    found = first > 0
    assert found.mean() >= 0.9
    # 8 points in one of 36 requests are about 0.2 points of all.
    assert (found & ((whole == 0) | (first < whole))).mean() >= 0.9
    assert np.median(first[found]) <= 30


def test_a_group_at_the_edge_of_what_is_accepted_is_suspected_by_chance_and_seldom_for_long(spec: PolicySpec) -> None:
    """By Ville's inequality the chance of ever coming to an e-value of 3 is a third at most, group by group."""
    groups = segmented(spec, spec.guardrails[0], BUILT_IN["error-rate"], "next")
    assert groups is not None
    assert isinstance(groups.comparison, Comparison)
    rng, limit = np.random.default_rng([20261125, 3]), math.log(groups.segments.suspicion)
    of_groups, looks = groups.comparison.fresh_arrays((RUNS, GROUPS)), np.zeros((RUNS, GROUPS))
    for _ in range(LOOKS):
        n_b = rng.poisson(SIZES * 3 / 4, (RUNS, GROUPS))
        n_c = rng.poisson(SIZES / 4, (RUNS, GROUPS))
        counted = _ticks(rng.binomial(n_b, RATE), n_b, rng.binomial(n_c, RATE), n_c)
        of_groups = groups.comparison.fold_arrays(of_groups, counted)
        looks += of_groups.log_e >= limit
    ever = float((looks > 0).mean())
    assert ever <= 1 / 3 + 3 * math.sqrt(2 / 9 / looks.size)
    # A suspicion without a cause passes: at one look in eighty, when this was written.
    assert looks.mean() / LOOKS <= ever / 3

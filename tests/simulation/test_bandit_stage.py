"""A bandit stage earns: regret under delayed outcomes, a world that changes, a breached arm, a wrong end.

Everything is decided by the program's own evaluate() and decide(); see ``bandits.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from releasectl.domain.base import WHOLE
from releasectl.domain.decision import Action
from releasectl.domain.reasons import Reason
from releasectl.domain.strategy import Bandit
from releasectl.evaluate.rewards import rewards_of
from tests.simulation.bandits import NAMES, Trial, desired_of

pytestmark = [pytest.mark.slow, pytest.mark.simulation]

RATES = (0.05, 0.05, 0.07)
UPDATES, SEEDS = 60, 200


def lost(trial: Trial, rates: Sequence[float]) -> float:
    """Expected outcomes that the shares in force give up in one update."""
    shares = [trial.shares.share(arm) / WHOLE for arm in trial.arms]
    return trial.requests * sum(share * (max(rates) - rate) for share, rate in zip(shares, rates, strict=True))


def regret(stage: str, seed: int) -> float:
    trial, total = Trial(desired_of(3, stage), seed=seed, mean_delay=5), 0.0
    for _ in range(UPDATES):
        total += lost(trial, RATES)
        trial.step(RATES)
    return total


UNIFORM = UPDATES * 1000 * (max(RATES) - sum(RATES) / 3)


@pytest.mark.parametrize(
    "stage", ["floor: 1", "floor: 1, explore: 33"], ids=["from stable at 90 %, as by default", "from even shares"]
)
def test_delayed_outcomes_cost_at_most_two_fifths_of_what_even_shares_cost(stage: str) -> None:
    found = np.array([regret(stage, seed) for seed in range(SEEDS)])
    print(f"{stage}: median {np.median(found):.0f} of {UNIFORM:.0f}, {np.median(found) / UNIFORM:.1%}")
    assert np.median(found) <= 0.4 * UNIFORM


def test_once_all_outcomes_are_in_the_delayed_posterior_is_the_undelayed_one() -> None:
    for seed in range(20):
        trial = Trial(desired_of(3, "explore: 33, minShift: 1"), seed=seed, mean_delay=5)
        for _ in range(UPDATES):
            trial.step(RATES)
        early = trial.evaluation.rewards
        trial.drain()
        stage = trial.desired.stage(trial.state)
        assert isinstance(stage, Bandit)
        rule = rewards_of(stage, trial.desired.metrics["clicks"], trial.arms)
        assert trial.evaluation.rewards == rule.read(rule.fold(None, trial.shown)) != early
        assert sum(row.trials for row in trial.evaluation.rewards) == UPDATES * trial.requests
        assert len(trial.decisions) > 5, "shares moved while outcomes were under way"


def test_a_breached_arm_falls_to_nothing_in_one_update_and_the_others_go_on() -> None:
    rates = {"stable": 0.01, "second": 0.01, "third": 0.25}
    for seed in range(20):
        trial = Trial(desired_of(3, "explore: 33, minShift: 1"), seed=seed, error_rates=rates)
        while "third" in trial.state.candidates:
            decision = trial.step(RATES)
        assert (decision.action, decision.reason) == (Action.ROLLBACK, Reason.GUARDRAIL_BREACHED)
        assert trial.shares.share("third") == 0
        assert trial.state.candidates == ("second",)
        assert trial.update <= 3
        for _ in range(5):
            trial.step(RATES)
        assert [row.variant for row in trial.evaluation.rewards] == ["stable", "second"]
        assert sum(trial.shares.shares.values()) == WHOLE


@pytest.mark.parametrize("half_life", [10, 20])
def test_with_a_half_life_the_new_best_arm_has_over_half_within_three_half_lives(half_life: int) -> None:
    share = []
    for seed in range(50):
        trial = Trial(desired_of(3, f"explore: 33, floor: 2, halfLife: {10 * half_life}m"), seed=seed)
        for _ in range(UPDATES):
            trial.step(RATES)
        assert trial.shares.share("third") > WHOLE / 2
        for _ in range(3 * half_life):
            trial.step((0.05, 0.07, 0.05))
        share.append(trial.shares.share("second"))
    print(f"half-life {half_life} updates: median {np.median(share) / 100:.0f} %, least {min(share) / 100:.0f} %")
    assert min(share) > WHOLE / 2


def test_without_a_half_life_it_does_not_follow_as_fast() -> None:
    share = []
    for seed in range(20):
        trial = Trial(desired_of(3, "explore: 33, floor: 2"), seed=seed)
        for update in range(UPDATES + 30):
            trial.step(RATES if update < UPDATES else (0.05, 0.07, 0.05))
        share.append(trial.shares.share("second"))
    assert np.median(share) < WHOLE / 2


def ended(rates: tuple[float, float], seed: int, updates: int = UPDATES) -> Trial:
    """A stage of two arms without errors, followed until it ends or for so many updates."""
    trial = Trial(desired_of(2, "explore: 33, tolerance: 0.5"), seed=seed, error_rates=dict.fromkeys(NAMES, 0.001))
    while trial.state.progress and trial.update < updates:
        trial.step(rates)
    return trial


@pytest.mark.parametrize(
    ("rates", "reason"),
    [((0.05, 0.08), Reason.EVIDENCE_SUFFICIENT), ((0.08, 0.05), Reason.NOT_BETTER)],
    ids=["the candidate is better", "stable is better"],
)
def test_the_better_arm_of_two_is_what_it_ends_with(rates: tuple[float, float], reason: Reason) -> None:
    ends = [ended(rates, seed).decisions[-1].reason for seed in range(20)]
    assert ends.count(reason) == 20


def test_equal_arms_end_in_a_promotion_no_more_often_than_alpha() -> None:
    runs, alpha = 100, 0.05
    trials = [ended((0.05, 0.05), seed) for seed in range(runs)]
    promoted = sum(decision.action is Action.PROMOTE for trial in trials for decision in trial.decisions)
    print(f"promoted {promoted} of {runs}")
    assert promoted <= runs * alpha + 3 * math.sqrt(runs * alpha * (1 - alpha))

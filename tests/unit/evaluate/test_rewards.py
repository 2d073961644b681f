"""What each arm earns: credited to arm and epoch, compared inside epochs, the same in any split and any order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasectl import stats
from releasectl.domain.metric import LogQuery, Metric, Queries
from releasectl.domain.observation import Block, Counts
from releasectl.domain.strategy import Bandit, RewardCost
from releasectl.evaluate.rewards import Rewards, rewards_of

START = datetime(2026, 1, 1, tzinfo=UTC)
CLICKS = Metric(name="clicks", direction="higher", query=Queries(log=LogQuery(outcome="click")))
ARMS = ("stable", "next", "third")


def a_block(epoch: int, minutes: float = 0, **arms: tuple[int, int]) -> Block:
    """Counts are (trials, events)."""
    counts = {arm: Counts(trials=trials, events=events) for arm, (trials, events) in arms.items()}
    return Block(start_at=START, end_at=START + timedelta(minutes=minutes), epoch=epoch, arms=counts)


def some_rewards(arms: tuple[str, ...] = ARMS[:2], *, metric: Metric = CLICKS, **stage: Any) -> Rewards:
    return rewards_of(Bandit(type="bandit", objective="clicks", **stage), metric, arms)


def means(rule: Rewards, *blocks: Block) -> dict[str, float]:
    return {row.variant: row.mean for row in rule.read(rule.fold(None, blocks))}


def chances(rule: Rewards, *blocks: Block) -> dict[str, float]:
    return {row.variant: row.p_best for row in rule.read(rule.fold(None, blocks))}


def test_under_one_allocation_an_arm_has_the_beta_posterior_of_its_counts() -> None:
    rule = some_rewards()
    rows = rule.read(rule.fold(None, [a_block(1, stable=(90, 9), next=(60, 12)), a_block(1, next=(40, 8))]))
    wanted = stats.prob_best_beta(a=[10, 21], b=[82, 81])
    assert [row.mean for row in rows] == [round(10 / 92, 9), round(21 / 102, 9)]
    assert [row.p_best for row in rows] == pytest.approx(wanted.p_best, abs=1e-9)
    assert [row.expected_loss for row in rows] == pytest.approx(wanted.expected_loss, abs=1e-9)
    assert [row.trials for row in rows] == [90, 100]


def test_a_good_hour_in_which_an_arm_had_more_requests_does_not_make_it_a_good_arm() -> None:
    before = a_block(1, stable=(9000, 450), next=(1000, 50))
    good_hour = a_block(2, stable=(5000, 500), next=(5000, 500))
    totals = stats.prob_best_beta(a=[951, 551], b=[13051, 5451]).p_best
    assert totals[1] > 0.999
    assert chances(some_rewards(), before, good_hour)["next"] == pytest.approx(0.5, abs=0.02)


def test_epochs_add_up_to_nearly_what_their_totals_say_where_rates_stay() -> None:
    blocks = [a_block(epoch, stable=(500, 25), next=(500, 35)) for epoch in range(1, 11)]
    together = a_block(1, stable=(5000, 250), next=(5000, 350))
    assert chances(some_rewards(), *blocks) == pytest.approx(chances(some_rewards(), together), abs=1e-6)


def test_without_an_outcome_of_every_arm_arms_are_equal() -> None:
    assert chances(some_rewards()) == pytest.approx({"stable": 0.5, "next": 0.5})
    only_stable = a_block(1, stable=(1000, 900))
    assert chances(some_rewards(), only_stable) == pytest.approx({"stable": 0.5, "next": 0.5})


def test_an_arm_that_left_no_longer_counts_and_the_others_keep_what_they_earned() -> None:
    three, two = some_rewards(ARMS), some_rewards(ARMS[:2])
    blocks = [a_block(1, stable=(300, 30), next=(300, 40), third=(300, 5))]
    assert three.key == two.key
    kept = two.read(three.fold(None, blocks))
    assert kept == two.read(two.fold(None, [a_block(1, stable=(300, 30), next=(300, 40))]))


def test_where_lower_is_better_what_did_not_happen_is_earned() -> None:
    errors = CLICKS.model_copy(update={"direction": "lower"})
    found = chances(some_rewards(metric=errors), a_block(1, stable=(500, 50), next=(500, 10)))
    assert found["next"] > 0.999


def test_a_cost_is_taken_off_and_may_turn_the_order_around() -> None:
    block = a_block(1, stable=(5000, 500), next=(5000, 600))
    dear = RewardCost(price=2.0, per_request={"stable": 0.0, "next": 0.02})
    free, net = some_rewards(), some_rewards(cost=dear)
    assert chances(free, block)["next"] > 0.99
    assert chances(net, block)["stable"] > 0.95
    assert means(net, block)["next"] == pytest.approx(means(free, block)["next"] - 0.04)
    assert free.key == net.key


def test_after_a_half_life_an_outcome_counts_half() -> None:
    rule = some_rewards(half_life=timedelta(minutes=10))
    state = rule.fold(None, [a_block(1, 0, stable=(100, 10), next=(100, 20)), a_block(1, 10, next=(4, 0))])
    assert state["epochs"] == {"1": {"stable": [50.0, 5.0], "next": [54.0, 10.0]}}
    assert state["seen"] == {"stable": 100, "next": 104}


def test_what_has_faded_away_is_forgotten() -> None:
    rule = some_rewards(half_life=timedelta(minutes=1))
    state = rule.fold(None, [a_block(1, 0, stable=(100, 10)), a_block(2, 60, next=(5, 1))])
    assert set(state["epochs"]) == {"2"}


def test_another_half_life_begins_anew() -> None:
    assert some_rewards().key != some_rewards(half_life=timedelta(hours=1)).key


COUNTS = st.integers(0, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
BLOCKS = st.lists(
    st.builds(
        lambda epoch, minutes, arms: a_block(epoch, minutes, **arms),
        st.integers(1, 4),
        st.floats(0, 300),
        st.dictionaries(st.sampled_from(ARMS), COUNTS, min_size=1),
    ),
    max_size=12,
)


@given(BLOCKS, st.integers(0, 12), st.sampled_from([None, timedelta(minutes=30)]))
def test_folding_in_any_split_gives_the_same_bits(blocks: list[Block], cut: int, half_life: timedelta | None) -> None:
    rule = some_rewards(ARMS, half_life=half_life)
    first = rule.fold(None, blocks[:cut])
    travelled: Mapping[str, Any] = json.loads(json.dumps(first, sort_keys=True))
    after = rule.fold(travelled, blocks[cut:])
    whole = rule.fold(None, blocks)
    assert json.dumps(after, sort_keys=True) == json.dumps(whole, sort_keys=True)
    assert rule.read(after) == rule.read(whole)


@given(BLOCKS)
def test_blocks_read_back_from_a_record_give_the_same_bits(blocks: list[Block]) -> None:
    rule = some_rewards(ARMS, half_life=timedelta(minutes=7))
    again = [Block.model_validate_json(json.dumps(block.to_data())) for block in blocks]
    assert rule.fold(None, again) == rule.fold(None, blocks)


@given(BLOCKS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(blocks: list[Block], random: Any) -> None:
    rule = some_rewards(ARMS)
    shuffled = random.sample(blocks, len(blocks))
    assert rule.read(rule.fold(None, blocks)) == rule.read(rule.fold(None, shuffled))

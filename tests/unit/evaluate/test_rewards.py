"""What each arm earns: credited to arm and epoch, compared inside epochs, the same in any split and any order."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasectl import stats
from releasectl.domain.metric import Clip, LogQuery, Metric, Queries
from releasectl.domain.observation import Block, Counts, Values
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


# --- means ----------------------------------------------------------------------------------------------

WORTH = Metric(
    name="worth",
    kind="mean",
    unit="EUR",
    direction="higher",
    clip=Clip(high=100.0),
    query=Queries(log=LogQuery(outcome="worth")),
)
STEP = 100.0 / 1_000_000


def of_worth(trials: int, mean: float, sd: float) -> Counts:
    """Counts of values with this mean and, about it, this standard deviation."""
    total, about = round(trials * mean / STEP), (trials - 1) * (sd / STEP) ** 2
    return Counts(trials=trials, values=Values(total=total, squares=round(total * total / trials + about)))


def worth_block(epoch: int, minutes: float = 0, **arms: Counts) -> Block:
    return Block(start_at=START, end_at=START + timedelta(minutes=minutes), epoch=epoch, arms=arms)


def test_under_one_allocation_an_arm_has_the_normal_posterior_of_its_mean() -> None:
    rule = some_rewards(metric=WORTH)
    rows = rule.read(rule.fold(None, [worth_block(1, stable=of_worth(400, 20, 8), next=of_worth(400, 21, 8))]))
    sd = 8 / 20 * math.sqrt(399 / 397)
    wanted = stats.prob_best_normal(mean=[20, 21], sd=[sd, sd])
    assert [row.mean for row in rows] == pytest.approx([20, 21], abs=1e-6)
    assert [row.p_best for row in rows] == pytest.approx(wanted.p_best, abs=1e-6)
    assert [row.expected_loss for row in rows] == pytest.approx(wanted.expected_loss, abs=1e-6)
    assert [row.unit for row in rows] == ["EUR", "EUR"]


def test_of_a_mean_that_should_be_low_the_lowest_earns_most() -> None:
    rule = some_rewards(metric=WORTH.model_copy(update={"direction": "lower"}))
    rows = rule.read(rule.fold(None, [worth_block(1, stable=of_worth(400, 20, 8), next=of_worth(400, 25, 8))]))
    assert [row.mean for row in rows] == pytest.approx([-20, -25], abs=1e-6)
    assert rows[0].p_best > 0.999


def test_a_good_hour_in_which_an_arm_had_more_requests_raises_no_mean() -> None:
    before = worth_block(1, stable=of_worth(9000, 20, 8), next=of_worth(1000, 20, 8))
    good_hour = worth_block(2, stable=of_worth(5000, 30, 8), next=of_worth(5000, 30, 8))
    assert chances(some_rewards(metric=WORTH), before, good_hour)["next"] == pytest.approx(0.5, abs=1e-6)


def test_an_arm_that_missed_the_large_values_is_no_surer_of_its_mean_than_all_are() -> None:
    """Its own variance would make it sure to be the worst."""
    block = worth_block(1, stable=of_worth(1000, 10, 20), next=of_worth(40, 5, 2))
    assert chances(some_rewards(metric=WORTH), block)["next"] > 0.01


@pytest.mark.parametrize(
    "arms",
    [{}, {"stable": of_worth(100, 20, 8)}, {"stable": of_worth(3, 20, 0), "next": of_worth(3, 20, 0)}],
    ids=["nothing", "one arm", "equal values"],
)
def test_means_of_which_too_little_is_known_are_equal_and_may_lose_the_whole_range(arms: dict[str, Counts]) -> None:
    rule = some_rewards(metric=WORTH)
    rows = rule.read(rule.fold(None, [worth_block(1, **arms)]))
    assert [row.p_best for row in rows] == [0.5, 0.5]
    assert [row.expected_loss for row in rows] == [100.0, 100.0]


def test_costs_are_taken_off_a_mean_in_its_own_unit() -> None:
    cost = RewardCost(price=1.0, per_request={"stable": 0.0, "next": 5.0})
    rule = some_rewards(metric=WORTH, cost=cost)
    rows = rule.read(rule.fold(None, [worth_block(1, stable=of_worth(400, 20, 8), next=of_worth(400, 23, 8))]))
    assert rows[1].mean == pytest.approx(18, abs=1e-6)
    assert rows[0].p_best > 0.99


@given(data=st.data())
def test_sums_of_values_fold_in_any_split_and_order_to_the_same_bits(data: st.DataObject) -> None:
    values = st.builds(of_worth, st.integers(2, 40), st.floats(0, 100), st.floats(0, 30))
    arms = st.fixed_dictionaries({"stable": values, "next": values})
    blocks = data.draw(st.lists(st.builds(lambda e, a: worth_block(e, **a), st.integers(1, 3), arms), max_size=8))
    rule = some_rewards(metric=WORTH)
    whole = rule.fold(None, blocks)
    cut = data.draw(st.integers(0, len(blocks)))
    first = json.loads(json.dumps(rule.fold(None, blocks[:cut])))
    assert rule.fold(first, blocks[cut:]) == whole
    shuffled = rule.fold(None, data.draw(st.permutations(blocks)))
    assert rule.read(shuffled) == rule.read(whole)


def test_a_mean_fades_like_a_rate() -> None:
    rule = some_rewards(metric=WORTH, half_life=timedelta(hours=1))
    old = worth_block(1, 0, stable=of_worth(4000, 30, 8), next=of_worth(4000, 20, 8))
    new = worth_block(2, 600, stable=of_worth(400, 20, 8), next=of_worth(400, 30, 8))
    assert chances(rule, old, new)["next"] > 0.99
    assert chances(some_rewards(metric=WORTH), old, new)["next"] < 0.01

"""Requests that do not follow the shares are noticed; chance and changes of shares are not taken for that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from releasectl.domain.observation import Block, Counts
from releasectl.evaluate.sample_ratio import fold_sample_ratio, mismatch

AT = datetime(2026, 1, 1, tzinfo=UTC)
LEVEL = 0.001


def a_block(counts: dict[str, int], shares: dict[str, int] | None) -> Block:
    arms = {arm: Counts(trials=trials) for arm, trials in counts.items()}
    return Block(start_at=AT, end_at=AT, epoch=1, arms=arms, shares=shares)


def drawn(rng: np.random.Generator, shares: dict[str, int], total: int, blocks: int = 1) -> list[Block]:
    odds = [points / 10_000 for points in shares.values()]
    return [
        a_block(dict(zip(shares, rng.multinomial(total, odds).tolist(), strict=True)), shares) for _ in range(blocks)
    ]


def found(blocks: Sequence[Block], candidates: Sequence[str] = ("next",)) -> str | None:
    return mismatch("error-rate", fold_sample_ratio(None, blocks, candidates), candidates, LEVEL)


def test_c7_one_percent_misrouted_of_a_million_is_found_and_explained() -> None:
    message = found([a_block({"stable": 505_000, "next": 495_000}, {"stable": 5_000, "next": 5_000})])
    assert message is not None
    assert "49.5 % of 1000000 requests where the shares make 50 %" in message or "50.5 %" in message
    assert "limit 0.001" in message


def test_a_ramp_with_a_bandits_shares_is_no_mismatch() -> None:
    rng = np.random.default_rng(3)
    blocks: list[Block] = []
    for stable in range(9_900, 4_900, -100):
        blocks += drawn(rng, {"stable": stable, "next": 10_000 - stable}, 20_000, blocks=3)
    assert found(blocks) is None


def test_pooled_counts_that_look_right_do_not_hide_two_wrong_shares() -> None:
    wrong = [
        a_block({"stable": 60_000, "next": 40_000}, {"stable": 5_000, "next": 5_000}),
        a_block({"stable": 80_000, "next": 20_000}, {"stable": 9_000, "next": 1_000}),
        a_block({"stable": 100_000, "next": 80_000}, {"stable": 5_000, "next": 5_000}),
    ]
    assert found(wrong) is not None


def test_right_shares_are_stopped_more_rarely_than_the_limit_however_often_one_looks() -> None:
    rng = np.random.default_rng(11)
    stopped = 0
    for _ in range(300):
        stopped += found(drawn(rng, {"stable": 9_000, "next": 1_000}, 1_000, blocks=100)) is not None
    # With a chance of 0.001 at most, 4 or more of 300 have a chance below 0.0003.
    assert stopped < 4


@pytest.mark.parametrize(
    ("counts", "shares"),
    [
        pytest.param({"stable": 100_000}, None, id="shares that are not known"),
        pytest.param({"stable": 100_000}, {"stable": 10_000}, id="everything to one"),
        pytest.param({"stable": 100_000}, {"stable": 5_000, "gone": 5_000}, id="an arm that is not compared"),
    ],
)
def test_what_cannot_be_compared_tells_nothing(counts: dict[str, int], shares: dict[str, int] | None) -> None:
    assert fold_sample_ratio(None, [a_block(counts, shares)], ("next",)) is None


def test_an_arm_without_a_share_takes_part_once_it_has_one() -> None:
    shares = {"stable": 6_000, "next": 4_000, "late": 0}
    begun = [a_block({"stable": 6_020, "next": 3_980}, shares)]
    assert found(begun, ("next", "late")) is None
    starved = a_block({"stable": 6_500, "next": 3_500}, {"stable": 5_000, "next": 3_000, "late": 2_000})
    message = found([*begun, starved], ("next", "late"))
    assert message is not None
    assert message.startswith("late got 0 % of 20000 requests where the shares make 10 %")


def test_a_mismatch_is_not_forgotten_when_later_counts_are_right() -> None:
    wrong = a_block({"stable": 505_000, "next": 495_000}, {"stable": 5_000, "next": 5_000})
    right = drawn(np.random.default_rng(5), {"stable": 5_000, "next": 5_000}, 1_000_000, blocks=20)
    assert found([wrong, *right]) is not None


def test_the_state_travels_as_json_and_splits_anywhere() -> None:
    rng = np.random.default_rng(7)
    blocks = drawn(rng, {"stable": 9_000, "next": 1_000}, 5_000, 4) + drawn(rng, {"stable": 5_000, "next": 5_000}, 9, 3)
    whole = fold_sample_ratio(None, blocks, ("next",))
    state = None
    for block in blocks:
        state = fold_sample_ratio(json.loads(json.dumps(state)), [block], ("next",))
    assert state == whole

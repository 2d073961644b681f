"""Limits of a shadow stage: what proves them, which alpha they have, and what a state remembers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from releasectl.domain.evidence import MetricState
from releasectl.domain.observation import Block, Counts, Reading, ReadState
from releasectl.domain.policy import PolicySpec
from releasectl.domain.strategy import Agreement, PairedErrors, PairedSegments, Shadow, Slower
from releasectl.evaluate.pairs import PairedRule, paired_rules

AT = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = PolicySpec(alpha=0.05, min_samples=100)
FULL = Shadow(type="shadow", agreement=Agreement(at_least=95), errors=PairedErrors(at_most=2), slower=Slower(at_most=5))


def blocks(*counts: tuple[int, int, int]) -> list[Block]:
    """One block a look: trials, events, opposite."""
    return [
        Block(start_at=AT, end_at=AT, epoch=2, arms={"next": Counts(trials=n, events=x, opposite=o)})
        for n, x, o in counts
    ]


def judged(rule: PairedRule, *counts: tuple[int, int, int]) -> MetricState:
    state = rule.fold(None, blocks(*counts), "next")
    return rule.judge(state, "next", Reading(state=ReadState.OK)).state


@pytest.mark.parametrize(
    ("measure", "counts", "state"),
    [
        ("agreement", (2000, 1980, 0), MetricState.OK),
        ("agreement", (2000, 1800, 0), MetricState.BAD),
        ("agreement", (2000, 1900, 0), MetricState.INCONCLUSIVE),
        ("errors", (2000, 4, 4), MetricState.OK),
        ("errors", (2000, 120, 120), MetricState.INCONCLUSIVE),
        ("errors", (2000, 120, 0), MetricState.BAD),
        ("errors", (2000, 0, 120), MetricState.OK),
        ("slower", (2000, 40, 0), MetricState.OK),
        ("slower", (2000, 200, 0), MetricState.BAD),
        ("errors", (0, 0, 0), MetricState.NO_DATA),
    ],
)
def test_what_pairs_prove(measure: str, counts: tuple[int, int, int], state: MetricState) -> None:
    rule = next(rule for rule in paired_rules(FULL, POLICY) if rule.measure == measure)
    assert judged(rule, counts) is state


@pytest.mark.parametrize("rule", paired_rules(FULL, POLICY), ids=lambda rule: rule.metric)
def test_pairs_folded_in_any_split_give_the_same_state(rule: PairedRule) -> None:
    whole = blocks((50, 3, 1), (0, 0, 0), (70, 9, 0), (20, 0, 2))
    split = rule.fold(rule.fold(None, whole[:2], "next"), whole[2:], "next")
    assert split == rule.fold(None, whole, "next")


def test_what_was_proven_once_is_not_taken_back_by_what_follows() -> None:
    rule = paired_rules(FULL, POLICY)[1]
    assert judged(rule, (500, 60, 0), *[(1000, 0, 0)] * 50) is MetricState.BAD


def test_the_limits_of_a_stage_share_alpha_and_one_alone_has_all_of_it() -> None:
    assert [rule.alpha for rule in paired_rules(FULL, POLICY)] == [0.05 / 3] * 3
    assert [rule.alpha for rule in paired_rules(Shadow(type="shadow"), POLICY)] == [0.05]


GROUPED = Shadow(
    type="shadow",
    agreement=Agreement(at_least=95),
    segments=PairedSegments(by="language", min_samples=50, most=4),
)


def in_groups(**pairs: tuple[int, int]) -> dict[str, MetricState]:
    """States of the groups that are told of, from their pairs and how many of them agree."""
    (rule,) = paired_rules(GROUPED, POLICY)
    state = rule.fold_groups(None, {value: blocks((n, x, 0)) for value, (n, x) in pairs.items()}, "next")
    return {row.part: row.state for row in rule.judge_groups(state, "next")}


def test_a_group_in_which_answers_differ_is_found_although_the_whole_agrees() -> None:
    found = in_groups(es=(400, 300), en=(9000, 8990), fr=(300, 285))
    assert found == {
        "language=es": MetricState.BAD,
        "language=fr": MetricState.INCONCLUSIVE,
        "language=en": MetricState.OK,
    }
    assert list(found) == ["language=es", "language=fr", "language=en"]


def test_a_group_is_judged_from_its_least_pairs_on_and_only_so_many_are() -> None:
    assert in_groups(es=(49, 0)) == {}
    (rule,) = paired_rules(GROUPED, POLICY)
    many = {str(number): blocks((60, 60, 0)) for number in range(9)}
    assert len(rule.fold_groups(None, many, "next")["judged"]) == 4


def test_groups_take_half_of_alpha_and_share_it_by_as_many_as_there_may_be() -> None:
    (rule,) = paired_rules(GROUPED, POLICY)
    assert (rule.alpha, rule.in_groups.alpha) == (0.025, 0.025 / 4)

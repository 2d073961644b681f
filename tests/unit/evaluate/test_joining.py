"""Looks that lack an arm are joined: when depends on their sizes alone, and nothing is lost, mixed or counted twice."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasectl.evaluate.joining import MOST_WAITING, Pair, WaitingRuns, joined, joined_runs

Looks = list[tuple[int, Pair]]


def look(stable: tuple[int, int], tried: tuple[int, int], *, epoch: int = 1) -> tuple[int, Pair]:
    """(trials, events) of both arms."""
    return epoch, [list(stable), list(tried)]


NONE = (0, 0)
TABLE = {
    "a look with both arms stands alone": (
        1,
        [look((3, 1), (2, 0)), look((1, 0), (1, 1))],
        [[[3, 1], [2, 0]], [[1, 0], [1, 1]]],
        {},
    ),
    "what one arm did waits for the other": (
        1,
        [look((3, 1), NONE), look(NONE, NONE), look((1, 1), (2, 0)), look((4, 0), NONE)],
        [None, None, [[4, 2], [2, 0]], None],
        {"1": [[4, 0], [0, 0]]},
    ),
    "more may be asked for": (
        3,
        [look((2, 0), (5, 1)), look((1, 1), NONE)],
        [None, [[3, 1], [5, 1]]],
        {},
    ),
    "decisions are not mixed": (
        1,
        [look((3, 1), NONE), look(NONE, (2, 0), epoch=2)],
        [None, None],
        {"1": [[3, 1], [0, 0]], "2": [[0, 0], [2, 0]]},
    ),
    "outcomes that come late join those of their decision": (
        1,
        [look((3, 1), NONE), look((1, 0), (1, 0), epoch=2), look(NONE, (2, 2))],
        [None, [[1, 0], [1, 0]], [[3, 1], [2, 2]]],
        {},
    ),
}


@pytest.mark.parametrize(("least", "looks", "whole", "waiting"), TABLE.values(), ids=TABLE)
def test_looks_are_joined_until_each_arm_has_the_least(
    least: int, looks: Looks, whole: list[Pair | None], waiting: dict[str, Pair]
) -> None:
    assert joined({}, looks, least) == (whole, waiting)


arm = st.tuples(st.integers(0, 2), st.integers(0, 2)).map(lambda pair: (max(pair), min(pair)))
series = st.lists(st.builds(look, arm, arm, epoch=st.integers(1, 4)), max_size=30)
leasts = st.integers(1, 4)


def totals(looks: Looks) -> Counter[tuple[int, int, int]]:
    """Sums by decision, arm and kind."""
    found: Counter[tuple[int, int, int]] = Counter()
    for epoch, pair in looks:
        for place, counts in enumerate(pair):
            for kind, count in enumerate(counts):
                found[epoch, place, kind] += count
    return +found


@given(series, leasts)
def test_every_trial_is_compared_once_or_waits(looks: Looks, least: int) -> None:
    whole, waiting = joined({}, looks, least)
    compared = [(epoch, pair) for (epoch, _), pair in zip(looks, whole, strict=True) if pair]
    assert totals([*compared, *((int(epoch), pair) for epoch, pair in waiting.items())]) == totals(looks)
    assert all(min(b[0], c[0]) >= least for _, (b, c) in compared)
    assert all(min(b[0], c[0]) < least for b, c in waiting.values())


@given(series, leasts, st.data())
def test_c6_looks_come_in_any_split_to_the_same(looks: Looks, least: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(looks)))
    first, waiting = joined({}, looks[:cut], least)
    rest, left = joined(json.loads(json.dumps(waiting)), looks[cut:], least)
    assert (first + rest, left) == joined({}, looks, least)


@given(series, leasts, st.randoms())
def test_where_a_joined_look_ends_does_not_depend_on_how_trials_went(looks: Looks, least: int, random: Random) -> None:
    others = [(epoch, [[n, random.randint(0, n)] for n, _ in pair]) for epoch, pair in looks]
    sizes = [[pair and [counts[0] for counts in pair] for pair in joined({}, one, least)[0]] for one in (looks, others)]
    assert sizes[0] == sizes[1]


@given(st.lists(series, min_size=1, max_size=4), leasts)
def test_many_runs_at_once_are_joined_like_each_by_itself(runs: list[Looks], least: int) -> None:
    length = min(len(looks) for looks in runs)
    # Simulated counts come in the order of their decisions.
    runs = [sorted(looks[:length], key=lambda each: each[0]) for looks in runs]
    alone = [joined({}, looks, least)[0] for looks in runs]
    waiting = WaitingRuns(np.zeros((len(runs), 2, 2), dtype=np.int64), np.full(len(runs), -1))
    for n in range(length):
        sums = np.array([looks[n][1] for looks in runs])
        whole, waiting = joined_runs(waiting, sums, np.array([looks[n][0] for looks in runs]), least)
        assert whole.tolist() == [each[n] or [[0, 0], [0, 0]] for each in alone]


def test_what_is_left_of_long_gone_decisions_is_let_go() -> None:
    looks = [look((1, 0), NONE, epoch=n) for n in range(100, 100 + MOST_WAITING + 3)]
    _, waiting = joined({}, looks, 1)
    assert list(waiting) == [str(n) for n in range(103, 100 + MOST_WAITING + 3)]

"""The canary's shares, for any number of candidates and steps."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasectl.domain.decision import Progress
from releasectl.domain.evidence import MetricState
from releasectl.domain.strategy import Canary, Growth
from releasectl.strategies import STRATEGIES, Finish, Move, Situation, Wait
from tests.builders import NOW, a_policy, a_state, some_evidence

CANARY = STRATEGIES["canary"]


def a_situation(step: int = 0, candidates: tuple[str, ...] = ("next",), *evidence: MetricState) -> Situation:
    return Situation(
        progress=Progress(step=step, stage_started_at=NOW, step_started_at=NOW, first_epoch=1),
        allocation=a_state().allocation,
        candidates=candidates,
        evidence=tuple(some_evidence(state, candidate=candidates[n]) for n, state in enumerate(evidence)),
        policy=a_policy().spec,
        now=NOW,
    )


@given(
    steps=st.lists(st.integers(1, 9_999), min_size=1, max_size=6, unique=True).map(sorted),
    candidates=st.integers(1, 6).map(lambda n: tuple(f"c{i}" for i in range(n))),
)
def test_c10_shares_are_whole_fair_and_growing_at_every_step(steps: list[int], candidates: tuple[str, ...]) -> None:
    stage = Canary(type="canary", steps=tuple(step / 100 for step in steps))
    allocation = CANARY.first(stage, a_situation(0, candidates))
    for step, points in enumerate(steps):
        shares = [allocation.share(name) for name in candidates]
        assert sum(shares) == points
        assert max(shares) - min(shares) <= 1
        assert allocation.share("stable") == 10_000 - points
        if step + 1 < len(steps):
            moved = CANARY.propose(stage, a_situation(step, candidates))
            assert isinstance(moved, Move)
            assert moved.step == step + 1
            allocation = moved.allocation


@pytest.mark.parametrize(
    ("growth", "shares"),
    [
        (Growth(), (1, 3, 9, 27, 50)),
        (Growth(from_=5, to=40, factor=2), (5, 10, 20, 40)),
        (Growth(from_=0.01, to=0.06, factor=1.2), (0.01, 0.02, 0.03, 0.04, 0.05, 0.06)),
        (Growth(from_=49.99, to=50, factor=100), (49.99, 50)),
    ],
)
def test_steps_that_are_worked_out_grow_by_their_factor_and_end_where_they_shall(
    growth: Growth, shares: tuple[float, ...]
) -> None:
    assert growth.shares == shares
    stage = Canary(type="canary", grow=growth)
    assert CANARY.steps(stage) == len(shares)
    allocation = CANARY.first(stage, a_situation())
    for step, share in enumerate(shares):
        assert allocation.share("next") == round(share * 100)
        proposal = CANARY.propose(stage, a_situation(step, ("next",), MetricState.OK))
        assert isinstance(proposal, Finish) == (step + 1 == len(shares))
        allocation = proposal.allocation if isinstance(proposal, Move) else allocation


@given(
    points=st.tuples(st.integers(1, 9_999), st.integers(1, 10_000)).filter(lambda pair: pair[0] < pair[1]),
    factor=st.floats(1.2, 100),
)
def test_no_step_that_is_worked_out_is_larger_than_its_factor_allows(points: tuple[int, int], factor: float) -> None:
    shares = [round(each * 100) for each in Growth(from_=points[0] / 100, to=points[1] / 100, factor=factor).shares]
    assert (shares[0], shares[-1]) == points
    assert all(before < after <= max(before + 1, round(before * factor)) for before, after in pairwise(shares))


def test_the_last_step_waits_for_proof_and_then_ends() -> None:
    stage = Canary(type="canary", steps=(10, 50))
    assert isinstance(CANARY.propose(stage, a_situation(1, ("next",), MetricState.INCONCLUSIVE)), Wait)
    assert isinstance(CANARY.propose(stage, a_situation(1, ("next",))), Wait)
    finish = CANARY.propose(stage, a_situation(1, ("next",), MetricState.OK))
    assert isinstance(finish, Finish)
    assert finish.passing == ("next",)


def test_of_several_candidates_those_that_are_proven_go_on() -> None:
    stage = Canary(type="canary", steps=(10, 50))
    finish = CANARY.propose(stage, a_situation(1, ("a", "b"), MetricState.INCONCLUSIVE, MetricState.OK))
    assert isinstance(finish, Finish)
    assert finish.passing == ("b",)

"""The canary's shares, for any number of candidates and steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from releasectl.domain.decision import Progress
from releasectl.domain.evidence import MetricState
from releasectl.domain.strategy import Canary
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

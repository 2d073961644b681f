"""What a bandit stage proposes: explore, move within limits, end on proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasectl.domain.decision import Allocation, Progress
from releasectl.domain.evidence import Arm, Evidence, MetricState
from releasectl.domain.policy import PolicySpec
from releasectl.domain.reasons import Reason
from releasectl.domain.reward import ArmReward
from releasectl.domain.strategy import Bandit
from releasectl.strategies import Finish, Move, Proposal, Refuse, Situation, Wait
from releasectl.strategies.bandit import bandit, shares_for

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HALVES = {"stable": 5000, "next": 5000}


def a_stage(**more: Any) -> Bandit:
    return Bandit(type="bandit", objective="clicks", **more)


def arm(name: str, p_best: float, *, loss: float = 1.0, trials: int = 1000, cost: float = 0.0) -> ArmReward:
    return ArmReward(variant=name, trials=trials, mean=0.05, p_best=p_best, expected_loss=loss / 100, cost=cost)


def proof(candidate: str = "next", *, passed: bool = True, upper: float = 0.02) -> Evidence:
    return Evidence(
        metric="clicks",
        role="objective",
        candidate=candidate,
        state=MetricState.OK if passed else MetricState.INCONCLUSIVE,
        summary="as told",
        better="higher",
        stable=Arm(trials=100, events=5),
        tried=Arm(trials=100, events=6),
        estimate=upper / 2,
        lower=-upper,
        upper=upper,
    )


def proposed(
    rewards: Sequence[ArmReward],
    stage: Bandit | None = None,
    *,
    shares: Mapping[str, int] = HALVES,
    evidence: Sequence[Evidence] = (),
    step_age: timedelta = timedelta(minutes=10),
) -> Proposal:
    started = NOW - step_age
    situation = Situation(
        progress=Progress(stage_started_at=started, step_started_at=started, first_epoch=1, step=3),
        allocation=Allocation(shares=dict(shares)),
        candidates=[name for name in shares if name != "stable"],
        evidence=evidence,
        policy=PolicySpec(min_samples=200),
        now=NOW,
        rewards=rewards,
    )
    return bandit.propose(stage or a_stage(), situation)


def first(stage: Bandit, shares: Mapping[str, int], candidates: Sequence[str]) -> dict[str, int]:
    situation = Situation(
        progress=Progress(stage_started_at=NOW, step_started_at=NOW, first_epoch=1),
        allocation=Allocation(shares=dict(shares)),
        candidates=candidates,
        evidence=(),
        policy=PolicySpec(),
        now=NOW,
    )
    return dict(bandit.first(stage, situation).shares)


def test_it_begins_by_giving_every_candidate_the_share_for_exploring() -> None:
    found = first(a_stage(explore=5), {"stable": 10_000}, ["next", "third"])
    assert found == {"stable": 9000, "next": 500, "third": 500}


def test_what_the_stage_before_gave_is_kept_where_it_is_more() -> None:
    found = first(a_stage(explore=5), HALVES, ["next"])
    assert found == {"stable": 5000, "next": 5000}


def test_shares_wait_until_every_arm_has_its_samples() -> None:
    found = proposed([arm("stable", 0.01), arm("next", 0.99, trials=199)])
    assert isinstance(found, Wait)
    assert (found.reason, "next 199; 200 are wanted" in found.message) == (Reason.COLLECTING_SAMPLES, True)


def test_shares_follow_the_chance_of_being_best_one_step_at_a_time() -> None:
    found = proposed([arm("stable", 0.1), arm("next", 0.9)])
    assert isinstance(found, Move)
    assert (found.reason, found.step) == (Reason.REALLOCATED, 4)
    assert found.allocation.shares == {"stable": 4000, "next": 6000}


def test_a_move_smaller_than_wanted_waits_for_a_day_and_is_made_then() -> None:
    rewards, shares = [arm("stable", 0.1), arm("next", 0.9)], {"stable": 1300, "next": 8700}
    early = proposed(rewards, shares=shares, step_age=timedelta(hours=23))
    assert isinstance(early, Wait)
    due = proposed(rewards, shares=shares, step_age=timedelta(days=1))
    assert isinstance(due, Move)
    assert due.allocation.shares == {"stable": 1080, "next": 8920}


def test_shares_that_are_right_already_are_no_move_even_after_a_day() -> None:
    found = proposed(
        [arm("stable", 0.1), arm("next", 0.9)],
        shares={"stable": 1080, "next": 8920},
        step_age=timedelta(days=9),
    )
    assert isinstance(found, Wait)


def test_the_control_share_of_stable_is_out_of_the_game() -> None:
    found = shares_for(
        a_stage(control=20, max_step=100), [arm("stable", 0.0), arm("next", 1.0)], Allocation(shares=HALVES)
    )
    assert found.shares == {"stable": 2000, "next": 8000}


def test_top_two_keeps_the_strongest_rival_near_half() -> None:
    found = shares_for(
        a_stage(method="top-two", max_step=100), [arm("stable", 0.01), arm("next", 0.99)], Allocation(shares=HALVES)
    )
    assert found.share("stable") > 4000


def test_it_ends_with_the_leader_when_loss_and_proof_agree() -> None:
    found = proposed([arm("stable", 0.01), arm("next", 0.99, loss=0.05)], evidence=[proof()])
    assert isinstance(found, Finish)
    assert (found.passing, found.reason) == (("next",), Reason.EVIDENCE_SUFFICIENT)


@pytest.mark.parametrize(
    ("loss", "passed"),
    [(0.2, True), (0.05, False)],
    ids=["the loss is above the tolerance", "the always-valid evidence is not there"],
)
def test_one_of_the_two_alone_ends_nothing(loss: float, passed: bool) -> None:
    found = proposed([arm("stable", 0.01), arm("next", 0.99, loss=loss)], evidence=[proof(passed=passed)])
    assert isinstance(found, Move)


def test_it_does_not_end_with_an_arm_that_is_proven_but_not_the_leader() -> None:
    rewards = [arm("stable", 0.01), arm("next", 0.3), arm("third", 0.69, loss=0.05)]
    shares = {"stable": 4000, "next": 3000, "third": 3000}
    found = proposed(rewards, shares=shares, evidence=[proof("next"), proof("third", passed=False)])
    assert isinstance(found, Move)


def test_stable_wins_when_no_candidate_can_gain_more_than_the_tolerance() -> None:
    rewards = [arm("stable", 0.97, loss=0.01), arm("next", 0.03)]
    found = proposed(rewards, evidence=[proof(passed=False, upper=0.0009)])
    assert isinstance(found, Refuse)
    assert found.reason is Reason.NOT_BETTER
    assert isinstance(proposed(rewards, evidence=[proof(passed=False, upper=0.0011)]), Move)
    assert isinstance(proposed(rewards, evidence=[]), Move)


def test_what_a_candidate_costs_more_is_no_gain() -> None:
    rewards = [arm("stable", 0.97, loss=0.01), arm("next", 0.03, cost=0.02)]
    assert isinstance(proposed(rewards, evidence=[proof(passed=False, upper=0.0209)]), Refuse)


@given(st.data())
def test_c10_weights_are_always_a_valid_simplex(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 20))
    names = ["stable", *(f"v{i}" for i in range(1, count))]
    floor = data.draw(st.integers(1, 10_000 // count)) / 100
    control = data.draw(st.one_of(st.none(), st.floats(0.01, 100 - floor * (count - 1)).map(lambda x: round(x, 2))))
    if control is not None and round(100 * control) + round(100 * floor) * (count - 1) > 10_000:
        control = None
    stage = a_stage(floor=floor, control=control, max_step=data.draw(st.integers(1, 10_000)) / 100)
    cuts = sorted(data.draw(st.lists(st.integers(0, 10_000), min_size=count - 1, max_size=count - 1)))
    present = {name: high - low for name, low, high in zip(names, [0, *cuts], [*cuts, 10_000], strict=True)}
    raw = data.draw(st.lists(st.floats(0, 1), min_size=count, max_size=count))
    method = data.draw(st.sampled_from(["best", "top-two"]))
    total = sum(raw) or 1.0
    rewards = [arm(name, min(1.0, value / total)) for name, value in zip(names, raw, strict=True)]
    stage = stage.model_copy(update={"method": method})

    found = shares_for(stage, rewards, Allocation(shares=present)).shares

    assert list(found) == names
    assert sum(found.values()) == 10_000
    least = round(100 * floor)
    assert all(share >= least for share in found.values())
    assert found["stable"] >= round(100 * (control or 0))
    assert found == shares_for(stage, rewards, Allocation(shares=present)).shares

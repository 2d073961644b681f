"""Bandit: shares follow the chance of being best, within limits, until one arm is proven."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from releasectl import stats
from releasectl.domain.base import WHOLE
from releasectl.domain.decision import Allocation
from releasectl.domain.evidence import Evidence
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE
from releasectl.domain.reward import ArmReward
from releasectl.domain.strategy import Bandit
from releasectl.evaluate.wording import amount
from releasectl.strategies.base import Finish, Move, Proposal, Refuse, Situation, Wait
from releasectl.strategies.winner import finish_or_wait

AT_LEAST_DAILY = timedelta(days=1)
"""Smaller moves than ``minShift`` wait for this long; what serves is what git says, so no move goes unrecorded."""


class BanditStrategy:
    """Explores until every arm has its samples, then moves shares in recorded updates.

    It ends when the leader's expected loss is within the tolerance *and* the always-valid evidence agrees:
    for a candidate that all of its guardrails and objectives pass, for stable that no candidate gains more
    than the tolerance. A breached guardrail takes an arm out before this is asked.
    """

    gathers = True
    samples_each_step = False

    def first(self, stage: Bandit, situation: Situation) -> Allocation:
        """The shares so far, every arm lifted to the share for exploring."""
        arms = (STABLE, *situation.candidates)
        present = [situation.allocation.share(arm) for arm in arms]
        return _allocation(arms, stats.allocate(p_best=present, floors=_floors(stage, stage.explore, arms), names=arms))

    def dwell(self, stage: Bandit) -> timedelta:
        return stage.every

    def propose(self, stage: Bandit, situation: Situation) -> Proposal:
        rewards = situation.rewards
        wanted = situation.policy.min_samples
        young = _young(rewards, wanted)
        if young or not rewards:
            lacking = ", ".join(young) or "nothing is counted"
            return Wait(Reason.COLLECTING_SAMPLES, f"outcomes of {stage.objective}: {lacking}; {wanted} are wanted")
        return _end(stage, situation) or _move(stage, situation)

    def steps(self, stage: Bandit) -> int:
        return 0


def may_propose(
    stage: Bandit, rewards: Sequence[ArmReward], present: Allocation, *, wanted: int, proven: Sequence[str], due: bool
) -> bool:
    """Whether more than waiting may be proposed: what can be told without the evidence, of many trials at once.

    ``proven`` are the candidates whose guardrails and objectives pass; ``due`` says that a day has gone by.
    """
    if not rewards or _young(rewards, wanted):
        return False
    leader = _leader(rewards)
    if leader.expected_loss * leader.scale <= stage.tolerance and (
        leader.variant == STABLE or leader.variant in proven
    ):
        return True
    return due or _shift(rewards, present, shares_for(stage, rewards, present)) >= stage.min_shift


def _young(rewards: Sequence[ArmReward], wanted: int) -> list[str]:
    return [f"{row.variant} {row.trials}" for row in rewards if row.trials < wanted]


def _leader(rewards: Sequence[ArmReward]) -> ArmReward:
    return max(rewards, key=lambda row: row.p_best)


def _end(stage: Bandit, situation: Situation) -> Finish | Refuse | None:
    """What ends the stage; None while the posterior or the always-valid evidence wants more."""
    leader = _leader(situation.rewards)
    if leader.expected_loss * leader.scale > stage.tolerance:
        return None
    lost = amount(leader.expected_loss, leader.unit)
    loss = f"choosing {leader.variant} is expected to lose {lost} at most"
    if leader.variant == STABLE:
        if not all(_gain_is_ruled_out(stage, situation, row) for row in situation.rewards if row is not leader):
            return None
        most = amount(stage.tolerance / leader.scale, leader.unit)
        return Refuse(Reason.NOT_BETTER, f"{loss}, and no candidate gains more than {most}")
    proof = finish_or_wait(situation)
    if isinstance(proof, Wait) or leader.variant not in proof.passing:
        return None
    return Finish((leader.variant,), proof.reason, f"{loss}; {_about(proof, leader.variant)}")


def _about(proof: Finish, leader: str) -> str:
    """The proof in words, which are about the first of those that pass."""
    return proof.message if proof.passing[0] == leader else f"its guardrails and objectives are proven ({leader})"


def _gain_is_ruled_out(stage: Bandit, situation: Situation, candidate: ArmReward) -> bool:
    """Whether the always-valid interval leaves a candidate no more than the tolerance, its cost taken off."""
    stable = situation.rewards[0]
    for row in situation.evidence:
        if (row.role, row.metric, row.candidate) == ("objective", stage.objective, candidate.variant):
            most = _most_gained(row)
            return most is not None and (most - candidate.cost + stable.cost) * stable.scale <= stage.tolerance
    return False


def _most_gained(row: Evidence) -> float | None:
    if row.better == "higher":
        return row.upper
    return None if row.lower is None else -row.lower


def _move(stage: Bandit, situation: Situation) -> Move | Wait:
    """The next shares, or why they stay."""
    after = shares_for(stage, situation.rewards, situation.allocation)
    before = situation.allocation
    shift = _shift(situation.rewards, before, after)
    due = situation.now - situation.progress.step_started_at >= AT_LEAST_DAILY
    chances = ", ".join(f"{row.variant} {100 * row.p_best:.3g} %" for row in situation.rewards)
    if shift < stage.min_shift and not (due and shift):
        text = f"chance of being best: {chances}; shares would move by {shift:g} points, {stage.min_shift:g} are wanted"
        return Wait(Reason.AWAITING_EVIDENCE, text)
    update = situation.progress.step + 1
    return Move(after, update, Reason.REALLOCATED, f"chance of being best: {chances}; now {after}")


def _shift(rewards: Sequence[ArmReward], before: Allocation, after: Allocation) -> float:
    """The largest move of a share, in points."""
    return max(abs(after.share(row.variant) - before.share(row.variant)) for row in rewards) / 100


def shares_for(stage: Bandit, rewards: Sequence[ArmReward], present: Allocation) -> Allocation:
    """Shares by the chance of being best, or by top-two, under floors, control and the step limit."""
    arms = tuple(row.variant for row in rewards)
    weights = [row.p_best for row in rewards]
    if stage.method == "top-two":
        weights = stats.top_two_shares(weights).tolist()
    shares = stats.allocate(
        p_best=weights,
        floors=_floors(stage, stage.floor, arms),
        present=[present.share(arm) for arm in arms],
        step=round(stage.max_step * 100),
        names=arms,
    )
    return _allocation(arms, shares)


def _floors(stage: Bandit, percent: float, arms: Sequence[str]) -> list[int]:
    control = stage.control or 0.0
    return [round(100 * (max(percent, control) if arm == STABLE else percent)) for arm in arms]


def _allocation(arms: Sequence[str], shares: stats.Shares) -> Allocation:
    if sum(shares.basis_points) != WHOLE:
        raise AssertionError("an allocation is whole")
    return Allocation(shares=dict(zip(arms, shares.basis_points, strict=True)))


bandit = BanditStrategy()

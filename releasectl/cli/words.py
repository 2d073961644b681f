"""Short phrases that tables, trees and plain lines share."""

from __future__ import annotations

from releasectl.domain.reward import ArmReward
from releasectl.domain.status import StageStatus
from releasectl.evaluate.wording import amount


def step_of(stage: StageStatus) -> str:
    """``2/4``, or ``2`` where nobody knows how many there will be."""
    return f"{stage.step}/{stage.steps}" if stage.steps else str(stage.step)


def reward_summary(arm: ArmReward) -> str:
    """Posterior mean, chance of being best and expected loss of an arm; a rate in percent and points."""
    net = f" after {arm.scale * arm.cost:.3g} of cost" if arm.cost else ""
    earned = f"{100 * arm.mean:.3g} %" if arm.unit is None else f"{arm.mean:.4g} {arm.unit}".rstrip()
    return (
        f"earns {earned}{net} ({arm.trials} outcomes), best with chance {100 * arm.p_best:.3g} %, "
        f"expected loss {amount(arm.expected_loss, arm.unit)}"
    )

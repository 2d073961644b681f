"""What would settle a decision's evidence, in sentences and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from releasectl.controller.believed import PastReader
from releasectl.controller.replay import given_of
from releasectl.decide.inputs import Input
from releasectl.domain.base import WHOLE, format_duration
from releasectl.domain.decision import Allocation
from releasectl.domain.evidence import MetricState
from releasectl.errors import ReleasectlError
from releasectl.evaluate.outlook import Outlook, outlook
from releasectl.ports import ReleaseRepo


@dataclass(frozen=True)
class Told:
    """An outlook, and the candidate's samples a second at the shares that follow; None if that is not known."""

    outlook: Outlook
    per_second: float | None

    def to_data(self) -> dict[str, Any]:
        one, row = self.outlook, self.outlook.evidence
        return {
            "metric": row.metric,
            "role": row.role,
            "candidate": row.candidate,
            "samplesToPass": one.to_pass,
            "samplesToFail": one.to_fail,
            "turnsAt": None if one.turns_at is None else round(one.turns_at, 6),
            "samplesLookedAhead": one.most,
            "samplesPerSecond": None if self.per_second is None else round(self.per_second, 6),
        }

    def sentences(self) -> Iterator[str]:
        """What would settle it, one line each."""
        one, row = self.outlook, self.outlook.evidence
        claim = "harm is ruled out" if row.role == "guardrail" else "the claim is proven"
        if one.to_pass is not None:
            yield f"at these rates {claim} after about {self._samples(one.to_pass)}"
        if one.to_fail is not None:
            yield f"at these rates harm is proven after about {self._samples(one.to_fail)}"
        if one.to_pass is None and one.to_fail is None and row.state is not MetricState.OK:
            yield f"at these rates nothing is proven by {self._samples(one.most)}"
        if one.turns_at is not None:
            bound = "at most" if row.better == "higher" else "at least"
            level = f"a rate of {bound} {100 * one.turns_at:.3g} %"
            if row.unit is not None:
                level = f"a mean of {bound} {one.turns_at:.4g} {row.unit}".rstrip()
            yield f"harm would be proven by {level} over as many samples again ({row.tried.trials})"

    def _samples(self, count: int) -> str:
        took = ""
        if self.per_second:
            took = f", {format_duration(timedelta(seconds=max(1, round(count / self.per_second))))} at this traffic"
        return f"{count} more samples of {self.outlook.evidence.candidate}{took}"


def outlooks(content: bytes, repo: ReleaseRepo) -> list[Told]:
    """For each metric of a record that is not settled for good; none where the record cannot be made again."""
    try:
        given = given_of(content, PastReader(repo))
        after = json.loads(content)["decision"].get("state") or {}
        shares = Allocation.model_validate(after["allocation"]) if after.get("progress") else None
    except (ReleasectlError, ValueError, KeyError, TypeError):
        return []
    return list(_of(given, shares))


def _of(given: Input, following: Allocation | None) -> Iterator[Told]:
    desired, state = given.desired, given.state
    if desired is None or state is None:
        return
    for row in given.evaluation.evidence:
        shares = following if following and following.share(row.candidate) else state.allocation
        found = outlook(row, desired.policy.spec, desired.metrics, given.evaluation.folds, shares)
        if found is not None:
            traffic = _traffic(given, row.metric)
            yield Told(found, traffic * shares.share(row.candidate) / WHOLE if traffic else None)


def _traffic(given: Input, metric: str) -> float | None:
    """Samples a second of all variants together, in the blocks of the record."""
    reading = given.observed.readings.get(metric)
    blocks = reading.blocks if reading else ()
    if not blocks:
        return None
    span = (blocks[-1].end_at - blocks[0].start_at).total_seconds()
    return sum(arm.trials for block in blocks for arm in block.arms.values()) / span if span > 0 else None

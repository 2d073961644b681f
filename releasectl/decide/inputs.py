"""What a decision is made from, gathered before it and passed in whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from releasectl.domain.decision import EffectiveState, PersonRequest, Quarantine
from releasectl.domain.environment import Environment
from releasectl.domain.metric import Metric
from releasectl.domain.observation import Observation
from releasectl.domain.policy import PromotionPolicy, Watch
from releasectl.domain.reasons import Reason
from releasectl.domain.release import Release
from releasectl.domain.strategy import Stage
from releasectl.evaluate.evaluation import Evaluation


@dataclass(frozen=True)
class Origin:
    """The commit by which a candidate came to be what it is."""

    author: str
    """``Name <mail>``."""
    at: datetime


@dataclass(frozen=True)
class Desired:
    """What git asks for, resolved."""

    release: Release
    policy: PromotionPolicy
    environment: Environment
    metrics: Mapping[str, Metric]
    path: str
    generation: str
    revision: str
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """Identity of a candidate -> who asked for it; known where something depends on it."""

    @property
    def stages(self) -> tuple[Stage | Watch, ...]:
        """Those of the strategy, and the policy's watch after them."""
        watch = self.policy.spec.watch
        return self.release.spec.strategy + ((watch,) if watch else ())

    def stage(self, state: EffectiveState) -> Stage | Watch | None:
        """The stage under way; None when nothing is on trial, or there are no longer as many stages."""
        stages = self.stages
        if state.progress is None or state.progress.stage >= len(stages):
            return None
        return stages[state.progress.stage]


@dataclass(frozen=True)
class Input:
    """All of it. ``invalid`` says why the present manifest cannot be used; ``desired`` is then the last good one."""

    desired: Desired | None
    """None once the release is gone from the repository."""
    state: EffectiveState | None
    """None before the first decision."""
    observed: Observation
    now: datetime
    evaluation: Evaluation = field(default_factory=Evaluation)
    requests: tuple[PersonRequest, ...] = ()
    quarantine: Mapping[str, Quarantine] = field(default_factory=dict)
    """Held artifacts of the whole fleet, by identity."""
    invalid: str = ""
    turn: Finding | None = None
    """Why a trial must not start in this pass although nothing else is against it: others come first."""
    proposed: Finding | None = None
    """Why a promotion must not happen in this pass although it is decided: its edit is proposed in a pull request and
    not merged. It may settle the request of the person who asked for the promotion."""


@dataclass(frozen=True)
class Finding:
    """What a check reports."""

    reason: Reason
    message: str
    candidate: str | None = None
    request: PersonRequest | None = None
    """The person's request that it settles."""

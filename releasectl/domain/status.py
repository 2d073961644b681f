"""ReleaseStatus: what people and tools are shown. Recomputable, never in git, holds no ticking values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from releasectl.domain.base import Model, Time
from releasectl.domain.decision import Outcome, Quarantine, Suspension
from releasectl.domain.evidence import Evidence
from releasectl.domain.observation import VariantHealth
from releasectl.domain.reasons import Reason
from releasectl.domain.reward import ArmReward


class Condition(Model):
    """The summary of a release: Ready, Reconciling while working, Stalled while only a person can help."""

    type: Literal["Ready", "Reconciling", "Stalled"]
    reason: Reason
    message: str
    since: Time


class StageStatus(Model):
    """Where a trial stands; steps count from 1, and ``steps`` is 0 where their number is open."""

    type: str
    number: int
    of: int
    step: int
    steps: int
    started_at: Time
    step_started_at: Time
    served_since: Time | None = None


class VariantStatus(Model):
    """One variant as it serves."""

    name: str
    versions: Mapping[str, str]
    """Component -> version."""
    share: int
    """Decided basis points."""
    served: int | None = None
    """Basis points that the router is seen to serve; None when it has not told."""
    health: VariantHealth | None = None


class ReleaseStatus(Model):
    """One release."""

    name: str
    environment: str = ""
    phase: Literal["new", "idle", "trial", "paused", "removed", "unreadable"]
    condition: Condition | None = None
    url: str | None = None
    path: str = ""
    revision: str = ""
    """Commit of the manifests branch that the last decision saw."""
    stage: StageStatus | None = None
    variants: tuple[VariantStatus, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    rewards: tuple[ArmReward, ...] = ()
    """What each arm earns, in a bandit stage."""
    decision: str = ""
    seq: int = 0
    last: Outcome | None = None
    """The last recorded decision."""
    suspension: Suspension | None = None
    quarantine: tuple[Quarantine, ...] = ()
    stale: tuple[str, ...] = ()
    """Holds that were measured with other neighbours than those that serve now, in sentences."""
    problems: tuple[str, ...] = ()
    """What is wrong beside the condition, a sentence each, with its reason in front."""
    unrecorded: bool = False
    """A rollback has acted and waits for the repository to record it."""


class SubscriptionStatus(Model):
    """What the last look at a subscription came to."""

    name: str
    message: str
    fault: bool = False
    """Whether its source, the forge or the repository did not answer, or the manifest cannot be edited."""
    pull: int | None = None
    """Number of the pull request that it is about."""


class StatusReport(Model):
    """All releases, and where the report comes from."""

    source: Literal["controller", "git"]
    at: Time
    repository: str
    revision: str = ""
    ledger: str | None = None
    problems: tuple[str, ...] = ()
    """What is wrong with the controller itself: repository or router out of reach."""
    releases: tuple[ReleaseStatus, ...] = ()
    subscriptions: tuple[SubscriptionStatus, ...] = ()
    """By name; known to a running controller only."""

"""Decision, Allocation, EffectiveState: what is to be served, why, and since when."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from releasectl.domain.assignment import Assignment
from releasectl.domain.base import WHOLE, Model, Name, Time, VersionName, digest_of
from releasectl.domain.evidence import Evidence
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE, Route, Variant
from releasectl.domain.reward import ArmReward


class Allocation(Model):
    """Share of each variant in basis points, adding up to exactly 10,000. Mirrored traffic is no share."""

    shares: Mapping[Name, Annotated[int, Field(ge=0, le=WHOLE)]]

    @model_validator(mode="after")
    def _whole(self) -> Allocation:
        if sum(self.shares.values()) != WHOLE:
            raise ValueError(f"shares add up to {sum(self.shares.values())}, not {WHOLE}")
        return self

    @classmethod
    def all_to(cls, variant: str) -> Allocation:
        """Everything to one variant."""
        return cls(shares={variant: WHOLE})

    def share(self, variant: str) -> int:
        """Basis points of a variant; 0 for one that is not named."""
        return self.shares.get(variant, 0)

    def same_as(self, other: Allocation | None) -> bool:
        """Equal shares, zeros and order aside."""
        return other is not None and self._positive() == other._positive()

    def _positive(self) -> dict[str, int]:
        return {variant: share for variant, share in self.shares.items() if share}

    def __str__(self) -> str:
        return ", ".join(f"{variant} {share / 100:g} %" for variant, share in self.shares.items())


class Action(StrEnum):
    """What a decision does."""

    HOLD = "HOLD"
    ADVANCE = "ADVANCE"
    REALLOCATE = "REALLOCATE"
    PROMOTE = "PROMOTE"
    ROLLBACK = "ROLLBACK"

    @property
    def acts_first(self) -> bool:
        """Whether traffic moves before the record: only what takes a candidate back."""
        return self is Action.ROLLBACK


class Measured(Model):
    """One component of the graph that a verdict is about."""

    version: VersionName
    identity: str


class Quarantine(Model):
    """An artifact that was rolled back: refused under any name until a person lifts it."""

    release: Name
    identity: str
    component: Name
    version: str
    reason: Reason
    decision: str
    at: Time
    combination: Mapping[Name, Measured] = {}
    """The whole variant that was measured, by component; empty where the verdict is about the artifact alone."""
    against: tuple[str, ...] = ()
    """Identities of the stable versions that it was not better than: refused while these serve and no longer. Empty
    for what was harmful."""

    @property
    def key(self) -> str:
        """What tells holds apart: the artifact, and the graph that it was measured in."""
        graph = sorted(measured.identity for measured in self.combination.values())
        return f"{self.identity}/{digest_of(graph)[7:15]}" if graph else self.identity


class Progress(Model):
    """Where a trial stands."""

    stage: int = 0
    step: int = 0
    stage_started_at: Time
    step_started_at: Time
    first_epoch: int
    """Epoch of the trial's first allocation; exposures under older ones belong to other trials."""


class Suspension(Model):
    """A person asked for no action."""

    by: str
    at: Time
    reason: str = ""


class Outcome(Model):
    """The last recorded decision in short."""

    action: Action
    reason: Reason
    message: str
    candidate: Name | None = None
    at: Time
    evidence: tuple[Evidence, ...] = ()
    rewards: tuple[ArmReward, ...] = ()


class PersonAction(StrEnum):
    """What a person may ask for."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    LIFT = "lift"
    APPROVE = "approve"
    REJECT = "reject"


class PersonRequest(Model):
    """A person's request: ``releases/<name>/requests/<id>.json`` on the ledger branch until it is answered."""

    id: str
    action: PersonAction
    by: str
    at: Time
    reason: str = ""
    via: str = ""
    """Where they asked, if not by a commit of theirs: a comment on a pull request, say."""
    trial: int | None = None
    """For a vote: ``firstEpoch`` of the trial that the person saw; None takes the one under way."""
    candidates: tuple[str, ...] = ()
    """For a vote: identities of the candidates that the person saw; none takes those under way."""


class EffectiveState(Model):
    """What must serve now and how it came to that: ``releases/<name>/state.json`` on the ledger branch.

    Complete in itself: a cluster rebuilt from it in the middle of a canary serves what was proven, even if
    the manifest has become unreadable since.
    """

    release: Name
    path: str
    """File of the manifest."""
    seq: int
    """Number of the last decision."""
    epoch: int
    """Number of the decision that last changed what is served; exposures are stamped with it."""
    decision: str
    """Identity of the last decision."""
    revision: str
    """Commit of the manifests branch that it was based on."""
    generation: str
    """Digest of the manifest and all it refers to."""
    intent: str
    """Digest of what is tried and how; a change starts the trial anew."""
    environment: Name
    entry: Name
    route: Route = Route()
    edges: Mapping[Name, tuple[Name, ...]] = {}
    """Component -> components whose answers it needs."""
    variants: Mapping[Name, Variant]
    """Stable, and the candidates on trial."""
    allocation: Allocation
    assignment: Assignment | None = None
    """Which units the shares stand for; only where the route keeps units on their variant."""
    mirrors: Mapping[Name, Annotated[int, Field(ge=0, le=WHOLE)]] = {}
    """Basis points of the entry's requests that are copied to a candidate, whose answers are dropped."""
    progress: Progress | None = None
    """None while nothing is on trial."""
    folds: Mapping[str, Mapping[str, Any]] = {}
    """Statistics so far, by ``metric/candidate``: where the next blocks are folded in."""
    folded_until: Time | None = None
    """Blocks that ended by then are in ``folds`` already."""
    last: Outcome | None = None
    """What the last decision was, so that the tip of the ledger explains itself."""
    quarantine: tuple[Quarantine, ...] = ()
    suspension: Suspension | None = None
    votes: tuple[PersonRequest, ...] = ()
    """Approvals of the trial under way; a new trial begins without any."""
    unreadable_seconds: float = 0.0
    """Outage spent in this stage up to the last decision."""
    removed: bool = False

    @property
    def stable(self) -> Variant:
        return self.variants[STABLE]

    @property
    def candidates(self) -> tuple[str, ...]:
        """Names on trial."""
        return tuple(name for name in self.variants if name != STABLE)


class Edit(Model):
    """What the manifest must become: promotion rewrites stable and drops the candidate, rollback drops it."""

    promote: Name | None = None
    drop: tuple[Name, ...] = ()
    lines: Mapping[Name, tuple[Name, ...]] = {}
    """Independent unit -> components whose lines go; the others stay, and with the last line goes the candidate."""


class Decision(Model):
    """One decision about one release, with all that justifies it."""

    action: Action
    reason: Reason
    message: str
    release: Name
    candidate: Name | None = None
    id: str
    """Digest of the inputs that make it this decision; the same decision is never recorded twice."""
    at: Time
    state: EffectiveState | None
    """The state after it; unchanged for HOLD, None only while a new release waits for its stable variant."""
    evidence: tuple[Evidence, ...] = ()
    rewards: tuple[ArmReward, ...] = ()
    """What each arm earns, in a bandit stage."""
    edit: Edit | None = None
    answers: tuple[str, ...] = ()
    """Requests of people that it settles."""
    condition: Literal["Ready", "Reconciling", "Stalled"] = "Ready"

    @property
    def records(self) -> bool:
        """Whether it belongs into git: HOLD does not, unless it settles a person's request."""
        return self.action is not Action.HOLD or bool(self.answers)

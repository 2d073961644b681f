"""The preview of a change as data: what `releasectl plan` prints, a pull request's comment shows and bots read.

Fields are added, never renamed. Shares are percent, times seconds, rates fractions of 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from releasectl.domain.base import Model, Name, Time
from releasectl.domain.decision import Action
from releasectl.domain.reasons import Reason

FORMAT: Literal["releasectl.dev/plan/v1alpha1"] = "releasectl.dev/plan/v1alpha1"

Sign = Literal["+", "-", "~"]
Subject = Literal[
    "release",
    "component",
    "version",
    "stable",
    "candidate",
    "contract",
    "strategy",
    "policy",
    "metric",
    "environment",
    "route",
    "file",
]
Effect = Literal["starts", "restarts", "ends", "serves", "held", "tunes", "adopts", "removes", "invalid", "nothing"]


class Change(Model):
    """One difference between the two states."""

    sign: Sign
    subject: Subject
    name: str
    """What of the subject, such as ``sentiment 2.0`` or ``guardrails[0].margin.points``."""
    before: str | None = None
    after: str | None = None
    note: str = ""
    """What a reader should know about it."""


class VersionShown(Model):
    """A component's version in a variant."""

    component: Name
    version: str
    identity: str
    """Digest by which it is held after a rollback: the artifact's where it is known."""
    artifact: str | None = None
    runtime: str = ""
    """Language, framework and accelerator in words."""
    changed: bool = False
    """Whether it differs from what stable has of this component."""


class VariantShown(Model):
    """Stable or a candidate, with every version that a request would meet."""

    name: Name
    identity: str
    """Digest of all its versions: what an approval is bound to."""
    versions: tuple[VersionShown, ...]


class Contract(Model):
    """Whether an interface still fits those who use it."""

    component: Name
    verdict: Literal["compatible", "incompatible", "unchecked"]
    message: str


class Following(Model):
    """One decision that the controller comes to once the change is merged and everything is ready."""

    action: Action
    reason: Reason
    message: str


class Turn(Model):
    """One trial of a candidate whose components are tried one after the other."""

    candidate: Name
    component: Name
    version: str
    takes_along: Mapping[Name, str] = {}
    """Versions of the same candidate, by component, that need this one's answers: they go with it untried if it is
    taken back."""


class Step(Model):
    """One stop of the ramp. Times are without forecast: what the manifest alone asks for."""

    stage: int
    """Counts from 1."""
    type: str
    step: int
    of: int
    """Steps of the stage; 0 where that is open."""
    shares: Mapping[Name, float]
    mirror: float = 0.0
    """Percent of requests that are copied to each candidate."""
    least_seconds: float
    samples: int
    """Trials that each arm needs in every metric; 0 where none are asked for."""
    proof: bool = False
    """Whether it ends by proof only, never by time."""
    note: str = ""


class Estimate(Model):
    """A number from simulation with its standard error; None where too few runs came so far."""

    value: float | None
    error: float | None


class StepForecast(Model):
    """How long a step takes, of the runs that passed it."""

    stage: int
    step: int
    passed: Estimate
    """Share of all runs."""
    median_seconds: Estimate
    p90_seconds: Estimate
    samples: int | None = None
    """The candidates' requests in a step of median length, each candidate's alone."""


class WorldForecast(Model):
    """What comes of the trial in one supposed world."""

    world: Literal["no difference", "worthwhile", "harmful"]
    supposes: str
    promoted: Estimate
    rolled_back: Estimate
    """Share of the runs that ended by proven harm."""
    inconclusive: Estimate
    median_seconds: Estimate
    p90_seconds: Estimate
    exposed: Estimate
    """Share of the requests during the trial that candidates answer."""
    exposed_requests: Estimate
    steps: tuple[StepForecast, ...] = ()


class Forecast(Model):
    """Simulated with the controller's own decisions; the same inputs give the same numbers."""

    requests_per_second: float
    traffic: Literal["observed", "given", "assumed"]
    rates: Mapping[str, float]
    """Stable's rate of each metric, as a fraction; a mean in its own unit."""
    units: Mapping[str, str] = {}
    """The unit, perhaps empty, of each metric that is a mean."""
    observed: tuple[str, ...] = ()
    """Metrics whose rate was observed; the others' are the usual ones."""
    runs: int
    seed: int
    resolution_seconds: float
    """Time between looks in the simulation: times are no finer."""
    not_drawn: tuple[str, ...] = ()
    """Groups of users that a guardrail holds in and the simulation does not know, such as ``wrong by language``. They
    can take the candidate back, or let it wait, and their part of alpha is not spent here."""
    worlds: tuple[WorldForecast, ...]


class Exposure(Model):
    """How many of the users meet a candidate."""

    largest: float
    """The most that candidates ever have together before they have proven themselves, in percent."""
    at_most_seconds: float | None
    """The longest that the trial may take by its policy, pauses and freezes aside; None: people end it."""


class Stop(Model):
    """Something that holds or ends the trial."""

    kind: Literal[
        "guardrail", "limit", "objective", "duration", "outage", "approval", "freeze", "cap", "readiness", "trust"
    ]
    text: str


class ProblemShown(Model):
    """A mistake in a manifest, as `validate` prints it."""

    file: str
    line: int
    column: int
    path: str
    severity: Literal["error", "warning"]
    code: str
    message: str
    hint: str


class Preview(Model):
    """What a change means for one release."""

    release: Name
    path: str
    effect: Effect
    summary: str
    """One sentence."""
    changes: tuple[Change, ...] = ()
    variants: tuple[VariantShown, ...] = ()
    contracts: tuple[Contract, ...] = ()
    follows: tuple[Following, ...] = ()
    held_by: Following | None = None
    """Why the trial does not begin yet, if it does not."""
    turns: tuple[Turn, ...] = ()
    """Of independent units: the trials in their order, if each is promoted. What is told of the ramp, of times and of
    exposure is about one of them."""
    ramp: tuple[Step, ...] = ()
    forecast: Forecast | None = None
    no_forecast: str = ""
    """Why there is a ramp and no forecast, where that is so."""
    exposure: Exposure | None = None
    stops: tuple[Stop, ...] = ()
    costs: tuple[str, ...] = ()
    problems: tuple[ProblemShown, ...] = ()
    warnings: tuple[ProblemShown, ...] = ()


class Plan(Model):
    """All releases that a change concerns."""

    format: Literal["releasectl.dev/plan/v1alpha1"]
    base: str
    """Commit that is compared with."""
    head: str
    """Commit of the change; empty for a work tree."""
    ledger: str | None
    """Commit of the decisions it was held against; None without any."""
    at: Time
    """The moment for which freezes are told."""
    releases: tuple[Preview, ...]
    problems: tuple[ProblemShown, ...] = ()
    """Mistakes that belong to no release."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs that any release is made of."""
        return not self.problems and all(one.effect == "nothing" and not one.changes for one in self.releases)

    @property
    def is_valid(self) -> bool:
        """Whether no manifest that the change concerns has an error."""
        return not any(p.severity == "error" for p in self.problems) and not any(one.problems for one in self.releases)

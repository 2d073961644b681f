"""What the core needs from outside, as Protocols. Adapters meet them; ``cli/wiring.py`` joins the two.

Every method that can wait may raise ``Unavailable`` or ``Denied`` and nothing else of a library's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Protocol, runtime_checkable

from releasectl.domain.assignment import Assignment
from releasectl.domain.decision import Allocation, Decision
from releasectl.domain.metric import Metric
from releasectl.domain.observation import Block, Counts, ReadState
from releasectl.domain.release import Interface, Process, Route, Version

# --- time -----------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Time that never jumps: anchored to the wall clock once, moved on by the monotonic one."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...


# --- git ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heads:
    """Commits of the two branches as last fetched. ``ledger`` is None before the first decision."""

    manifests: str
    ledger: str | None


class EntryKind(StrEnum):
    FILE = "file"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"


@dataclass(frozen=True)
class TreeEntry:
    """A file in a commit. ``oid`` names its content: equal oid, equal bytes."""

    path: str
    oid: str
    kind: EntryKind
    size: int


@dataclass(frozen=True)
class Commit:
    """A commit to be made on one branch: files written and deleted relative to its tip."""

    message: str
    writes: Mapping[str, bytes] = field(default_factory=dict)
    deletes: tuple[str, ...] = ()
    author: tuple[str, str] | None = None
    """Name and e-mail of a person; the controller's own identity otherwise."""


@dataclass(frozen=True)
class LogEntry:
    """A commit as read back."""

    sha: str
    at: datetime
    author: str
    message: str
    trailers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Opening:
    """A pull request that a push asks for by itself: AGit on Gitea, push options on GitLab. Needs no API token."""

    kind: Literal["gitea", "gitlab"]
    title: str
    body: str
    labels: tuple[str, ...] = ()
    """Heeded by GitLab only."""


@dataclass(frozen=True)
class Change:
    """A commit on the first-parent line of a branch, with the paths in which it differs from the one before."""

    commit: str
    subject: str
    paths: tuple[str, ...]


class Objects(Protocol):
    """Commits and contents by name, to be read."""

    def tree(self, commit: str) -> Mapping[str, TreeEntry]:
        """Every entry of a commit by path, recursively."""
        ...

    def read(self, oids: Iterable[str]) -> Mapping[str, bytes]:
        """Contents by oid, in one batch."""
        ...


class ReleaseRepo(Protocol):
    """The git repository, through a bare mirror. Both branches move together or not at all."""

    def fetch(self) -> Heads:
        """Bring the mirror up to date. A ledger that was rewritten (not a descendant) raises Conflict."""
        ...

    def known(self) -> Heads | None:
        """Heads as last fetched or pushed, from the mirror alone; None when there has been no fetch yet."""
        ...

    def tree(self, commit: str) -> Mapping[str, TreeEntry]:
        """Every entry of a commit by path, recursively."""
        ...

    def read(self, oids: Iterable[str]) -> Mapping[str, bytes]:
        """Contents by oid, in one batch."""
        ...

    def push(self, base: Heads, *, manifests: Sequence[Commit] = (), ledger: Sequence[Commit] = ()) -> Heads:
        """Make the commits on top of ``base`` and push both branches atomically, in one push.

        Raises Conflict if either branch has moved since ``base``; then nothing was written.
        """
        ...

    def changes(self, old: str | None, new: str, *, containing: str = "") -> Sequence[Change]:
        """Commits on the first-parent line from ``old``, or from the beginning, to ``new``, oldest first.

        A ``new`` whose line does not lead through ``old`` is one change of all that differs. ``containing`` keeps
        those that added or removed some occurrence of a text.
        """
        ...

    def signature_fault(self, commit: str, signers: bytes) -> str:
        """Why a commit does not carry a good signature of one of the ``signers``; empty if it does."""
        ...

    @property
    def public_key(self) -> str:
        """The SSH key that signs what is pushed, as ``type base64``; empty if nothing is signed."""
        ...

    def log(self, commit: str, *, limit: int | None = None, path: str | None = None) -> Sequence[LogEntry]:
        """Commits reachable from ``commit``, newest first."""
        ...

    def find_branch(self, name: str) -> str | None:
        """The commit of another branch, asked of the host and brought here; None if there is no such branch."""
        ...

    def propose(
        self,
        base: str,
        commit: Commit,
        *,
        branch: str,
        replaces: str | None = None,
        opening: Opening | None = None,
    ) -> str:
        """Push one commit on top of ``base`` as a branch of its own, and open a pull request with the same push if
        an ``opening`` is given; the commit.

        Raises Conflict if the branch is not at ``replaces`` (None: if it exists); then nothing was written.
        """
        ...


# --- traffic --------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Address:
    host: str
    port: int


@dataclass(frozen=True)
class RouteTable:
    """All routing of one release, as data.

    A request gets its variant once, at the entry: at random by ``shares``, or, where ``route`` is sticky and the
    request says who it is from, by the place of that unit in ``assignment``.
    The entry sets ``x-releasectl-variant`` (whatever the client sent), ``x-releasectl-allocation`` (the
    epoch) and ``x-releasectl-propensity`` (the share, 0..1) on the request, and the variant on the answer.
    Inner hops match on the variant; a request without one gets stable.
    """

    release: str
    epoch: int
    route: Route
    entry: str
    """Component that users' requests reach."""
    shares: Allocation
    backends: Mapping[str, Mapping[str, Address]]
    """variant -> component -> where it listens."""
    tags: Mapping[str, str]
    """variant -> short digest of its versions, so that counters of an older variant of the same name stay apart."""
    mirrors: Mapping[str, int] = field(default_factory=dict)
    """variant -> basis points of the entry's requests that are copied to it, answers dropped."""
    assignment: Assignment | None = None
    """Which units ``shares`` stand for; None with a sticky route: a layout that the router makes of the shares."""


@dataclass(frozen=True)
class Served:
    """What the router is seen to serve for one release."""

    shares: Allocation
    epoch: int
    mirrors: Mapping[str, int] = field(default_factory=dict)


class TrafficRouter(Protocol):
    """The data plane."""

    async def start(self) -> None:
        """Start it, or find the one that runs already."""
        ...

    async def apply(self, tables: Mapping[str, RouteTable]) -> None:
        """Make these, by release, the routes of ours; a release not named loses its routes.

        Requests in flight are not broken. Equal tables write nothing.
        """
        ...

    async def observe(self) -> Mapping[str, Served]:
        """What is really served, read back from the data plane itself."""
        ...

    def entry_url(self, release: str) -> str | None:
        """Where users reach a release, for people; None if it has no route."""
        ...

    def component_url(self, release: str, component: str) -> str:
        """Where processes reach another component of their release, through the variant-matching inner hop."""
        ...


# --- workloads ------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class WorkloadKey:
    """One version of one component of one release; ``digest`` tells apart what only shares the name."""

    release: str
    component: str
    version: str
    digest: str


@dataclass(frozen=True)
class Workload:
    """What must run. Exactly one of ``process`` and ``address`` is given."""

    key: WorkloadKey
    process: Process | None = None
    address: Address | None = None
    env: Mapping[str, str] = field(default_factory=dict)


class WorkloadPhase(StrEnum):
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    """It did not become ready in time, or keeps exiting; it is still tried again, ever more slowly."""


@dataclass(frozen=True)
class WorkloadStatus:
    phase: WorkloadPhase
    address: Address | None
    detail: str = ""
    restarts: int = 0
    pid: int | None = None
    log: str | None = None


class WorkloadRunner(Protocol):
    """Starts, probes and supervises the processes of components."""

    async def ensure(self, workloads: Sequence[Workload]) -> None:
        """Make these run: start what is missing, stop, after a grace time for requests in flight, what is not named."""
        ...

    async def observe(self) -> Mapping[WorkloadKey, WorkloadStatus]:
        """Probe and tell; restarts what has died, with back-off."""
        ...


# --- metrics --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Increment:
    """Exact new counts of one arm since the cursor."""

    release: str
    variant: str
    counts: Counts
    tag: str | None = None
    """Short digest of the variant's versions where the source knows it."""
    epoch: int | None = None
    """Allocation at exposure where the source knows it; None: the one in force."""
    part: str = ""
    """``dimension=value``, such as ``language=es``: these counts are part of the whole, which is told besides."""


@dataclass(frozen=True)
class SourceReading:
    """What one metric said since its cursor, for all releases at once."""

    state: ReadState
    detail: str = ""
    increments: tuple[Increment, ...] = ()
    cursor: Any = None
    """JSON; handed back at the next read once the increments are safely stored."""
    faults: Mapping[str, tuple[ReadState, str]] = field(default_factory=dict)
    """Release -> what is wrong with its own data (stale, invalid), where that is not so for all."""
    exposures: bool = False
    """Whether trials are the requests at the entry, each once, so that their numbers must follow the shares."""


class MetricSource(Protocol):
    """A metrics provider of one environment."""

    kind: str
    """``envoy``, ``prometheus`` or ``log``: which of a metric's queries it answers."""

    async def read(
        self, metrics: Sequence[Metric], cursors: Mapping[str, Any], now: datetime
    ) -> Mapping[str, SourceReading]:
        """Read each metric, by name, in as few requests as the provider allows; never raises for one metric.

        A metric whose name is missing from ``cursors`` begins here: its first reading sets the cursor and
        counts nothing.
        """
        ...


@runtime_checkable
class UnitSource(Protocol):
    """A metrics provider that knows who was served, not only how often."""

    async def new_units(self, since: Mapping[str, int], cursor: Any) -> SourceReading:
        """Units that were seen for the first time, as trials of the variant and epoch of that exposure.

        ``since`` is by release the first epoch that counts: whoever was seen only before is new again. Without a
        cursor it begins here and counts nothing, like a metric.
        """
        ...


# --- local memory ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Intent:
    """A decision that was begun and may not be recorded yet: written before it acts, removed after its record."""

    decision: Decision
    record: Mapping[str, Any]
    """The decision record as it will stand in the ledger."""


class EvidenceStore(Protocol):
    """Local memory that may be lost at any time at the price of a slower decision, never of a wrong one."""

    fault: str
    """Why it would not outlive a restart at present; empty if it would."""

    def cursors(self, source: str) -> Mapping[str, Any]:
        """Cursor of each metric of a source."""
        ...

    def append(
        self,
        source: str,
        cursors: Mapping[str, Any],
        blocks: Mapping[tuple[str, str], Sequence[Block]],
    ) -> None:
        """Store new blocks by (release, metric) and move the cursors, in one transaction."""
        ...

    def blocks(self, release: str, metric: str) -> Sequence[Block]:
        """Blocks since the last ``forget``, oldest first."""
        ...

    def counted(self, release: str) -> Sequence[str]:
        """Names of the readings, metrics and parts of them, that a release has blocks of; sorted."""
        ...

    def forget(self, release: str) -> None:
        """Drop a release's blocks: they are in a recorded decision now."""
        ...

    def note(self, release: str, key: str, value: Any) -> None:
        """Remember a small JSON value; None removes it."""
        ...

    def noted(self, release: str, key: str) -> Any:
        """The value last noted, or None."""
        ...

    def intents(self) -> Sequence[Intent]:
        """Decisions begun and not known to be recorded, oldest first."""
        ...

    def begin(self, intent: Intent) -> None:
        """Write an intent down, durably."""
        ...

    def finish(self, decision: str) -> None:
        """The decision of this identity is recorded or has become void."""
        ...


DRAIN = timedelta(seconds=5)
"""How long a version keeps running after it lost its last share, for requests in flight."""


# --- forges ---------------------------------------------------------------------------------------------


class PullState(StrEnum):
    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"
    """Closed without being merged."""


@dataclass(frozen=True)
class Pull:
    """A pull request (on GitLab: a merge request), by the number that people use for it."""

    number: int
    title: str
    body: str
    state: PullState
    head: str
    """Branch it comes from."""
    head_sha: str
    base: str
    """Branch it wants to be merged into."""
    author: str
    url: str
    labels: tuple[str, ...] = ()
    merged_sha: str | None = None
    foreign: bool = False
    """Whether the branch is in another repository, a fork: its author may have no rights here."""


@dataclass(frozen=True)
class Remark:
    """A comment on a pull request."""

    id: int
    author: str
    body: str
    at: datetime
    edited: bool = False


@dataclass(frozen=True)
class Approving:
    """A person's review that approves, of exactly one commit."""

    by: str
    sha: str
    at: datetime


class CheckState(StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


class Forge(Protocol):
    """The web side of one hosted repository. Raises Unavailable, Denied and Conflict, never a library's errors.

    Everything that writes is idempotent, so that whoever lost an answer asks again: what is there already is
    found and brought up to date, not made a second time.
    """

    kind: str
    """``github``, ``gitlab`` or ``gitea``."""

    async def open_pulls(self) -> Sequence[Pull]:
        """All open pull requests into the manifests' branch."""
        ...

    async def pull(self, number: int) -> Pull | None:
        """One pull request; None if there is none of that number."""
        ...

    async def find_pull(self, head: str) -> Pull | None:
        """The newest pull request from a branch of this repository, whatever its state."""
        ...

    async def ensure_pull(self, *, head: str, title: str, body: str, labels: Sequence[str] = ()) -> Pull:
        """The open pull request from ``head``, made if need be, with this title, body and at least these labels."""
        ...

    async def merge_pull(self, number: int, *, head_sha: str) -> str:
        """Merge it if its head is still ``head_sha``; the merge's commit. Conflict if it moved or cannot be merged."""
        ...

    async def close_pull(self, number: int) -> None:
        """Close it without merging; no error if it is closed already."""
        ...

    async def set_status(self, sha: str, state: CheckState, *, context: str, description: str, url: str = "") -> None:
        """The status of a commit under a context; a later one replaces an earlier."""
        ...

    async def mark(self, number: int, *, marker: str, body: str) -> None:
        """Create or update the one comment of ours that carries ``marker``; equal text writes nothing."""
        ...

    async def remarks(self, number: int) -> Sequence[Remark]:
        """All comments on a pull request, oldest first."""
        ...

    async def reply(self, number: int, body: str) -> None:
        """A further comment. The one thing here that is not idempotent: callers remember what they answered."""
        ...

    async def approvals(self, number: int) -> Sequence[Approving]:
        """Approvals in force: the last word of each reviewer, of whichever commit it was given."""
        ...

    async def whoami(self) -> str:
        """Login of the account whose token is used: its own comments are no commands."""
        ...


# --- registries -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Offer:
    """The version that a registry has to offer: immutable, named and told apart by its digest."""

    version: str
    """As the registry calls it."""
    artifact: str
    digest: str | None = None
    """``sha256:...`` of the artifact's content, where the registry tells or gives the content."""
    interface: Interface | None = None
    """Contract that the artifact declares itself."""
    facts: tuple[tuple[str, str], ...] = ()
    """What else people may want to know, as name and text."""
    declared: Version | None = None
    """The version as another manifest declares it, where it comes from one."""


class Registry(Protocol):
    """One place where versions appear."""

    async def newest(self) -> Offer | None:
        """The version to follow now; None if there is none yet. Raises Unavailable or Denied."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


# --- events ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prediction:
    """One answer of a model, as its exposure to a user is logged."""

    request_id: str
    release: str
    variant: str
    at: datetime
    component: str = ""
    version: str | None = None
    tag: str | None = None
    """Short digest of the variant's versions."""
    unit: str | None = None
    """Whoever is kept on one variant; a sink stores only a keyed hash of it."""
    allocation_id: int | None = None
    """Allocation in force when the variant was chosen."""
    propensity: float | None = None
    """Chance with which it was chosen, 0..1."""
    mirrored: bool = False
    latency_ms: float | None = None
    status: int | None = None
    features: Mapping[str, Any] | None = None
    output: Any = None
    attributions: Mapping[str, float] | None = None
    segment: Mapping[str, str] | None = None
    cost: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a prediction, often much later. A correction is another one with a later ``observed_at``."""

    metric: str
    value: float
    observed_at: datetime
    request_id: str | None = None
    unit: str | None = None
    """Exactly one of ``request_id`` and ``unit`` is given."""
    release: str | None = None
    """Narrows it to one release, where several saw the same request or unit."""
    source: str = "system"
    variant: str | None = None
    """Whose answer it is about, where a request has several: an answer to a copy has outcomes by this name alone."""


class EventSink(Protocol):
    """Where posted predictions and outcomes go."""

    def append(self, predictions: Sequence[Prediction], outcomes: Sequence[Outcome]) -> int:
        """Store all of them or, raising Unavailable, none; returns how many were not known yet.

        Blocks while it writes; may be called from any thread.
        """
        ...

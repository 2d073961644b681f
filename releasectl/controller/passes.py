"""One pass: gather, decide, act, record, converge.

Levels, not events: a pass looks at the world and never at what woke it, so running it again repairs whatever
a crash left half done. The order of effects::

    what takes a candidate back:   written to local memory -> traffic -> git
    everything else:               git -> traffic

Between fetching and pushing somebody may move first; then the pass fetches and decides again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from releasectl.controller.backoff import Backoff
from releasectl.controller.collect import Collected
from releasectl.controller.edits import EditedManifests
from releasectl.controller.evidence import EvidenceBook
from releasectl.controller.gather import Gatherer, why_invalid
from releasectl.controller.gitseen import GitFault, GitView
from releasectl.controller.gitview import PATIENCE, GitWatcher
from releasectl.controller.pending import Pending
from releasectl.controller.proposal import pushes
from releasectl.controller.proposals import ForgeOf, Proposals
from releasectl.controller.record import EditFile, Entry, WithTrailers, commits, entry_of
from releasectl.controller.site import SiteFactory, SiteView
from releasectl.controller.sites import Sites
from releasectl.decide.chain import decide
from releasectl.decide.inputs import Desired, Input
from releasectl.decide.turns import waiting
from releasectl.domain.decision import Action, Decision, EffectiveState, Quarantine
from releasectl.domain.reasons import Reason
from releasectl.errors import Conflict, Denied, Unavailable
from releasectl.ports import Clock, EvidenceStore, ReleaseRepo

log = structlog.get_logger(__name__)

RACES = 8
"""Lost races that one pass puts up with; the next pass goes on."""
_LONGEST_YIELD = 8
"""After a lost race at most so many times as long is waited as a try takes."""


@dataclass(frozen=True)
class Considered:
    """A release in one pass: what was known and what was decided."""

    given: Input
    decision: Decision


@dataclass(frozen=True)
class Report:
    """What a pass came to."""

    at: datetime
    considered: Mapping[str, Considered] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    """Release -> what went wrong in releasectl itself."""
    invalid: Mapping[str, str] = field(default_factory=dict)
    """Release -> why it cannot be considered: its manifest is invalid, and nothing of it is on trial."""
    recorded: tuple[Entry, ...] = ()
    git: GitView = field(default_factory=GitView)
    states: Mapping[str, EffectiveState] = field(default_factory=dict)
    views: Mapping[str, SiteView] = field(default_factory=dict)
    unrecorded: tuple[str, ...] = ()
    """Releases whose rollback acted and waits for git."""
    withheld: Mapping[str, GitFault] = field(default_factory=dict)
    """Release -> why what was decided about it could not be recorded, so that it has not acted either."""
    is_pushing: bool = False
    """Whether decisions are on their way to the repository; the next pass waits for what becomes of them."""
    store_fault: str = ""
    """Why local memory would not outlive a restart."""

    @property
    def busy(self) -> bool:
        """Whether something is under way that deserves a quick next look."""
        waiting = (Reason.WAITING_FOR_READINESS, Reason.WAITING_FOR_ROUTE)
        waits = any(one.decision.reason in waiting for one in self.considered.values())
        return bool(self.recorded) or self.is_pushing or waits


@dataclass(frozen=True)
class _Recorded:
    """What became of a pass's decisions."""

    entries: tuple[Entry, ...] = ()
    fault: GitFault | None = None
    """Why the others were not taken."""
    blocked: Mapping[str, GitFault] = field(default_factory=dict)
    """Release -> why its promotion could not even be made up."""


class Controller:
    """Everything a pass needs, and what it keeps between passes; none of that must survive."""

    def __init__(
        self,
        *,
        repo: ReleaseRepo,
        store: EvidenceStore,
        sites: SiteFactory,
        clock: Clock,
        with_trailers: WithTrailers,
        forge_of: ForgeOf = lambda _: None,
        git_patience: timedelta = PATIENCE,
    ) -> None:
        self._git = GitWatcher(repo, clock, patience=git_patience)
        self._sites = Sites(sites, store)
        self._book = EvidenceBook(store)
        self._pending = Pending(store)
        self._store = store
        self._clock = clock
        self._refused = {with_edits: _Refusal(Backoff(clock)) for with_edits in (True, False)}
        self._with_trailers = with_trailers
        self._gatherer = Gatherer(self._sites, self._book)
        self._proposals = Proposals(repo, store, forge_of, clock, with_trailers)

    @property
    def sites(self) -> Sites:
        return self._sites

    def pulls_moved(self) -> None:
        """Something happened to a pull request: the next pass looks at ours."""
        self._proposals.nudge()

    async def aclose(self) -> None:
        """End what is under way beside the passes."""
        await self._proposals.aclose()

    async def run_pass(self) -> Report:
        """Look at everything once and do what follows. Raises nothing that the outside can cause."""
        now = self._clock.now()
        view = await self._git.refresh()
        if view.heads is None:
            return Report(at=now, git=view)
        await self._gatherer.restore(self._git, view)
        await self._prepare(view)
        collected = await self._collect(view, now)
        report = await self._decide_and_record(now, collected)
        await self._converge(report)
        return report

    # --- gather -----------------------------------------------------------------------------------------

    async def _prepare(self, view: GitView) -> None:
        for release in self._pending.settle(view.ledger):
            self._book.settle(release)
        states = self._states(view)
        # What stands in for an invalid manifest counts: it may be the only release of its environment.
        environments = [desired.environment for desired in self._desired(view).values()]
        self._sites.learn(environments, states)
        await self._sites.observe()
        await self._sites.run_workloads(self._desired(view), states, _held(states))

    async def _collect(self, view: GitView, now: datetime) -> dict[str, Collected]:
        states, desired = self._states(view), self._desired(view)
        collected = {}
        for name in self._sites.names:
            here = {
                release: state
                for release, state in states.items()
                if state.environment == name and state.progress and release not in self._pending.states
            }
            wanted = [one for one in desired.values() if one.environment.name == name]
            collected[name] = await self._sites.collect(name, wanted, here, now)
        return collected

    # --- decide -----------------------------------------------------------------------------------------

    async def _decide_and_record(self, now: datetime, collected: Mapping[str, Collected]) -> Report:
        for attempt in range(RACES):
            began = time.monotonic()
            view = self._git.view
            considered, faults = self._consider_all(view, collected, now)
            await self._propose(view, considered)
            entries = [entry_of(c.given, c.decision) for c in considered.values() if c.decision.records]
            await self._act_first(entries, view)
            try:
                recorded = await self._record(entries)
            except Conflict as error:
                log.info("somebody moved first; deciding again", attempt=attempt + 1, detail=error.message)
                await asyncio.sleep(_yielding(attempt, time.monotonic() - began))
                await self._git.refresh()
                for release in self._pending.settle(self._git.view.ledger):
                    self._book.settle(release)
                # What was collected is in the book already: it must not be counted a second time.
                collected = {name: _without_blocks(one) for name, one in collected.items()}
                continue
            return self._report(now, considered, faults, recorded)
        return self._report(now, considered, faults, _Recorded())

    def _consider_all(
        self, view: GitView, collected: Mapping[str, Collected], now: datetime
    ) -> tuple[dict[str, Considered], dict[str, str]]:
        states, desired = self._states(view), self._desired(view)
        held = _held(states)
        considered: dict[str, Considered] = {}
        faults: dict[str, str] = {}
        for release in sorted({*states, *view.desired.desired, *view.desired.invalid}):
            if release in self._pending.states or release in view.ledger.unreadable:
                continue
            try:
                given = self._gatherer.input_of(
                    release,
                    view=view,
                    desired=desired.get(release),
                    state=states.get(release),
                    collected=collected,
                    held=held,
                    now=now,
                )
                if given is not None:
                    considered[release] = Considered(given, decide(given))
            except Exception as error:
                # Our bug, whatever it is: this release waits, its traffic stays, the others go on.
                log.exception("fault in releasectl", release=release)
                faults[release] = f"{type(error).__name__}: {error}"
        decisions = {release: one.decision for release, one in considered.items()}
        for release, turn in waiting(decisions, desired, states).items():
            given = replace(considered[release].given, turn=turn)
            considered[release] = Considered(given, decide(given))
        return considered, faults

    async def _propose(self, view: GitView, considered: dict[str, Considered]) -> None:
        """Where manifests change by pull request, a promotion waits until it is merged."""
        given = {release: one.given for release, one in considered.items()}
        decisions = {release: one.decision for release, one in considered.items()}
        for release, finding in (await self._proposals.settle(view, given, decisions)).items():
            waits = replace(given[release], proposed=finding)
            considered[release] = Considered(waits, decide(waits))

    def _desired(self, view: GitView) -> dict[str, Desired]:
        return self._gatherer.desired(view, self._states(view))

    def _states(self, view: GitView) -> dict[str, EffectiveState]:
        return {**view.ledger.states, **self._pending.states}

    # --- act and record ---------------------------------------------------------------------------------

    async def _act_first(self, entries: Sequence[Entry], view: GitView) -> None:
        urgent = [entry for entry in entries if entry.decision.action.acts_first]
        if not urgent:
            return
        for entry in urgent:
            self._pending.begin(entry)
        await self._sites.route(self._states(view))

    async def _record(self, entries: Sequence[Entry]) -> _Recorded:
        """Push decisions, as far as git takes them."""
        waiting = [entry for entry in self._pending.entries.values() if entry not in entries]
        batch = [*waiting, *entries]
        if not batch:
            return _Recorded()
        if (fault := self._git.view.fault) and fault.reason is Reason.HISTORY_REWRITTEN:
            return _Recorded(fault=fault)
        try:
            edits = await EditedManifests.load(self._git, [entry for entry in batch if self._pushes(entry.decision)])
        except Unavailable as error:
            return _Recorded(fault=GitFault(Reason.GIT_UNAVAILABLE, error.message, error.hint))
        blocked = {
            entry.decision.release: GitFault(Reason.NOT_EDITABLE, why, "edit the file by hand")
            for entry in batch
            if (why := edits.blocked(entry.decision))
        }
        batch = [entry for entry in batch if entry.decision.release not in blocked]
        # The manifests branch may be protected while the ledger is not: whatever needs no edit of a manifest
        # is recorded, and so is a rollback, which the ledger's quarantine keeps in force without the edit.
        without = [
            entry for entry in batch if entry.decision.action is not Action.PROMOTE or entry.decision.edit is None
        ]
        done = await self._push(batch, edits.edit, with_edits=True)
        if done.fault and done.fault.reason is Reason.GIT_DENIED:
            done = replace(await self._push(without, _no_edit, with_edits=False), fault=done.fault)
        return replace(done, blocked=blocked)

    def _pushes(self, decision: Decision) -> bool:
        """Whether its edit goes to the manifests' branch with its record."""
        desired = self._git.view.desired.desired.get(decision.release)
        return desired is None or pushes(decision, desired.environment.spec.write_back)

    async def _push(self, entries: Sequence[Entry], edit: EditFile, *, with_edits: bool) -> _Recorded:
        """All of them or none. A host that refuses is asked again ever more rarely, not at every pass."""
        refusal = self._refused[with_edits]
        if not entries:
            return _Recorded()
        if refusal.fault and refusal.backoff.waiting:
            return _Recorded(fault=refusal.fault)
        manifests, ledger = commits(entries, edit=edit, with_trailers=self._with_trailers)
        try:
            await self._git.push(manifests, ledger)
        except Unavailable as error:
            return _Recorded(fault=GitFault(Reason.GIT_UNAVAILABLE, error.message, error.hint))
        except Denied as error:
            refusal.fault = GitFault(Reason.GIT_DENIED, error.message, error.hint)
            refusal.backoff.failed()
            return _Recorded(fault=refusal.fault)
        refusal.fault = None
        refusal.backoff.succeeded()
        for entry in entries:
            self._pending.finish(entry.decision.release)
            self._book.settle(entry.decision.release)
            log_decision(entry.decision)
        return _Recorded(tuple(entries))

    async def _converge(self, report: Report) -> None:
        states = self._states(report.git)
        await self._sites.route(states)
        if report.recorded or self._sites.postponed:
            await self._sites.run_workloads(self._desired(report.git), states, _held(states))

    def _report(
        self,
        now: datetime,
        considered: Mapping[str, Considered],
        faults: Mapping[str, str],
        recorded: _Recorded,
    ) -> Report:
        view = self._git.view
        if recorded.fault is not None and view.fault is None:
            view = GitView(view.heads, view.desired, view.ledger, recorded.fault)
        states = self._states(view)
        left = {*states, *view.desired.invalid} - considered.keys() - faults.keys()
        invalid = {name: why for name in left if (why := why_invalid(name, view, states.get(name)))}
        return Report(
            at=now,
            considered=considered,
            faults=faults,
            invalid=invalid,
            recorded=recorded.entries,
            git=view,
            states=self._states(view),
            views=dict(self._sites.views),
            unrecorded=tuple(self._pending.entries),
            withheld=_withheld(considered, recorded),
            is_pushing=self._git.is_pushing,
            store_fault=self._store.fault,
        )


def _yielding(lost: int, seconds: float) -> float:
    """How long to stand back after so many lost races, when a try takes so long.

    Whoever tries again at once meets the same rivals. Measured in tries, so that it suits a host in the next rack
    and one across an ocean, and at random, so that rivals drift apart.
    """
    return seconds * random.uniform(0, min(2.0**lost, _LONGEST_YIELD))  # noqa: S311


def log_decision(decision: Decision) -> None:
    """One line for each recorded decision."""
    log.info(
        "decided",
        release=decision.release,
        action=decision.action.value,
        reason=decision.reason.value,
        candidate=decision.candidate,
        shares=str(decision.state.allocation) if decision.state else None,
        message=decision.message,
        decision=decision.id,
    )


@dataclass
class _Refusal:
    """A host that takes no pushes of a kind, and for how long it is left alone."""

    backoff: Backoff
    fault: GitFault | None = None


def _no_edit(_: Decision) -> None:
    return None


def _withheld(considered: Mapping[str, Considered], recorded: _Recorded) -> dict[str, GitFault]:
    """Releases whose decision had to be recorded before it acts, and was not."""
    landed = {entry.decision.release for entry in recorded.entries}
    found = {}
    for release, one in considered.items():
        if one.decision.records and not one.decision.action.acts_first and release not in landed:
            fault = recorded.blocked.get(release, recorded.fault)
            if fault is not None:
                found[release] = fault
    return found


def _held(states: Mapping[str, EffectiveState]) -> dict[str, Quarantine]:
    return {held.key: held for state in states.values() for held in state.quarantine}


def _without_blocks(collected: Collected) -> Collected:
    return Collected(states=collected.states, faults=collected.faults)

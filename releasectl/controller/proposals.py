"""Changes of manifests by pull request: proposed, followed, merged or given up.

Levels, not events: a change that is wanted now is looked for, made if it is not there, and judged by what has become
of it. A crash between the branch, the pull request and the note of them leaves something that the next look finds.

A forge may be slow, and a pass must guard. So the work goes on beside the passes; one waits for it no longer than its
patience and otherwise goes on with what it knew.

What local memory holds about a branch (our commit, the file it was made from) lets a change follow the manifest when
that moves on, and tells our commit from a person's. Without it nothing is lost: a branch that holds exactly the change
is known as ours by its content, any other is left to people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import structlog

from releasectl.controller import proposal
from releasectl.controller.backoff import Backoff
from releasectl.controller.gitseen import GitView
from releasectl.controller.proposal import PREFIX, Change
from releasectl.controller.record import WithTrailers, entry_of
from releasectl.decide import merges
from releasectl.decide.inputs import Desired, Finding, Input
from releasectl.domain.decision import Action, Decision
from releasectl.domain.forge import ForgeSpec
from releasectl.domain.reasons import Reason
from releasectl.errors import Conflict, Denied, ManifestError, Unavailable
from releasectl.manifests.edit import apply
from releasectl.ports import Clock, Commit, EvidenceStore, Forge, Opening, Pull, PullState, ReleaseRepo

log = structlog.get_logger(__name__)

ForgeOf = Callable[[ForgeSpec | None], Forge | None]
"""The forge of an environment; None without a token."""

PATIENCE = timedelta(seconds=2)
LOOK_EVERY = timedelta(seconds=5)
"""Between looks at a pull request that is open."""
_NOTE = "proposals"


class Fate(Enum):
    """What has become of a change."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"
    FAULT = "fault"


@dataclass(frozen=True)
class Standing:
    """Where a change stands; ``words`` are for people."""

    fate: Fate
    words: str
    retry_after: timedelta | None = None


class Proposals:
    """Keeps tasks and what they found; all of it can be lost."""

    def __init__(
        self,
        repo: ReleaseRepo,
        store: EvidenceStore,
        forge_of: ForgeOf,
        clock: Clock,
        with_trailers: WithTrailers,
        *,
        patience: timedelta = PATIENCE,
        look_every: timedelta = LOOK_EVERY,
    ) -> None:
        self._repo = repo
        self._store = store
        self._forge_of = forge_of
        self._clock = clock
        self._with_trailers = with_trailers
        self._patience = patience.total_seconds()
        self._look_every = look_every
        self._tasks: dict[str, asyncio.Task[Standing]] = {}
        self._standings: dict[str, Standing] = {}
        self._not_before: dict[str, datetime] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._notes: dict[str, dict[str, dict[str, Any]]] = {}
        self._wanted: frozenset[str] = frozenset()
        self._searched: set[ForgeSpec] = set()

    async def settle(
        self, view: GitView, given: Mapping[str, Input], decisions: Mapping[str, Decision]
    ) -> dict[str, Finding]:
        """Propose what was decided; for each promotion that has to be merged first, why it waits."""
        wanted: dict[str, Change] = {}
        promotions: dict[str, Change] = {}
        for release, decision in decisions.items():
            for change in _changes(given[release], decision):
                wanted[change.key] = change
                if decision.action is Action.PROMOTE:
                    promotions[release] = change
        self._wanted = frozenset(wanted)
        before = set(self._tasks)
        for change in wanted.values():
            self._begin(change.key, self._advance(change, view))
        self._search(given)
        self._give_up(wanted, given)
        # What has been waited for once is not waited for again: a host that hangs slows one pass and no more.
        await self._wait({task for key, task in self._tasks.items() if key not in before})
        return {
            release: self._finding(change, decisions[release], given[release]) for release, change in promotions.items()
        }

    def nudge(self) -> None:
        """Something happened on the forge: look at the next pass, not when it is time."""
        self._not_before.clear()

    async def aclose(self) -> None:
        """End what is under way; the next controller finds what there is."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    # --- tasks ------------------------------------------------------------------------------------------

    def _begin(self, key: str, work: Coroutine[Any, Any, Standing]) -> None:
        if key in self._tasks or self._clock.now() < self._not_before.get(key, self._clock.now()):
            work.close()
            return
        self._tasks[key] = asyncio.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[Any, Any, Standing]) -> Standing:
        try:
            return await work
        except Unavailable as error:
            return Standing(Fate.FAULT, error.message, error.retry_after)
        except (Denied, Conflict) as error:
            return Standing(Fate.FAULT, f"{error.message} ({error.hint})" if error.hint else error.message)
        except ManifestError as error:
            return Standing(Fate.FAULT, f"the manifest has to be edited by hand: {error.message}")
        except Exception as error:
            log.exception("fault in releasectl")
            return Standing(Fate.FAULT, f"a fault of releasectl ({type(error).__name__})")

    async def _wait(self, begun: Set[asyncio.Task[Standing]]) -> None:
        if begun:
            await asyncio.wait(begun, timeout=self._patience)
        for key in [key for key, task in self._tasks.items() if task.done()]:
            standing = self._tasks.pop(key).result()
            if standing != self._standings.get(key):
                log.info("pull request", branch=key, fate=standing.fate.value, words=standing.words)
            self._standings[key] = standing
            self._not_before[key] = self._clock.now() + self._look_every
            if standing.fate is Fate.FAULT:
                backoff = self._backoffs.setdefault(key, Backoff(self._clock))
                backoff.failed(at_least=standing.retry_after)
                self._not_before[key] = max(self._not_before[key], backoff.until)
            else:
                self._backoffs.pop(key, None)

    def _finding(self, change: Change, decision: Decision, given: Input) -> Finding:
        standing = self._standings.get(change.key, Standing(Fate.OPEN, "it is being proposed"))
        candidate = decision.candidate
        request = next((one for one in given.requests if one.id in decision.answers), None)
        what = f"the promotion of {candidate} is decided"
        match standing.fate:
            case Fate.OPEN | Fate.MERGED:
                return Finding(Reason.AWAITING_MERGE, f"{what}; {standing.words}", candidate=candidate)
            case Fate.CLOSED:
                message = f"{what}; {standing.words}; `releasectl promote {change.release}` proposes it again"
                return Finding(Reason.MERGE_DECLINED, message, candidate=candidate, request=request)
            case Fate.FAULT:
                return Finding(
                    Reason.FORGE_UNAVAILABLE, f"{what} and not proposed: {standing.words}", candidate=candidate
                )

    # --- a change that is wanted ------------------------------------------------------------------------

    async def _advance(self, change: Change, view: GitView) -> Standing:
        forge = self._forge_of(change.forge)
        if forge is None:
            return await self._by_push(change, view)
        standing = Standing(Fate.CLOSED, "")
        for branch in change.branches:
            pull = await forge.find_pull(branch)
            if pull is None or pull.state is PullState.OPEN:
                return await self._open(forge, change, branch, pull, view)
            if pull.state is PullState.MERGED:
                standing = Standing(Fate.MERGED, f"{pull.url} is merged, and the manifest does not show it")
            else:
                standing = Standing(Fate.CLOSED, f"{pull.url} was closed without being merged")
        return standing

    async def _open(self, forge: Forge, change: Change, branch: str, pull: Pull | None, view: GitView) -> Standing:
        base, content, oid = await self._edited(change, view)
        if pull is None:
            await self._branch(change, branch, base, content, oid)
            pull = await forge.ensure_pull(head=branch, title=change.title, body=change.body, labels=change.labels)
        elif set(change.labels) - set(pull.labels):
            pull = await forge.ensure_pull(head=branch, title=pull.title, body=pull.body, labels=change.labels)
        noted = self._noted(change.release).get(branch, {})
        ours = pull.head_sha == noted.get("sha")
        if ours and oid != noted.get("oid"):
            # The manifest has moved on, and the proposal follows it.
            commit = self._commit(change, content)
            sha = await asyncio.to_thread(self._repo.propose, base, commit, branch=branch, replaces=pull.head_sha)
            self._note(change.release, branch, sha=sha, oid=oid, number=pull.number)
            pull = replace(pull, head_sha=sha)
        elif not ours and await self._holds_exactly(branch, pull.head_sha, base, change.path, content):
            self._note(change.release, branch, sha=pull.head_sha, oid=oid, number=pull.number)
        elif not ours:
            return Standing(Fate.OPEN, f"{pull.url} was edited by a person: what they merge counts")
        elif noted.get("number") != pull.number:
            self._note(change.release, branch, **{**noted, "number": pull.number})
        if not change.auto_merge:
            return Standing(Fate.OPEN, f"{pull.url} waits for a person to merge it")
        if change.key not in self._wanted:
            # A pass has thought better of it while the forge was slow.
            return Standing(Fate.OPEN, f"{pull.url} is not wanted at the moment")
        try:
            await forge.merge_pull(pull.number, head_sha=pull.head_sha)
        except Conflict as error:
            return Standing(Fate.OPEN, error.message)
        return Standing(Fate.MERGED, f"{pull.url} is merged")

    async def _branch(self, change: Change, branch: str, base: str, content: bytes, oid: str) -> None:
        if await asyncio.to_thread(self._repo.find_branch, branch) is None:
            sha = await asyncio.to_thread(self._repo.propose, base, self._commit(change, content), branch=branch)
            self._note(change.release, branch, sha=sha, oid=oid)

    async def _holds_exactly(self, branch: str, sha: str, base: str, path: str, content: bytes) -> bool:
        """Whether merging a commit would do nothing but write this content."""
        if await asyncio.to_thread(self._repo.find_branch, branch) != sha:
            return False

        def look() -> bool:
            there, here = dict(self._repo.tree(sha)), dict(self._repo.tree(base))
            changed, _ = there.pop(path, None), here.pop(path, None)
            return changed is not None and there == here and self._repo.read([changed.oid])[changed.oid] == content

        return await asyncio.to_thread(look)

    async def _by_push(self, change: Change, view: GitView) -> Standing:
        """Without a token: the push opens the pull request, and what becomes of it shows in the manifest alone."""
        branch, kind = change.branches[-1], change.forge.type
        if kind == "github":
            return Standing(Fate.FAULT, "GitHub opens no pull request without a token")
        base, content, oid = await self._edited(change, view)
        noted = self._noted(change.release).get(branch, {})
        if noted.get("oid") != oid:
            there = await asyncio.to_thread(self._repo.find_branch, branch)
            if there is not None and there != noted.get("sha"):
                return Standing(Fate.OPEN, f"the branch {branch} waits for a person to merge it")
            opening = Opening(kind, change.title, change.body, change.labels)
            sha = await asyncio.to_thread(
                self._repo.propose, base, self._commit(change, content), branch=branch, replaces=there, opening=opening
            )
            self._note(change.release, branch, sha=sha, oid=oid)
        return Standing(Fate.OPEN, f"the pull request from {branch} waits for a person to merge it")

    async def _edited(self, change: Change, view: GitView) -> tuple[str, bytes, str]:
        """The commit to build on, the manifest's new content, and the oid of the old one."""
        entry = view.desired.entries.get(change.path)
        if entry is None or view.heads is None:
            raise Conflict(f"{change.path} is not there any more")
        if why := view.desired.untrusted.get(change.path):
            # What is known of the file is not what stands on the branch: to propose it would undo that.
            raise Denied(f"{change.path}: {why}", hint="revert it, or have an allowed signer sign the file")
        before = (await asyncio.to_thread(self._repo.read, [entry.oid]))[entry.oid]
        return view.heads.manifests, apply(before, change.release, change.edit, file=change.path), entry.oid

    def _commit(self, change: Change, content: bytes) -> Commit:
        message = self._with_trailers(f"{change.title}\n\n{change.text}", change.trailers)
        return Commit(message=message, writes={change.path: content})

    # --- a change that is no longer wanted --------------------------------------------------------------

    def _search(self, given: Mapping[str, Input]) -> None:
        """Look once at every forge for what a controller has left open that remembered more than this one."""
        releases: dict[ForgeSpec, set[str]] = {}
        for release, one in given.items():
            forge = one.desired.environment.spec.forge if one.desired and merges.by_pull_request(one) else None
            if forge is not None and forge not in self._searched:
                releases.setdefault(forge, set()).add(release)
        for spec, names in releases.items():
            self._begin(f"{PREFIX}* of {spec.project} at {spec.url}", self._found(spec, names))

    async def _found(self, spec: ForgeSpec, releases: Set[str]) -> Standing:
        """Note the open pull requests of ours, so that they are followed or given up like those that are known."""
        forge = self._forge_of(spec)
        for pull in await forge.open_pulls() if forge else ():
            release = pull.head.removeprefix(PREFIX).partition("/")[0] if pull.head.startswith(PREFIX) else ""
            if release in releases and not pull.foreign and pull.head not in self._noted(release):
                self._note(release, pull.head, number=pull.number)
        self._searched.add(spec)
        return Standing(Fate.OPEN, "those that are open are known")

    def _give_up(self, wanted: Mapping[str, Change], given: Mapping[str, Input]) -> None:
        kept = {branch for change in wanted.values() for branch in change.branches}
        for release, one in given.items():
            state, desired = one.state, one.desired
            if state is None or desired is None or one.invalid or not merges.by_pull_request(one):
                continue
            for branch, noted in self._noted(release).items():
                if branch not in kept and not proposal.alive(branch, state):
                    why = state.last.message if state.last else "nothing is on trial"
                    self._begin(f"close {branch}", self._closed(desired, branch, noted.get("number"), why))

    async def _closed(self, desired: Desired, branch: str, number: int | None, why: str) -> Standing:
        """Close it, with a word, unless it is over anyway; then forget it."""
        forge = self._forge_of(desired.environment.spec.forge)
        pull = await forge.pull(number) if forge and number else await forge.find_pull(branch) if forge else None
        if forge and pull and pull.state is PullState.OPEN and pull.head == branch:
            await forge.mark(pull.number, marker="<!-- releasectl:closed -->", body=f"No longer proposed: {why}.")
            await forge.close_pull(pull.number)
        release = desired.release.name
        self._notes[release] = {name: kept for name, kept in self._noted(release).items() if name != branch}
        self._store.note(release, _NOTE, self._notes[release] or None)
        return Standing(Fate.CLOSED, "no longer proposed")

    def _noted(self, release: str) -> dict[str, dict[str, Any]]:
        if release not in self._notes:
            self._notes[release] = dict(self._store.noted(release, _NOTE) or {})
        return self._notes[release]

    def _note(self, release: str, branch: str, **facts: Any) -> None:
        known = self._noted(release)
        self._notes[release] = {**known, branch: {**known.get(branch, {}), **facts}}
        self._store.note(release, _NOTE, self._notes[release])


def _changes(given: Input, decision: Decision) -> tuple[Change, ...]:
    """What has to be proposed for one release."""
    desired, state = given.desired, given.state
    if desired is None or state is None or given.invalid:
        return ()
    spec = desired.environment.spec
    if spec.write_back.mode == "push" or spec.forge is None:
        return ()
    if decision.action is Action.PROMOTE and decision.edit:
        return (proposal.promotion(entry_of(given, decision), desired, spec.forge),)
    return tuple(proposal.cleanups(desired, state, spec.forge))

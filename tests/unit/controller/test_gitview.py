"""Git as the controller follows it: faults are values, and a host that fails is left alone for a while."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

from releasectl.controller.backoff import LONGEST_PAUSE
from releasectl.controller.gitview import GitWatcher
from releasectl.controller.ledger import LedgerReader, dump, request_path, state_path
from releasectl.domain.decision import PersonAction
from releasectl.domain.reasons import Reason
from releasectl.errors import Denied, ReleasectlError, Unavailable
from releasectl.ports import Change, EntryKind, Heads, LogEntry, TreeEntry
from tests.builders import NOW, a_request, a_state


@dataclass
class Shelf:
    """A repository of one ledger commit after another, in memory."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    fault: ReleasectlError | None = None
    fetches: int = 0

    def fetch(self) -> Heads:
        self.fetches += 1
        if self.fault:
            raise self.fault
        return Heads("main", next(reversed(self.commits), None))

    def known(self) -> Heads | None:
        return None

    def tree(self, commit: str) -> Mapping[str, TreeEntry]:
        files = self.commits.get(commit, {})
        return {p: TreeEntry(p, f"{len(c)}:{hash(c)}", EntryKind.FILE, len(c)) for p, c in files.items()}

    def read(self, oids: Iterable[str]) -> Mapping[str, bytes]:
        known = {f"{len(c)}:{hash(c)}": c for files in self.commits.values() for c in files.values()}
        return {oid: known[oid] for oid in oids}

    def log(self, commit: str, *, limit: int | None = None, path: str | None = None) -> Sequence[LogEntry]:
        return [LogEntry(sha, NOW, "ada", "", ()) for sha in reversed(self.commits)][:limit]

    def changes(self, old: str | None, new: str, *, containing: str = "") -> Sequence[Change]:
        return ()

    def push(self, base: Heads, **_: Any) -> Heads:
        raise AssertionError("nothing is pushed here")


@dataclass
class Clock:
    seconds: float = 0

    def now(self) -> Any:
        return NOW + timedelta(seconds=self.seconds)


async def test_a_host_that_fails_is_asked_ever_more_rarely_and_at_last_once_a_minute() -> None:
    repo, clock = Shelf(fault=Unavailable("gone")), Clock()
    watcher = GitWatcher(repo, clock, patience=timedelta(minutes=1))
    asked = []
    while clock.seconds < 600:
        before = repo.fetches
        view = await watcher.refresh()
        if repo.fetches > before:
            asked.append(clock.seconds)
        assert view.fault is not None
        assert view.fault.reason is Reason.GIT_UNAVAILABLE
        clock.seconds += 1
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses[0] <= 2
    assert max(pauses) <= 1.25 * LONGEST_PAUSE.total_seconds() + 1
    assert pauses[-1] >= 0.7 * LONGEST_PAUSE.total_seconds()
    assert len(asked) < 25
    repo.fault = None
    clock.seconds += 100
    assert (await watcher.refresh()).fault is None
    clock.seconds += 1
    before = repo.fetches
    await watcher.refresh()
    assert repo.fetches == before + 1, "after a success the host is asked at each pass"


async def test_a_host_that_says_when_to_come_back_is_left_alone_until_then() -> None:
    repo, clock = Shelf(fault=Unavailable("too many", retry_after=timedelta(seconds=300))), Clock()
    watcher = GitWatcher(repo, clock, patience=timedelta(minutes=1))
    await watcher.refresh()
    clock.seconds = 299
    await watcher.refresh()
    assert repo.fetches == 1
    clock.seconds = 301
    await watcher.refresh()
    assert repo.fetches == 2


async def test_refused_credentials_are_told_apart_from_a_host_that_is_away() -> None:
    watcher = GitWatcher(Shelf(fault=Denied("no", hint="set a token")), Clock(), patience=timedelta(minutes=1))
    view = await watcher.refresh()
    assert view.fault is not None
    assert (view.fault.reason, view.fault.hint) == (Reason.GIT_DENIED, "set a token")


# --- the ledger -----------------------------------------------------------------------------------------


def test_a_ledger_is_read_back_as_it_was_written() -> None:
    state, request = a_state(), a_request(PersonAction.PAUSE)
    files = {state_path("shop"): dump(state), request_path("shop", request.id): dump(request), "README.md": b"hello"}
    ledger = LedgerReader(Shelf({"c1": files})).read("c1")
    assert ledger.states == {"shop": state}
    assert ledger.requests == {"shop": (request,)}
    assert not ledger.unreadable


def test_a_state_that_cannot_be_read_stands_as_it_last_could_and_is_told_of() -> None:
    good, other = dump(a_state()), dump(a_state().model_copy(update={"release": "bank"}))
    path = state_path("shop")
    repo = Shelf(
        {
            "c1": {path: good},
            "c2": {path: b"{}", state_path("bank"): other},
            "c3": {path: b"\xff\x00", state_path("bank"): other},
        }
    )
    ledger = LedgerReader(repo).read("c3")
    assert set(ledger.unreadable) == {"shop"}
    assert path in ledger.unreadable["shop"]
    assert ledger.states["shop"] == a_state()
    assert ledger.states["bank"].release == "bank"


def test_a_state_that_never_could_be_read_leaves_nothing_to_serve() -> None:
    ledger = LedgerReader(Shelf({"c1": {state_path("shop"): b"{"}})).read("c1")
    assert ledger.states == {}
    assert set(ledger.unreadable) == {"shop"}


def test_requests_are_answered_oldest_first() -> None:
    late = a_request(PersonAction.PAUSE, at=NOW + timedelta(seconds=1))
    early = a_request(PersonAction.RESUME)
    files = {request_path("shop", one.id): dump(one) for one in (late, early)}
    assert LedgerReader(Shelf({"c1": files})).read("c1").requests == {"shop": (early, late)}

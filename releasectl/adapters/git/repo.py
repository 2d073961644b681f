"""The git repository as the database of intent and decisions, through a bare mirror.

Contract:
- one caller at a time (calls from several threads wait for each other); the mirror is shared by processes
  one at a time. Nothing is kept outside git but the mirror, and the mirror may be deleted at any time;
- ``fetch`` first: every other method speaks of commits that a fetch or a push has brought here;
- ``push`` is a compare-and-swap over both branches: all is written, or nothing and Conflict is raised. An
  answer that was lost (Unavailable after the server took the push) is not told apart from a push that never
  arrived: fetch, and look for the decision in the ledger before deciding again;
- a branch that was rewritten or deleted stops everything with Conflict, on each fetch, naming the lost
  commits, until a person acknowledges it. Nothing is ever forced;
- a damaged mirror is found when it is met, checked, and cloned again;
- errors are Unavailable, Denied and Conflict, in words without credentials. ValueError is a caller's mistake.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from releasectl.adapters.git import transport
from releasectl.adapters.git.blobs import Objects
from releasectl.adapters.git.changes import changes
from releasectl.adapters.git.history import history
from releasectl.adapters.git.mirror import Mirror, Suspect
from releasectl.adapters.git.objects import Chain, Identity, build
from releasectl.adapters.git.process import Runner
from releasectl.adapters.git.proposing import bring, push_branch
from releasectl.adapters.git.pulls import fetch_head, forget_heads, merged_tree
from releasectl.adapters.git.remote import parse_remote
from releasectl.adapters.git.rewrites import lost_commits, rewrite_error
from releasectl.adapters.git.signing import Signer, fault_of_signature
from releasectl.adapters.git.trees import Trees
from releasectl.errors import Unavailable, UsageError
from releasectl.ports import Change, Commit, Heads, LogEntry, Opening, TreeEntry

_Answer = TypeVar("_Answer")
_BRANCH = re.compile(r"(?!-)(?!.*(?:\.\.|//|/\.|\.lock(?:/|$)|@\{))[\w.][\w./+@=-]*(?<![./])")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class GitRepo:
    """``ports.ReleaseRepo`` over a path, file://, http(s):// or ssh repository."""

    def __init__(
        self,
        url: str,
        *,
        mirror: Path,
        branch: str = "main",
        ledger: str = "releasectl/ledger",
        identity: Identity = ("releasectl", "releasectl@localhost"),
        token_variable: str | None = None,
        timeout: float = 60.0,
        sign_key: Path | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """``token_variable`` names the environment variable with a token for HTTP.

        With ``sign_key``, an SSH key, every commit is signed.
        ``timeout`` is for each git call, in seconds; the first fetch, a clone, may take ten times as long.
        """
        for name in (branch, ledger):
            if not _BRANCH.fullmatch(name):
                raise UsageError(f"{name!r} cannot be the name of a branch")
        if branch == ledger:
            raise UsageError(f"manifests and ledger cannot share the branch {branch!r}")
        self.branch = branch
        self.ledger = ledger
        self._identity = identity
        self._now = now
        self._runner = Runner(mirror.absolute(), parse_remote(url, token_variable=token_variable), timeout=timeout)
        self._runner.settings = transport.remote_settings(self._runner.remote.url, (branch, ledger))
        self._mirror = Mirror(self._runner)
        self._objects = Objects(self._runner)
        self._sign_key = sign_key
        self._signer: Signer | None = None
        self._trees = Trees(self._runner)
        self._turn = threading.RLock()
        self._tracked: dict[str, str] = {}
        self._is_open = False

    @property
    def url(self) -> str:
        """Address of the repository, without credentials."""
        return self._runner.remote.url

    @property
    def directory(self) -> Path:
        """The folder of the mirror, for whoever only reads objects that a fetch has brought."""
        return self._mirror.directory

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the process that reads objects."""
        with self._turn:
            self._objects.close()

    def fetch(self) -> Heads:
        """Bring the mirror up to date; one short question when there is nothing new."""
        return self._safely(self._fetch)

    def known(self) -> Heads | None:
        """Heads as last fetched or pushed, from the mirror alone; None before the first fetch."""
        seen = self._safely(self._mirror.seen)
        # A mirror that was made anew and not filled yet remembers names whose commits it does not have.
        return self._as_heads(seen) if self.branch in seen and self._tracked else None

    def tree(self, commit: str) -> Mapping[str, TreeEntry]:
        """Every entry of a commit by path, recursively."""
        return self._safely(lambda: self._trees.listing(commit, self._line_of(commit)))

    def read(self, oids: Iterable[str]) -> Mapping[str, bytes]:
        """Contents by oid, in one batch."""
        wanted = tuple(oids)
        return self._safely(lambda: self._objects.read(wanted))

    def push(self, base: Heads, *, manifests: Sequence[Commit] = (), ledger: Sequence[Commit] = ()) -> Heads:
        """Make the commits on top of ``base`` and push both branches in one atomic push.

        Raises Conflict if a branch is not where ``base`` says; then nothing was written. Without commits it
        does nothing. A ledger that ``base`` does not have is checked only when it gets its first commit.
        """
        if not manifests and not ledger:
            return base
        return self._safely(lambda: self._push(base, manifests, ledger))

    def log(self, commit: str, *, limit: int | None = None, path: str | None = None) -> Sequence[LogEntry]:
        """Commits reachable from ``commit``, newest first; ``path`` keeps those that touched it."""
        return self._safely(lambda: history(self._runner, commit, limit=limit, path=path))

    def pull_head(self, ref: str, number: int) -> str:
        """The commit at the head of a pull request, brought here; ``ref`` is what the host calls it.

        Whoever may open a pull request decides what comes in: keep a mirror apart for it.
        """
        return self._safely(lambda: fetch_head(self._runner, ref, number))

    def merged(self, base: str, head: str) -> str:
        """Name of the tree that merging ``head`` into ``base`` gives, for ``tree``; Conflict where git cannot merge."""
        return self._safely(lambda: merged_tree(self._runner, base, head))

    def forget_pulls(self, keep: Collection[int]) -> None:
        """Let go of the heads of pull requests that are not named."""
        self._safely(lambda: forget_heads(self._runner, keep))

    def find_branch(self, name: str) -> str | None:
        """The commit of another branch, asked of the host and brought here; None if there is no such branch."""
        return self._safely(lambda: bring(self._runner, name))

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
        if not _BRANCH.fullmatch(branch) or branch in (self.branch, self.ledger):
            raise ValueError(f"{branch!r} cannot be a branch for a pull request")
        return self._safely(lambda: self._propose(base, commit, branch, replaces, opening))

    def changes(self, old: str | None, new: str, *, containing: str = "") -> Sequence[Change]:
        """Commits on the first-parent line from ``old`` to ``new``, oldest first; see ``git.changes``."""
        return self._safely(lambda: changes(self._runner, old, new, containing=containing))

    def signature_fault(self, commit: str, signers: bytes) -> str:
        """Why a commit does not carry a good signature of one of the ``signers``; empty if it does."""
        return self._safely(lambda: fault_of_signature(self._runner, commit, signers))

    @property
    def public_key(self) -> str:
        """The key that signs what is pushed, as ``type base64``; empty if nothing is signed. Raises Denied."""
        signer = self._safely(self._signing)
        return signer.public if signer else ""

    def acknowledge_rewrite(self) -> Heads:
        """A person accepts the branches as they are now, after a rewrite; lost commits stay lost."""

        def accept() -> Heads:
            heads = self._bring()
            self._mirror.remember(heads)
            return self._as_heads(heads)

        return self._safely(accept)

    def maintain(self, *, limit: float = 300.0) -> None:
        """Repack the mirror if it needs it, within ``limit`` seconds. It never happens by itself.

        Each fetch leaves a pack behind and each push loose objects: ask once an hour or so.
        """
        settings = (("gc.auto", "2000"), ("gc.autoPackLimit", "20"), ("gc.pruneExpire", "1.hour.ago"))
        with self._held():
            self._objects.close()
            done = self._runner.run("gc", "--auto", "--quiet", settings=settings, timeout=limit)
        if not done.ok:
            raise Unavailable(f"the mirror of {self.url} could not be repacked: {done.err.strip()}")

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._turn, self._mirror.held():
            if not self._is_open or not self._mirror.is_there():
                self._objects.close()
                self._is_open = False
                self._mirror.ensure()
            yield

    def _safely(self, work: Callable[[], _Answer]) -> _Answer:
        """Do it; if something is missing or unreadable here and the mirror is damaged, clone again and do it again."""
        with self._held():
            try:
                self._open()
                return work()
            except Suspect as fault:
                if self._mirror.is_sound():
                    raise Unavailable(fault.message, hint=fault.hint) from fault
                self._renew()
                return work()

    def _open(self) -> None:
        if not self._is_open:
            self._tracked = transport.tracked(self._runner)
            self._is_open = True

    def _renew(self) -> None:
        # While the host is away a damaged mirror is better than none.
        with suppress(Suspect):
            transport.remote_heads(self._runner, (self.branch, self.ledger))
        self._objects.close()
        self._trees = Trees(self._runner)
        self._mirror.rebuild()
        self._tracked, self._is_open = {}, True
        self._bring()

    def _fetch(self) -> Heads:
        heads = self._bring()
        seen = self._mirror.seen()
        if heads == seen:
            return self._as_heads(heads)
        lost = {
            branch: lost_commits(self._runner, old, heads.get(branch))
            for branch, old in seen.items()
            if branch in (self.branch, self.ledger) and heads.get(branch) != old
        }
        if any(lost.values()):
            raise rewrite_error(self.url, lost)
        self._mirror.remember(heads)
        return self._as_heads(heads)

    def _bring(self) -> dict[str, str]:
        """Heads of the two branches, with all their objects here."""
        names = (self.branch, self.ledger)
        heads = transport.remote_heads(self._runner, names)
        if self.branch not in heads:
            raise self._no_branch()
        if heads != self._tracked:
            transport.fetch(self._runner, tuple(heads), first=not self._tracked)
            for gone in self._tracked.keys() - heads.keys():
                transport.untrack(self._runner, gone)
            # What came may be newer than what was announced.
            self._tracked = {name: oid for name, oid in transport.tracked(self._runner).items() if name in names}
        return dict(self._tracked)

    def _push(self, base: Heads, manifests: Sequence[Commit], ledger: Sequence[Commit]) -> Heads:
        chains = (Chain(base.manifests, manifests, shared=True), Chain(base.ledger, ledger))
        tips = build(
            self._runner, self._objects, chains, identity=self._identity, at=self._now(), signer=self._signing()
        )
        moves = [
            transport.Move(branch, chain.base, tip)
            for branch, chain, tip in zip((self.branch, self.ledger), chains, tips, strict=True)
            if tip is not None
        ]
        transport.push(self._runner, moves)
        self._tracked = {move.branch: move.new for move in moves}
        self._mirror.remember(self._tracked)
        return self._as_heads(self._tracked)

    def _propose(self, base: str, commit: Commit, branch: str, replaces: str | None, opening: Opening | None) -> str:
        chains = (Chain(base, (commit,), shared=True),)
        (made,) = build(
            self._runner, self._objects, chains, identity=self._identity, at=self._now(), signer=self._signing()
        )
        if made is None:
            raise AssertionError("a chain with a commit has a tip")
        push_branch(self._runner, made, branch, into=self.branch, replaces=replaces, opening=opening)
        return made

    def _signing(self) -> Signer | None:
        if self._sign_key and self._signer is None:
            self._signer = Signer.of(self._sign_key, self._runner)
        return self._signer

    def _line_of(self, commit: str) -> str:
        return next((branch for branch, oid in self._tracked.items() if oid == commit), self.branch)

    def _as_heads(self, heads: Mapping[str, str]) -> Heads:
        return Heads(heads[self.branch], heads.get(self.ledger))

    def _no_branch(self) -> Unavailable:
        others = sorted(transport.remote_heads(self._runner))
        if not others:
            return Unavailable(f"{self.url} has no commits yet", hint=f"push a first commit to {self.branch}")
        return Unavailable(
            f"{self.url} has no branch {self.branch}", hint=f"it has {', '.join(others[:10])}; name one of them"
        )

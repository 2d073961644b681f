"""Promotion bots: a new version at its source becomes a pull request that adds a candidate.

Levels, not events, like a pass: each look compares what the source offers with what the manifest says and with the
pull requests there are, so that a look that was interrupted anywhere is simply made again. Branch names follow from
subscription and version; a pull request that a person closed is an answer, and is not asked again, while one that was
closed here, because its source offered something else, is proposed anew when that comes back. A source that does not
answer changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from releasectl.domain.decision import EffectiveState
from releasectl.domain.forge import ForgeSpec
from releasectl.domain.release import Release
from releasectl.domain.subscription import DvcFile, MlflowModel, OciTags, PromotedRelease, Subscription
from releasectl.errors import Conflict, Denied, ManifestError, Unavailable
from releasectl.manifests.catalog import Catalog
from releasectl.manifests.propose import propose
from releasectl.ports import Commit, Forge, Offer, Pull, PullState, Registry
from releasectl.pulls.comments import is_answered
from releasectl.pulls.dvc import offer_of
from releasectl.pulls.offers import Proposed, proposed
from releasectl.pulls.promoted import offers_of

log = structlog.get_logger(__name__)

PREFIX = "releasectl/propose"
MARKER = "<!-- releasectl: superseded -->"
_MOST_FACTS = 20
_LONGEST_FACT = 300
_SPECIAL = frozenset("\\`*_[]<>|#@!&")


class Branches(Protocol):
    """Where branches are pushed."""

    async def branch(self, name: str, *, base: str, commit: Commit, path: str, again: Callable[[bytes], bytes]) -> None:
        """Make a branch of one commit on top of ``base``, or bring the one that is there up to date.

        A branch that is there follows the file at ``path`` when that has changed since, provided that it holds
        nothing but what ``again`` makes of the file it was begun from; any other is a person's and stays as it is.
        """
        ...


@dataclass(frozen=True)
class Seen:
    """The repository at one moment."""

    commit: str
    """Tip of the manifests' branch."""
    catalog: Catalog
    states: Mapping[str, EffectiveState]
    read: Callable[[str], Awaitable[bytes | None]]
    """Content of a file at ``commit``; None if it is not there."""
    untrusted: Mapping[str, str] = field(default_factory=dict)
    """Path -> why what stands there at ``commit`` is not believed: the catalog has what stood there before."""

    @property
    def held(self) -> frozenset[str]:
        """Identities of the artifacts in quarantine."""
        return frozenset(hold.identity for state in self.states.values() for hold in state.quarantine)


@dataclass(frozen=True)
class Standing:
    """What the last look at a subscription came to."""

    told: str
    at: datetime
    fault: bool = False
    pull: int | None = None


class Proposer:
    """Looks at every subscription at its own pace."""

    def __init__(
        self,
        *,
        forge: Forge,
        branches: Branches,
        registry: Callable[[MlflowModel | OciTags], Registry],
        with_trailers: Callable[[str, Sequence[tuple[str, str]]], str],
        spec: ForgeSpec | None = None,
    ) -> None:
        """With ``spec`` it acts for the releases of environments that name this forge, and for no others."""
        self._spec = spec
        self._forge = forge
        self._branches = branches
        self._registry = registry
        self._with_trailers = with_trailers
        self._registries: dict[str, tuple[MlflowModel | OciTags, Registry]] = {}
        self.standing: dict[str, Standing] = {}
        """By subscription."""

    async def look(self, seen: Seen, now: datetime) -> None:
        """Look at the subscriptions that are due. One that fails hinders no other."""
        subscriptions = {one.name: one for one in seen.catalog.subscriptions if self._is_ours(one, seen.catalog)}
        self.standing = {name: kept for name, kept in self.standing.items() if name in subscriptions}
        for name in self._registries.keys() - subscriptions.keys():
            await self._registries.pop(name)[1].aclose()
        for name, subscription in subscriptions.items():
            before = self.standing.get(name)
            if before is None or now - before.at >= subscription.spec.interval:
                self._note(name, await self._look(subscription, seen, now))

    async def aclose(self) -> None:
        """Close the connections to all registries."""
        while self._registries:
            await self._registries.popitem()[1][1].aclose()

    def _is_ours(self, subscription: Subscription, catalog: Catalog) -> bool:
        if self._spec is None:
            return True
        try:
            return catalog.resolve(subscription.spec.release).environment.spec.forge == self._spec
        except ManifestError:
            # What is wrong with the release is told where releases are.
            return False

    async def _look(self, subscription: Subscription, seen: Seen, now: datetime) -> Standing:
        try:
            resolved = seen.catalog.resolve(subscription.spec.release)
            offers = await self._offers(subscription, resolved.release, seen)
            if not offers:
                return Standing("nothing is offered yet", now)
            found = proposed(subscription, offers, resolved.release, seen.held)
            if isinstance(found, str):
                await self._close_others(subscription, f"No longer proposed: {found}.")
                return Standing(found, now)
            return await self._propose(subscription, found, resolved.path, seen, now)
        except (Unavailable, Denied, Conflict) as error:
            return Standing(error.message, now, fault=True)
        except ManifestError as error:
            return Standing(f"the manifest cannot be edited: {error.problems[0]}", now, fault=True)
        except Exception as error:
            log.exception("fault in releasectl", subscription=subscription.name)
            return Standing(f"a fault of releasectl ({type(error).__name__})", now, fault=True)

    # --- offers -----------------------------------------------------------------------------------------

    async def _offers(self, subscription: Subscription, release: Release, seen: Seen) -> Mapping[str, Offer]:
        source, component = subscription.spec.from_, subscription.spec.component or ""
        match source:
            case PromotedRelease():
                return offers_of(seen.states.get(source.release), release)
            case DvcFile():
                content = await seen.read(source.path)
                if content is None:
                    raise Unavailable(f"there is no file {source.path} in the repository")
                offer = offer_of(source.path, content)
            case MlflowModel() | OciTags():
                offer = await (await self._registry_of(subscription.name, source)).newest()
        return {component: offer} if offer else {}

    async def _registry_of(self, subscription: str, source: MlflowModel | OciTags) -> Registry:
        """Kept between looks, so that what has been read of a version need not be read again."""
        known = self._registries.get(subscription)
        if known is not None and known[0] == source:
            return known[1]
        if known is not None:
            await known[1].aclose()
        self._registries[subscription] = (source, self._registry(source))
        return self._registries[subscription][1]

    # --- pull requests ----------------------------------------------------------------------------------

    async def _propose(
        self, subscription: Subscription, found: Proposed, path: str, seen: Seen, now: datetime
    ) -> Standing:
        branch = f"{PREFIX}/{subscription.name}/{found.proposal.candidate.name}"
        pull = await self._forge.find_pull(branch)
        if pull is not None and pull.state is not PullState.OPEN and not await self._closed_by_us(pull):
            done = "merged, and taken out since" if pull.state is PullState.MERGED else "closed"
            return Standing(f"#{pull.number} for {found.title} was {done}: not proposed again", now, pull=pull.number)
        if why := seen.untrusted.get(path):
            # Whoever merges a proposal vouches for the whole file, and so for what nobody has vouched for yet.
            raise Denied(f"{path} waits for a person: {why}")
        content = await seen.read(path)
        if content is None:
            raise Unavailable(f"{path} is gone")

        def edited(text: bytes) -> bytes:
            return propose(text, subscription.spec.release, found.proposal, file=path)

        title = f"{subscription.spec.release}: try {found.title}"
        message = self._with_trailers(
            f"release({subscription.spec.release}): try {found.title}",
            [("Releasectl-Release", subscription.spec.release), ("Releasectl-Subscription", subscription.name)],
        )
        commit = Commit(message, {path: edited(content)})
        await self._branches.branch(branch, base=seen.commit, commit=commit, path=path, again=edited)
        if pull is None or pull.state is not PullState.OPEN:
            # One that is open keeps the words that people have given it since.
            body = body_of(subscription, found)
            labels = ("releasectl", *subscription.spec.labels, *(("contract",) if found.misfits else ()))
            pull = await self._forge.ensure_pull(head=branch, title=title, body=body, labels=labels)
        # Of one subscription the version that its source offers now is enough to decide about.
        await self._close_others(subscription, f"Another version is offered now: #{pull.number}.", keep=pull.number)
        return Standing(f"#{pull.number} proposes {found.title}", now, pull=pull.number)

    async def _closed_by_us(self, pull: Pull) -> bool:
        """Whether it was closed because of what its source offered then, and not by a person who declined it."""
        if pull.state is not PullState.CLOSED:
            return False
        return is_answered(await self._forge.remarks(pull.number), await self._forge.whoami(), MARKER)

    async def _close_others(self, subscription: Subscription, why: str, *, keep: int | None = None) -> None:
        for pull in await self._forge.open_pulls():
            ours = pull.head.startswith(f"{PREFIX}/{subscription.name}/") and not pull.foreign
            if ours and pull.number != keep:
                await self._forge.mark(pull.number, marker=MARKER, body=f"{MARKER}\n{why}")
                await self._forge.close_pull(pull.number)

    def _note(self, name: str, standing: Standing) -> None:
        before = self.standing.get(name)
        self.standing[name] = standing
        if before is None or before.told != standing.told:
            tell = log.warning if standing.fault else log.info
            tell("subscription", subscription=name, standing=standing.told)


def body_of(subscription: Subscription, found: Proposed) -> str:
    """What people read in the pull request: where the versions come from, what is known of them, what does not fit."""
    lines = [
        f"Adds the candidate `{found.proposal.candidate.name}` to `{subscription.spec.release}`. "
        "Nothing is served by it before this is merged; then it is tried as the release's strategy says.",
        "",
    ]
    for component, version in found.proposal.versions.items():
        offer = found.offers[component]
        rows = [("version", version.name), ("artifact", offer.artifact), ("digest", offer.digest or "")]
        rows += list(offer.facts[:_MOST_FACTS])
        lines += [f"### {component} {version.name}", "", "| | |", "|---|---|"]
        lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows if value]
        lines.append("")
    if found.proposal.interfaces:
        names = ", ".join(f"`{name}`" for name in found.proposal.interfaces)
        lines += [f"The contract of {names} is taken from the artifact's own signature.", ""]
    if found.misfits:
        lines += ["**The artifact's own signature does not fit the contract:**", ""]
        lines += [f"- {_cell(misfit)}" for misfit in found.misfits] + [""]
    lines.append(f"Proposed by the subscription `{subscription.name}`. To have it not proposed again, close this.")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """A registry's words, which must not become markup, a mention or another row."""
    return "".join(_plain(character) for character in text[:_LONGEST_FACT])


def _plain(character: str) -> str:
    if not character.isprintable():
        return " "
    return f"&#{ord(character)};" if character in _SPECIAL else character

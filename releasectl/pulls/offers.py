"""From what a registry offers to what a manifest would say: the version, the candidate, and what people should know.

Pure: an offer and a release in, a proposal or the reason for none out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from releasectl.domain.base import digest_of
from releasectl.domain.release import STABLE, Candidate, Interface, Release, Version
from releasectl.domain.subscription import Subscription
from releasectl.manifests.propose import Proposal
from releasectl.ports import Offer
from releasectl.preview.contracts import breaks

_LONGEST_NAME = 63


@dataclass(frozen=True)
class Proposed:
    """A proposal worth a pull request."""

    proposal: Proposal
    offers: Mapping[str, Offer]
    """By component."""
    misfits: tuple[str, ...] = ()
    """Where the contract that an artifact declares itself differs from its component's, a sentence each."""

    @property
    def title(self) -> str:
        """``sentiment 2.1``, or several joined."""
        versions = (f"{component} {version.name}" for component, version in self.proposal.versions.items())
        return " and ".join(versions)


def proposed(
    subscription: Subscription, offers: Mapping[str, Offer], release: Release, held: Collection[str]
) -> Proposed | str:
    """What to propose to a release, or why there is nothing to propose.

    ``offers`` are by component; ``held`` are the identities in quarantine: what was rolled back is not tried again
    by a bot, whatever name it comes by.
    """
    versions: dict[str, Version] = {}
    for component, offer in offers.items():
        version = _version(subscription, offer, release, component)
        known = _known(release, component, version)
        if version.identity in held:
            return f"{component} {offer.version} was rolled back and is held: releasectl lift lets it be tried again"
        if known == release.spec.stable[component]:
            continue
        versions[component] = version if known is None else _declared(release, component, known)
    if not versions:
        return "stable has it already"
    if name := _tried(release, versions):
        return f"the candidate {name} tries it already"
    candidate = Candidate(
        name=_free_name(release, versions), versions={name: version.name for name, version in versions.items()}
    )
    interfaces, misfits = _contracts(release, {name: offers[name] for name in versions})
    return Proposed(Proposal(candidate, versions, interfaces), {name: offers[name] for name in versions}, misfits)


# --- versions -------------------------------------------------------------------------------------------


def _version(subscription: Subscription, offer: Offer, release: Release, component: str) -> Version:
    """Stable's version with the offer's artifact in it, and the subscription's template over it."""
    template = subscription.spec.version
    if offer.declared is not None and not offer.declared.artifact:
        # Nothing but its declaration tells it apart.
        base, own = offer.declared, {}
    else:
        base = release.variant(STABLE).versions[component]
        own = {"artifact": offer.artifact, "digest": offer.digest}
    named = {"version": offer.version, "artifact": offer.artifact, "digest": offer.digest or ""}
    changes = {
        field: _filled(value, named)
        for field in ("runtime", "resources", "run", "address")
        if (value := getattr(template, field)) is not None
    }
    made = base.model_copy(update={"name": "new", **own, **changes})
    taken = {version.name for version in _versions(release, component)}
    return made.model_copy(update={"name": _version_name(offer, made.identity, taken)})


def _filled(value: Any, named: Mapping[str, str]) -> Any:
    """A part of the template with the placeholders of every text in it replaced."""
    if isinstance(value, str):
        return Template(value).safe_substitute(named)
    if isinstance(value, tuple):
        return tuple(_filled(item, named) for item in value)
    if isinstance(value, dict):
        return {key: _filled(item, named) for key, item in value.items()}
    if hasattr(value, "model_copy"):
        return value.model_copy(update={name: _filled(getattr(value, name), named) for name in value.model_fields_set})
    return value


def _version_name(offer: Offer, identity: str, taken: Collection[str]) -> str:
    """The registry's name for it, made fit; with a piece of the identity where another artifact has that name."""
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", offer.version).lstrip("._+-")[:_LONGEST_NAME] or "new"
    if name not in taken:
        return name
    return f"{name[: _LONGEST_NAME - 8]}-{identity.removeprefix('sha256:')[:7]}"


def _versions(release: Release, component: str) -> tuple[Version, ...]:
    found = release.component(component)
    return found.versions if found else ()


def _known(release: Release, component: str, version: Version) -> str | None:
    """The name under which the component has this artifact already."""
    return next((one.name for one in _versions(release, component) if one.identity == version.identity), None)


def _declared(release: Release, component: str, name: str) -> Version:
    return next(version for version in _versions(release, component) if version.name == name)


# --- candidates -----------------------------------------------------------------------------------------


def _tried(release: Release, versions: Mapping[str, Version]) -> str | None:
    """The candidate that has all of these versions."""
    for candidate in release.spec.candidates:
        resolved = release.variant(candidate.name).versions
        if all(resolved[name].identity == version.identity for name, version in versions.items()):
            return candidate.name
    return None


def _free_name(release: Release, versions: Mapping[str, Version]) -> str:
    taken = {STABLE, *(candidate.name for candidate in release.spec.candidates)}
    words = "-".join(f"{component}-{version.name}" for component, version in versions.items())
    name = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:_LONGEST_NAME].rstrip("-")
    if name not in taken:
        return name
    mark = digest_of({component: version.identity for component, version in versions.items()})[7:14]
    return f"{name[: _LONGEST_NAME - 8].rstrip('-')}-{mark}"


# --- contracts ------------------------------------------------------------------------------------------


def _contracts(release: Release, offers: Mapping[str, Offer]) -> tuple[dict[str, Interface], tuple[str, ...]]:
    """Contracts to add where a component has none, and what differs where it has one."""
    added: dict[str, Interface] = {}
    misfits: list[str] = []
    for name, offer in offers.items():
        component = release.component(name)
        if offer.interface is None or component is None:
            continue
        if component.interface == Interface():
            added[name] = offer.interface
        else:
            misfits += [f"{name}: {why}" for why in breaks(component.interface, offer.interface)]
    return added, tuple(misfits)

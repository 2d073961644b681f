"""Release, Component, Version, Variant: what git asks for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from releasectl.domain.base import Digest, Duration, Model, Name, VersionName, digest_of, parse_duration
from releasectl.domain.strategy import Stage

API_VERSION = "releasectl.dev/v1alpha1"
STABLE = "stable"
"""The name of the variant that serves now; no candidate may take it."""

ApiVersion = Literal["releasectl.dev/v1alpha1"]


class Metadata(Model):
    """Names a document; ``labels`` are free for people and tools."""

    name: Name
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


class Interface(Model):
    """What a component takes and gives; the contract that is checked across versions and edges."""

    protocol: Literal["rest", "grpc"] = "rest"
    request: Mapping[str, Any] | None = None
    """JSON Schema of a request body."""
    response: Mapping[str, Any] | None = None
    """JSON Schema of a response body."""


class Runtime(Model):
    """What the version was built with; shown to people, part of its identity."""

    language: str | None = None
    framework: str | None = None
    lock: Digest | None = None
    """Digest of the lock file."""


class Resources(Model):
    """What one instance needs."""

    cpu: str | None = None
    memory: str | None = None
    accelerator: str | None = None


class Process(Model):
    """How a local environment starts one instance of a version.

    The process listens on 127.0.0.1 at the port given in the variable ``portVariable`` and answers 2xx on
    ``ready`` once it can serve. For each other component ``x-y`` of the release it finds that component's
    address in ``RELEASECTL_URL_X_Y``; it passes the ``x-releasectl-*`` and ``x-request-id`` headers on.
    """

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    env: Mapping[str, str] = {}
    port_variable: str = "PORT"
    ready: Annotated[str, StringConstraints(pattern="^/")] = "/healthz"
    start_within: Duration = parse_duration("60s")
    """How long it may take to become ready before the version counts as unable to start."""


class Version(Model):
    """One immutable artifact of a component."""

    name: VersionName
    artifact: str | None = None
    """Where it is kept, best with its digest: ``oci://registry/name@sha256:...``."""
    digest: Digest | None = None
    """Digest of the artifact, when ``artifact`` does not carry it."""
    runtime: Runtime = Runtime()
    resources: Resources = Resources()
    run: Process | None = None
    """How a local environment starts it."""
    address: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+:\d{1,5}$")] | None = None
    """``host:port`` of an instance that runs already; then nothing is started."""

    @cached_property
    def identity(self) -> str:
        """The digest that a quarantine holds: the artifact's if it is given, else that of all but the name."""
        if self.digest:
            return self.digest
        if self.artifact and "@sha256:" in self.artifact:
            return "sha256:" + self.artifact.rpartition("@sha256:")[2]
        return digest_of({**self.to_data(), "name": ""})


class Component(Model):
    """A deployable piece of a model graph and the versions of it that the release may use."""

    name: Name
    after: tuple[Name, ...] = ()
    """Components whose answers this one needs: the edges of the graph."""
    interface: Interface = Interface()
    versions: Annotated[tuple[Version, ...], Field(min_length=1)]

    def version(self, name: str) -> Version | None:
        """The version of that name, if it is declared."""
        return next((version for version in self.versions if version.name == name), None)


class Candidate(Model):
    """A variant on trial: the versions in which it differs from stable."""

    name: Name
    versions: Annotated[Mapping[Name, VersionName], Field(min_length=1)]


class Sticky(Model):
    """Keeps a unit on its variant by a hash of a header or of a cookie; give one of the two."""

    header: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")] | None = None
    cookie: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")] | None = None


HostName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$"),
]


class Route(Model):
    """Where users' requests come in."""

    hosts: tuple[HostName, ...] = ()
    """Host names; none means any."""
    prefix: Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._~-]+)*/?$")] | None = None
    """Path prefix, taken off before the component sees the request; default ``/<release>/``, with hosts ``/``."""
    sticky: Sticky | None = None
    timeout: Duration = parse_duration("15s")


class ReleaseSpec(Model):
    """See the field descriptions; everything left out has a safe default."""

    environment: Name
    components: Annotated[tuple[Component, ...], Field(min_length=1)]
    stable: Annotated[Mapping[Name, VersionName], Field(min_length=1)]
    """One version for every component: what serves now."""
    candidates: tuple[Candidate, ...] = ()
    strategy: Annotated[tuple[Stage, ...], Field(min_length=1)]
    policy: Name
    entry: Name | None = None
    """The component that users' requests reach first; needed only where the graph has more than one last component."""
    route: Route = Route()


class Variant(Model):
    """One version for every component of a release, as a request sees it."""

    name: Name
    versions: Mapping[Name, Version]

    @cached_property
    def identity(self) -> str:
        """Digest of the identities of its versions."""
        return digest_of({component: version.identity for component, version in self.versions.items()})

    @property
    def tag(self) -> str:
        """A short form of the identity, for names of counters."""
        return self.identity.removeprefix("sha256:")[:8]


class Release(Model):
    """The declared intent to move one or more components to new versions."""

    api_version: ApiVersion
    kind: Literal["Release"]
    metadata: Metadata
    spec: ReleaseSpec

    @property
    def name(self) -> str:
        return self.metadata.name

    def component(self, name: str) -> Component | None:
        """The component of that name, if it is declared."""
        return next((component for component in self.spec.components if component.name == name), None)

    def variant(self, name: str) -> Variant:
        """Stable or a candidate, resolved to versions. Assumes cross-checked references; KeyError otherwise."""
        chosen = dict(self.spec.stable)
        if name != STABLE:
            chosen |= {c.name: c for c in self.spec.candidates}[name].versions
        versions = {}
        for component in self.spec.components:
            version = component.version(chosen[component.name])
            if version is None:
                raise KeyError(f"{component.name} {chosen[component.name]}")
            versions[component.name] = version
        return Variant(name=name, versions=versions)

    def settled(self, *, promote: str | None = None, drop: tuple[str, ...] = ()) -> Release:
        """The release as it reads once a candidate is promoted (all candidates go) or some are dropped."""
        gone = {candidate.name for candidate in self.spec.candidates} if promote else set(drop)
        stable = dict(self.spec.stable)
        for candidate in self.spec.candidates:
            if candidate.name == promote:
                stable |= candidate.versions
        kept = tuple(candidate for candidate in self.spec.candidates if candidate.name not in gone)
        return self.model_copy(update={"spec": self.spec.model_copy(update={"stable": stable, "candidates": kept})})

    @property
    def entry(self) -> str:
        """The component that users' requests reach: ``spec.entry``, or the only one that no other needs."""
        if self.spec.entry:
            return self.spec.entry
        needed = {name for component in self.spec.components for name in component.after}
        last = [component.name for component in self.spec.components if component.name not in needed]
        return last[-1] if last else self.spec.components[-1].name

    @cached_property
    def intent(self) -> str:
        """Digest of what is tried and how: a change of it starts the release again at its first step."""
        return digest_of(
            {
                "stable": self.variant(STABLE).to_data(),
                "candidates": [self.variant(candidate.name).to_data() for candidate in self.spec.candidates],
                "strategy": [stage.to_data() for stage in self.spec.strategy],
                "environment": self.spec.environment,
                "route": self.spec.route.to_data(),
                "entry": self.entry,
            }
        )

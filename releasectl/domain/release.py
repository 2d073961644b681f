"""Release, Component, Version, Variant: what git asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    unit: Literal["atomic", "independent"] = "atomic"
    """``atomic``: all its versions are tried, promoted and taken back as one. ``independent``: one component after
    the other, each on top of what was promoted before it."""


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

    def candidate(self, name: str) -> Candidate | None:
        """The candidate of that name, if the manifest has it."""
        return next((candidate for candidate in self.spec.candidates if candidate.name == name), None)

    def tried(self, candidate: Candidate) -> Mapping[Name, VersionName]:
        """The versions of a candidate that are on trial together: all, or the first one of an independent unit.

        Producers come before their consumers. What feeds a component is then settled before it is judged, so that
        no verdict is about inputs that change right after it.
        """
        if candidate.unit == "atomic":
            return candidate.versions
        differing = self._differing(candidate)
        first = next((name for name in self.graph_order if name in differing), None)
        return {first: differing[first]} if first else {}

    def remaining(self, candidate: Candidate, *, promoted: bool) -> Mapping[Name, VersionName]:
        """What a candidate still asks for once the versions on trial are settled; empty if it is done with.

        After a rollback the components that need an answer of the one taken back go with it: they were to be tried
        on top of it, and without it they would be a combination that nobody asked for.
        """
        settled = set(self.tried(candidate))
        if not promoted:
            settled |= {name for name in candidate.versions if settled & self._needs(name)}
        left = {} if candidate.unit == "atomic" else self._differing(candidate)
        return {name: version for name, version in left.items() if name not in settled}

    @cached_property
    def graph_order(self) -> tuple[str, ...]:
        """Names of the components, each after those whose answers it needs; otherwise as in the manifest."""
        ordered: list[str] = []
        left = {component.name: component for component in self.spec.components}
        while left:
            free = [name for name, one in left.items() if not left.keys() & {*one.after}]
            # Of a circle, which validation refuses, any one has to begin.
            first = (free or list(left))[0]
            del left[first]
            ordered.append(first)
        return tuple(ordered)

    def _needs(self, name: str) -> set[str]:
        """Components whose answers one needs, by any number of edges."""
        found: set[str] = set()
        ahead = [name]
        while ahead:
            component = self.component(ahead.pop())
            new = {*component.after} - found if component else set()
            found |= new
            ahead += new
        return found

    def _differing(self, candidate: Candidate) -> dict[Name, VersionName]:
        return {name: one for name, one in candidate.versions.items() if self.spec.stable.get(name) != one}

    def variant(self, name: str) -> Variant:
        """Stable or what is tried of a candidate, resolved to versions. Assumes cross-checked references; KeyError
        otherwise."""
        chosen = dict(self.spec.stable)
        if name != STABLE:
            chosen |= self.tried({c.name: c for c in self.spec.candidates}[name])
        versions = {}
        for component in self.spec.components:
            version = component.version(chosen[component.name])
            if version is None:
                raise KeyError(f"{component.name} {chosen[component.name]}")
            versions[component.name] = version
        return Variant(name=name, versions=versions)

    def settled(self, *, promote: str | None = None, drop: tuple[str, ...] = ()) -> Release:
        """The release as it reads once a candidate is promoted (all others go) or some are dropped.

        Of an independent unit only what was tried is settled; its other lines stay.
        """
        stable = dict(self.spec.stable)
        kept: list[Candidate] = []
        for candidate in self.spec.candidates:
            left = candidate.versions
            if candidate.name == promote:
                stable |= self.tried(candidate)
                left = self.remaining(candidate, promoted=True)
            elif promote is not None:
                left = {}
            elif candidate.name in drop:
                left = self.remaining(candidate, promoted=False)
            if left:
                kept.append(candidate.model_copy(update={"versions": left}))
        return self._with(stable, kept)

    def at_rest(self) -> Release:
        """The release without its candidates."""
        return self._with(self.spec.stable, ())

    def _with(self, stable: Mapping[str, str], candidates: Iterable[Candidate]) -> Release:
        update = {"stable": stable, "candidates": tuple(candidates)}
        return self.model_copy(update={"spec": self.spec.model_copy(update=update)})

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

"""Environment: which router, workloads, metric providers and write-back a release uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from releasectl.domain.base import Duration, Model, Name, SharePercent, SomeTime, parse_duration
from releasectl.domain.forge import ForgeSpec, WriteBack
from releasectl.domain.freeze import Freeze
from releasectl.domain.release import ApiVersion, Metadata
from releasectl.domain.roles import Login, Role

Port = Annotated[int, Field(ge=0, le=65535)]


class EnvoyRouter(Model):
    """An Envoy that the controller starts and configures on this machine."""

    type: Literal["envoy"]
    port: Port = 8080
    """Entry on 127.0.0.1; 0 takes a free one, shown by ``status``."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 2


class LocalWorkloads(Model):
    """Component processes that the controller starts and supervises on this machine."""

    type: Literal["local"]
    directory: str = "."
    """Where commands run; relative to the folder in which the controller was started."""


class EnvoyProvider(Model):
    """The router's own counters and histograms."""

    type: Literal["envoy"]


class PrometheusProvider(Model):
    """A Prometheus-compatible HTTP API."""

    type: Literal["prometheus"]
    url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    timeout: Duration = parse_duration("5s")
    token_variable: str | None = None
    """Name of the environment variable that holds a bearer token; the token itself never stands in git."""


class LogProvider(Model):
    """Predictions and outcomes posted to the controller."""

    type: Literal["log"]


Provider = Annotated[EnvoyProvider | PrometheusProvider | LogProvider, Field(discriminator="type")]


class Caps(Model):
    """How much of an environment may be on trial at once. Asked when a trial would start; one under way goes on."""

    max_concurrent: Annotated[int, Field(ge=1)] | None = None
    """At most so many releases on trial."""
    max_exposure: Annotated[SharePercent, Field(le=100)] | None = None
    """At most this share of all requests, in percent, on variants that have not proven themselves. Releases count
    alike, because how many requests each has is not known while nothing is on trial; each counts with the largest
    share that its strategy ever gives."""


class Trust(Model):
    """Manifests are taken from signed commits only; what others change stays as it was, and is told of."""

    signers: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.][A-Za-z0-9_./-]*$")]
    """File of the repository with the keys that are trusted, as ``ssh-keygen`` and git read allowed signers. It is read
    as it was before the commit that is judged. The controller's own key must be in it (``run --sign-key``)."""


class EnvironmentSpec(Model):
    router: EnvoyRouter = EnvoyRouter(type="envoy")
    workloads: LocalWorkloads = LocalWorkloads(type="local")
    providers: tuple[Provider, ...] = (EnvoyProvider(type="envoy"), LogProvider(type="log"))
    """Asked in this order: a metric is read from the first one it has a query for."""
    interval: SomeTime = parse_duration("1s")
    """Time between looks at the metrics."""
    caps: Caps = Caps()
    """How much may be on trial at once; without them, everything."""
    trust: Trust | None = None
    """Whose commits count. Without it, everybody's who may push."""
    freeze: tuple[Freeze, ...] = ()
    """Times in which no release here goes forward."""
    teams: Mapping[Name, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    """Team -> its members, by the name with which they sign commits; an approval's ``from`` may name teams."""
    forge: ForgeSpec | None = None
    """Where the repository has its pull requests; None: nowhere that releasectl is to use."""
    write_back: WriteBack = WriteBack()
    """How a promotion or rollback changes the manifest."""
    roles: tuple[Role, ...] = ()
    """Who may command releases by comments on pull requests; without any, nobody."""
    accounts: Mapping[Login, Annotated[str, Field(min_length=1)]] = {}
    """Login on the forge -> the ``Name <mail>`` with which that person signs commits, so that somebody's comments and
    commits are one person's. Without it a login is ``login@forge`` wherever people are named."""
    reviews_approve: bool = False
    """Whether an approving review on the forge counts as an approval of the candidates in it: of exactly the commit
    that was reviewed, checked and merged, by somebody whom a role lets approve."""


class Environment(Model):
    """Where releases run."""

    api_version: ApiVersion
    kind: Literal["Environment"]
    metadata: Metadata
    spec: EnvironmentSpec = EnvironmentSpec()

    @property
    def name(self) -> str:
        return self.metadata.name


__all__ = [
    "Environment",
    "EnvironmentSpec",
    "EnvoyProvider",
    "EnvoyRouter",
    "LocalWorkloads",
    "LogProvider",
    "Name",
    "PrometheusProvider",
    "Provider",
]

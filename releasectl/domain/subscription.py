"""Subscription: where new versions of a component come from, and how a bot proposes them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from releasectl.domain.base import Duration, Model, Name, parse_duration
from releasectl.domain.release import ApiVersion, Metadata, Process, Resources, Runtime

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@]+(/\S*)?$")]
"""An address without user or password: credentials never stand in git."""


class MlflowModel(Model):
    """A registered model in MLflow: its newest version, or the one that an alias points to."""

    type: Literal["mlflow"]
    url: Url
    model: Annotated[str, StringConstraints(pattern=r"^[^'\"\\/:]+$")]
    alias: Annotated[str, Field(min_length=1)] | None = None
    """Follow this alias, such as ``champion``; without it the highest version that is ready."""
    token_variable: str | None = None
    """Name of the environment variable that holds a bearer token."""


class OciTags(Model):
    """Tags of a repository in an OCI registry: the highest one that matches."""

    type: Literal["oci"]
    repository: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+(:\d{1,5})?/[a-z0-9][a-z0-9._/-]*$")]
    """``registry.example/models/sentiment``, without tag."""
    tags: str = r"v?\d+(\.\d+)*"
    """Regular expression that the whole tag must match. Runs of digits are compared as numbers: 1.10 is above 1.9."""
    plain_http: bool = False
    """Speak HTTP; for a registry on this machine."""
    token_variable: str | None = None
    """Name of the environment variable that holds ``user:password`` or a bearer token."""

    @field_validator("tags")
    @classmethod
    def _is_expression(cls, tags: str) -> str:
        try:
            re.compile(tags)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return tags


class DvcFile(Model):
    """A ``.dvc`` file of this repository: a new version whenever the hash in it changes."""

    type: Literal["dvc"]
    path: Annotated[str, StringConstraints(pattern=r"^[^/].*\.dvc$")]
    """Of the file, from the root of the repository."""


class PromotedRelease(Model):
    """Another release of this repository, in an earlier environment: what is promoted there is proposed here."""

    type: Literal["release"]
    release: Name


Source = Annotated[MlflowModel | OciTags | DvcFile | PromotedRelease, Field(discriminator="type")]


class VersionTemplate(Model):
    """What a new version has besides name, artifact and digest; fields left out are those of stable's version.

    ``${version}``, ``${artifact}`` and ``${digest}`` in any text stand for those of the new version.
    """

    runtime: Runtime | None = None
    resources: Resources | None = None
    run: Process | None = None
    address: str | None = None


class SubscriptionSpec(Model):
    """See the field descriptions."""

    release: Name
    """The release that gets candidates."""
    component: Name | None = None
    """The component whose versions these are; for ``from: {type: release}`` all that differ are taken."""
    from_: Annotated[Source, Field(alias="from")]
    version: VersionTemplate = VersionTemplate()
    interval: Duration = parse_duration("1m")
    """Time between looks at the source."""
    labels: tuple[str, ...] = ()
    """Labels of the pull requests."""

    @model_validator(mode="after")
    def _component_given(self) -> SubscriptionSpec:
        if (self.component is None) != isinstance(self.from_, PromotedRelease):
            raise ValueError("name the component, except for versions that come from a release")
        return self


class Subscription(Model):
    """A promotion bot: a new version at its source becomes a pull request that adds a candidate."""

    api_version: ApiVersion
    kind: Literal["Subscription"]
    metadata: Metadata
    spec: SubscriptionSpec

    @property
    def name(self) -> str:
        return self.metadata.name

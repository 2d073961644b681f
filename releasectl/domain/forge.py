"""Where a repository is hosted on the web, and how decisions that change manifests get into it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from releasectl.domain.base import Model

FORGE_URL = r"^https?://[^/@?#\s]+(/[^@?#\s]*)?$"
PROJECT = r"^[\w.-]+(/[\w.-]+)+$"
VARIABLE = r"^[A-Za-z_]\w*$"
Label = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[^\s,][^,\n]*$")]


class ForgeSpec(Model):
    """The web side of the repository: pull requests, statuses, comments."""

    type: Literal["gitea", "github", "gitlab"]
    """``gitea`` also speaks with Forgejo."""
    url: Annotated[str, StringConstraints(pattern=FORGE_URL)]
    """Where people open it in a browser, without the project; the API's address follows from it."""
    project: Annotated[str, StringConstraints(pattern=PROJECT)]
    """``owner/name``; on GitLab groups may be nested."""
    token_variable: Annotated[str, StringConstraints(pattern=VARIABLE)] | None = None
    """Name of the environment variable that holds an API token; the token itself never stands in git. Without one,
    pull requests are opened by what Gitea and GitLab take with a push, and what becomes of them shows in git alone."""


class WriteBack(Model):
    """How a decision changes a manifest. The ledger's branch is always pushed to."""

    mode: Literal["push", "pull-request"] = "push"
    """``push`` commits to the manifests' branch. ``pull-request`` proposes: a promotion happens when its pull request
    is merged, and until then the candidate keeps its share and goes on being guarded."""
    auto_merge: bool = False
    """Merge our own pull requests as soon as the forge allows it: its approvals and required checks still count."""
    labels: Annotated[tuple[Label, ...], Field(max_length=20)] = ("releasectl",)
    """Labels of our pull requests; those of a rollback are labelled ``rollback`` besides."""
    rollback: Literal["push", "pull-request"] = "push"
    """In mode ``pull-request``: how a rolled-back candidate is taken out of the manifest. Its traffic and its
    quarantine wait for neither. A push that the branch does not allow becomes a pull request."""

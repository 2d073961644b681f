"""Rules of an environment's forge and write-back: what is asked for can be done there, and no token is given away."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from releasectl.domain.environment import Environment, PrometheusProvider
from releasectl.domain.roles import TEAM
from releasectl.errors import Problem
from releasectl.manifests.crosscheck import at
from releasectl.manifests.load import Document
from releasectl.manifests.nearest import suggestion
from releasectl.manifests.nodes import Step


def check(document: Document) -> Iterator[Problem]:
    """What is wrong with it by itself; nothing for a document of another kind."""
    if isinstance(document.value, Environment):
        yield from _project(document, document.value)
        yield from _write_back(document, document.value)
        yield from _roles(document, document.value)
        yield from _open_tokens(document, document.value)


def _project(document: Document, environment: Environment) -> Iterator[Problem]:
    forge = environment.spec.forge
    if forge and forge.type != "gitlab" and forge.project.count("/") > 1:
        message = f"{forge.project!r} names more than an owner and a repository; only GitLab has groups in groups"
        yield at(document, ("spec", "forge", "project"), message, "write owner/name", "no-project")


def _write_back(document: Document, environment: Environment) -> Iterator[Problem]:
    forge, write_back = environment.spec.forge, environment.spec.write_back
    if write_back.mode == "push":
        for field in sorted({"autoMerge", "rollback"} & write_back.to_data().keys()):
            message = f"{field} says nothing in mode push: no pull request is made"
            yield at(document, ("spec", "writeBack", field), message, "use mode: pull-request", "no-effect")
        return
    if forge is None:
        message = "pull requests need a forge, and the environment names none"
        yield at(document, ("spec", "writeBack", "mode"), message, "add `forge` with type, url and project", "no-forge")
    elif forge.token_variable is None and forge.type == "github":
        message = "GitHub opens no pull request without a token"
        hint = "name the variable that holds it in `tokenVariable`"
        yield at(document, ("spec", "forge"), message, hint, "no-token")
    elif forge.token_variable is None and write_back.auto_merge:
        message = "merging needs a token: without one a pull request can be opened, by a push, and not merged"
        hint = "name the variable that holds it in the forge's `tokenVariable`"
        yield at(document, ("spec", "writeBack", "autoMerge"), message, hint, "no-token")


def _roles(document: Document, environment: Environment) -> Iterator[Problem]:
    teams = environment.spec.teams
    for index, role in enumerate(environment.spec.roles):
        for position, who in enumerate(role.who):
            name = who.removeprefix(TEAM)
            if who.startswith(TEAM) and name not in teams:
                where = ("spec", "roles", index, "who", position)
                yield at(document, where, f"no team {name!r}", suggestion(name, teams, known="teams"), "unknown-name")
    if environment.spec.forge is None and environment.spec.roles:
        message = "roles allow commands in comments, and the environment names no forge to read comments from"
        yield at(document, ("spec", "roles"), message, "add `forge` with type, url and project", "no-forge")
    if environment.spec.reviews_approve and not any("approve" in role.may for role in environment.spec.roles):
        message = "reviews count as approvals only of those whom a role lets approve, and no role does"
        yield at(document, ("spec", "reviewsApprove"), message, "add a role with `may: [approve]`", "no-effect")


def _open_tokens(document: Document, environment: Environment) -> Iterator[Problem]:
    """Warnings: a token is sent where everybody on the way can read it."""
    forge, path = environment.spec.forge, ("spec", "forge", "url")
    if forge and forge.token_variable and _reads_along(forge.url):
        yield _open_token(document, path, forge.url, forge.token_variable)
    for index, provider in enumerate(environment.spec.providers):
        if isinstance(provider, PrometheusProvider) and provider.token_variable and _reads_along(provider.url):
            where = ("spec", "providers", index, "url")
            yield _open_token(document, where, provider.url, provider.token_variable)


def _open_token(document: Document, path: tuple[Step, ...], url: str, variable: str) -> Problem:
    host = url.removeprefix("http://").partition("/")[0].rpartition("@")[2]
    message = f"the token of {variable} is sent to {host} unencrypted"
    return at(document, path, message, "use https, or take away its `tokenVariable`", "open-token", severity="warning")


def _reads_along(url: str) -> bool:
    """Whether a request to this address leaves the machine without encryption."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme != "http" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True

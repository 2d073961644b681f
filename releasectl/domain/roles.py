"""Who may ask for what by a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from releasectl.domain.base import Model

TEAM = "team:"

Right = Literal["approve", "reject", "pause", "resume", "promote", "rollback", "lift"]
"""What must be allowed. To ask for a plan or the status is anybody's."""
Who = Annotated[str, StringConstraints(pattern=r"^(team:[a-z0-9]([-a-z0-9]*[a-z0-9])?|[A-Za-z0-9][\w.-]*)$")]
Login = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*$")]


class Role(Model):
    """People, and what they may ask of which releases. Nobody may do what no role allows."""

    who: Annotated[tuple[Who, ...], Field(min_length=1)]
    """Logins on the environment's forge, and ``team:NAME`` for the members of a team."""
    may: Annotated[tuple[Right, ...], Field(min_length=1)]
    releases: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """Names of releases; ``*`` stands for any letters: ``press-*``."""


def identity_of(login: str, forge: str, accounts: Mapping[str, str]) -> str:
    """How somebody who acts on the forge stands in the ledger: their signature, or ``login@forge``.

    A login alone is never taken for the name in somebody's commits: on an open forge anybody may choose theirs.
    """
    by_login = {known.casefold(): signature for known, signature in accounts.items()}
    return by_login.get(login.casefold(), f"{login.casefold()}@{forge}")


def is_allowed(
    roles: Iterable[Role], teams: Mapping[str, Sequence[str]], *, login: str, identity: str, right: str, release: str
) -> bool:
    """Whether some role lets this person ask for this. Team members go by their identity, not by their login."""
    return any(
        right in role.may
        and any(fnmatchcase(release, pattern) for pattern in role.releases)
        and any(_is(who, teams, login, identity) for who in role.who)
        for role in roles
    )


def _is(who: str, teams: Mapping[str, Sequence[str]], login: str, identity: str) -> bool:
    if not who.startswith(TEAM):
        return who.casefold() == login.casefold()
    names = {part.strip(" >").casefold() for part in identity.split("<")} | {identity.casefold()}
    return any(
        not names.isdisjoint({part.strip(" >").casefold() for part in member.split("<")} | {member.casefold()})
        for member in teams.get(who.removeprefix(TEAM), ())
    )

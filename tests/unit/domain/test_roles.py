"""Who may command releases in comments: only whom a role names, and nobody by a name they chose themselves."""

from __future__ import annotations

import pytest

from releasectl.domain.roles import Role, identity_of, is_allowed

ROLES = (
    Role(who=("alice", "team:risk"), may=("approve", "rollback"), releases=("press-*",)),
    Role(who=("ops",), may=("pause", "resume")),
)
TEAMS = {"risk": ("Ana Lima <ana@press.example>", "bo@gitea")}
ACCOUNTS = {"lima": "Ana Lima <ana@press.example>"}


@pytest.mark.parametrize(
    ("login", "right", "release", "allowed"),
    [
        ("alice", "rollback", "press-desk", True),
        ("Alice", "rollback", "press-desk", True),
        ("alice", "promote", "press-desk", False),
        ("alice", "rollback", "shop", False),
        ("ops", "pause", "shop", True),
        ("mallory", "rollback", "press-desk", False),
        ("bo", "approve", "press-desk", True),
        ("lima", "approve", "press-desk", True),
        ("ana", "approve", "press-desk", False),
    ],
)
def test_a_role_allows_what_it_names(login: str, right: str, release: str, allowed: bool) -> None:
    identity = identity_of(login, "gitea", ACCOUNTS)
    assert is_allowed(ROLES, TEAMS, login=login, identity=identity, right=right, release=release) is allowed


def test_without_roles_nobody_may_anything() -> None:
    assert not is_allowed((), {}, login="alice", identity="alice@gitea", right="pause", release="shop")


def test_a_login_that_reads_like_a_members_name_is_not_that_member() -> None:
    teams = {"risk": ("ana",)}
    identity = identity_of("ana", "gitea", {})
    role = Role(who=("team:risk",), may=("approve",))
    assert not is_allowed([role], teams, login="ana", identity=identity, right="approve", release="shop")

"""An environment's forge and write-back."""

from __future__ import annotations

import pytest

from releasectl.manifests.catalog import Catalog
from tests.unit.manifests.texts import REPOSITORY

FILE = "environments/local.yaml"
GITEA = "  forge: {type: gitea, url: 'https://git.example.com', project: models/desk, tokenVariable: FORGE_TOKEN}\n"
PULLS = "  writeBack: {mode: pull-request, autoMerge: true, labels: [release], rollback: pull-request}\n"


def _found(added: str) -> list[tuple[str, str]]:
    files = {**REPOSITORY, FILE: REPOSITORY[FILE] + added.encode()}
    return [(problem.path, problem.code) for problem in Catalog.build(files).problems() if problem.file == FILE]


def test_a_forge_and_pull_requests_go_together() -> None:
    assert _found(GITEA + PULLS) == []
    assert _found(PULLS) == [("spec.writeBack.mode", "no-forge")]


@pytest.mark.parametrize(
    ("added", "path", "code"),
    [
        (GITEA.replace(", tokenVariable: FORGE_TOKEN", "") + PULLS, "spec.writeBack.autoMerge", "no-token"),
        (
            GITEA.replace("gitea", "github").replace(", tokenVariable: FORGE_TOKEN", "")
            + "  writeBack: {mode: pull-request}\n",
            "spec.forge",
            "no-token",
        ),
        (GITEA.replace("models/desk", "group/models/desk"), "spec.forge.project", "no-project"),
        (GITEA + "  writeBack: {autoMerge: true}\n", "spec.writeBack.autoMerge", "no-effect"),
        (GITEA.replace("models/desk", "desk"), "spec.forge.project", "pattern"),
        (GITEA.replace("https://", "https://me:secret@"), "spec.forge.url", "pattern"),
        (GITEA.replace("FORGE_TOKEN", "'glpat-12.34'"), "spec.forge.tokenVariable", "pattern"),
    ],
    ids=[
        "merging without a token",
        "GitHub without a token",
        "a group in a group that is not on GitLab",
        "pull requests' settings while pushing",
        "a project without an owner",
        "credentials in an address",
        "a token where its variable's name belongs",
    ],
)
def test_what_cannot_work_is_refused_at_its_field(added: str, path: str, code: str) -> None:
    assert (path, code) in _found(added)


def test_groups_in_groups_are_well_on_gitlab() -> None:
    assert _found(GITEA.replace("gitea", "gitlab").replace("models/desk", "group/models/desk")) == []


def test_a_token_that_was_written_down_by_mistake_is_not_repeated() -> None:
    text = (GITEA.replace("https://", "https://me:s3cret-token@") + PULLS).replace("FORGE_TOKEN", "'s3cret-token'")
    problems = Catalog.build({**REPOSITORY, FILE: REPOSITORY[FILE] + text.encode()}).problems()
    assert len([problem for problem in problems if problem.file == FILE]) == 2
    assert "s3cret" not in str(problems)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://git.example.com", False),
        ("http://git.example.com", True),
        ("http://10.0.0.7:3000", True),
        ("http://[fd00::7]:3000", True),
        ("http://localhost.example.com", True),
        ("http://localhost:3000", False),
        ("http://git.localhost:3000/forge", False),
        ("http://127.0.0.9:3000", False),
        ("http://[::1]:3000", False),
    ],
)
def test_a_token_that_travels_unencrypted_is_warned_of_and_stops_nothing(url: str, told: bool) -> None:
    forge = GITEA.replace("https://git.example.com", url)
    catalog = Catalog.build({**REPOSITORY, FILE: REPOSITORY[FILE] + forge.encode()})
    found = [problem for problem in catalog.problems() if problem.file == FILE]
    assert [(one.path, one.code, one.severity) for one in found] == [("spec.forge.url", "open-token", "warning")] * told
    assert all(catalog.resolve(release) for release in catalog.releases)


def test_the_token_for_metrics_is_warned_of_as_well() -> None:
    text = REPOSITORY[FILE].replace(b"http://127.0.0.1:9090", b"http://prometheus.example.com/")
    [problem] = [one for one in Catalog.build({**REPOSITORY, FILE: text}).problems() if one.file == FILE]
    assert (problem.path, problem.severity) == ("spec.providers[1].url", "warning")
    assert problem.message == "the token of PROM_TOKEN is sent to prometheus.example.com unencrypted"


def test_without_a_token_an_unencrypted_address_is_nobodys_business() -> None:
    assert _found(GITEA.replace("https", "http").replace(", tokenVariable: FORGE_TOKEN", "")) == []


ROLES = "  roles: [{who: [alice, 'team:risk'], may: [approve, rollback], releases: ['press-*']}]\n"
TEAMS = "  teams: {risk: [ana@gitea]}\n"


@pytest.mark.parametrize(
    ("added", "found"),
    [
        (GITEA + TEAMS + ROLES, []),
        (GITEA + ROLES, [("spec.roles[0].who[1]", "unknown-name")]),
        (TEAMS + ROLES, [("spec.roles", "no-forge")]),
        (GITEA + "  reviewsApprove: true\n", [("spec.reviewsApprove", "no-effect")]),
        (GITEA + TEAMS + ROLES + "  reviewsApprove: true\n", []),
        (GITEA + TEAMS + ROLES.replace("rollback", "merge"), [("spec.roles[0].may[1]", "literal_error")]),
    ],
    ids=["sound", "a team that is not there", "no forge", "reviews of nobody", "reviews", "a right that there is not"],
)
def test_roles_name_people_who_can_be_known(added: str, found: list[tuple[str, str]]) -> None:
    assert [path for path, _ in _found(added)] == [path for path, _ in found]

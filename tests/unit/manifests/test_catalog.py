"""A repository as a whole: what belongs together, what changed, what is gone."""

from __future__ import annotations

import pytest

from releasectl.errors import ManifestError, Problem
from releasectl.manifests import shipped
from releasectl.manifests.catalog import Catalog
from releasectl.manifests.load import FileResult, load_file, refuse_entry, should_read
from releasectl.manifests.yaml import MAX_BYTES
from tests.unit.manifests.texts import ENVIRONMENT, FULL, MINIMAL, POLICY, REPOSITORY

RELEASE = "releases/press.yaml"


def build(**changes: str) -> Catalog:
    """The valid repository with some files, by the first part of their name, replaced."""
    files = {path: changes.get(path.partition("/")[0], data.decode()).encode() for path, data in REPOSITORY.items()}
    return Catalog.build({**files, "releases/desk.yaml": MINIMAL.encode()})


def refusal(catalog: Catalog, name: str) -> tuple[Problem, ...]:
    with pytest.raises(ManifestError) as caught:
        catalog.resolve(name)
    return caught.value.problems


def test_a_release_is_resolved_with_all_that_it_refers_to() -> None:
    resolved = build().resolve("press")
    assert resolved.release.name == "press"
    assert (resolved.path, resolved.policy_path) == (RELEASE, "policies/production.yaml")
    assert resolved.policy.name == "production"
    assert resolved.environment.name == "local"
    assert list(resolved.metrics) == ["error-rate", "wrong-answers", "slow"]


def test_every_release_is_listed_broken_or_not() -> None:
    assert build(releases=FULL.replace("spec:", "spex:")).releases == ("desk", "press")


def test_an_unknown_release_names_the_nearest() -> None:
    (problem,) = refusal(build(), "pres")
    assert (problem.message, problem.hint) == ("no release 'pres'", "did you mean 'press'?")


# --- isolation ------------------------------------------------------------------------------------------

BREAKAGES = [
    ("policies", POLICY.replace("alpha", "alfa"), "policies/production.yaml"),
    ("policies", POLICY + "}", "policies/production.yaml"),
    ("metrics", "apiVersion: releasectl.dev/v1alpha1\nkind: MetricSet\n", "policies/production.yaml"),
    ("releases", FULL.replace("steps", "stepz"), RELEASE),
    ("releases", FULL + "spec: {}\n", RELEASE),
]


@pytest.mark.parametrize(("folder", "text", "file"), BREAKAGES, ids=range(len(BREAKAGES)))
def test_a_bad_document_hurts_the_releases_that_refer_to_it_and_no_others(folder: str, text: str, file: str) -> None:
    catalog = build(**{folder: text})
    assert file in {problem.file for problem in refusal(catalog, "press")}
    assert catalog.resolve("desk").release.name == "desk"


def test_a_bad_document_beside_a_good_one_in_a_file_hurts_only_itself() -> None:
    both = f"{FULL.replace('steps', 'stepz')}---\n{MINIMAL.replace('name: desk', 'name: two')}"
    catalog = build(releases=both)
    assert refusal(catalog, "press")
    assert catalog.resolve("two").release.name == "two"


def test_a_file_that_breaks_off_is_not_believed_at_all() -> None:
    problems = refusal(build(releases=FULL + "---\n{"), "press")
    assert [problem.code for problem in problems] == ["syntax"]


def test_a_name_that_is_declared_twice_hurts_both_and_says_where() -> None:
    catalog = Catalog.build({**REPOSITORY, "releases/z.yaml": REPOSITORY[RELEASE]})
    problems = refusal(catalog, "press")
    assert [(problem.file, problem.hint) for problem in problems] == [
        (RELEASE, "also in releases/z.yaml:1"),
        ("releases/z.yaml", f"also in {RELEASE}:1"),
    ]


# --- shipped policies -----------------------------------------------------------------------------------


def test_a_shipped_policy_needs_no_file() -> None:
    resolved = build().resolve("desk")
    assert resolved.policy_path == "releasectl:policies/safe-default.yaml"
    assert resolved.policy == shipped.policies()["safe-default"].value


def test_the_repositorys_own_policy_of_the_same_name_wins() -> None:
    own = POLICY.replace("production", "safe-default")
    resolved = Catalog.build({**REPOSITORY, "r.yaml": MINIMAL.encode(), "p.yaml": own.encode()}).resolve("desk")
    assert resolved.policy_path == "p.yaml"


# --- generations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"releases": "# a word\n" + FULL.replace("{team: press}", "{ 'team': \"press\" }  # quotes")},
        {"releases": FULL.replace("\n", "\r\n")},
        {"releases": FULL.replace("interval: 1m", "interval: 60s")},
        {"releases": FULL.replace("portVariable: PORT", "portVariable: 'PORT'")},
        {"environments": ENVIRONMENT.replace("  interval: 1s\n", "")},
    ],
)
def test_spelling_and_written_out_defaults_are_no_change(changes: dict[str, str]) -> None:
    assert build(**changes).resolve("press").generation == build().resolve("press").generation


@pytest.mark.parametrize(
    "changes",
    [
        {"releases": FULL.replace("25, 50", "20, 50")},
        {"policies": POLICY.replace("0.05", "0.04")},
        {"environments": ENVIRONMENT.replace("8080", "8081")},
        {"metrics": REPOSITORY["metrics/desk.yaml"].decode().replace("300ms", "500ms")},
    ],
)
def test_a_change_anywhere_in_what_is_referred_to_is_a_new_generation(changes: dict[str, str]) -> None:
    catalog = build(**changes)
    assert catalog.resolve("press").generation != build().resolve("press").generation


def test_what_did_not_change_is_not_resolved_again() -> None:
    files = {path: load_file(path, data) for path, data in REPOSITORY.items()}
    first = Catalog.build(files)
    before = first.resolve("press")
    unrelated = Catalog.build({**files, "releases/new.yaml": b"\0"}, previous=first)
    assert unrelated.resolve("press") is before
    policy = load_file("policies/production.yaml", POLICY.replace("0.05", "0.04").encode())
    assert Catalog.build({**files, policy.file: policy}, previous=unrelated).resolve("press") is not before


# --- gone, or only hidden -------------------------------------------------------------------------------

GONE = [
    ({}, True, "its file is gone"),
    ({"releases/x.yaml": MINIMAL.encode()}, True, "another release is there"),
    ({RELEASE: FULL.encode()}, False, "it is there"),
    ({"moved.yaml": FULL.encode()}, False, "it moved"),
    ({RELEASE: FULL.replace("spec:", "spex:").encode()}, False, "it is invalid"),
    ({RELEASE: FULL.encode() + b"\n["}, False, "its file breaks off"),
    ({RELEASE: b"\0"}, False, "its file became binary"),
    ({RELEASE: FULL.replace("  name: press\n", "").encode()}, False, "its name was lost"),
    ({RELEASE: FULL.replace("Release", "Relase").encode()}, False, "its kind is misspelt"),
    ({"moved.yaml": FULL.encode() + b"\n["}, False, "it moved into a file that breaks off"),
    ({"releases/y.yaml": b"["}, True, "a file that cannot mean it is broken"),
]


@pytest.mark.parametrize(("files", "gone", "_why"), GONE, ids=[case[2] for case in GONE])
def test_a_release_is_gone_only_when_nothing_broken_may_hide_it(files: dict[str, bytes], gone: bool, _why: str) -> None:
    assert Catalog.build(files).is_gone("press", RELEASE) is gone


# --- entries that are not read --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "what", "size", "code"),
    [
        ("releases/a.yaml", "symlink", 0, "symlink"),
        ("releases", "symlink", 0, "symlink"),
        ("team/releases/vendored", "submodule", 0, "submodule"),
        ("policies", "submodule", 0, "submodule"),
        ("releases/a.yaml", "file", MAX_BYTES + 1, "too-large"),
        ("releases/README.md", "symlink", 0, None),
        ("docs/a.yaml", "symlink", 0, None),
        ("third_party/lib", "submodule", 0, None),
        ("data/big.yaml", "file", MAX_BYTES + 1, None),
        ("releases/model.bin", "file", MAX_BYTES + 1, None),
        ("releases/a.yaml", "file", 100, None),
    ],
)
def test_links_submodules_and_huge_files_are_told_where_manifests_are_expected(
    path: str, what: str, size: int, code: str | None
) -> None:
    result = refuse_entry(path, what=what, size=size)
    assert (result.broken.code if result and result.broken else None) == code


def test_a_file_over_the_cap_hides_the_release_that_was_in_it() -> None:
    refused = refuse_entry(RELEASE, what="file", size=MAX_BYTES * 10)
    assert isinstance(refused, FileResult)
    assert not should_read(RELEASE, size=MAX_BYTES * 10)
    catalog = Catalog.build({RELEASE: refused, "r.yaml": MINIMAL.encode(), "e.yaml": ENVIRONMENT.encode()})
    assert not catalog.is_gone("press", RELEASE)
    assert catalog.resolve("desk")
    assert [str(problem) for problem in catalog.problems()] == [
        f"{RELEASE}: is 10.0 MB; a manifest may have 1 MB (split it into several files)"
    ]

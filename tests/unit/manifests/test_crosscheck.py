"""Rules between fields and between documents."""

from __future__ import annotations

import re

import pytest

from releasectl.manifests.catalog import Catalog
from tests.unit.manifests.texts import FULL, REPOSITORY

RELEASE, ENVIRONMENT, POLICY, METRICS = REPOSITORY


def found(file: str, old: str, new: str) -> list[tuple[str, str, str]]:
    text = REPOSITORY[file].decode()
    assert old in text
    problems = Catalog.build({**REPOSITORY, file: text.replace(old, new, 1).encode()}).problems()
    return [(problem.path, problem.code, problem.severity) for problem in problems]


CASES = [
    (RELEASE, "environment: local", "environment: locl", "spec.environment", "unknown-name"),
    (RELEASE, "policy: production", "policy: prod", "spec.policy", "unknown-name"),
    (RELEASE, 'name: "2.0"', 'name: "1.4"', "spec.components[1].versions[1].name", "duplicate-name"),
    (RELEASE, "- name: sentiment", "- name: language-id", "spec.components[1].name", "duplicate-name"),
    (RELEASE, "name: tiny-bert", "name: stable", "spec.candidates[0].name", "reserved-name"),
    (RELEASE, ', sentiment: "1.4"}', "}", "spec.stable", "incomplete-stable"),
    (RELEASE, 'sentiment: "1.4"', 'sentiment: "1.5"', "spec.stable.sentiment", "unknown-name"),
    (RELEASE, 'sentiment: "1.4"', 'sentiment: "1.4", x: y', "spec.stable.x", "unknown-name"),
    (RELEASE, '{sentiment: "2.0"}', '{sentiment: "3.0"}', "spec.candidates[0].versions.sentiment", "unknown-name"),
    (RELEASE, '{sentiment: "2.0"}', '{ocr: "2.0"}', "spec.candidates[0].versions.ocr", "unknown-name"),
    (RELEASE, '{sentiment: "2.0"}', '{sentiment: "1.4"}', "spec.candidates[0].versions", "no-change"),
    (RELEASE, "after: [language-id]", "after: [ocr]", "spec.components[1].after[0]", "unknown-name"),
    (RELEASE, "after: [language-id]", "after: [sentiment]", "spec.components[1].after", "cycle"),
    (
        RELEASE,
        "- name: language-id",
        "- after: [sentiment]\n      name: language-id",
        "spec.components[0].after",
        "cycle",
    ),
    (RELEASE, "interval: 1m}", "interval: 1m}\n    - {type: shadow}", "spec.strategy[1]", "stage-order"),
    (
        RELEASE,
        "    - {type: canary",
        "    - {type: shadow, prove: [reviewed]}\n    - {type: canary",
        "spec.strategy[0].prove[0]",
        "unknown-name",
    ),
    (
        RELEASE,
        "    - {type: canary",
        "    - {type: shadow, component: sentimant}\n    - {type: canary",
        "spec.strategy[0].component",
        "unknown-name",
    ),
    (RELEASE, "entry: sentiment", "entry: sentimant", "spec.entry", "unknown-name"),
    (RELEASE, "    - {type: canary", "    - {type: approval}\n    - {type: canary", "spec.strategy[0]", "stage-order"),
    (
        RELEASE,
        "interval: 1m}",
        "interval: 1m}\n    - {type: approval, from: [a, b], required: 3}",
        "spec.strategy[1].required",
        "no-quorum",
    ),
    (RELEASE, ', address: "127.0.0.1:9002"', "", "spec.components[1].versions[1]", "not-runnable"),
    (
        RELEASE,
        'address: "127.0.0.1:9002"',
        'address: "a:1", run: {command: [x]}',
        "spec.components[1].versions[1]",
        "not-runnable",
    ),
    (RELEASE, ":9002", ":99999", "spec.components[1].versions[1].address", "out-of-range"),
    (RELEASE, "{header: x-user}", "{header: x-user, cookie: y}", "spec.route.sticky", "inconsistent"),
    (
        RELEASE,
        "type: object, properties",
        "type: objekt, properties",
        "spec.components[0].interface.response.type",
        "contract",
    ),
    (RELEASE, "language: {type: string}", "language: {type: integer}", "spec.components[1].after[0]", "contract"),
    (POLICY, "maxDuration: 2h", "maxDuration: 2h\n  watch: {for: 2h}", "spec.watch.for", "too-slow"),
    (POLICY, "metric: wrong-answers", "metric: wrong-answer", "spec.guardrails[1].metric", "unknown-name"),
    (POLICY, "metric: wrong-answers", "metric: error-rate", "spec.guardrails[1].metric", "duplicate-name"),
    (METRICS, "over: 300ms", "over: 400ms", "spec.metrics[1].query.envoy.over", "not-a-bucket"),
    (METRICS, "- name: slow", "- name: wrong-answers", "spec.metrics[1].name", "duplicate-name"),
    (ENVIRONMENT, "    - {type: log}\n", "", "spec.policy", "unreadable-metric"),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "path", "code"), CASES, ids=[f"{case[1]!r} becomes {case[2]!r}" for case in CASES]
)
def test_what_does_not_fit_together_is_an_error_at_its_field(
    file: str, old: str, new: str, path: str, code: str
) -> None:
    assert (path, code, "error") in found(file, old, new)


@pytest.mark.parametrize(
    ("file", "old", "new", "path", "code"),
    [
        (RELEASE, "25, 50]", "50, 100]", "spec.strategy[0].steps", "last-step"),
        (RELEASE, "interval: 1m", "interval: 30m", "spec.strategy[0]", "too-slow"),
        (METRICS, "maturity: 10s", "maturity: 2h", "spec.policy", "too-slow"),
    ],
)
def test_what_is_unwise_is_a_warning_and_stops_nothing(file: str, old: str, new: str, path: str, code: str) -> None:
    assert found(file, old, new) == [(path, code, "warning")]
    catalog = Catalog.build({**REPOSITORY, file: REPOSITORY[file].replace(old.encode(), new.encode())})
    assert [warning.code for warning in catalog.resolve("press").warnings] == [code]


@pytest.mark.parametrize(
    ("strategy", "path"),
    [
        ("{type: canary, steps: [0.01, 50]}", "spec.strategy[0].steps"),
        ("{type: canary, grow: {from: 0.01}}", "spec.strategy[0].grow"),
        ("{type: ab, share: 0.01}", "spec.strategy[0].share"),
        ("{type: canary, steps: [0.02, 50]}", None),
    ],
)
def test_every_candidate_needs_a_share_from_the_first_step(strategy: str, path: str | None) -> None:
    candidate = '    - name: tiny-bert\n      versions: {sentiment: "2.0"}\n'
    text = REPOSITORY[RELEASE].decode().replace(candidate, candidate + candidate.replace("tiny", "large"))
    text = re.sub(r"\{type: canary.*\}", strategy, text)
    problems = Catalog.build({**REPOSITORY, RELEASE: text.encode()}).problems()
    assert [problem.path for problem in problems if problem.code == "out-of-range"] == ([path] if path else [])


def test_a_shadow_needs_a_log_to_compare_answers_in() -> None:
    shadowed = RELEASE, "    - {type: canary", "    - {type: shadow}\n    - {type: canary"
    assert found(*shadowed) == []
    files = {**REPOSITORY, ENVIRONMENT: REPOSITORY[ENVIRONMENT].replace(b"    - {type: log}\n", b"")}
    files[RELEASE] = files[RELEASE].replace(shadowed[1].encode(), shadowed[2].encode())
    problems = {(problem.path, problem.code) for problem in Catalog.build(files).problems()}
    assert ("spec.strategy[0]", "unreadable-metric") in problems


def test_a_name_that_is_nearly_a_team_is_pointed_out() -> None:
    gate = "interval: 1m}\n    - {type: approval, from: [risk-teem, ada]}"
    files = {
        **REPOSITORY,
        RELEASE: REPOSITORY[RELEASE].replace(b"interval: 1m}", gate.encode()),
        ENVIRONMENT: REPOSITORY[ENVIRONMENT] + b"  teams: {risk-team: [bob, cleo]}\n",
    }
    [problem] = Catalog.build(files).problems()
    assert (problem.path, problem.code) == ("spec.strategy[1].from[0]", "unknown-team")
    assert problem.hint == "did you mean 'risk-team'?"


def test_a_policy_without_guardrails_passes_nothing() -> None:
    empty = b"apiVersion: releasectl.dev/v1alpha1\nkind: PromotionPolicy\nmetadata: {name: production}\nspec: {}\n"
    problems = Catalog.build({**REPOSITORY, POLICY: empty}).problems()
    assert [(problem.file, problem.code) for problem in problems] == [(POLICY, "no-guardrails")]


def test_several_last_components_need_an_entry() -> None:
    text = FULL.replace("      after: [language-id]\n", "").replace("  entry: sentiment\n", "")
    problems = Catalog.build({**REPOSITORY, RELEASE: text.encode()}).problems()
    assert [problem.code for problem in problems] == ["entry"]


ROUTES = [
    ("", "", False, "each at its own default prefix"),
    ("prefix: /x", "prefix: /x/", True, "one prefix, a slash more"),
    ("hosts: [a.example]", "hosts: [b.example]", False, "two hosts"),
    ("hosts: [a.example, c.example]", "hosts: [b.example, C.example]", True, "one host in common"),
    ("hosts: [a.example]", "prefix: /", False, "a host, and any host"),
    ("prefix: /b", "", True, "the default prefix of the other"),
]


@pytest.mark.parametrize(("one", "two", "collide", "_why"), ROUTES, ids=[route[3] for route in ROUTES])
def test_two_releases_that_take_the_same_requests_collide(one: str, two: str, collide: bool, _why: str) -> None:
    def release(name: str, route: str) -> bytes:
        text = FULL.replace("name: press\n", f"name: {name}\n").partition("  route:")[0]
        return (text + (f"  route: {{{route}}}\n" if route else "")).encode()

    files = {**REPOSITORY, "releases/a.yaml": release("a", one), "releases/b.yaml": release("b", two)}
    problems = Catalog.build(files).problems()
    assert [problem.code for problem in problems] == (["route-collision"] * 2 if collide else [])


@pytest.mark.parametrize(
    ("gives", "accepts", "fits"),
    [
        ("integer", "number", True),
        ("number", "integer", False),
        ("[string, 'null']", "string", False),
        ("string", "[string, 'null']", True),
    ],
)
def test_an_edge_fits_when_the_consumer_accepts_whatever_type_may_come(gives: str, accepts: str, fits: bool) -> None:
    text = FULL.replace("language: {type: string}", f"language: {{type: {gives}}}", 1)
    text = text.replace("properties: {language: {type: string}}}", f"properties: {{language: {{type: {accepts}}}}}}}")
    problems = Catalog.build({**REPOSITORY, RELEASE: text.encode()}).problems()
    assert [problem.code for problem in problems] == ([] if fits else ["contract"])

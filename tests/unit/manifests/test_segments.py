"""Groups of users: refused where nothing would ever tell them apart."""

from __future__ import annotations

import pytest

from releasectl.errors import Problem
from releasectl.manifests.catalog import Catalog
from tests.unit.manifests.test_measures import RELEASE

METRICS = """\
apiVersion: releasectl.dev/v1alpha1
kind: MetricSet
metadata: {name: own}
spec:
  metrics:
    - name: wrong
      direction: lower
      query: QUERY
"""
POLICY = """\
apiVersion: releasectl.dev/v1alpha1
kind: PromotionPolicy
metadata: {name: own}
spec:
  guardrails: [{metric: wrong, segments: {SEGMENTS}}]
"""
ENVIRONMENT = """\
apiVersion: releasectl.dev/v1alpha1
kind: Environment
metadata: {name: local}
spec: {providers: [PROVIDERS]}
"""
LOGGED = "{log: {outcome: wrong, by: language}}"
BOTH = "{envoy: {errors: 5xx}, log: {outcome: wrong, by: language}}"


def found(
    segments: str = "by: language", query: str = LOGGED, providers: str = "{type: log}, {type: envoy}"
) -> list[Problem]:
    files = {
        "r.yaml": RELEASE.replace("STAGE", "{type: canary}"),
        "p.yaml": POLICY.replace("SEGMENTS", segments),
        "m.yaml": METRICS.replace("QUERY", query),
        "e.yaml": ENVIRONMENT.replace("PROVIDERS", providers),
    }
    problems = Catalog.build({name: content.encode() for name, content in files.items()}).problems()
    return [problem for problem in problems if problem.severity == "error"]


@pytest.mark.parametrize("segments", ["by: language", "by: language, minSamples: 1, most: 50, mustPass: true"])
def test_groups_that_the_log_tells_apart_are_accepted(segments: str) -> None:
    assert found(segments) == []
    assert found(segments, BOTH) == []


def test_a_misspelt_field_is_refused_with_the_nearest_one() -> None:
    [problem] = found("by: langage")
    assert (problem.path, problem.code) == ("spec.guardrails[0].segments.by", "no-segments")
    assert problem.message == "wrong is not counted by 'langage'"
    assert problem.hint == "did you mean 'language'?"


def test_a_metric_that_is_counted_by_nothing_says_where_to_name_the_field() -> None:
    [problem] = found(query="{log: {outcome: wrong}}")
    assert problem.code == "no-segments"
    assert "{log: {outcome: ..., by: language}}" in problem.hint


def test_an_environment_whose_other_provider_answers_first_is_told_so() -> None:
    [problem] = found(query=BOTH, providers="{type: envoy}, {type: log}")
    assert (problem.file, problem.path, problem.code) == ("r.yaml", "spec.policy", "no-segments")
    assert problem.hint == "put log before envoy in its providers"


@pytest.mark.parametrize("segments", ["by: 'a=b'", "by: ''", "by: language, most: 51", "by: language, most: 1"])
def test_what_cannot_be_a_field_or_a_number_of_groups_is_refused(segments: str) -> None:
    assert found(segments) != []

"""What is asked of a metric must fit its kind: rates in percent, means in their own unit."""

from __future__ import annotations

import pytest

from releasectl.manifests.catalog import Catalog

METRICS = """\
apiVersion: releasectl.dev/v1alpha1
kind: MetricSet
metadata: {name: own}
spec:
  metrics:
    - {name: worth, kind: mean, unit: EUR, direction: higher, clip: {high: 500}, query: {log: {outcome: worth}}}
    - {name: change, kind: mean, direction: higher, clip: {low: -5, high: 5}, query: {log: {outcome: change}}}
    - {name: click, direction: higher, query: {log: {outcome: click}}}
"""
POLICY = """\
apiVersion: releasectl.dev/v1alpha1
kind: PromotionPolicy
metadata: {name: own}
spec:
  guardrails: [GUARDRAIL]
  objectives: [OBJECTIVE]
"""
RELEASE = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: shop}
spec:
  environment: local
  components:
    - {name: app, versions: [{name: a, address: "a:1"}, {name: b, address: "b:1"}]}
  stable: {app: a}
  candidates: [{name: next, versions: {app: b}}]
  strategy: [STAGE]
  policy: own
"""
ENVIRONMENT = """\
apiVersion: releasectl.dev/v1alpha1
kind: Environment
metadata: {name: local}
"""
FITS = {"guardrail": "{metric: worth, margin: {units: 2}}", "objective": "{metric: click}", "stage": "{type: canary}"}


def found(**parts: str) -> list[tuple[str, str]]:
    """Field and code of every problem."""
    chosen = FITS | parts
    text = RELEASE.replace("STAGE", chosen["stage"])
    policy = POLICY.replace("GUARDRAIL", chosen["guardrail"]).replace("OBJECTIVE", chosen["objective"])
    files = {"r.yaml": text, "p.yaml": policy, "m.yaml": METRICS, "e.yaml": ENVIRONMENT}
    catalog = Catalog.build({name: content.encode() for name, content in files.items()})
    return [(problem.path, problem.code) for problem in catalog.problems() if problem.severity == "error"]


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"guardrail": "{metric: worth, margin: {percent: 5}, limit: 1000}"},
        {"guardrail": "{metric: change, margin: {units: 0.5}, limit: -1}"},
        {"objective": "{metric: worth, goal: superior}"},
        {
            "objective": "{metric: worth, margin: {units: 1}}",
            "stage": "{type: bandit, objective: worth, tolerance: 0.2}",
        },
    ],
)
def test_what_fits_is_accepted(parts: dict[str, str]) -> None:
    assert found(**parts) == []


@pytest.mark.parametrize(
    ("parts", "field", "code"),
    [
        ({"guardrail": "{metric: worth}"}, "spec.guardrails[0].margin", "wrong-kind"),
        ({"guardrail": "{metric: worth, margin: {points: 1}}"}, "spec.guardrails[0].margin", "wrong-kind"),
        ({"guardrail": "{metric: change, margin: {percent: 1}}"}, "spec.guardrails[0].margin", "wrong-kind"),
        ({"guardrail": "{metric: click, margin: {units: 1}}"}, "spec.guardrails[0].margin", "wrong-kind"),
        ({"guardrail": "{metric: click, limit: 101}"}, "spec.guardrails[0].limit", "out-of-range"),
        ({"objective": "{metric: worth}"}, "spec.objectives[0].margin", "wrong-kind"),
        (
            {"objective": "{metric: worth, goal: superior}", "stage": "{type: bandit, objective: worth}"},
            "spec.strategy[0].tolerance",
            "missing-field",
        ),
        ({"stage": "{type: bandit, objective: click, tolerance: 101}"}, "spec.strategy[0].tolerance", "out-of-range"),
    ],
)
def test_what_does_not_fit_is_an_error_at_its_field(parts: dict[str, str], field: str, code: str) -> None:
    assert found(**parts) == [(field, code)]

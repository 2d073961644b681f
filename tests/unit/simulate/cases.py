"""Releases to simulate."""

from __future__ import annotations

from releasectl.decide.inputs import Desired
from releasectl.domain.paired import paired_metrics
from releasectl.manifests.catalog import Catalog
from releasectl.simulate.case import Case, case_of

RELEASE = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: desk}
spec:
  environment: local
  components:
    - name: a
      versions: [{name: v1, address: "a:1"}, {name: v2, address: "a:2"}, {name: v3, address: "a:3"}]
  stable: {a: v1}
  candidates: CANDIDATES
  strategy: STRATEGY
  policy: POLICY
"""
ENVIRONMENT = b"""\
apiVersion: releasectl.dev/v1alpha1
kind: Environment
metadata: {name: local}
spec: {providers: [{type: envoy}, {type: log}]}
---
apiVersion: releasectl.dev/v1alpha1
kind: MetricSet
metadata: {name: rewards}
spec:
  metrics:
    - {name: click, direction: higher, query: {log: {outcome: click}}}
    - {name: wrong, direction: lower, query: {log: {outcome: wrong, by: language}}}
    - {name: length, kind: mean, direction: lower, clip: {high: 100}, query: {log: {outcome: length, by: language}}}
    - {name: latency, kind: mean, unit: ms, direction: lower, clip: {high: 1000}, query: {log: {outcome: latency}}}
    - {name: worth, kind: mean, unit: EUR, direction: higher, clip: {high: 100}, query: {log: {outcome: worth}}}
"""
ONE = "[{name: new, versions: {a: v2}}]"
TWO = "[{name: new, versions: {a: v2}}, {name: other, versions: {a: v3}}]"


def desired_of(*, policy: str = "safe-default", strategy: str = "[{type: canary}]", candidates: str = ONE) -> Desired:
    """``policy`` is a shipped one's name, or the spec of one."""
    own = policy if policy.startswith("{") else ""
    release = RELEASE.replace("CANDIDATES", candidates).replace("STRATEGY", strategy)
    files = {"release.yaml": release.replace("POLICY", "own" if own else policy).encode(), "env.yaml": ENVIRONMENT}
    if own:
        text = "apiVersion: releasectl.dev/v1alpha1\nkind: PromotionPolicy\nmetadata: {name: own}\nspec: "
        files["policy.yaml"] = (text + own).encode()
    found = Catalog.build(files).resolve("desk")
    return Desired(
        release=found.release,
        policy=found.policy,
        environment=found.environment,
        metrics={**found.metrics, **paired_metrics(found.release)},
        path=found.path,
        generation=found.generation,
        revision="",
    )


def a_case(*, policy: str = "safe-default", strategy: str = "[{type: canary}]", candidates: str = ONE) -> Case:
    """Ready for trial."""
    return case_of(desired_of(policy=policy, strategy=strategy, candidates=candidates))

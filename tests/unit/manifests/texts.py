"""Valid manifests as text, for tests to break."""

from __future__ import annotations

MINIMAL = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: desk}
spec:
  environment: local
  components:
    - name: sentiment
      versions:
        - {name: "1.0", run: {command: [python, v1.py]}}
        - {name: "2.0", run: {command: [python, v2.py]}}
  stable: {sentiment: "1.0"}
  candidates: [{name: tiny, versions: {sentiment: "2.0"}}]
  strategy: [{type: canary}]
  policy: safe-default
"""

FULL = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata:
  name: press
  labels: {team: press}
spec:
  environment: local
  components:
    - name: language-id
      interface:
        protocol: rest
        response: {type: object, properties: {language: {type: string}}}
      versions:
        - name: "1.0"
          artifact: oci://registry.example/langid
          digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
          runtime: {language: python, framework: py3langid}
          resources: {cpu: "1", memory: 512Mi, accelerator: none}
          run:
            command: [python, -m, langid]
            portVariable: PORT
            ready: /healthz
            startWithin: 30s
    - name: sentiment
      after: [language-id]
      interface:
        request: {type: object, required: [language], properties: {language: {type: string}}}
      versions:
        - {name: "1.4", address: "127.0.0.1:9001"}
        - {name: "2.0", address: "127.0.0.1:9002"}
  stable: {language-id: "1.0", sentiment: "1.4"}
  candidates:
    - name: tiny-bert
      versions: {sentiment: "2.0"}
  strategy:
    - {type: canary, steps: [1, 5, 25, 50], interval: 1m}
  policy: production
  entry: sentiment
  route:
    hosts: [press.example]
    prefix: /press
    sticky: {header: x-user}
    timeout: 10s
"""

ENVIRONMENT = """\
apiVersion: releasectl.dev/v1alpha1
kind: Environment
metadata: {name: local}
spec:
  router: {type: envoy, port: 8080, concurrency: 2}
  workloads: {type: local, directory: .}
  providers:
    - {type: envoy}
    - {type: prometheus, url: "http://127.0.0.1:9090", timeout: 2s, tokenVariable: PROM_TOKEN}
    - {type: log}
  interval: 1s
"""

POLICY = """\
apiVersion: releasectl.dev/v1alpha1
kind: PromotionPolicy
metadata: {name: production}
spec:
  alpha: 0.05
  guardrails:
    - {metric: error-rate, margin: {points: 1}, limit: 5, weight: 2}
    - {metric: wrong-answers, margin: {percent: 20}}
  objectives:
    - {metric: slow, goal: non-inferior, margin: {points: 2}}
  minSamples: 200
  minDwell: 1m
  maxDuration: 2h
  whenInconclusive: rollback
  outage: {budget: 5m, then: hold}
"""

METRICS = """\
apiVersion: releasectl.dev/v1alpha1
kind: MetricSet
metadata: {name: desk}
spec:
  metrics:
    - name: wrong-answers
      description: Answers that a reader marked wrong
      kind: proportion
      direction: lower
      maturity: 10s
      staleAfter: 60s
      query: {log: {outcome: wrong, threshold: 1}}
    - name: slow
      direction: lower
      query:
        envoy: {over: 300ms}
        prometheus: {trials: requests_total, events: slow_total, releaseLabel: release, variantLabel: variant}
"""

REPOSITORY = {
    "releases/press.yaml": FULL.encode(),
    "environments/local.yaml": ENVIRONMENT.encode(),
    "policies/production.yaml": POLICY.encode(),
    "metrics/desk.yaml": METRICS.encode(),
}
"""One valid release with a document of every kind."""

"""A small repository as two states, and what the controller knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from releasectl.controller.fleet import Fleet
from releasectl.domain.release import Release
from releasectl.manifests.load import load_one
from releasectl.preview.compose import Asked, plan
from releasectl.preview.document import Plan, Preview
from releasectl.preview.selection import Files, compare
from tests.builders import NOW, a_state

RELEASE = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: shop}
spec:
  environment: local
  components:
    - name: app
      versions:
        - {name: "1", run: {command: [app, "1"]}}
        - {name: "2", run: {command: [app, "2"]}}
        - {name: "3", run: {command: [app, "3"]}}
  stable: {app: "1"}   # what serves now
  candidates:
    - {name: next, versions: {app: "2"}}
  strategy: [{type: canary, steps: [10, 50], interval: 10s}]
  policy: careful
"""
IDLE = RELEASE.replace('  candidates:\n    - {name: next, versions: {app: "2"}}\n', "")
POLICY = """\
apiVersion: releasectl.dev/v1alpha1
kind: PromotionPolicy
metadata: {name: careful}
spec:
  guardrails: [{metric: error-rate, margin: {points: 2}}]
  maxDuration: 10m
"""
ENVIRONMENT = """\
apiVersion: releasectl.dev/v1alpha1
kind: Environment
metadata: {name: local}
"""
BASE = {"releases/shop.yaml": RELEASE, "policies/careful.yaml": POLICY, "environments/local.yaml": ENVIRONMENT}


def files(texts: Mapping[str, str]) -> Files:
    return Files({path: text.encode() for path, text in texts.items()})


def release(text: str) -> Release:
    value = load_one("releases/shop.yaml", text.encode())
    assert isinstance(value, Release)
    return value


def on_trial(text: str = RELEASE) -> Fleet:
    return Fleet({"shop": a_state(release(text))})


def at_rest(text: str = IDLE) -> Fleet:
    return Fleet({"shop": a_state(release(text), step=None)})


def planned(before: Mapping[str, str], after: Mapping[str, str], fleet: Fleet | None = None, **asked: object) -> Plan:
    compared = compare(files(before), files(after), only=asked.get("only"))  # type: ignore[arg-type]
    base: dict[str, object] = {"base": "b" * 40, "head": "a" * 40, "ledger": None, "at": NOW + timedelta(hours=1)}
    return plan(compared, fleet or Fleet(), Asked(**base | asked))  # type: ignore[arg-type]


def edited(old: str, new: str, *, fleet: Fleet | None = None, base: str = RELEASE) -> Preview:
    """The preview of one edit of the release's file."""
    assert base.count(old) == 1, old
    before = {**BASE, "releases/shop.yaml": base}
    (found,) = planned(before, {**before, "releases/shop.yaml": base.replace(old, new)}, fleet).releases
    return found

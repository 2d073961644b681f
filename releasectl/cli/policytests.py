"""Policy tests of a folder: found, made into cases, run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from releasectl.cli.folder import catalog_of, desired_in
from releasectl.decide.inputs import Desired
from releasectl.domain.environment import Environment
from releasectl.domain.paired import paired_metrics
from releasectl.domain.policy_test import PolicyTest, PolicyTestSpec
from releasectl.domain.release import (
    Candidate,
    Component,
    Metadata,
    Release,
    ReleaseSpec,
    Version,
)
from releasectl.errors import ManifestError, UsageError
from releasectl.manifests.catalog import Catalog, generation_of
from releasectl.simulate.case import case_of
from releasectl.simulate.script import Outcome, run_case


@dataclass(frozen=True)
class Tested:
    """One case of one file."""

    file: str
    test: str
    case: str
    outcome: Outcome

    @property
    def passed(self) -> bool:
        return not self.outcome.wrong

    def to_data(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "test": self.test,
            "case": self.case,
            "passed": self.passed,
            "wrong": list(self.outcome.wrong),
            "happened": [
                {
                    "decision": one.action.value,
                    "reason": one.reason,
                    "candidate": one.candidate,
                    "afterSeconds": one.after.total_seconds(),
                }
                for one in self.outcome.happened
            ],
        }


def run_tests(root: Path, wanted: Sequence[Path]) -> Iterator[Tested]:
    """Every case of the tests below ``wanted``; ManifestError for one that cannot be run."""
    catalog = catalog_of(root)
    found = False
    for document in catalog.policy_tests:
        if not any((root / document.file).is_relative_to(path) for path in wanted):
            continue
        found = True
        if not isinstance(document.value, PolicyTest):
            raise ManifestError(document.problems)
        if problems := catalog.policy_test_problems(document):
            raise ManifestError(tuple(problems))
        case = case_of(_desired(catalog, document.value.spec))
        for written in document.value.spec.cases:
            outcome = run_case(case, written, document.value.spec.look)
            yield Tested(document.file, document.value.name, written.name, outcome)
    if not found:
        raise UsageError(
            f"no policy tests below {', '.join(map(str, wanted))}",
            hint="a test is a YAML document of kind PolicyTest; releasectl test --help shows one",
        )


def _desired(catalog: Catalog, spec: PolicyTestSpec) -> Desired:
    if spec.release is None:
        return _plain(catalog, spec)
    desired = desired_in(catalog, spec.release)
    if spec.policy is None:
        return desired
    policy, metrics = catalog.policy(spec.policy)
    return replace(desired, policy=policy, metrics={**metrics, **paired_metrics(desired.release)})


def _plain(catalog: Catalog, spec: PolicyTestSpec) -> Desired:
    """A release with one component, for a policy that is tested by itself."""
    policy, metrics = catalog.policy(spec.policy or "")
    names = ("stable", *spec.candidates)
    component = Component(name="app", versions=tuple(Version(name=name, address=f"{name}:1") for name in names))
    environment = Environment(
        api_version="releasectl.dev/v1alpha1", kind="Environment", metadata=Metadata(name="local")
    )
    release = Release(
        api_version="releasectl.dev/v1alpha1",
        kind="Release",
        metadata=Metadata(name="tested"),
        spec=ReleaseSpec(
            environment="local",
            components=(component,),
            stable={"app": "stable"},
            candidates=tuple(Candidate(name=name, versions={"app": name}) for name in spec.candidates),
            strategy=spec.strategy,
            policy=policy.name,
        ),
    )
    generation = generation_of(release, policy, environment, metrics)
    return Desired(
        release=release,
        policy=policy,
        environment=environment,
        metrics={**metrics, **paired_metrics(release)},
        path="",
        generation=generation,
        revision="",
    )

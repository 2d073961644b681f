"""Rules of policy tests: the release, the policy and the metrics that they name are there."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from releasectl.domain.policy_test import PolicyTest, Rates
from releasectl.errors import Problem
from releasectl.manifests.crosscheck import at
from releasectl.manifests.load import Document
from releasectl.manifests.nearest import suggestion
from releasectl.manifests.nodes import Step

Path = tuple[Step, ...]
COUNTED_OF_PAIRS = frozenset({"agreement", "errors", "slower"})
"""What a shadow stage counts is called so; no manifest declares it."""


def check(
    document: Document, *, releases: Collection[str], policies: Collection[str], metrics: Collection[str]
) -> Iterator[Problem]:
    """Everything that is wrong with a policy test whose shape is right; the names are all that may be named."""
    test = document.value
    if not isinstance(test, PolicyTest):
        return
    for field, name, known in (("release", test.spec.release, releases), ("policy", test.spec.policy, policies)):
        if name is not None and name not in known:
            yield at(document, ("spec", field), f"no {field} {name!r}", suggestion(name, known), "unknown-name")
    for path, name in _metrics(test):
        if name not in metrics:
            yield at(document, path, f"no metric {name!r}", suggestion(name, metrics), "unknown-name")


def _metrics(test: PolicyTest) -> Iterator[tuple[Path, str]]:
    """Where each phase names a metric."""
    for case, tested in enumerate(test.spec.cases):
        for index, phase in enumerate(tested.given):
            path: Path = ("spec", "cases", case, "given", index)
            yield from (((*path, "metrics", name), name) for name in phase.metrics if name not in COUNTED_OF_PAIRS)
            yield from _rated(phase, path)
            for part, group in phase.segments.items():
                yield from _rated(group, (*path, "segments", part))


def _rated(rates: Rates, path: Path) -> Iterator[tuple[Path, str]]:
    for field, named in (("stable", rates.stable), ("candidate", rates.candidate)):
        yield from (((*path, field, name), name) for name in named)
    for candidate, told in rates.candidates.items():
        yield from (((*path, "candidates", candidate, name), name) for name in told)

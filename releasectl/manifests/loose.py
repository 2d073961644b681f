"""What a document whose shape is wrong refers to all the same, read from its nodes.

Its mistakes and its references that lead nowhere are then told together: who mends the one would otherwise meet the
other in the next round. A value that is itself reported, or is no text, refers to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from releasectl.manifests.load import Document
from releasectl.manifests.nodes import Scalar, Sequence, Step, descend, format_path


def name_at(document: Document, *path: Step) -> str | None:
    """The text at a path, unless something is wrong there."""
    node = descend(document.root, *path)
    if not isinstance(node, Scalar) or node.faulty or not isinstance(node.value, str):
        return None
    reported = {problem.path for problem in document.problems}
    return None if format_path(path) in reported else node.value


def metrics_of_policy(document: Document) -> Iterator[tuple[tuple[Step, ...], str]]:
    """Path and name of each metric that guardrails and objectives name."""
    for role in ("guardrails", "objectives"):
        entries = descend(document.root, "spec", role)
        for index in range(len(entries.items) if isinstance(entries, Sequence) else 0):
            path: tuple[Step, ...] = ("spec", role, index, "metric")
            if name := name_at(document, *path):
                yield path, name


def metrics_of_set(document: Document) -> Iterator[tuple[int, str]]:
    """Index and name of each metric that a metric set declares, whatever else is wrong with it."""
    entries = descend(document.root, "spec", "metrics")
    for index in range(len(entries.items) if isinstance(entries, Sequence) else 0):
        if name := name_at(document, "spec", "metrics", index, "name"):
            yield index, name

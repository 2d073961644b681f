"""The kinds of document, and which files hold them. A new kind is one line in ``KINDS``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from releasectl.domain.environment import Environment
from releasectl.domain.metric import MetricSet
from releasectl.domain.policy import PromotionPolicy
from releasectl.domain.policy_test import PolicyTest
from releasectl.domain.release import Release
from releasectl.domain.subscription import Subscription

Manifest = Release | PromotionPolicy | Environment | MetricSet | PolicyTest | Subscription

KINDS: Mapping[str, type[Manifest]] = {
    "Release": Release,
    "PromotionPolicy": PromotionPolicy,
    "Environment": Environment,
    "MetricSet": MetricSet,
    "PolicyTest": PolicyTest,
    "Subscription": Subscription,
}

PLANNED = frozenset({"EvaluationSuite"})
"""Kinds whose name is kept free and that are not read yet."""

GROUP = "releasectl.dev/"
"""How the ``apiVersion`` of every manifest begins."""

FOLDERS = frozenset({"releases", "policies", "environments", "metrics", "suites", "subscriptions"})
"""Folders in which people expect manifests, at any depth; the kind decides, not the folder."""


def is_yaml(path: str) -> bool:
    """Whether a path is named like a YAML file."""
    return path.endswith((".yaml", ".yml"))


def is_expected(path: str) -> bool:
    """Whether a path lies in a folder where a manifest is expected."""
    return not FOLDERS.isdisjoint(PurePosixPath(path).parts[:-1])

"""The registry that a subscription's source means."""

from __future__ import annotations

from releasectl.adapters.registries.mlflow import MlflowRegistry
from releasectl.adapters.registries.oci import OciRegistry
from releasectl.domain.subscription import MlflowModel, OciTags
from releasectl.ports import Registry


def registry_of(source: MlflowModel | OciTags) -> Registry:
    """Opens nothing before it is asked."""
    match source:
        case MlflowModel():
            return MlflowRegistry(source)
        case OciTags():
            return OciRegistry(source)

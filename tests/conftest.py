"""What every test may ask for."""

from __future__ import annotations

from tests.gitea.fixtures import gitea
from tests.mlflow.fixtures import mlflow

__all__ = ["gitea", "mlflow"]

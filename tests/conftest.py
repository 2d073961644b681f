"""What every test may ask for."""

from __future__ import annotations

from tests.gitea.fixtures import gitea

__all__ = ["gitea"]

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from releasectl.adapters.git.repo import GitRepo
from tests.adapters.git.hosts import Host

OpenRepo = Callable[..., GitRepo]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, {"releases/desk.yaml": "stable: 1\n", "policies/careful.yaml": "alpha: 0.05\n"})


@pytest.fixture
def open_repo(tmp_path: Path, host: Host) -> Iterator[OpenRepo]:
    """Opens controllers' views of the host, each with a mirror of its own; all closed afterwards."""
    opened: list[GitRepo] = []

    def one(url: str | None = None, *, mirror: str | None = None, **options: Any) -> GitRepo:
        place = tmp_path / (mirror or f"mirror-{len(opened)}")
        repo = GitRepo(url or str(host.path), mirror=place, **{"timeout": 60.0, **options})
        opened.append(repo)
        return repo

    yield one
    for repo in opened:
        repo.close()


@pytest.fixture
def repo(open_repo: OpenRepo) -> GitRepo:
    return open_repo()

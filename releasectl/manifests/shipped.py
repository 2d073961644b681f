"""Files that come with the program: policies and schemas, from the wheel or from a checkout."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from releasectl.manifests.load import Document, load_file


def folder(name: str) -> Traversable:
    """The folder ``policies`` or ``schemas``."""
    packaged = files("releasectl") / "data" / name
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / name


@cache
def policies() -> Mapping[str, Document]:
    """The shipped policies by name. A repository's own policy of the same name takes precedence."""
    found = {}
    for file in sorted(folder("policies").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".yaml"):
            for document in load_file(f"releasectl:policies/{file.name}", file.read_bytes()).documents:
                found[document.name] = document
    return found

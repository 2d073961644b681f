"""A repository full of hostile files: each is told about, and the releases beside them go on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from releasectl.cli.folder import catalog_of
from tests.unit.manifests.texts import FULL, MINIMAL, REPOSITORY


def bomb() -> str:
    lines = ["apiVersion: releasectl.dev/v1alpha1", "kind: Release", "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines)


def write(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


def link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def submodule(path: Path) -> None:
    path.mkdir()
    (path / ".git").write_text("gitdir: ../../.git/modules/bad")
    (path / "hidden.yaml").write_text(MINIMAL.replace("name: desk", "name: hidden"))


HOSTILE: list[tuple[str, Callable[[Path], None], str, str]] = [
    (
        "unknown field",
        write(FULL.replace("name: press\n", "name: bad\n").replace("steps", "stepz")),
        "bad.yaml",
        "unknown-field",
    ),
    ("duplicate key", write(FULL.replace("name: press\n", "name: bad\n  name: bad\n")), "bad.yaml", "duplicate-key"),
    (
        "missing policy",
        write(MINIMAL.replace("name: desk", "name: bad").replace("safe-default", "nope")),
        "bad.yaml",
        "unknown-name",
    ),
    ("bomb of aliases", write(bomb()), "bad.yaml", "alias"),
    ("deep nesting", write("[" * 100_000), "bad.yaml", "too-deep"),
    ("10 MB", write("# " + "x" * 10_000_000), "bad.yaml", "too-large"),
    ("symlink", link, "bad.yaml", "symlink"),
    ("submodule", submodule, "bad", "submodule"),
    ("binary", lambda path: path.write_bytes(bytes(range(256))) and None, "bad.yaml", "not-text"),
    ("tabs", write("apiVersion: releasectl.dev/v1alpha1\nspec:\n\tenvironment: local\n"), "bad.yaml", "syntax"),
]


@pytest.mark.parametrize(("_what", "make", "name", "code"), HOSTILE, ids=[case[0] for case in HOSTILE])
def test_a_malformed_file_is_told_about_and_the_others_load(
    tmp_path: Path, _what: str, make: Callable[[Path], None], name: str, code: str
) -> None:
    for path, data in REPOSITORY.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    make(tmp_path / "releases" / name)
    catalog = catalog_of(tmp_path)
    problems = catalog.problems()
    assert code in {problem.code for problem in problems}
    assert {problem.file for problem in problems} == {f"releases/{name}"}
    assert catalog.resolve("press").release.name == "press"
    assert "hidden" not in catalog.releases


def test_what_git_keeps_for_itself_is_not_read(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".git" / "releases").mkdir()
    (tmp_path / ".git" / "releases" / "a.yaml").write_text("[")
    assert catalog_of(tmp_path).problems() == ()

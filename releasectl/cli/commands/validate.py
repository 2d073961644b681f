"""``releasectl validate``: what a pull request must pass before it is merged."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import click

from releasectl.cli.problems import as_github, as_json, as_table
from releasectl.errors import Problem, UsageError

EXAMPLES = """
\b
Examples:
  releasectl validate                      every manifest below this folder
  releasectl validate releases/desk.yaml   one file, with all that it refers to
  releasectl validate -o github            annotations on a pull request's lines
  releasectl validate -o json | jq '.problems[].message'

\b
What it prints:
  releases/desk.yaml:14:11: spec.policy: no policy 'save-default' (did you mean 'safe-default'?)
    14 |   policy: save-default
       |           ^
"""


@click.command(epilog=EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@click.option("-R", "--repo", metavar="DIR", help="Root of the repository; found from PATHS if left out.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "github"]), default="table", help="How to print problems."
)
def validate(paths: tuple[str, ...], repo: str | None, output: str) -> int:
    """Check manifests, and how they fit together.

    Every problem is printed with file, line, column and field, and with what to write instead. References are
    looked up in the whole repository; problems are shown for PATHS, by default for all of it.

    Exits 0 if all is valid (warnings aside), 1 if not or if a folder has no manifest at all,
    64 if a path does not exist.
    """
    asked = paths or (repo or ".",)
    checks = [_check(root, wanted) for root, wanted in _by_root(asked, repo).items()]
    problems = sorted(problem for check in checks for problem in check.problems)
    files, documents = sum(check.files for check in checks), sum(check.documents for check in checks)
    if output == "json":
        click.echo(as_json(problems, files=files, documents=documents))
    elif problems:
        click.echo(as_github(problems) if output == "github" else as_table(problems, _line))
    if not files:
        told = f"no manifests found in {', '.join(asked)}: they begin with `apiVersion: releasectl.dev/v1alpha1`"
        click.echo(told, err=True)
        # A check that looked in the wrong place must not pass; single files may be any, as hooks hand them over.
        return 1 if any(Path(path).is_dir() for path in asked) else 0
    click.echo(_summary(problems, files, documents), err=True)
    return 1 if any(problem.severity == "error" for problem in problems) else 0


# --- which repository -----------------------------------------------------------------------------------


def _by_root(paths: Sequence[str], repo: str | None) -> Mapping[Path, Sequence[Path]]:
    """The paths to report on, under the repository that each belongs to."""
    found: defaultdict[Path, list[Path]] = defaultdict(list)
    for path in map(_existing, paths):
        root = _existing(repo) if repo else _root_of(path)
        if not path.is_relative_to(root):
            raise UsageError(f"{path} is not in the repository {root}", hint="give another --repo, or none")
        found[root].append(path)
    return found


def _existing(name: str) -> Path:
    path = Path(os.path.abspath(name))  # noqa: PTH100 - resolve() would follow links, which are to be reported
    if not path.exists() and not path.is_symlink():
        raise UsageError(f"no such file or folder: {name}", hint="paths are relative to the current folder")
    return path


def _root_of(path: Path) -> Path:
    """The nearest folder that looks like a repository of manifests, else the path's own folder."""
    start = path if path.is_dir() else path.parent
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in (".git", "releases", "environments")):
            return folder
    return start


# --- one repository -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Check:
    problems: tuple[Problem, ...]
    files: int
    documents: int


def _check(root: Path, wanted: Sequence[Path]) -> _Check:
    # Reading manifests loads pydantic and every domain type; `--help` need not wait for them.
    from releasectl.cli.folder import catalog_of

    catalog = catalog_of(root)
    shown = {
        name: result
        for name, result in catalog.files.items()
        if (result.documents or result.broken) and any((root / name).is_relative_to(path) for path in wanted)
    }
    problems = tuple(
        replace(problem, file=_display(root / problem.file)) for problem in catalog.problems() if problem.file in shown
    )
    return _Check(problems, len(shown), sum(len(result.documents) for result in shown.values()))


def _display(path: Path) -> str:
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()


# --- talk -----------------------------------------------------------------------------------------------


def _summary(problems: Sequence[Problem], files: int, documents: int) -> str:
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    checked = f"{_count(documents, 'manifest')} in {_count(files, 'file')}"
    counted = [_count(errors, "error")] if errors else ["valid"]
    counted += [_count(warnings, "warning")] if warnings else []
    return f"{checked}: {', '.join(counted)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _line(file: str, line: int) -> str | None:
    lines = _lines(file)
    return lines[line - 1] if 0 < line <= len(lines) else None


@cache
def _lines(file: str) -> Sequence[str]:
    try:
        return Path(file).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError):
        return ()

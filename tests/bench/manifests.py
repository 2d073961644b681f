"""Manifests loaded a second, and what a pass over a whole repository costs. Run: python -m tests.bench.manifests"""

from __future__ import annotations

import json
from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

from releasectl.manifests import yaml
from releasectl.manifests.catalog import Catalog
from releasectl.manifests.edit import promote
from releasectl.manifests.kinds import KINDS
from releasectl.manifests.load import FileResult, load_file
from releasectl.manifests.nodes import to_data
from tests.unit.manifests.texts import FULL, MINIMAL, REPOSITORY

RELEASES = 1000
T = TypeVar("T")


def main() -> None:
    full, minimal = FULL.encode(), MINIMAL.encode()
    data = json.dumps(to_data(yaml.parse("f", full).documents[0].root))
    print(f"{'what':<58}{'ms each':>10}{'a second':>12}")
    show("load a release of 14 lines", 300, lambda: load_file("f", minimal))
    show(f"load a release of {len(FULL.splitlines())} lines", 300, lambda: load_file("f", full))
    show("  of which strict YAML", 300, lambda: yaml.parse("f", full))
    show("  of which validation", 300, lambda: KINDS["Release"].model_validate_json(data, by_alias=True, by_name=False))
    show("promote a candidate in it", 100, lambda: promote(full, "press", "tiny-bert"))
    whole_repository()


def whole_repository() -> None:
    files: dict[str, FileResult | bytes] = {path: load_file(path, text) for path, text in REPOSITORY.items()}
    start = perf_counter()
    for number in range(RELEASES):
        path = f"releases/r{number}.yaml"
        files[path] = load_file(path, MINIMAL.replace("name: desk", f"name: r{number}").encode())
    report(f"read {RELEASES:,} release files once", perf_counter() - start, RELEASES)
    first, seconds = timed(lambda: Catalog.build(files))
    report(f"join {RELEASES:,} read files", seconds, RELEASES)
    _, seconds = timed(lambda: [first.resolve(name) for name in first.releases])
    report(f"resolve {RELEASES:,} releases for the first time", seconds, RELEASES)
    changed = {**files, "releases/r0.yaml": load_file("releases/r0.yaml", MINIMAL.replace("desk", "r0").encode())}
    second, seconds = timed(lambda: Catalog.build(changed, previous=first))
    report("join again, one file changed", seconds, RELEASES)
    _, seconds = timed(lambda: [second.resolve(name) for name in second.releases])
    report("resolve all again", seconds, RELEASES)


def show(what: str, times: int, call: Callable[[], object]) -> None:
    call()
    _, seconds = timed(lambda: [call() for _ in range(times)])
    report(what, seconds, times)


def timed(call: Callable[[], T]) -> tuple[T, float]:
    start = perf_counter()
    result = call()
    return result, perf_counter() - start


def report(what: str, seconds: float, times: int) -> None:
    print(f"{what:<58}{seconds / times * 1000:>10.3f}{times / seconds:>12,.0f}")


if __name__ == "__main__":
    main()

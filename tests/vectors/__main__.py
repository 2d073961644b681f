"""``python -m tests.vectors FILE.json...``: check reference values."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.vectors.check import Checked, Outcome, cases_in, check


def main(arguments: list[str]) -> int:
    """Check every case of every file; 1 when a case failed, is unknown, or there was none."""
    results: list[Checked] = []
    for name in arguments or sorted(map(str, (Path(__file__).parent / "data").glob("*.json"))):
        for result in _checked(name):
            results.append(result)
            _tell(result)
    return _summary(results)


def _checked(name: str) -> Iterator[Checked]:
    """The cases of a file; one that cannot be read counts as a failure and the other files are still run."""
    try:
        cases = list(cases_in(json.loads(Path(name).read_text(encoding="utf-8"))))
    except (OSError, ValueError) as error:
        yield Checked(name, Outcome.FAILED, (f"{type(error).__name__}: {error}",))
        return
    yield from map(check, cases)


def _tell(result: Checked) -> None:
    if result.outcome is not Outcome.PASSED:
        print(f"{result.outcome.value}: {result.id}")
        for line in result.details:
            print(f"    {line}")


def _summary(results: list[Checked]) -> int:
    by = {outcome: [r.id for r in results if r.outcome is outcome] for outcome in Outcome}
    print(", ".join(f"{len(ids)} {outcome.value}" for outcome, ids in by.items()))
    for outcome in (Outcome.FAILED, Outcome.UNKNOWN):
        if by[outcome]:
            print(f"{outcome.value}: {' '.join(by[outcome])}")
    return 0 if by[Outcome.PASSED] and len(by[Outcome.PASSED]) == len(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

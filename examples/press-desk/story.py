"""The press desk's story, as data: lines of the press with their labels, and the commits that are proposed.

Nothing here starts, sends or decides anything. ``lines`` is the traffic, ``judge`` is the reader at the
desk, ``CHAPTERS`` are the edits to commit one after the other and what must come of each.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Appended, not inserted: the components' modules must not hide anybody else's.
sys.path.append(str(HERE / "components"))

from desk.lines import Line, written  # noqa: E402
from desk.wording import PRESS  # noqa: E402

RELEASE = "press-sentiment"
MANIFEST = f"releases/{RELEASE}.yaml"
MANIFESTS = (MANIFEST, "environments/local.yaml", "metrics/press.yaml", "policies/press.yaml")
"""What the repository starts with, relative to this folder. The full graph's release is not among it."""
COMPONENTS = "components"
"""The folder whose copy must stand in the workloads' directory, under the same name."""
OUTCOME = "correct"
"""The outcome's name: value 1 where ``judge`` agrees, 0 where it does not, for the request's id."""
LANGUAGES = {"en": 1, "es": 2}
"""Two of three lines at the desk are Spanish."""


@dataclass(frozen=True)
class Chapter:
    """One commit and its end. ``edit`` takes and gives the manifest's text, ``MANIFEST``."""

    title: str
    message: str
    """Commit message: a subject, an empty line, a body."""
    author: tuple[str, str]
    candidate: str
    versions: Mapping[str, str]
    action: str
    """The decision that must end it: ROLLBACK or PROMOTE."""
    reason: str
    stable: Mapping[str, str]
    """What must serve afterwards."""

    def edit(self, manifest: str) -> str:
        """The manifest with the candidate added; every other byte stays."""
        return with_candidate(manifest, self.candidate, self.versions)


CHAPTERS = (
    Chapter(
        title="A model that shone on the English test set",
        message=(
            "Try sentiment 1.1, character n-grams\n\n94 % right on the English archive, where the word lists have 87 %."
        ),
        author=("Tom Hadley", "tom@harbour-lane.example"),
        candidate="english-only",
        versions={"sentiment": "1.1"},
        action="ROLLBACK",
        reason="GuardrailBreached",
        stable={"language-id": "1.0", "sentiment": "1.0"},
    ),
    Chapter(
        title="The same model, taught Spanish as well",
        message=(
            "Try sentiment 2.0, n-grams in English and Spanish\n\n"
            "1.1 had never seen Spanish, which two of three of our lines are. This one has."
        ),
        author=("Lucía Ferrer", "lucia@harbour-lane.example"),
        candidate="char-ngrams",
        versions={"sentiment": "2.0"},
        action="PROMOTE",
        reason="EvidenceSufficient",
        stable={"language-id": "1.0", "sentiment": "2.0"},
    ),
)


def lines(seed: int, count: int) -> Iterator[Line]:
    """``count`` lines of the press, of patterns and words that no model was trained on."""
    return written(PRESS, seed=seed, count=count, languages=LANGUAGES)


def request_of(line: Line) -> dict[str, Any]:
    """The JSON body that asks the desk about a line."""
    return {"text": line.text}


def judge(answer: object, line: Line) -> bool:
    """Whether a reader agrees with the answer; None, an error body or any other failure is not correct."""
    return isinstance(answer, Mapping) and answer.get("label") == line.label


def with_candidate(manifest: str, name: str, versions: Mapping[str, str]) -> str:
    """The text of a release with one more candidate, as a person would write it. Line ends are kept."""
    chosen = ", ".join(f'{component}: "{version}"' for component, version in versions.items())
    entry = f"    - {{name: {name}, versions: {{{chosen}}}}}"
    for place, put in _PLACES:
        if found := place.search(manifest):
            end = "\r\n" if found[0].endswith("\r\n") else "\n"
            return manifest[: found.start()] + put(found[0], entry, end) + manifest[found.end() :]
    raise ValueError("the manifest has no stable line to write candidates under")


_Put = Callable[[str, str, str], str]
_PLACES: tuple[tuple[re.Pattern[str], _Put], ...] = (
    # An empty list is replaced, a list in block style gets a first item, else the key comes after stable.
    (
        re.compile(r"^  candidates: *\[ *\][^\n]*\n", re.MULTILINE),
        lambda _, entry, end: f"  candidates:{end}{entry}{end}",
    ),
    (
        re.compile(r"^  candidates: *(#[^\n]*)?\r?\n", re.MULTILINE),
        lambda found, entry, end: f"{found}{entry}{end}",
    ),
    (
        re.compile(r"^  stable:[^\n]*\n(   +[^\n]*\n)*", re.MULTILINE),
        lambda found, entry, end: f"{found}  candidates:{end}{entry}{end}",
    ),
)

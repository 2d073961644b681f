"""The recorded scans: the README tells their figures, and the story is in them."""

from __future__ import annotations

import json
import math
import re
import shutil
from itertools import islice

import pytest

from tests.examples.press_desk import FOLDER, record, scanning
from tests.scenarios.desk import Document, recording

MIX = scanning.MIX
README = (FOLDER / "README.md").read_text()
VERSIONS = ("1.0", "2.0")


def of_print(name: str) -> list[Document]:
    return [document for document in recording() if document.print == name]


@pytest.mark.parametrize("name", list(MIX))
@pytest.mark.parametrize("version", VERSIONS)
def test_the_readme_tells_what_was_recorded(name: str, version: str) -> None:
    row = re.search(rf"^\| {name}[^|]*\| {re.escape(version)} \|(.*)\|$", README, re.MULTILINE)
    assert row, f"the README has no row for {name} and ocr {version}"
    documents = of_print(name)
    found = [f"{error_rate(documents, version):.3f}"]
    for sentiment in VERSIONS:
        right = sum(document.is_right({"ocr": version, "sentiment": sentiment}) for document in documents)
        part = right / len(documents)
        found.append(f"{part:.3f} ± {math.sqrt(part * (1 - part) / len(documents)):.3f}")
    assert [cell.strip() for cell in row[1].split("|")] == found


def error_rate(documents: list[Document], version: str) -> float:
    """Edits per character between the lines and what OCR read."""
    edits = sum(distance(document.line, document.ocr[version]["text"]) for document in documents)
    return edits / sum(len(document.line) for document in documents)


def distance(one: str, other: str) -> int:
    """Levenshtein's: insertions, deletions and replacements."""
    before = list(range(len(other) + 1))
    for row, left in enumerate(one, start=1):
        here = [row]
        for column, right in enumerate(other, start=1):
            here.append(min(before[column] + 1, here[-1] + 1, before[column - 1] + (left != right)))
        before = here
    return before[-1]


def test_smoothing_helps_where_it_was_meant_to_and_costs_small_print_more_beside_the_word_lists() -> None:
    noisy, small = of_print("noisy"), of_print("small")
    assert error_rate(noisy, "2.0") < 0.2 * error_rate(noisy, "1.0")
    assert error_rate(small, "2.0") > 10 * error_rate(small, "1.0")
    beside_words, beside_letters = change(small, "1.0"), change(small, "2.0")
    assert beside_words.mean + 2 * beside_words.se < 0
    assert beside_words.mean < beside_letters.mean
    assert change(noisy, "1.0").mean - 2 * change(noisy, "1.0").se > 0


class change:  # noqa: N801
    """Of the share of right answers, from OCR 1.0 to 2.0 on the same scans, with its standard error."""

    def __init__(self, documents: list[Document], sentiment: str) -> None:
        graphs = [{"ocr": version, "sentiment": sentiment} for version in VERSIONS]
        moved = [one.is_right(graphs[1]) - one.is_right(graphs[0]) for one in documents]
        self.mean = sum(moved) / len(moved)
        self.se = math.sqrt(sum((one - self.mean) ** 2 for one in moved)) / len(moved)


def test_the_recording_is_small_and_whole() -> None:
    counts = {name: len(of_print(name)) for name in MIX}
    assert len(set(counts.values())) == 1 and sum(counts.values()) == len(recording())


@pytest.mark.debian
@pytest.mark.skipif(
    not (shutil.which("tesseract") and shutil.which("apertium") and scanning.FONT.exists()),
    reason="Debian's tesseract-ocr, apertium and fonts-dejavu-core are not installed",
)
@pytest.mark.parametrize("number", range(len(MIX)), ids=list(MIX))
def test_recording_again_gives_the_same(number: int) -> None:
    pytest.importorskip("PIL")
    name = list(MIX)[number]
    scans = list(islice(scanning.scans(2026 + number, 3, {name: 1}), 3))
    behind = record.Behind()
    answers = {version: behind.all([read(scan.pixels) for scan in scans]) for version, read in record.READERS.items()}
    for index, (scan, document) in enumerate(zip(scans, of_print(name), strict=False)):
        again = record.document(scan, {version: found[index] for version, found in answers.items()})
        assert json.loads(json.dumps(again)) == {
            "line": document.line,
            "label": document.label,
            "print": document.print,
            "ocr": document.ocr,
        }

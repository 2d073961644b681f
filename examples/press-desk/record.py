"""Record what every version of every component answers on scans, for the tests that have no Tesseract.

    python record.py --seed 2026 --each 250 > recorded.jsonl

One JSON object a scan: its line, label and print; by OCR version the text, the language, the translation and,
by sentiment version, the label. Needs what the whole graph needs, and Pillow with fonts-dejavu-core. The
components' own functions are called, in the order of the graph, without servers between them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# isort: off
from scanning import MIX, Scan, scans  # first: it makes the components importable
import ocr
import translation
from desk import identifying, lexicon, ngrams
# isort: on

READERS: Mapping[str, Callable[[Any], str]] = {
    "1.0": ocr.read,
    "2.0": lambda pixels: ocr.read(ocr.smoothed(pixels)),
}
"""Versions of ``ocr``, as the release has them."""
_AT_ONCE = 50
_PARAGRAPH = "\n\n"


class Behind:
    """The components behind ``ocr``, with their models in memory."""

    def __init__(self) -> None:
        self._identify = identifying.MODELS["py3langid"]()
        self._models = {"1.0": lexicon.Lexicon(), "2.0": ngrams.CharacterNgrams()}

    def all(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """What they make of each text. An empty one is refused by the first of them, so that there is no label."""
        languages = [self._identify(text) if text else None for text in texts]
        others = [text for text, language in zip(texts, languages, strict=True) if language not in (None, "en")]
        english = {**dict(zip(texts, texts, strict=True)), **dict(zip(others, _translated(others), strict=True))}
        return [
            {
                "text": text,
                "language": language,
                "english": english[text],
                "sentiment": {
                    version: model.score(english[text], "en").label if language else None
                    for version, model in self._models.items()
                },
            }
            for text, language in zip(texts, languages, strict=True)
        ]


def document(scan: Scan, answers: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the recording; ``answers`` by version of ``ocr``."""
    return {"line": scan.line.text, "label": scan.line.label, "print": scan.print, "ocr": dict(answers)}


def recorded(seed: int, each: int) -> Iterator[dict[str, Any]]:
    """``each`` documents of every print, in the order of the prints."""
    behind = Behind()
    with ThreadPoolExecutor(2) as pool:
        for number, print_ in enumerate(MIX):
            drawn = list(scans(seed + number, each, {print_: 1}))
            pixels = [scan.pixels for scan in drawn]
            answers = {version: behind.all(list(pool.map(read, pixels))) for version, read in READERS.items()}
            for index, scan in enumerate(drawn):
                yield document(scan, {version: found[index] for version, found in answers.items()})


def _translated(texts: Sequence[str]) -> list[str]:
    """Paragraphs are translated each by itself, and a process takes longer to start than to translate one."""
    found: list[str] = []
    for start in range(0, len(texts), _AT_ONCE):
        found += translation.translated(_PARAGRAPH.join(texts[start : start + _AT_ONCE])).split(_PARAGRAPH)
    return [text.strip() for text in found]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--each", type=int, default=250, help="scans of every print")
    chosen = parser.parse_args()
    for each in recorded(chosen.seed, chosen.each):
        json.dump(each, sys.stdout, ensure_ascii=False, separators=(",", ":"))
        print(flush=True)

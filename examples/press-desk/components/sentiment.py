"""The component ``sentiment``, where the desk's requests come in.

{"text": ...} to {"language": "es", "label": "critical", "score": -0.8}. It asks ``language-id`` for the
language, scores the line, and reports each answer, a failed one too, as a prediction event. In a release
that has them, ``ocr`` turns {"image": ...} into a text first and ``translation`` turns the text into English.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any, Protocol

from desk.answers import Scored
from desk.calling import Neighbour
from desk.events import Reporter, prediction
from desk.lexicon import Lexicon
from desk.ngrams import CharacterNgrams, EnglishOnly
from desk.serving import Answer, Headers, Refused, serve, text_of

MODELS = {"lexicon": Lexicon, "english-only": EnglishOnly, "char-ngrams": CharacterNgrams}
UNKNOWN = "und"
"""ISO 639 for a language that nobody has told."""


class Model(Protocol):
    """Scores one line."""

    def score(self, text: str, language: str) -> Scored: ...


class Desk:
    """One model with its neighbour and its reporter."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._ocr = Neighbour("ocr")
        self._language_id = Neighbour("language-id")
        self._translation = Neighbour("translation")
        self._reporter = Reporter()

    def answer(self, body: Mapping[str, Any], headers: Headers) -> Mapping[str, Any]:
        """Language, label and score; every way it can end is reported."""
        began, status, language, output = time.perf_counter(), 500, UNKNOWN, {}
        try:
            text = self._text(body, headers)
            language = self._language(text, headers)
            label, score = self._model.score(*self._readable(text, language, headers))
            output, status = {"language": language, "label": label, "score": round(score, 4)}, 200
            return output
        except Refused as refused:
            status = refused.status
            raise
        finally:
            self._reporter.report(
                prediction(
                    component="sentiment",
                    headers=headers,
                    latency_ms=(time.perf_counter() - began) * 1000,
                    status=status,
                    output=output,
                    segment=_segment(language, headers),
                    unit=headers.get("x-desk-customer"),
                )
            )

    def _text(self, body: Mapping[str, Any], headers: Headers) -> str:
        if "image" in body and self._ocr.is_known:
            return text_of(self._ocr.ask({"image": body["image"]}, headers))
        return text_of(body)

    def _readable(self, text: str, language: str, headers: Headers) -> tuple[str, str]:
        """Text and language for the model: English where somebody translates."""
        if not self._translation.is_known or language in ("en", UNKNOWN):
            return text, language
        return text_of(self._translation.ask({"text": text, "language": language}, headers)), "en"

    def _language(self, text: str, headers: Headers) -> str:
        if not self._language_id.is_known:
            return UNKNOWN
        return str(self._language_id.ask({"text": text}, headers)["language"])


def _segment(language: str, headers: Headers) -> dict[str, str]:
    """What answers are told apart by: the language, and the print that the scanner names."""
    print_ = headers.get("x-desk-print")
    return {"language": language, **({"print": print_} if print_ else {})}


def load(model: str) -> Answer:
    """The component with its model in memory."""
    desk = Desk(MODELS[model]())
    return desk.answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(MODELS), default="lexicon")
    chosen = parser.parse_args().model
    serve(f"sentiment {chosen}", lambda: load(chosen))

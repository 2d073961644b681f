"""Sentiment by word list: VADER's English lexicon and the desk's own list of Spanish words.

VADER was made for social media, so words of the business press ("fined", "recall") are missing, and the
Spanish list is what somebody at the desk typed in one afternoon.
"""

from __future__ import annotations

from desk.answers import Scored

SPANISH = {
    "acusan": -2.0,
    "demandas": -2.0,
    "escándalo": -2.4,
    "fraude": -2.8,
    "huelga": -1.5,
    "multa": -2.0,
    "protesta": -1.5,
    "quejas": -1.7,
    "elogios": 2.2,
    "éxito": 2.5,
    "ganan": 2.0,
    "mejores": 2.2,
    "premio": 2.4,
    "récords": 1.8,
}
_CLEAR = 0.05
"""Compound scores nearer to 0 than this are neutral, as VADER's authors recommend."""


class Lexicon:
    """Version 1.0: adds up the known words of a line, whatever its language."""

    def __init__(self) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyzer = SentimentIntensityAnalyzer()
        self._analyzer.lexicon.update(SPANISH)

    def score(self, text: str, language: str) -> Scored:
        """The compound score, -1 (critical) to 1 (favourable), and its label."""
        compound = float(self._analyzer.polarity_scores(text)["compound"])
        if compound <= -_CLEAR:
            return Scored("critical", compound)
        return Scored("favourable" if compound >= _CLEAR else "neutral", compound)

"""Sentiment by the letters themselves: n-grams of characters and a logistic regression.

Trained when the process starts, in well under a second, on lines generated from the training half of the
wording; a fixed seed gives the same weights each time. Parts of words carry over from "recalls" to
"recalled" and from "multa" to "multada", which whole words do not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from desk.answers import Scored
from desk.lines import written
from desk.wording import TRAINING

_SEED = 1701
_LINES = 1200


class CharacterNgrams:
    """Version 2.0: learned English and Spanish, in equal parts, and scores any line by its letters."""

    def __init__(self) -> None:
        self._model = _Weights({"en": 1, "es": 1})

    def score(self, text: str, language: str) -> Scored:
        """The likeliest label, and chance of favourable minus chance of critical."""
        return _scored(self._model, text)


class EnglishOnly:
    """Version 1.1: the same model by somebody who looked at English lines only.

    On the English half it is far better than the word list. It has never seen Spanish, and its table of
    languages has no row for what language identification makes of some short Spanish lines.
    """

    _floors: Mapping[str, float] = {"en": 0.0, "es": 0.0}
    """Certainty below which a line was to be neutral, by language; never filled in."""

    def __init__(self) -> None:
        self._model = _Weights({"en": 1})

    def score(self, text: str, language: str) -> Scored:
        """The likeliest label; KeyError for a language without a floor."""
        floor = self._floors[language]
        scored = _scored(self._model, text)
        return scored if abs(scored.score) >= floor else Scored("neutral", scored.score)


class _Weights:
    """A trained model unrolled to one row of numbers per n-gram.

    scikit-learn answers a batch as fast as a single line, and checks its arguments for a millisecond each
    time; a server that gets one line at a time is ten times faster adding up rows.
    """

    def __init__(self, languages: Mapping[str, int]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        lines = list(written(TRAINING, seed=_SEED, count=_LINES, languages=languages))
        grams = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
        model = LogisticRegression(C=10.0, random_state=_SEED)
        model.fit(grams.fit_transform([line.text for line in lines]), [line.label for line in lines])
        self._labels = [str(label) for label in model.classes_]
        self._start = model.intercept_.tolist()
        self._parts = grams.build_analyzer()
        self._rows = {
            gram: (float(grams.idf_[column]), model.coef_[:, column].tolist())
            for gram, column in grams.vocabulary_.items()
        }

    def chances(self, text: str) -> dict[str, float]:
        """Probability of each label; equal to ``predict_proba`` of the trained model."""
        known = [(count, *self._rows[gram]) for gram, count in Counter(self._parts(text)).items() if gram in self._rows]
        weighted = [((1.0 + math.log(count)) * idf, row) for count, idf, row in known]
        length = math.sqrt(sum(weight * weight for weight, _ in weighted)) or 1.0
        sums = list(self._start)
        for weight, row in weighted:
            for label, coefficient in enumerate(row):
                sums[label] += weight / length * coefficient
        return dict(zip(self._labels, _softmax(sums), strict=True))


def _softmax(sums: Sequence[float]) -> list[float]:
    top = max(sums)
    powers = [math.exp(value - top) for value in sums]
    return [power / sum(powers) for power in powers]


def _scored(model: _Weights, text: str) -> Scored:
    chances = model.chances(text)
    return Scored(max(chances, key=lambda label: chances[label]), chances["favourable"] - chances["critical"])

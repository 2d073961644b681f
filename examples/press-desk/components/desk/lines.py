"""Labelled press lines, made from a wording and a seed: the same seed gives the same lines everywhere."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from desk.wording import Wording

OUTLETS = {
    "en": ("The Harbour Post", "Leeward Gazette", "Morning Ledger", "Dockside Radio"),
    "es": ("El Faro Diario", "La Voz del Muelle", "Gaceta del Sur", "Radio Malecón"),
}
MIX = {"critical": 4, "favourable": 3, "neutral": 3}
"""How often each label comes, relative to the others."""


@dataclass(frozen=True)
class Line:
    """One line of the press about one customer, with what a reader at the desk would call it."""

    text: str
    language: str
    label: str
    customer: str
    outlet: str


def written(wording: Wording, *, seed: int, count: int, languages: Mapping[str, int]) -> Iterator[Line]:
    """``count`` lines; ``languages`` weighs the languages against each other."""
    # Not for secrets: the generator only has to be the same on every machine.
    chance = random.Random(seed)
    for _ in range(count):
        yield _line(wording, chance, languages)


def _line(wording: Wording, chance: random.Random, languages: Mapping[str, int]) -> Line:
    (language,) = chance.choices(list(languages), list(languages.values()))
    (label,) = chance.choices(list(MIX), list(MIX.values()))
    customer = chance.choice(wording.customers)
    pattern = chance.choice(wording.patterns[language, label])
    places = [place for _, place, _, _ in string.Formatter().parse(pattern) if place and place != "c"]
    chosen = {place: chance.choice(wording.fillers[language, place]) for place in places}
    text = pattern.format(c=customer, **chosen)
    return Line(text[0].upper() + text[1:], language, label, customer, chance.choice(OUTLETS[language]))

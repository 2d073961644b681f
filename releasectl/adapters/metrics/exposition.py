"""Prometheus text, only as much of it as a counter needs, and fast: two thousand clusters with a histogram each
are forty thousand lines, which the general parser takes seconds to read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

_LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$", re.MULTILINE)
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


class Line(NamedTuple):
    """One sample: its name, labels and value as written."""

    name: str
    labels: Mapping[str, str]
    value: float


def parse(text: str, wanted: Mapping[str, Collection[str]]) -> Iterator[Line]:
    """The samples of these names, where labels are named with one of these, as written (``le="500"``), or with any
    if none are. A value that is no number is NaN, for the reader to refuse."""
    for name, labels, value in _LINE.findall(text):
        if name in wanted and (not (written := wanted[name]) or any(label in labels for label in written)):
            yield Line(name, _labels(labels), _number(value))


def _labels(text: str) -> dict[str, str]:
    found = dict(_LABEL.findall(text))
    if "\\" in text:
        return {name: _ESCAPE.sub(_unescape, value) for name, value in found.items()}
    return found


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")

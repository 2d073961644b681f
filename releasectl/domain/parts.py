"""Parts of a metric: what is counted of one language, or of one component, beside what is counted of all.

A part is written ``dimension=value``. Its counts are a reading of their own, under the metric's name with the part in
braces, such as ``answered-wrong{language=es}``. No declared metric has braces in its name, so the two never meet.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Field

Dimension = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]
"""Name of a field that tells parts apart, such as ``language``."""

MOST_VALUES = 50
"""Values of one dimension that are counted apart, in one metric of one release: each costs memory and records."""
LONGEST_VALUE = 64
"""Characters. A field of the events may hold anything, and a longer text tells no groups apart."""
COMPONENT = "component"
"""The dimension of a graph's components: its inner hops are counted as parts of what the entry counts."""
OTHER = "other"
"""What the values beyond those count as."""


class Part(NamedTuple):
    """One value of a dimension. Values may be any text, a dimension has no ``=`` in its name."""

    dimension: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Part:
        """From ``dimension=value``; raises ValueError for anything else."""
        dimension, equals, value = text.partition("=")
        if not dimension or not equals:
            raise ValueError(f"a part is written dimension=value, not {text!r}")
        return cls(dimension, value)

    def __str__(self) -> str:
        return f"{self.dimension}={self.value}"


def part_name(metric: str, part: Part) -> str:
    """Name of the reading of a part."""
    return f"{metric}{{{part}}}"


def split_name(name: str) -> tuple[str, Part | None]:
    """The metric that a reading's name is about, and the part; None for the whole."""
    metric, brace, rest = name.partition("{")
    return (metric, Part.parse(rest.removesuffix("}"))) if brace else (name, None)


def lumped(part: Part) -> str:
    """What is to be said of a reading that may hold several values; empty for any other."""
    if part.value != OTHER:
        return ""
    return f"with every {part.dimension} beyond the first {MOST_VALUES} values"

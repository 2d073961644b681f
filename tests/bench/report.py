"""Rows of the bench's tables, as text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.bench.peers import Ticks
from tests.bench.worlds import World, canary_requests


@dataclass(frozen=True)
class Detection:
    """What a rule did in one world: how often, when, and how many canary requests it took.

    NaN when every run was rolled back before the harm.
    """

    share: float
    share_se: float
    too_soon: float
    median_delay: float | None
    exposed: float
    exposed_se: float

    @classmethod
    def of(cls, world: World, ticks: Ticks) -> "Detection":
        """From the first tick of every run, 0 for none.

        With harm that begins late, a rollback before it is a false one; it is counted in `too_soon`, and delay and
        exposure are those of the other runs, from the beginning of harm.
        """
        too_soon = (ticks > 0) & (ticks <= world.effect_from)
        fair = ticks[~too_soon]
        if fair.size < 2:
            return cls(np.nan, np.nan, float(too_soon.mean()), None, np.nan, np.nan)
        delay = np.where(fair > 0, fair - world.effect_from, np.inf)
        sent = np.concatenate([[0], np.cumsum(canary_requests(world))])
        exposed = sent[np.where(fair > 0, fair, len(sent) - 1)] - sent[world.effect_from]
        share = float(np.mean(fair > 0))
        median = float(np.sort(delay)[(fair.size - 1) // 2])
        return cls(
            share=share,
            share_se=float(np.sqrt(share * (1 - share) / fair.size)),
            too_soon=float(too_soon.mean()),
            median_delay=median if np.isfinite(median) else None,
            exposed=float(exposed.mean()),
            exposed_se=float(exposed.std(ddof=1) / np.sqrt(fair.size)),
        )

    def __str__(self) -> str:
        if np.isnan(self.share):
            return "all before"
        median = "-" if self.median_delay is None else f"{self.median_delay:.0f}"
        soon = f" ({percent(self.too_soon)} before)" if self.too_soon > 0 else ""
        return f"{percent(self.share)}/{median}/{self.exposed:.0f}±{self.exposed_se:.0f}{soon}"


def percent(share: float) -> str:
    """A share in percent, with a decimal where it tells."""
    return f"{100 * share:.1f}".removesuffix(".0")


def with_error(share: float, runs: int) -> str:
    """A share in percent and its standard error."""
    return f"{percent(share)} ±{100 * float(np.sqrt(share * (1 - share) / runs)):.1f}"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table under a title."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [_line(head, widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    lines += [_line(row, widths) for row in rows]
    return f"\n## {title}\n\n" + "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

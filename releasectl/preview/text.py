"""A plan for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from releasectl.preview import wording
from releasectl.preview.document import Plan, Preview
from releasectl.preview.printable import printable


def as_text(plan: Plan) -> str:
    """What changes, release by release, and the sum of it in the last line."""
    lines: list[str] = []
    for preview in plan.releases:
        lines += [*_preview(preview), ""]
    if plan.problems:
        lines += [*(wording.problem_words(problem) for problem in plan.problems), ""]
    return "\n".join(printable(line) for line in [*lines, wording.headline(plan)])


def _preview(one: Preview) -> Iterator[str]:
    yield f"{one.release} ({one.path}): {one.summary}"
    for problem in (*one.problems, *one.warnings):
        yield f"  {wording.problem_words(problem)}"
    for change in one.changes:
        yield f"  {change.sign} {wording.change_words(change)}"
    yield from _section("Contracts", [f"{row.component}: {row.verdict}, {row.message}" for row in one.contracts])
    yield from _section("What follows", [f"{row.reason}: {row.message}" for row in one.follows])
    yield from _section("But first", [f"{one.held_by.reason}: {one.held_by.message}"] if one.held_by else [])
    yield from _section("One after the other", wording.turns_words(one))
    yield from _ramp(one)
    if one.forecast:
        worlds = [wording.world_words(world) for world in one.forecast.worlds]
        yield from _section(f"Forecast ({wording.assumptions(one.forecast)})", worlds)
    yield from _section("No forecast", [one.no_forecast] if one.no_forecast else [])
    yield from _section("Exposure", [wording.exposure_words(one.exposure)] if one.exposure else [])
    yield from _section("What can hold or stop it", [stop.text for stop in one.stops])
    yield from _section("Cost", list(one.costs))


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"  {title}"
        for line in lines:
            yield f"    {line}"


def _ramp(one: Preview) -> Iterator[str]:
    if not one.ramp:
        return
    rows = [("stage", "shares", "at least", "samples", "likely")]
    for step in one.ramp:
        samples = f"{step.samples} each" if step.samples else ""
        least = wording.span(step.least_seconds) if step.least_seconds else ""
        proof = " and proof" if step.proof else ""
        rows.append(
            (wording.stop_of(step), wording.shares_words(step), least + proof, samples, wording.likely(one, step))
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    yield ""
    yield "  Ramp"
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"    {'  '.join(cells)}".rstrip()
    for step in one.ramp:
        if step.note:
            yield f"    {wording.stop_of(step)}: {step.note}"

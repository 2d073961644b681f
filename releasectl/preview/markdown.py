"""A plan for a comment on a pull request.

Names and texts come from manifests that a stranger may have written: they are put where markdown means nothing, so
that they can neither mention people nor close what they stand in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from releasectl.preview import wording
from releasectl.preview.document import Plan, Preview
from releasectl.preview.printable import printable

LONGEST = 60_000
"""Characters of a comment at most: forges refuse longer ones (GitHub: 65,536)."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!@&])")


def as_markdown(plan: Plan) -> str:
    """The whole plan."""
    parts = [release_markdown(one) for one in plan.releases]
    if plan.problems:
        parts.append("\n".join(f"- {_safe(wording.problem_words(problem))}" for problem in plan.problems))
    return "\n\n".join([f"**{wording.headline(plan)}**", *parts])


def release_markdown(one: Preview) -> str:
    """One release's part."""
    text = "\n".join(_preview(one))
    if len(text) <= LONGEST:
        return text
    kept = text[:LONGEST].rsplit("\n", 1)[0]
    # What was cut may have been inside a folded part.
    closing = "\n\n</details>" if kept.count("<details>") > kept.count("</details>") else ""
    return f"{kept}{closing}\n\n(cut: `releasectl plan {one.release}` tells the rest)"


def _preview(one: Preview) -> Iterator[str]:
    yield f"### {one.release}: {_safe(one.summary)}"
    problems = [f"- {_safe(wording.problem_words(problem))}" for problem in (*one.problems, *one.warnings)]
    if problems:
        yield from ["", *problems]
    if one.changes:
        yield from ["", "```diff"]
        for change in one.changes:
            sign = "!" if change.sign == "~" else change.sign
            # A fence ends at a line of backticks only, so one inside a line is harmless; line ends are taken out.
            yield f"{sign} {_one_line(wording.change_words(change))}"
        yield "```"
    yield from _list(
        "Contracts", [f"{row.component}: **{row.verdict}**, {_safe(row.message)}" for row in one.contracts]
    )
    yield from _list("What follows", [f"`{row.reason}` {_safe(row.message)}" for row in one.follows])
    yield from _list("But first", [f"`{one.held_by.reason}` {_safe(one.held_by.message)}"] if one.held_by else [])
    yield from _list("One after the other", [_safe(line) for line in wording.turns_words(one)])
    yield from _ramp(one)
    if one.forecast:
        yield from ["", "**Forecast**", ""]
        yield from (f"- {_safe(wording.world_words(world))}" for world in one.forecast.worlds)
        if one.exposure:
            yield f"- {_safe(wording.exposure_words(one.exposure))}"
        yield from ["", f"<sub>{_safe(wording.assumptions(one.forecast))}</sub>"]
    elif one.exposure:
        yield from ["", f"No forecast: {_safe(one.no_forecast)}.", "", _safe(wording.exposure_words(one.exposure))]
    details = [*(f"- {_safe(stop.text)}" for stop in one.stops), *(f"- {_safe(cost)}" for cost in one.costs)]
    if details:
        yield from ["", "<details><summary>What can hold or stop it</summary>", "", *details, "", "</details>"]


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ["", f"**{title}**", "", *(f"- {line}" for line in lines)]


def _ramp(one: Preview) -> Iterator[str]:
    if not one.ramp:
        return
    yield from ["", "| stage | shares | at least | samples | likely |", "|---|---|---|---|---|"]
    for step in one.ramp:
        least = wording.span(step.least_seconds) if step.least_seconds else ""
        proof = " and proof" if step.proof else ""
        samples = f"{step.samples} each" if step.samples else ""
        note = f"<br>{_safe(step.note)}" if step.note else ""
        cells = (wording.stop_of(step), wording.shares_words(step) + note, least + proof, samples)
        yield f"| {' | '.join(cells)} | {wording.likely(one, step)} |"


def _safe(text: str) -> str:
    """The text as it reads, with nothing in it that markdown, HTML or a mention could come of."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[1])};", _one_line(text))


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))

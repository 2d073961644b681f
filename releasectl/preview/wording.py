"""Words and numbers that the text and the markdown of a plan share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from releasectl.domain.base import format_duration
from releasectl.preview.document import (
    Change,
    Effect,
    Estimate,
    Exposure,
    Forecast,
    Plan,
    Preview,
    ProblemShown,
    Step,
    WorldForecast,
)

_COUNTED: Mapping[Effect, str] = {
    "starts": "to start",
    "restarts": "to start anew",
    "ends": "to end",
    "serves": "to serve a changed stable",
    "adopts": "to adopt",
    "held": "to wait",
    "tunes": "to go on under changed rules",
    "removes": "to remove",
    "invalid": "invalid",
}


def headline(plan: Plan) -> str:
    """``Plan: 1 to start, 2 to wait.``, or that nothing differs."""
    counts = Counter(one.effect for one in plan.releases)
    parts = [f"{counts[effect]} {words}" for effect, words in _COUNTED.items() if counts[effect]]
    if plan.problems and not counts["invalid"]:
        parts.append("problems outside of releases")
    if parts:
        return f"Plan: {', '.join(parts)}."
    if plan.is_empty:
        return "No changes. No release is made of anything that differs."
    return "No changes to what serves."


def span(seconds: float) -> str:
    """Two units at most: ``1h30m``, ``45s``."""
    unit = 86_400 if seconds >= 864_000 else 3600 if seconds >= 172_800 else 60 if seconds >= 3600 else 1
    rounded = round(seconds / unit) * unit
    return format_duration(timedelta(seconds=rounded if rounded or not seconds else 1))


def change_words(change: Change) -> str:
    """``stable sentiment: 1.0 -> 1.1``."""
    note = f" ({change.note})" if change.note else ""
    if change.before is None and change.after is None:
        return f"{change.subject} {change.name}{note}"
    if change.sign == "+":
        return f"{change.subject} {change.name}: {change.after}{note}"
    if change.sign == "-":
        return f"{change.subject} {change.name}: was {change.before}{note}"
    return f"{change.subject} {change.name}: {change.before or 'none'} -> {change.after or 'none'}{note}"


def turns_words(one: Preview) -> list[str]:
    """Which component is tried first and which follow, and what goes with each."""
    if not one.turns:
        return []
    lines, counts = [], Counter(turn.candidate for turn in one.turns)
    for candidate, count in counts.items():
        for place, turn in enumerate((turn for turn in one.turns if turn.candidate == candidate), start=1):
            alone = "alone" if place == 1 else "on what was promoted by then"
            line = f"{candidate} {place} of {count}: {turn.component} {turn.version} {alone}"
            if turn.takes_along:
                along = ", ".join(f"{component} {version}" for component, version in turn.takes_along.items())
                line += f"; if it is taken back, {along} goes with it untried"
            lines.append(line)
    return [*lines, "each has a trial of its own: stages, times and exposure are told of one"]


def shares_words(step: Step) -> str:
    """``stable 99 %, next 1 %``, with copies where there are any."""
    shares = ", ".join(f"{name} {share:g} %" for name, share in step.shares.items())
    return f"{shares}; {step.mirror:g} % copied" if step.mirror else shares


def stop_of(step: Step) -> str:
    """``1 canary 2/3``."""
    count = f" {step.step}/{step.of}" if step.of > 1 else ""
    return f"{step.stage} {step.type}{count}"


def likely(preview: Preview, step: Step) -> str:
    """How long a step takes by the forecast; empty where there is none."""
    if step.type == "approval":
        return "as long as people take"
    worlds = preview.forecast.worlds if preview.forecast else ()
    for row in worlds[0].steps if worlds else ():
        if (row.stage, row.step) == (step.stage, step.step):
            median, late = row.median_seconds.value, row.p90_seconds.value
            if median is None:
                return "not passed"
            text = span(median) if late in (None, median) else f"{span(median)}, 9 of 10 within {span(late or 0)}"
            passed = row.passed.value or 0.0
            return text if passed >= 1 else f"{text} ({100 * passed:.3g} % pass)"
    return ""


def _level(forecast: Forecast, name: str, rate: float) -> str:
    unit = forecast.units.get(name)
    return f"{100 * rate:.3g} %" if unit is None else f"{rate:.4g} {unit}".rstrip()


def assumptions(forecast: Forecast) -> str:
    """What the numbers hold for."""
    source = {
        "observed": "as last observed",
        "given": "as given",
        "assumed": "assumed, because none is known; --rate says otherwise",
    }[forecast.traffic]
    rates = ", ".join(
        f"{name} {_level(forecast, name, rate)}{'' if name in forecast.observed else ' (usual)'}"
        for name, rate in forecast.rates.items()
    )
    groups = f"; groups of users are not simulated ({', '.join(forecast.not_drawn)})" if forecast.not_drawn else ""
    return (
        f"{forecast.requests_per_second:g} requests a second, {source}; stable's {rates}; "
        f"{forecast.runs} simulated trials, times to {span(forecast.resolution_seconds)}{groups}"
    )


def world_words(world: WorldForecast) -> str:
    """What comes of the trial in one world, as a sentence."""
    if world.world == "harmful":
        share, verb = world.rolled_back, "taken back on proof"
    else:
        share, verb = world.promoted, "promoted"
    text = f"If {world.supposes}: {verb} in {_percent(share)} of trials"
    if world.median_seconds.value is not None:
        late = world.p90_seconds.value
        within = f", 9 of 10 within {span(late)}" if late is not None else ""
        text += f"; over after {_span(world.median_seconds)}{within}"
    if world.inconclusive.value:
        text += f"; {_percent(world.inconclusive)} prove nothing in time"
    requests, error = world.exposed_requests.value or 0, world.exposed_requests.error
    count = f"{requests:,.0f} requests" + (f" ± {error:,.0f}" if error else "")
    return f"{text}. Candidates answer {_percent(world.exposed)} of the requests meanwhile, {count}."


def exposure_words(exposure: Exposure) -> str:
    """The worst case."""
    if exposure.at_most_seconds is None:
        return f"At worst {exposure.largest:g} % of the requests, for as long as people leave it undecided."
    return f"At worst {exposure.largest:g} % of the requests, for {span(exposure.at_most_seconds)}."


def problem_words(problem: ProblemShown) -> str:
    """``releases/desk.yaml:14:11: spec.policy: no policy 'save-default' (did you mean ...)``."""
    where = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    field = f" {problem.path}:" if problem.path else ""
    hint = f" ({problem.hint})" if problem.hint else ""
    mild = "warning: " if problem.severity == "warning" else ""
    return f"{mild}{where}:{field} {problem.message}{hint}"


def _percent(one: Estimate) -> str:
    if one.value is None:
        return "an unknown part"
    error = f" ± {100 * one.error:.2g}" if one.error else ""
    return f"{100 * one.value:.3g}{error} %"


def _span(one: Estimate) -> str:
    error = f" ± {span(one.error)}" if one.error else ""
    return f"{span(one.value or 0)}{error} (median)"

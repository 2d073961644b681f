"""A synthetic world from what was typed: ``error-rate=1%``, ``new/click=+2%``, ``click=5m``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from releasectl.domain.base import parse_duration
from releasectl.domain.metric import Metric
from releasectl.domain.parts import Part
from releasectl.errors import UsageError
from releasectl.simulate.case import Case
from releasectl.simulate.supposed import usual
from releasectl.simulate.world import Group, Rate, Spread, World

_SEGMENT = re.compile(r"(?P<field>[^=:,]+)=(?P<value>[^:]+):(?P<share>[^:,]+)(?:,(?P<effects>.+))?")
_SEGMENT_HINT = "for example --segment language=es:5% or --segment language=es:5%,wrong=+20%"


def percent(text: str) -> float:
    """``1%``, ``+0.5%`` or ``0.01`` as a fraction of 1."""
    found = re.fullmatch(r"([+-]?\d+(?:\.\d+)?)\s*(%?)", text.strip())
    if not found:
        raise UsageError(f"{text!r} is not a rate", hint="for example 1%, +0.5% or 0.01")
    return float(found[1]) / (100 if found[2] else 1)


def pairs(option: str, values: Sequence[str]) -> dict[str, str]:
    """``name=value`` of an option that may be given several times."""
    found = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals:
            raise UsageError(f"{option} {value!r} has no '='", hint=f"for example {option} error-rate=1%")
        found[name.strip()] = rest
    return found


def world_of(
    case: Case,
    *,
    traffic: float,
    baseline: Sequence[str],
    effect: Sequence[str],
    delay: Sequence[str],
    drift: str,
    every: timedelta,
    looks: int,
    segment: Sequence[str] = (),
) -> World:
    """The world; metrics, candidates and numbers that make no sense are refused."""
    metrics = case.desired.metrics
    typed = pairs("--baseline", baseline)
    levels = {metric: text for name, text in typed.items() for metric in _called(case, name)}
    delays = {name: _span("--delay", text) for name, text in pairs("--delay", delay).items()}
    effects = _effects(case, "--effect", effect)
    groups = _groups(case, segment)
    for option, names in (("--baseline", levels), ("--delay", delays), ("--effect", effects)):
        for name in names:
            if name not in metrics:
                raise UsageError(f"{option}: the policy has no metric {name!r}", hint=f"it has {', '.join(metrics)}")
    if not 0 <= (swing := percent(drift)) <= 1:
        raise UsageError(f"--drift {drift}: rates swing by a part of themselves", hint="from 0% to 100%")
    return World(
        requests_per_second=traffic,
        rates={
            name: _affected(
                replace(
                    _rate(metric, levels[name]) if name in levels else usual(metric),
                    delay=delays.get(name, metric.maturity),
                    groups=groups.get(name, {}),
                ),
                name,
                effects.get(name, {}),
            )
            for name, metric in metrics.items()
        },
        every=every,
        looks=looks,
        drift=swing,
    )


def _affected(rate: Rate, metric: str, effects: Mapping[str, float]) -> Rate:
    """The rate with its effects, of which none may lead out of what a rate can be."""
    told = [("--effect", effects), *((f"--segment {part}", group.effects) for part, group in rate.groups.items())]
    for option, candidate, effect in ((option, *one) for option, found in told for one in found.items()):
        if rate.spread is None and not -1e-12 <= rate.baseline + effect <= 1 + 1e-12:
            level = f"{100 * (rate.baseline + effect):.4g} %"
            raise UsageError(
                f"{option} {metric}: {candidate} would be at {level}",
                hint=f"stable is at {100 * rate.baseline:.4g} %; --baseline says otherwise",
            )
    return replace(rate, effects=effects)


def _rate(metric: Metric, text: str) -> Rate:
    """``1%`` of a proportion; ``25`` or ``25~8``, with the standard deviation, of a mean in its own unit."""
    if metric.clip is None:
        rate = percent(text)
        if not 0 <= rate <= 1:
            raise UsageError(f"--baseline {metric.name}: a rate lies between 0% and 100%")
        return replace(usual(metric), baseline=rate)
    level, tilde, sd = text.partition("~")
    ordinary = usual(metric)
    if ordinary.spread is None:
        raise AssertionError("a mean varies")
    if not tilde:
        return replace(ordinary, baseline=_number(metric, level))
    return replace(ordinary, baseline=_number(metric, level), spread=Spread(_number(metric, sd), metric.clip.step))


def _number(metric: Metric, text: str) -> float:
    try:
        if math.isfinite(number := float(text)):
            return number
    except ValueError:
        pass
    hint = f"for example {metric.name}=25 or {metric.name}=25~8, mean and standard deviation"
    raise UsageError(f"{metric.name} is a mean, and {text!r} is not a number", hint=hint)


def _called(case: Case, name: str) -> list[str]:
    """Metrics of a name; what shadow stages count is called ``agreement``, ``errors`` or ``slower``."""
    declared = case.desired.metrics
    paired = [
        metric.name for metric in declared.values() if metric.query.paired and metric.query.paired.measure == name
    ]
    return [name] if name in declared or not paired else paired


def _effects(case: Case, option: str, values: Sequence[str]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for value in values:
        (name, text), *_ = pairs(option, [value]).items()
        candidate, slash, told = name.rpartition("/")
        if slash and candidate not in case.candidates:
            raise UsageError(f"{option}: no candidate {candidate!r}", hint=f"there is {', '.join(case.candidates)}")
        for metric in _called(case, told):
            known = case.desired.metrics.get(metric)
            change = _number(known, text) if known and known.kind == "mean" else percent(text)
            for one in [candidate] if slash else case.candidates:
                found.setdefault(metric, {})[one] = change
    return found


def _groups(case: Case, values: Sequence[str]) -> dict[str, dict[str, Group]]:
    """Groups by metric and part: every metric that is counted by the field is counted in the group."""
    found: dict[str, dict[str, Group]] = {}
    for value in values:
        typed = _SEGMENT.fullmatch(value.strip())
        if not typed:
            raise UsageError(f"--segment {value!r} is not FIELD=VALUE:SHARE", hint=_SEGMENT_HINT)
        part, share = Part(typed["field"], typed["value"]), percent(typed["share"])
        if not 0 < share <= 1:
            raise UsageError(f"--segment {part}: a share lies between 0% and 100%", hint=_SEGMENT_HINT)
        counted = [metric.name for metric in case.desired.metrics.values() if part.dimension in _fields(metric)]
        if not counted:
            known = sorted({field for metric in case.desired.metrics.values() for field in _fields(metric)})
            hint = f"they are counted by {', '.join(known)}" if known else "name the field in a metric's query (by)"
            raise UsageError(f"--segment: no metric of the policy is counted by {part.dimension!r}", hint=hint)
        effects = _effects(case, "--segment", typed["effects"].split(",") if typed["effects"] else ())
        for name in effects.keys() - {*counted}:
            told = f"--segment {part}: {name!r} is no metric that is counted by {part.dimension}"
            raise UsageError(told, hint=f"there is {', '.join(counted)}")
        for name in counted:
            found.setdefault(name, {})[str(part)] = Group(share, effects.get(name, {}))
    for name, groups in found.items():
        total = sum(group.share for group in groups.values())
        if total > 1 + 1e-9:
            raise UsageError(f"--segment: the groups of {name} have {100 * total:g} % of the requests together")
    return found


def _fields(metric: Metric) -> set[str]:
    """What a metric may be counted by, with any provider."""
    return {query["by"] for query in metric.query.to_data().values() if "by" in query}


def _span(option: str, text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error

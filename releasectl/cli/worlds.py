"""A synthetic world from what was typed: ``error-rate=1%``, ``new/click=+2%``, ``click=5m``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from releasectl.domain.base import parse_duration
from releasectl.domain.metric import Metric
from releasectl.errors import UsageError
from releasectl.simulate.case import Case
from releasectl.simulate.supposed import usual
from releasectl.simulate.world import Rate, Spread, World


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
) -> World:
    """The world; metrics, candidates and numbers that make no sense are refused."""
    metrics = case.desired.metrics
    typed = pairs("--baseline", baseline)
    levels = {metric: text for name, text in typed.items() for metric in _called(case, name)}
    delays = {name: _span("--delay", text) for name, text in pairs("--delay", delay).items()}
    effects = _effects(case, effect)
    for option, names in (("--baseline", levels), ("--delay", delays), ("--effect", effects)):
        for name in names:
            if name not in metrics:
                raise UsageError(f"{option}: the policy has no metric {name!r}", hint=f"it has {', '.join(metrics)}")
    return World(
        requests_per_second=traffic,
        rates={
            name: replace(
                _rate(metric, levels[name]) if name in levels else usual(metric),
                effects=effects.get(name, {}),
                delay=delays.get(name, metric.maturity),
            )
            for name, metric in metrics.items()
        },
        every=every,
        looks=looks,
        drift=percent(drift),
    )


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
        return float(text)
    except ValueError:
        hint = f"for example {metric.name}=25 or {metric.name}=25~8, mean and standard deviation"
        raise UsageError(f"{metric.name} is a mean, and {text!r} is not a number", hint=hint) from None


def _called(case: Case, name: str) -> list[str]:
    """Metrics of a name; what shadow stages count is called ``agreement``, ``errors`` or ``slower``."""
    declared = case.desired.metrics
    paired = [
        metric.name for metric in declared.values() if metric.query.paired and metric.query.paired.measure == name
    ]
    return [name] if name in declared or not paired else paired


def _effects(case: Case, values: Sequence[str]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for value in values:
        (name, text), *_ = pairs("--effect", [value]).items()
        candidate, slash, told = name.rpartition("/")
        if slash and candidate not in case.candidates:
            raise UsageError(f"--effect: no candidate {candidate!r}", hint=f"there is {', '.join(case.candidates)}")
        for metric in _called(case, told):
            known = case.desired.metrics.get(metric)
            change = _number(known, text) if known and known.kind == "mean" else percent(text)
            for one in [candidate] if slash else case.candidates:
                found.setdefault(metric, {})[one] = change
    return found


def _span(option: str, text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error

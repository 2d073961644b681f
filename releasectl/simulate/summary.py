"""Runs of one world, and what they come to: shares, times and exposures, each with its standard error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from releasectl.domain.decision import Action
from releasectl.domain.metric import Metric
from releasectl.domain.paired import paired_name
from releasectl.domain.policy import Guardrail
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE
from releasectl.domain.strategy import Shadow
from releasectl.evaluate.pairs import paired_rules
from releasectl.simulate.batch import CHUNK, Batch, run_batch
from releasectl.simulate.case import Case
from releasectl.simulate.supposed import accepted
from releasectl.simulate.trial import Run, drawn, run_trial
from releasectl.simulate.world import Arrivals, Ints, World, variants_of


@dataclass(frozen=True)
class Runs:
    """All runs of a world. ``requests`` has a row for each run and a column for each variant, stable first."""

    case: Case
    world: World
    runs: Sequence[Run]
    requests: Ints


@dataclass(frozen=True)
class Figure:
    """One number with its standard error; None where there is nothing to take it from."""

    name: str
    value: float | None
    error: float | None
    unit: str = ""

    def to_data(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "standardError": self.error, "unit": self.unit}


def simulate(case: Case, world: World, count: int, seed: int) -> Runs:
    """``count`` runs. The same case, world, count and seed give the same runs."""
    requests = np.zeros((count, len(variants_of(case.candidates))), dtype=np.int64)
    runs: dict[int, Run] = {}
    if case.is_batched and not world.has_groups:
        for first in range(0, count, CHUNK):
            runs |= _chunk(case, world, range(first, min(first + CHUNK, count)), seed, requests)
    else:
        for run in range(count):
            source, seen = drawn(case, world, (seed, run))
            runs[run] = run_trial(case, world.every, world.looks, source)
            requests[run] = list(seen.values())
    return Runs(case, world, [runs[run] for run in range(count)], requests)


def _chunk(case: Case, world: World, ids: range, seed: int, requests: Ints) -> dict[int, Run]:
    arrivals = Arrivals(world, variants_of(case.candidates), (seed, ids.start))

    def seen(rows: Ints, trials: Ints) -> None:
        requests[rows] += trials

    return run_batch(Batch.begin(case, world.every, ids), world.looks, arrivals.draw, arrivals.keep, seen)


# --- what they come to ----------------------------------------------------------------------------------


def figures(found: Runs) -> list[Figure]:
    """Everything that is reported of one world."""
    harmful = is_harmful(found.case, found.world)
    good = [name for name in found.case.candidates if name not in harmful]
    ends = [_end(run) for run in found.runs]
    rows = []
    if good:
        rows.append(_share("false rollback", [_taken_back(run, good) for run in found.runs]))
    if harmful:
        rows.append(_share("missed harm", [end[0] is Action.PROMOTE and end[2] in harmful for end in ends]))
        rows.append(_share("harm found", [_taken_back(run, harmful) for run in found.runs]))
    rows += [
        _share("promoted", [end[0] is Action.PROMOTE for end in ends]),
        *_stable_kept(found.case, ends),
        _share("inconclusive", [end[1] is Reason.INCONCLUSIVE for end in ends]),
        _share("undecided", [end[0] is None for end in ends]),
    ]
    minutes = [run.looks * found.world.every.total_seconds() / 60 for run in found.runs if run.end]
    rows += [_quantile("time to decision, median", minutes, 0.5), _quantile("time to decision, p90", minutes, 0.9)]
    names = variants_of(found.case.candidates)
    exposed = found.requests[:, [names.index(name) for name in harmful]].sum(axis=1)
    rows.append(_mean("users exposed to harm", exposed, "requests"))
    rows += [_mean("regret", regret, f"{metric} outcomes") for metric, regret in _regrets(found)]
    return rows


def is_harmful(case: Case, world: World) -> tuple[str, ...]:
    """Candidates whose true rate of some guardrail is worse than its margin accepts, in the whole or in a group that
    it holds in, or past its limit, or whose answers to copies are beyond a limit of a shadow stage."""
    found = [name for name in case.candidates if _fails_in_shadow(case, world, name)]
    for name in [name for name in case.candidates if name not in found]:
        for guardrail in case.desired.policy.spec.guardrails:
            metric, rate = case.desired.metrics[guardrail.metric], world.rates[guardrail.metric]
            sign = 1 if metric.direction == "lower" else -1
            felt = [rate.effect(name)]
            if guardrail.segments is not None:
                felt += [group.effects.get(name, rate.effects.get(name, 0.0)) for group in rate.groups.values()]
            worst = max(sign * one for one in felt)
            if worst > accepted(guardrail.margin, rate) + 1e-12 or _past_limit(guardrail, metric, rate.of(name, 1.0)):
                found.append(name)
                break
    return tuple(name for name in case.candidates if name in found)


def _fails_in_shadow(case: Case, world: World, candidate: str) -> bool:
    for stage in case.desired.stages:
        if not isinstance(stage, Shadow):
            continue
        for rule in paired_rules(stage, case.desired.policy.spec):
            rate = world.rates.get(paired_name(stage, rule.measure, case.desired.metrics))
            if rate is None:
                continue
            level = rate.of(candidate, 1.0) - (rate.baseline if rule.measure == "errors" else 0.0)
            if level < rule.limit - 1e-12 if rule.better == "higher" else level > rule.limit + 1e-12:
                return True
    return False


def _past_limit(guardrail: Guardrail, metric: Metric, level: float) -> bool:
    if guardrail.limit is None:
        return False
    limit = guardrail.limit if metric.kind == "mean" else guardrail.limit / 100
    return level > limit if metric.direction == "lower" else level < limit


def _end(run: Run) -> tuple[Action | None, Reason | None, str | None]:
    return (run.end.action, run.end.reason, run.end.candidate) if run.end else (None, None, None)


def _taken_back(run: Run, names: Sequence[str]) -> bool:
    """Whether one of these was rolled back on proof of harm."""
    back = [decision for decision in (*run.back, run.end) if decision and decision.action is Action.ROLLBACK]
    return any(one.reason is Reason.GUARDRAIL_BREACHED and one.candidate in names for one in back)


def _stable_kept(case: Case, ends: Sequence[tuple[Action | None, Reason | None, str | None]]) -> list[Figure]:
    """How often a bandit ended because stable earns most, which is neither a promotion nor harm."""
    if not _earns(case):
        return []
    return [_share("stable earns most", [reason is Reason.NOT_BETTER for _, reason, _ in ends])]


def _earns(case: Case) -> bool:
    return any(stage.type == "bandit" for stage in case.desired.release.spec.strategy)


def _regrets(found: Runs) -> list[tuple[str, NDArray[np.float64]]]:
    """Outcomes lost against always serving the best variant, by objective, where requests are shared to earn."""
    if not _earns(found.case):
        return []
    rows = []
    for objective in found.case.desired.policy.spec.objectives:
        sign = 1.0 if found.case.desired.metrics[objective.metric].direction == "higher" else -1.0
        rate = found.world.rates[objective.metric]
        means = sign * np.array([rate.of(name, 1.0) for name in variants_of(found.case.candidates)])
        rows.append((objective.metric, found.requests @ (means.max() - means)))
    return rows


def _share(name: str, flags: Sequence[bool]) -> Figure:
    count, hits = len(flags), sum(flags)
    # Two pseudo-runs keep the error of 0 of n and of n of n from being 0 (Agresti & Coull 1998).
    near = (hits + 1) / (count + 2)
    return Figure(name, hits / count, math.sqrt(near * (1 - near) / count), "of runs")


def _mean(name: str, values: NDArray[Any], unit: str) -> Figure:
    if len(values) < 2:
        return Figure(name, float(values.mean()) if len(values) else None, None, unit)
    return Figure(name, float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))), unit)


def _quantile(name: str, values: Sequence[float], q: float) -> Figure:
    """Half the distance of the order statistics one standard deviation of ranks away."""
    count, ordered = len(values), sorted(values)
    if count < 2:
        return Figure(name, ordered[0] if ordered else None, None, "minutes")
    rank, spread = q * (count - 1), math.sqrt(count * q * (1 - q))
    low, high = (ordered[min(max(round(rank + sign * spread), 0), count - 1)] for sign in (-1, 1))
    return Figure(name, ordered[round(rank)], (high - low) / 2, "minutes")


def left_out(case: Case, world: World) -> tuple[str, ...]:
    """What judges the release and the world says nothing of, a sentence each."""
    found = []
    for guardrail in case.desired.policy.spec.guardrails:
        if guardrail.segments is not None and not world.rates[guardrail.metric].groups:
            by = guardrail.segments.by
            found.append(
                f"{guardrail.metric} holds by {by} as well and no {by} is drawn, so the part of alpha that is kept for "
                f"them is not spent and nothing waits for them; --segment {by}=VALUE:SHARE draws them"
            )
    for stage in case.desired.stages:
        if isinstance(stage, Shadow) and stage.segments is not None:
            found.append(f"pairs of the shadow are judged by {stage.segments.by} as well and drawn as a whole only")
    return tuple(found)


def assumptions(world: World) -> Mapping[str, Any]:
    """The world as it is told beside the figures."""
    return {
        "requestsPerSecond": world.requests_per_second,
        "lookEverySeconds": world.every.total_seconds(),
        "looks": world.looks,
        "drift": world.drift,
        "rates": {
            metric: {
                STABLE: rate.baseline,
                **{name: rate.baseline + effect for name, effect in rate.effects.items()},
                **({"delaySeconds": rate.delay.total_seconds()} if rate.delay else {}),
                **({"standardDeviation": rate.spread.sd} if rate.spread else {}),
            }
            for metric, rate in world.rates.items()
        },
        **({"segments": _segments(world)} if world.has_groups else {}),
    }


def _segments(world: World) -> dict[str, Any]:
    """By part its share, and the levels of candidates in it where they are not those of everybody, by metric."""
    found: dict[str, Any] = {}
    for metric, rate in world.rates.items():
        for part, group in rate.groups.items():
            told = found.setdefault(part, {"share": group.share, "rates": {}})
            if group.effects:
                told["rates"][metric] = {name: rate.baseline + effect for name, effect in group.effects.items()}
    return found

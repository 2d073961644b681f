"""How long each step will take at the present traffic, and who is exposed meanwhile: by simulation.

The runs go through the controller's own decisions (``releasectl.simulate``). A few runs find how long a trial takes
about; the others look as often as that needs, so that a trial of minutes is not told in hours and one of days does
not take minutes to simulate. The same inputs give the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

import numpy as np

from releasectl.controller.fleet import Traffic
from releasectl.decide.inputs import Desired
from releasectl.domain.base import WHOLE
from releasectl.domain.decision import Action
from releasectl.domain.reasons import Reason
from releasectl.domain.strategy import Shadow
from releasectl.preview.document import Estimate, Forecast, Step, StepForecast, WorldForecast
from releasectl.simulate.case import Case, case_of
from releasectl.simulate.summary import Runs
from releasectl.simulate.supposed import equal_world, harmful_world, usual, worthwhile_world
from releasectl.simulate.together import simulate_together
from releasectl.simulate.trial import Run
from releasectl.simulate.world import World

ASSUMED_PER_SECOND = 100.0
"""Traffic that is supposed where nobody has said or seen any; told beside every number."""
SEED = 1
MOST_CANDIDATES = 8
"""A stranger's pull request must not be able to ask for any amount of work."""
_COARSE_LOOKS, _FINE_LOOKS = 96, 80
_COARSE_RUNS, _FINE_RUNS = 12, 60
_FEWEST_LOOKS = 24
"""Nine of ten trials have about this many looks at least, so that what a time is rounded to is small beside the
standard error of 60 runs."""
_REFINED = 2
"""A coarse look makes times longer than they are, so the first refinement may still be too coarse."""
_ONE_BY_ONE_RUNS, _ONE_BY_ONE_LOOKS = 6, 48
"""A strategy that cannot be simulated on arrays is run by run, and fewer runs have to do."""
_LADDER = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)
"""Times between looks, in seconds, that the intervals of strategies are multiples of."""

Name = Literal["no difference", "worthwhile", "harmful"]


def no_forecast(desired: Desired) -> str:
    """Why a trial of this release cannot be simulated; empty if it can."""
    policy = desired.policy.spec
    if not policy.guardrails:
        return "the policy names no guardrail, so evidence decides nothing"
    if all(isinstance(stage, Shadow) for stage in desired.release.spec.strategy):
        return "copies of requests are not simulated"
    if len(desired.release.spec.candidates) > MOST_CANDIDATES:
        return f"more than {MOST_CANDIDATES} candidates are not simulated"
    if any(one.segments and one.segments.must_pass for one in policy.guardrails):
        return "groups of users that must each be proven harmless are not simulated"
    return ""


def forecast(desired: Desired, ramp: Sequence[Step], traffic: Traffic, given_rate: float | None) -> Forecast:
    """What to expect of a release that ``no_forecast`` has nothing against and that has a candidate."""
    policy, simulated = desired.policy.spec, _simulated(desired)
    case = case_of(simulated)
    rate, source = _rate(traffic, given_rate)
    longest = _longest(case)
    known = {name: value for name, value in traffic.rates.items() if name in case.desired.metrics}
    span = _every(longest, _COARSE_LOOKS if case.is_batched else _ONE_BY_ONE_LOOKS)
    world = World(
        requests_per_second=rate,
        rates={
            name: replace(usual(metric), baseline=known[name]) if name in known else usual(metric)
            for name, metric in case.desired.metrics.items()
        },
        every=timedelta(seconds=span),
        looks=math.ceil(longest / span) + 2,
    )
    superior = any(objective.goal == "superior" for objective in policy.objectives)
    good = worthwhile_world(case, world) if superior else equal_world(world)
    name: Name = "worthwhile" if superior else "no difference"
    first, second = _runs(case, (good, harmful_world(case, world)), ramp)
    return Forecast(
        requests_per_second=rate,
        traffic=source,
        rates={name: _rounded(one.baseline, 6) for name, one in world.rates.items()},
        observed=tuple(sorted(known)),
        units={name: metric.unit or "" for name, metric in case.desired.metrics.items() if metric.kind == "mean"},
        runs=len(first.found.runs),
        seed=SEED,
        resolution_seconds=first.found.world.every.total_seconds(),
        not_drawn=tuple(f"{one.metric} by {one.segments.by}" for one in policy.guardrails if one.segments),
        worlds=(_world(name, _good_words(case, superior), first), _world("harmful", _bad_words(case), second)),
    )


@dataclass(frozen=True)
class _Found:
    found: Runs
    ramp: Sequence[Step]
    """The steps that are simulated."""


def _simulated(desired: Desired) -> Desired:
    """The release without what cannot be simulated: copies that nobody answers, and times in which nothing moves."""
    kept = tuple(stage for stage in desired.release.spec.strategy if not isinstance(stage, Shadow))
    spec = desired.release.spec.model_copy(update={"strategy": kept})
    environment = desired.environment.spec.model_copy(update={"freeze": ()})
    policy = desired.policy.spec.model_copy(update={"freeze": ()})
    return replace(
        desired,
        release=desired.release.model_copy(update={"spec": spec}),
        environment=desired.environment.model_copy(update={"spec": environment}),
        policy=desired.policy.model_copy(update={"spec": policy}),
        metrics={name: metric for name, metric in desired.metrics.items() if metric.query.paired is None},
    )


def _rate(traffic: Traffic, given: float | None) -> tuple[float, Literal["observed", "given", "assumed"]]:
    if given is not None:
        return given, "given"
    if traffic.requests_per_second:
        return _rounded(traffic.requests_per_second, 3), "observed"
    return ASSUMED_PER_SECOND, "assumed"


def _longest(case: Case) -> float:
    policy, late = case.desired.policy.spec, [metric.maturity for metric in case.desired.metrics.values()]
    return (policy.max_duration * len(case.desired.stages) + max(late, default=timedelta(0))).total_seconds()


def _every(seconds: float, looks: int) -> float:
    return float(next((rung for rung in _LADDER if rung * looks >= seconds), seconds / looks))


def _runs(case: Case, worlds: Sequence[World], ramp: Sequence[Step]) -> list[_Found]:
    shown = [step for step in ramp if step.type != "shadow"]
    if not case.is_batched:
        return [_Found(found, shown) for found in simulate_together(case, worlds, _ONE_BY_ONE_RUNS, SEED)]
    runs = simulate_together(case, worlds, _COARSE_RUNS, SEED)
    for _ in range(_REFINED):
        runs = simulate_together(case, [_finer(found) for found in runs], _FINE_RUNS, SEED)
        if not any(_is_coarse(found) for found in runs):
            break
    return [_Found(found, shown) for found in runs]


def _finer(found: Runs) -> World:
    """The world with looks as close as the time that nine of ten trials took asks for, unless they already are."""
    world, took = found.world, _took(found)
    every = world.every.total_seconds()
    finer = max(_every(took, _FINE_LOOKS), found.case.desired.environment.spec.interval.total_seconds())
    if finer >= every:
        return world
    # Half as long again as nine of ten took, and never longer than the policy lets it.
    looks = math.ceil(min(1.5 * took, world.looks * every) / finer) + 2
    return replace(world, every=timedelta(seconds=finer), looks=looks)


def _is_coarse(found: Runs) -> bool:
    """Whether times are rounded to too much of what they are, and need not be."""
    every = found.world.every.total_seconds()
    return _took(found) < _FEWEST_LOOKS * every and _finer(found).every < found.world.every


def _took(found: Runs) -> float:
    """Seconds that nine of ten trials took at most."""
    looks = sorted(run.looks for run in found.runs)
    return looks[len(looks) * 9 // 10] * found.world.every.total_seconds()


def _world(name: Name, supposes: str, one: _Found) -> WorldForecast:
    found, runs = one.found, one.found.runs
    seconds = [_end_seconds(run, found) for run in runs]
    tried, every = found.requests[:, 1:].sum(axis=1), found.requests.sum(axis=1)
    return WorldForecast(
        world=name,
        supposes=supposes,
        promoted=_share([run.end is not None and run.end.action is Action.PROMOTE for run in runs]),
        rolled_back=_share([run.end is not None and run.end.reason is Reason.GUARDRAIL_BREACHED for run in runs]),
        inconclusive=_share([run.end is None or run.end.reason is Reason.INCONCLUSIVE for run in runs]),
        median_seconds=_quantile(seconds, 0.5),
        p90_seconds=_quantile(seconds, 0.9),
        exposed=_mean((tried / np.maximum(every, 1)).tolist(), 4),
        exposed_requests=_mean(tried.tolist(), 0),
        steps=_steps(one),
    )


def _steps(one: _Found) -> tuple[StepForecast, ...]:
    """When each step was left, of the runs that left it forward; none for stages whose steps are not known before."""
    ramp, found = one.ramp, one.found
    if any(step.of == 0 or step.type == "bandit" for step in ramp):
        return ()
    left = [_forward(run) for run in found.runs]
    told = []
    for index, step in enumerate(ramp):
        took = [
            (looks[index] - (looks[index - 1] if index else 0)) * found.world.every.total_seconds()
            for looks in left
            if len(looks) > index
        ]
        median = _quantile(took, 0.5)
        share = max((points for name, points in step.shares.items() if name != "stable"), default=0.0)
        arrived = None
        if median.value is not None:
            arrived = round(found.world.requests_per_second * median.value * share * 100 / WHOLE)
        told.append(
            StepForecast(
                stage=step.stage,
                step=step.step,
                passed=_share([len(looks) > index for looks in left]),
                median_seconds=median,
                p90_seconds=_quantile(took, 0.9),
                samples=arrived,
            )
        )
    return tuple(told)


def _forward(run: Run) -> list[int]:
    """Looks at which the run went on to the next step, or to its promotion."""
    return [look for look, action, _ in run.steps if action in (Action.ADVANCE, Action.PROMOTE)]


def _end_seconds(run: Run, found: Runs) -> float:
    return run.looks * found.world.every.total_seconds() if run.end else math.inf


def _good_words(case: Case, superior: bool) -> str:
    if not superior:
        return "the candidate is as good as stable"
    gains = [objective.metric for objective in case.desired.policy.spec.objectives if objective.goal == "superior"]
    return f"the candidate is better by the margin in {', '.join(gains)}, and harms nothing"


def _bad_words(case: Case) -> str:
    return f"{case.desired.policy.spec.guardrails[0].metric} is worse by twice the margin"


def _share(flags: Sequence[bool]) -> Estimate:
    count, hits = len(flags), sum(flags)
    # Two pseudo-runs keep the error of 0 of n and of n of n from being 0 (Agresti & Coull 1998).
    near = (hits + 1) / (count + 2)
    return Estimate(value=_rounded(hits / count, 4), error=_rounded(math.sqrt(near * (1 - near) / count), 4))


def _mean(values: Sequence[float], digits: int) -> Estimate:
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return Estimate(value=_rounded(mean, digits), error=None)
    spread = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Estimate(value=_rounded(mean, digits), error=_rounded(math.sqrt(spread / len(values)), digits))


def _quantile(values: Sequence[float], q: float) -> Estimate:
    """An order statistic; its error is half the distance of those one standard deviation of ranks away."""
    count, ordered = len(values), sorted(values)
    if not count:
        return Estimate(value=None, error=None)
    rank, spread = q * (count - 1), math.sqrt(count * q * (1 - q))
    low, at, high = (ordered[min(max(round(one), 0), count - 1)] for one in (rank - spread, rank, rank + spread))
    if not math.isfinite(at):
        return Estimate(value=None, error=None)
    known = count > 1 and math.isfinite(high)
    return Estimate(value=_rounded(at, 1), error=_rounded((high - low) / 2, 1) if known else None)


def _rounded(value: float, digits: int) -> float:
    return round(float(value), digits)

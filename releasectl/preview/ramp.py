"""The ramp as the manifest alone asks for it: every stop with its shares, least time and samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from releasectl.decide.inputs import Desired
from releasectl.decide.turns import largest_share
from releasectl.domain.base import WHOLE, format_duration
from releasectl.domain.policy import Watch
from releasectl.domain.release import STABLE, Release
from releasectl.domain.strategy import ABTest, Approval, Bandit, Canary, Shadow, Stage
from releasectl.preview.document import Exposure, Step, Turn
from releasectl.strategies import STRATEGIES
from releasectl.strategies.base import split

GATHERING = (Canary, ABTest, Bandit, Shadow, Watch)


def ramp(desired: Desired) -> tuple[Step, ...]:
    """Every stop, in order; nothing without a candidate."""
    names = tuple(candidate.name for candidate in desired.release.spec.candidates)
    if not names:
        return ()
    steps: list[Step] = []
    for number, stage in enumerate(desired.stages, start=1):
        steps += _steps(number, stage, names, desired, steps[-1].shares if steps else {STABLE: 100.0})
    return tuple(steps)


def turns(desired: Desired) -> tuple[Turn, ...]:
    """The trials of independent units in their order; nothing of a unit that one trial settles."""
    found: list[Turn] = []
    for candidate in desired.release.spec.candidates:
        one = tuple(_turns(desired.release, candidate.name)) if candidate.unit == "independent" else ()
        found += one if len(one) > 1 else ()
    return tuple(found)


def exposure(desired: Desired) -> Exposure:
    """The largest share before proof, and the longest time by the policy's ``maxDuration``."""
    policy = desired.policy.spec
    ends = policy.when_inconclusive == "rollback" and not any(isinstance(one, Approval) for one in desired.stages)
    longest = sum(policy.max_duration.total_seconds() for one in desired.stages if isinstance(one, GATHERING))
    return Exposure(largest=largest_share(desired.release), at_most_seconds=longest if ends else None)


def _turns(release: Release, name: str) -> Iterator[Turn]:
    """As the controller goes about it: each line is tried on the release that the one before it has left."""
    while candidate := release.candidate(name):
        kept = release.remaining(candidate, promoted=False)
        left = release.remaining(candidate, promoted=True)
        along = {component: version for component, version in left.items() if component not in kept}
        for component, version in release.tried(candidate).items():
            yield Turn(candidate=name, component=component, version=version, takes_along=along)
        release = release.settled(promote=name)


def _steps(
    number: int, stage: Stage | Watch, names: tuple[str, ...], desired: Desired, before: Mapping[str, float]
) -> Iterator[Step]:
    policy, strategy = desired.policy.spec, STRATEGIES[stage.type]
    one = Step(
        stage=number,
        type=stage.type,
        step=1,
        of=strategy.steps(stage),
        shares=before,
        least_seconds=max(strategy.dwell(stage), policy.min_dwell).total_seconds(),
        samples=policy.min_samples,
    )
    match stage:
        case Canary():
            for index, percent in enumerate(stage.shares, start=1):
                last = index == len(stage.shares)
                yield one.model_copy(update={"step": index, "shares": _shares(names, percent), "proof": last})
        case ABTest():
            yield one.model_copy(update={"shares": _shares(names, stage.share), "proof": True})
        case Watch():
            note = "becomes stable when it has passed"
            yield one.model_copy(update={"shares": _shares(names, 100 - stage.keep), "note": note})
        case Shadow():
            shares = {STABLE: 100.0, **dict.fromkeys(names, 0.0)}
            note = "copies of requests; users get stable's answers"
            yield one.model_copy(update={"shares": shares, "mirror": stage.mirror, "proof": True, "note": note})
        case Bandit():
            shares = dict.fromkeys(names, stage.explore)
            shares = {STABLE: round(100.0 - sum(shares.values()), 2), **shares}
            note = f"then shares follow what earns most, by {stage.max_step:g} points at most every "
            note += f"{format_duration(stage.every)}, never under {stage.floor:g} %"
            yield one.model_copy(update={"shares": shares, "proof": True, "note": note})
        case Approval():
            who = f"{stage.required} of {', '.join(stage.from_) or 'anybody'}"
            author = ", not whoever asked for it" if stage.not_author else ""
            note = f"waits for {who}{author}; shares stay"
            yield one.model_copy(update={"least_seconds": 0.0, "samples": 0, "note": note})
        case _:
            assert_never(stage)


def _shares(names: tuple[str, ...], percent: float) -> dict[str, float]:
    points = split(names, round(percent * 100), rest=STABLE, whole=WHOLE)
    return {name: share / 100 for name, share in points.items()}

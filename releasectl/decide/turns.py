"""Whose turn it is, where an environment caps how much may be on trial at once.

A release asks once, when it would start, for the largest share that its strategy ever gives: a trial under way
never waits for another, so two of them cannot block each other. Who asked first starts first, and nobody
overtakes: a large request is not kept waiting for ever by small ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import assert_never

from releasectl.decide.inputs import Desired, Finding
from releasectl.domain.decision import Decision, EffectiveState
from releasectl.domain.environment import Environment
from releasectl.domain.reasons import Reason
from releasectl.domain.release import Release
from releasectl.domain.strategy import ABTest, Approval, Bandit, Canary, Shadow

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def waiting(
    decisions: Mapping[str, Decision], desired: Mapping[str, Desired], states: Mapping[str, EffectiveState]
) -> dict[str, Finding]:
    """Releases that would start now and are not to: why each has to wait. Takes what a whole pass has decided."""
    asking = [name for name, decision in decisions.items() if decision.reason is Reason.CANDIDATE_STARTED]
    environments = {desired[name].environment.name: desired[name].environment for name in asking}
    found: dict[str, Finding] = {}
    for environment in environments.values():
        here = [name for name in asking if desired[name].environment.name == environment.name]
        fleet = {name: state for name, state in states.items() if state.environment == environment.name}
        found |= _waiting_in(environment, here, desired, fleet)
    return found


def largest_share(release: Release) -> float:
    """The most that candidates ever have together before they have proven themselves, in percent."""
    shares = [0.0]
    for stage in release.spec.strategy:
        match stage:
            case Canary():
                shares.append(stage.shares[-1])
            case ABTest():
                shares.append(stage.share)
            case Bandit():
                shares.append(100 - max(stage.control or 0, stage.floor))
            case Approval() | Shadow():
                pass
            case _:
                assert_never(stage)
    return max(shares)


def _waiting_in(
    environment: Environment,
    asking: Iterable[str],
    desired: Mapping[str, Desired],
    fleet: Mapping[str, EffectiveState],
) -> dict[str, Finding]:
    caps = environment.spec.caps
    releases = sum(not state.removed for state in fleet.values())
    on_trial = {name: _share_of(state, desired.get(name)) for name, state in fleet.items() if state.progress}
    found: dict[str, Finding] = {}
    for name in sorted(asking, key=lambda name: (_asked_at(desired[name]), name)):
        share = largest_share(desired[name].release)
        exposure = (sum(on_trial.values()) + share) / releases
        if caps.max_exposure is not None and share / releases > caps.max_exposure:
            message = f"its strategy gives up to {share:g} %, which is {share / releases:.3g} % over all {releases} "
            message += f"releases of {environment.name}; the cap is {caps.max_exposure:g} %"
            found[name] = Finding(Reason.EXCEEDS_CAP, message)
        elif any(waits.reason is Reason.WAITING_FOR_TURN for waits in found.values()):
            found[name] = Finding(Reason.WAITING_FOR_TURN, "another release asked before and waits as well")
        elif caps.max_concurrent is not None and len(on_trial) >= caps.max_concurrent:
            message = f"{len(on_trial)} of at most {caps.max_concurrent} are on trial: {', '.join(sorted(on_trial))}"
            found[name] = Finding(Reason.WAITING_FOR_TURN, message)
        elif caps.max_exposure is not None and exposure > caps.max_exposure:
            message = (
                f"with it, up to {exposure:.3g} % of requests would be on trial, the cap is {caps.max_exposure:g} %"
            )
            found[name] = Finding(Reason.WAITING_FOR_TURN, message)
        else:
            on_trial[name] = share
    return found


def _share_of(state: EffectiveState, desired: Desired | None) -> float:
    """What a trial under way may come to; at least what it has."""
    has = sum(state.allocation.share(name) for name in state.candidates) / 100
    if desired is None:
        return has
    stages = desired.release.spec.strategy
    # While it is watched it has proven itself.
    proven = state.progress is not None and state.progress.stage >= len(stages)
    return 0.0 if proven else max(has, largest_share(desired.release))


def _asked_at(desired: Desired) -> datetime:
    return max((origin.at for origin in desired.origins.values()), default=_LONG_AGO)

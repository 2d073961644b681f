"""Valid domain values with defaults; a test overrides what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from releasectl.decide.inputs import Desired, Input
from releasectl.domain.decision import Allocation, EffectiveState, PersonAction, PersonRequest, Progress, Quarantine
from releasectl.domain.environment import Environment
from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.metric import BUILT_IN
from releasectl.domain.observation import Block, Counts, Health, Observation, VariantHealth
from releasectl.domain.policy import PromotionPolicy
from releasectl.domain.reasons import Reason
from releasectl.domain.release import API_VERSION, STABLE, Release
from releasectl.evaluate.evaluation import Evaluation

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STEPS = [{"type": "canary", "steps": [10, 50], "interval": "10s"}]
GUARDED: Mapping[str, Any] = {"guardrails": [{"metric": "error-rate", "margin": {"points": 2}}], "minSamples": 100}


def _document(model: Any, kind: str, name: str, spec: Mapping[str, Any]) -> Any:
    data = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
    return model.model_validate(data, strict=False, by_alias=True, by_name=False)


def a_release(
    name: str = "shop",
    *,
    stable: str = "1",
    candidates: Mapping[str, str] | None = None,
    versions: Mapping[str, Mapping[str, Any]] | None = None,
    strategy: Sequence[Mapping[str, Any]] = tuple(STEPS),
    policy: str = "careful",
    environment: str = "local",
    **spec: Any,
) -> Release:
    """One component ``app`` in versions 1, 2 and 3; ``candidates`` is by name the version that each one tries."""
    declared = versions or {"1": {}, "2": {}, "3": {}}
    tried = {"next": "2"} if candidates is None else candidates
    component = {
        "name": "app",
        "versions": [{"name": one, "run": {"command": ["app", one]}, **more} for one, more in declared.items()],
    }
    release: Release = _document(
        Release,
        "Release",
        name,
        {
            "environment": environment,
            "components": [component],
            "stable": {"app": stable},
            "candidates": [{"name": one, "versions": {"app": version}} for one, version in tried.items()],
            "strategy": list(strategy),
            "policy": policy,
            **spec,
        },
    )
    return release


def a_policy(name: str = "careful", **spec: Any) -> PromotionPolicy:
    """Guards the error rate with a margin of 2 points and wants 100 samples."""
    policy: PromotionPolicy = _document(PromotionPolicy, "PromotionPolicy", name, {**GUARDED, **spec})
    return policy


def a_desired(release: Release | None = None, policy: PromotionPolicy | None = None) -> Desired:
    """What git asks for, resolved, with the built-in metrics."""
    release = release or a_release()
    return Desired(
        release=release,
        policy=policy or a_policy(),
        environment=_document(Environment, "Environment", release.spec.environment, {}),
        metrics=dict(BUILT_IN),
        path=f"releases/{release.name}.yaml",
        generation="sha256:generation",
        revision="c0ffee" + "0" * 34,
    )


def a_state(release: Release | None = None, *, step: int | None = 0, stage: int = 0, **more: Any) -> EffectiveState:
    """On trial at a step of the canary; ``step=None`` is at rest on stable."""
    release = release or a_release()
    names = [candidate.name for candidate in release.spec.candidates] if step is not None else []
    share = (1_000, 5_000)[step or 0]
    began = NOW - timedelta(seconds=30)
    progress = Progress(stage=stage, step=step or 0, stage_started_at=began, step_started_at=began, first_epoch=2)
    base: dict[str, Any] = {
        "release": release.name,
        "path": f"releases/{release.name}.yaml",
        "seq": 2,
        "epoch": 2,
        "decision": "0123456789abcdef",
        "revision": "c0ffee" + "0" * 34,
        "generation": "sha256:generation",
        "intent": release.intent if names else release.settled(drop=tuple(_names(release))).intent,
        "environment": release.spec.environment,
        "entry": release.entry,
        "route": release.spec.route,
        "edges": {component.name: component.after for component in release.spec.components},
        "variants": {name: release.variant(name) for name in (STABLE, *names)},
        "allocation": Allocation(shares={STABLE: 10_000 - share * len(names), **dict.fromkeys(names, share)}),
        "progress": progress if names else None,
    }
    return EffectiveState(**base | more)


def some_evidence(state: MetricState = MetricState.INCONCLUSIVE, *, candidate: str = "next", **more: Any) -> Evidence:
    """One guardrail's row with samples enough."""
    base: dict[str, Any] = {
        "metric": "error-rate",
        "role": "guardrail",
        "candidate": candidate,
        "state": state,
        "summary": f"the test says {state}",
        "step_trials": 1_000,
        "log_e": 0.0,
        "threshold": 3.0,
    }
    return Evidence(**base | more)


def an_observation(state: EffectiveState | None = None, **more: Any) -> Observation:
    """All variants ready, the state's shares served since long."""
    base: dict[str, Any] = {
        "served": state.allocation if state else None,
        "served_epoch": state.epoch if state else None,
        "served_since": NOW - timedelta(seconds=20),
        "health": {name: VariantHealth(health=Health.READY) for name in ("stable", "next", "other")},
    }
    return Observation(**base | more)


def an_input(
    *,
    desired: Desired | None = None,
    state: EffectiveState | None = None,
    observed: Observation | None = None,
    evidence: Sequence[Evidence] | None = None,
    **more: Any,
) -> Input:
    """A trial at its first step, its time and samples there, nothing proven."""
    desired = desired or a_desired()
    state = state or a_state(desired.release)
    rows = (some_evidence(),) if evidence is None else tuple(evidence)
    base: dict[str, Any] = {
        "desired": desired,
        "state": state,
        "observed": observed or an_observation(state),
        "now": NOW,
        "evaluation": Evaluation(evidence=rows),
    }
    return Input(**base | more)


def a_request(action: PersonAction, *, by: str = "ada", at: datetime = NOW, **more: Any) -> PersonRequest:
    """A person's request."""
    return PersonRequest(id=f"{action}-1", action=action, by=by, at=at, **more)


def a_quarantine(release: Release, candidate: str = "next") -> Mapping[str, Quarantine]:
    """The artifact of a candidate is held."""
    version = release.variant(candidate).versions["app"]
    held = Quarantine(
        release=release.name,
        identity=version.identity,
        component="app",
        version=version.name,
        reason=Reason.GUARDRAIL_BREACHED,
        decision="feed",
        at=NOW,
    )
    return {version.identity: held}


def a_block(stable: tuple[int, int], tried: tuple[int, int], *, epoch: int = 2, at: datetime = NOW) -> Block:
    """(events, trials) of both arms in one look."""
    arms = {"stable": stable, "next": tried}
    counts = {name: Counts(trials=trials, events=events) for name, (events, trials) in arms.items()}
    return Block(start_at=at - timedelta(seconds=1), end_at=at, epoch=epoch, arms=counts)


def _names(release: Release) -> list[str]:
    return [candidate.name for candidate in release.spec.candidates]

"""A decision from files: manifests of a folder, a state, an observation, a time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from releasectl.cli.folder import catalog_of
from releasectl.decide.chain import decide
from releasectl.decide.inputs import Desired, Input
from releasectl.domain.base import Model
from releasectl.domain.decision import Decision, EffectiveState
from releasectl.domain.observation import Observation
from releasectl.domain.paired import paired_metrics
from releasectl.errors import ManifestError, Problem, UsageError
from releasectl.evaluate.components import Graph
from releasectl.evaluate.evaluation import Evaluation, evaluate

M = TypeVar("M", bound=Model)


def decide_from_files(
    folder: Path, release: str, state_file: Path | None, evidence_file: Path | None, now: str
) -> Decision:
    """Raises ManifestError with every problem of the files."""
    at = _time(now)
    problems: list[Problem] = []
    state = _read(EffectiveState, state_file, problems) if state_file else None
    observed = _read(Observation, evidence_file, problems) if evidence_file else None
    catalog = catalog_of(folder)
    if release not in catalog.releases:
        names = ", ".join(catalog.releases[:10]) or "none"
        raise UsageError(f"no release {release!r} below {folder}", hint=f"there are: {names}")
    try:
        resolved = catalog.resolve(release)
    except ManifestError as error:
        raise ManifestError((*error.problems, *problems)) from error
    if problems:
        raise ManifestError(tuple(problems))
    observed = observed or Observation()
    desired = Desired(
        release=resolved.release,
        policy=resolved.policy,
        environment=resolved.environment,
        metrics={**resolved.metrics, **paired_metrics(resolved.release)},
        path=resolved.path,
        generation=resolved.generation,
        revision="",
    )
    held = {item.key: item for item in state.quarantine} if state else {}
    return decide(
        Input(
            desired=desired,
            state=state,
            observed=observed,
            now=at,
            evaluation=_evaluation(desired, state, observed),
            quarantine=held,
        )
    )


def _evaluation(desired: Desired, state: EffectiveState | None, observed: Observation) -> Evaluation:
    if state is None or state.progress is None:
        return Evaluation()
    return evaluate(
        policy=desired.policy.spec,
        metrics=desired.metrics,
        candidates=state.candidates,
        folds=state.folds,
        observed=observed,
        epoch=state.epoch,
        stage=desired.stage(state),
        graph=Graph.of(state),
    )


def _read(model: type[M], path: Path, problems: list[Problem]) -> M | None:
    """The value in a file; None with what is wrong added to ``problems``."""
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        for one in error.errors():
            problems.append(Problem(str(path), 0, 0, ".".join(str(part) for part in one["loc"]), one["msg"]))
        return None


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(f"--now {text!r} is not a time with an offset", hint="for example 2026-01-31T12:00:00Z")
    return at

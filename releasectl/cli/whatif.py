"""Answers a question about shares that did not run, from the ledger and the event log of this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log_exposures import logged_exposures
from releasectl.cli.decisions import history, record_of
from releasectl.cli.location import Location
from releasectl.controller.gitread import read_git
from releasectl.decide.inputs import Desired
from releasectl.domain.decision import Allocation, EffectiveState
from releasectl.domain.metric import LogQuery, Metric
from releasectl.errors import UsageError
from releasectl.evaluate.offpolicy import Earned, Exposure, would_have_earned
from releasectl.ports import ReleaseRepo


@dataclass(frozen=True)
class Answer:
    """What would have been earned, and from which exposures that is known."""

    release: str
    metric: str
    shares: Allocation
    epochs: tuple[int, int]
    """First and last decision whose allocations the exposures belong to."""
    without_propensity: int
    """Exposures that could not be used."""
    earned: Earned


def ask(location: Location, release: str, metric: str | None, shares: Allocation, now: datetime) -> Answer:
    """Raises UsageError where the question cannot be put: no such release, metric, trial or log."""
    trial, desired = _known(location, release)
    chosen, query = _chosen(desired, metric)
    path = location.state / "events.sqlite"
    if not path.exists():
        raise UsageError(f"there is no event log at {path}", hint="--state names the folder of the controller")
    if unknown := [name for name in shares.shares if name not in trial.variants]:
        known = ", ".join(trial.variants)
        raise UsageError(f"no variant {unknown[0]!r} in the last trial of {release}", hint=f"its variants: {known}")
    epochs = (trial.progress.first_epoch if trial.progress else trial.epoch, trial.epoch)
    log = EventLog(path)
    try:
        rows = logged_exposures(
            log,
            release,
            query,
            maturity=chosen.maturity,
            epochs=epochs,
            tags={name: variant.tag for name, variant in trial.variants.items()},
            now=now,
        )
    finally:
        log.close()
    usable = [Exposure(row.variant, row.propensity, row.reward, row.segment) for row in rows if row.propensity]
    earned = would_have_earned(usable, shares)
    return Answer(release, chosen.name, shares, epochs, len(rows) - len(usable), earned)


def _known(location: Location, release: str) -> tuple[EffectiveState, Desired]:
    """The state of the trial under way or of the last one, and what git asks for."""
    repo = location.open_repo(mirror="mirror-read")
    try:
        view = read_git(repo)
        state, desired = view.ledger.states.get(release), view.desired.desired.get(release)
        if state is None or desired is None:
            names = ", ".join(sorted(view.desired.desired)) or "none"
            raise UsageError(f"there is no valid release {release!r} with decisions", hint=f"there are: {names}")
        trial = state if state.progress else _last_trial(repo, view.heads.ledger if view.heads else None, release)
    finally:
        repo.close()
    if trial is None:
        raise UsageError(f"nothing was ever on trial in {release}")
    return trial, desired


def _last_trial(repo: ReleaseRepo, ledger: str | None, release: str) -> EffectiveState | None:
    """The state that the last decision about a trial was made from."""
    for recorded in history(repo, ledger, release, None):
        record: dict[str, Any] = record_of(repo, recorded) or {}
        before = record.get("given", {}).get("state") or {}
        if before.get("progress"):
            return EffectiveState.model_validate_json(json.dumps(before))
    return None


def _chosen(desired: Desired, name: str | None) -> tuple[Metric, LogQuery]:
    """The metric asked for, or the only one that the event log can tell."""
    told = {metric.name: metric for metric in desired.metrics.values() if metric.query.log and metric.clip is None}
    if name is None and len(told) == 1:
        name = next(iter(told))
    metric = told.get(name or "")
    if metric is None or metric.query.log is None:
        names = ", ".join(told) or "none of its policy's"
        what = f"{name!r} is no metric that the event log tells" if name else "say which metric with --metric"
        raise UsageError(what, hint=f"proportions with a log query: {names}")
    return metric, metric.query.log

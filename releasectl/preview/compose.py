"""Two states and the ledger in, a plan out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from releasectl.controller.fleet import Fleet, Traffic
from releasectl.decide.inputs import Desired
from releasectl.domain.environment import Caps
from releasectl.domain.paired import paired_metrics
from releasectl.errors import ManifestError, Problem
from releasectl.manifests.catalog import Catalog
from releasectl.preview.changes import changes, variants
from releasectl.preview.contracts import contracts
from releasectl.preview.course import Course, course, effect_of, following, summary_of
from releasectl.preview.document import FORMAT, Plan, Preview, ProblemShown
from releasectl.preview.ramp import exposure, ramp, turns
from releasectl.preview.selection import Compared
from releasectl.preview.stops import costs, stops

MOST_FORECASTS = 4
"""Releases of one change that are forecast; a change of a policy may concern thousands."""
_TELLING = frozenset({"starts", "restarts", "held", "tunes"})


@dataclass(frozen=True)
class Asked:
    """What a plan is to be made for."""

    base: str
    head: str
    ledger: str | None
    at: datetime
    rate: float | None = None
    """Requests a second, if somebody said so."""
    only: str | None = None
    """The release asked for by name: its ramp is told even if nothing of it changes."""


def plan(compared: Compared, fleet: Fleet, asked: Asked) -> Plan:
    """The same arguments give the same plan."""
    previews, forecasts = [], 0
    for name in compared.releases:
        preview = _preview(name, compared, fleet, asked, with_forecast=forecasts < MOST_FORECASTS)
        forecasts += preview.forecast is not None
        if preview.effect != "nothing" or preview.changes or asked.only:
            previews.append(preview)
    return Plan(
        format=FORMAT,
        base=asked.base,
        head=asked.head,
        ledger=asked.ledger,
        at=asked.at,
        releases=tuple(previews),
        problems=tuple(_elsewhere(compared, previews)),
    )


def wants_fleet(compared: Compared) -> bool:
    """Whether what is on trial in other releases matters: some environment in question caps it."""
    found = (_desired(compared.after, name)[0] for name in compared.releases)
    return any(one is not None and one.environment.spec.caps != Caps() for one in found)


def _preview(name: str, compared: Compared, fleet: Fleet, asked: Asked, *, with_forecast: bool) -> Preview:
    before, _ = _desired(compared.before, name)
    after, problems = _desired(compared.after, name)
    state = fleet.states.get(name)
    path = after.path if after else before.path if before else _path(compared, name)
    errors = tuple(_shown(one) for one in problems if one.severity == "error")
    warnings = tuple(_shown(one) for one in problems if one.severity == "warning")
    if errors:
        summary = "the manifest is invalid: nothing goes forward, and what serves goes on serving"
        return Preview(release=name, path=path, effect="invalid", summary=summary, problems=errors, warnings=warnings)
    others = {one: found for one in fleet.states if (found := _desired(compared.after, one)[0])}
    differing = changes(before, after)
    coming = course(name, after, fleet, others, asked.at)
    if before and after and before.release.intent == after.release.intent:
        there = course(name, before, fleet, others, asked.at)
        # What the base comes to anyway does not follow from the change.
        coming = Course() if there.words == coming.words else coming
    effect = effect_of(coming, before, after, state, differing)
    preview = Preview(
        release=name,
        path=path,
        effect=effect,
        summary=summary_of(effect, coming, after, state),
        changes=differing,
        follows=tuple(following(one) for one in coming.follows) if effect != "nothing" else (),
        held_by=following(coming.held_by) if coming.held_by and effect != "nothing" else None,
        turns=turns(after) if after else (),
        warnings=warnings,
    )
    if after is None or not (effect in _TELLING or asked.only):
        return preview
    return _told(preview, before, after, fleet.traffic.get(name, Traffic()), asked, with_forecast=with_forecast)


def _told(
    preview: Preview, before: Desired | None, after: Desired, traffic: Traffic, asked: Asked, *, with_forecast: bool
) -> Preview:
    """The preview with what a trial of the changed release would be."""
    steps = ramp(after)
    update: dict[str, object] = {"variants": variants(after), "contracts": contracts(before, after)}
    if steps:
        # numpy is loaded only for those who have something to simulate.
        from releasectl.preview.forecast import forecast, no_forecast

        update |= {"ramp": steps, "exposure": exposure(after), "stops": stops(after, asked.at), "costs": costs(after)}
        if why := no_forecast(after) or ("" if with_forecast else f"ask for it: releasectl plan {preview.release}"):
            update["no_forecast"] = why
        else:
            update["forecast"] = forecast(after, steps, traffic, asked.rate)
    return preview.model_copy(update=update)


def _desired(catalog: Catalog, name: str) -> tuple[Desired | None, tuple[Problem, ...]]:
    """What a state asks of a release, or what is wrong; neither where it has none of that name."""
    if name not in catalog.releases:
        hidden = tuple(r.broken for r in catalog.files.values() if r.broken and r.mentions and name in r.mentions)
        return None, hidden
    try:
        resolved = catalog.resolve(name)
    except ManifestError as error:
        return None, error.problems
    desired = Desired(
        release=resolved.release,
        policy=resolved.policy,
        environment=resolved.environment,
        metrics={**resolved.metrics, **paired_metrics(resolved.release)},
        path=resolved.path,
        generation=resolved.generation,
        revision="",
    )
    return desired, resolved.warnings


def _path(compared: Compared, name: str) -> str:
    for catalog in (compared.after, compared.before):
        for file, result in catalog.files.items():
            if any((one.kind, one.name) == ("Release", name) for one in result.documents):
                return file
    return ""


def _elsewhere(compared: Compared, previews: Iterable[Preview]) -> Iterable[ProblemShown]:
    """Mistakes in changed files that no release tells of."""
    told = {problem for preview in previews for problem in (*preview.problems, *preview.warnings)}
    for problem in compared.after.problems():
        if problem.file in compared.files and (shown := _shown(problem)) not in told:
            yield shown


def _shown(problem: Problem) -> ProblemShown:
    return ProblemShown(
        file=problem.file,
        line=problem.line,
        column=problem.column,
        path=problem.path,
        severity=problem.severity,
        code=problem.code,
        message=problem.message,
        hint=problem.hint,
    )

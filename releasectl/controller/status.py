"""The read model: what a pass, or the ledger alone, says of every release. Decides nothing, writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from releasectl.controller.gitseen import GitView
from releasectl.controller.site import SiteView
from releasectl.decide.inputs import Desired
from releasectl.decide.quarantine import stale
from releasectl.domain.decision import EffectiveState
from releasectl.domain.reasons import Reason
from releasectl.domain.status import Condition, ReleaseStatus, StageStatus, StatusReport, VariantStatus
from releasectl.strategies import STRATEGIES

if TYPE_CHECKING:
    # `status` reads git without a controller and must not load one.
    from releasectl.controller.passes import Considered, Report

Urls = Callable[[str], str | None]


class StatusBoard:
    """Statuses of the last pass. Keeps since when a condition holds: it moves only when the condition does."""

    def __init__(self, repository: str) -> None:
        self._repository = repository
        self._since: dict[str, tuple[str, Reason, datetime]] = {}
        self.report: StatusReport | None = None

    def update(self, report: Report, urls: Urls, problems: Sequence[str] = ()) -> StatusReport:
        """Take in what a pass came to, and ``problems`` that are known beside it."""
        known = {*report.states, *report.considered, *report.faults, *report.invalid}
        names = sorted(known | report.git.ledger.unreadable.keys())
        self.report = StatusReport(
            source="controller",
            at=report.at,
            repository=self._repository,
            revision=report.git.heads.manifests if report.git.heads else "",
            ledger=report.git.heads.ledger if report.git.heads else None,
            problems=(*_problems(report), *problems),
            releases=tuple(self._release(name, report, urls) for name in names),
        )
        return self.report

    def _release(self, name: str, report: Report, urls: Urls) -> ReleaseStatus:
        considered = report.considered.get(name)
        state = report.states.get(name)
        desired = report.git.desired.desired.get(name)
        status = release_status(name, state, considered.given.desired if considered else desired)
        view = report.views.get(status.environment, SiteView())
        return status.model_copy(
            update={
                "condition": self._condition(name, report, considered),
                "url": urls(name),
                "stage": _seen_stage(status, considered),
                "variants": tuple(_seen_variant(one, name, considered, view) for one in status.variants),
                "evidence": considered.decision.evidence if considered else status.evidence,
                "rewards": considered.decision.rewards if considered else status.rewards,
                "problems": _malformed(report.git, name),
                "unrecorded": name in report.unrecorded,
            }
        )

    def _condition(self, name: str, report: Report, considered: Considered | None) -> Condition | None:
        if name in report.faults:
            kind, reason, message = "Stalled", Reason.INTERNAL_ERROR, report.faults[name]
        elif name in report.git.ledger.unreadable:
            kind, reason, message = "Stalled", Reason.INTERNAL_ERROR, report.git.ledger.unreadable[name]
        elif name in report.unrecorded and name in report.states and (last := report.states[name].last):
            kind, reason, message = "Reconciling", last.reason, f"{last.message} (acted; waits for git to record it)"
        elif considered is not None and (fault := report.withheld.get(name)):
            kind = "Reconciling" if fault.reason is Reason.GIT_UNAVAILABLE else "Stalled"
            hint = f" ({fault.hint})" if fault.hint else ""
            reason, message = fault.reason, f"{considered.decision.message}; not recorded: {fault.message}{hint}"
        elif considered is not None:
            decision = considered.decision
            kind, reason, message = decision.condition, decision.reason, decision.message
        elif name in report.invalid:
            kind, reason, message = "Stalled", Reason.INVALID_MANIFEST, report.invalid[name]
        else:
            return None
        before = self._since.get(name)
        if before is None or before[:2] != (kind, reason):
            self._since[name] = before = (kind, reason, report.at)
        return Condition(type=kind, reason=reason, message=message, since=before[2])  # type: ignore[arg-type]


def report_from_git(view: GitView, repository: str, now: datetime) -> StatusReport:
    """What git alone tells: decided states, not what is served or measured at this moment."""
    declared = {*view.desired.desired, *view.desired.invalid}
    names = sorted({*view.ledger.states, *declared, *view.ledger.unreadable})
    rows = []
    for name in names:
        status = release_status(name, view.ledger.states.get(name), view.desired.desired.get(name))
        error = view.desired.invalid.get(name)
        if error is not None:
            condition = Condition(type="Stalled", reason=Reason.INVALID_MANIFEST, message=error.message, since=now)
            status = status.model_copy(update={"condition": condition})
        status = status.model_copy(update={"problems": _malformed(view, name)})
        rows.append(status)
    return StatusReport(
        source="git",
        at=now,
        repository=repository,
        revision=view.heads.manifests if view.heads else "",
        ledger=view.heads.ledger if view.heads else None,
        problems=(f"{view.fault.reason}: {view.fault.message}",) if view.fault else (),
        releases=tuple(rows),
    )


def release_status(name: str, state: EffectiveState | None, desired: Desired | None) -> ReleaseStatus:
    """What state and manifest tell, without a look at the world."""
    if state is None:
        environment = desired.environment.name if desired else ""
        path = desired.path if desired else ""
        return ReleaseStatus(name=name, phase="new", environment=environment, path=path)
    phase = "removed" if state.removed else "trial" if state.progress else "idle"
    if state.suspension:
        phase = "paused"
    return ReleaseStatus(
        name=name,
        environment=state.environment,
        phase=phase,  # type: ignore[arg-type]
        path=state.path,
        revision=state.revision,
        stage=_stage(state, desired),
        variants=tuple(
            VariantStatus(
                name=variant.name,
                versions={component: version.name for component, version in variant.versions.items()},
                share=state.allocation.share(variant.name),
            )
            for variant in state.variants.values()
        ),
        evidence=state.last.evidence if state.last and state.progress else (),
        rewards=state.last.rewards if state.last and state.progress else (),
        decision=state.decision,
        seq=state.seq,
        last=state.last,
        suspension=state.suspension,
        quarantine=state.quarantine,
        stale=stale(state.quarantine, state.stable),
    )


def _stage(state: EffectiveState, desired: Desired | None) -> StageStatus | None:
    if state.progress is None:
        return None
    stages = desired.stages if desired else ()
    progress = state.progress
    known = stages[progress.stage] if progress.stage < len(stages) else None
    return StageStatus(
        type=known.type if known else "",
        number=progress.stage + 1,
        of=max(len(stages), progress.stage + 1),
        step=progress.step + 1,
        steps=STRATEGIES[known.type].steps(known) if known else progress.step + 1,
        started_at=progress.stage_started_at,
        step_started_at=progress.step_started_at,
    )


def _seen_stage(status: ReleaseStatus, considered: Considered | None) -> StageStatus | None:
    if status.stage is None or considered is None:
        return status.stage
    return status.stage.model_copy(update={"served_since": considered.given.observed.served_since})


def _seen_variant(variant: VariantStatus, release: str, considered: Considered | None, view: SiteView) -> VariantStatus:
    served = view.served.get(release)
    health: Mapping[str, object] = considered.given.observed.health if considered else {}
    return variant.model_copy(
        update={"served": served.shares.share(variant.name) if served else None, "health": health.get(variant.name)}
    )


def _malformed(view: GitView, release: str) -> tuple[str, ...]:
    """Requests for a release that nobody can read; a request for none is nobody's."""
    said = view.ledger.malformed.get(release)
    return (f"{Reason.INVALID_REQUEST}: {said} (delete the file on the ledger branch and ask again)",) if said else ()


def _problems(report: Report) -> tuple[str, ...]:
    found = []
    if report.git.fault:
        hint = f" ({report.git.fault.hint})" if report.git.fault.hint else ""
        found.append(f"{report.git.fault.reason}: {report.git.fault.message}{hint}")
    for path, why in sorted(report.git.desired.untrusted.items()):
        remedy = "revert it, or change the file in a commit that an allowed signer signs"
        found.append(f"{Reason.UNTRUSTED}: {path}: {why}; the last trusted version stands in ({remedy})")
    if report.store_fault:
        found.append(f"{Reason.STORE_UNAVAILABLE}: {report.store_fault}")
    for name, view in report.views.items():
        if view.router_fault:
            found.append(f"{Reason.ROUTER_UNAVAILABLE}: {name}: {view.router_fault}")
    return tuple(found)

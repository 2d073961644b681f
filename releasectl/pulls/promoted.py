"""What was promoted in one environment, as offers to the next."""

from __future__ import annotations

from collections.abc import Mapping

from releasectl.controller.ledger import decision_path
from releasectl.domain.base import format_time
from releasectl.domain.decision import Action, EffectiveState
from releasectl.domain.release import Release
from releasectl.ports import Offer


def offers_of(state: EffectiveState | None, target: Release) -> Mapping[str, Offer]:
    """The versions that the last promotion left as stable, for the components that both releases have.

    None while something is on trial, and none after a rollback: what is offered has just been proven.
    """
    if state is None or state.removed or state.progress is not None or state.last is None:
        return {}
    if state.last.action is not Action.PROMOTE:
        return {}
    facts = (
        ("promoted in", f"{state.environment}, release {state.release}"),
        ("when", format_time(state.last.at)),
        ("decision", f"{state.decision} in {decision_path(state.release, state.seq)} on the ledger branch"),
        ("why", state.last.message),
        *((f"{row.role} {row.metric}", f"{row.verdict}: {row.summary}") for row in state.last.evidence),
    )
    return {
        component: Offer(
            version=version.name,
            artifact=version.artifact or "",
            digest=version.digest,
            facts=facts,
            declared=version,
        )
        for component, version in state.stable.versions.items()
        if target.component(component) is not None
    }

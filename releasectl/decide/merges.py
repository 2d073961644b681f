"""Promotions by pull request: what is proposed, what is merged.

A promotion is not recorded when it is decided but when its edit has been merged: until then the ledger says that the
trial goes on, which is what happens. The candidate keeps its share, its guardrails are read, a breach takes it back and
the pull request is closed. The alternative, to record first and let the candidate serve everything while people still
think about the pull request, would make their refusal a rollback of what the ledger calls stable.

What counts is the manifest, whoever brought it about: if stable has become what is on trial, the promotion has
happened, before or after it was decided. If it has become anything else, a person has changed their mind and the trial
ends as after every such edit.
"""

from __future__ import annotations

from releasectl.decide.checks import desired_of, first_request, state_of
from releasectl.decide.inputs import Finding, Input
from releasectl.domain.decision import PersonAction
from releasectl.domain.observation import Health
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE


def by_pull_request(given: Input) -> bool:
    """Whether edits of the manifest are proposed here and not pushed."""
    return given.desired is not None and given.desired.environment.spec.write_back.mode == "pull-request"


def merged(given: Input) -> Finding | None:
    """The manifest's stable is a candidate that is on trial, and it can serve."""
    state, release = state_of(given), desired_of(given).release
    if given.invalid or not by_pull_request(given) or release.intent == state.intent:
        return None
    now = release.variant(STABLE).identity
    for name in state.candidates:
        seen = given.observed.health.get(name)
        if state.variants[name].identity == now and seen is not None and seen.health is Health.READY:
            request = first_request(given, PersonAction.PROMOTE)
            message = f"the manifest has what was on trial as {name} for stable: its promotion is merged"
            return Finding(Reason.MERGED, message, candidate=name, request=request)
    return None

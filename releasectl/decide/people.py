"""What people ask for, and what comes of it.

A request is settled by a recorded decision: obeyed, noted, or refused with the reason in its message. One that
is refused is never left to be obeyed later, under circumstances that whoever asked did not see.
"""

from __future__ import annotations

from releasectl.decide import checks, merges, outcomes
from releasectl.decide.checks import desired_of, progress_of, situation, state_of
from releasectl.decide.freezes import frozen
from releasectl.decide.inputs import Finding, Input
from releasectl.domain.decision import Decision, EffectiveState, PersonAction, PersonRequest, Suspension
from releasectl.domain.reasons import Reason
from releasectl.domain.strategy import Approval
from releasectl.strategies.approval import approvals_lacking, may_not_approve, may_not_vote


def rejected(given: Input) -> Finding | None:
    """Somebody with a say in an approval to come rejects what is on trial: that ends it at once."""
    for request in given.requests:
        if request.action is PersonAction.REJECT and not _no_rejection(given, request):
            return Finding(Reason.REJECTED, _by(request, "rejected"), request=request)
    return None


def promotion(given: Input, request: PersonRequest) -> Decision:
    """A person wants the candidate promoted, whatever the evidence says."""
    # A person may skip evidence, not readiness: promoting what does not run would take the users down. And a
    # manifest that cannot be read cannot be edited.
    if waiting := checks.manifest_invalid(given) or checks.candidate_not_ready(given):
        return outcomes.hold(given, waiting)
    if freeze := frozen(given):
        return _refused(given, request, freeze.message)
    for gate in _gates(given):
        if lacking := approvals_lacking(gate, situation(given)):
            return _refused(given, request, f"it needs approval, {lacking}")
    finding = Finding(Reason.REQUESTED, f"{request.by} asked for it", request=request)
    return outcomes.promote(given, state_of(given).candidates[0], finding)


def answer(given: Input) -> Decision | None:
    """What comes of the oldest request, besides promoting or taking back a trial."""
    if not given.requests:
        return None
    request = given.requests[0]
    match request.action:
        case PersonAction.PAUSE:
            pause = Suspension(by=request.by, at=request.at, reason=request.reason)
            return _noted(given, request, Reason.SUSPENDED, "paused", {"suspension": pause})
        case PersonAction.RESUME:
            return _resumed(given, request)
        case PersonAction.LIFT:
            return _noted(given, request, Reason.LIFTED, "lifted the quarantine", _lifted(given))
        case PersonAction.APPROVE if state_of(given).progress:
            return _approved(given, request)
        case PersonAction.REJECT if state_of(given).progress:
            return _refused(given, request, _no_rejection(given, request))
        case _:
            finding = Finding(
                Reason.IDLE, f"{request.by} asked for {request.action}; nothing is on trial", request=request
            )
            return outcomes.noted(given, finding, {})


def _lifted(given: Input) -> outcomes.Changes:
    """Nothing is held any more, and what the manifest still names may be tried again."""
    lifted = {"quarantine": ()}
    if merges.by_pull_request(given) and not given.invalid and state_of(given).progress is None:
        # Where several were tried, the manifest counts as settled for as long as it is not cleaned up.
        return {**lifted, "intent": ""}
    return lifted


def _resumed(given: Input, request: PersonRequest) -> Decision:
    """Goes on where it was paused; a trial whose counts were found wrong begins anew, as nothing it knows holds.

    Requests that went astray are missing from every count, not from those of the sample ratio alone, and steps were
    passed by these counts. Only a person can know that the cause is gone, so only a person's word begins it.
    """
    wrong = given.evaluation.mismatch
    if wrong is None or state_of(given).progress is None:
        return _noted(given, request, Reason.RESUMED, "resumed", {"suspension": None})
    if given.invalid:
        return _refused(given, request, f"the trial would begin anew, and the manifest is invalid: {given.invalid}")
    message = f"{_by(request, 'resumed')}; the trial begins anew without what was counted so far, because {wrong}"
    anew = outcomes.start_over(given, Finding(Reason.RESUMED, message, request=request))
    if not (more := _more(state_of(given), anew.state)):
        return anew
    # The first stage may give more than the one under way: that is asked what anything that grows is asked.
    if waiting := checks.candidate_not_ready(given):
        return outcomes.hold(given, waiting)
    if freeze := frozen(given):
        return _refused(given, request, f"the trial would begin anew with more than now, {more}; {freeze.message}")
    return anew


def _more(before: EffectiveState, after: EffectiveState | None) -> str:
    """What candidates would get more of than they have, in shares and copies; empty if nothing."""
    if after is None:
        return ""
    shares = [
        f"{name} {after.allocation.share(name) / 100:g} %"
        for name in after.candidates
        if after.allocation.share(name) > before.allocation.share(name)
    ]
    copies = [
        f"copies of {points / 100:g} % to {name}"
        for name, points in after.mirrors.items()
        if points > before.mirrors.get(name, 0)
    ]
    return ", ".join([*shares, *copies])


def _approved(given: Input, request: PersonRequest) -> Decision:
    """The approval of a person who may give it is noted; their last word counts."""
    state = state_of(given)
    if why := _no_approval(given, request):
        return _refused(given, request, why)
    vote = request.model_copy(
        update={
            "trial": progress_of(given).first_epoch,
            "candidates": tuple(state.variants[name].identity for name in state.candidates),
        }
    )
    others = tuple(vote for vote in state.votes if vote.by != request.by)
    return _noted(given, request, Reason.VOTED, "approved", {"votes": (*others, vote)})


def _no_approval(given: Input, request: PersonRequest) -> str:
    """Why an approval counts for nothing; empty if it counts."""
    teams, authors = situation(given).teams, situation(given).authors
    found = [may_not_approve(gate, request.by, teams, authors) for gate in _gates(given)]
    return _out_of_place(given, request) or ("" if "" in found else found[0])


def _no_rejection(given: Input, request: PersonRequest) -> str:
    """Why a rejection counts for nothing; empty if it counts."""
    found = [may_not_vote(gate, request.by, situation(given).teams) for gate in _gates(given)]
    return _out_of_place(given, request) or ("" if "" in found else found[0])


def _out_of_place(given: Input, request: PersonRequest) -> str:
    state = state_of(given)
    if not _gates(given):
        return "no approval is to come in this trial"
    if request.trial not in (None, progress_of(given).first_epoch):
        return "the trial that it was about is over"
    on_trial = {state.variants[name].identity for name in state.candidates}
    if request.candidates and not on_trial <= set(request.candidates):
        return "it was about other candidates than those on trial"
    return ""


def _gates(given: Input) -> list[Approval]:
    """Approvals that wait or are still to come."""
    ahead = desired_of(given).release.spec.strategy[progress_of(given).stage :]
    return [stage for stage in ahead if isinstance(stage, Approval)]


def _noted(given: Input, request: PersonRequest, reason: Reason, what: str, changes: outcomes.Changes) -> Decision:
    return outcomes.noted(given, Finding(reason, _by(request, what), request=request), changes)


def _refused(given: Input, request: PersonRequest, why: str) -> Decision:
    message = f"{request.by} asked for {request.action}: {why}"
    return outcomes.noted(given, Finding(Reason.REFUSED, message, request=request), {})


def _by(request: PersonRequest, what: str) -> str:
    return f"{what} by {request.by}" + (f": {request.reason}" if request.reason else "")

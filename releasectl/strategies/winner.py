"""Which candidate has proven itself, and what the others lack."""

from __future__ import annotations

from collections.abc import Sequence

from releasectl.domain.evidence import Evidence, Verdict
from releasectl.domain.reasons import Reason
from releasectl.strategies.base import Finish, Situation, Wait, of_candidate


def finish_or_wait(situation: Situation) -> Finish | Wait:
    """The candidates that pass everything, the best one first, or what is not proven yet.

    Better means the larger estimate of the first objective, in the direction in which it is better; without
    an objective, or at equal estimates, the candidate that is named first.
    """
    proven = [name for name in situation.candidates if _passes(of_candidate(situation.evidence, name))]
    if not proven:
        lacking = [row for row in situation.evidence if row.verdict is not Verdict.PASS]
        message = "; ".join(f"{row.candidate} {row.metric}: {row.summary}" for row in lacking)
        return Wait(Reason.AWAITING_EVIDENCE, message or "nothing is proven yet")
    # sorted is stable: at equal gains the order of the manifest stands.
    ranked = sorted(proven, key=lambda name: -_gain(of_candidate(situation.evidence, name)))
    proof = _proof(of_candidate(situation.evidence, ranked[0]))
    return Finish(tuple(ranked), Reason.EVIDENCE_SUFFICIENT, proof)


def suspected(situation: Situation) -> Wait | None:
    """Why a stage that asks for no proof does not end all the same: some group of users looks harmed at present."""
    rows = [row for row in situation.evidence if row.suspicious]
    message = "; ".join(f"{row.candidate} {row.metric}: {row.summary}" for row in rows)
    return Wait(Reason.AWAITING_EVIDENCE, message) if rows else None


def _passes(rows: Sequence[Evidence]) -> bool:
    # All of nothing is not a pass.
    return bool(rows) and all(row.verdict is Verdict.PASS for row in rows)


def _gain(rows: Sequence[Evidence]) -> float:
    objective = next((row for row in rows if row.role == "objective"), None)
    if objective is None or objective.estimate is None:
        return 0.0
    return objective.estimate if objective.better == "higher" else -objective.estimate


def _proof(rows: Sequence[Evidence]) -> str:
    """What was gained, and what was ruled out."""
    gains = [f"{row.metric} {row.summary}" for row in rows if row.role == "objective"]
    safe = [row.metric for row in rows if row.role == "guardrail"]
    return "; ".join([*gains, f"harm beyond the margin is ruled out for {', '.join(safe)}"])

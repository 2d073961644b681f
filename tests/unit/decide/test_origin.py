"""A rollback says which component the harm comes from, where components are counted."""

from __future__ import annotations

import math

import pytest

from releasectl.decide.checks import guardrail_breached, guardrails_breached_together
from releasectl.domain.evidence import MetricState
from releasectl.evaluate.components import Folds, fold_components
from releasectl.evaluate.evaluation import Evaluation
from tests.builders import a_desired, a_policy, a_release, a_state, an_input, some_evidence
from tests.unit.evaluate.test_attribution import METRIC, a_graph, judged, readings

BOTH = [{"metric": name, "margin": {"points": 2}} for name in ("error-rate", "slow-requests")]


def _folds() -> Folds:
    return fold_components({}, readings({"ocr": 0.3}), METRIC, a_graph("ocr"))


@pytest.mark.parametrize("folds", [_folds(), {}], ids=["counted by component", "counted at the entry alone"])
def test_harm_that_guardrails_prove_together_has_an_origin_where_there_is_one_to_tell(folds: Folds) -> None:
    graph, release = a_graph("ocr"), a_release()
    state = a_state(release, variants=graph.variants, edges=graph.edges, entry=graph.entry)
    rows = [
        some_evidence(metric=name, log_e=math.log(25), summary=f"{name} is worse: no proof")
        for name in ("error-rate", "slow-requests")
    ]
    desired = a_desired(release, a_policy(guardrails=BOTH))
    found = guardrails_breached_together(
        an_input(desired=desired, state=state, evaluation=Evaluation(evidence=tuple(rows), folds=folds))
    )
    assert found is not None
    told = found.message.partition("error-rate is worse")[2]
    assert told.startswith("; it begins in ocr 2: by itself ") if folds else told == ""


def test_harm_that_one_guardrail_proves_has_its_origin_after_the_numbers() -> None:
    evaluation = judged(a_graph("ocr"), readings({"ocr": 0.3}))
    (row,) = evaluation.evidence
    assert row.state is MetricState.BAD and row.attribution is not None
    found = guardrail_breached(an_input(evaluation=evaluation))
    assert found is not None
    assert found.message == f"error-rate: {row.summary}; {row.attribution.sentence}"

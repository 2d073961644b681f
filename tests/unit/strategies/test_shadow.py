"""What a shadow stage waits for: its limits, and objectives whose outcomes are known of copies as well."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from releasectl.domain.base import parse_duration
from releasectl.domain.decision import Allocation, Progress
from releasectl.domain.metric import LogQuery, Metric, Queries
from releasectl.domain.observation import Block, Counts, Observation, Reading, ReadState
from releasectl.domain.paired import paired_metric, paired_queries
from releasectl.domain.policy import Margin, Objective, PolicySpec
from releasectl.domain.release import STABLE
from releasectl.domain.strategy import Agreement, Shadow
from releasectl.evaluate.evaluation import Evaluation, evaluate
from releasectl.strategies.base import Finish, Proposal, Situation, Wait
from releasectl.strategies.shadow import shadow

AT = datetime(2026, 1, 1, tzinfo=UTC)
LOOKS = 10
RIGHT = Metric(name="reviewed-correct", direction="higher", query=Queries(log=LogQuery(outcome="reviewed-correct")))
POLICY = PolicySpec(min_samples=50, objectives=(Objective(metric=RIGHT.name, margin=Margin(points=10)),))
STAGE = Shadow(
    type="shadow", duration=parse_duration("1m"), agreement=Agreement(at_least=90), prove=("reviewed-correct",)
)


def seen(stage: Shadow, labelled: int, candidate_right: int) -> Evaluation:
    """Ten looks at answers that agree enough and at labels of so many pairs; stable was right in nine of ten."""
    (agreement,) = (paired_metric(query) for query in paired_queries(stage, "app"))
    said = {
        STABLE: Counts(trials=labelled // LOOKS, events=labelled * 9 // 10 // LOOKS),
        "next": Counts(trials=labelled // LOOKS, events=candidate_right // LOOKS),
    }
    counted = {agreement.name: {"next": Counts(trials=200, events=199)}, RIGHT.name: said}
    readings = {
        name: Reading(state=ReadState.OK, blocks=(Block(start_at=AT, end_at=AT, epoch=2, arms=arms),) * LOOKS)
        for name, arms in counted.items()
    }
    return evaluate(
        policy=POLICY,
        metrics={RIGHT.name: RIGHT, agreement.name: agreement},
        candidates=("next",),
        folds={},
        observed=Observation(readings=readings),
        epoch=2,
        stage=stage,
    )


def proposed(stage: Shadow, found: Evaluation) -> Proposal:
    progress = Progress(stage_started_at=AT, step_started_at=AT, first_epoch=2)
    given = Situation(progress, Allocation.all_to(STABLE), ["next"], found.evidence, POLICY, AT)
    return shadow.propose(stage, given)


def test_without_being_asked_to_prove_it_an_objective_is_left_to_later_stages() -> None:
    stage = STAGE.model_copy(update={"prove": ()})
    found = seen(stage, 1000, 0)
    assert [row.metric for row in found.evidence] == ["agreement"]
    assert isinstance(proposed(stage, found), Finish)


@pytest.mark.parametrize(("labelled", "right", "goes_on"), [(2000, 1800, True), (30, 27, False), (2000, 1500, False)])
def test_what_people_say_must_be_proven_before_it_goes_on(labelled: int, right: int, goes_on: bool) -> None:
    found = seen(STAGE, labelled, right)
    assert [row.role for row in found.evidence] == ["guardrail", "objective"]
    assert isinstance(proposed(STAGE, found), Finish if goes_on else Wait)

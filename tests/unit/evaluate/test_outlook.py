"""What would settle a metric: the extrapolation agrees with folding the data when they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from releasectl.domain.decision import Allocation
from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.metric import BUILT_IN
from releasectl.domain.observation import Block, Counts, Observation, Reading, ReadState
from releasectl.domain.policy import Guardrail, Margin, PolicySpec
from releasectl.evaluate.evaluation import Evaluation, Folds, evaluate
from releasectl.evaluate.outlook import Outlook, outlook

START = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = PolicySpec(guardrails=(Guardrail(metric="error-rate", margin=Margin(points=2.0)),))
SHARES = Allocation(shares={"stable": 8000, "next": 2000})


def evaluated(rate: float, blocks: int, folds: Folds | None = None) -> Evaluation:
    """Blocks of 800 requests to stable, 1 % of which fail, and of 200 to the candidate."""
    arms = {"stable": Counts(trials=800, events=8), "next": Counts(trials=200, events=round(200 * rate))}
    block = Block(start_at=START, end_at=START + timedelta(seconds=10), epoch=1, arms=arms)
    observed = Observation(readings={"error-rate": Reading(state=ReadState.OK, blocks=(block,) * blocks)})
    return evaluate(
        policy=POLICY, metrics=BUILT_IN, candidates=("next",), folds=folds or {}, observed=observed, epoch=1
    )


def ahead(evaluation: Evaluation, shares: Allocation = SHARES) -> Outlook | None:
    (row,) = evaluation.evidence
    return outlook(row, POLICY, BUILT_IN, evaluation.folds, shares)


def row_after(rate: float, more: int, evaluation: Evaluation) -> Evidence:
    return evaluated(rate, more, evaluation.folds).evidence[0]


@pytest.mark.parametrize(("rate", "settled"), [(0.01, MetricState.OK), (0.05, MetricState.BAD)])
def test_the_samples_that_it_names_settle_the_metric_and_one_block_less_does_not(
    rate: float, settled: MetricState
) -> None:
    before = evaluated(rate, 2)
    found = ahead(before)
    assert found is not None
    assert before.evidence[0].state is MetricState.INCONCLUSIVE
    samples = found.to_pass if settled is MetricState.OK else found.to_fail
    other = found.to_fail if settled is MetricState.OK else found.to_pass
    assert samples is not None
    assert other is None
    blocks = samples // 200
    assert row_after(rate, blocks, before).state is settled
    assert row_after(rate, blocks - 1, before).state is MetricState.INCONCLUSIVE


def test_the_rate_that_it_names_turns_the_metric_within_as_many_samples_and_a_milder_one_does_not() -> None:
    before = evaluated(0.01, 10)
    found = ahead(before)
    assert found is not None
    assert found.turns_at is not None
    # Counts are whole, so rates are multiples of 1 in 200.
    above = int(found.turns_at * 200) / 200 + 1 / 200
    assert row_after(above, 10, before).state is MetricState.BAD
    assert row_after(above - 2 / 200, 10, before).state is not MetricState.BAD


def test_a_rate_at_the_margin_is_not_settled_however_long_one_looks() -> None:
    found = ahead(evaluated(0.03, 3))
    assert found is not None
    assert found.to_pass is None
    assert found.most > 100_000


def test_proven_harm_has_no_outlook_because_nothing_takes_it_back() -> None:
    evaluation = evaluated(0.4, 3)
    assert evaluation.evidence[0].state is MetricState.BAD
    assert ahead(evaluation) is None


def test_without_a_share_or_without_data_nothing_is_foretold() -> None:
    assert ahead(evaluated(0.01, 3), Allocation.all_to("stable")) is None
    assert ahead(evaluated(0.01, 0)) is None

"""A comparison as a fold: the same to the bit in any split, symmetric, and true to what it is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl.domain.evidence import VERDICT_OF, Evidence, MetricState, Verdict
from releasectl.domain.metric import BUILT_IN, Metric
from releasectl.domain.observation import Block, Counts, Observation, Reading, ReadState
from releasectl.domain.policy import Margin, PolicySpec
from releasectl.evaluate.compared import comparison_of
from releasectl.evaluate.comparison import LEAST, Comparison, decoded
from releasectl.evaluate.evaluation import evaluate
from releasectl.evaluate.guardrails import jointly_harmful
from releasectl.stats import Trials
from tests.builders import NOW, a_block, a_policy, some_evidence

ERRORS = BUILT_IN["error-rate"]
CLICKS = ERRORS.model_copy(update={"name": "clicks", "direction": "higher"})
MARGINS = {"absolute": {"points": 2}, "relative": {"percent": 20}}


def policy(metric: str = "error-rate", **spec: Any) -> PolicySpec:
    return a_policy(**{"guardrails": [{"metric": metric, "margin": {"points": 2}}]} | spec).spec


def judged(
    blocks: Sequence[Block] | None,
    rules: PolicySpec | None = None,
    *,
    state: ReadState = ReadState.OK,
    folds: Any = None,
    metrics: Sequence[Metric] = (ERRORS, CLICKS),
) -> tuple[Evidence, Any]:
    """The first row of evidence, and all folds."""
    rules = rules or policy()
    names = {rule.metric for rule in (*rules.guardrails, *rules.objectives)}
    readings = {name: Reading(state=state, blocks=tuple(blocks)) for name in names} if blocks is not None else {}
    result = evaluate(
        policy=rules,
        metrics={metric.name: metric for metric in metrics},
        candidates=("next",),
        folds=folds or {},
        observed=Observation(readings=readings),
        epoch=2,
    )
    return result.evidence[0], result.folds


def steady(stable: float, tried: float, *, looks: int = 30, trials: int = 200) -> list[Block]:
    """Looks at two arms with these rates, as exact as integers allow."""
    counts = [
        [round(rate * trials * (n + 1)) - round(rate * trials * n) for n in range(looks)] for rate in (stable, tried)
    ]
    return [
        a_block((b, trials), (c, trials), at=NOW + timedelta(seconds=n))
        for n, (b, c) in enumerate(zip(*counts, strict=True))
    ]


arms = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair)))
looks = st.lists(st.builds(a_block, arms, arms), min_size=1, max_size=12)
few = st.sampled_from([(0, 0), (0, 0), (0, 1), (1, 1), (1, 2)])
sparse = st.lists(st.builds(a_block, few, few, epoch=st.integers(1, 3)), min_size=1, max_size=30)


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("metric", ["error-rate", "clicks"])
@settings(max_examples=25, deadline=None)
@given(blocks=looks | sparse, data=st.data())
def test_c6_blocks_fold_in_any_split_to_the_same_bits(
    metric: str, margin: str, blocks: list[Block], data: st.DataObject
) -> None:
    rules = policy(guardrails=[{"metric": metric, "margin": MARGINS[margin]}])
    whole, at_once = judged(blocks, rules)
    cut = data.draw(st.integers(0, len(blocks)))
    _, first = judged(blocks[:cut], rules)
    # Through the ledger and back: a state is JSON.
    parts, in_parts = judged(blocks[cut:], rules, folds=json.loads(json.dumps(first)))
    assert json.dumps(in_parts) == json.dumps(at_once)
    assert parts == whole


@settings(max_examples=40, deadline=None)
@given(blocks=looks)
def test_counting_good_answers_instead_of_bad_ones_changes_nothing(blocks: list[Block]) -> None:
    flipped = [
        block.model_copy(
            update={"arms": {n: Counts(trials=a.trials, events=a.trials - a.events) for n, a in block.arms.items()}}
        )
        for block in blocks
    ]
    bad, _ = judged(blocks, policy("error-rate"))
    good, _ = judged(flipped, policy("clicks"))
    assert (good.state, good.log_e, good.margin) == (bad.state, bad.log_e, bad.margin)
    assert good.estimate == pytest.approx(-bad.estimate if bad.estimate is not None else None)


@settings(max_examples=40, deadline=None)
@given(blocks=looks)
def test_the_name_of_a_candidate_changes_nothing(blocks: list[Block]) -> None:
    renamed = [
        block.model_copy(update={"arms": {"stable": block.arms["stable"], "other": block.arms["next"]}})
        for block in blocks
    ]
    observed = Observation(readings={"error-rate": Reading(state=ReadState.OK, blocks=tuple(renamed))})
    result = evaluate(
        policy=policy(), metrics=dict(BUILT_IN), candidates=("other",), folds={}, observed=observed, epoch=2
    )
    row, _ = judged(blocks)
    assert result.evidence[0] == row.model_copy(update={"candidate": "other"})


@settings(max_examples=25, deadline=None)
@given(rate=st.floats(0.1, 0.6), looks=st.integers(1, 30))
def test_the_same_evidence_twice_never_turns_a_breach_into_a_pass(rate: float, looks: int) -> None:
    blocks = steady(0.01, rate, looks=looks)
    once, folds = judged(blocks)
    twice, _ = judged(blocks, folds=folds)
    if once.verdict is Verdict.FAIL:
        assert twice.verdict is Verdict.FAIL
    assert (twice.log_e or 0) >= (once.log_e or 0)


@pytest.mark.parametrize(
    ("stable", "tried", "state"),
    [
        (0.01, 0.01, MetricState.OK),
        (0.01, 0.30, MetricState.BAD),
        (0.30, 0.01, MetricState.OK),
        (0.05, 0.07, MetricState.INCONCLUSIVE),
    ],
)
def test_an_error_rate_is_judged_by_its_distance_from_stable(stable: float, tried: float, state: MetricState) -> None:
    assert judged(steady(stable, tried))[0].state is state


@pytest.mark.parametrize(
    ("stable", "tried", "state"), [(0.5, 0.3, MetricState.BAD), (0.5, 0.7, MetricState.OK), (0.5, 0.5, MetricState.OK)]
)
def test_a_rate_that_should_be_high_is_judged_the_other_way(stable: float, tried: float, state: MetricState) -> None:
    assert judged(steady(stable, tried, looks=60), policy("clicks"))[0].state is state


def test_a_relative_margin_is_a_part_of_stables_rate() -> None:
    rules = policy(guardrails=[{"metric": "error-rate", "margin": {"percent": 50}}])
    assert judged(steady(0.1, 0.13, looks=120), rules)[0].state is MetricState.OK
    assert judged(steady(0.1, 0.25, looks=120), rules)[0].state is MetricState.BAD
    assert judged(steady(0.1, 0.13), rules)[0].margin == pytest.approx(0.05)


def test_a_limit_holds_whatever_stable_does() -> None:
    rules = policy(guardrails=[{"metric": "error-rate", "margin": {"points": 2}, "limit": 20}])
    row, _ = judged(steady(0.4, 0.4), rules)
    assert row.state is MetricState.BAD
    assert "past the limit of 20 %" in row.summary
    assert judged(steady(0.1, 0.1), rules)[0].state is MetricState.OK


def test_a_limit_of_what_should_be_high_is_a_least_rate() -> None:
    rules = policy("clicks", guardrails=[{"metric": "clicks", "margin": {"points": 2}, "limit": 20}])
    assert judged(steady(0.1, 0.1), rules)[0].state is MetricState.BAD
    assert judged(steady(0.4, 0.4), rules)[0].state is not MetricState.BAD


def test_c4_a_breach_is_not_forgotten_however_much_good_comes_after_it() -> None:
    row, folds = judged(steady(0.01, 0.5, looks=5))
    assert row.state is MetricState.BAD
    assert judged(steady(0.01, 0.0, looks=100), folds=folds)[0].state is MetricState.BAD


def test_c19_only_exposures_of_the_present_step_count_towards_its_samples() -> None:
    old = [block.model_copy(update={"epoch": 1}) for block in steady(0.01, 0.01, looks=10)]
    row, _ = judged([*old, *steady(0.01, 0.01, looks=2)])
    assert row.step_trials == 400
    assert row.tried.trials == 2_400


# --- little traffic -------------------------------------------------------------------------------------


def comparison(metric: Metric = ERRORS, margin: str = "absolute") -> Comparison:
    found = comparison_of(
        metric,
        candidate="next",
        margin=Margin(**MARGINS[margin]),
        claim="non-inferior",
        alpha=0.05,
        total_alpha=0.05,
        min_samples=50,
    )
    assert isinstance(found, Comparison)
    return found


def one_by_one(stable: tuple[int, int], tried: tuple[int, int]) -> list[Block]:
    """(events, trials) of both arms, spread evenly over looks at one request each."""
    requests = [
        (n / trials, arm, events * (n + 1) // trials - events * n // trials)
        for arm, (events, trials) in enumerate([stable, tried])
        for n in range(trials)
    ]
    return [
        a_block(*((failed, 1) if arm == of else (0, 0) for of in (0, 1)), at=NOW + timedelta(seconds=second))
        for second, (_, arm, failed) in enumerate(sorted(requests))
    ]


def test_harm_is_found_where_no_look_has_requests_of_both_arms() -> None:
    blocks = one_by_one((9, 51), (36, 45))
    assert not any(block.arms["stable"].trials and block.arms["next"].trials for block in blocks)
    row, _ = judged(blocks)
    assert (row.stable.trials, row.tried.trials) == (51, 45)
    assert row.state is MetricState.BAD


def test_no_harm_is_shown_by_looks_that_are_no_different() -> None:
    row, _ = judged(one_by_one((9, 51), (8, 45)))
    assert row.state is MetricState.INCONCLUSIVE
    assert row.log_e is not None
    assert row.log_e < 1


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("metric", [ERRORS, CLICKS], ids=lambda metric: metric.name)
def test_a_look_without_trials_changes_no_evidence(metric: Metric, margin: str) -> None:
    rule = comparison(metric, margin)
    before = decoded(rule.fold(None, steady(0.05, 0.08, looks=7), 2))
    after = rule.fold_arrays(before, Trials.of_good(x_b=[0] * 5, n_b=[0] * 5, x_c=[0] * 5, n_c=[0] * 5))
    assert after.ticks == before.ticks + 5
    assert float(after.log_e) == pytest.approx(float(before.log_e), abs=1e-12)
    assert float(after.peak) == pytest.approx(float(before.peak), abs=1e-12)
    assert replace(after.strat, ticks=before.ticks) == replace(before.strat, ticks=before.ticks)
    assert replace(after.safe, ticks=before.ticks) == replace(before.safe, ticks=before.ticks)
    assert rule.limits(after) == rule.limits(before)


@settings(max_examples=40, deadline=None)
@given(parts=st.lists(few, min_size=1, max_size=6), tried=arms.filter(lambda pair: pair[1] >= LEAST))
def test_joined_looks_weigh_as_much_as_one_look_with_their_sums(
    parts: list[tuple[int, int]], tried: tuple[int, int]
) -> None:
    nothing = [a_block((0, 0), (0, 0))] * len(parts)
    in_one = a_block((sum(x for x, _ in parts), sum(n for _, n in parts)), tried)
    rule, before = comparison(), steady(0.05, 0.08, looks=3)
    apart = rule.fold(None, [*before, *(a_block(part, (0, 0)) for part in parts), a_block((0, 0), tried)], 2)
    together = rule.fold(None, [*before, *nothing, in_one], 2)
    assert {**apart, "waiting": None} == {**together, "waiting": None}


@settings(max_examples=25, deadline=None)
@given(
    blocks=looks.map(lambda blocks: [one for one in blocks if all(arm.trials >= LEAST for arm in one.arms.values())])
)
def test_looks_that_have_both_arms_are_folded_as_they_are(blocks: list[Block]) -> None:
    rule = comparison()
    state = rule.fold(None, blocks, 2)
    assert "waiting" not in state
    if blocks:
        pairs = [(block.arms["stable"], block.arms["next"]) for block in blocks]
        counted = Trials.of_good(
            x_b=[b.events for b, _ in pairs],
            n_b=[b.trials for b, _ in pairs],
            x_c=[c.events for _, c in pairs],
            n_c=[c.trials for _, c in pairs],
        )
        folded = rule.fold_arrays(rule.fresh_arrays(), counted)
        for name in ("exact", "strat", "safe", "diff"):
            assert state[name] == getattr(folded, name).to_json()


def test_requests_under_other_shares_are_not_joined() -> None:
    blocks = [a_block((0, 1), (0, 0), epoch=1), a_block((0, 0), (1, 1), epoch=2)] * 40
    row, folds = judged(sorted(blocks, key=lambda block: block.epoch))
    assert row.log_e == 0
    assert [state["waiting"] for state in folds.values()] == [{"1": [[40, 0], [0, 0]], "2": [[0, 0], [40, 40]]}]


# --- the seven states -----------------------------------------------------------------------------------

READ: dict[ReadState, MetricState] = {
    ReadState.OK: MetricState.NO_DATA,
    ReadState.NO_DATA: MetricState.NO_DATA,
    ReadState.STALE: MetricState.STALE,
    ReadState.INVALID: MetricState.INVALID,
    ReadState.PROVIDER_ERROR: MetricState.PROVIDER_ERROR,
}


@pytest.mark.parametrize("read", ReadState)
def test_without_a_count_the_state_is_that_of_the_read_and_no_verdict(read: ReadState) -> None:
    row, _ = judged((), state=read)
    assert row.state is READ[read]
    assert row.verdict not in (Verdict.PASS, Verdict.FAIL)


def test_a_metric_that_nobody_asked_for_is_a_fault_and_no_pass() -> None:
    assert judged(None)[0].state is MetricState.PROVIDER_ERROR


@pytest.mark.parametrize("read", [ReadState.STALE, ReadState.INVALID, ReadState.PROVIDER_ERROR])
def test_c1_proof_of_harm_stands_when_the_provider_goes_and_proof_of_none_does_not(read: ReadState) -> None:
    assert judged(steady(0.01, 0.5), state=read)[0].state is MetricState.BAD
    assert judged(steady(0.01, 0.01), state=read)[0].state is READ[read]


def test_one_arm_alone_is_no_data() -> None:
    assert judged([a_block((3, 100), (0, 0))])[0].state is MetricState.NO_DATA
    assert judged([a_block((0, 0), (3, 100))])[0].state is MetricState.NO_DATA


def test_every_state_of_a_metric_has_one_verdict() -> None:
    assert {state for state, verdict in VERDICT_OF.items() if verdict is Verdict.PASS} == {MetricState.OK}
    assert {state for state, verdict in VERDICT_OF.items() if verdict is Verdict.FAIL} == {MetricState.BAD}
    assert set(VERDICT_OF) == set(MetricState)


# --- several guardrails ---------------------------------------------------------------------------------


def _rows(*log_e: float) -> list[Evidence]:
    return [some_evidence(metric=f"metric-{n}", log_e=value) for n, value in enumerate(log_e)]


def _several(n: int, **more: Any) -> PolicySpec:
    return a_policy(guardrails=[{"metric": f"metric-{i}", **more} for i in range(n)]).spec


def test_guardrails_prove_harm_together_that_none_proves_alone() -> None:
    # Each needs an e-value of 40 alone; two of 25 make a mean of 25, and 20 is enough.
    worst = jointly_harmful(_rows(np.log(25), np.log(25.1)), _several(2))
    assert worst is not None
    assert worst.metric == "metric-1"
    assert jointly_harmful(_rows(np.log(19), np.log(19)), _several(2)) is None


def test_c6_alpha_that_limits_have_taken_is_not_spent_a_second_time() -> None:
    # Half of alpha is the limits': what is left for the comparisons asks for a mean of 40.
    assert jointly_harmful(_rows(np.log(25), np.log(25)), _several(2, limit=50)) is None
    assert jointly_harmful(_rows(np.log(41), np.log(41)), _several(2, limit=50)) is not None


# --- error rate -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.timeout(300)
def test_c6_a_candidate_at_the_margin_is_rolled_back_no_more_often_than_alpha_over_200_looks() -> None:
    # The worst harmless candidate: exactly the accepted worsening. Shares grow and the rate drifts meanwhile.
    alpha, streams, looks = 0.05, 300, 200
    rules = policy(alpha=alpha)
    rng = np.random.default_rng(20260101)
    breaches = 0
    for _ in range(streams):
        blocks = []
        for look in range(looks):
            rate = 0.05 + 0.03 * np.sin(2 * np.pi * look / looks)
            n_b, n_c = (180, 20) if look < 60 else (100, 100)
            b, c = rng.binomial(n_b, rate), rng.binomial(n_c, rate + 0.02)
            blocks.append(a_block((int(b), n_b), (int(c), n_c), at=NOW + timedelta(seconds=look)))
        row, _ = judged(blocks, rules)
        breaches += row.state is MetricState.BAD
    assert breaches / streams <= alpha + 3 * (alpha * (1 - alpha) / streams) ** 0.5

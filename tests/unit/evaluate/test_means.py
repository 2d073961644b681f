"""Means as guardrails and objectives: the same bits in any split, true to what they are told, in the metric's unit."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from releasectl.cli.outlook import Told
from releasectl.domain.decision import Allocation
from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.metric import Clip, Covariate, LogQuery, Metric, Queries
from releasectl.domain.observation import Block, Counts, Observation, Reading, ReadState, Values
from releasectl.domain.policy import PolicySpec
from releasectl.evaluate.evaluation import evaluate
from releasectl.evaluate.means import TICK
from releasectl.evaluate.outlook import Outlook, outlook
from tests.builders import NOW, a_policy

LATENCY = Metric(
    name="latency",
    kind="mean",
    unit="ms",
    direction="lower",
    clip=Clip(high=1000.0),
    query=Queries(log=LogQuery(outcome="latency")),
)
VALUE = LATENCY.model_copy(update={"name": "value", "direction": "higher", "unit": "EUR"})


def of_values(values: Sequence[float], metric: Metric = LATENCY) -> Counts:
    """Counts of these values, as a source would make them."""
    assert metric.clip is not None
    steps = [metric.clip.steps(value) for value in values]
    sums = Values(total=sum(steps), squares=sum(step * step for step in steps))
    return Counts(trials=len(steps), values=sums)


def a_look(stable: Sequence[float], tried: Sequence[float], *, epoch: int = 2, at: int = 0) -> Block:
    end = NOW + timedelta(seconds=at)
    arms = {"stable": of_values(stable), "next": of_values(tried)}
    return Block(start_at=end - timedelta(seconds=1), end_at=end, epoch=epoch, arms=arms)


def looks(
    stable: float, tried: float, *, sd: float = 30, count: int = 40, sizes: tuple[int, int] = (90, 30), seed: int = 1
) -> list[Block]:
    """Looks at normal values about these means."""
    rng = np.random.default_rng(seed)
    b, c = sizes
    return [
        a_look(rng.normal(stable, sd, b).tolist(), rng.normal(tried, sd, c).tolist(), at=n + 1) for n in range(count)
    ]


def policy(metric: str = "latency", **rule: Any) -> PolicySpec:
    return a_policy(guardrails=[{"metric": metric, "margin": {"units": 10}, **rule}]).spec


def judged(
    blocks: Sequence[Block], rules: PolicySpec | None = None, *, folds: Any = None, epoch: int = 2
) -> tuple[tuple[Evidence, ...], Any]:
    rules = rules or policy()
    names = {rule.metric for rule in (*rules.guardrails, *rules.objectives)}
    found = evaluate(
        policy=rules,
        metrics={metric.name: metric for metric in (LATENCY, VALUE)},
        candidates=("next",),
        folds=folds or {},
        observed=Observation(readings={name: Reading(state=ReadState.OK, blocks=tuple(blocks)) for name in names}),
        epoch=epoch,
    )
    return found.evidence, found.folds


def row(blocks: Sequence[Block], rules: PolicySpec | None = None) -> Evidence:
    return judged(blocks, rules)[0][0]


some_values = st.lists(st.floats(-50, 2000, allow_nan=False), max_size=25)
some_looks = st.lists(st.builds(a_look, some_values, some_values, epoch=st.integers(2, 4)), min_size=1, max_size=10)


@pytest.mark.parametrize("margin", [{"units": 10}, {"percent": 20}])
@settings(max_examples=25, deadline=None)
@given(blocks=some_looks, data=st.data())
def test_c6_blocks_of_values_fold_in_any_split_to_the_same_bits(
    margin: dict[str, float], blocks: list[Block], data: st.DataObject
) -> None:
    rules = policy(margin=margin)
    whole, at_once = judged(blocks, rules)
    cut = data.draw(st.integers(0, len(blocks)))
    _, first = judged(blocks[:cut], rules)
    # Through the text of a record, as a controller that was restarted reads it.
    then, both = judged(blocks[cut:], rules, folds=json.loads(json.dumps(first)))
    assert (then, both) == (whole, at_once)


def test_proven_harm_is_told_in_the_metrics_own_unit() -> None:
    found = row(looks(120, 160))
    assert found.state is MetricState.BAD
    assert found.unit == "ms"
    assert found.margin == 10
    assert found.estimate == pytest.approx(40, abs=4)
    assert found.lower is not None and found.upper is not None
    assert found.lower < 40 < found.upper
    assert found.stable.mean == pytest.approx(120, abs=2)
    assert "a mean of 160" in found.summary.replace("159.", "160").replace("160.", "160")
    assert "10 ms worse is accepted" in found.summary
    assert "%" not in found.summary and "points" not in found.summary


def test_harm_within_the_margin_is_ruled_out() -> None:
    assert row(looks(120, 121)).state is MetricState.OK


def test_what_is_better_is_the_metrics_to_say() -> None:
    lower = policy("value", margin={"units": 10})
    assert row(looks(120, 160), lower).state is MetricState.OK
    assert row(looks(160, 120), lower).state is MetricState.BAD


@pytest.mark.parametrize(("tried", "state"), [(126, MetricState.OK), (160, MetricState.BAD)])
def test_a_relative_margin_is_a_part_of_stables_mean(tried: float, state: MetricState) -> None:
    found = row(looks(120, tried), policy(margin={"percent": 20}))
    assert found.state is state
    assert found.margin == pytest.approx(24, abs=0.5)


def test_an_objective_can_be_proven_better() -> None:
    rules = a_policy(guardrails=[], objectives=[{"metric": "value", "goal": "superior"}]).spec
    assert row(looks(120, 135), rules).state is MetricState.OK
    assert row(looks(120, 120), rules).state is MetricState.INCONCLUSIVE


@pytest.mark.parametrize(("limit", "state"), [(150, MetricState.BAD), (250, MetricState.OK)])
def test_a_limit_is_about_the_candidates_own_mean(limit: float, state: MetricState) -> None:
    found = row(looks(200, 200), policy(limit=limit))
    assert found.state is state
    assert ("shown to be past the limit of 150 ms" in found.summary) == (state is MetricState.BAD)


def test_a_limit_of_what_should_be_high_is_a_least_value() -> None:
    assert row(looks(100, 100), policy("value", margin={"units": 10}, limit=150)).state is MetricState.BAD
    assert row(looks(200, 200), policy("value", margin={"units": 10}, limit=150)).state is MetricState.OK


def test_looks_too_small_for_a_variance_wait_for_each_other() -> None:
    one_by_one = [a_look([100.0 + n % 7], [150.0 + n % 5], at=n) for n in range(40 * TICK)]
    found, folds = judged(one_by_one)
    assert found[0].state is MetricState.BAD
    (state,) = folds.values()
    assert state["harm"]["informative"] == 40
    assert state["waiting"] == {}


def test_values_of_different_allocations_never_make_a_tick_together() -> None:
    """A good hour in which the candidate had more requests would look like a good candidate."""
    half = TICK // 2
    apart = [a_look([100.0] * half, [100.0] * half, epoch=epoch) for epoch in (2, 3)]
    (state,) = judged(apart)[1].values()
    assert state["harm"]["ticks"] == 0
    together = [a_look([100.0] * half, [100.0, 101.0] * half, epoch=2) for _ in range(2)]
    (state,) = judged(together)[1].values()
    assert state["harm"]["ticks"] == 1


def test_one_outlier_counts_as_the_bound_of_the_range() -> None:
    plain, wild = looks(120, 120), looks(120, 120)
    wild[20] = a_look([120.0] * 90, [118.0, 122.0] * 14 + [1e9, 120.0], at=21)
    assert row(wild).state is row(plain).state is MetricState.OK


def test_equal_values_prove_nothing() -> None:
    found = row([a_look([100.0] * 50, [100.0] * 50, at=n) for n in range(50)])
    assert found.state is MetricState.INCONCLUSIVE
    assert found.step_trials == 2500


def test_samples_of_a_step_count_from_its_own_exposures() -> None:
    before = [a_look([100.0] * 50, [100.0] * 50, epoch=2)]
    (found,), folds = judged(before, epoch=2)
    assert found.step_trials == 50
    late, fresh = a_look([100.0] * 9, [100.0] * 9, epoch=2), a_look([100.0] * 4, [100.0] * 4, epoch=3)
    (found,), _ = judged([late, fresh], folds=folds, epoch=3)
    assert found.step_trials == 4


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"clip": None}, "a mean needs clip"),
        ({"query": {"log": {"outcome": "x", "threshold": 2.0}}}, "a mean has no threshold"),
        ({"query": {"envoy": {"errors": "5xx"}}}, "a mean cannot be read from envoy"),
        ({"kind": "proportion"}, "unit is for metrics of kind mean"),
        ({"clip": {"low": 5.0, "high": 5.0}}, "high must be above low"),
        ({"clip": {"low": 1e6, "high": 1e6 + 1}}, "the range is too narrow"),
    ],
)
def test_a_mean_that_cannot_be_is_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Metric.model_validate({**LATENCY.model_dump(mode="json", exclude_defaults=True), **given}, strict=False)


# --- what would settle it -------------------------------------------------------------------------------


def told_ahead(blocks: Sequence[Block]) -> tuple[Outlook, Any]:
    (found,), folds = judged(blocks)
    shares = Allocation(shares={"stable": 7500, "next": 2500})
    ahead = outlook(found, policy(), {"latency": LATENCY}, folds, shares)
    assert ahead is not None
    return ahead, folds


def alike(tried: float) -> Block:
    """A look whose values have exactly these means and one spread."""
    return a_look([90.0, 150.0] * 45, [tried - 30, tried + 30] * 15)


@pytest.mark.parametrize(("tried", "settled"), [(121, MetricState.OK), (145, MetricState.BAD)])
def test_the_samples_that_an_outlook_names_settle_a_mean_and_one_look_less_does_not(
    tried: float, settled: MetricState
) -> None:
    few = [alike(tried)] * 4
    ahead, folds = told_ahead(few)
    samples = ahead.to_pass if settled is MetricState.OK else ahead.to_fail
    assert samples is not None
    more = samples // 30
    assert judged([alike(tried)] * more, folds=folds)[0][0].state is settled
    assert judged([alike(tried)] * (more - 1), folds=folds)[0][0].state is MetricState.INCONCLUSIVE


def test_an_outlook_tells_the_mean_that_would_turn_the_verdict_in_its_unit() -> None:
    ahead, _ = told_ahead([alike(121)] * 4)
    assert ahead.turns_at is not None
    assert 130 < ahead.turns_at < 400
    (*_, last) = Told(ahead, None).sentences()
    assert (
        last == f"harm would be proven by a mean of at least {ahead.turns_at:.4g} ms over as many samples again (120)"
    )


# --- what was known before ------------------------------------------------------------------------------

SPENT = Covariate(feature="spent", clip=Clip(high=1000.0))
NARROW = LATENCY.model_copy(update={"spread": 30.0})
ADJUSTED = LATENCY.model_copy(update={"spread": 18.0, "covariate": SPENT})


def known_before(rho: float, count: int = 40) -> list[Block]:
    """Looks at equal arms whose values have this correlation with what was known."""
    rng = np.random.default_rng(8)

    def arm(size: int) -> Counts:
        x = rng.standard_normal(size)
        y = rho * x + math.sqrt(1 - rho * rho) * rng.standard_normal(size)
        found = [ADJUSTED.clip.steps(120 + 30 * one) for one in y.tolist()]  # type: ignore[union-attr]
        known = [SPENT.clip.steps(400 + 100 * one) for one in x.tolist()]
        values = Values(
            total=sum(found),
            squares=sum(one * one for one in found),
            before=sum(known),
            before_squares=sum(one * one for one in known),
            products=sum(one * other for one, other in zip(known, found, strict=True)),
        )
        return Counts(trials=size, values=values)

    return [
        Block(
            start_at=NOW,
            end_at=NOW + timedelta(seconds=n + 1),
            epoch=2,
            arms={"stable": arm(90), "next": arm(30)},
        )
        for n in range(count)
    ]


def width(blocks: Sequence[Block], metric: Metric) -> float:
    found = evaluate(
        policy=policy(),
        metrics={"latency": metric},
        candidates=("next",),
        folds={},
        observed=Observation(readings={"latency": Reading(state=ReadState.OK, blocks=tuple(blocks))}),
        epoch=2,
    ).evidence[0]
    assert found.lower is not None and found.upper is not None
    return found.upper - found.lower


def test_a_covariate_narrows_the_interval_of_a_mean() -> None:
    """Its width goes with the root of the variance, of which .36 is left; the slope is learned on the way."""
    blocks = known_before(0.8)
    without = [
        block.model_copy(
            update={
                "arms": {
                    name: arm.model_copy(
                        update={"values": Values(total=arm.values.total, squares=arm.values.squares)}  # type: ignore[union-attr]
                    )
                    for name, arm in block.arms.items()
                }
            }
        )
        for block in blocks
    ]
    assert width(blocks, ADJUSTED) == pytest.approx(0.6 * width(without, NARROW), rel=0.05)


def test_a_spread_that_is_told_narrows_the_interval_and_a_wrong_one_only_widens_it() -> None:
    blocks = looks(120, 120, sd=10)
    told, guessed = (LATENCY.model_copy(update={"spread": sd}) for sd in (10.0, None))
    tenfold = LATENCY.model_copy(update={"spread": 100.0})
    assert width(blocks, told) < width(blocks, guessed) < width(blocks, tenfold)


def test_a_mean_with_a_covariate_is_judged_by_rules_of_its_own() -> None:
    """Blocks from before it was declared have no covariate, and would bend the slope."""
    keys = {
        key
        for metric in (LATENCY, ADJUSTED)
        for key in evaluate(
            policy=policy(),
            metrics={"latency": metric},
            candidates=("next",),
            folds={},
            observed=Observation(),
            epoch=2,
        ).folds
    }
    assert len(keys) == 2

"""An objective that asks for a least gain: any gain at all is not enough, and chance is bounded at its very edge."""

from __future__ import annotations

from datetime import timedelta
from math import sqrt
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import ValidationError

from releasectl.domain.evidence import Evidence, Verdict
from releasectl.domain.metric import Metric
from releasectl.domain.observation import Block, Counts, Reading, ReadState
from releasectl.domain.policy import Objective
from releasectl.domain.release import STABLE
from releasectl.evaluate.objectives import judge_objective, objective_comparison
from tests.builders import NOW, a_policy

Better = Literal["lower", "higher"]
READ = Reading(state=ReadState.OK)


def an_objective(**at_least: float) -> Objective:
    return Objective.model_validate(
        {"metric": "bought", "goal": "superior", "atLeast": at_least}, by_alias=True, by_name=False
    )


def a_metric(better: Better) -> Metric:
    return Metric.model_validate(
        {"name": "bought", "direction": better, "query": {"log": {"outcome": "bought"}}}, by_alias=True, by_name=False
    )


def judged(
    objective: Objective, stable: float, tried: float, better: Better, *, seed: int = 1, looks: int = 60
) -> Evidence:
    """What 60 looks of 200 requests an arm say."""
    draws = np.random.default_rng(seed)
    blocks = [
        Block(
            start_at=NOW + timedelta(seconds=look),
            end_at=NOW + timedelta(seconds=look + 1),
            epoch=2,
            arms={
                STABLE: Counts(trials=200, events=int(draws.binomial(200, stable))),
                "next": Counts(trials=200, events=int(draws.binomial(200, tried))),
            },
        )
        for look in range(looks)
    ]
    comparison = objective_comparison(a_policy().spec, objective, a_metric(better), "next")
    return judge_objective(comparison, objective, comparison.read(comparison.fold(None, blocks, 2), 2, None), READ)


@pytest.mark.parametrize(
    ("at_least", "stable", "tried", "better", "verdict"),
    [
        pytest.param({"points": 2}, 0.10, 0.115, "higher", Verdict.INCONCLUSIVE, id="a gain that is too small"),
        pytest.param({"points": 2}, 0.10, 0.15, "higher", Verdict.PASS, id="enough points"),
        pytest.param({"percent": 20}, 0.10, 0.115, "higher", Verdict.INCONCLUSIVE, id="too few percent"),
        pytest.param({"percent": 20}, 0.10, 0.15, "higher", Verdict.PASS, id="enough percent"),
        pytest.param({"points": 2}, 0.10, 0.09, "lower", Verdict.INCONCLUSIVE, id="too little less"),
        pytest.param({"points": 2}, 0.10, 0.05, "lower", Verdict.PASS, id="enough less"),
        pytest.param({"percent": 20}, 0.10, 0.09, "lower", Verdict.INCONCLUSIVE, id="too few percent less"),
        pytest.param({"percent": 20}, 0.10, 0.05, "lower", Verdict.PASS, id="enough percent less"),
    ],
)
def test_the_gain_must_be_proven_to_be_as_large_as_asked(
    at_least: dict[str, float], stable: float, tried: float, better: Better, verdict: Verdict
) -> None:
    evidence = judged(an_objective(**at_least), stable, tried, better)
    assert evidence.verdict is verdict, evidence.summary
    assert evidence.margin is not None
    assert evidence.margin < 0
    assert "better than stable by 2" in evidence.summary


def test_any_gain_is_enough_where_no_least_one_is_asked_for() -> None:
    objective = Objective(metric="bought", goal="superior")
    assert judged(objective, 0.10, 0.12, "higher").verdict is Verdict.PASS


@pytest.mark.parametrize(("stable", "tried", "better"), [(0.10, 0.12, "higher"), (0.12, 0.10, "lower")])
def test_at_the_edge_of_the_gain_chance_passes_it_no_more_often_than_alpha(
    stable: float, tried: float, better: Better
) -> None:
    runs, alpha = 200, 0.05
    passed = sum(
        judged(an_objective(points=2), stable, tried, better, seed=seed, looks=40).verdict is Verdict.PASS
        for seed in range(runs)
    )
    assert passed / runs <= alpha + 3 * sqrt(alpha * (1 - alpha) / runs)


def test_it_is_about_gains_only() -> None:
    wrong: dict[str, Any] = {"metric": "bought", "goal": "non-inferior", "atLeast": {"points": 1}}
    with pytest.raises(ValidationError, match="needs goal: superior"):
        Objective.model_validate(wrong, by_alias=True, by_name=False)

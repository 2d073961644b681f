"""A guardrail in groups of users: harm to one is found where the whole does not show it, and the rest has peace."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from pydantic import ValidationError

from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.metric import BUILT_IN
from releasectl.domain.observation import Block, Observation, Reading, ReadState
from releasectl.domain.policy import PolicySpec
from releasectl.evaluate.evaluation import Evaluation, Folds, evaluate
from releasectl.evaluate.guardrails import alphas
from tests.builders import NOW, a_block, a_policy

Looks = Mapping[str, Sequence[Block]]
WELL, ILL = ((2, 200), (1, 100)), ((2, 200), (12, 100))
POORLY = ((2, 200), (6, 100))
"""Proven to be harm after nine looks, with two places."""


def a_spec(by: str = "language", **segments: object) -> PolicySpec:
    asked = {"by": by, "minSamples": 200, "most": 10, **segments}
    return a_policy(guardrails=[{"metric": "error-rate", "margin": {"points": 2}, "segments": asked}]).spec


def looks(*, groups: int = 10, ill: str = "", n: int = 20, small: str = "") -> dict[str, list[Block]]:
    """What is counted of the whole and of each group, look by look; the whole is large and well."""
    found: dict[str, list[Block]] = {"error-rate": []}
    for second in range(n):
        at = NOW + timedelta(seconds=second)
        found["error-rate"].append(a_block((200, 20_000), (110, 10_000), at=at))
        for number in range(groups):
            name = f"g{number}"
            counts = ILL if name == ill else WELL
            if name == small:
                counts = ((0, 20), (3, 9))
            found.setdefault(f"error-rate{{language={name}}}", []).append(a_block(*counts, at=at))
    return found


def evaluated(spec: PolicySpec, counted: Looks, folds: Folds | None = None) -> Evaluation:
    readings = {name: Reading(state=ReadState.OK, blocks=tuple(blocks)) for name, blocks in counted.items()}
    return evaluate(
        policy=spec,
        metrics=BUILT_IN,
        candidates=("next",),
        folds=folds or {},
        observed=Observation(readings=readings),
        epoch=2,
    )


def of_groups(evaluation: Evaluation) -> dict[str, Evidence]:
    return {row.part: row for row in evaluation.evidence if row.role == "segment"}


def test_harm_in_one_group_is_found_where_the_whole_passes() -> None:
    whole, *groups = evaluated(a_spec(), looks(ill="g3")).evidence
    assert whole.state is MetricState.OK
    assert whole.summary.endswith("; judged apart in 10 by language, with harm in 1")
    assert (groups[0].part, groups[0].state) == ("language=g3", MetricState.BAD)
    assert groups[0].summary.startswith("with language=g3 12 % of 2000 against 1 % of 4000, difference +11 points")
    assert "harm beyond the margin is proven there" in groups[0].summary
    assert (len(groups), {row.state for row in groups[1:]} & {MetricState.BAD}) == (3, set())


def test_where_nobody_is_harmed_only_the_worst_few_are_told_and_none_of_them_is_bad() -> None:
    evaluation = evaluated(a_spec(), looks(n=30))
    rows = of_groups(evaluation)
    assert len(rows) == 3
    assert MetricState.BAD not in {row.state for row in rows.values()}
    assert evaluation.evidence[0].summary.endswith("judged apart in 10 by language, with harm in none")


def test_a_group_with_too_few_samples_is_not_judged_however_bad_it_looks() -> None:
    # 9 trials a look: 180 after 20 looks, 207 after 23.
    before, after = (of_groups(evaluated(a_spec(), looks(small="g3", n=n))) for n in (20, 23))
    assert before["language=g3"].state is MetricState.INCONCLUSIVE
    assert after["language=g3"].state is MetricState.BAD


def test_a_group_is_suspected_before_it_has_its_samples_and_says_how_much() -> None:
    whole, row, *others = evaluated(a_spec(), looks(small="g3", n=6)).evidence
    assert (row.part, row.suspicious, row.state) == ("language=g3", True, MetricState.INCONCLUSIVE)
    assert row.log_e is not None
    assert (
        f"too few samples there to be judged, and harm is suspected (e-value {math.exp(row.log_e):.3g})" in row.summary
    )
    assert whole.summary.endswith("with harm in none, harm suspected in 1")
    assert not any(one.suspicious for one in (whole, *others))


def test_where_nobody_is_harmed_nobody_is_suspected_at_any_look() -> None:
    spec, counted = a_spec(), looks(n=30)
    for n in range(1, 31):
        some = {name: blocks[:n] for name, blocks in counted.items()}
        assert not any(row.suspicious for row in evaluated(spec, some).evidence)


def test_a_suspicion_that_the_counts_refute_is_over_whatever_the_peak_was() -> None:
    spec, at = a_spec(most=2), NOW + timedelta(minutes=1)
    counted = [a_block(*POORLY, at=NOW + timedelta(seconds=second)) for second in range(6)]
    first = evaluated(spec, {"error-rate{language=g0}": counted})
    assert of_groups(first)["language=g0"].suspicious
    well = [a_block(*WELL, at=at + timedelta(seconds=second)) for second in range(60)]
    later = of_groups(evaluated(spec, {"error-rate{language=g0}": well}, first.folds))["language=g0"]
    assert (later.suspicious, later.state) == (False, MetricState.OK)


def test_a_group_in_which_harm_was_ruled_out_is_suspected_when_it_turns_bad() -> None:
    spec, at = a_spec(most=2), NOW + timedelta(minutes=1)
    first = evaluated(spec, looks(groups=1, n=30))
    assert of_groups(first)["language=g0"].state is MetricState.OK
    folds, seen = first.folds, []
    for second in range(40):
        ill = [a_block(*ILL, at=at + timedelta(seconds=second))]
        evaluation = evaluated(spec, {"error-rate{language=g0}": ill}, folds)
        folds = evaluation.folds
        seen.append(of_groups(evaluation)["language=g0"])
    states = [(row.state, row.suspicious) for row in seen]
    assert list(dict.fromkeys(states)) == [
        (MetricState.OK, False),
        (MetricState.INCONCLUSIVE, True),
        (MetricState.BAD, False),
    ]


@pytest.mark.parametrize(("suspicion", "suspected"), [(1.001, True), (1e9, False)])
def test_the_policy_says_from_where_on_a_group_is_suspected(suspicion: float, suspected: bool) -> None:
    counted = [a_block(*POORLY, at=NOW + timedelta(seconds=second)) for second in range(4)]
    rows = evaluated(a_spec(suspicion=suspicion), {"error-rate{language=g0}": counted}).evidence
    assert any(row.suspicious for row in rows) is suspected


@pytest.mark.parametrize("suspicion", [1, 0.5, -3])
def test_evidence_for_nothing_is_no_suspicion(suspicion: float) -> None:
    with pytest.raises(ValidationError, match="greater than 1"):
        a_spec(suspicion=suspicion)


def test_only_as_many_groups_are_judged_as_the_policy_names_the_first_to_have_their_samples() -> None:
    counted = looks(groups=6, n=20)
    counted["error-rate{language=late}"] = [a_block(*ILL, at=NOW + timedelta(seconds=20 + n)) for n in range(9)]
    evaluation = evaluated(a_spec(most=6), counted)
    assert "judged apart in 6 by language, with harm in none" in evaluation.evidence[0].summary
    assert "language=late" in of_groups(evaluated(a_spec(most=7), counted))


def test_folding_in_any_split_gives_the_same_bits_whoever_turns_up_first() -> None:
    counted = looks(groups=8, ill="g5", n=12)
    counted["error-rate{language=g0}"] = counted["error-rate{language=g0}"][7:]
    spec = a_spec(most=7)
    at_once = evaluated(spec, counted)
    for size in (1, 5):
        folds: Folds = {}
        for first in range(0, 12, size):
            seen = [NOW + timedelta(seconds=second) for second in range(first, first + size)]
            some = {name: [one for one in blocks if one.end_at in seen] for name, blocks in counted.items()}
            evaluation = evaluated(spec, some, folds)
            folds = evaluation.folds
        assert json.dumps(folds, sort_keys=True) == json.dumps(at_once.folds, sort_keys=True)
        assert evaluation.evidence == at_once.evidence


def test_groups_and_whole_share_the_alpha_of_their_guardrail() -> None:
    spec = a_spec()
    assert alphas(spec) == {"error-rate": pytest.approx(spec.alpha / 2)}
    row = evaluated(spec, looks()).evidence[1]
    # The first rejection among K places needs K / alpha.
    assert row.threshold == pytest.approx(math.log(10 / (spec.alpha / 2)), abs=1e-9)


def test_a_group_without_news_keeps_its_place_and_its_evidence() -> None:
    spec, counted = a_spec(), looks(ill="g3", n=10)
    first = evaluated(spec, counted)
    again = evaluated(spec, {"error-rate": [a_block((2, 200), (1, 100), at=NOW + timedelta(minutes=1))]}, first.folds)
    assert again.evidence[1].state is MetricState.BAD
    assert of_groups(again) == of_groups(first)


def test_parts_by_another_field_are_not_taken_for_groups() -> None:
    evaluation = evaluated(a_spec(by="country"), looks(ill="g3"))
    assert evaluation.evidence[0].summary.endswith("no country has 200 samples in each arm yet")
    assert len(evaluation.evidence) == 1

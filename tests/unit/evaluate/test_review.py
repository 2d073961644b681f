"""Which pairs people are asked about, and that what is made of their labels is unbiased."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import pytest

from releasectl.domain.review import Label, Question, Taken
from releasectl.domain.sampled import AGREES, RANKS, KeptPair, Stratum
from releasectl.evaluate.review import agreements, choose, judged

KINDS = {AGREES: 0.90, "a -> b": 0.07, "b -> a": 0.02, "failed": 0.01}
CANDIDATE_RIGHT = {"a -> b": 0.7, "b -> a": 0.2, "failed": 0.0}
"""Chance that the candidate is right where the two differ; otherwise stable is."""
KEPT = 60


def identify(pair: KeptPair) -> str:
    return hashlib.blake2b(pair.request_id.encode(), digest_size=8).hexdigest()


def traffic(size: int, seed: int) -> tuple[list[KeptPair], list[Stratum]]:
    """Pairs as they are kept of so many requests: of every kind those with the lowest ranks."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(list(KINDS), p=list(KINDS.values()), size=size)
    ranks = rng.integers(0, RANKS, size=size)
    kept, strata = [], []
    for kind in KINDS:
        places = sorted(np.flatnonzero(kinds == kind).tolist(), key=lambda place: ranks[place])
        below = int(ranks[places[KEPT]]) if len(places) > KEPT else RANKS
        strata.append(Stratum("next", kind, "", len(places), below))
        for place in places[:KEPT]:
            kept.append(
                KeptPair(f"{seed}-{place}", "next", kind, "", int(ranks[place]), {"sure": 0.5}, {"sure": place / size})
            )
    return sorted(kept, key=lambda pair: pair.rank), strata


def chosen(
    pairs: Sequence[KeptPair], strata: Sequence[Stratum], count: int = 40, **more: object
) -> tuple[Question, ...]:
    given = {"reviewer": "ana", "overlap": 0.2, "taken": Taken({}), **more}
    return choose(pairs, strata, count=count, identify=identify, **given)  # type: ignore[arg-type]


def test_half_are_drawn_at_random_and_the_others_cover_every_way_to_disagree() -> None:
    questions = chosen(*traffic(5000, 1))
    drawn = [question.drawn for question in questions]
    assert (drawn.count("random"), drawn.count("disagreement")) == (20, 20)
    picked = [question.pair.kind for question in questions if question.drawn == "disagreement"]
    assert {kind: picked.count(kind) for kind in CANDIDATE_RIGHT} == dict.fromkeys(
        CANDIDATE_RIGHT, pytest.approx(7, abs=1)
    )


def test_what_was_drawn_at_random_stands_for_all_pairs() -> None:
    found = [
        question.pair.kind
        for seed in range(200)
        for question in chosen(*traffic(2000, seed), count=20)
        if question.drawn == "random"
    ]
    agreeing = found.count(AGREES) / len(found)
    assert agreeing == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / len(found)))


def test_answers_of_which_the_model_is_least_sure_are_asked_about() -> None:
    pairs, strata = traffic(5000, 2)
    unsure = [question.pair for question in chosen(pairs, strata, uncertain="sure") if question.drawn == "uncertain"]
    others = [pair.tried["sure"] for pair in pairs if pair.rank % 2]
    assert len(unsure) >= 10
    assert max(pair.tried["sure"] for pair in unsure) <= sorted(others)[30]


def test_nobody_is_asked_twice_and_only_the_overlap_goes_to_a_second_person() -> None:
    pairs, strata = traffic(5000, 3)
    first = chosen(pairs, strata, count=500)
    taken = Taken({question.id: frozenset({"ana"}) for question in first})
    assert chosen(pairs, strata, count=500, taken=taken) == ()
    second = chosen(pairs, strata, count=500, taken=taken, reviewer="ben")
    assert len(second) / len(first) == pytest.approx(0.2, abs=4 * math.sqrt(0.16 / len(first)))
    both = Taken({question.id: frozenset({"ana", "ben"}) for question in first})
    assert chosen(pairs, strata, count=500, taken=both, reviewer="eve", overlap=1.0) == ()


def test_the_order_of_questions_and_of_answers_tells_nothing() -> None:
    questions = [question for seed in range(40) for question in chosen(*traffic(2000, seed))]
    assert [question.id for question in questions[:40]] == sorted(question.id for question in questions[:40])
    for drawn in ("random", "disagreement"):
        first = [question.stable_first for question in questions if question.drawn == drawn]
        assert np.mean(first) == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(len(first)))


def labelled(seed: int, count: int = 60) -> tuple[list[Label], list[Stratum]]:
    pairs, strata = traffic(3000, seed)
    rng = np.random.default_rng([seed, 9])
    labels = []
    for question in chosen(pairs, strata, count=count):
        kind = question.pair.kind
        better = rng.random() < CANDIDATE_RIGHT.get(kind, 0)
        right = "both" if kind == AGREES else "tried" if better else "stable"
        labels.append(Label(question.id, "ana", "next", kind, "", question.drawn, right))  # type: ignore[arg-type]
    return labels, strata


def test_the_difference_is_unbiased_and_its_interval_holds_the_truth() -> None:
    truth = sum(KINDS[kind] * (2 * right - 1) for kind, right in CANDIDATE_RIGHT.items())
    found = [judged(*labelled(seed), "next") for seed in range(300)]
    differences = np.array([one.difference for one in found], dtype=float)
    se = differences.std(ddof=1) / math.sqrt(len(differences))
    assert differences.mean() == pytest.approx(truth, abs=3.5 * se)
    covered = np.mean([(one.lower or 0) <= truth <= (one.upper or 0) for one in found])
    assert covered >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / len(found))


def test_labels_of_disagreements_taken_for_traffic_would_be_biased() -> None:
    """Why picked pairs become outcomes under a name of their own."""
    rates = []
    for seed in range(50):
        labels, _ = labelled(seed)
        picked = [label for label in labels if label.drawn == "disagreement"]
        rates.append(np.mean([label.right in ("stable", "both") for label in picked]))
    in_general = KINDS[AGREES] + sum(KINDS[kind] * (1 - right) for kind, right in CANDIDATE_RIGHT.items())
    assert np.mean(rates) < in_general - 0.15
    random = [judged(*labelled(seed), "next").stable_right or 0 for seed in range(50)]
    assert np.mean(random) == pytest.approx(in_general, abs=0.02)


def test_ways_to_disagree_that_nobody_judged_widen_the_limits_by_the_worst_of_them() -> None:
    strata = [Stratum("next", AGREES, "", 90, RANKS), Stratum("next", "a -> b", "", 6, RANKS)]
    strata.append(Stratum("next", "b -> a", "", 4, RANKS))
    labels = [Label(f"{n}", "ana", "next", "a -> b", "", "disagreement", "tried") for n in range(3)]
    found = judged(labels, strata, "next")
    assert (found.difference, found.unjudged) == (pytest.approx(0.06), pytest.approx(0.04))
    assert found.lower is not None
    assert found.lower < 0.06 - 0.04


def test_without_labels_nothing_is_claimed() -> None:
    found = judged([], [Stratum("next", "a -> b", "", 6, RANKS)], "next")
    assert (found.difference, found.stable_right, found.lower) == (None, None, None)


def test_two_people_on_one_pair_count_once_and_their_agreement_is_told() -> None:
    strata = [Stratum("next", "a -> b", "", 10, RANKS)]
    said = [("1", "ana", "tried"), ("1", "ben", "stable"), ("2", "ana", "tried"), ("2", "ben", "tried")]
    labels = [Label(item, who, "next", "a -> b", "", "disagreement", right) for item, who, right in said]  # type: ignore[arg-type]
    assert judged(labels, strata, "next").difference == pytest.approx(0.5)
    ((one, other, kappa),) = agreements(labels)
    assert (one, other, kappa.items, kappa.observed) == ("ana", "ben", 2, 0.5)

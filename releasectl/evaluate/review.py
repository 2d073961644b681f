"""Which pairs to ask people about, and what their answers say of stable and candidate.

What can be learned without bias from a part of the pairs?

- How often each variant is right in general follows from pairs that stand for all of them. One half of all ranks is set
  apart for that: its pairs are asked about in the order of their ranks, whatever their kind, so those that have been
  are at any time a simple random sample. Only their labels become outcomes under the metric's own name.
- Pairs picked because they disagree or are uncertain come from the other half. Their labels are outcomes under a name
  of its own: taken for traffic they would make both variants look as bad as their hardest requests.
- The *difference* between the two needs the disagreements only, because where both gave the same answer it is
  zero. With the part W_h that each stratum h has of all pairs, which is known exactly, the sum of W_h times the mean
  difference among the labels of h is unbiased (``stats.stratified_mean``),
  and by far sharper than a random sample of the same size.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, zip_longest
from typing import Any

from releasectl import stats
from releasectl.domain.review import RIGHTS, Drawn, Label, Question, Taken
from releasectl.domain.sampled import AGREES, KeptPair, Stratum


def choose(
    pairs: Sequence[KeptPair],
    strata: Iterable[Stratum],
    *,
    reviewer: str,
    count: int,
    overlap: float,
    taken: Taken,
    identify: Callable[[KeptPair], str],
    uncertain: str | None = None,
) -> tuple[Question, ...]:
    """At most ``count`` pairs for one person, in an order that tells nothing.

    ``pairs`` come by rank. ``overlap`` is the share of pairs that two people are asked about; of the others a second
    person gets none. ``uncertain`` is the field of an output that tells how sure its model is.
    """
    whole = _whole(strata)
    sets: list[tuple[Drawn, list[KeptPair]]] = [
        ("random", [pair for pair in pairs if _is_set_apart(pair) and pair.rank < whole.get(pair.variant, 0)]),
        ("disagreement", _by_turns([pair for pair in pairs if not _is_set_apart(pair) and pair.kind != AGREES])),
    ]
    if uncertain is not None:
        sets.append(("uncertain", _least_sure([pair for pair in pairs if not _is_set_apart(pair)], uncertain)))
    lines = [
        [Question(item, pair, drawn) for pair in found if _may_ask(item := identify(pair), reviewer, overlap, taken)]
        for drawn, found in sets
    ]
    chosen: dict[str, Question] = {}
    for question in chain.from_iterable(zip_longest(*lines)):
        if question is not None and question.id not in chosen and len(chosen) < count:
            chosen[question.id] = question
    return tuple(chosen[item] for item in sorted(chosen))


@dataclass(frozen=True)
class Judged:
    """What labels say of one candidate. Rates are fractions; limits are for one look, at 95 %."""

    variant: str
    labelled: int
    """Pairs with a label."""
    random: int
    """Those of them that stand for all pairs."""
    stable_right: float | None
    tried_right: float | None
    """Of the pairs that stand for all."""
    difference: float | None
    """How much oftener the candidate is right than stable, from all labels of disagreements, by stratum."""
    se: float | None
    lower: float | None
    upper: float | None
    unjudged: float
    """Part of all pairs that disagree in a way nobody has judged yet; the limits allow for the worst of it."""


def judged(labels: Sequence[Label], strata: Sequence[Stratum], variant: str) -> Judged:
    """The estimates for one candidate. A pair that two people judged counts once, with the mean of what they said."""
    own = [label for label in labels if label.variant == variant]
    random = _mean_by_item(own, "random", lambda label: label.right in ("stable", "both"))
    tried = _mean_by_item(own, "random", lambda label: label.right in ("tried", "both"))
    own_strata = [one for one in strata if one.variant == variant]
    pairs = sum(one.pairs for one in own_strata)
    differing = [one for one in own_strata if one.kind != AGREES]
    weights = [one.pairs / pairs for one in differing]
    samples = [_differences(own, one) for one in differing]
    unjudged = math.fsum(weight for weight, sample in zip(weights, samples, strict=True) if not sample)
    some = any(samples)
    found = stats.stratified_mean(weights=weights, samples=samples)
    return Judged(
        variant=variant,
        labelled=len({label.item for label in own}),
        random=len(random),
        stable_right=math.fsum(random.values()) / len(random) if random else None,
        tried_right=math.fsum(tried.values()) / len(tried) if tried else None,
        difference=found.mean if some else None,
        se=found.se if some else None,
        lower=max(found.lower - unjudged, -1.0) if some else None,
        upper=min(found.upper + unjudged, 1.0) if some else None,
        unjudged=unjudged,
    )


def agreements(labels: Sequence[Label]) -> Iterator[tuple[str, str, Any]]:
    """Cohen's kappa of every two people who judged the same pairs."""
    said: dict[str, dict[str, Label]] = defaultdict(dict)
    for label in labels:
        said[label.reviewer][label.item] = label
    for one, other in combinations(sorted(said), 2):
        shared = sorted(said[one].keys() & said[other].keys())
        if shared:
            table = [[0] * len(RIGHTS) for _ in RIGHTS]
            for item in shared:
                table[RIGHTS.index(said[one][item].right)][RIGHTS.index(said[other][item].right)] += 1
            yield one, other, stats.cohen_kappa(table=table)


# --- choosing -------------------------------------------------------------------------------------------


def _is_set_apart(pair: KeptPair) -> bool:
    """Half of all ranks; which half a pair is in says nothing about it."""
    return pair.rank % 2 == 0


def _whole(strata: Iterable[Stratum]) -> dict[str, int]:
    """Rank below which every pair of a candidate is kept, of whatever kind it is."""
    below: dict[str, int] = {}
    for one in strata:
        below[one.variant] = min(below.get(one.variant, one.below), one.below)
    return below


def _by_turns(pairs: Sequence[KeptPair]) -> list[KeptPair]:
    """One of each stratum, then a second of each: rare ways to disagree are seen as well as common ones."""
    strata: dict[tuple[str, str, str], list[KeptPair]] = defaultdict(list)
    for pair in pairs:
        strata[pair.variant, pair.kind, pair.segment].append(pair)
    turns = zip_longest(*(strata[key] for key in sorted(strata)))
    return [pair for turn in turns for pair in turn if pair is not None]


def _least_sure(pairs: Sequence[KeptPair], field: str) -> list[KeptPair]:
    found = [(sure, pair.rank, pair) for pair in pairs if (sure := _sureness(pair, field)) is not None]
    return [pair for _, _, pair in sorted(found, key=lambda one: one[:2])]


def _sureness(pair: KeptPair, field: str) -> float | None:
    """The smaller of the two; None where neither tells."""
    told = [output.get(field) for output in (pair.stable, pair.tried) if isinstance(output, dict)]
    numbers = [value for value in told if isinstance(value, int | float) and not isinstance(value, bool)]
    return min(numbers) if numbers else None


def _may_ask(item: str, reviewer: str, overlap: float, taken: Taken) -> bool:
    asked = taken.of(item)
    if reviewer in asked:
        return False
    # Another part of the hash than the one that orders the answers.
    shared = int(item[:8], 16) / 2**32 < overlap
    return len(asked) < (2 if shared else 1)


# --- estimating -----------------------------------------------------------------------------------------


def _mean_by_item(labels: Sequence[Label], drawn: Drawn, value: Callable[[Label], bool]) -> dict[str, float]:
    said: dict[str, list[float]] = defaultdict(list)
    for label in labels:
        if label.drawn == drawn:
            said[label.item].append(float(value(label)))
    return {item: math.fsum(values) / len(values) for item, values in said.items()}


def _differences(labels: Sequence[Label], stratum: Stratum) -> list[float]:
    """One for each judged pair of a stratum. Uncertain ones were picked for what they are and stand for nothing."""
    said: dict[str, list[float]] = defaultdict(list)
    for label in labels:
        if (label.kind, label.segment) == (stratum.kind, stratum.segment) and label.drawn != "uncertain":
            said[label.item].append(float(label.difference))
    return [math.fsum(values) / len(values) for _, values in sorted(said.items())]

"""The desk at which people are given pairs to judge, and hand in what they think of them.

It belongs to the controller's process, because the event log has one writer. What it hands out is blind: two answers, A
and B, in an order that a keyed hash has tossed, and what the request was if the log keeps features. It never tells
which variant said what, why a pair was picked, or what somebody else thinks of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.labels import Labels
from releasectl.adapters.metrics.pair_samples import PairSamples
from releasectl.domain.decision import EffectiveState
from releasectl.domain.release import STABLE
from releasectl.domain.review import Question, Right, Taken
from releasectl.domain.sampled import AGREES, ComparedTrial, KeptPair
from releasectl.evaluate.pair_report import pair_report
from releasectl.evaluate.review import agreements, choose, judged
from releasectl.ports import Outcome

TARGETED = "-targeted"
"""Ends the metric's name for pairs that were not drawn at random."""
SHOWN = 3
"""Disagreements that are shown of each kind."""


@dataclass
class ReviewDesk:
    """``state_of`` gives the effective state of a release; None where there is no such release."""

    log: EventLog
    state_of: Callable[[str], EffectiveState | None]
    now: Callable[[], datetime]

    def __post_init__(self) -> None:
        self._samples, self._labels = PairSamples(self.log), Labels(self.log)

    def pairs(self, release: str) -> dict[str, Any] | None:
        """What was compared of the trial under way, with a few disagreements; None where nothing was."""
        trial = self._trial(release)
        if trial is None:
            return None
        strata, sums = self._samples.strata(trial), self._samples.sums(trial)
        return {
            "release": release,
            "candidates": [pair_report(variant, strata, sums) for variant in sorted(trial.tags)],
            "disagreements": list(_some_of_each(self._samples.pairs(trial))),
        }

    def claim(
        self, release: str, *, reviewer: str, items: int, overlap: float, uncertain: str | None
    ) -> dict[str, Any] | None:
        """Questions for one person; those that were put to them and are open come first."""
        trial = self._trial(release)
        if trial is None:
            return None
        kept, strata = self._samples.pairs(trial), self._samples.strata(trial)
        known = {self._identify(trial, pair): pair for pair in kept}
        open_still = [
            Question(item, known[item], drawn)  # type: ignore[arg-type]
            for item, drawn in self._labels.unanswered(release, reviewer).items()
            if item in known
        ][:items]
        fresh = choose(
            kept,
            strata,
            reviewer=reviewer,
            count=items - len(open_still),
            overlap=overlap,
            taken=_with(self._labels.taken(release, self.now()), reviewer, open_still),
            identify=lambda pair: self._identify(trial, pair),
            uncertain=uncertain,
        )
        questions = sorted((*open_still, *fresh), key=lambda one: one.id)
        self._labels.ask(release, reviewer, questions, trial.tags, self.now())
        return {"release": release, "reviewer": reviewer, "items": [_shown(question) for question in questions]}

    def submit(self, release: str, *, reviewer: str, metric: str, said: Mapping[str, str]) -> dict[str, Any]:
        """Keep labels, ``A``, ``B``, ``both`` or ``neither`` by item, and make outcomes of them.

        Items that this person was not asked about are named and not kept. The same word again changes nothing.
        """
        asked = self._labels.asked(release, reviewer, list(said))
        rights = {item: _right(item, said[item]) for item in asked}
        news = {item: right for item, right in rights.items() if asked[item]["said"] != right}
        outcomes = [one for item, right in news.items() for one in self._outcomes(release, metric, asked[item], right)]
        # Outcomes first: labels that are not kept are asked for again, and then say the same.
        self.log.append([], outcomes)
        self._labels.say(release, reviewer, news)
        return {"kept": len(asked), "new": len(news), "unknown": sorted(said.keys() - asked.keys())}

    def summary(self, release: str) -> dict[str, Any] | None:
        """What all labels of the trial say together. No single label is in it."""
        trial = self._trial(release)
        if trial is None:
            return None
        strata = self._samples.strata(trial)
        labels = self._labels.labels(release, trial.tags)
        found = [judged(labels, strata, variant) for variant in sorted(trial.tags)]
        return {
            "release": release,
            "candidates": [
                {
                    "candidate": one.variant,
                    "labelled": one.labelled,
                    "random": one.random,
                    "stableRight": _rounded(one.stable_right),
                    "candidateRight": _rounded(one.tried_right),
                    "difference": _rounded(one.difference),
                    "standardError": _rounded(one.se),
                    "lower": _rounded(one.lower),
                    "upper": _rounded(one.upper),
                    "unjudged": _rounded(one.unjudged),
                }
                for one in found
            ],
            "agreement": [
                {
                    "reviewers": [one, other],
                    "items": kappa.items,
                    "observed": _rounded(kappa.observed),
                    "kappa": _rounded(kappa.kappa),
                    "lower": _rounded(kappa.lower),
                    "upper": _rounded(kappa.upper),
                }
                for one, other, kappa in agreements(labels)
            ],
        }

    def _trial(self, release: str) -> ComparedTrial | None:
        state = self.state_of(release)
        if state is None or state.progress is None:
            return None
        question = self._samples.question(release, first_epoch=state.progress.first_epoch)
        tags = {name: variant.tag for name, variant in state.variants.items() if name != STABLE}
        return ComparedTrial(question, release, state.progress.first_epoch, tags) if question else None

    def _identify(self, trial: ComparedTrial, pair: KeptPair) -> str:
        return self._labels.identify(trial.release, pair.variant, trial.tags[pair.variant], pair.request_id)

    def _outcomes(self, release: str, metric: str, asked: Mapping[str, Any], right: Right) -> list[Outcome]:
        name = metric if asked["drawn"] == "random" else metric + TARGETED
        return [
            Outcome(
                metric=name,
                value=float(right in rights),
                observed_at=self.now(),
                request_id=asked["request_id"],
                release=release,
                source="person",
                variant=variant,
            )
            for variant, rights in ((STABLE, ("stable", "both")), (asked["variant"], ("tried", "both")))
        ]


def _shown(question: Question) -> dict[str, Any]:
    """All that a person is to know."""
    one, other = question.pair.stable, question.pair.tried
    answers = (one, other) if question.stable_first else (other, one)
    return {
        "id": question.id,
        "request": question.pair.features,
        "segment": question.pair.segment,
        "answers": dict(zip("AB", answers, strict=True)),
    }


def _right(item: str, said: str) -> Right:
    """Which variant is meant by A and B: the item's own hash tells, as when it was shown."""
    first: tuple[Right, Right] = ("stable", "tried") if int(item[-1], 16) % 2 == 0 else ("tried", "stable")
    found: Mapping[str, Right] = {"A": first[0], "B": first[1], "both": "both", "neither": "neither"}
    return found[said]


def _with(taken: Taken, reviewer: str, questions: Sequence[Question]) -> Taken:
    """Their own open questions are theirs still, however long ago they were put."""
    own = {question.id: taken.of(question.id) | {reviewer} for question in questions}
    return Taken({**taken.by, **own})


def _some_of_each(kept: Sequence[KeptPair]) -> Any:
    seen: dict[tuple[str, str, str], int] = {}
    for pair in kept:
        stratum = (pair.variant, pair.kind, pair.segment)
        seen[stratum] = seen.get(stratum, 0) + 1
        if pair.kind != AGREES and seen[stratum] <= SHOWN:
            yield {
                "requestId": pair.request_id,
                "candidate": pair.variant,
                "kind": pair.kind,
                "segment": pair.segment,
                "request": pair.features,
                "stable": pair.stable,
                "tried": pair.tried,
            }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 9)

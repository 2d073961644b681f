"""The press desk's policy against its versions' rates: the story ends as told, and in the time it has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pytest

from releasectl.domain.evidence import MetricState
from releasectl.domain.observation import Block, Counts, Observation, Reading, ReadState
from releasectl.evaluate.evaluation import evaluate
from releasectl.evaluate.guardrails import jointly_harmful
from releasectl.manifests.catalog import Catalog
from tests.examples.press_desk import FOLDER, story

START = datetime(2026, 1, 1, tzinfo=UTC)
LOOK_S = 0.5
LABELS_AFTER = 6
"""Looks until a line's label counts."""
REQUESTS_A_LOOK = 65
TRIAL = "candidate"


class Rates(NamedTuple):
    """Of one version, by metric."""

    error: float
    slow: float
    correct: float


LEXICON, ENGLISH_ONLY, NGRAMS = Rates(0, 0.002, 0.76), Rates(0.101, 0.002, 0.589), Rates(0, 0.002, 0.923)


@pytest.mark.simulation
@pytest.mark.parametrize("seed", range(4))
def test_the_bad_candidate_is_taken_back_within_twenty_seconds(seed: int) -> None:
    end, seconds = trial(LEXICON, ENGLISH_ONLY, seed, limit_s=40)
    assert (end, seconds <= 20) == ("ROLLBACK", True)


@pytest.mark.simulation
@pytest.mark.parametrize("seed", range(3))
def test_the_good_candidate_is_promoted_within_forty_seconds(seed: int) -> None:
    end, seconds = trial(LEXICON, NGRAMS, seed, limit_s=60)
    assert (end, seconds <= 40) == ("PROMOTE", True)


@pytest.mark.simulation
def test_a_version_against_itself_is_left_alone() -> None:
    assert trial(NGRAMS, NGRAMS, 1, limit_s=30) == ("", 30)


def trial(stable: Rates, tried: Rates, seed: int, *, limit_s: float) -> tuple[str, float]:
    """How a trial of the example's release ends and after how many seconds; no end within the limit is ``""``."""
    resolved = Catalog.build({path: (FOLDER / path).read_bytes() for path in story.MANIFESTS}).resolve(story.RELEASE)
    policy, stage = resolved.policy.spec, resolved.release.spec.strategy[0]
    step, step_began, folds = 0, 0.0, {}
    shares: list[float] = [stage.steps[0] / 100]
    for look, observed in enumerate(looks(stable, tried, shares, seed), start=1):
        now = look * LOOK_S
        found = evaluate(
            policy=policy, metrics=resolved.metrics, candidates=(TRIAL,), folds=folds, observed=observed, epoch=step
        )
        folds = found.folds
        guards = [row for row in found.evidence if row.role == "guardrail"]
        if any(row.state is MetricState.BAD for row in guards) or jointly_harmful(guards, policy):
            return "ROLLBACK", now
        if now >= limit_s:
            return "", now
        if now - step_began < stage.interval.total_seconds():
            continue
        if any(row.step_trials < policy.min_samples for row in found.evidence):
            continue
        is_last = step == len(stage.steps) - 1
        if any(row.state is not MetricState.OK for row in (found.evidence if is_last else guards)):
            continue
        if is_last:
            return "PROMOTE", now
        step, step_began = step + 1, now
        shares.append(stage.steps[step] / 100)
    raise AssertionError("looks do not end")


def looks(stable: Rates, tried: Rates, shares: list[float], seed: int) -> Iterator[Observation]:
    """What each look sees under the share that is last in ``shares`` when it is taken."""
    chance = np.random.default_rng([2026, seed])
    labels: list[Block] = []
    while True:
        sent = int(chance.poisson(REQUESTS_A_LOOK))
        to_tried = int(chance.binomial(sent, shares[-1]))
        blocks = [
            Block(
                start_at=START,
                end_at=START,
                epoch=len(shares) - 1,
                arms={
                    "stable": counted(chance, sent - to_tried, rate),
                    TRIAL: counted(chance, to_tried, other),
                },
            )
            for rate, other in zip(stable, tried, strict=True)
        ]
        labels.append(blocks[2])
        due = tuple(labels[-LABELS_AFTER - 1 : -LABELS_AFTER])
        ok = ReadState.OK
        yield Observation(
            readings={
                "error-rate": Reading(state=ok, blocks=(blocks[0],)),
                "slow": Reading(state=ok, blocks=(blocks[1],)),
                "correct": Reading(state=ok if len(labels) > LABELS_AFTER else ReadState.NO_DATA, blocks=due),
            }
        )


def counted(chance: np.random.Generator, trials: int, rate: float) -> Counts:
    return Counts(trials=trials, events=int(chance.binomial(trials, rate)))

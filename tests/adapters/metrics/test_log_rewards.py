"""C8: delayed feedback is attributed to the exposure, from the event log to the posterior of a bandit."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.domain.metric import LogQuery, Metric, Queries
from releasectl.domain.observation import Block, Counts
from releasectl.domain.reward import ArmReward
from releasectl.domain.strategy import Bandit
from releasectl.evaluate.rewards import rewards_of
from releasectl.ports import Increment, Outcome, Prediction

START = datetime(2026, 1, 1, tzinfo=UTC)
ARMS = ("stable", "next", "third")
CHANCES = {"stable": 0.2, "next": 0.3, "third": 0.1}
HOURS, A_HOUR = 24, 60
SHARES = [(0.8, 0.1, 0.1), (0.4, 0.5, 0.1), (0.1, 0.8, 0.1)]
"""Weights of epochs 1, 2 and 3; each is in force for a third of the time."""


@dataclass(frozen=True)
class Exposure:
    prediction: Prediction
    outcome: Outcome
    known_at: float
    """Hours after the start at which the outcome arrives."""


def exposures(seed: int) -> list[Exposure]:
    """A day of requests while shares change twice; outcomes are known up to half a day later, in any order."""
    rng, found = random.Random(seed), []
    for number in range(HOURS * A_HOUR):
        hour = number / A_HOUR
        epoch = 1 + int(hour // (HOURS / len(SHARES)))
        arm = rng.choices(ARMS, SHARES[epoch - 1])[0]
        share = SHARES[epoch - 1][ARMS.index(arm)]
        shown = START + timedelta(hours=hour)
        prediction = Prediction(f"r{number}", "shop", arm, shown, allocation_id=epoch, propensity=share)
        seen = shown + timedelta(hours=rng.uniform(0, 6))
        outcome = Outcome("click", float(rng.random() < CHANCES[arm]), seen, request_id=f"r{number}")
        found.append(Exposure(prediction, outcome, hour + rng.uniform(6, 12)))
    return found


async def posterior(
    path: Path, arrivals: Sequence[Sequence[Prediction | Outcome]], metric: Metric
) -> tuple[ArmReward, ...]:
    """What a controller knows once it has looked after each batch of arrivals, and once everything is mature."""
    log = EventLog(path, now=lambda: START)
    rule = rewards_of(Bandit(type="bandit", objective="clicks"), metric, ARMS)
    source, cursors, state = LogSource(log), {}, None
    try:
        for look in range(len(arrivals) + 2):
            now = START + timedelta(hours=look)
            reading = (await source.read([metric], cursors, now))[metric.name]
            cursors = {metric.name: reading.cursor}
            state = rule.fold(state, blocks(reading.increments, now))
            batch = arrivals[look] if look < len(arrivals) else []
            log.append(
                [row for row in batch if isinstance(row, Prediction)],
                [row for row in batch if isinstance(row, Outcome)],
            )
    finally:
        log.close()
    assert state is not None
    return rule.read(state)


def blocks(increments: Sequence[Increment], now: datetime) -> list[Block]:
    epochs: dict[int, dict[str, Counts]] = {}
    for increment in increments:
        assert increment.epoch is not None
        arms = epochs.setdefault(increment.epoch, {})
        arms[increment.variant] = arms.get(increment.variant, Counts()) + increment.counts
    return [Block(start_at=now, end_at=now, epoch=epoch, arms=arms) for epoch, arms in epochs.items()]


def undelayed(found: Sequence[Exposure]) -> tuple[ArmReward, ...]:
    """The posterior of the same exposures and outcomes, counted without a log or a delay."""
    cells: dict[int, dict[str, Counts]] = {}
    for one in found:
        arms = cells.setdefault(one.prediction.allocation_id or 0, {})
        counts = Counts(trials=1, events=int(one.outcome.value))
        arms[one.prediction.variant] = arms.get(one.prediction.variant, Counts()) + counts
    rule = rewards_of(Bandit(type="bandit", objective="clicks"), a_metric(), ARMS)
    made = [Block(start_at=START, end_at=START, epoch=epoch, arms=arms) for epoch, arms in sorted(cells.items())]
    return rule.read(rule.fold(None, made))


def a_metric(**more: Any) -> Metric:
    return Metric(name="clicks", direction="higher", query=Queries(log=LogQuery(outcome="click")), **more)


def by_hour(times: Mapping[int, float], rows: Sequence[Prediction | Outcome]) -> list[list[Prediction | Outcome]]:
    batches: list[list[Prediction | Outcome]] = [[] for _ in range(HOURS + 24)]
    for index, row in enumerate(rows):
        batches[int(times[index])].append(row)
    return batches


@pytest.mark.parametrize("maturity", ["0s", "6h"])
@pytest.mark.parametrize("seed", range(3))
async def test_c8_rewards_delayed_past_changes_of_shares_in_any_order_give_the_undelayed_posterior(
    tmp_path: Path, seed: int, maturity: str
) -> None:
    found = exposures(seed)
    rows = [*(one.prediction for one in found), *(one.outcome for one in found)]
    times = [*(number / A_HOUR for number in range(len(found))), *(one.known_at for one in found)]
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    shuffled = by_hour({new: times[old] for new, old in enumerate(order)}, [rows[old] for old in order])
    span = timedelta(hours=6) if maturity == "6h" else timedelta(0)
    assert await posterior(tmp_path / "events.db", shuffled, a_metric(maturity=span)) == undelayed(found)


async def test_c8_even_an_outcome_that_overtakes_its_exposure_is_credited_to_it(tmp_path: Path) -> None:
    found = exposures(7)
    random.Random(7).shuffle(found)
    backwards = [[one.outcome for one in found], [one.prediction for one in found], []]
    assert await posterior(tmp_path / "events.db", backwards, a_metric()) == undelayed(found)


async def test_the_propensity_of_a_choice_is_kept_with_the_exposure(tmp_path: Path) -> None:
    found = exposures(1)
    log = EventLog(tmp_path / "events.db", now=lambda: START)
    log.append([one.prediction for one in found], [])
    with log.reading() as db:
        kept = db.execute("SELECT variant, allocation_id, propensity FROM prediction ORDER BY id").fetchall()
    log.close()
    assert kept == [(p.variant, p.allocation_id, p.propensity) for p in (one.prediction for one in found)]

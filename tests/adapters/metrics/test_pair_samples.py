"""What is kept of compared pairs: the same ones in whatever order they come, and no more than a bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.pair_samples import KEPT, MOST_SEGMENTS, MOST_STRATA, PairSamples
from releasectl.domain.metric import Metric, PairedQuery, Queries
from releasectl.domain.sampled import RANKS, ComparedTrial, KeptPair, Stratum, Sums
from releasectl.ports import Prediction

AT = datetime(2026, 1, 1, tzinfo=UTC)
TRIAL = ComparedTrial(question="agreement", release="shop", first_epoch=3, tags={"next": "t"})


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.sqlite", keep_features=True, now=lambda: AT)
    yield log
    log.close()


class Kept:
    """The samples of one question, from the beginning."""

    def __init__(self, log: EventLog, **query: Any) -> None:
        self.log = log
        self.samples = PairSamples(log)
        self._metric = Metric(
            name="agreement", direction="higher", query=Queries(paired=PairedQuery(component="app", **query))
        )
        self.update()

    def update(self) -> None:
        self.samples.update([self._metric])

    def answered(self, *pairs: tuple[str, Any, Any], **more: Any) -> None:
        """Log pairs of request, stable's output and the candidate's, and take them in."""
        self.log.append([half for pair in pairs for half in both(*pair, **more)], [])
        self.update()

    @property
    def strata(self) -> tuple[Stratum, ...]:
        return self.samples.strata(TRIAL)

    @property
    def sums(self) -> dict[str, Sums]:
        found = self.samples.sums(TRIAL)
        return {one.measure: one for one in found}

    @property
    def pairs(self) -> tuple[KeptPair, ...]:
        return self.samples.pairs(TRIAL)

    @property
    def kinds(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for one in self.strata:
            found[one.kind] += one.pairs
        return dict(found)


def both(
    request: str, stable: Any, tried: Any, *, times: tuple[float, float] = (10, 12), **more: Any
) -> list[Prediction]:
    fields = {"component": "app", "allocation_id": 3, **more}
    return [
        Prediction(request, "shop", "stable", AT, output=stable, latency_ms=times[0], **fields),
        Prediction(request, "shop", "next", AT, output=tried, latency_ms=times[1], mirrored=True, tag="t", **fields),
    ]


def test_flips_of_labels_are_counted_by_what_became_what(log: EventLog) -> None:
    kept = Kept(log, field="label")
    for number, (one, other) in enumerate([("a", "a"), ("a", "b"), ("a", "b"), ("b", "a"), ("b", None)]):
        kept.answered((str(number), {"label": one}, {"label": other}))
    assert kept.kinds == {"agrees": 1, "a -> b": 2, "b -> a": 1, "b -> null": 1}
    assert {(one.kind, one.stable["label"], one.tried["label"]) for one in kept.pairs if one.kind == "b -> a"} == {
        ("b -> a", "b", "a")
    }


def test_a_failed_candidate_is_a_kind_and_a_failed_stable_is_no_pair(log: EventLog) -> None:
    kept = Kept(log)
    kept.answered(("1", "a", None), ("2", None, "a"))
    assert kept.kinds == {"failed": 1}
    assert (kept.sums["errors"].count, kept.sums["errors"].total, kept.sums["errors"].squares) == (2, 0, 2)


def test_differences_of_numbers_and_of_times_are_summed(log: EventLog) -> None:
    kept = Kept(log, field="score", tolerance=0.01)
    kept.answered(("1", {"score": 0.5}, {"score": 0.75}), times=(10, 30))
    kept.answered(("2", {"score": 0.5}, {"score": 0.25}), times=(10, 5))
    kept.answered(("3", {"score": 0.5}, {"score": 0.5}), times=(10, 10))
    assert kept.kinds == {"higher": 1, "lower": 1, "agrees": 1}
    value, latency = kept.sums["value"], kept.sums["latency"]
    assert (value.count, value.total, value.squares, value.absolute, value.largest) == (3, 0, 0.125, 0.5, 0.25)
    assert (latency.count, latency.total, latency.absolute, latency.largest) == (3, 15, 25, 20)


def test_the_same_pairs_are_kept_whatever_their_order_and_however_often_one_looks(tmp_path: Path) -> None:
    requests = [str(number) for number in range(4 * KEPT)]
    found = []
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first = EventLog(tmp_path / "first" / "events.sqlite")
    key = (tmp_path / "first" / "events.sqlite.key").read_bytes()
    (tmp_path / "second" / "events.sqlite.key").write_bytes(key)
    second = EventLog(tmp_path / "second" / "events.sqlite")
    for log, order, step in ((first, requests, 7), (second, requests[::-1], 300)):
        kept = Kept(log)
        for begin in range(0, len(order), step):
            kept.answered(*((request, "a", "b") for request in order[begin : begin + step]))
            kept = Kept(log)
        assert kept.kinds == {"a -> b": len(requests)}
        found.append([one.request_id for one in kept.pairs])
        log.close()
    assert found[0] == found[1]
    assert len(found[0]) == KEPT


def test_a_full_sample_is_a_fair_one(log: EventLog) -> None:
    kept = Kept(log)
    size = 20 * KEPT
    kept.answered(*((str(number), "a", "b") for number in range(size)))
    (stratum,) = kept.strata
    # The rank that was left out first estimates how many there are: its part of all ranks is about KEPT / size.
    assert stratum.below / RANKS == pytest.approx(KEPT / size, rel=4 / KEPT**0.5)
    places = np.array(sorted(int(one.request_id) for one in kept.pairs)) / size
    assert abs(places.mean() - 0.5) < 4 * (1 / 12 / KEPT) ** 0.5


def test_kinds_and_segments_are_bounded_and_none_is_lost(log: EventLog) -> None:
    kept = Kept(log)
    for number in range(3 * MOST_STRATA):
        kept.answered((f"a{number}", "a", f"b{number}"))
        kept.answered((f"s{number}", "a", "a"), segment={"country": str(number)})
    assert len(kept.strata) <= MOST_STRATA + 2
    assert len({one.segment for one in kept.strata}) <= MOST_SEGMENTS + 1
    assert sum(kept.kinds.values()) == 6 * MOST_STRATA


def test_segments_keep_samples_of_their_own_and_features_where_the_log_has_them(log: EventLog) -> None:
    kept = Kept(log)
    kept.answered(("1", "a", "b"), segment={"country": "es"}, features={"text": "hola"})
    kept.answered(("2", "a", "b"), segment={"country": "en"})
    assert {(one.segment, one.features and one.features["text"]) for one in kept.pairs} == {
        ("country=es", "hola"),
        ("country=en", None),
    }


def test_a_backlog_is_gone_through_in_parts_and_none_of_it_is_lost(log: EventLog) -> None:
    kept = Kept(log)
    kept.samples = PairSamples(log, at_most=7)
    kept.answered(*((str(number), "a", "b") for number in range(30)))
    seen = [sum(kept.kinds.values())]
    for _ in range(12):
        kept.update()
        seen.append(sum(kept.kinds.values()))
    assert 0 < seen[0] < 30
    assert seen == sorted(seen)
    assert seen[-1] == 30


def test_what_was_kept_goes_with_the_events(log: EventLog) -> None:
    kept = Kept(log)
    kept.answered(("1", "a", "b"))
    log.prune(AT + timedelta(seconds=1))
    assert (kept.pairs, kept.strata, kept.sums) == ((), (), {})


def test_pairs_of_another_artifact_or_trial_are_not_shown(log: EventLog) -> None:
    kept = Kept(log)
    kept.answered(("1", "a", "b"))
    assert kept.samples.pairs(replace(TRIAL, first_epoch=4)) == ()
    assert kept.samples.strata(replace(TRIAL, tags={"next": "u"})) == ()

"""Blocks from sources, and what is made of them: counted once, whatever fails or ends in between."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from releasectl.adapters.metrics.memory import MemorySource
from releasectl.adapters.store import SqliteStore
from releasectl.adapters.traffic.memory import MemoryRouter
from releasectl.adapters.workloads.memory import MemoryWorkloads
from releasectl.controller.collect import Collected, Collector
from releasectl.controller.evidence import EvidenceBook
from releasectl.controller.site import Site
from releasectl.decide.inputs import Desired
from releasectl.domain.decision import EffectiveState
from releasectl.domain.metric import BUILT_IN
from releasectl.domain.observation import ReadState
from releasectl.errors import Unavailable
from tests.builders import NOW, a_block, a_desired, a_policy, a_state

KEY = ("shop", "error-rate")
METRICS = {"error-rate": BUILT_IN["error-rate"]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "memory.sqlite")
    yield store
    store.close()


class Failing:
    """A store whose disk is full while told so."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.full = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, *arguments: Any) -> None:
        if self.full:
            raise Unavailable("the disk is full")
        self._store.append(*arguments)


def at(second: float) -> datetime:
    return NOW + timedelta(seconds=second)


def a_collector(store: Any, source: MemorySource) -> Collector:
    return Collector(Site(a_desired().environment, MemoryRouter(), MemoryWorkloads(), [source]), store)


def counted(collected: Collected) -> Mapping[str, tuple[int, int]]:
    """Events and trials by variant."""
    found: dict[str, tuple[int, int]] = {}
    for block in collected.blocks.get(KEY, ()):
        for name, arm in block.arms.items():
            events, trials = found.get(name, (0, 0))
            found[name] = (events + arm.events, trials + arm.trials)
    return found


# --- collecting -----------------------------------------------------------------------------------------


async def test_what_could_not_be_stored_is_counted_once_at_the_next_read(store: SqliteStore) -> None:
    failing, source, state = Failing(store), MemorySource(), a_state()
    collector = a_collector(failing, source)
    await collector.collect(METRICS, {"shop": state}, {}, at(0))
    source.add("error-rate", "shop", "next", 100, 7)
    failing.full = True
    with pytest.raises(Unavailable):
        await collector.collect(METRICS, {"shop": state}, {}, at(1))
    failing.full = False
    assert counted(await collector.collect(METRICS, {"shop": state}, {}, at(2))) == {"next": (7, 100)}
    assert counted(await collector.collect(METRICS, {"shop": state}, {}, at(3))) == {}
    assert [block.arms["next"].trials for block in store.blocks(*KEY)] == [100]


async def test_a_new_collector_goes_on_at_the_stored_cursor(store: SqliteStore) -> None:
    source, state = MemorySource(), a_state()
    await a_collector(store, source).collect(METRICS, {"shop": state}, {}, at(0))
    source.add("error-rate", "shop", "next", 100, 7)
    assert counted(await a_collector(store, source).collect(METRICS, {"shop": state}, {}, at(1))) == {"next": (7, 100)}
    assert counted(await a_collector(store, source).collect(METRICS, {"shop": state}, {}, at(2))) == {}


async def test_only_counts_of_this_trial_are_taken(store: SqliteStore) -> None:
    source, state = MemorySource(), a_state()
    collector = a_collector(store, source)
    await collector.collect(METRICS, {"shop": state}, {}, at(0))
    tag = state.variants["next"].tag
    source.add("error-rate", "shop", "next", 1, 0, tag=tag, epoch=2)
    source.add("error-rate", "shop", "next", 10, 0, tag="0ther000", epoch=2)
    source.add("error-rate", "shop", "next", 100, 0, tag=tag, epoch=1)
    source.add("error-rate", "shop", "gone", 1_000, 0)
    source.add("error-rate", "idle", "stable", 10_000, 0)
    collected = await collector.collect(METRICS, {"shop": state}, {}, at(1))
    assert counted(collected) == {"next": (0, 1)}
    assert set(collected.blocks) == {KEY}


async def test_counts_of_two_allocations_are_two_blocks(store: SqliteStore) -> None:
    source, state = MemorySource(), a_state(seq=3, epoch=3)
    collector = a_collector(store, source)
    await collector.collect(METRICS, {"shop": state}, {}, at(0))
    source.add("error-rate", "shop", "next", 10, 1, epoch=2)
    source.add("error-rate", "shop", "next", 50, 2, epoch=3)
    collected = await collector.collect(METRICS, {"shop": state}, {}, at(1))
    assert [(block.epoch, block.arms["next"].trials) for block in collected.blocks[KEY]] == [(2, 10), (3, 50)]


async def test_a_metric_that_no_provider_answers_is_a_fault(store: SqliteStore) -> None:
    collected = await a_collector(store, MemorySource("log")).collect(METRICS, {"shop": a_state()}, {}, at(0))
    assert collected.state("shop", "error-rate")[0] is ReadState.PROVIDER_ERROR


async def test_parts_are_readings_of_their_own_beside_the_whole(store: SqliteStore) -> None:
    source, state = MemorySource(), a_state()
    collector = a_collector(store, source)
    await collector.collect(METRICS, {"shop": state}, {}, at(0))
    source.add("error-rate", "shop", "next", 100, 7)
    source.add("error-rate", "shop", "next", 40, 5, part="language=es")
    source.add("error-rate", "shop", "next", 60, 2, part="language=en")
    collected = await collector.collect(METRICS, {"shop": state}, {}, at(1))
    assert counted(collected) == {"next": (7, 100)}
    spanish = collected.blocks["shop", "error-rate{language=es}"]
    assert [(block.arms["next"].events, block.arms["next"].trials, block.shares) for block in spanish] == [
        (5, 40, None)
    ]
    assert store.counted("shop") == ("error-rate", "error-rate{language=en}", "error-rate{language=es}")


async def test_parts_are_bounded_and_a_restart_keeps_what_each_began_as(store: SqliteStore) -> None:
    source, state = MemorySource(), a_state()
    collector = a_collector(store, source)
    await collector.collect(METRICS, {"shop": state}, {}, at(0))
    for number in range(60):
        source.add("error-rate", "shop", "next", 1, 0, part=f"user=u{number:02d}")
    source.add("error-rate", "shop", "next", 1, 0, part="user=" + "u" * 100)
    await collector.collect(METRICS, {"shop": state}, {}, at(1))
    collector = a_collector(store, source)
    source.add("error-rate", "shop", "next", 5, 0, part="user=u49")
    source.add("error-rate", "shop", "next", 5, 0, part="user=u59")
    source.add("error-rate", "shop", "next", 5, 0, part="language=es")
    collected = await collector.collect(METRICS, {"shop": state}, {}, at(2))
    assert len(store.counted("shop")) == 52
    trials = {
        name: [block.arms["next"].trials for block in store.blocks("shop", name)]
        for name in ("error-rate{user=u49}", "error-rate{user=other}", "error-rate{language=es}")
    }
    assert trials == {
        "error-rate{user=u49}": [1, 5],
        "error-rate{user=other}": [11, 5],
        "error-rate{language=es}": [5],
    }
    assert collected.state("shop", "error-rate{user=u49}") == (ReadState.OK, "")
    assert "beyond the first 50" in collected.state("shop", "error-rate{user=other}")[1]


# --- the book -------------------------------------------------------------------------------------------


def read(store: SqliteStore, *blocks: Any, state: ReadState = ReadState.OK) -> Collected:
    """A look that yielded these blocks, stored like a collector stores them."""
    store.append("local/envoy", {}, {KEY: blocks})
    return Collected(blocks={KEY: list(blocks)} if blocks else {}, states={"error-rate": (state, "")})


def looks(n: int) -> list[Any]:
    return [a_block((n % 3, 200), (n % 5, 40), at=at(n)) for n in range(1, n + 1)]


def folds_of(book: EvidenceBook, desired: Desired, state: EffectiveState, collected: Collected, now: datetime) -> str:
    return json.dumps(book.look(desired, state, collected, now)[1].folds, sort_keys=True)


def test_a_restart_changes_no_bit_of_the_evidence(store: SqliteStore) -> None:
    desired, state, blocks = a_desired(), a_state(folded_until=at(0)), looks(8)
    book = EvidenceBook(store)
    for number, block in enumerate(blocks[:5], start=1):
        without = folds_of(book, desired, state, read(store, block), at(number))
    for number, block in enumerate(blocks[5:], start=6):
        # A new book each time; what it has just been given is stored already and must not be counted twice.
        without = folds_of(EvidenceBook(store), desired, state, read(store, block), at(number))
    steady = SqliteStore(Path(":memory:"))
    book = EvidenceBook(steady)
    for number, block in enumerate(blocks, start=1):
        expected = folds_of(book, desired, state, read(steady, block), at(number))
    steady.close()
    assert without == expected


def test_parts_come_back_after_a_restart_and_are_kept_out_of_the_sample_ratio(store: SqliteStore) -> None:
    part = "error-rate{language=es}"
    block = a_block((1, 200), (1, 40), at=at(1))
    store.append("local/envoy", {}, {KEY: [block], ("shop", part): [block], ("shop", "gone{language=es}"): [block]})
    state = a_state(folded_until=at(0))
    observed, evaluation = EvidenceBook(store).look(a_desired(), state, read(store), at(2))
    assert observed.readings.keys() == {"error-rate", part}
    assert observed.readings[part].blocks == (block,)
    assert not any(part in key for key in evaluation.folds if key.startswith("sample-ratio/"))


def test_blocks_that_a_recorded_decision_has_folded_are_not_folded_again(store: SqliteStore) -> None:
    for block in looks(4):
        read(store, block)
    # Killed between the push and forgetting: the blocks are still there, the state has them in its folds.
    state = a_state(folded_until=at(2))
    observed, evaluation = EvidenceBook(store).look(a_desired(), state, read(store), at(5))
    assert len(observed.readings["error-rate"].blocks) == 2
    assert evaluation.evidence[0].tried.trials == 80


def test_blocks_of_an_older_trial_are_not_evidence_even_if_the_wall_clock_went_back(store: SqliteStore) -> None:
    read(store, a_block((0, 200), (40, 40), epoch=1, at=at(3_600)))
    state = a_state(folded_until=at(0))
    observed, evaluation = EvidenceBook(store).look(a_desired(), state, read(store), at(1))
    assert observed.readings["error-rate"].blocks == ()
    assert evaluation.evidence[0].tried.trials == 0


def test_under_an_edited_policy_folds_begin_anew_and_keep_no_old_ones(store: SqliteStore) -> None:
    book, state = EvidenceBook(store), a_state(folded_until=at(0))
    strict = a_desired()
    book.look(strict, state, read(store, *looks(3)), at(3))
    _, recorded = book.look(strict, state, read(store), at(4))
    later = state.model_copy(update={"folds": recorded.folds, "folded_until": at(4), "decision": "b" * 16})
    book.settle("shop")
    loose = a_desired(policy=a_policy(guardrails=[{"metric": "error-rate", "margin": {"points": 9}}]))
    _, evaluation = book.look(loose, later, read(store, a_block((1, 200), (1, 40), at=at(5))), at(5))
    assert evaluation.evidence[0].tried.trials == 40
    assert not evaluation.folds.keys() & {key for key in recorded.folds if key.startswith("guardrail/")}


@pytest.mark.parametrize("state", [ReadState.STALE, ReadState.INVALID, ReadState.PROVIDER_ERROR])
def test_c1_time_without_readable_guardrails_adds_up_over_restarts(store: SqliteStore, state: ReadState) -> None:
    desired, trial = a_desired(), a_state()
    book = EvidenceBook(store)
    for second in range(5):
        observed, _ = book.look(desired, trial, read(store, state=state), at(second))
    assert observed.unreadable_seconds == 4
    book = EvidenceBook(store)
    for second in range(100, 103):
        observed, _ = book.look(desired, trial, read(store, state=state), at(second))
    assert observed.unreadable_seconds == 6, "time in which nobody looked has counted, or an outage was forgotten"
    observed, _ = book.look(desired, trial, read(store), at(110))
    assert observed.unreadable_seconds == 6


def test_c12_time_at_a_step_counts_while_it_is_served_and_is_kept_over_a_restart(store: SqliteStore) -> None:
    state, book = a_state(), EvidenceBook(store)
    assert book.served_since(state, served=False, now=at(0)) is None
    for second in range(1, 8):
        book.served_since(state, served=True, now=at(second))
    assert book.served_since(state, served=False, now=at(8)) is None
    assert book.served_since(state, served=True, now=at(100)) == at(94)
    # One hour back, a new process.
    since = EvidenceBook(store).served_since(state, served=True, now=at(-3_600))
    assert since == at(-3_606)
    later = state.model_copy(update={"epoch": 3})
    assert EvidenceBook(store).served_since(later, served=True, now=at(200)) == at(200)

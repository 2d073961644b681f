"""Counting raw samples exactly, whatever the reads they arrive in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasectl.adapters.metrics.counters import InvalidCount, Mark, Restart, Sample, advance, falls, whole


@st.composite
def counted_series(draw: st.DrawFn) -> tuple[list[Sample], int]:
    """Samples of a counter that restarts now and then, and what it really counted after its first sample.

    A restart is drawn so that it shows: the first value after it is below the last one before.
    """
    value = draw(st.integers(0, 50))
    samples, total = [Sample(0.0, float(value))], 0
    for at in range(1, draw(st.integers(1, 30))):
        if value > 0 and draw(st.booleans()):
            value = draw(st.integers(0, value - 1))
            total += value
        else:
            step = draw(st.integers(0, 20))
            value += step
            total += step
        samples.append(Sample(float(at), float(value)))
    return samples, total


def in_reads(samples: list[Sample], cuts: list[int], *, born: bool) -> int:
    """The total when the samples are read in the pieces between the cuts."""
    mark, total = None, 0
    for start, end in zip([0, *cuts], [*cuts, len(samples)], strict=True):
        step = advance(mark, samples[start:end], born=born)
        total += step.increment
        mark = step.mark
    return total


@given(counted_series())
def test_the_total_is_the_true_count_although_the_counter_restarts(series: tuple[list[Sample], int]) -> None:
    samples, truth = series
    assert advance(None, samples).increment == truth
    first = samples[0].value
    assert first is not None
    assert advance(None, samples, born=True).increment == truth + first


@given(counted_series(), st.data())
def test_any_split_into_reads_gives_the_same_total(series: tuple[list[Sample], int], data: st.DataObject) -> None:
    samples, truth = series
    cuts = sorted(data.draw(st.lists(st.integers(0, len(samples)), max_size=5)))
    assert in_reads(samples, cuts, born=False) == truth


@given(counted_series(), st.data())
def test_reads_that_overlap_count_nothing_twice(series: tuple[list[Sample], int], data: st.DataObject) -> None:
    samples, truth = series
    mark, total = None, 0
    for end in [*sorted(data.draw(st.lists(st.integers(0, len(samples)), max_size=5))), len(samples)]:
        again = data.draw(st.permutations(samples[:end]))
        step = advance(mark, again)
        total, mark = total + step.increment, step.mark
    assert total == truth


def test_a_value_that_fell_is_the_count_since_the_restart() -> None:
    assert advance(Mark(0.0, 90), [Sample(1.0, 100.0), Sample(2.0, 3.0), Sample(3.0, 5.0)]).increment == 15


def test_a_restart_is_counted_once_although_it_lies_between_two_reads() -> None:
    first = advance(Mark(0.0, 90), [Sample(1.0, 100.0)])
    assert advance(first.mark, [Sample(1.0, 100.0), Sample(2.0, 3.0)]).increment == 3


def test_across_a_restart_of_its_process_a_counter_has_grown_from_nothing_even_to_more_than_before() -> None:
    restarts = [Restart(1.0, 2.0)]
    assert advance(Mark(1.0, 4), [Sample(3.0, 4.0), Sample(4.0, 6.0)], restarts=restarts).increment == 6
    assert advance(Mark(1.5, 4), [Sample(3.0, 4.0)], restarts=restarts).increment == 0


def test_falls_are_told_by_the_samples_around_them() -> None:
    samples = [Sample(1.0, 9.0), Sample(2.0, 1.0), Sample(3.0, math.nan), Sample(4.0, None), Sample(5.0, 0.0)]
    assert list(falls(Mark(1.0, 9), samples)) == [Restart(1.0, 2.0), Restart(2.0, 5.0)]


def test_a_stale_marker_neither_counts_nor_resets() -> None:
    assert advance(Mark(0.0, 5), [Sample(1.0, None), Sample(2.0, 7.0)]) == (2, Mark(2.0, 7))


def test_the_first_sample_counts_nothing_unless_the_series_was_born_while_watched() -> None:
    assert advance(None, [Sample(1.0, 7.0)]).increment == 0
    assert advance(None, [Sample(1.0, 7.0)], born=True).increment == 7


def test_samples_after_the_horizon_are_left_for_the_next_read() -> None:
    samples = [Sample(1.0, 1.0), Sample(2.0, 2.0), Sample(3.0, 3.0)]
    first = advance(Mark(0.0, 0), samples, until=2.0)
    assert first == (2, Mark(2.0, 2))
    assert advance(first.mark, samples).increment == 1


def test_no_samples_leave_the_mark_where_it_is() -> None:
    assert advance(None, []) == (0, None)
    assert advance(Mark(1.0, 4), []) == (0, Mark(1.0, 4))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, 0.5, 1.0 + 1e-8, 2.0**60])
def test_what_is_no_count_is_refused_and_never_rounded(value: float) -> None:
    with pytest.raises(InvalidCount):
        advance(Mark(0.0, 0), [Sample(1.0, value)])


def test_the_way_floats_are_written_is_forgiven() -> None:
    assert whole(3.0000000001) == 3
    assert whole(-0.0) == 0

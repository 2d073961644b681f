"""The fast parser reads what Prometheus' own parser reads."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from releasectl.adapters.metrics.exposition import parse

TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")) | st.sampled_from('\\"\n{},= '), max_size=12)
VALUES = st.floats(allow_nan=False) | st.integers(0, 2**53).map(float)


@given(st.lists(st.tuples(TEXTS, TEXTS, VALUES), max_size=6, unique_by=lambda row: row[:2]))
def test_labels_and_values_are_those_of_the_reference_parser(rows: list[tuple[str, str, float]]) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("wanted", "help", ["a", "b"], registry=registry)
    Gauge("other", "help", registry=registry).set(3)
    for a, b, value in rows:
        gauge.labels(a, b).set(value)
    text = generate_latest(registry).decode()
    reference = [
        (sample.name, dict(sample.labels), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "wanted"
    ]
    assert [tuple(line) for line in parse(text, {"wanted": ()})] == reference


@pytest.mark.parametrize(
    ("line", "value"),
    [("wanted 5", 5.0), ("wanted{} 5", 5.0), ("wanted 5 1700000000000", 5.0), ("wanted +Inf", math.inf)],
)
def test_lines_without_labels_or_with_a_time_are_read(line: str, value: float) -> None:
    [read] = parse(line + "\n", {"wanted": ()})
    assert (read.labels, read.value) == ({}, value)


def test_only_samples_with_a_wanted_label_are_read() -> None:
    text = 'wanted{le="5",a="b"} 1\nwanted{le="50",a="b"} 2\nwanted{a="b",le="+Inf"} 3\n'
    assert [line.value for line in parse(text, {"wanted": ('le="5"', 'le="+Inf"')})] == [1, 3]


def test_a_value_that_is_no_number_is_not_a_number_and_no_zero() -> None:
    [read] = parse('wanted{a="b"} many\n', {"wanted": ()})
    assert math.isnan(read.value)

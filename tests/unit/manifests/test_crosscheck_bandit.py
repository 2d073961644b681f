"""Rules about bandit stages: they earn what is proven, their promises fit, costs are complete."""

from __future__ import annotations

import pytest

from tests.unit.manifests.test_crosscheck import RELEASE, found

CANARY = "{type: canary, steps: [1, 5, 25, 50], interval: 1m}"


def problems(fields: str) -> list[tuple[str, str, str]]:
    return found(RELEASE, CANARY, f"{{type: bandit, {fields}}}")


@pytest.mark.parametrize(
    "fields",
    [
        "objective: slow",
        "objective: slow, explore: 50, floor: 1",
        "objective: slow, floor: 10, control: 90",
        "objective: slow, cost: {price: 2, perRequest: {stable: 0, tiny-bert: 0.01}}",
    ],
)
def test_a_stage_that_fits_is_accepted(fields: str) -> None:
    assert problems(fields) == []


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ("objective: wrong-answers", "objective", "unknown-name"),
        ("objective: slo", "objective", "unknown-name"),
        ("objective: slow, explore: 51", "explore", "out-of-range"),
        ("objective: slow, floor: 11, control: 90", "floor", "out-of-range"),
        ("objective: slow, minShift: 11", "minShift", "out-of-range"),
        ("objective: slow, cost: {price: 2, perRequest: {stable: 0}}", "cost.perRequest", "missing-cost"),
        (
            "objective: slow, cost: {price: 2, perRequest: {stable: 0, tiny-bert: 1, tiny: 1}}",
            "cost.perRequest.tiny",
            "unknown-name",
        ),
    ],
)
def test_what_does_not_fit_is_an_error_at_its_field(fields: str, path: str, code: str) -> None:
    assert (f"spec.strategy[0].{path}", code, "error") in problems(fields)

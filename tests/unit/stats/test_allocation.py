"""Allocations add to 10,000, respect floors after normalising, and are never all zero."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from releasectl import stats


@st.composite
def asked(draw: st.DrawFn) -> dict[str, Any]:
    arms = draw(st.integers(1, 20))
    each = st.lists(st.integers(0, 10_000), min_size=arms, max_size=arms)
    floor = draw(st.integers(0, 10_000 // arms))
    parts = draw(each.filter(lambda p: sum(p) > 0))
    vetoed = draw(st.sets(st.integers(0, arms - 1)))
    return {
        "p_best": draw(st.lists(st.floats(0, 1), min_size=arms, max_size=arms)),
        "floors": floor,
        "caps": draw(st.integers(floor, 10_000)),
        "present": draw(st.none() | st.just(list(stats.largest_remainder(parts)))),
        "step": draw(st.none() | st.integers(0, 10_000)),
        "vetoed": sorted(vetoed),
        "fallback": draw(st.integers(0, arms - 1)),
    }


@given(asked())
@settings(max_examples=400, deadline=None)
def test_every_limit_holds_or_is_reported(ask: dict[str, Any]) -> None:
    found = stats.allocate(**ask)
    points, arms = found.basis_points, len(ask["p_best"])
    live = [i for i in range(arms) if i not in ask["vetoed"]]
    assert sum(points) == 10_000
    assert all(isinstance(p, int) and p >= 0 for p in points)
    if not live:
        assert points[ask["fallback"]] == 10_000
        return
    assert all(points[i] == 0 for i in ask["vetoed"])
    assert all(points[i] >= ask["floors"] for i in live)
    if "cap" not in found.relaxed:
        assert all(points[i] <= ask["caps"] for i in live)
    if ask["step"] is not None and ask["present"] is not None and not found.relaxed:
        for i in live:
            now, limit = ask["present"][i], ask["step"]
            assert points[i] <= max(now + limit, ask["floors"])
            assert points[i] >= min(now - limit, ask["caps"])


@given(asked(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_relabelling_arms_relabels_the_shares(ask: dict[str, Any], random: Any) -> None:
    arms = len(ask["p_best"])
    assume(len(ask["vetoed"]) < arms)
    order = list(range(arms))
    random.shuffle(order)
    names = [f"arm-{i:02d}" for i in range(arms)]
    mirrored = {
        **ask,
        "p_best": [ask["p_best"][i] for i in order],
        "present": None if ask["present"] is None else [ask["present"][i] for i in order],
        "vetoed": [order.index(i) for i in ask["vetoed"]],
        "names": [names[i] for i in order],
    }
    straight = stats.allocate(**ask, names=names).basis_points
    assert stats.allocate(**mirrored).basis_points == tuple(straight[i] for i in order)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20).filter(lambda s: sum(s) > 1e-3))
def test_largest_remainder_stays_within_a_point(shares: list[float]) -> None:
    points = stats.largest_remainder(shares)
    assert sum(points) == 10_000
    for p, s in zip(points, shares, strict=True):
        assert abs(p - 10_000 * s / sum(shares)) < 1.001


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param({"p_best": [0.7, 0.2, 0.1]}, (7000, 2000, 1000), id="no limits: the chances themselves"),
        pytest.param(
            {"p_best": [0.7, 0.2, 0.1], "floors": 200}, (6780, 2080, 1140), id="a floor is mixed in, f + (1 - K f) p"
        ),
        pytest.param({"p_best": [1, 0, 0], "floors": 100}, (9800, 100, 100), id="a hopeless arm keeps its floor"),
        pytest.param({"p_best": [0, 0, 0]}, (3334, 3333, 3333), id="no weights are equal weights"),
        pytest.param(
            {"p_best": [0.9, 0.1], "present": [5000, 5000], "step": 1000}, (6000, 4000), id="a step is not exceeded"
        ),
        pytest.param({"p_best": [0.9, 0.1], "caps": 8000}, (8000, 2000), id="what a cap takes goes to the others"),
        pytest.param(
            {"p_best": [0.9, 0.1], "present": [9000, 1000], "step": 500, "vetoed": [0]},
            (0, 10_000),
            id="a veto is not slowed by the step limit",
        ),
        pytest.param({"p_best": [0.4, 0.6], "vetoed": [0, 1], "fallback": 0}, (10_000, 0), id="all vetoed: fallback"),
    ],
)
def test_examples(ask: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert stats.allocate(**ask).basis_points == expected


def test_ties_in_rounding_go_by_name() -> None:
    assert stats.largest_remainder([1, 1, 1], names=["c", "a", "b"]) == (3333, 3334, 3333)


def test_the_step_grows_only_as_far_as_it_must() -> None:
    found = stats.allocate(p_best=[1, 0, 0], present=[4000, 3000, 3000], step=1000, vetoed=[2])
    assert found.relaxed == ("step",)
    assert found.basis_points == (5500, 4500, 0)


@pytest.mark.parametrize(
    "ask",
    [
        {"p_best": [0.5, 0.5], "floors": 5001},
        {"p_best": [0.5, float("nan")]},
        {"p_best": [0.5, -0.1]},
        {"p_best": [0.5, 0.5], "floors": 300, "caps": 200},
        {"p_best": [0.5, 0.5], "floors": [1, 2, 3]},
    ],
)
def test_what_cannot_be_meant_is_refused(ask: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"floor|weights|limit"):
        stats.allocate(**ask)

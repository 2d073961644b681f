"""One place for a unit in every language; shares move only what they must."""

import json
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl import stats

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "assignment.json").read_text(encoding="utf-8"))
SHARES = st.lists(st.integers(0, 100), min_size=3, max_size=3).filter(lambda s: sum(s) > 0).map(
    lambda s: dict(zip("abc", stats.largest_remainder(s), strict=True))
)  # fmt: skip

JAVASCRIPT = """
const { createHmac } = require("crypto");
const place = (key, salt, unit) => parseInt(createHmac("sha256", key)
  .update(salt + "\\0" + unit).digest("hex").slice(0, 12), 16) / 2 ** 48;
const units = Array.from({ length: 10000 }, (_, i) => "unit-" + i + (i % 7 ? "" : "-\u00e9\u4e16"));
console.log(JSON.stringify(units.map(u => place("a key", "a salt", u))));
"""


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["unit"] or "empty")
def test_published_places(case: dict[str, str]) -> None:
    place = stats.place(key=bytes.fromhex(case["key_hex"]), salt=case["salt"], unit=case["unit"])
    assert int(place * 2**48) == int(case["first_48_bits_hex"], 16)
    assert stats.bucket(key=bytes.fromhex(case["key_hex"]), salt=case["salt"], unit=case["unit"]) == case["bucket"]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_javascript_agrees_on_ten_thousand_units() -> None:
    answer = subprocess.run(["node", "-e", JAVASCRIPT], capture_output=True, check=True, encoding="utf-8")
    units = ["unit-" + str(i) + ("" if i % 7 else "-\u00e9\u4e16") for i in range(10_000)]
    ours = [stats.place(key=b"a key", salt="a salt", unit=unit) for unit in units]
    assert json.loads(answer.stdout) == ours


def test_units_spread_evenly() -> None:
    counts = [0] * 20
    for i in range(20_000):
        counts[stats.bucket(key=b"k", salt="s", unit=str(i), buckets=20)] += 1
    assert stats.chi2_homogeneity(table=[counts, [1000] * 20]).p_value > 1e-3


def test_another_salt_shuffles_anew() -> None:
    same = sum(
        stats.bucket(key=b"k", salt="one", unit=str(i), buckets=2)
        == stats.bucket(key=b"k", salt="two", unit=str(i), buckets=2)
        for i in range(4000)
    )
    assert abs(same - 2000) < 4 * 32


@given(st.lists(SHARES, min_size=2, max_size=6))
@settings(max_examples=100, deadline=None)
def test_moving_shares_reassigns_only_the_difference(series: list[dict[str, int]]) -> None:
    layout = stats.arrange(series[0])
    for before, after in pairwise(series):
        moved_to = stats.rearrange(layout, after)
        assert moved_to.shares() == {arm: points for arm, points in after.items() if points}
        places = [(i + 0.5) / 10_000 for i in range(0, 10_000, 7)]
        for place in places:
            old, new = layout.arm_at(place), moved_to.arm_at(place)
            assert old == new or (after[old] < before[old] and after[new] > before[new])
        layout = moved_to


def test_a_growing_candidate_only_gains_units() -> None:
    layout = stats.arrange({"candidate": 100, "baseline": 9900})
    had: set[int] = set()
    for share in (500, 1000, 2500, 5000, 10_000):
        layout = stats.rearrange(layout, {"candidate": share, "baseline": 10_000 - share})
        has = {i for i in range(10_000) if layout.arm_at(i / 10_000) == "candidate"}
        assert had <= has
        assert len(has) == share
        had = has


def test_what_was_given_last_is_given_up_first() -> None:
    first = stats.arrange({"a": 1000, "b": 9000})
    grown = stats.rearrange(first, {"a": 4000, "b": 6000})
    assert stats.rearrange(grown, {"a": 1000, "b": 9000}).arm_at(0.05) == "a"


@pytest.mark.parametrize("shares", [{"a": 9999}, {"a": 10_001, "b": -1}])
def test_shares_must_add_up(shares: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="add to 10000"):
        stats.arrange(shares)


def test_outside_the_line_is_nobody() -> None:
    with pytest.raises(ValueError, match="outside"):
        stats.arrange({"a": 10_000}).arm_at(1.0)

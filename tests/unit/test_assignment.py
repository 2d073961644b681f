"""``releasectl.assign``: proportional, sticky, the same in every process and language."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import releasectl
from releasectl import stats
from releasectl.assignment import FORMAT, AssignmentError, AssignmentExpired
from releasectl.decide.assignments import first_assignment, reassigned
from releasectl.domain.assignment import Assignment
from tests.units import assigned_by_javascript, some_units

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOBODY = first_assignment("shop", "d0", "sha256:intent")
THREE_ARMS = ({"stable": 9_000, "a": 1_000}, {"stable": 7_000, "a": 2_000, "b": 1_000}, {"stable": 5_000, "b": 5_000})


def documented(assignment: Assignment, expires: datetime = NOW + timedelta(hours=1)) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "release": "shop",
        "salt": "shop",
        "key": assignment.key,
        "expires": expires.isoformat().replace("+00:00", "Z"),
        "segments": [
            {"start": one.start, "end": one.end, "variant": one.variant} for one in reversed(assignment.in_order)
        ],
    }


def after(*moves: Mapping[str, int]) -> Assignment:
    assignment = NOBODY
    for shares in moves:
        assignment = reassigned(assignment, shares)
    return assignment


def assign(unit: str, document: Mapping[str, Any]) -> str:
    answer: str = releasectl.assign(unit, document, now=NOW)
    return answer


def test_a_unit_is_where_its_published_place_is() -> None:
    assignment = after(*THREE_ARMS)
    layout = stats.Layout(tuple(stats.Range(one.start, one.end, one.variant) for one in assignment.segments))
    key = bytes.fromhex(assignment.key)
    for unit in some_units(2_000):
        assert assign(unit, documented(assignment)) == layout.arm_at(stats.place(key=key, salt="shop", unit=unit))


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_javascript_agrees_on_ten_thousand_units() -> None:
    units, document = some_units(10_000), documented(after(*THREE_ARMS))
    assert assigned_by_javascript(units, document, NOW.timestamp()) == [assign(unit, document) for unit in units]


def test_moving_shares_among_three_moves_the_difference_only() -> None:
    units = some_units(3_000)
    layouts = [documented(after(*THREE_ARMS[:count])) for count in (1, 2, 3)]
    for (before, old), (now, new) in pairwise(zip(layouts, THREE_ARMS, strict=True)):
        for unit in units:
            was, is_now = assign(unit, before), assign(unit, now)
            assert was == is_now or (new.get(was, 0) < old.get(was, 0) and new.get(is_now, 0) > old.get(is_now, 0)), (
                "a unit moves only from what shrinks to what grows"
            )


def test_every_trial_has_a_key_of_its_own_and_shares_keep_it() -> None:
    keys = {first_assignment("shop", decision, "i").key for decision in ("d0", "d1")} | {NOBODY.key}
    assert len(keys) == 3
    assert after(*THREE_ARMS).key == NOBODY.key


@pytest.mark.parametrize("expires", [NOW, NOW - timedelta(days=9)])
def test_an_expired_document_is_refused(expires: datetime) -> None:
    with pytest.raises(AssignmentExpired, match=r"assignment of shop expired at 202\d"):
        assign("user-1", documented(NOBODY, expires))


def test_what_is_no_document_is_refused() -> None:
    with pytest.raises(AssignmentError, match="not an assignment"):
        assign("user-1", {"format": "something else"})


def test_nobody_is_no_unit() -> None:
    with pytest.raises(ValueError, match="not empty"):
        assign("", documented(NOBODY))


def test_it_needs_the_standard_library_only() -> None:
    program = (
        "import releasectl, sys; releasectl.assign; "
        "print([m for m in sys.modules if m.split('.')[0] in ('pydantic', 'numpy', 'scipy', 'yaml')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


def test_its_file_works_alone(tmp_path: Path) -> None:
    copy = tmp_path / "assignment.py"
    copy.write_text(Path(releasectl.assign.__code__.co_filename).read_text())
    program = "import sys; sys.path[:1] = [sys.argv[1]]; import assignment; print(assignment.FORMAT)"
    command = [sys.executable, "-I", "-S", "-c", program, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip() == FORMAT


@pytest.mark.slow
def test_c9_a_million_units_fit_the_shares_stick_over_processes_and_a_candidate_only_gains() -> None:
    shares = [{"stable": 9_900, "next": 100}, {"stable": 7_000, "next": 3_000}, {"stable": 5_000, "next": 5_000}]
    moves = [shares[: count + 1] for count in range(len(shares))]
    documents = [documented(after(*so_far)) for so_far in moves]
    on_trial: list[bytearray] = [bytearray(1_000_000) for _ in documents]
    for number, (document, wanted) in enumerate(zip(documents, shares, strict=True)):
        counts: Counter[str] = Counter()
        for unit in range(1_000_000):
            variant = assign(str(unit), document)
            counts[variant] += 1
            on_trial[number][unit] = variant == "next"
        expected = {arm: points * 100 for arm, points in wanted.items()}
        fit = sum((counts[arm] - due) ** 2 / due for arm, due in expected.items())
        # Chi-square with one degree of freedom: beyond 10.83 once in a thousand.
        assert fit < 10.83
    for before, now in pairwise(on_trial):
        assert not any(was and not is_now for was, is_now in zip(before, now, strict=True))
    assert _in_another_process(documents[-1], seed="1") == _in_another_process(documents[-1], seed="2")
    assert _in_another_process(documents[-1], seed="1") == bytes(on_trial[-1][:100_000])


def _in_another_process(document: Mapping[str, Any], seed: str) -> bytes:
    program = (
        "import datetime, json, releasectl, sys; document = json.load(sys.stdin); "
        "now = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc); "
        "sys.stdout.buffer.write(bytes(releasectl.assign(str(u), document, now=now) == 'next' for u in range(100000)))"
    )
    env = {**os.environ, "PYTHONHASHSEED": seed}
    question = json.dumps(document).encode()
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, env=env, input=question, capture_output=True, check=True).stdout

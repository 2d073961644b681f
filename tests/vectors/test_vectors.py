"""Every reference value, one test each; and the runner's own promises."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vectors import __main__ as runner
from tests.vectors import recipes
from tests.vectors.check import Outcome, cases_in, check

DATA = Path(__file__).parent / "data"
CASES = [(path.stem, case) for path in sorted(DATA.glob("*.json")) for case in cases_in(json.loads(path.read_text()))]
SIMULATED = [case for _, case in CASES if "se" in case]


@pytest.mark.parametrize("case", [pytest.param(c, id=f"{f}:{c['id']}") for f, c in CASES if "se" not in c])
def test_agrees_with_the_published_value(case: dict[str, Any]) -> None:
    result = check(case)
    assert result.outcome is Outcome.PASSED, result.details


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("case", [pytest.param(c, id=c["id"]) for c in SIMULATED])
def test_agrees_with_the_simulated_value(case: dict[str, Any]) -> None:
    result = check(case)
    assert result.outcome is Outcome.PASSED, result.details


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x_i=((7919*i) mod 101)/100, i=1..n", [0.41, 0.82, 0.22]),
        ("x_i=((7919 i) mod 101)/100,i=1..3", [0.41, 0.82, 0.22]),
        ("y_i=((104729 i) mod 97)/90+.05,i=1..2", [66 / 90 + 0.05, 35 / 90 + 0.05]),
        ("x_i=(((7919*i) mod 101)/100)^2", [0.41**2, 0.82**2, 0.22**2]),
        ("x_i = 2i, i=0..n-1", [0, 2, 4]),
        ("x_i = 2i for i in 0..n-1", [0, 2, 4]),
        ("x_i = 2*i, i = 1, ..., n", [2, 4, 6]),
    ],
)
def test_recipes_are_understood(text: str, expected: list[float]) -> None:
    assert recipes.expand(text, {"n": 3}) == pytest.approx(expected, abs=1e-15)


def test_a_recipe_cannot_call_into_python() -> None:
    with pytest.raises(ValueError, match="cannot evaluate"):
        recipes.expand("x_i=__import__(i), i=1..2", {})


def test_the_value_of_an_equation_is_its_right_side() -> None:
    assert recipes.right_hand_side("sigma_x^2+sigma_y^2=0.05") == 0.05


def _run(tmp_path: Path, *cases: dict[str, Any]) -> int:
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"cases": list(cases)}))
    return runner.main([str(path)])


GOOD = {"id": "good", "fn": "psi", "args": {"expected": [1, 1], "actual": [1, 1]}, "expect": 0.0, "rtol": 1e-9}


def test_all_passing_exits_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, GOOD) == 0
    assert "1 passed, 0 failed, 0 unknown" in capsys.readouterr().out


def test_a_wrong_value_exits_1_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, GOOD, {**GOOD, "id": "bad", "expect": 0.5}) == 1
    assert "1 passed, 1 failed, 0 unknown\nfailed: bad" in capsys.readouterr().out


def test_an_unknown_function_is_not_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, GOOD, {**GOOD, "id": "new", "fn": "no_such_function"}) == 1
    assert "1 passed, 0 failed, 1 unknown\nunknown: new" in capsys.readouterr().out


def test_a_raising_function_is_a_failure(tmp_path: Path) -> None:
    assert _run(tmp_path, {**GOOD, "args": {"expected": [-1], "actual": [1]}}) == 1


@pytest.mark.parametrize("name", ["__class__", "import_module", "two_by_two"])
def test_what_the_package_does_not_publish_is_unknown(name: str) -> None:
    assert check({**GOOD, "fn": name}).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("text", ["{", "{}", "[7]", '{"cases": 7}', "7"])
def test_a_file_that_makes_no_sense_fails_and_the_others_are_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    broken, good = tmp_path / "broken.json", tmp_path / "good.json"
    broken.write_text(text)
    good.write_text(json.dumps([GOOD]))
    assert runner.main([str(broken), str(tmp_path / "missing.json"), str(good)]) == 1
    assert "1 passed, 2 failed, 0 unknown" in capsys.readouterr().out


def test_no_cases_at_all_is_not_a_pass(tmp_path: Path) -> None:
    assert _run(tmp_path) == 1

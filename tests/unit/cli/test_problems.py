"""Problems as a table: the caret stands under what the problem is about."""

from __future__ import annotations

import pytest

from releasectl.cli.problems import as_table
from releasectl.errors import Problem


@pytest.mark.parametrize("column", [1, 5, 159, 160, 161, 240, 399, 400])
def test_the_caret_stands_under_the_column_of_a_line_of_any_length(column: int) -> None:
    line = "a" * (column - 1) + "X" + "b" * (400 - column)
    problem = Problem("releases/desk.yaml", 3, column, "spec", "is wrong")
    _, shown, caret = as_table([problem], lambda file, number: line).split("\n")
    assert shown[caret.index("^")] == "X"
    assert len(shown) < 180


def test_without_a_line_there_is_no_excerpt() -> None:
    problem = Problem("releases/desk.yaml", 0, 0, "", "is binary, not text")
    assert as_table([problem], lambda file, number: None) == "releases/desk.yaml: is binary, not text"

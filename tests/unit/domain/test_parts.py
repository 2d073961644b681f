"""Names of parts: any text comes back as it went in, and nothing but a part is taken for one."""

from __future__ import annotations

import pytest

from releasectl.domain.parts import Part, lumped, part_name, split_name


@pytest.mark.parametrize("value", ["es", "", "a=b", "}", "{language=es}", "pt, BR", "Ω\n"])
def test_any_value_comes_back(value: str) -> None:
    part = Part("language", value)
    assert Part.parse(str(part)) == part
    assert split_name(part_name("wrong-answers", part)) == ("wrong-answers", part)


def test_the_name_of_a_whole_metric_is_no_part() -> None:
    assert split_name("wrong-answers") == ("wrong-answers", None)


@pytest.mark.parametrize("text", ["", "es", "=es"])
def test_what_names_no_dimension_is_no_part(text: str) -> None:
    with pytest.raises(ValueError, match="dimension=value"):
        Part.parse(text)


def test_only_the_rest_is_said_to_hold_several_values() -> None:
    assert lumped(Part("language", "es")) == ""
    assert lumped(Part("language", "other")) == "with every language beyond the first 50 values"

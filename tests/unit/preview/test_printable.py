"""What a stranger calls a file is shown to people and to their programs, and their terminals obey none of it."""

from __future__ import annotations

import json

import pytest

from releasectl.cli.commands.plan import json_text
from releasectl.preview.markdown import as_markdown
from releasectl.preview.printable import printable
from releasectl.preview.text import as_text
from tests.unit.preview.states import BASE, RELEASE, planned

COMMANDS = {
    "clears the screen": "\x1b[2J",
    "sets the title": "\x1b]0;mine\x07",
    "one byte for two": "\x9b31m",
    "goes back": "\rok",
    "a line of its own": "\nPlan: nothing.",
    "turns the reading round": "\u202e",
    "no text at all": "\udcff",
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_file_name_cannot_command_a_terminal(command: str) -> None:
    new, wrong = f"releases/new{command}.yaml", f"releases/wrong{command}.yaml"
    named = RELEASE.replace("name: shop", "name: other")
    found = planned(BASE, {**BASE, new: named, wrong: "apiVersion: releasectl.dev/v1alpha1\nkind: Release\n"})
    assert (found.releases[0].path, {one.file for one in found.problems}) == (new, {wrong})
    for shown in (as_text(found), as_markdown(found)):
        lines = shown.split("\n")
        assert all(line.isprintable() for line in lines)
        assert any("new" in line for line in lines)
        assert lines.count("Plan: nothing.") == 0
    printed = json_text(found)
    assert all(line.isprintable() for line in printed.split("\n"))
    assert json.loads(printed)["releases"][0]["path"] == new


def test_what_can_be_printed_stays_as_it_is() -> None:
    assert printable("café 3 ± 1 % 🚀") == "café 3 ± 1 % 🚀"
    assert printable("a\x1b[31mb\u202ec") == "a\\x1b[31mb\\u202ec"

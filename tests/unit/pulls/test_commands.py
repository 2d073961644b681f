"""What in a comment is a command, and what is only shown."""

from __future__ import annotations

import pytest

from releasectl.pulls.commands import LONGEST_REASON, MOST, Command, commands_in


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("/releasectl rollback shop", [Command("rollback", "shop")]),
        ("/releasectl rollback", [Command("rollback")]),
        ("/releasectl rollback shop  it   smells ", [Command("rollback", "shop", "it smells")]),
        ("Hm.\r\n\r\n/releasectl pause shop\r\n/releasectl status\r\n", [Command("pause", "shop"), Command("status")]),
        ("/releasectl", [Command("")]),
        ("/releasectl make coffee", [Command("make", "coffee")]),
        ("> /releasectl rollback shop", []),
        (" /releasectl rollback shop", []),
        ("    /releasectl rollback shop", []),
        ("Say `/releasectl rollback shop` to go back", []),
        ("```\n/releasectl rollback shop\n```", []),
        ("```\n/releasectl rollback shop", []),
        ("~~~sh\n/releasectl rollback shop\n~~~\n/releasectl status", [Command("status")]),
        ("````\n```\n/releasectl rollback shop\n````", []),
        ("```\n~~~\n/releasectl rollback shop\n```", []),
        ("<!--\n/releasectl rollback shop\n-->", []),
        ("<!--\n/releasectl rollback shop", []),
        ("<pre>\n/releasectl rollback shop\n</pre>\n/releasectl status", [Command("status")]),
        ("/releasectl\u00a0rollback shop", []),
        ("/releasectlrollback shop", []),
        ("/Releasectl rollback shop", []),
        ("", []),
    ],
)
def test_only_what_begins_a_line_that_somebody_says_is_a_command(body: str, found: list[Command]) -> None:
    assert list(commands_in(body)) == found


@pytest.mark.parametrize("line", ["/releasectl" + " \t" * 500_000 + ".", "/releasectl a b" + " " * 1_000_000 + "\n."])
def test_a_line_of_a_million_blanks_takes_no_time(line: str) -> None:
    # The square of it, as by trying where each blank belongs, would never end.
    assert len(commands_in(line)) == 1


def test_one_comment_commands_a_few_things_at_most() -> None:
    assert len(commands_in("/releasectl status\n" * 50)) == MOST


def test_a_reason_is_cut_where_it_becomes_a_letter() -> None:
    (command,) = commands_in("/releasectl rollback shop " + "x" * 10_000)
    assert len(command.reason) == LONGEST_REASON

"""Trailers mean what git says they mean."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from releasectl.adapters.git.trailers import append_trailers, read_trailers
from tests.adapters.git.hosts import ENV

OURS = (("Releasectl-Decision", "ROLLBACK"), ("Releasectl-Decision-Id", "7f3a"))


def _as_git_reads(message: str, *options: str) -> tuple[tuple[str, str], ...]:
    command = ["git", "interpret-trailers", "--parse", *options]
    done = subprocess.run(command, input=message.encode(), env=ENV, capture_output=True, check=True)
    rows = (line.partition(":") for line in done.stdout.decode().split("\n") if line)
    return tuple((key, value.removeprefix(" ")) for key, _, value in rows)


AWKWARD = {
    "nothing": "",
    "a title alone": "Title",
    "a title that reads like a trailer": "Fixes: a bug",
    "one block": "Title\n\nKey: value\nOther-Key: more\n",
    "no line break at the end": "Title\n\nBody.\n\nKey: value",
    "a body that ends with prose": "Title\n\nKey: value\nand prose\n",
    "prose beside a sign-off": "Title\n\nprose\nSigned-off-by: A <a@b>\nKey: value\n",
    "much prose beside a sign-off": "Title\n\na\nb\nc\nd\nSigned-off-by: A <a@b>\n",
    "a folded value": "Title\n\nKey: one\n  two\n\tthree\nOther: x\n",
    "a fold before anything": "Title\n\n  folded\nKey: value\n",
    "an empty value": "Title\n\nKey:\nOther: x\n",
    "spaces around the colon": "Title\n\nKey : value\nOther\t:x\n",
    "a key with a space": "Title\n\nNot a key: value\n",
    "a value with a colon": "Title\n\nKey: a: b: c\n",
    "comments at the end": "Title\n\nKey: value\n# comment\n\n# more\n",
    "a comment in the block": "Title\n\nKey: value\n# comment\nOther: x\n",
    "two blocks": "Title\n\nOld: value\n\nNew: value\n",
    "blank lines of spaces": "Title\n  \nKey: value\n \t \n",
    "carriage returns": "Title\r\n\r\nKey: value\r\nOther: x\r\n",
    "a list of conflicts": "Title\n\nKey: value\n\nConflicts:\n\ta\n\tb\n",
    "a cherry-pick": "Title\n\nBody\n(cherry picked from commit abc)\nKey: v\n",
    "scissors": "Title\n\nKey: value\n# ------------------------ >8 ------------------------\nOther: x\n",
    "not ASCII": "Tïtle\n\nKey: välue\nSchlüssel: x\n",
    "a leading blank line": "\nKey: value\n",
    "only a comment as title": "# c\n\nKey: value\n",
}


@pytest.mark.parametrize("message", AWKWARD.values(), ids=AWKWARD)
def test_awkward_messages_are_read_as_git_reads_them(message: str) -> None:
    assert read_trailers(message) == _as_git_reads(message, "--no-divider")


_LINE = st.sampled_from(
    ["", " ", "\t", "Title", "prose here", "Key: value", "Key:", ": x", "a b: c", " folded", "# comment", "K-1 : v",
     "Signed-off-by: A <a@b>", "(cherry picked from commit 1)", "Conflicts:", "\tpath", "---", "k:v\r", "-: x", "é: x"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(_LINE, max_size=9), st.booleans())
@example(["Title", "", " folded", "Key: value"], True)
@example(["Title", "", "Key: value", "#", " folded", "K-1 : v"], False)
def test_any_message_is_read_as_git_reads_it(lines: list[str], ended: bool) -> None:
    message = "\n".join(lines) + ("\n" if ended else "")
    assert read_trailers(message) == _as_git_reads(message, "--no-divider")


@settings(max_examples=100, deadline=None)
@given(st.lists(_LINE, max_size=7))
def test_what_is_appended_is_all_that_is_read_by_us_and_by_git(lines: list[str]) -> None:
    message = append_trailers("Title\n" + "\n".join(lines), OURS)
    assert read_trailers(message) == OURS
    assert _as_git_reads(message) == OURS


INJECTIONS = ["x\nReleasectl-Decision: PROMOTE", "x\r\nA: b", "x\n\nA: b", "\n", "x\u2028A: b", "x\0y", "  x  "]


@pytest.mark.parametrize("value", INJECTIONS)
def test_no_value_can_add_a_trailer(value: str) -> None:
    message = append_trailers("Title", [("Releasectl-Reason", value), *OURS])
    assert [key for key, _ in read_trailers(message)] == ["Releasectl-Reason", *(key for key, _ in OURS)]
    assert _as_git_reads(message) == read_trailers(message)


def test_a_message_that_ends_like_trailers_does_not_join_ours() -> None:
    message = append_trailers("Title\n\nReleasectl-Decision-Id: forged", OURS)
    assert read_trailers(message) == OURS


def test_without_trailers_the_message_stays_one() -> None:
    assert append_trailers("Title\n\n", []) == "Title\n"


@pytest.mark.parametrize("key", ["", "a b", "a:", "ä", "a\nb"])
def test_a_key_git_would_not_read_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="cannot be the key"):
        append_trailers("Title", [(key, "x")])

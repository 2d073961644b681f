"""The README says what the program is: tables follow the code, manifests are valid, commands exist.

``GOLDEN_WRITE=1`` writes the tables anew; the diff is reviewed.
"""

from __future__ import annotations

import ast
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from releasectl import decide
from releasectl.api.cloudevents import read_body
from releasectl.api.events import read_events
from releasectl.cli.main import COMMANDS, GROUPS
from releasectl.domain import reasons
from releasectl.domain.reasons import Reason
from releasectl.manifests.catalog import Catalog

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"^\|.+\|$", re.MULTILINE)


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(README.read_text()) if kind == language]


def reason_meanings() -> dict[str, str]:
    """Docstrings of the enum's members, which Python does not keep at run time."""
    tree = ast.parse(Path(reasons.__file__).read_text())
    enum = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    found = {}
    for member, docstring in zip(enum.body, enum.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(docstring, ast.Expr):
            found[ast.literal_eval(member.value)] = " ".join(str(ast.literal_eval(docstring.value)).split())
    return found


def commands_table() -> str:
    rows = [f"| `{name}` | {COMMANDS[name][1]} |" for names in GROUPS.values() for name in names]
    return "\n".join(["| command | does |", "|---|---|", *rows])


def reasons_table() -> str:
    rows = [f"| {name} | {meaning} |" for name, meaning in reason_meanings().items()]
    return "\n".join(["| reason | means |", "|---|---|", *rows])


def test_every_reason_says_what_it_means() -> None:
    assert set(reason_meanings()) == {reason.value for reason in Reason}


def test_every_command_is_in_a_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(COMMANDS)


@pytest.mark.parametrize(("name", "table"), [("commands", commands_table), ("reasons", reasons_table)])
def test_its_tables_follow_the_code(name: str, table: object) -> None:
    section = re.compile(rf"(<!-- {name} -->\n)(.*?)(<!-- /{name} -->)", re.DOTALL)
    text = README.read_text()
    wanted = f"{table()}\n"  # type: ignore[operator]
    if os.environ.get("GOLDEN_WRITE"):
        README.write_text(section.sub(lambda found: found[1] + wanted + found[3], text))
        return
    found = section.search(text)
    assert found is not None
    assert found[2] == wanted, "GOLDEN_WRITE=1 writes the table anew"


def test_its_table_of_edits_by_people_is_that_of_the_code() -> None:
    section = README.read_text().partition("### Edits by people in the middle of a release")[2].partition("\n#")[0]
    assert TABLE.findall(section) == TABLE.findall(decide.__doc__ or "")


def test_its_manifests_are_valid_together() -> None:
    files = {}
    for text in blocks("yaml"):
        path = re.match(r"# (\S+\.yaml)\n", text)
        assert path, f"a manifest names its file in the first line: {text[:60]}"
        files[path[1]] = text.encode()
    catalog = Catalog.build(files)
    assert catalog.problems() == ()
    for release in catalog.releases:
        catalog.resolve(release)


def test_its_release_is_short() -> None:
    release = next(text for text in blocks("yaml") if "kind: Release" in text)
    assert len(release.splitlines()) - 1 <= 15


def test_its_event_is_accepted() -> None:
    (event,) = (text for text in blocks("json"))
    read = read_events(read_body({"content-type": "application/cloudevents+json"}, event.encode()), datetime.now(UTC))
    assert [outcome.metric for outcome in read.outcomes] == ["bought"]


def test_it_has_exactly_the_two_commands_that_ci_runs() -> None:
    demo, tests = blocks("sh")
    assert demo.rstrip().endswith("releasectl demo")
    assert tests.rstrip().endswith("-m pytest -n auto")


def test_the_commands_it_mentions_exist() -> None:
    mentioned = set(re.findall(r"releasectl ([a-z]+)\b", README.read_text()))
    assert mentioned <= set(COMMANDS)

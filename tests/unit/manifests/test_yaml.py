"""The strict loader: one reading of a text, and a place for every complaint."""

from __future__ import annotations

import pytest

from releasectl.manifests import yaml
from releasectl.manifests.nodes import Node, descend, to_data
from releasectl.manifests.yaml import MAX_BYTES, MAX_DEPTH, MAX_NODES, Parsed, parse


def read(text: str) -> object:
    parsed = parse("f", text.encode())
    assert parsed.stopped is None
    assert [document.problems for document in parsed.documents] == [()]
    return to_data(parsed.documents[0].root)


def complaints(parsed: Parsed) -> list[tuple[int, int, str]]:
    found = [problem for document in parsed.documents for problem in document.problems]
    found += [parsed.stopped] if parsed.stopped and parsed.stopped not in found else []
    return [(problem.line, problem.column, problem.code) for problem in found]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("1:30", "1:30"),
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("1.10", 1.1),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("2026-11-24", "2026-11-24"),
        ("~", None),
        ("", None),
        ("null", None),
        ("'010'", "010"),
        ('"1.0"', "1.0"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
    ],
)
def test_plain_scalars_follow_the_yaml_1_2_core_schema(text: str, value: object) -> None:
    found = read(f"a: {text}\n")
    assert found == {"a": value}
    assert type(found["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: 1\na: 2\n", [(2, 1, "duplicate-key")], id="the second of two equal keys"),
        pytest.param("{a: 1, 'a': 2}\n", [(1, 8, "duplicate-key")], id="equal keys in different quotes"),
        pytest.param("a: &x 1\n", [(1, 4, "anchor")], id="an anchor"),
        pytest.param("a: &x 1\nb: *x\n", [(1, 4, "anchor"), (2, 4, "alias")], id="an alias"),
        pytest.param("a:\n  <<: {b: 1}\n", [(2, 3, "merge-key")], id="a merge key"),
        pytest.param("a: !!str 1\n", [(1, 4, "tag")], id="a tag of YAML"),
        pytest.param("a: !python/object:os.system {}\n", [(1, 4, "tag")], id="a tag of Python"),
        pytest.param("%TAG ! tag:x,2000:\n---\na: 1\n", [(1, 1, "tag")], id="a TAG directive"),
        pytest.param("%YAML 1.1\n---\na: 1\n", [(1, 1, "yaml-version")], id="another YAML version"),
        pytest.param("? a\n: 1\n", [(1, 3, "explicit-key")], id="an explicit key"),
        pytest.param("1: a\n", [(1, 1, "key")], id="a number as a key"),
        pytest.param("[a]: b\n", [(1, 1, "key")], id="a list as a key"),
        pytest.param("a: {? : b}\n", [(1, 7, "key")], id="an empty key"),
        pytest.param("a: .inf\n", [(1, 4, "not-finite")], id="infinity"),
        pytest.param("a: .nan\n", [(1, 4, "not-finite")], id="not a number"),
        pytest.param("a: 1e999\n", [(1, 4, "not-finite")], id="a number beyond floats"),
        pytest.param(f"a: {'9' * 5000}\n", [(1, 4, "not-finite")], id="a number of 5,000 digits"),
        pytest.param("a:\n\t- b\n", [(2, 1, "syntax")], id="a tab as indentation"),
        pytest.param("a: b: c\n", [(1, 5, "syntax")], id="two values on a line"),
        pytest.param('a: "b\n', [(1, 4, "syntax")], id="an open quote, where it opens"),
        pytest.param("a: [1, 2\nb: 3\n", [(2, 2, "syntax")], id="an open bracket"),
        pytest.param("[" * 500, [(1, MAX_DEPTH + 1, "too-deep")], id="deep nesting in flow style"),
        pytest.param("[" * 5000, [(1, MAX_DEPTH + 1, "too-deep")], id="nesting too deep for the parser to look ahead"),
        pytest.param(
            "a: 1\n---\nb: " + "[" * 5000, [(3, MAX_DEPTH + 3, "too-deep")], id="the same in a later document"
        ),
        pytest.param("- " * 200 + "a", [(1, 2 * MAX_DEPTH + 1, "too-deep")], id="deep nesting in block style"),
        pytest.param("a: \u2028\n", [(1, 4, "not-text")], id="a Unicode line separator"),
        pytest.param("a: \x07\n", [(1, 4, "not-text")], id="a control character"),
        pytest.param("a: 1\rb: 2\r", [(1, 5, "not-text")], id="carriage returns alone"),
    ],
)
def test_what_could_mean_other_than_it_seems_is_refused_at_its_place(
    text: str, expected: list[tuple[int, int, str]]
) -> None:
    assert complaints(parse("f", text.encode())) == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"a: b\0c", "is binary, not text", id="a NUL byte"),
        pytest.param("a: b".encode("utf-16"), "is binary, not text", id="UTF-16"),
        pytest.param(b"\x7fELF\x02\x01\x00\x00", "is binary, not text", id="a program"),
        pytest.param(b"a: 1\nb: \xe9\n", "byte 0xe9 is not UTF-8 text", id="Latin-1"),
        pytest.param(b"a" * (MAX_BYTES + 1), "is 1.0 MB; a manifest may have 1 MB", id="a file over the cap"),
    ],
)
def test_bytes_that_are_no_text_say_so(data: bytes, message: str) -> None:
    stopped = parse("f", data).stopped
    assert stopped is not None
    assert stopped.message == message


def test_the_number_of_values_is_bounded() -> None:
    stopped = parse("f", b"[" + b"1," * MAX_NODES + b"]").stopped
    assert stopped is not None
    assert stopped.code == "too-large"


def test_a_bomb_of_aliases_stays_small() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    parsed = parse("f", "\n".join(lines).encode())
    assert {code for _, _, code in complaints(parsed)} == {"anchor", "alias"}
    assert len(str(to_data(parsed.documents[0].root))) < 2000


def at(parsed: Parsed, *steps: str | int) -> Node:
    node = descend(parsed.documents[0].root, *steps)
    assert node is not None
    return node


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_places_count_characters_whatever_the_line_ends_and_byte_order_mark(newline: str, mark: str) -> None:
    parsed = parse("f", (mark + newline.join(["é: 1", "b:", "  - {c: 😀, d: x}", ""])).encode())
    assert to_data(parsed.documents[0].root) == {"é": 1, "b": [{"c": "😀", "d": "x"}]}
    node = at(parsed, "b", 0, "d")
    assert (node.line, node.column) == (3, 15)
    assert parsed.text[node.start : node.end] == "x"


def test_documents_are_read_apart_and_empty_ones_left_out() -> None:
    parsed = parse("f", b"---\na: &x 1\n---\n---\n# nothing\n---\nb: 2\n...\n")
    assert [to_data(document.root) for document in parsed.documents] == [{"a": 1}, {"b": 2}]
    assert [len(document.problems) for document in parsed.documents] == [1, 0]


@pytest.mark.parametrize("text", ["a: {b: [1, x, 'y'], c: |\n    z\n}\n", "a:\n- b: 1\n  c: é\n- 2\n", "a: b: c\n"])
def test_without_libyaml_the_reading_is_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = parse("f", text.encode())
    monkeypatch.setattr(yaml.yaml, "__with_libyaml__", False)
    slow = parse("f", text.encode())
    assert [to_data(d.root) for d in slow.documents] == [to_data(d.root) for d in fast.documents]
    assert (slow.stopped is None) == (fast.stopped is None)

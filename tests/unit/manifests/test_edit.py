"""Promotion and rollback touch the lines they must, whatever the layout."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl.domain.decision import Edit
from releasectl.errors import ManifestError
from releasectl.manifests.edit import apply, drop, promote
from releasectl.manifests.load import load_file
from tests.unit.manifests.layouts import COMPONENTS, NEW, OLD, Layout, layouts
from tests.unit.manifests.texts import FULL, MINIMAL


def significant(text: str) -> list[str]:
    """Lines that are not blank: where blank lines would meet, one run goes with the entry."""
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip()]


def spec(data: bytes) -> object:
    documents = load_file("releases/desk.yaml", data).documents
    assert [document.problems for document in documents] == [()]
    return documents[0].value.spec


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_dropping_a_candidate_takes_its_lines_and_no_others(layout: Layout) -> None:
    before = layout.render(0)
    after = drop(before.encode(), "desk", (layout.target,))
    assert significant(after.decode()) == significant(layout.render(1))
    assert [candidate.name for candidate in spec(after).candidates] == [
        c.name for c in spec(before.encode()).candidates if c.name != layout.target
    ]


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_promoting_a_candidate_changes_the_versions_it_overrides_and_nothing_else(layout: Layout) -> None:
    before = layout.render(0)
    after = promote(before.encode(), "desk", layout.target)
    assert significant(after.decode()) == significant(layout.render(2))
    assert spec(after).stable == {name: (NEW if name in layout.overrides else OLD)[name] for name in COMPONENTS}


@given(layouts())
def test_an_edit_adds_no_line_and_keeps_blank_lines_that_do_not_touch_the_entry(layout: Layout) -> None:
    before = layout.render(0)
    after = promote(before.encode(), "desk", layout.target).decode()
    changes = difflib.SequenceMatcher(None, before.split("\n"), after.split("\n"), autojunk=False).get_opcodes()
    assert all(kind in ("equal", "delete", "replace") for kind, *_ in changes)
    assert after.startswith("\ufeff") == before.startswith("\ufeff")
    assert after.count("\r\n") == (after.count("\n") if layout.newline == "\r\n" else 0)


def changed(old: str, new: bytes) -> list[str]:
    lines = difflib.ndiff(old.splitlines(), new.decode().splitlines())
    return [line for line in lines if line[0] in "+-"]


def test_a_promotions_diff_is_the_version_and_the_candidate() -> None:
    assert changed(FULL, promote(FULL.encode(), "press", "tiny-bert")) == [
        '-   stable: {language-id: "1.0", sentiment: "1.4"}',
        '+   stable: {language-id: "1.0", sentiment: "2.0"}',
        "-   candidates:",
        "-     - name: tiny-bert",
        '-       versions: {sentiment: "2.0"}',
    ]


def test_a_rollbacks_diff_is_the_candidate() -> None:
    assert changed(MINIMAL, drop(MINIMAL.encode(), "desk", ("tiny",))) == [
        '-   candidates: [{name: tiny, versions: {sentiment: "2.0"}}]'
    ]


VERSIONS = [
    ("v1", "2.0", '"2.0"', "a number is quoted"),
    ("v1", "on", '"on"', "what YAML 1.1 takes for a truth value is quoted"),
    ("v1", "1_0", '"1_0"', "what YAML 1.1 takes for a number is quoted"),
    ("v1", "2026-11-24", '"2026-11-24"', "what YAML 1.1 takes for a date is quoted"),
    ("v1", "v2", "v2", "a word stays unquoted"),
    ("'1.0'", "2.0", "'2.0'", "single quotes stay"),
    ('"1.0"', "v2", '"v2"', "double quotes stay"),
]


@pytest.mark.parametrize(("old", "new", "expected", "_why"), VERSIONS, ids=[case[3] for case in VERSIONS])
def test_a_new_version_keeps_the_quotes_where_they_allow_it(old: str, new: str, expected: str, _why: str) -> None:
    text = MINIMAL.replace('stable: {sentiment: "1.0"}', f"stable: {{sentiment: {old}}}").replace('"2.0"', f'"{new}"')
    after = promote(text.encode(), "desk", "tiny")
    assert f"  stable: {{sentiment: {expected}}}\n" in after.decode()


@pytest.mark.parametrize(
    "header", ["|-", ">-", "|-  # folded for no reason"], ids=["literal", "folded", "with a comment"]
)
def test_a_block_scalar_becomes_a_quoted_one(header: str) -> None:
    text = MINIMAL.replace('stable: {sentiment: "1.0"}', f"stable:\n    sentiment: {header}\n      1.0\n\n    # end")
    after = promote(text.encode(), "desk", "tiny").decode()
    assert '  stable:\n    sentiment: "2.0"\n\n    # end\n' in after


def test_promoting_one_and_dropping_another_is_one_edit() -> None:
    more = '[{name: tiny, versions: {sentiment: "2.0"}}, {name: big, versions: {sentiment: "2.0"}}]'
    text = MINIMAL.replace('[{name: tiny, versions: {sentiment: "2.0"}}]', more)
    after = apply(text.encode(), "desk", Edit(promote="tiny", drop=("big",)))
    assert changed(text, after) == [
        '-   stable: {sentiment: "1.0"}',
        '+   stable: {sentiment: "2.0"}',
        f"-   candidates: {more}",
    ]


UNIT = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: desk}
spec:
  environment: local
  components:
    - {name: ocr, versions: [{name: "1", address: "a:1"}, {name: "2", address: "a:2"}]}
    - {name: label, after: [ocr], versions: [{name: "1", address: "b:1"}, {name: "2", address: "b:2"}]}
    - {name: topic, versions: [{name: "1", address: "c:1"}, {name: "2", address: "c:2"}]}
  stable: {ocr: "1", label: "1", topic: "1"}  # serves now
CANDIDATES
  entry: label
  strategy: [{type: canary}]
  policy: safe-default
"""
BLOCK = """\
  candidates:
    - name: three  # one after the other
      unit: independent
      versions:
        # sharper
        ocr: "2"    # by Tom
        label: '2'

        topic: "2"
    - {name: big, versions: {ocr: "2"}}"""
FLOW = """\
  candidates: [{name: three, unit: independent, versions: {ocr: "2", label: '2', topic: "2"}},
               {name: big, versions: {ocr: "2"}}]"""


@pytest.mark.parametrize("layout", [BLOCK, FLOW], ids=["block", "flow"])
def test_the_first_promotion_of_an_independent_unit_takes_its_line_and_the_other_candidates(layout: str) -> None:
    text = UNIT.replace("CANDIDATES", layout)
    after = apply(text.encode(), "desk", Edit(promote="three", lines={"three": ("ocr",)}, drop=("big",)))
    found = changed(text, after)
    assert found[:2] == [
        '-   stable: {ocr: "1", label: "1", topic: "1"}  # serves now',
        '+   stable: {ocr: "2", label: "1", topic: "1"}  # serves now',
    ]
    gone = ["-         # sharper", '-         ocr: "2"    # by Tom', '-     - {name: big, versions: {ocr: "2"}}']
    assert layout is FLOW or found[2:] == gone
    assert [dict(candidate.versions) for candidate in spec(after).candidates] == [{"label": "2", "topic": "2"}]


@pytest.mark.parametrize("layout", [BLOCK, FLOW], ids=["block", "flow"])
@pytest.mark.parametrize(
    "gone",
    [("ocr",), ("label",), ("topic",), ("ocr", "label"), ("ocr", "topic"), ("label", "topic")],
    ids=" ".join,
)
def test_lines_of_an_independent_unit_go_alone(layout: str, gone: tuple[str, ...]) -> None:
    text = UNIT.replace("CANDIDATES", layout)
    after = apply(text.encode(), "desk", Edit(lines={"three": gone}))
    assert [line for line in changed(text, after) if line[0] == "+"] == [] or layout is FLOW
    three, big = spec(after).candidates
    assert list(three.versions) == [name for name in ("ocr", "label", "topic") if name not in gone]
    assert three.unit == "independent"
    assert dict(big.versions) == {"ocr": "2"}
    assert spec(after).stable == spec(text.encode()).stable


def test_with_its_last_line_goes_the_candidate_whatever_a_person_has_taken_out_before() -> None:
    text = UNIT.replace("CANDIDATES", FLOW.replace('ocr: "2", label', "label").replace(', topic: "2"', ""))
    after = apply(text.encode(), "desk", Edit(lines={"three": ("ocr", "label")}))
    assert [candidate.name for candidate in spec(after).candidates] == ["big"]
    assert apply(after, "desk", Edit(lines={"three": ("ocr", "label")})) == after


@settings(max_examples=100, deadline=None)
@given(layouts(), st.data())
def test_an_edited_manifest_reads_as_the_settled_release(layout: Layout, data: st.DataObject) -> None:
    before = layout.render(0).encode()
    gone = tuple(data.draw(st.lists(st.sampled_from(layout.overrides), unique=True, min_size=1)))
    after = spec(apply(before, "desk", Edit(promote=layout.target, lines={layout.target: gone})))
    left = [name for name in layout.overrides if name not in gone]
    target = [candidate for candidate in after.candidates if candidate.name == layout.target]
    assert [list(candidate.versions) for candidate in target] == ([left] if left else [])
    assert after.stable == {name: (NEW if name in gone else OLD)[name] for name in COMPONENTS}


def test_dropping_what_is_gone_already_changes_nothing() -> None:
    once = drop(MINIMAL.encode(), "desk", ("tiny",))
    assert drop(once, "desk", ("tiny",)) == once
    assert drop(once, "desk", ()) == once
    assert drop(MINIMAL.encode(), "desk", ("other", "tiny")) == once


def test_a_candidate_that_is_the_same_as_stable_only_goes() -> None:
    text = MINIMAL.replace('sentiment: "2.0"', 'sentiment: "1.0"')
    assert promote(text.encode(), "desk", "tiny") == drop(text.encode(), "desk", ("tiny",))


def test_only_the_named_release_of_a_file_is_edited() -> None:
    other = MINIMAL.replace("name: desk", "name: other")
    after = promote(f"{other}---\n{MINIMAL}---\n{other}".encode(), "desk", "tiny").decode()
    first, second, third = after.split("---\n")
    assert (first, third) == (other, other)
    assert second == promote(MINIMAL.encode(), "desk", "tiny").decode()


def test_a_file_without_a_line_feed_at_its_end_keeps_the_rest() -> None:
    text = MINIMAL.replace("  candidates", "  zcandidates").rstrip("\n")
    line = '  candidates: [{name: tiny, versions: {sentiment: "2.0"}}]'
    text = text.replace(line.replace("candidates", "zcandidates") + "\n", "") + "\n" + line
    assert drop(text.encode(), "desk", ("tiny",)).decode() == text.removesuffix(line)


@pytest.mark.parametrize(
    ("text", "release", "candidate", "message"),
    [
        (MINIMAL, "other", "tiny", "declares no release 'other'"),
        (MINIMAL, "desk", "big", "names no candidate 'big'"),
        (MINIMAL.replace("policy", "polizy"), "desk", "tiny", "unknown field 'polizy'"),
        (MINIMAL + "x: [", "desk", "tiny", "a value is missing here"),
        (MINIMAL.replace('{sentiment: "2.0"}', '{other: "2.0"}'), "desk", "tiny", "stable names no version of 'other'"),
    ],
)
def test_what_cannot_be_edited_is_refused(text: str, release: str, candidate: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        promote(text.encode(), release, candidate)

"""Files to domain types: every problem at once, in words that say what to write."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl.domain.release import Release
from releasectl.errors import ManifestError
from releasectl.manifests.catalog import Catalog
from releasectl.manifests.edit import promote
from releasectl.manifests.load import load_file, load_one
from releasectl.manifests.nodes import Mapping, Node, Sequence, format_path
from releasectl.manifests.yaml import parse
from tests.unit.manifests.texts import ENVIRONMENT, FULL, METRICS, MINIMAL, POLICY, REPOSITORY


def problems(text: str) -> list[tuple[str, str, str]]:
    found = load_file("releases/a.yaml", text.encode()).problems
    return [(problem.path, problem.message, problem.hint) for problem in found]


def test_a_minimal_release_fits_15_lines() -> None:
    assert len(MINIMAL.splitlines()) <= 15
    release = load_one("releases/desk.yaml", MINIMAL.encode())
    assert isinstance(release, Release)
    assert Catalog.build({"r.yaml": MINIMAL.encode(), "e.yaml": ENVIRONMENT.encode()}).problems() == ()


@pytest.mark.parametrize("text", [FULL, ENVIRONMENT, POLICY, METRICS])
def test_a_valid_manifest_has_no_problems(text: str) -> None:
    assert problems(text) == []


WORDINGS = [
    ("metadata: {name: desk}", "metadata: {name: Desk}", "metadata.name", "'Desk' is not valid here"),
    ("candidates:", "canidates:", "spec.canidates", "unknown field 'canidates'"),
    ("  environment: local\n", "", "spec.environment", "this field is required"),
    ("environment: local", "environment:", "spec.environment", "must be text, but is empty"),
    ('{name: "1.0"', "{name: 1.0", "spec.components[0].versions[0].name", "must be text, but is the number 1.0"),
    ('{name: "1.0"', "{name: true", "spec.components[0].versions[0].name", "must be text, but is the truth value true"),
    (
        "command: [python, v1.py]",
        "command: python v1.py",
        "spec.components[0].versions[0].run.command",
        "must be a list, but is the text 'python v1.py'",
    ),
    ('stable: {sentiment: "1.0"}', "stable: none", "spec.stable", "must be a mapping of names to values, but is"),
    ('stable: {sentiment: "1.0"}', "stable: {}", "spec.stable", "needs at least 1 entry"),
    (
        "type: canary",
        "type: cannary",
        "spec.strategy[0].type",
        "must be 'shadow', 'canary', 'ab', 'bandit', 'approval', but is the text 'cannary'",
    ),
    ("type: canary", "type: canary, steps: [5, 1]", "spec.strategy[0].steps", "steps must grow"),
    (
        "type: canary",
        "type: canary, steps: [5%]",
        "spec.strategy[0].steps[0]",
        "must be a number, but is the text '5%'",
    ),
    ("type: canary", "type: canary, steps: [150]", "spec.strategy[0].steps[0]", "must be at most 100, but is 150"),
    ("type: canary", "type: canary, steps: [0.001]", "spec.strategy[0].steps[0]", "0.001 % is finer than 0.01 %"),
    ("type: canary", "type: canary, steps: [1], grow: {}", "spec.strategy[0]", "give either steps or grow"),
    ("type: canary", "type: canary, grow: {from: 50}", "spec.strategy[0].grow", "must be below the last"),
    ("type: canary", "type: canary, grow: {factor: 1}", "spec.strategy[0].grow.factor", "must be at least 1.2"),
    ("type: canary", "type: canary, interval: 10", "spec.strategy[0].interval", "a duration is a text such as"),
    ("type: canary", "type: canary, interval: 9999999999999d", "spec.strategy[0].interval", "is longer than any"),
    ("kind: Release", "kind: Relase", "kind", "unknown kind 'Relase'"),
    ("kind: Release", "kind: EvaluationSuite", "kind", "kind EvaluationSuite is not read by this version yet"),
    ("kind: Release\n", "", "kind", "a manifest says what it is in the field `kind`"),
    ("/v1alpha1", "/v1", "apiVersion", "must be 'releasectl.dev/v1alpha1', but is the text 'releasectl.dev/v1'"),
    ("releasectl.dev", "relasectl.dev", "apiVersion", "must be 'releasectl.dev/v1alpha1', but is the text"),
    ("apiVersion:", "apiversion:", "apiVersion", "this field is required"),
]


@pytest.mark.parametrize(("old", "new", "path", "message"), WORDINGS, ids=[f"{w[0]} -> {w[1]}" for w in WORDINGS])
def test_a_mistake_is_told_with_its_path_in_our_words(old: str, new: str, path: str, message: str) -> None:
    assert old in MINIMAL
    found = problems(MINIMAL.replace(old, new, 1))
    assert any(at == path and message in said for at, said, _ in found), found
    assert not any("input should" in said.lower() for _, said, _ in found)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (MINIMAL.replace("candidates:", "canidates:"), "did you mean 'candidates'?"),
        (MINIMAL.replace("kind: Release", "kind: Relase"), "did you mean 'Release'?"),
        (MINIMAL.replace("type: canary", "type: cannary"), "did you mean 'canary'?"),
        (MINIMAL.replace('name: "1.0"', "name: 1.10"), 'quote it: "1.10"'),
        (ENVIRONMENT.replace("type: prometheus", "type: promethus"), "did you mean 'prometheus'?"),
        (ENVIRONMENT.replace("tokenVariable", "token_variable"), "did you mean 'tokenVariable'?"),
        (POLICY.replace("whenInconclusive: rollback", "whenInconclusive: roll-back"), "did you mean 'rollback'?"),
    ],
)
def test_the_nearest_valid_name_is_offered(text: str, hint: str) -> None:
    assert hint in [offered for _, _, offered in problems(text)]


def test_all_problems_of_a_file_are_told_at_once_at_their_places() -> None:
    text = MINIMAL.replace("name: desk", "nme: desk").replace('"1.0", run', "1.0, run").replace("canary", "canny")
    text += "extra: 1\nextra: 2\n"
    found = load_file("r.yaml", text.encode()).problems
    assert [(problem.line, problem.column, problem.path) for problem in found] == [
        (3, 1, "metadata.name"),
        (3, 12, "metadata.nme"),
        (9, 18, "spec.components[0].versions[0].name"),
        (13, 21, "spec.strategy[0].type"),
        (15, 1, "extra"),
        (16, 1, "extra"),
    ]


def test_what_only_follows_from_another_problem_is_not_told() -> None:
    found = load_file("r.yaml", MINIMAL.replace("environment: local", "environment: *local").encode()).problems
    assert [problem.code for problem in found] == ["alias"]


def test_a_thousand_mistakes_are_cut_short() -> None:
    text = MINIMAL + "".join(f"x{n}: 1\n" for n in range(1000))
    found = load_file("r.yaml", text.encode()).problems
    assert len(found) == 51
    assert found[-1].code == "more"


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: ConfigMap\ndata: {a: &x 1, b: *x}\n",
        "services: {web: &web {image: a}}\n",
        "- 1\n- 2\n",
        "just text\n",
        "{{ helm }}\n",
        "",
    ],
)
def test_files_of_other_programs_are_none_of_our_business(text: str) -> None:
    result = load_file("deploy/other.yaml", text.encode())
    assert (result.documents, result.problems) == ((), ())


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("releases/a.yaml", b"{{ broken"),
        ("team/policies/a.yaml", b"\x00\x01"),
        ("anywhere.yaml", b"apiVersion: releasectl.dev/v1alpha1\nkind: [\n"),
    ],
)
def test_a_broken_file_that_should_be_a_manifest_is_told(path: str, data: bytes) -> None:
    result = load_file(path, data)
    assert result.broken is not None
    assert result.problems == (result.broken,)


LOADED = {path: load_file(path, data) for path, data in REPOSITORY.items()}

# --- mutations ------------------------------------------------------------------------------------------

FREE = {"labels", "annotations", "env", "request", "response"}
"""Fields whose content is the user's own; any key is right there."""


def off_by_one(key: str) -> tuple[str, ...]:
    return (key + "x", key[:-1], ("q" if key[0] != "q" else "z") + key[1:], key[0] + key)


def keys_of(node: Node, path: tuple[str | int, ...] = ()) -> list[tuple[int, int, tuple[str | int, ...]]]:
    """Start, end and path of every key that releasectl gives a meaning to."""
    found = []
    if isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            found += keys_of(item, (*path, index))
    elif isinstance(node, Mapping):
        for key, entry in node.entries.items():
            found.append((entry.key.start, entry.key.end, (*path, key)))
            if key not in FREE:
                found += keys_of(entry.value, (*path, key))
    return found


MUTANTS = [
    pytest.param(file, start, end, path, mutant, id=f"{file}: {format_path(path)} -> {mutant}")
    for file, data in REPOSITORY.items()
    for start, end, path in keys_of(parse(file, data).documents[0].root)
    for mutant in off_by_one(str(path[-1]))
]


@pytest.mark.parametrize(("file", "start", "end", "path", "mutant"), MUTANTS)
def test_c5_a_key_that_is_off_by_one_character_is_refused_with_its_path(
    file: str, start: int, end: int, path: tuple[str | int, ...], mutant: str
) -> None:
    text = REPOSITORY[file].decode()
    broken = (text[:start] + mutant + text[end:]).encode()
    found = Catalog.build({**LOADED, file: broken}).problems()
    expected = {format_path((*path[:-1], mutant)), format_path(path)}
    assert any(problem.file == file and problem.path in expected for problem in found), found


# --- fuzzing --------------------------------------------------------------------------------------------


def survives(data: bytes) -> None:
    """Nothing but ManifestError comes out, whatever goes in."""
    catalog = Catalog.build({**LOADED, "releases/fuzz.yaml": data})
    catalog.problems()
    for name in catalog.releases:
        try:
            catalog.resolve(name)
        except ManifestError as error:
            assert error.problems
    try:
        promote(data, "press", "tiny-bert")
    except ManifestError as error:
        assert error.problems


@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    survives(data)


@given(st.text(alphabet="ab:-?[]{},&*!|>'\"%@`#<~ \n\r\t01.", max_size=120))
def test_random_yaml_raises_nothing_else(text: str) -> None:
    survives(b"apiVersion: releasectl.dev/v1alpha1\nkind: Release\n" + text.encode())
    survives(text.encode())


TOKENS = ["", " ", "\n", "\n  ", ": ", "- ", "{", "}", "[", "]", "&a ", "*a", "!t ", "#", "'", '"', "|", "? ", "<<: "]
TOKENS += ["1", "-1", "1e400", ".nan", "null", "true", "~", "0x", "\0", "\r", "\t", "\ufeff", "\u0660", "9" * 400]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([FULL, ENVIRONMENT, POLICY, METRICS]),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 8), st.sampled_from(TOKENS) | st.text(string.printable, max_size=3)),
        min_size=1,
        max_size=4,
    ),
)
def test_random_mutations_of_valid_manifests_raise_nothing_else(
    text: str, changes: list[tuple[float, int, str]]
) -> None:
    for where, length, new in changes:
        at = int(where * len(text))
        text = text[:at] + new + text[at + length :]
    survives(text.encode())

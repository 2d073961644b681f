"""The published JSON Schemas: fresh, valid, and agreeing with the loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from releasectl.cli.commands.schema import PRINTED, published
from releasectl.manifests import shipped
from releasectl.manifests.kinds import KINDS
from releasectl.manifests.load import load_file
from releasectl.manifests.nodes import to_data
from releasectl.manifests.schema import file_name, render, schema_of
from tests.unit.manifests.test_load import WORDINGS
from tests.unit.manifests.texts import MINIMAL, REPOSITORY

FOLDER = Path(__file__).parents[3] / "schemas"


def complaints(kind: str, text: str) -> list[str]:
    (document,) = load_file("f.yaml", text.encode()).documents
    validator = Draft202012Validator(schema_of(kind))
    return [error.message for error in validator.iter_errors(to_data(document.root))]


@pytest.mark.parametrize("kind", [*KINDS, *PRINTED])
def test_the_schema_files_are_fresh(kind: str) -> None:
    fresh = render(published(kind))
    assert (FOLDER / file_name(kind)).read_text() == fresh, "run: releasectl schema --write schemas"


def test_the_program_finds_these_files_and_no_others() -> None:
    assert {entry.name for entry in shipped.folder("schemas").iterdir()} == {
        file_name(kind) for kind in (*KINDS, *PRINTED)
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_valid_and_says_what_it_is(kind: str) -> None:
    schema = schema_of(kind)
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == kind
    assert schema["$id"].endswith(f"/{file_name(kind)}")
    assert schema["description"]


@pytest.mark.parametrize(("file", "data"), REPOSITORY.items())
def test_what_the_loader_accepts_the_schema_accepts(file: str, data: bytes) -> None:
    (document,) = load_file(file, data).documents
    assert complaints(document.kind, data.decode()) == []


BEYOND_SCHEMAS = {
    "steps: [5, 1]",
    "steps: [0.001]",
    "grow: {}",
    "from: 50",
    "9999999999999d",
    "Relase",
    "EvaluationSuite",
}


@pytest.mark.parametrize(
    ("old", "new"),
    [(old, new) for old, new, *_ in WORDINGS if not any(text in new for text in BEYOND_SCHEMAS) and new],
)
def test_an_editor_shows_the_mistakes_that_the_loader_refuses(old: str, new: str) -> None:
    assert complaints("Release", MINIMAL.replace(old, new, 1))


def test_defaults_are_spelt_as_in_manifests() -> None:
    def defaults(value: Any) -> list[Any]:
        inner = [found for item in value.values() for found in defaults(item)] if isinstance(value, dict) else []
        return inner + ([value["default"]] if isinstance(value, dict) and "default" in value else [])

    found = [default for kind in KINDS for default in defaults(schema_of(kind))]
    assert "10m" in found
    assert not [default for default in found if json.dumps(default).startswith('"PT')]

"""JSON Schemas of the manifest kinds: the only writer of ``schemas/``.

They are made from the domain types, so an editor that follows a manifest's line
``# yaml-language-server: $schema=../schemas/release.v1alpha1.json`` completes what ``validate`` accepts.
Rules across fields and documents are beyond them.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import ModelSchema

from releasectl.domain.base import Model, format_duration
from releasectl.domain.release import API_VERSION
from releasectl.manifests.docstrings import field_docstrings
from releasectl.manifests.kinds import KINDS

BASE = "https://releasectl.dev/schemas/"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def file_name(kind: str) -> str:
    """``release.v1alpha1.json``."""
    return f"{kind.lower()}.{API_VERSION.rpartition('/')[2]}.json"


def schema_of(kind: str) -> dict[str, Any]:
    """The schema of a kind, by the names that files use. KeyError for an unknown kind."""
    return _schema(KINDS[kind], kind, "validation")


def schema_of_output(model: type[Model], title: str) -> dict[str, Any]:
    """The schema of a document that is printed rather than read: every field is there."""
    return _schema(model, title, "serialization")


def render(schema: dict[str, Any]) -> str:
    """The text of a schema file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _schema(model: type[BaseModel], title: str, mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    made = model.model_json_schema(by_alias=True, mode=mode, schema_generator=_Generator)
    described: dict[str, Any] = _readable(made)
    described.pop("title", None)
    return {"$schema": DIALECT, "$id": BASE + file_name(title), "title": title, **described}


class _Generator(GenerateJsonSchema):
    def model_schema(self, schema: ModelSchema) -> dict[str, Any]:
        """Describes each field by the docstring that stands below it."""
        made = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        told = field_docstrings(model)
        for name, field in model.model_fields.items():
            property_ = made.get("properties", {}).get(field.alias or name)
            if property_ is not None and name in told:
                property_.setdefault("description", told[name])
        return made

    def encode_default(self, dft: Any) -> Any:
        """Defaults as a manifest would spell them."""
        if isinstance(dft, timedelta):
            return format_duration(dft)
        if isinstance(dft, Model):
            return dft.model_dump(mode="json", by_alias=True, exclude_none=True)
        if isinstance(dft, tuple):
            return [self.encode_default(item) for item in dft]
        return super().encode_default(dft)


def _readable(value: Any) -> Any:
    """Descriptions as editors show them; titles that repeat a field's name and empty defaults go."""
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if not isinstance(value, dict):
        return value
    readable = {
        key: _prose(item) if key == "description" and isinstance(item, str) else _readable(item)
        for key, item in value.items()
        if not ((key == "title" and isinstance(item, str)) or (key == "default" and item is None))
    }
    if "patternProperties" in readable:
        # Pydantic leaves keys that fit no pattern open; the loader refuses them.
        readable["additionalProperties"] = False
    return readable


def _prose(text: str) -> str:
    paragraphs = text.replace("``", "`").split("\n\n")
    return "\n\n".join(re.sub(r"\s+", " ", paragraph).strip() for paragraph in paragraphs)

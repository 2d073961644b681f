"""MLflow's signatures, as contracts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from releasectl.adapters.registries.mlflow_signature import interface_of


def schema(fields: Any) -> Any:
    interface = interface_of({"signature": {"inputs": json.dumps(fields), "outputs": None}})
    return interface.request if interface else None


def test_columns_are_fields_of_an_object() -> None:
    fields = [
        {"name": "text", "type": "string", "required": True},
        {"name": "length", "type": "long", "required": False},
        {"name": "old", "type": "double", "optional": True},
        {"name": "at", "type": "datetime"},
    ]
    assert schema(fields) == {
        "type": "object",
        "required": ["text", "at"],
        "properties": {
            "text": {"type": "string"},
            "length": {"type": "integer"},
            "old": {"type": "number"},
            "at": {"type": "string", "format": "date-time"},
        },
    }


def test_tensors_are_arrays_as_deep_as_their_shape() -> None:
    assert schema([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]) == {
        "type": "array",
        "items": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
    }


def test_nested_types_are_followed() -> None:
    message = {"type": "object", "properties": {"role": {"type": "string"}, "note": {"type": "any", "required": False}}}
    assert schema([{"name": "messages", "type": "array", "items": message}]) == {
        "type": "object",
        "required": ["messages"],
        "properties": {
            "messages": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["role"],
                    "properties": {"role": {"type": "string"}, "note": {}},
                },
            }
        },
    }


@pytest.mark.parametrize(
    "mlmodel", [{}, {"signature": None}, {"signature": {}}, {"signature": {"inputs": "[", "outputs": "[]"}}]
)
def test_what_says_nothing_is_no_contract(mlmodel: dict[str, Any]) -> None:
    assert interface_of(mlmodel) is None

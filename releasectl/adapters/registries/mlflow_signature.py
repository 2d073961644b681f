"""MLflow's signatures as contracts: what a model takes and gives, as JSON Schema.

A request to a component is one JSON object with a field for each input column, an answer one with a field for each
output column; tensors without names are arrays, nested as deep as their shape. Types that JSON has no word for
become the nearest that it has: 64-bit and 32-bit integers ``integer``, floats ``number``, binary and datetime
``string``. Types that are not known constrain nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from releasectl.domain.release import Interface

_TYPES = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "long": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "string": {"type": "string"},
    "binary": {"type": "string", "contentEncoding": "base64"},
    "datetime": {"type": "string", "format": "date-time"},
}


def interface_of(mlmodel: Mapping[str, Any]) -> Interface | None:
    """The contract in an ``MLmodel`` file; None if it has no signature, or one that says nothing."""
    signature = mlmodel.get("signature")
    if not isinstance(signature, Mapping):
        return None
    request, response = _schema(signature.get("inputs")), _schema(signature.get("outputs"))
    if request is None and response is None:
        return None
    return Interface(request=request, response=response)


def _schema(text: Any) -> dict[str, Any] | None:
    """The schema of one side, which MLflow keeps as JSON in a string."""
    try:
        fields = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, list) or not fields or not all(isinstance(field, dict) for field in fields):
        return None
    if not all(isinstance(field.get("name"), str) for field in fields):
        return _typed(fields[0])
    required = [field["name"] for field in fields if field.get("required", not field.get("optional", False))]
    properties = {field["name"]: _typed(field) for field in fields}
    return {"type": "object", **({"required": required} if required else {}), "properties": properties}


def _typed(field: Any) -> dict[str, Any]:
    kind = field.get("type") if isinstance(field, dict) else None
    match kind:
        case "tensor":
            return _tensor(field.get("tensor-spec"))
        case "array":
            return {"type": "array", "items": _typed(field.get("items"))}
        case "map":
            return {"type": "object", "additionalProperties": _typed(field.get("values"))}
        case "object":
            return _object(field.get("properties"))
        case str():
            return dict(_TYPES.get(kind, {}))
        case _:
            return {}


def _object(properties: Any) -> dict[str, Any]:
    if not isinstance(properties, dict):
        return {"type": "object"}
    required = [name for name, field in properties.items() if isinstance(field, dict) and field.get("required", True)]
    typed = {name: _typed(field) for name, field in properties.items()}
    return {"type": "object", **({"required": required} if required else {}), "properties": typed}


def _tensor(spec: Any) -> dict[str, Any]:
    """Arrays in arrays; a dimension of -1 has any length."""
    if not isinstance(spec, dict) or not isinstance(spec.get("shape"), list):
        return {"type": "array"}
    schema: dict[str, Any] = _number(str(spec.get("dtype", "")))
    for length in reversed(spec["shape"]):
        fixed = {"minItems": length, "maxItems": length} if isinstance(length, int) and length >= 0 else {}
        schema = {"type": "array", "items": schema, **fixed}
    return schema


def _number(dtype: str) -> dict[str, Any]:
    if dtype.startswith(("int", "uint")):
        return {"type": "integer"}
    if dtype.startswith("float"):
        return {"type": "number"}
    return {"type": "boolean"} if dtype == "bool" else {}

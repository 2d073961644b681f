"""A validation error as a sentence of ours: what is wrong there, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pydantic_core import ErrorDetails

from releasectl.domain.forge import FORGE_URL, PROJECT, VARIABLE
from releasectl.domain.freeze import MOMENT
from releasectl.manifests.docstrings import field_docstrings
from releasectl.manifests.nearest import suggestion
from releasectl.manifests.nodes import Node, Scalar, Sequence
from releasectl.manifests.shape import Place, fields


class Sentence(NamedTuple):
    message: str
    hint: str = ""
    code: str = "invalid"


def describe(error: ErrorDetails, place: Place) -> Sentence:
    """Say what an error means to the person who wrote the file."""
    context: Mapping[str, Any] = error.get("ctx") or {}
    word = _WORDINGS.get(error["type"])
    if word:
        return word(place, context)
    return Sentence(f"is not valid: {error['msg'].lower()}")


def shown(node: Node | None) -> str:
    """A value as a person would name it."""
    match node:
        case None | Scalar(value=None):
            return "empty"
        case Scalar(value=bool(), source=source):
            return f"the truth value {source}"
        case Scalar(value=int() | float(), source=source):
            return f"the number {source}"
        case Scalar(source=source):
            return f"the text {source[:60]!r}"
        case Sequence():
            return "a list"
        case _:
            return "a mapping"


def _missing(place: Place, _: Mapping[str, Any]) -> Sentence:
    hint = ""
    if place.model and place.steps:
        names = {info.alias or name: name for name, info in place.model.model_fields.items()}
        field = names.get(str(place.steps[-1]), "")
        hint = field_docstrings(place.model).get(field, "").partition("\n")[0]
    return Sentence("this field is required", hint.rstrip(".:"), "missing-field")


def _unknown(place: Place, _: Mapping[str, Any]) -> Sentence:
    name = str(place.steps[-1])
    known = fields(place.model) if place.model else ()
    return Sentence(f"unknown field {name[:60]!r}", suggestion(name, known, known="known fields"), "unknown-field")


def _text(place: Place, _: Mapping[str, Any]) -> Sentence:
    node = place.node
    hint = f'quote it: "{node.source}"' if isinstance(node, Scalar) and node.value is not None else ""
    return Sentence(f"must be text, but is {shown(node)}", hint, "wrong-type")


def _wanted(what: str) -> Callable[[Place, Mapping[str, Any]], Sentence]:
    return lambda place, _: Sentence(f"must be {what}, but is {shown(place.node)}", code="wrong-type")


def _number(place: Place, _: Mapping[str, Any]) -> Sentence:
    node, hint = place.node, ""
    if isinstance(node, Scalar) and node.source.endswith("%"):
        hint = f"write {node.source.rstrip('% ')}, shares are in percent"
    elif isinstance(node, Scalar) and node.style:
        hint = "take the quotes off"
    return Sentence(f"must be a number, but is {shown(node)}", hint, "wrong-type")


def _list(place: Place, _: Mapping[str, Any]) -> Sentence:
    node = place.node
    hint = f"write [{', '.join(node.source.split())}]" if isinstance(node, Scalar) and node.value is not None else ""
    return Sentence(f"must be a list, but is {shown(node)}", hint, "wrong-type")


def _choice(place: Place, context: Mapping[str, Any]) -> Sentence:
    return _one_of(place.node, str(context["expected"]))


def _tag(place: Place, context: Mapping[str, Any]) -> Sentence:
    return _one_of(place.node, str(context["expected_tags"]))


def _one_of(node: Node | None, quoted: str) -> Sentence:
    names = [name.strip("'") for name in quoted.replace(" or ", ", ").split(", ")]
    source = node.source if isinstance(node, Scalar) else ""
    hint = suggestion(source, names) if len(names) > 1 or source else ""
    return Sentence(f"must be {quoted}, but is {shown(node)}", hint, "unknown-value")


def _no_tag(place: Place, _: Mapping[str, Any]) -> Sentence:
    return Sentence("this field is required", "it says which kind this is", "missing-field")


def _bound(relation: str, key: str) -> Callable[[Place, Mapping[str, Any]], Sentence]:
    return lambda place, context: Sentence(
        f"must be {relation} {context[key]:g}, but is {shown(place.node).removeprefix('the number ')}",
        code="out-of-range",
    )


def _few(place: Place, context: Mapping[str, Any]) -> Sentence:
    if isinstance(place.node, Scalar):
        return Sentence("must not be empty", code="out-of-range")
    return Sentence(f"needs at least {context['min_length']} entry", code="out-of-range")


def _own(_: Place, context: Mapping[str, Any]) -> Sentence:
    return Sentence(str(context["error"]))


_PATTERNS = {
    MOMENT: "a time such as 2026-12-23T17:00:00Z, or a moment of every week in UTC such as Fri 16:00",
    r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$": "lower-case letters, digits and inner hyphens, 63 at most",
    r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$": "letters, digits and . _ + -, 63 at most, a letter or digit first",
    r"^sha256:[0-9a-f]{64}$": "sha256: and 64 hexadecimal digits",
    r"^[A-Za-z0-9.-]+:\d{1,5}$": "host:port, such as 127.0.0.1:8080",
    r"^https?://": "an address that begins with http:// or https://",
    r"^[A-Za-z0-9-]+$": "letters, digits and hyphens",
    r"^[A-Za-z0-9_-]+$": "letters, digits, hyphens and underscores",
    "^/": "a path that begins with /",
    FORGE_URL: "an address such as https://git.example.com, without credentials",
    PROJECT: "owner/name",
    VARIABLE: "the name of an environment variable: letters, digits and underscores",
}
_PERHAPS_SECRET = {FORGE_URL, VARIABLE}
"""Where people write a credential by mistake: what stands there is not repeated."""


def _pattern(place: Place, context: Mapping[str, Any]) -> Sentence:
    pattern = str(context["pattern"])
    wanted = _PATTERNS.get(pattern, f"text that matches {pattern}")
    source = place.node.source if isinstance(place.node, Scalar) else ""
    found = "this" if pattern in _PERHAPS_SECRET else repr(source[:80])
    return Sentence(f"{found} is not valid here", f"expected: {wanted}", "pattern")


_WORDINGS: Mapping[str, Callable[[Place, Mapping[str, Any]], Sentence]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "string_type": _text,
    "int_type": _wanted("a whole number"),
    "int_from_float": _wanted("a whole number"),
    "int_parsing": _wanted("a whole number"),
    "float_type": _number,
    "float_parsing": _number,
    "finite_number": _wanted("a finite number"),
    "bool_type": _wanted("true or false"),
    "tuple_type": _list,
    "list_type": _list,
    "dict_type": _wanted("a mapping of names to values"),
    "mapping_type": _wanted("a mapping of names to values"),
    "model_type": _wanted("a mapping of fields"),
    "model_attributes_type": _wanted("a mapping of fields"),
    "literal_error": _choice,
    "union_tag_invalid": _tag,
    "union_tag_not_found": _no_tag,
    "string_pattern_mismatch": _pattern,
    "string_too_short": _few,
    "too_short": _few,
    "greater_than": _bound("more than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "value_error": _own,
}

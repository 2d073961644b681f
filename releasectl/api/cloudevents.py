"""CloudEvents 1.0 as they come over HTTP: one in the body, a batch in the body, or one in headers and body. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
_PREFIX = "ce-"


class BadBody(ValueError):
    """The body as a whole cannot be read; ``status`` is the answer to give."""

    def __init__(self, message: str, status: int = 400, reason: str = "body") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class CloudEvent(BaseModel):
    """The envelope. Other attributes are extensions, which the specification allows anywhere."""

    model_config = ConfigDict(extra="allow", frozen=True)

    specversion: Literal["1.0"]
    id: str = Field(min_length=1, max_length=256)
    source: str = Field(min_length=1, max_length=1024)
    type: str = Field(min_length=1, max_length=256)
    time: AwareDatetime | None = None
    data: Any = None

    def extension(self, name: str) -> str:
        """An extension attribute as text; empty if it is not there."""
        value = (self.model_extra or {}).get(name)
        return "" if value is None else str(value)


def read_body(headers: Mapping[str, str], body: bytes) -> list[Any]:
    """The events of a request, not checked yet. Raises BadBody; ``headers`` have lower-case names."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == STRUCTURED:
        return [_json(body)]
    if media_type == BATCHED:
        batch = _json(body)
        if not isinstance(batch, list):
            raise BadBody("a batch is a JSON array of events")
        return batch
    if f"{_PREFIX}specversion" in headers:
        return [_from_headers(headers, media_type, body)]
    raise BadBody(
        f"send {STRUCTURED}, {BATCHED}, or an event in ce- headers with its data in the body",
        status=415,
        reason="media-type",
    )


def problem_of(error: ValidationError, within: str = "") -> str:
    """One line: every field and what is wrong with it, none of its values."""
    return "; ".join(
        ".".join(str(part) for part in ((within,) if within else ()) + each["loc"]) + ": " + each["msg"]
        for each in error.errors(include_input=False, include_url=False)
    )


def _from_headers(headers: Mapping[str, str], media_type: str, body: bytes) -> dict[str, Any]:
    event: dict[str, Any] = {
        name.removeprefix(_PREFIX): unquote(value) for name, value in headers.items() if name.startswith(_PREFIX)
    }
    event.pop("data", None)
    # The data of a type that we only pass on may be anything; ours is JSON and is checked where it is read.
    return event | {"data": _json(body)} if media_type.endswith("json") and body else event


def _json(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        raise BadBody("the JSON is nested too deeply", reason="json") from None
    except ValueError as error:
        raise BadBody(f"the body is no JSON: {error}", reason="json") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")

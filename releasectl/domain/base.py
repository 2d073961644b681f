"""What every domain type shares: frozen, closed, camelCase in files; and the scalar types of manifests."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A frozen value. Unknown fields are refused; files use camelCase, Python snake_case.

    Manifests are validated with ``by_name=False``, so a snake_case key in YAML is a misspelling. Docstrings of
    fields are for readers and for ``manifests.docstrings``: pydantic would parse every class's source at each start.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
    )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some fields changed. What was worked out from the old ones (cached) is not taken over."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(copied).model_fields.keys():
            del copied.__dict__[name]
        return copied

    def to_data(self) -> dict[str, Any]:
        """JSON-compatible form, defaults left out: the canonical form that is hashed and stored."""
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return data


def canonical_json(data: Any) -> bytes:
    """The one spelling of a JSON value: sorted keys, no spaces, UTF-8."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(data: Any) -> str:
    """``sha256:`` digest of the canonical form, so that a library upgrade changes no identity."""
    return "sha256:" + hashlib.sha256(canonical_json(data)).hexdigest()


_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION_PATTERN = r"^(\d+(\.\d+)?(ms|s|m|h|d))+$"


def parse_duration(text: str) -> timedelta:
    """``"1h30m"`` as a span. Units: ms, s, m, h, d. Raises ValueError otherwise."""
    if not re.fullmatch(_DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is not a duration such as 30s, 10m, 1h30m or 7d")
    try:
        return timedelta(milliseconds=sum(float(n) * _UNITS[unit] for n, unit in _DURATION.findall(text)))
    except OverflowError as error:
        raise ValueError(f"{text!r} is longer than any release will take") from error


def format_duration(span: timedelta) -> str:
    """The shortest text that ``parse_duration`` reads back to the same span (to the millisecond)."""
    left = round(span.total_seconds() * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError("a duration is a text such as 30s, 10m, 1h30m or 7d")


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN, "examples": ["30s", "10m", "1h30m", "7d"]}),
]


def _passing(span: timedelta) -> timedelta:
    if not span:
        raise ValueError("must be longer than 0s")
    return span


SomeTime = Annotated[Duration, AfterValidator(_passing)]
"""A duration that is not 0."""


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs an offset, such as 2026-01-31T12:00:00Z")
    return value.astimezone(UTC)


def format_time(at: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[datetime, AfterValidator(_utc), PlainSerializer(format_time, return_type=str)]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
"""A DNS label: lower-case letters, digits and inner hyphens, 63 at most; safe in every router and metric label."""

VersionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$")]

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


def _basis_points(percent: float) -> float:
    if abs(percent * 100 - round(percent * 100)) > 1e-9:
        raise ValueError(f"{percent} % is finer than 0.01 %, the smallest share")
    return percent


Percent = Annotated[float, Field(ge=0, le=100)]
SharePercent = Annotated[float, Field(gt=0, le=100), AfterValidator(_basis_points)]
"""A share of requests in percent, to 0.01 %."""

WHOLE = 10_000
"""Basis points in a whole: every allocation adds up to exactly this."""

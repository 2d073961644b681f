"""A recorded conversation: what an adapter has to ask, in this order, and what it is answered.

A request has to have the method, path, query and body of the script, and a body that the documentation allows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from jsonschema import Draft202012Validator


@dataclass(frozen=True)
class Exchange:
    """One request and its answer."""

    asks: str
    """Method and path behind the API's base, with the query if there is one."""
    says: Any = None
    """Body of the request."""
    gets: Any = None
    """Body of the answer."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Script:
    """A transport that follows exchanges."""

    def __init__(self, base: str, schemas: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self._base = base
        self._schemas = schemas
        self._headers = headers
        self._left: list[Exchange] = []

    @contextmanager
    def follows(self, *exchanges: Exchange) -> Iterator[None]:
        """All of these happen, and nothing else."""
        self._left = list(exchanges)
        yield
        assert self._left == [], "was not asked"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        asked = f"{request.method} {str(request.url).removeprefix(self._base)}"
        assert self._left, f"not in the script: {asked}"
        exchange = self._left.pop(0)
        body = json.loads(request.content) if request.content else None
        assert asked == exchange.asks
        assert body == exchange.says
        for name, value in self._headers.items():
            assert request.headers.get(name) == value
        if body is not None:
            Draft202012Validator(self._schema(request)).validate(body)
        return httpx.Response(exchange.status, json=exchange.gets, headers=exchange.headers)

    def _schema(self, request: httpx.Request) -> Any:
        end = request.url.path.rstrip("/").rpartition("/")[2]
        name = f"{request.method} {'N' if end.isdigit() else end}"
        if "/statuses/" in request.url.path:
            name = f"{request.method} statuses"
        assert name in self._schemas, f"the documentation has no body for {name}"
        return self._schemas[name]


def an_object(required: str = "", **properties: Any) -> dict[str, Any]:
    """A schema of an object that has nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


TEXT: dict[str, Any] = {"type": "string"}

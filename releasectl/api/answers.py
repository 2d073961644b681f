"""How the API answers when it cannot do what was asked: one shape for every error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse


def failure(
    status: int,
    message: str,
    *,
    hint: str = "",
    problems: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """``{"error": {"status", "message"[, "hint"][, "problems"]}}``."""
    error: dict[str, Any] = {"status": status, "message": message}
    if hint:
        error["hint"] = hint
    if problems:
        error["problems"] = list(problems)
    return JSONResponse({"error": error}, status_code=status, headers=dict(headers or {}))


async def on_http_exception(_: Request, error: Exception) -> JSONResponse:
    """What Starlette itself refuses: no such path, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this type only
    return failure(error.status_code, error.detail.lower(), headers=error.headers)


async def on_bug(_: Request, __: Exception) -> JSONResponse:
    """Our bug: the log has it, the client learns no more than that."""
    return failure(500, "internal error", hint="the controller's log says more")

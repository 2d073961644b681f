"""Routes for people who look at pairs: what was compared, and blind review.

==================================  ==========================================================================
``GET .../{name}/pairs``            agreement, flips and differences of the trial, with a few disagreements
``POST .../{name}/review``          questions for one person: ``reviewer``, ``items``, ``overlap``, ``uncertain``
``POST .../{name}/labels``          what they said: ``reviewer``, ``metric``, ``labels: {ITEM: A|B|both|neither}``
``GET .../{name}/review``           what all labels say together, and how far reviewers agree
==================================  ==========================================================================

A reviewer is who they say they are: the API listens on this machine, and who may use it may write the log anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from releasectl.api.answers import failure
from releasectl.api.cloudevents import problem_of
from releasectl.errors import Unavailable

MAX_BODY_BYTES = 1 << 20
_NOTHING = "no answers of a candidate to copies of requests have been compared in a trial of {name!r} under way"


class Desk(Protocol):
    """Where pairs are handed out and labels taken in; None where nothing was compared. Each may block."""

    def pairs(self, release: str) -> dict[str, Any] | None: ...

    def claim(
        self, release: str, *, reviewer: str, items: int, overlap: float, uncertain: str | None
    ) -> dict[str, Any] | None: ...

    def submit(self, release: str, *, reviewer: str, metric: str, said: Mapping[str, str]) -> dict[str, Any]: ...

    def summary(self, release: str) -> dict[str, Any] | None: ...


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


B = TypeVar("B", bound=_Body)
Person = Annotated[str, Field(min_length=1, max_length=128)]


class Claim(_Body):
    """``overlap``: the share of pairs, 0 to 1, that two people are asked about."""

    reviewer: Person
    items: Annotated[int, Field(ge=1, le=500)] = 20
    overlap: Annotated[float, Field(ge=0, le=1)] = 0.2
    uncertain: Annotated[str, Field(min_length=1, max_length=256)] | None = None


class Said(_Body):
    reviewer: Person
    metric: Annotated[str, Field(min_length=1, max_length=200)]
    labels: Annotated[
        dict[Annotated[str, Field(pattern="^[0-9a-f]{16}$")], Literal["A", "B", "both", "neither"]],
        Field(min_length=1, max_length=500),
    ]


def review_routes(desk: Desk) -> list[Route]:
    """The routes of one desk."""

    async def pairs(request: Request) -> Response:
        return await _answer(request, desk.pairs)

    async def summary(request: Request) -> Response:
        return await _answer(request, desk.summary)

    async def claim(request: Request) -> Response:
        body = await _read(request, Claim)
        if isinstance(body, Response):
            return body
        return await _answer(request, lambda name: desk.claim(name, **body.model_dump()))

    async def submit(request: Request) -> Response:
        body = await _read(request, Said)
        if isinstance(body, Response):
            return body
        return await _answer(
            request, lambda name: desk.submit(name, reviewer=body.reviewer, metric=body.metric, said=body.labels)
        )

    return [
        Route("/v1/releases/{name}/pairs", pairs),
        Route("/v1/releases/{name}/review", claim, methods=["POST"]),
        Route("/v1/releases/{name}/review", summary),
        Route("/v1/releases/{name}/labels", submit, methods=["POST"]),
    ]


async def _answer(request: Request, ask: Callable[[str], dict[str, Any] | None]) -> Response:
    name = request.path_params["name"]
    try:
        found = await run_in_threadpool(ask, name)
    except Unavailable as error:
        return failure(503, error.message, headers={"retry-after": "1"})
    if found is None:
        return failure(404, _NOTHING.format(name=name), hint="a stage of type shadow makes such copies")
    return JSONResponse(found, headers={"cache-control": "no-store"})


async def _read(request: Request, kind: type[B]) -> B | Response:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            return failure(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
    try:
        return kind.model_validate_json(bytes(raw))
    except ValidationError as error:
        return failure(400, problem_of(error))

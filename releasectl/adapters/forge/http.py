"""Requests to a forge's API: paced, bounded, tried again where that is safe, and silent about the token.

- Each request takes its turn at the host's pace; ``Retry-After`` and rate-limit headers set a pause for all of them.
- GET, PUT and DELETE, and whatever a caller says may be repeated, are tried up to three times with growing, random
  pauses when the host fails or the network does; a POST only if it certainly did not arrive.
- Time-outs, a limit on the size of answers, no redirects: a credential is only ever sent where the manifest says.
- The token is read from the environment variable for each request, so that it can be replaced while we run. No error
  or log line holds it; words that a host repeats are cleansed of it.
- Errors are Unavailable and Denied. Answers that mean something to a caller (not found, conflict ...) are returned.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from releasectl import __version__
from releasectl.adapters.forge.pace import Pace
from releasectl.adapters.git.remote import redact
from releasectl.errors import Denied, Unavailable

TRIES = 3
TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 16 << 20
MAX_PAGES = 200
_SHOWN = 300
_FIRST_PAUSE = 0.25
_UNTOLD = timedelta(seconds=60)
"""The pause after a host wanted fewer requests and did not say for how long."""
_SAFE = frozenset({"GET", "PUT", "DELETE"})
_FAILING = frozenset({500, 502, 503, 504})
MEANT = frozenset({400, 404, 405, 406, 409, 422})
"""Statuses by which forges answer a sensible question with no; callers look at them."""

Json = Any
"""What ``json.loads`` gives."""

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Answer:
    """A status that is success or is meant for the caller, and the body."""

    status: int
    data: Json
    words: str = ""
    """What the host says in it, for people: short, and without our credential."""
    has_more: bool = False
    """Whether the host speaks of a next page."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class ForgeHttp:
    """One API of one host."""

    def __init__(
        self,
        base: str,
        *,
        token_variable: str | None,
        accept: str = "application/json",
        headers: Mapping[str, str] | None = None,
        pace: Pace | None = None,
        timeout: float = TIMEOUT_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``base`` is the address that paths are put behind; ``timeout`` in seconds for each part of a request."""
        self._base = base.rstrip("/")
        self.host = httpx.URL(base).netloc.decode()
        self._token_variable = token_variable
        self._pace = pace or Pace()
        self._timeout = timeout
        fixed = {"accept": accept, "user-agent": f"releasectl/{__version__}", **(headers or {})}
        self._client = httpx.AsyncClient(timeout=timeout, headers=fixed, transport=transport, follow_redirects=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        query: Mapping[str, str | int] | None = None,
        repeatable: bool | None = None,
    ) -> Answer:
        """One request. ``repeatable`` says whether doing it twice is as good as once; by default the method does.

        Raises Unavailable or Denied; statuses in ``MEANT`` are returned.
        """
        again = method in _SAFE if repeatable is None else repeatable
        for attempt in range(1, TRIES + 1):
            await self._pace.turn(self.host)
            try:
                return self._judged(*await self._send(method, path, body, query))
            except _Failed as failed:
                last = attempt == TRIES or not (again or failed.unsent)
                if last or failed.error.retry_after:
                    raise failed.error from failed.__cause__
                ceiling = _FIRST_PAUSE * 2**attempt
                await asyncio.sleep(random.uniform(ceiling / 4, ceiling))  # noqa: S311
        raise AssertionError("the last try either answers or raises")

    async def pages(
        self, path: str, *, query: Mapping[str, str | int] | None = None, size: int = 50, size_name: str = "limit"
    ) -> AsyncIterator[Json]:
        """Every item of a list, page by page; nothing where there is no such list.

        The address of the next page is made here and not taken from the host, which may know itself by another name.
        """
        for page in range(1, MAX_PAGES + 1):
            answer = await self.call("GET", path, query={**(query or {}), "page": page, size_name: size})
            if not answer.ok:
                return
            if not isinstance(answer.data, list):
                raise self.strange(path)
            for item in answer.data:
                yield item
            if not answer.has_more or not answer.data:
                return
        raise Unavailable(
            f"{self.host} lists more than {MAX_PAGES} pages", hint="this is more than can be looked through"
        )

    def parsed(self, model: type[M], data: Json, path: str) -> M:
        """An answer as what the API's documentation promises. Raises Unavailable where it is something else."""
        try:
            return model.model_validate(data)
        except ValidationError:
            raise self.strange(path) from None

    def strange(self, path: str) -> Unavailable:
        """The error for an answer that is not what the API's documentation promises."""
        return Unavailable(f"{self.host} gave an answer to {path} that is not understood")

    def cleansed(self, text: str) -> str:
        """Words of the host without our credential, which it may repeat."""
        return redact(text, (self._token(),))

    async def _send(
        self, method: str, path: str, body: Json, query: Mapping[str, str | int] | None
    ) -> tuple[int, httpx.Headers, bytes]:
        try:
            async with self._client.stream(
                method, self._base + path, json=body, params=dict(query) if query else None, headers=self._credentials()
            ) as response:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER_BYTES:
                        raise Unavailable(f"{self.host} answered with more than {MAX_ANSWER_BYTES >> 20} MiB")
                return response.status_code, response.headers, bytes(content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            words = f"{self.host} cannot be reached ({type(error).__name__})"
            raise _Failed(Unavailable(words, hint="it is tried again"), unsent=True) from error
        except httpx.TimeoutException as error:
            words = f"{self.host} did not answer within {self._timeout:g} s"
            raise _Failed(Unavailable(words, hint="it is tried again")) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            words = f"{self.host} broke off ({type(error).__name__})"
            raise _Failed(Unavailable(words, hint="it is tried again")) from error

    def _judged(self, status: int, headers: httpx.Headers, content: bytes) -> Answer:
        data = self._data(status, content)
        words = self.cleansed(_words(data))[:_SHOWN] or f"status {status}"
        answer = Answer(status, data, words, 'rel="next"' in headers.get("link", ""))
        pause = asked_pause(status, headers)
        if pause is None and status == 403 and "rate limit" in words.lower():
            pause = _UNTOLD
        if pause is not None:
            span = self._pace.pause(pause)
            # A request that was served has spent the last of the quota; the next one waits.
            if not answer.ok:
                words = f"{self.host} wants fewer requests (status {status})"
                raise _Failed(Unavailable(words, hint="it is tried again later", retry_after=span))
        if answer.ok or status in MEANT:
            return answer
        if status in (401, 403):
            why = f"{self.host} refuses the credentials (status {status}): {answer.words}"
            hint = (
                f"check the token in {self._token_variable} and what it may do"
                if self._token_variable
                else "name a tokenVariable"
            )
            raise Denied(why, hint=hint)
        if 300 <= status < 400:
            raise Unavailable(
                f"{self.host} sends elsewhere (status {status})", hint="use the new address of the project"
            )
        failure = Unavailable(f"{self.host} failed (status {status}): {answer.words}", hint="it is tried again")
        raise _Failed(failure) if status in _FAILING else failure

    def _data(self, status: int, content: bytes) -> Json:
        if not content:
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            if 200 <= status < 300:
                raise Unavailable(
                    f"{self.host} answered with something that is no JSON", hint="check the address"
                ) from None
            return None

    def _credentials(self) -> dict[str, str]:
        if self._token_variable is None:
            return {}
        token = self._token()
        if not token:
            words = f"the environment variable {self._token_variable} holds no token for {self.host}"
            raise Denied(words, hint="set it where the controller runs")
        if not token.isascii() or not token.isprintable():
            raise Denied(f"what {self._token_variable} holds cannot be a token", hint="it has characters no token has")
        return {"authorization": f"Bearer {token}"}

    def _token(self) -> str:
        return os.environ.get(self._token_variable, "").strip() if self._token_variable else ""


def asked_pause(status: int, headers: Mapping[str, str]) -> timedelta | None:
    """How long a host asks to be left alone: ``Retry-After``, or a quota that is used up until it is reset.

    GitHub says ``x-ratelimit-remaining`` and ``x-ratelimit-reset``, GitLab the same without the ``x-``; both resets
    are seconds since 1970. A quota that is used up is no error yet: it comes with the last answer that it allowed.
    """
    if status in (403, 429, 503) and (told := _retry_after(headers.get("retry-after", ""))) is not None:
        return told
    for prefix in ("x-ratelimit", "ratelimit"):
        if headers.get(f"{prefix}-remaining", "").strip() == "0":
            try:
                return timedelta(seconds=max(1.0, float(headers.get(f"{prefix}-reset", "")) - time.time()))
            except (ValueError, OverflowError):
                break
    return _UNTOLD if status == 429 else None


def _retry_after(text: str) -> timedelta | None:
    try:
        return timedelta(seconds=max(0, min(int(text), 86_400)))
    except ValueError:
        try:
            return max(timedelta(0), parsedate_to_datetime(text) - datetime.now(UTC))
        except (TypeError, ValueError):
            return None


class _Failed(Exception):
    """A failure that another try may mend. ``unsent``: the request certainly did not arrive."""

    def __init__(self, error: Unavailable, *, unsent: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.unsent = unsent


def _words(data: Json) -> str:
    """The sentence in an error's body: forges call it ``message`` or ``error``, and may add a list of ``errors``."""
    if not isinstance(data, Mapping):
        return ""
    found = data.get("message") or data.get("error") or ""
    text = found if isinstance(found, str) else json.dumps(found)
    details = data.get("errors")
    if isinstance(details, list):
        told = (each.get("message") if isinstance(each, Mapping) else each for each in details)
        text = "; ".join([text, *(str(one) for one in told if one)])
    return " ".join(text.split())

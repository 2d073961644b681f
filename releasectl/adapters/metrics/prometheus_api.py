"""Prometheus' HTTP API, as much of it as raw samples need."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from releasectl.adapters.metrics.counters import Sample
from releasectl.errors import Denied, Unavailable

MAX_ANSWER_BYTES = 128 << 20
_LONGEST_WAIT_SECONDS = 300
_SHOWN = 200
"""Characters of the provider's own words that a message repeats."""


@dataclass(frozen=True)
class Series:
    """The raw samples of one series in a range. ``problem`` says why they are no numbers, if they are not."""

    labels: Mapping[str, str]
    samples: tuple[Sample, ...]
    """In order of time."""
    problem: str = ""


class PrometheusApi:
    """One server. ``token_variable`` names the environment variable that holds a bearer token; with one, a user
    name and password in the URL are not used.

    Every method raises Unavailable or Denied with a sentence that carries no credential.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: timedelta,
        token_variable: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        given = httpx.URL(url)
        self._url = given.copy_with(userinfo=b"")
        self._password = given.password
        self._timeout = timeout
        self._token_variable = token_variable
        basic = (given.username, given.password) if given.username and token_variable is None else None
        self._client = httpx.AsyncClient(timeout=timeout.total_seconds(), auth=basic, transport=transport)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def time(self) -> float:
        """The provider's own clock, in seconds since 1970."""
        result = await self._query({"query": "time()"}, {"scalar", "vector"})
        try:
            # Some that speak Prometheus' language answer with a vector of one.
            return float(result[0]["value"][0] if isinstance(result[0], dict) else result[0])
        except (TypeError, ValueError, LookupError) as error:
            raise self._strange() from error

    async def samples(self, selector: str, at: float, seconds: int) -> tuple[Series, ...]:
        """Raw samples of every series of a selector in the ``seconds`` up to ``at``."""
        result = await self._query({"query": f"{selector}[{seconds}s]", "time": f"{at:.3f}"}, {"matrix"})
        try:
            return tuple(_series(each) for each in result)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise self._strange() from error

    async def _query(self, form: Mapping[str, str], kinds: Collection[str]) -> Any:
        status, headers, body = await self._post(form)
        answer = _object(body)
        if status in {401, 403}:
            raise Denied(f"{self._name} refuses the credentials (status {status})")
        if status in {429, 503}:
            wait = _retry_after(headers.get("retry-after", ""))
            raise Unavailable(f"{self._name} is overloaded (status {status})", retry_after=wait)
        if answer is None:
            raise Unavailable(f"{self._name} answered with status {status} and no JSON")
        if status != httpx.codes.OK or answer.get("status") != "success":
            raise Unavailable(f"{self._name} refuses the query: {self._quoted(answer.get('error', status))}")
        if answer.get("warnings"):
            # Part of the series may be missing; events without their trials must not be counted.
            raise Unavailable(f"{self._name} answered in part: {self._quoted(answer['warnings'])}")
        data = answer.get("data")
        if (
            not isinstance(data, dict)
            or data.get("resultType") not in kinds
            or not isinstance(data.get("result"), list)
        ):
            raise self._strange()
        return data["result"]

    async def _post(self, form: Mapping[str, str]) -> tuple[int, httpx.Headers, bytes]:
        url = self._url.copy_with(path=self._url.path.rstrip("/") + "/api/v1/query")
        try:
            async with self._client.stream("POST", url, data=dict(form), headers=self._credentials()) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise Unavailable(f"{self._name} answered with more than {MAX_ANSWER_BYTES >> 20} MiB")
                return response.status_code, response.headers, bytes(body)
        except httpx.TimeoutException as error:
            raise Unavailable(f"{self._name} did not answer within {self._timeout.total_seconds():g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"{self._name} cannot be reached ({type(error).__name__})") from error

    def _credentials(self) -> dict[str, str]:
        if self._token_variable is None:
            return {}
        token = self._token()
        if not token:
            raise Denied(f"the environment variable {self._token_variable} holds no token for {self._name}")
        return {"authorization": f"Bearer {token}"}

    def _token(self) -> str:
        return os.environ.get(self._token_variable, "").strip() if self._token_variable else ""

    @property
    def _name(self) -> str:
        return f"Prometheus at {self._url.host}" + (f":{self._url.port}" if self._url.port else "")

    def _quoted(self, text: Any) -> str:
        """The provider's words, which may repeat what we sent."""
        words = text if isinstance(text, str) else json.dumps(text)
        for secret in (self._token(), self._password):
            if secret:
                words = words.replace(secret, "***")
        return words[:_SHOWN]

    def _strange(self) -> Unavailable:
        return Unavailable(f"{self._name} gave an answer that is not understood")


def _series(data: Mapping[str, Any]) -> Series:
    labels = {str(name): str(value) for name, value in data["metric"].items()}
    if "histograms" in data:
        return Series(labels, (), "a native histogram is no counter")
    raw = sorted((float(at), value) for at, value in data["values"])
    try:
        return Series(labels, tuple([Sample(at, float(value)) for at, value in raw]))
    except (TypeError, ValueError):
        return Series(labels, tuple([Sample(at, None) for at, _ in raw]), "a value is not a number")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _retry_after(text: str) -> timedelta | None:
    """Seconds or a date; no longer than is sensible, whatever was asked for."""
    try:
        seconds = int(text)
    except ValueError:
        try:
            seconds = round((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
        except (TypeError, ValueError):
            return None
    return timedelta(seconds=max(0, min(seconds, _LONGEST_WAIT_SECONDS)))

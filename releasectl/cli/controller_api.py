"""Questions to the controller that runs on this machine, over its API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from releasectl.cli.location import Location
from releasectl.errors import Conflict, Unavailable, UsageError

TIMEOUT_SECONDS = 30.0


class ControllerApi:
    """Of one repository. Every question raises Unavailable where no controller runs or answers."""

    def __init__(self, location: Location) -> None:
        url = location.controller_url()
        if url is None:
            raise Unavailable(
                f"no controller of {location.shown_url} runs on this machine",
                hint="start one with releasectl run; it alone reads and writes the event log",
            )
        self._address = urlsplit(url)

    def ask(self, release: str, what: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer about a release: a GET, or a POST with a body. Conflict where there is nothing to tell of."""
        from http.client import HTTPConnection, HTTPException

        connection = HTTPConnection(self._address.hostname or "", self._address.port, timeout=TIMEOUT_SECONDS)
        content = None if body is None else json.dumps(body)
        try:
            connection.request("POST" if content else "GET", f"/v1/releases/{quote(release, safe='')}/{what}", content)
            answer = connection.getresponse()
            told = json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            raise Unavailable(f"the controller did not answer: {error}", hint="is releasectl run still up?") from error
        finally:
            connection.close()
        if answer.status < 400:
            found: dict[str, Any] = told
            return found
        error_told = told.get("error", {})
        if answer.status >= 500:
            raise Unavailable(f"the controller could not answer: {error_told.get('message')}")
        kind = Conflict if answer.status == 404 else UsageError
        raise kind(str(error_told.get("message")), hint=error_told.get("hint") or "")

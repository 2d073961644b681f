"""Where `status` gets its answer: from the controller that runs, else from git alone."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

from releasectl.cli.location import Location
from releasectl.domain.status import StatusReport

TIMEOUT_SECONDS = 2.0


def read_status(location: Location) -> StatusReport:
    """The controller's report if one answers, else what the ledger and the manifests say."""
    url = location.controller_url()
    if url:
        found = _from_controller(url)
        if found is not None:
            return found
    return _from_git(location)


def _from_controller(url: str) -> StatusReport | None:
    # The controller listens on loopback and wrote this address itself; httpx would cost 100 ms of imports.
    from http.client import HTTPConnection, HTTPException

    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/v1/status")
        answer = connection.getresponse()
        return StatusReport.model_validate_json(answer.read()) if answer.status == 200 else None
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _from_git(location: Location) -> StatusReport:
    from releasectl.controller.gitread import read_git
    from releasectl.controller.status import report_from_git

    repo = location.open_repo(mirror="mirror-read")
    try:
        return report_from_git(read_git(repo), location.shown_url, datetime.now(UTC))
    finally:
        repo.close()

"""Where `status` gets its answer: from the controller that runs, else from git alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.error import URLError
from urllib.request import urlopen

from pydantic import ValidationError

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
    try:
        with urlopen(f"{url}/v1/status", timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            return StatusReport.model_validate_json(answer.read())
    except (URLError, TimeoutError, OSError, ValidationError, json.JSONDecodeError):
        return None


def _from_git(location: Location) -> StatusReport:
    from releasectl.controller.gitread import read_git
    from releasectl.controller.status import report_from_git

    repo = location.open_repo(mirror="mirror-read")
    try:
        return report_from_git(read_git(repo), location.shown_url, datetime.now(UTC))
    finally:
        repo.close()

"""What git said when it did not do as asked -> the error family that tells the loop what to do.

git's own words on stable ground first (the porcelain status of each ref), then the known texts of servers.
A text nobody knows is Unavailable when nobody answered, and Denied when a server refused in its own words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from releasectl.errors import Conflict, Denied, ReleasectlError, Unavailable

_MOVED = re.compile(
    r"non-fast-forward|fetch first|stale info|cannot lock ref|failed to (?:lock|update ref)|already exists"
    r"|incorrect old value|is at [0-9a-f]+ but expected|needs force"
)
_TOGETHER = re.compile(r"atomic (?:push|transaction) fail|transaction failed")
"""Said of the other refs of a push, or of all where the server does not say which one moved."""

_DENIED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(text, re.I), hint)
    for text, hint in (
        (r"does not support --?atomic|atomic push.{0,20}not supported", "the server must support atomic pushes"),
        (r"exists; cannot create", "a branch is named like a folder of the other; rename it"),
        (r"branch is currently checked out",
         "set receive.denyCurrentBranch to updateInstead there, or push to a bare repository (git clone --bare)"),
        (r"protected branch|GH006|GH013", "allow this account to push, or use pull requests"),
        (r"hook declined", "the server's hook refuses this push; its owner can tell why"),
        (r"host key verification failed", "add the host's key to known_hosts"),
        (r"dubious ownership", "run as the owner of the repository"),
        (r"authentication failed|could not read (?:username|password)|terminal prompts disabled|\b401\b",
         "check the credentials"),
        (r"permission denied \(|permission to .* denied|\b403\b|access denied|not allowed|deny(?:ing)? ",
         "give this account the right to read and push"),
        (r"repository .* not found|\b404\b", "check the address; hosts also say this when the account may not see it"),
        (r"permission denied|insufficient permission", "the account that runs git there may not write"),
        (r"fsck ?error|fsckobjects|error in packed object|badtimezone|missingspace",
         "the repository holds a malformed object; repair it with git fsck"),
        (r"redirect", "the host sends elsewhere; use the new address"),
        (r"transport '.*' not allowed|unsupported protocol", "use a path, https or ssh"),
    )
)  # fmt: skip

_FOR_GOOD = re.compile(r"permission|exists; cannot create|protected|read-only", re.I)
"""A server may word a lack of rights as a lock that cannot be taken: then trying again does not help."""

_CORRUPT = re.compile(
    r"corrupt|is empty$|bad (?:object|tree|config|ref|signature|sha1)|unable to read|inflate|invalid sha1"
    r"|does not match index|too small|not a git repository: '|missing (?:blob|tree|commit|object|necessary)"
    r"|does not point to a valid object|broken (?:ref|link)|could not parse|unable to (?:find|parse|unpack)"
    r"|did not send all necessary|unknown index|garbage at end|not a valid object|not a tree object|delta"
    r"|failed to read object|object not found|Needed a single revision",
    re.I | re.M,
)


@dataclass(frozen=True)
class RefStatus:
    """One line of ``git push --porcelain``: ``!`` refused, ``=`` up to date, blank or ``*`` done."""

    flag: str
    ref: str
    summary: str

    @property
    def refused(self) -> bool:
        return self.flag == "!"

    @property
    def by_server(self) -> bool:
        return self.summary.startswith("[remote rejected]")


def parse_porcelain(out: str) -> tuple[RefStatus, ...]:
    """The status of each ref of a push, in the order given."""
    rows = (line.split("\t") for line in out.splitlines())
    return tuple(
        RefStatus(row[0][:1], row[1].partition(":")[2], row[2]) for row in rows if len(row) == 3 and len(row[0]) == 1
    )


def push_error(statuses: Sequence[RefStatus], err: str, where: str) -> ReleasectlError:
    """Why a push did not happen. ``err`` is redacted already."""
    refused = [status for status in statuses if status.refused]
    own = [status for status in refused if not _TOGETHER.search(status.summary)]
    moved = [status.ref.removeprefix("refs/heads/") for status in own if _MOVED.search(status.summary)]
    denial = _denial([*(status.summary for status in own), *err.splitlines()])
    said = _server_said(err)
    if moved and not (denial and _FOR_GOOD.search(f"{denial[0]} {err}")):
        return Conflict(f"{', '.join(moved)} has moved in {where}", hint="it is fetched and decided again")
    if denial:
        return Denied(f"{where} refused the push: {said or denial[0]}", hint=denial[1])
    if any(status.by_server for status in own):
        return Denied(f"{where} refused the push: {said or own[0].summary}", hint="ask who runs the server")
    if refused and not own:
        return Conflict(f"another push to {where} was faster", hint="it is fetched and decided again")
    return Unavailable(f"{where} did not take the push: {_first_line(err)}", hint="it is tried again")


def fetch_error(err: str, where: str) -> ReleasectlError:
    """Why nothing could be fetched."""
    if denial := _denial(err.splitlines()):
        return Denied(f"{where} cannot be read: {_server_said(err) or denial[0]}", hint=denial[1])
    return Unavailable(f"{where} cannot be reached: {_server_said(err) or _first_line(err)}", hint="it is tried again")


def suggests_corruption(err: str, directory: str) -> bool:
    """Whether git's words may come from damage on this side, in ``directory``; the mirror is then checked."""
    own = "\n".join(line for line in err.splitlines() if not line.startswith("remote:"))
    return directory in own or _CORRUPT.search(own) is not None


def _denial(lines: Sequence[str]) -> tuple[str, str] | None:
    """The words that mean a refusal, and what to do about it."""
    for pattern, hint in _DENIED:
        for line in lines:
            if pattern.search(line):
                return _plain(line), hint
    return None


def _server_said(err: str) -> str:
    """The first line in which the other side gives a reason, without git's decoration."""
    lines = [line.removeprefix("remote:").strip() for line in err.splitlines() if line.startswith("remote:")]
    return next((line[:300] for line in lines if line.strip("=-*# ")), "")


def _first_line(err: str) -> str:
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))] or lines
    return _plain(telling[0]) if telling else "no reason given"


def _plain(line: str) -> str:
    return re.sub(r"^(?:remote: *|fatal: *|error: *)+", "", line.strip())[:300]

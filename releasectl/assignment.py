"""Which variant a unit has, without asking anybody: for applications and devices that decide by themselves.

::

    import json, releasectl
    document = json.load(open("assignment.json"))        # or GET /v1/releases/<name>/assignment
    releasectl.assign("user-4711", document)             # "stable", or the name of a candidate

The router gives the same answer for the same unit. A document says for how long it may be used; later than
that the shares may have changed, so ``assign`` refuses it: fetch it again, or use stable. Only the standard
library is needed, and this file works alone. The whole of it in JavaScript::

    const { createHmac } = require("crypto");
    function assign(unit, document, now = Date.now()) {
      if (now >= Date.parse(document.expires)) throw new Error("the assignment has expired");
      const digest = createHmac("sha256", Buffer.from(document.key, "hex"))
        .update(document.salt + "\\0" + unit).digest("hex");
      const point = Math.floor(parseInt(digest.slice(0, 12), 16) / 2 ** 48 * 10000);
      return document.segments.find(s => s.start <= point && point < s.end).variant;
    }
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

FORMAT = "releasectl.dev/assignment/v1alpha1"


class AssignmentError(ValueError):
    """The document cannot be used."""


class AssignmentExpired(AssignmentError):
    """The document was good until some time ago; fetch it again."""


def assign(unit: str, document: Mapping[str, Any], *, now: datetime | None = None) -> str:
    """The variant of a unit. ``now`` is the present time unless it is given, and then it must have an offset.

    Raises AssignmentExpired when the document is too old, AssignmentError when it is none, ValueError without a unit:
    where nobody is known there is nothing to stick to.
    """
    if not unit:
        raise ValueError("a unit is a text that is not empty")
    if document.get("format") != FORMAT:
        raise AssignmentError(f"not an assignment: format is {document.get('format')!r}, not {FORMAT!r}")
    expires = datetime.fromisoformat(document["expires"].replace("Z", "+00:00"))
    if (now or datetime.now(UTC)) >= expires:
        raise AssignmentExpired(f"the assignment of {document['release']} expired at {document['expires']}")
    point = _point(bytes.fromhex(document["key"]), f"{document['salt']}\0{unit}".encode())
    for segment in document["segments"]:
        if segment["start"] <= point < segment["end"]:
            return str(segment["variant"])
    raise AssignmentError(f"the assignment of {document['release']} has nobody for {point}")


def _point(key: bytes, text: bytes) -> int:
    """Place of a text among 10,000: the first 48 bits of its HMAC-SHA-256 as a fraction."""
    digest = hmac.digest(key, text, hashlib.sha256)
    return int(int.from_bytes(digest[:6], "big") / 2**48 * 10_000)

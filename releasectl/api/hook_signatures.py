"""Whether a webhook comes from the forge that shares our secret. Every comparison takes the same time, right or wrong.

==========  =====================================================================================================
``github``  ``X-Hub-Signature-256: sha256=`` and the hex HMAC-SHA256 of the body
``gitea``   ``X-Gitea-Signature:`` the hex HMAC-SHA256 of the body (Forgejo too)
``gitlab``  ``webhook-signature: v1,`` and the base64 HMAC-SHA256 of ``id.timestamp.body`` (Standard Webhooks), where
            the hook has a signing token; else ``X-Gitlab-Token:`` the secret itself
==========  =====================================================================================================
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

TOLERANCE = timedelta(minutes=5)
"""How far a signed time may be from ours, as Standard Webhooks recommends."""

_HEADERS = {
    "github": ("x-hub-signature-256",),
    "gitea": ("x-gitea-signature",),
    "gitlab": ("webhook-signature", "x-gitlab-token"),
}


def is_signed(forge: str, headers: Mapping[str, str]) -> bool:
    """Whether there is anything to check; without it the body need not be read."""
    return any(headers.get(name) for name in _HEADERS[forge])


def is_genuine(forge: str, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> bool:
    """Whether one of the secrets made the signature."""
    if forge == "gitlab" and headers.get("webhook-signature"):
        return _standard(headers, body, secrets, now)
    given = headers.get(next(reversed(_HEADERS[forge])), "").encode("latin-1", "replace")
    expected = (_expected(forge, secret.encode(), body) for secret in secrets)
    return _any_equal([given], list(expected))


def _expected(forge: str, secret: bytes, body: bytes) -> bytes:
    if forge == "gitlab":
        return secret
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest().encode()
    return b"sha256=" + digest if forge == "github" else digest


def _standard(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> bool:
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return False
    if abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
        return False
    signed = f"{name}.{stamp}.".encode("latin-1", "replace") + body
    expected = [base64.b64encode(hmac.digest(_key(secret), signed, "sha256")) for secret in secrets]
    given = [one.removeprefix("v1,").encode("latin-1", "replace") for one in headers["webhook-signature"].split()]
    return _any_equal(given, expected)


def _key(secret: str) -> bytes:
    """A signing token stands for the bytes that its base64 part encodes."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return secret.encode()


def _any_equal(given: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    # All are compared, so that the time tells nothing of which one came close. A header may name many: a few count.
    return sum(hmac.compare_digest(one, other) for one in given[:4] for other in expected if other) > 0

"""Webhooks as the forges document them, cut down to what is read, and signed as the forges sign."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

SECRET = "ae5d0c7e-9a-long-random-one"
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())
SHA = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"

PUSHES: Mapping[str, Any] = {
    "github": {"ref": "refs/heads/main", "after": SHA, "repository": {"pushed_at": STAMP}, "commits": []},
    "gitea": {"ref": "refs/heads/main", "after": SHA, "total_commits": 1},
    "gitlab": {"object_kind": "push", "ref": "refs/heads/main", "after": SHA, "checkout_sha": SHA},
}
PULLS: Mapping[str, Any] = {
    "github": {"action": "opened", "number": 7, "pull_request": {"number": 7, "updated_at": "2026-01-31T12:00:00Z"}},
    "gitea": {
        "action": "opened",
        "number": 7,
        "pull_request": {"number": 7, "updated_at": "2026-01-31T13:00:00+01:00"},
    },
    "gitlab": {
        "object_kind": "merge_request",
        "object_attributes": {"iid": 7, "updated_at": "2026-01-31 12:00:00 UTC"},
    },
}
COMMENTS: Mapping[str, Any] = {
    "github": {
        "issue": {"number": 7, "pull_request": {"url": "https://api/pulls/7"}},
        "comment": {"body": "/releasectl plan", "updated_at": "2026-01-31T12:00:00Z"},
    },
    "gitea": {"is_pull": True, "issue": {"number": 7}, "comment": {"updated_at": "2026-01-31T12:00:00Z"}},
    "gitlab": {
        "object_attributes": {"noteable_type": "MergeRequest", "updated_at": "2026-01-31T12:00:00.000Z"},
        "merge_request": {"iid": 7},
    },
}
NAMES = {
    "github": {"push": "push", "pull": "pull_request", "comment": "issue_comment"},
    "gitea": {"push": "push", "pull": "pull_request", "comment": "issue_comment"},
    "gitlab": {"push": "Push Hook", "pull": "Merge Request Hook", "comment": "Note Hook"},
}
PAYLOADS = {"push": PUSHES, "pull": PULLS, "comment": COMMENTS}


def encoded(payload: Any) -> bytes:
    return json.dumps(payload).encode()


def signed(forge: str, event: str, body: bytes, *, secret: str = SECRET, delivery: str = "one") -> dict[str, str]:
    """The headers of a delivery as the forge sends it."""
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "github": {"X-GitHub-Event": event, "X-GitHub-Delivery": delivery, "X-Hub-Signature-256": f"sha256={mac}"},
        "gitea": {"X-Gitea-Event": event, "X-Gitea-Delivery": delivery, "X-Gitea-Signature": mac},
        "gitlab": {"X-Gitlab-Event": event, "X-Gitlab-Event-UUID": delivery, "X-Gitlab-Token": secret},
    }
    return {"Content-Type": "application/json", **headers[forge]}


def standard(event: str, body: bytes, *, key: bytes, at: int = STAMP, delivery: str = "one") -> dict[str, str]:
    """The headers of a GitLab hook that has a signing token."""
    mac = base64.b64encode(hmac.digest(key, f"{delivery}.{at}.".encode() + body, "sha256")).decode()
    return {
        "Content-Type": "application/json",
        "X-Gitlab-Event": event,
        "webhook-id": delivery,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{mac}",
    }

"""Where the repository is, and who may ask it: an allow-list of addresses, with credentials kept apart.

A credential in the URL or in an environment variable reaches git as an HTTP header in the child's
environment. It is on no command line, in no file, and ``redact`` takes it out of every text that leaves here.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from releasectl.errors import Denied, UsageError

_SCHEMES = ("file", "http", "https", "ssh")
_SCP_LIKE = re.compile(r"(?:[A-Za-z0-9_][\w.+-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?![/:]{2})[^-].*")
_USERINFO = re.compile(r"(?i)\b(https?://)[^/\s@]+@|\b([a-z+]+://[^/\s:@]*):[^/\s@]*@")
_AUTHORIZATION = re.compile(r"(?i)(authorization:\s*\w+\s+)\S+")
_HIDDEN = "***"


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """The text without these secrets and without anything that looks like a credential in a URL or header."""
    # The longest first: one secret may contain another.
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    text = _AUTHORIZATION.sub(rf"\g<1>{_HIDDEN}", text)
    return _USERINFO.sub(lambda found: f"{found[1] or found[2] + ':'}{_HIDDEN}@", text)


@dataclass(frozen=True)
class Remote:
    """A repository's address as git is given it, without credentials."""

    url: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    config: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Settings of git that go with it, for the environment."""

    def redact(self, text: str) -> str:
        """The text without this remote's credentials."""
        return redact(text, self.secrets)


def parse_remote(location: str, *, token_variable: str | None = None) -> Remote:
    """A path, file://, http(s)://, ssh:// or user@host:path. Anything else raises UsageError.

    ``token_variable`` names an environment variable with a token for HTTP; it comes before one in the URL.
    """
    if not location or location.startswith("-") or any(ord(char) < 32 for char in location):
        raise UsageError(f"{redact(location)!r} is not a repository", hint="give a path or a URL")
    if "://" in location:
        return _from_url(location, token_variable)
    if "::" not in location.split("/", 1)[0] and (_SCP_LIKE.fullmatch(location) and not Path(location).exists()):
        return Remote(location)
    if "::" in location.split("/", 1)[0]:
        raise UsageError(
            f"{redact(location)!r} names a remote helper, which could run any command",
            hint=f"use a path, user@host:path, or one of {', '.join(s + '://' for s in _SCHEMES)}",
        )
    return Remote(str(Path(location).expanduser().absolute()))


def _from_url(location: str, token_variable: str | None) -> Remote:
    parts = urlsplit(location)
    if parts.scheme not in _SCHEMES:
        raise UsageError(
            f"repositories over {parts.scheme}:// are not supported",
            hint=f"use a path or one of {', '.join(s + '://' for s in _SCHEMES)}",
        )
    if (parts.hostname or "").startswith("-") or (parts.username or "").startswith("-"):
        raise UsageError(f"{redact(location)!r} has a host that reads like an option")
    if parts.scheme in ("file", "ssh"):
        if parts.password:
            raise UsageError(
                f"a password in {redact(location)!r} cannot be used over {parts.scheme}", hint="use an SSH key"
            )
        return Remote(location)
    return _over_http(location, token_variable)


def _over_http(location: str, token_variable: str | None) -> Remote:
    parts = urlsplit(location)
    host = parts.netloc.rpartition("@")[2]
    bare = urlunsplit((parts.scheme, host, parts.path, "", ""))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if token_variable:
        password = os.environ.get(token_variable, "")
        if not password:
            raise Denied(
                f"the environment variable {token_variable} for the token of {bare} is not set",
                hint="set it, or leave it out of the settings for a public repository",
            )
        user = user or "x-access-token"
    if not user and not password:
        return Remote(bare)
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    written = [parts.password or "", password, basic]
    if not password:
        written += [user, parts.username or ""]
    origin = f"http.{parts.scheme}://{host}/"
    return Remote(
        bare,
        secrets=tuple(dict.fromkeys(filter(None, written))),
        # A redirect could carry the header to a host it is not meant for.
        config=((f"{origin}.extraHeader", f"Authorization: Basic {basic}"), ("http.followRedirects", "false")),
    )

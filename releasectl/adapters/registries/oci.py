"""Tags of an OCI registry, over its distribution API: the highest tag, by the digest of its manifest.

The digest is computed from the manifest that was read, not taken from a header, so it is what a pull by digest gets.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urljoin, urlsplit

import httpx

from releasectl.adapters.registries.web import Web
from releasectl.domain.subscription import OciTags
from releasectl.errors import Denied, Unavailable
from releasectl.ports import Offer

_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_MAX_PAGES = 100
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""As the distribution specification has them; what else a registry may list is left out."""
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class OciRegistry:
    """``ports.Registry`` over the tags of one repository."""

    def __init__(self, source: OciTags, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._source = source
        self._host, _, self._path = source.repository.partition("/")
        self._base = f"{'http' if source.plain_http else 'https'}://{self._host}"
        self._web = Web(f"the registry at {self._host}", transport=transport)
        self._bearer = ""

    async def aclose(self) -> None:
        """Close the connections."""
        await self._web.aclose()

    async def newest(self) -> Offer | None:
        """See the port."""
        tag = highest(await self._tags(), self._source.tags)
        if tag is None:
            return None
        response = await self._get(f"/v2/{self._path}/manifests/{tag}", accept=_MANIFESTS)
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.status_code != httpx.codes.OK:
            raise self._web.refused(response.status_code)
        digest = "sha256:" + hashlib.sha256(response.content).hexdigest()
        return Offer(
            version=tag,
            artifact=f"oci://{self._source.repository}@{digest}",
            digest=digest,
            facts=_facts(tag, self._web.json(response)),
        )

    async def _tags(self) -> list[str]:
        tags: list[str] = []
        path = f"/v2/{self._path}/tags/list?n=1000"
        for _ in range(_MAX_PAGES):
            response = await self._get(path)
            if response.status_code == httpx.codes.NOT_FOUND:
                return []
            if response.status_code != httpx.codes.OK:
                raise self._web.refused(response.status_code)
            listed = self._web.json(response).get("tags") or []
            tags += [tag for tag in listed if isinstance(tag, str)]
            following = response.links.get("next", {}).get("url")
            if not following:
                return tags
            path = self._within(following)
        raise Unavailable(f"{self._web.name} lists more than {_MAX_PAGES} pages of tags")

    def _within(self, link: str) -> str:
        """The path of a link, which must stay on this registry: credentials go with it."""
        target = urlsplit(urljoin(self._base, link))
        if target.netloc != self._host:
            raise Unavailable(f"{self._web.name} sends on to another host for more tags")
        return f"{target.path}?{target.query}"

    # --- authentication ---------------------------------------------------------------------------------

    async def _get(self, path: str, *, accept: str = "application/json") -> httpx.Response:
        """Ask, and once more with a token if the registry wants one."""
        response = await self._web.get(self._base + path, headers=self._headers(accept))
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return response
        scheme, _, details = response.headers.get("www-authenticate", "").partition(" ")
        if scheme.lower() != "bearer":
            raise self._web.refused(response.status_code)
        self._bearer = await self._token(dict(_CHALLENGE.findall(details)))
        return await self._web.get(self._base + path, headers=self._headers(accept))

    def _headers(self, accept: str) -> dict[str, str]:
        if self._bearer:
            return {"accept": accept, "authorization": f"Bearer {self._bearer}"}
        return {"accept": accept, **self._credentials()}

    def _credentials(self) -> dict[str, str]:
        """Basic credentials or a token from the environment variable; nothing where none is named."""
        variable = self._source.token_variable
        if variable is None:
            return {}
        secret = os.environ.get(variable, "").strip()
        if not secret:
            raise Denied(f"the environment variable {variable} holds nothing for {self._web.name}")
        if ":" in secret:
            return {"authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
        return {"authorization": f"Bearer {secret}"}

    async def _token(self, challenge: Mapping[str, str]) -> str:
        """A token for reading, from where the registry's challenge says."""
        realm = challenge.get("realm", "")
        if urlsplit(realm).scheme not in ({"http", "https"} if self._source.plain_http else {"https"}):
            raise Unavailable(f"{self._web.name} wants a token from a place that is not to be trusted with credentials")
        asked = {"scope": f"repository:{self._path}:pull"}
        if "service" in challenge:
            asked["service"] = challenge["service"]
        response = await self._web.get(realm, params=asked, headers=self._credentials())
        if response.status_code != httpx.codes.OK:
            raise self._web.refused(response.status_code)
        answer = self._web.json(response)
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str):
            raise Unavailable(f"{self._web.name} gave no token")
        return token


def highest(tags: Sequence[str], pattern: str) -> str | None:
    """The highest of the tags that match as a whole; runs of digits are compared as numbers."""
    matching = [tag for tag in tags if _TAG.fullmatch(tag) and re.fullmatch(pattern, tag)]
    return max(matching, key=_ordered, default=None)


_END = (1, -1, "")
"""What the end of a tag is compared as: above a pre-release's hyphen, below everything else that could follow."""


def _ordered(tag: str) -> tuple[tuple[int, int, str], ...]:
    """``v1.10`` after ``v1.9``; a longer one after its own beginning, and ``1.0`` after ``1.0-rc1``."""
    parts = re.findall(r"\d+|[^\d]+", tag)
    ordered = [(1, int(part), "") if part.isdigit() else (0 if "-" in part else 2, 0, part) for part in parts]
    return (*ordered, _END)


def _facts(tag: str, manifest: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    annotations = manifest.get("annotations")
    known = annotations if isinstance(annotations, dict) else {}
    shown = {
        "tag": tag,
        "made": known.get("org.opencontainers.image.created"),
        "source": known.get("org.opencontainers.image.source"),
        "revision": known.get("org.opencontainers.image.revision"),
    }
    return tuple((name, str(value)) for name, value in shown.items() if value)

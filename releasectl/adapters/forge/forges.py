"""The forge of an environment, from what its manifest says; whoever asks the same host shares one pace."""

from __future__ import annotations

from typing import assert_never

import httpx

from releasectl.adapters.forge import github
from releasectl.adapters.forge.gitea import GiteaForge
from releasectl.adapters.forge.github import GithubForge
from releasectl.adapters.forge.gitlab import GitlabForge
from releasectl.adapters.forge.http import ForgeHttp
from releasectl.adapters.forge.pace import Pace
from releasectl.domain.forge import ForgeSpec
from releasectl.ports import Forge

HttpForge = GiteaForge | GithubForge | GitlabForge


class Forges:
    """Opens forges, one for each specification, and closes them together. Belongs to one event loop."""

    def __init__(self, *, branch: str = "main", transport: httpx.AsyncBaseTransport | None = None) -> None:
        """``branch`` is the manifests' branch, into which pull requests go."""
        self._branch = branch
        self._transport = transport
        self._paces: dict[str, Pace] = {}
        self._open: dict[ForgeSpec, HttpForge] = {}

    def __call__(self, spec: ForgeSpec | None) -> Forge | None:
        """The forge; None where there is none, or no token to speak with it."""
        if spec is None or spec.token_variable is None:
            return None
        if spec not in self._open:
            self._open[spec] = self._made(spec)
        return self._open[spec]

    async def aclose(self) -> None:
        """Close the connections to all of them."""
        for forge in self._open.values():
            await forge.aclose()
        self._open.clear()

    def _made(self, spec: ForgeSpec) -> HttpForge:
        match spec.type:
            case "gitea":
                return GiteaForge(self._http(spec, f"{spec.url.rstrip('/')}/api/v1"), spec.project, branch=self._branch)
            case "github":
                http = self._http(spec, github.api_of(spec.url), accept=github.ACCEPT, headers=github.HEADERS)
                return GithubForge(http, spec.project, branch=self._branch)
            case "gitlab":
                return GitlabForge(
                    self._http(spec, f"{spec.url.rstrip('/')}/api/v4"), spec.project, branch=self._branch
                )
            case _:
                assert_never(spec.type)

    def _http(
        self, spec: ForgeSpec, base: str, *, accept: str = "application/json", headers: dict[str, str] | None = None
    ) -> ForgeHttp:
        pace = self._paces.setdefault(httpx.URL(base).netloc.decode(), Pace())
        return ForgeHttp(
            base,
            token_variable=spec.token_variable,
            accept=accept,
            headers=headers,
            pace=pace,
            transport=self._transport,
        )

"""C25: planted secrets are in no output, commit, log, file or error, whatever goes wrong around them."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import pytest
from prometheus_client import generate_latest

from releasectl.cli.location import TOKEN_VARIABLE, Location
from releasectl.cli.service import Service
from tests.adapters.api.hooks import PUSHES, encoded, signed
from tests.adapters.git.http_host import serve
from tests.adapters.git.keys import ssh_key
from tests.scenarios.world import World, run_git

TOKEN = "ghp_planted0token0of0the0repository"
SECRET = "planted-secret-of-the-webhooks"


def _traces(found: str) -> list[str]:
    """Which of the secrets, plain or as they travel, are in a text."""
    basic = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    return [secret for secret in (TOKEN, SECRET, basic) if secret in found]


def _written(folder: Path) -> str:
    """Everything in the files of a folder, git's compressed objects aside."""
    return "".join(file.read_bytes().decode("latin-1") for file in folder.rglob("*") if file.is_file())


async def test_c25_planted_secrets_are_found_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: list[dict[str, object]]
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    world = World(tmp_path / "world", releases=())
    key = ssh_key(tmp_path, "controller")
    said: list[str] = []
    with serve(world.folder, login=f"x-access-token:{TOKEN}") as server:
        url = server.url("origin.git", login=f"x-access-token:{TOKEN}")
        location = Location(url, "main", "releasectl/ledger", tmp_path / "state", key)
        said.append(repr(location))
        service = await Service.start(location, cwd=tmp_path, host="127.0.0.1", port=0, hook_secrets=[SECRET])
        try:
            async with httpx.AsyncClient(base_url=service.url) as client:
                for status in (None, 401, 403, 404, 500, 503):
                    server.trouble.status = status
                    await service.once()
                    body = encoded({**PUSHES["github"], "status": status})
                    headers = signed("github", "push", body, secret=SECRET, delivery=str(status))
                    answers = [
                        await client.post("/v1/hooks/github", content=body, headers=headers),
                        await client.post("/v1/hooks/gitlab", content=body, headers={"X-Gitlab-Token": SECRET + "x"}),
                        *[await client.get(path) for path in ("/v1/status", "/readyz", "/metrics", "/v1/releases")],
                    ]
                    said += [answer.text + str(answer.headers) for answer in answers]
                said.append(generate_latest(service._registry).decode())
                said.append(repr(vars(service)))
        finally:
            await service.close()
    said.append(repr(logged))
    said.append(_written(tmp_path / "state"))
    said.append(run_git("log", "--all", "--format=raw", "-p", cwd=world.origin))
    assert not [_traces(text) for text in said if _traces(text)]
    private = key.read_text().splitlines()[1]
    assert not any(private in text for text in said)
    world.close()

"""A push to a real Gitea wakes the controller by a webhook, long before it would have looked by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.hosted import TOKEN, eventually, running
from tests.gitea.server import Gitea

pytestmark = [pytest.mark.slow, pytest.mark.gitea]

SECRET = "a-secret-that-nobody-guesses"
ENVIRONMENT = """\
apiVersion: releasectl.dev/v1alpha1
kind: Environment
metadata: {name: local}
spec:
  router: {type: envoy, port: 0}
  forge: {type: gitea, url: "URL", project: PROJECT, tokenVariable: TOKEN}
  interval: 10m
"""
RELEASE = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: shop}
spec:
  environment: local
  components:
    - name: app
      versions:
        - name: "1"
          run:
            ready: /
            command:
              - python
              - -c
              - |
                import http.server, os
                at = ("127.0.0.1", int(os.environ["PORT"]))
                http.server.HTTPServer(at, http.server.SimpleHTTPRequestHandler).serve_forever()
  stable: {app: "1"}
  strategy: [{type: canary}]
  policy: safe-default
"""


def test_a_push_is_seen_at_once_and_only_with_the_right_signature(gitea: Gitea, tmp_path: Path) -> None:
    repository = gitea.repository()
    environment = ENVIRONMENT.replace("URL", gitea.url).replace("PROJECT", repository.project).replace("TOKEN", TOKEN)
    gitea.commit(repository, "environments/local.yaml", environment)
    gitea.commit(repository, "releases/shop.yaml", RELEASE)
    with running(tmp_path, gitea, repository, {"RELEASECTL_WEBHOOK_SECRET": SECRET}) as controller:
        hook = {"url": f"{controller.url}/v1/hooks/gitea", "content_type": "json", "secret": SECRET}
        asked = {"type": "gitea", "active": True, "events": ["push"], "config": hook}
        # The release is adopted and looked at again at once; from then on it is ten minutes to the next look.
        eventually(lambda: _phase(controller.status()) == "idle", "adoption")
        gitea.api("POST", f"/repos/{repository.project}/hooks", asked)
        pushed = gitea.commit(repository, "notes.md", "seen?")
        eventually(lambda: controller.status().get("revision") == pushed, "a pass after the push", 60)

        hooks = gitea.api("GET", f"/repos/{repository.project}/hooks")
        gitea.api("DELETE", f"/repos/{repository.project}/hooks/{hooks[0]['id']}")
        gitea.api("POST", f"/repos/{repository.project}/hooks", {**asked, "config": {**hook, "secret": "another"}})
        gitea.commit(repository, "notes.md", "unseen")
        eventually(lambda: "a webhook was refused" in controller.log.read_text(), "a word about it", 30)
        assert controller.status()["revision"] == pushed
        assert SECRET not in controller.log.read_text()


def _phase(status: dict[str, object]) -> object:
    rows = status.get("releases")
    return rows[0]["phase"] if isinstance(rows, list) and rows else None

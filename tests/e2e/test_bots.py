"""A model registered in a real MLflow becomes a pull request on a real Gitea, is tried, and becomes stable or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hosted import TOKEN, Running, eventually, running
from tests.gitea.server import Gitea, Repository
from tests.mlflow.server import Mlflow

pytestmark = [pytest.mark.slow, pytest.mark.gitea, pytest.mark.mlflow]

RELEASE = """\
# Kept by hand; bots add candidates.
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: words}
spec:
  environment: local
  components:
    - name: classifier
      versions:
        - {name: "0", address: "127.0.0.1:9"}   # the first
  stable: {classifier: "0"}
  strategy: [{type: canary, steps: [50], interval: 1s}]
  policy: safe-default
"""
ENVIRONMENT = """\
apiVersion: releasectl.dev/v1alpha1
kind: Environment
metadata: {name: local}
spec:
  router: {type: envoy, port: 0}
  forge: {type: gitea, url: "URL", project: PROJECT, tokenVariable: TOKEN}
"""
SUBSCRIPTION = """\
apiVersion: releasectl.dev/v1alpha1
kind: Subscription
metadata: {name: registry}
spec:
  release: words
  component: classifier
  from: {type: mlflow, url: "URL", model: words-e2e}
  interval: 1s
"""


@pytest.fixture
def repository(gitea: Gitea, mlflow: Mlflow) -> Repository:
    made = gitea.repository()
    environment = ENVIRONMENT.replace("URL", gitea.url).replace("PROJECT", made.project).replace("TOKEN", TOKEN)
    gitea.commit(made, "environments/local.yaml", environment)
    gitea.commit(made, "releases/words.yaml", RELEASE)
    gitea.commit(made, "subscriptions/registry.yaml", SUBSCRIPTION.replace("URL", mlflow.url))
    return made


def test_a_registered_model_becomes_a_pull_request_with_its_contract_and_its_plan(
    gitea: Gitea, mlflow: Mlflow, repository: Repository, tmp_path: Path
) -> None:
    with running(tmp_path, gitea, repository) as controller:
        _story(gitea, mlflow, repository, controller)


def _story(gitea: Gitea, mlflow: Mlflow, repository: Repository, controller: Running) -> None:
    eventually(controller.subscription, "a first look at the registry")
    assert controller.subscription()["message"] == "nothing is offered yet"  # type: ignore[index]
    mlflow.register("words-e2e", 1.0)

    def pulls() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = gitea.api("GET", f"/repos/{repository.project}/pulls?state=open")
        return found

    [pull] = eventually(pulls, "a pull request")
    assert pull["title"] == "words: try classifier 1"
    assert pull["user"]["login"] == gitea.bot.login
    proposed = gitea.read(repository, "releases/words.yaml", ref=pull["head"]["ref"])
    assert "# Kept by hand; bots add candidates." in proposed
    assert 'name: "1"' in proposed
    assert "models:/words-e2e/1" in proposed
    assert '"length"' in json.dumps(proposed) or "length:" in proposed
    number = pull["number"]

    def planned() -> list[str]:
        remarks = gitea.api("GET", f"/repos/{repository.project}/issues/{number}/comments")
        return [one["body"] for one in remarks if "words" in one["body"]]

    plan = eventually(planned, "the plan as a comment")
    assert any("classifier-1" in body for body in plan)
    # The older one is closed as soon as there is a newer one: the newest is enough to decide about.
    mlflow.register("words-e2e", 2.0)
    eventually(lambda: [one for one in pulls() if one["title"].endswith("classifier 2")], "the second pull request")
    eventually(lambda: len(pulls()) == 1, "the end of the first")
    printed = controller.log.read_text()
    assert gitea.bot.token not in printed
    assert gitea.bot.token not in gitea.read(repository, "releases/words.yaml", ref=pull["head"]["ref"])

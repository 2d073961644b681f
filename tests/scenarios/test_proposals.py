"""Promotion bots around a world: what a source offers becomes a pull request, once, and people have the say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from releasectl.adapters.git.repo import GitRepo
from releasectl.adapters.git.trailers import append_trailers
from releasectl.domain.base import digest_of
from releasectl.domain.release import Interface
from releasectl.domain.subscription import MlflowModel, OciTags
from releasectl.errors import Unavailable
from releasectl.ports import Offer, Pull, PullState
from releasectl.pulls.proposals import Proposer
from releasectl.pulls.seen import Reading
from tests.scenarios.pulling import Pulling
from tests.scenarios.world import World, run_git

SUBSCRIPTION = """\
apiVersion: releasectl.dev/v1alpha1
kind: Subscription
metadata: {name: bot}
spec:
  release: shop
  component: app
  from: {type: mlflow, url: "http://127.0.0.1:5000", model: app}
  version: {run: {command: [app, "${version}"]}}
  labels: [models]
"""


def offer(version: str, **more: object) -> Offer:
    return replace(Offer(version, f"models:/app/{version}", digest_of(version)), **more)  # type: ignore[arg-type]


class Shelf:
    """A registry on which a test puts versions; a fault in their place is raised."""

    def __init__(self) -> None:
        self.newest_is: Offer | Unavailable | None = None

    async def newest(self) -> Offer | None:
        if isinstance(self.newest_is, Unavailable):
            raise self.newest_is
        return self.newest_is

    async def aclose(self) -> None:
        """Nothing is open."""


class Bots:
    """The bots of a world; ``look`` makes a round some time after the last."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pulling = Pulling(world)
        self.shelf = Shelf()
        self.serves: dict[str, Shelf] = {}
        """Shelves of other addresses."""
        world.write("subscriptions/bot.yaml", SUBSCRIPTION)
        self._repo = GitRepo(str(world.origin), mirror=world.folder / "bots")
        self.begin()

    def begin(self) -> None:
        """A process that starts now."""
        self.reading = Reading(self._repo)
        self.proposer = Proposer(
            forge=self.pulling.forge, branches=self.reading, registry=self._registry, with_trailers=append_trailers
        )
        self._now = self.world.clock.now()

    def look(self) -> str:
        self._now += timedelta(minutes=2)

        async def round_() -> None:
            await self.proposer.look(await self.reading.look(), self._now)

        asyncio.run(round_())
        return self.proposer.standing["bot"].told

    @property
    def pulls(self) -> list[Pull]:
        return list(self.pulling.forge.pulls.values())

    def file(self, pull: Pull) -> str:
        return run_git("show", f"{pull.head}:releases/shop.yaml", cwd=self.world.origin)

    def close(self) -> None:
        self._repo.close()
        self.pulling.close()

    def _registry(self, source: MlflowModel | OciTags) -> Shelf:
        return self.serves.get(source.url, self.shelf) if isinstance(source, MlflowModel) else self.shelf


@pytest.fixture
def bots(tmp_path: Path) -> Iterator[Bots]:
    world = World(tmp_path)
    asyncio.run(world.run_pass())
    made = Bots(world)
    yield made
    made.close()
    world.close()


def test_a_new_version_becomes_one_pull_request_however_often_one_looks(bots: Bots) -> None:
    assert bots.look() == "nothing is offered yet"
    bots.shelf.newest_is = offer("7")
    assert bots.look() == "#1 proposes app 7"
    bots.begin()
    assert bots.look() == "#1 proposes app 7"
    [pull] = bots.pulls
    assert pull.title == "shop: try app 7"
    assert set(pull.labels) == {"releasectl", "models"}
    assert digest_of("7") in pull.body
    assert "name: app-7" in bots.file(pull)
    assert run_git("rev-list", "--count", f"main..{pull.head}", cwd=bots.world.origin).strip() == "1"
    assert "Releasectl-Subscription: bot" in run_git("log", "-1", "--format=%B", pull.head, cwd=bots.world.origin)


def test_an_open_one_keeps_the_words_that_people_give_it(bots: Bots) -> None:
    bots.shelf.newest_is = offer("7")
    bots.look()
    bots.pulling.forge.pulls[1] = replace(bots.pulls[0], title="wait for Ada", body="see the thread")
    assert bots.look() == "#1 proposes app 7"
    assert (bots.pulls[0].title, bots.pulls[0].body) == ("wait for Ada", "see the thread")


def test_merged_it_is_tried_like_any_other_candidate(bots: Bots) -> None:
    bots.shelf.newest_is = offer("7")
    bots.look()
    bots.pulling.forge.merge(1)
    asyncio.run(bots.world.run_for(6, every=3))
    assert bots.world.share("app-7") > 0
    assert bots.look() == "the candidate app-7 tries it already"


def test_a_pull_request_that_a_person_closed_is_an_answer(bots: Bots) -> None:
    bots.shelf.newest_is = offer("7")
    bots.look()
    asyncio.run(bots.pulling.forge.close_pull(1))
    assert bots.look() == "#1 for app 7 was closed: not proposed again"
    assert len(bots.pulls) == 1


def test_a_newer_version_closes_the_pull_request_of_the_older(bots: Bots) -> None:
    bots.shelf.newest_is = offer("7")
    bots.look()
    bots.shelf.newest_is = offer("8")
    assert bots.look() == "#2 proposes app 8"
    assert [pull.state for pull in bots.pulls] == [PullState.CLOSED, PullState.OPEN]
    assert "Another version is offered now: #2." in bots.pulling.ours(1)[0]


def test_a_version_that_comes_back_is_proposed_again_unless_a_person_declined_it(bots: Bots) -> None:
    for version in ("7", "8", "7"):
        bots.shelf.newest_is = offer(version)
        bots.look()
    assert [(pull.title, pull.state.value) for pull in bots.pulls] == [
        ("shop: try app 7", "closed"),
        ("shop: try app 8", "closed"),
        ("shop: try app 7", "open"),
    ]
    asyncio.run(bots.pulling.forge.close_pull(3))
    assert bots.look() == "#3 for app 7 was closed: not proposed again"


def test_an_alias_that_moves_back_to_what_stable_has_withdraws_the_proposal(bots: Bots) -> None:
    bots.shelf.newest_is = offer("7")
    bots.look()
    bots.pulling.forge.pulls[2] = replace(bots.pulls[0], number=2, foreign=True, author="mallory")
    world = bots.world
    text = world.read("releases/shop.yaml").replace('{name: "1"', '{name: "1", artifact: "models:/app/1"', 1)
    world.write("releases/shop.yaml", text)
    bots.shelf.newest_is = offer("1", artifact="models:/app/1", digest=None)
    assert bots.look() == "stable has it already"
    assert [pull.state.value for pull in bots.pulls] == ["closed", "open"], "a fork's branch is somebody else's"
    assert "No longer proposed: stable has it already." in bots.pulling.ours(1)[0]


def test_an_open_proposal_follows_the_manifest_and_leaves_a_persons_commit_alone(bots: Bots) -> None:
    bots.shelf.newest_is = offer("7")
    bots.look()
    world, head = bots.world, bots.pulls[0].head
    # Next to where the proposal adds its lines, so that git alone could not merge it.
    world.replace("releases/shop.yaml", "  stable:", "  # the next line is what serves\n  stable:")
    world.replace("releases/shop.yaml", "# what serves now", "# and served before")
    assert bots.look() == "#1 proposes app 7"
    assert "# and served before" in bots.file(bots.pulls[0])
    run_git("merge-tree", "--write-tree", "main", head, cwd=world.origin)
    bots.pulling.push(head, {"notes.md": "mine"})
    world.replace("releases/shop.yaml", "# and served before", "# once more")
    assert bots.look() == "#1 proposes app 7"
    assert "# once more" not in bots.file(bots.pulls[0])
    assert run_git("show", f"{head}:notes.md", cwd=world.origin) == "mine"


def test_a_registry_that_is_down_changes_nothing_and_hinders_nobody(bots: Bots) -> None:
    bots.shelf.newest_is = Unavailable("MLflow at 127.0.0.1:5000 cannot be reached")
    before = bots.world.read("releases/shop.yaml")
    assert bots.look() == "MLflow at 127.0.0.1:5000 cannot be reached"
    assert bots.proposer.standing["bot"].fault
    assert (bots.pulls, bots.world.read("releases/shop.yaml")) == ([], before)
    bots.shelf.newest_is = offer("7")
    assert bots.look() == "#1 proposes app 7", "it goes on by itself once the cause is gone"


def test_a_fault_of_ours_in_one_subscription_hinders_no_other(bots: Bots) -> None:
    other = SUBSCRIPTION.replace("name: bot", "name: a-first")
    bots.world.write("subscriptions/other.yaml", other.replace("5000", "5001").replace("labels: [models]", ""))
    broken, sound = Shelf(), bots.shelf
    broken.newest_is = replace(offer("9"), facts=(("size", 3),))  # type: ignore[arg-type]
    bots.serves["http://127.0.0.1:5001"] = broken
    sound.newest_is = offer("7")
    assert "proposes app 7" in bots.look()
    assert bots.proposer.standing["a-first"].told == "a fault of releasectl (TypeError)"


def test_a_branch_that_was_pushed_before_a_crash_is_used(bots: Bots, monkeypatch: pytest.MonkeyPatch) -> None:
    bots.shelf.newest_is = offer("7")
    forge = bots.pulling.forge

    async def gone(**_: object) -> Pull:
        raise Unavailable("the forge is gone")

    with monkeypatch.context() as broken:
        broken.setattr(forge, "ensure_pull", gone)
        assert bots.look() == "the forge is gone"
    bots.begin()
    assert bots.look() == "#1 proposes app 7"
    assert run_git("rev-list", "--count", f"main..{bots.pulls[0].head}", cwd=bots.world.origin).strip() == "1"


def test_c17_what_was_rolled_back_is_not_proposed_again(bots: Bots) -> None:
    bots.shelf.newest_is = offer("7")
    bots.look()
    bots.pulling.forge.merge(1)
    bots.world.users.error_rates["7"] = 0.5
    asyncio.run(bots.world.run_for(40, every=2))
    assert bots.world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    bots.shelf.newest_is = offer("8", digest=digest_of("7"))
    assert bots.look().startswith("app 8 was rolled back and is held")
    assert len(bots.pulls) == 1


def test_a_changed_hash_of_data_version_control_becomes_a_pull_request(bots: Bots) -> None:
    world = bots.world
    follow = SUBSCRIPTION.replace(
        '{type: mlflow, url: "http://127.0.0.1:5000", model: app}', "{type: dvc, path: models/app.pkl.dvc}"
    )
    world.write("subscriptions/bot.yaml", follow)
    assert bots.look() == "there is no file models/app.pkl.dvc in the repository"
    world.write("models/app.pkl.dvc", f"outs:\n- md5: {'a' * 32}\n  path: app.pkl\n")
    assert bots.look() == "#1 proposes app aaaaaaaaaaaa"
    assert f"dvc://models/app.pkl@md5:{'a' * 32}" in bots.file(bots.pulls[0])
    world.write("models/app.pkl.dvc", f"outs:\n- md5: {'b' * 32}\n  path: app.pkl\n")
    assert bots.look() == "#2 proposes app bbbbbbbbbbbb"
    assert [pull.state for pull in bots.pulls] == [PullState.CLOSED, PullState.OPEN]


def test_what_a_registry_says_is_shown_as_text(bots: Bots) -> None:
    facts = (("description", "@everyone | <script>\n[click](http://evil)"),)
    contract = Interface(request={"type": "object", "required": ["text"]})
    bots.shelf.newest_is = offer("7", facts=facts, interface=contract)
    bots.look()
    body = bots.pulls[0].body
    assert "&#64;everyone &#124; &#60;script&#62; &#91;click&#93;(http://evil)" in body
    assert not any(part in body for part in ("@everyone", "<script>", "[click]"))
    assert "The contract of `app` is taken from the artifact's own signature." in body


def test_what_staging_promotes_is_proposed_to_production_with_its_evidence(bots: Bots) -> None:
    world = bots.world
    text = world.read("releases/shop.yaml")
    world.write("releases/live.yaml", text.replace("name: shop", "name: live"))
    source = '  from: {type: mlflow, url: "http://127.0.0.1:5000", model: app}\n'
    follow = SUBSCRIPTION.replace("release: shop\n  component: app", "release: live")
    follow = follow.replace(source, "  from: {type: release, release: shop}\n")
    follow = follow.replace('  version: {run: {command: [app, "${version}"]}}\n', "")
    world.write("subscriptions/bot.yaml", follow)
    assert bots.look() == "nothing is offered yet"
    world.add_candidate("2", name="better")
    asyncio.run(world.run_for(90, every=3))
    assert world.reasons()[-1].startswith("PROMOTE")
    assert bots.look() == "#1 proposes app 2"
    [pull] = bots.pulls
    assert "releases/shop/decisions/" in pull.body.replace("&#95;", "_")
    assert "guardrail error-rate" in pull.body
    changed = run_git("diff", "--name-only", f"main...{pull.head}", cwd=world.origin).split()
    assert changed == ["releases/live.yaml"]

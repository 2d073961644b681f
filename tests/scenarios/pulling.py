"""Pull requests around a world: branches that people push, a forge in memory, the desk, and people who comment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from releasectl.adapters.forge.memory import MemoryForge
from releasectl.adapters.git.repo import GitRepo
from releasectl.ports import Pull, Remark
from releasectl.pulls.check import Planner
from releasectl.pulls.comments import CONTEXT
from releasectl.pulls.desk import Desk
from tests.scenarios.world import CANDIDATE, ENVIRONMENT, World, run_git

FORGED = ENVIRONMENT + "spec:\n  forge: {type: gitea, url: 'http://forge.test', project: acme/models}\n"
ALICE = "  roles: [{who: [alice], may: [approve, reject, pause, resume, promote, rollback, lift]}]\n"
CONFIG = ("-c", "user.name=tom", "-c", "user.email=tom@example.org", "-c", "commit.gpgsign=false")


class Pulling:
    """A forge over a world's repository, which keeps the heads of pull requests as real forges do."""

    def __init__(self, world: World, environment: str = FORGED + ALICE) -> None:
        self.world = world
        self._clone = world.folder / "clone"
        world.write("environments/local.yaml", environment, "Name the forge", by="ada")
        run_git("clone", "--quiet", str(world.origin), str(self._clone), cwd=world.folder)
        self.forge = MemoryForge(heads=self._head, land=self._land)
        self._repos: list[GitRepo] = []
        self.desk = self.another_desk()

    def another_desk(self, mirror: str = "pulls", planner: Planner | None = None) -> Desk:
        """The desk of a process that starts now."""
        repo = GitRepo(str(self.world.origin), mirror=self.world.folder / mirror)
        self._repos.append(repo)
        return Desk(self.forge, repo, self.world.store, self.world.clock, where="acme/models", planner=planner)

    def close(self) -> None:
        for repo in self._repos:
            repo.close()

    def push(self, branch: str, files: dict[str, str | None], *, message: str = "Propose") -> str:
        """A commit on a branch, which begins at main."""
        git = self._git
        git("fetch", "--quiet", "origin")
        known = f"refs/remotes/origin/{branch}" in git("for-each-ref", "--format=%(refname)")
        git("checkout", "--quiet", "--force", "-B", branch, f"origin/{branch}" if known else "origin/main")
        for path, text in files.items():
            place = self._clone / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink() if text is None else place.write_text(text)
        git("add", "--all")
        git(*CONFIG, "commit", "--quiet", "--allow-empty", "-m", message)
        git("push", "--quiet", "--force", "origin", branch)
        self._mirror_heads()
        return git("rev-parse", "HEAD").strip()

    async def open(self, branch: str, files: dict[str, str | None], *, by: str = "tom") -> Pull:
        """A person's pull request."""
        self.push(branch, files)
        pull = await self.forge.ensure_pull(head=branch, title=f"Propose {branch}", body="")
        self.forge.pulls[pull.number] = replace(self.forge.pulls[pull.number], author=by)
        self._mirror_heads()
        return pull

    async def propose(self, version: str = "2", *, by: str = "tom", name: str = "next", branch: str = "try") -> Pull:
        """A pull request that adds a candidate."""
        return await self.open(branch, {"releases/shop.yaml": self.with_candidate(version, name)}, by=by)

    def with_candidate(self, version: str = "2", name: str = "next") -> str:
        block = CANDIDATE.replace("CANDIDATE", name).replace("VERSION", version)
        return self.world.read("releases/shop.yaml").replace("  strategy:", block + "  strategy:")

    def say(self, number: int, author: str, body: str) -> Remark:
        """A comment, written now."""
        remark = replace(self.forge.say(number, author, body), at=self.world.clock.now())
        self.forge.comments[number][-1] = remark
        return remark

    def status(self, pull: Pull) -> tuple[str, str]:
        """State and description of the status at the pull request's head."""
        state, text = self.forge.statuses[self._head(pull.head) or pull.head_sha, CONTEXT]
        return state.value, text

    def ours(self, number: int) -> list[str]:
        """Bodies of the desk's comments."""
        return [one.body for one in self.forge.comments.get(number, ()) if one.author == self.forge.me]

    def _head(self, branch: str) -> str | None:
        found = run_git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}", cwd=self.world.origin)
        return found.strip() or None

    def _land(self, branch: str) -> str:
        git = self._git
        git("fetch", "--quiet", "origin")
        git("checkout", "--quiet", "--force", "-B", "main", "origin/main")
        git(*CONFIG, "merge", "--quiet", "--no-ff", "-m", f"Merge {branch}", f"origin/{branch}")
        git("push", "--quiet", "origin", "main")
        return git("rev-parse", "HEAD").strip()

    def _mirror_heads(self) -> None:
        for pull in self.forge.pulls.values() if hasattr(self, "forge") else ():
            if head := self._head(pull.head):
                run_git("update-ref", f"refs/pull/{pull.number}/head", head, cwd=self.world.origin)

    def _git(self, *arguments: str, cwd: Path | None = None) -> str:
        return run_git(*arguments, cwd=cwd or self._clone)

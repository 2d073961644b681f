"""A running Gitea with people and repositories in it.

It listens on loopback, keeps everything in a folder of its own and ends with the test session. Started as root it
runs as ``nobody``, because Gitea refuses root.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.gitea.binary import installed

OWNER = "acme"
_PASSWORD = "correct horse battery"
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0

_CONFIG = """\
APP_NAME = test forge
RUN_USER = {user}
RUN_MODE = prod
WORK_PATH = {work}
[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
LOCAL_ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {static}
APP_DATA_PATH = {work}/data
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = {work}/gitea.db
[repository]
ROOT = {work}/repositories
DEFAULT_BRANCH = main
[security]
INSTALL_LOCK = true
SECRET_KEY = only-for-tests
PASSWORD_COMPLEXITY = off
PASSWORD_HASH_ALGO = pbkdf2$1000$50
[service]
DISABLE_REGISTRATION = true
[webhook]
ALLOWED_HOST_LIST = loopback
DELIVER_TIMEOUT = 5
[indexer]
ISSUE_INDEXER_TYPE = db
[actions]
ENABLED = false
[cron]
ENABLED = false
[log]
MODE = file
LEVEL = Warn
ROOT_PATH = {work}/log
"""


@dataclass(frozen=True)
class Account:
    """Somebody with an account and an API token that may do all that they may do."""

    login: str
    token: str
    email: str


@dataclass(frozen=True)
class Repository:
    """A hosted repository."""

    server: str
    """Where the server listens, without a final slash."""
    owner: str
    name: str

    @property
    def project(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def clone_url(self) -> str:
        """Without credentials."""
        return f"{self.server}/{self.project}.git"

    def clone_url_as(self, account: Account) -> str:
        scheme, _, rest = self.clone_url.partition("://")
        return f"{scheme}://{account.login}:{account.token}@{rest}"


class Gitea:
    """The server: ``bot`` and ``alice`` may write to the repositories made here, ``mallory`` is a stranger."""

    def __init__(self, url: str, admin: Account) -> None:
        self.url = url
        self.admin = admin
        self._numbers = itertools.count(1)
        self.bot = self.account("releasectl-bot")
        self.alice = self.account("alice")
        self.bob = self.account("bob")
        self.mallory = self.account("mallory")

    def api(self, method: str, path: str, body: Any = None, *, by: Account | None = None) -> Any:
        """Call the API; what it answers. Raises for a status that is no success."""
        answer = httpx.request(
            method,
            f"{self.url}/api/v1{path}",
            json=body,
            headers={"Authorization": f"token {(by or self.admin).token}"},
            timeout=30,
            trust_env=False,
        )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def account(self, login: str) -> Account:
        """A new account."""
        email = f"{login}@example.com"
        person = {"username": login, "email": email, "password": _PASSWORD, "must_change_password": False}
        self.api("POST", "/admin/users", person)
        answer = httpx.post(
            f"{self.url}/api/v1/users/{login}/tokens",
            json={"name": "test", "scopes": ["all"]},
            auth=(login, _PASSWORD),
            timeout=30,
            trust_env=False,
        )
        answer.raise_for_status()
        return Account(login, answer.json()["sha1"], email)

    def repository(
        self,
        files: Mapping[str, str] | None = None,
        *,
        writers: Sequence[Account] | None = None,
        protected: bool = False,
        approvals: int = 0,
        checks: Sequence[str] = (),
        whitelist: Sequence[Account] = (),
    ) -> Repository:
        """A new repository with these files on ``main``; by default the bot, alice and bob may write to it.

        Protected, nobody may push to ``main`` but those on the whitelist: what goes there goes through pull requests,
        which need so many approvals and these statuses.
        """
        name = f"models-{next(self._numbers)}"
        self.api("POST", f"/admin/users/{self.admin.login}/repos", {"name": name, "auto_init": True, "private": False})
        repository = Repository(self.url, self.admin.login, name)
        for writer in (self.bot, self.alice, self.bob) if writers is None else writers:
            self.api("PUT", f"/repos/{repository.project}/collaborators/{writer.login}", {"permission": "write"})
        for path, content in (files or {}).items():
            self.commit(repository, path, content)
        if protected:
            self.protect(repository, approvals=approvals, checks=checks, whitelist=whitelist)
        return repository

    def commit(
        self, repository: Repository, path: str, content: str, *, branch: str = "main", by: Account | None = None
    ) -> str:
        """Write one file as somebody, on a branch that is made from main if it is not there; the commit."""
        import base64

        project = f"/repos/{repository.project}"
        names = {one["name"] for one in self.api("GET", f"{project}/branches?limit=50")}
        body: dict[str, Any] = {"content": base64.b64encode(content.encode()).decode(), "message": f"Write {path}"}
        body |= {"branch": branch} if branch in names else {"branch": "main", "new_branch": branch}
        listed = self.api("GET", f"{project}/git/trees/{body['branch']}?recursive=true")["tree"]
        known = next((one["sha"] for one in listed if one["path"] == path), None)
        method = "PUT" if known else "POST"
        done = self.api(method, f"{project}/contents/{path}", body | ({"sha": known} if known else {}), by=by)
        return str(done["commit"]["sha"])

    def read(self, repository: Repository, path: str, *, ref: str = "main") -> str:
        """A file's content as it stands on a branch."""
        import base64

        found = self.api("GET", f"/repos/{repository.project}/contents/{path}?ref={ref}")
        return base64.b64decode(found["content"]).decode()

    def protect(
        self,
        repository: Repository,
        *,
        approvals: int = 0,
        checks: Sequence[str] = (),
        whitelist: Sequence[Account] = (),
    ) -> None:
        """Close ``main`` to pushes of all that are not on the whitelist."""
        rule = {
            "rule_name": "main",
            "enable_push": bool(whitelist),
            "enable_push_whitelist": bool(whitelist),
            "push_whitelist_usernames": [account.login for account in whitelist],
            "required_approvals": approvals,
            "enable_status_check": bool(checks),
            "status_check_contexts": list(checks),
        }
        self.api("POST", f"/repos/{repository.project}/branch_protections", rule)


@contextmanager
def serve() -> Iterator[Gitea]:
    """Start it, wait until it answers, end it."""
    place = installed()
    work = Path(tempfile.mkdtemp(prefix="releasectl-gitea-", dir="/tmp"))
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    port = _free_port()
    config = work / "app.ini"
    config.write_text(_CONFIG.format(user=user.pw_name, work=work, static=place, port=port))
    for path in (work, config):
        os.chown(path, user.pw_uid, user.pw_gid)
    run = _Runs(place / "gitea", config, work, user)
    with (work / "out.log").open("wb") as out:
        process = subprocess.Popen([*run.command, "web"], stdout=out, stderr=subprocess.STDOUT, **run.options)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, work)
            yield Gitea(url, run.first_account())
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            shutil.rmtree(work, ignore_errors=True)


class _Runs:
    """How the binary is called: as whom, where, with which settings."""

    def __init__(self, binary: Path, config: Path, work: Path, user: pwd.struct_passwd) -> None:
        self.command = [str(binary), "--config", str(config), "--work-path", str(work)]
        self.options: dict[str, Any] = {
            "cwd": work,
            "env": {"PATH": os.environ["PATH"], "HOME": str(work), "USER": user.pw_name, "GIT_CONFIG_NOSYSTEM": "1"},
        }
        if os.geteuid() == 0:
            self.options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def first_account(self) -> Account:
        """The administrator, who can only be made beside the API."""
        email = f"{OWNER}@example.com"
        self._admin("create", "--admin", "--username", OWNER, "--password", _PASSWORD, "--email", email)
        flags = ("--username", OWNER, "--token-name", "test", "--scopes", "all", "--raw")
        return Account(OWNER, self._admin("generate-access-token", *flags), email)

    def _admin(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self.command, "admin", "user", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **self.options,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip().splitlines()[-1].strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes], work: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/api/healthz", timeout=5, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"Gitea did not start:\n{(work / 'out.log').read_text()[-4000:]}")

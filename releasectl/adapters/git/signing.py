"""Commits signed by an SSH key, and the check of such signatures; both by git itself.

``git verify-commit`` and a file of allowed signers are all that anybody needs to check what is signed here. Only SSH
signatures are ever accepted: an OpenPGP one would be judged by whatever keys lie about on this machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from releasectl.adapters.git.blobs import object_name
from releasectl.adapters.git.process import Runner
from releasectl.errors import Denied
from releasectl.ports import Commit

_HEADER = "gpgsig"
_SSH = "-----BEGIN SSH SIGNATURE-----"
_OTHER_PROGRAMS = (("gpg.openpgp.program", "false"), ("gpg.x509.program", "false"), ("gpg.program", "false"))


@dataclass(frozen=True)
class Signer:
    """A private key in a file without passphrase, or the public one of a key that an SSH agent holds."""

    key: Path
    public: str = field(default="", compare=False)
    """The public key, ``type base64``."""

    @classmethod
    def of(cls, key: Path, runner: Runner) -> Signer:
        """Raises Denied if nothing can be signed with it."""
        # git is asked once, on an empty commit that nothing points at: what is wrong is then told at the start.
        signer = cls(key.expanduser().absolute())
        empty = runner.run("hash-object", "-t", "tree", "-w", "--stdin").out.decode().strip()
        who = ("releasectl", "releasectl@localhost")
        sign(runner, [empty], [Commit("Try the key")], base=None, signer=signer, identity=who, stamp="0 +0000")
        return cls(signer.key, _public(signer.key))


def sign(
    runner: Runner,
    trees: Sequence[str],
    commits: Sequence[Commit],
    *,
    base: str | None,
    signer: Signer,
    identity: tuple[str, str],
    stamp: str,
) -> list[str]:
    """Make a chain of commits with these trees on top of ``base``, each signed; their names."""
    settings = (("gpg.format", "ssh"), ("user.signingKey", str(signer.key)), *_OTHER_PROGRAMS)
    names: list[str] = []
    parent = base
    for tree, commit in zip(trees, commits, strict=True):
        made = runner.run(
            "commit-tree",
            "-S",
            *(["-p", parent] if parent else []),
            tree,
            stdin=message_of(commit),
            settings=settings,
            variables=_people(commit.author or identity, identity, stamp),
        )
        if not made.ok:
            raise Denied(
                f"a commit could not be signed with {signer.key}: {_last_line(made.err)}",
                hint="it must be an SSH key without passphrase, readable here, or one that ssh-agent holds",
            )
        parent = made.out.decode().strip()
        names.append(parent)
    return names


def fault_of_signature(runner: Runner, commit: str, signers: bytes) -> str:
    """Why a commit does not carry a good signature of one of the allowed signers; empty if it does."""
    read = runner.run("cat-file", "commit", object_name(commit))
    head = read.out.partition(b"\n\n")[0].decode("utf-8", "replace")
    given = [line for line in head.split("\n") if line.startswith(_HEADER)]
    if not given:
        return "is not signed"
    if any(_SSH not in line for line in given):
        return "is not signed by an SSH key"
    with tempfile.NamedTemporaryFile(prefix="releasectl-signers-") as file:
        file.write(signers)
        file.flush()
        settings = (("gpg.ssh.allowedSignersFile", file.name), *_OTHER_PROGRAMS)
        checked = runner.run("verify-commit", object_name(commit), settings=settings)
    return "" if checked.ok else f"is not signed by an allowed signer ({_last_line(checked.err)})"


def message_of(commit: Commit) -> bytes:
    """The message as it stands in the commit."""
    return (commit.message.replace("\x00", "").rstrip("\n") + "\n").encode("utf-8", "replace")


def _people(author: tuple[str, str], committer: tuple[str, str], stamp: str) -> Mapping[str, str]:
    return {
        "GIT_AUTHOR_NAME": author[0],
        "GIT_AUTHOR_EMAIL": author[1],
        "GIT_AUTHOR_DATE": f"@{stamp}",
        "GIT_COMMITTER_NAME": committer[0],
        "GIT_COMMITTER_EMAIL": committer[1],
        "GIT_COMMITTER_DATE": f"@{stamp}",
    }


def _public(key: Path) -> str:
    """The public key beside a private one."""
    path = key if key.suffix == ".pub" else key.with_name(key.name + ".pub")
    try:
        return " ".join(path.read_text().split()[:2])
    except OSError as fault:
        raise Denied(
            f"{path} cannot be read: {fault.strerror}", hint="keep the public key beside the private one"
        ) from fault


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no reason given"

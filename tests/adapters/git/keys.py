"""SSH keys of people and of controllers, made for a test, and commits that they sign with git of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path


def ssh_key(folder: Path, name: str, passphrase: str = "") -> Path:
    """A new key pair; the private one's path."""
    path = folder / f"{name}-key"
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", f"{name}@example.org", "-f", str(path)]
    subprocess.run(made, check=True, capture_output=True)
    return path


def allowed(*keys: Path) -> str:
    """A file of allowed signers with these keys."""
    return "".join(f'{key.name} namespaces="git" {key.with_name(key.name + ".pub").read_text()}' for key in keys)


def signing(key: Path) -> tuple[str, ...]:
    """Options with which git signs by this key."""
    return ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "-c", "commit.gpgSign=true")

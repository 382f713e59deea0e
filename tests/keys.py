"""SSH keys for tests, and the file that says whose they are."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_key(folder: Path, name: str, passphrase: str = "") -> Path:
    """A new private key; its public half lies beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", str(path)]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    return path


def public(key: Path) -> str:
    """The public half of a key: ``ssh-ed25519 AAAA…``."""
    return " ".join(key.with_name(f"{key.name}.pub").read_text().split()[:2])


def allow(root: Path, *lines: tuple[str, Path]) -> None:
    """Write the ``allowed_signers`` of a registry: principals (and options) with the key that is theirs."""
    (root / "allowed_signers").write_text("".join(f"{who} {public(key)}\n" for who, key in lines))

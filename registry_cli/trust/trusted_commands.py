"""Which commands a user lets run: the file ``trusted.jsonl`` in the user's own folder, never in a registry.

Each line is one trust: the digest of some commands (see :class:`~registry_cli.rules.policy.command_checks.CommandSet`), the
registry that they stand in, when it was given, and the commands, for a person to read. A line that can't be read trusts
nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..core.lazy_dataclass import dataclass
from ..rules.policy.command_checks import CommandSet
from ..store.filesystem import removal
from .user_config import ensure_private

FILE = "trusted.jsonl"


@dataclass(frozen=True)
class TrustedCommandSet:
    """Commands that may run: their ``digest``, the registry, the model or group they were shown for, and when."""

    digest: str
    root: str
    id: str
    name: str
    at: str
    commands: tuple[str, ...]


class TrustFile:
    """What one user trusts; ``folder`` is that user's folder of settings."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def __call__(self, commands: CommandSet) -> bool:
        """Whether these commands were trusted. Raises :class:`Refused` for a file that others could have written."""
        return any(each.digest == commands.digest for each in self.all())

    def all(self) -> list[TrustedCommandSet]:
        """Every trust, the oldest first."""
        try:
            data = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return []
        ensure_private(self.path)
        return [each for line in data.splitlines() if (each := _parse_line(line))]

    def add(self, commands: CommandSet, at: str) -> TrustedCommandSet:
        """Trust these commands from now on."""
        said = tuple(f"{each.stage}: {' '.join(each.arguments)}" for each in commands.items)
        new = TrustedCommandSet(commands.digest, commands.root, commands.id, commands.name, at, said)
        with self._changing() as kept:
            kept[:] = [*(each for each in kept if each.digest != new.digest), new]
        return new

    def remove(self, chosen: Callable[[TrustedCommandSet], bool]) -> list[TrustedCommandSet]:
        """Trust what is ``chosen`` no more; what that was."""
        if not self.all():
            return []
        with self._changing() as kept:
            gone = [each for each in kept if chosen(each)]
            kept[:] = [each for each in kept if not chosen(each)]
        return gone

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[TrustedCommandSet]]:
        """What is trusted, to be changed; written whole, for the user's eyes only, while no other process does."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        ensure_private(self.path.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(self.path.with_suffix(".lock"), flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = self.all()
            yield kept
            data = "".join(json.dumps(asdict(each)) + "\n" for each in kept)
            removal.replace(self.path.parent.resolve() / FILE, data.encode("ascii"), 0o600)
        finally:
            os.close(lock)


def _parse_line(line: bytes) -> TrustedCommandSet | None:
    try:
        said: dict[str, Any] = json.loads(line)
        texts = {key: str(said[key]) for key in ("digest", "root", "id", "name", "at")}
        return TrustedCommandSet(**texts, commands=tuple(map(str, said["commands"])))
    except (ValueError, KeyError, TypeError):
        return None

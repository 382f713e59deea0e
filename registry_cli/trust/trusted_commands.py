"""The commands that a user trusts: the file ``trusted.jsonl`` in the user's configuration folder, never in a registry.

Each line has the digest of some commands (see :class:`~registry_cli.rules.policy.command_checks.CommandSet`), their
registry, the time at which they were trusted, and their text for a reader. A line that can't be parsed trusts nothing.
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

from ..core.lazy_dataclass import Record, dataclass
from ..rules.policy.command_checks import CommandSet
from ..store.filesystem import removal
from .user_config import ensure_private

FILE = "trusted.jsonl"


@dataclass(frozen=True)
class TrustedCommandSet(Record):
    """Commands that may run: their ``digest``, the registry, the model or group, and when they were trusted."""

    digest: str
    root: str
    id: str
    name: str
    at: str
    commands: tuple[str, ...]


class TrustFile:
    """The commands that one user trusts; ``folder`` is the user's configuration folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def __call__(self, commands: CommandSet) -> bool:
        """Return whether these commands are trusted. Raises :class:`Refused` if others could have written the file."""
        return any(each.digest == commands.digest for each in self.all())

    def all(self) -> list[TrustedCommandSet]:
        """Return what is trusted, the oldest first."""
        try:
            data = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return []
        ensure_private(self.path)
        return [each for line in data.splitlines() if (each := _parse_line(line))]

    def add(self, commands: CommandSet, at: str) -> TrustedCommandSet:
        """Trust these commands from now on."""
        lines = tuple(f"{each.stage}: {' '.join(each.arguments)}" for each in commands.items)
        new = TrustedCommandSet(commands.digest, commands.root, commands.id, commands.name, at, lines)
        with self._changing() as kept:
            kept[:] = [*(each for each in kept if each.digest != new.digest), new]
        return new

    def remove(self, chosen: Callable[[TrustedCommandSet], bool]) -> list[TrustedCommandSet]:
        """Remove what is ``chosen``, and return it."""
        if not self.all():
            return []
        with self._changing() as kept:
            gone = [each for each in kept if chosen(each)]
            kept[:] = [each for each in kept if not chosen(each)]
        return gone

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[TrustedCommandSet]]:
        """Yield what is trusted, to be changed; then write it under a lock, readable by the user only."""
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
        document: dict[str, Any] = json.loads(line)
        texts = {key: str(document[key]) for key in ("digest", "root", "id", "name", "at")}
        return TrustedCommandSet(**texts, commands=tuple(map(str, document["commands"])))
    except (ValueError, KeyError, TypeError):
        return None

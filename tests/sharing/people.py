"""Accounts for tests that run as root: a part of a test is done by somebody else, in a process of their own."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from registry_cli import Registry
from tests.support import everything_imported

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as several users")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Person:
    """An account without rights of its own, known only by its numbers."""

    name: str
    uid: int
    gid: int
    umask: int = 0o022

    def does(self, deed: Callable[[Registry], _T], root: Path) -> _T:
        """The result of ``deed`` with the registry in ``root``, as this person; what it raises is raised here."""
        return self.calls(lambda: deed(Registry(root, author=self.name, lock_timeout=10)))

    def calls(self, deed: Callable[[], _T]) -> _T:
        everything_imported()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            self._become()
            os.close(reading)
            with os.fdopen(writing, "wb") as stream:
                stream.write(_outcome(deed))
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            data = stream.read()
        os.waitpid(child, 0)
        failed, result = pickle.loads(data)
        if failed is not None:
            raise failed
        return result  # type: ignore[no-any-return]

    def _become(self) -> None:
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)
        os.umask(self.umask)
        os.chdir("/")


def _outcome(deed: Callable[[], object]) -> bytes:
    try:
        return pickle.dumps((None, deed()))
    except BaseException as error:
        try:
            return pickle.dumps((error, None))
        except Exception:
            return pickle.dumps((AssertionError(traceback.format_exc()), None))


TEAM = 20_100
ALICE = Person("alice", 20_001, TEAM, umask=0o077)
BOB = Person("bob", 20_002, TEAM, umask=0o077)
STRANGER = Person("stranger", 20_003, 20_300)


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder that everybody can reach (pytest's own are closed), the team's."""
    folder = Path(tempfile.mkdtemp(prefix="registry-test-"))
    folder.chmod(0o755)
    for person in (ALICE, BOB, STRANGER):
        home = folder / person.name
        home.mkdir(mode=0o755)
        (home / "model.bin").write_bytes(b"the same for all" * 100_000)
        (home / "own.bin").write_bytes(person.name.encode() * 50)
        for path in (home, *home.iterdir()):
            os.chown(path, person.uid, person.gid)
    (folder / "team").mkdir()
    os.chown(folder / "team", ALICE.uid, TEAM)
    (folder / "team").chmod(0o2775)
    yield folder
    shutil.rmtree(folder)

"""The program removes, replaces and moves nothing that it did not create, whoever else is at work in the same folders.

Others exchange folders and links while it looks and steps. Each test has a folder outside of the registry that must be
just what it was in the end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Registry, RegistryError
from registry_cli.store import layout
from registry_cli.store import staging as ingest
from tests.crash.world import copied
from tests.support import snapshot

Make = Callable[..., Path]

#: Exchanges two paths as often as it can, until it is killed.
_EXCHANGER = """
import ctypes, os, sys
call = ctypes.CDLL(None, use_errno=True).renameat2
one, two = (os.fsencode(each) for each in sys.argv[1:])
print("ready", flush=True)
while True:
    call(-100, one, -100, two, 2)
"""


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """A folder of the user's, with names that the store has too; it must not change."""
    folder = tmp_path / "precious"
    for name in (
        "letter.txt",
        "sub/deep/photo.jpg",
        "files/model.pkl",
        "1/files/x",
        "1.yaml",
        "stages.yaml",
        "production",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"dear {name}")
    (folder / "letter.txt").chmod(0o600)
    before = contents(folder)
    yield folder
    after = contents(folder)
    assert {name: after.get(name) for name in before} == before, "what the program did not create was changed"


def contents(folder: Path) -> dict[str, tuple[object, ...]]:
    """What is in a folder, but for times: those of folders change when something is tried there and taken back."""
    return {name: (state[0], state[1], state[-1]) for name, state in snapshot(folder).items()}


@contextlib.contextmanager
def exchanging(one: Path, two: Path) -> Iterator[None]:
    """Another process exchanges two paths in a tight loop."""
    command = [sys.executable, "-S", "-c", _EXCHANGER, str(one), str(two)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            yield
        finally:
            process.send_signal(signal.SIGKILL)


needs_exchange = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "renameat2"), reason="this system can't exchange two names in one step"
)


def turns(tmp_path: Path, make_file: Make, seconds: float) -> Iterator[tuple[int, Registry, Path]]:
    """For so many seconds a fresh registry with churn@1 to churn@3, which have many folders, and a place for a link."""
    ends, number = time.monotonic() + seconds, 0
    for each in range(100):
        folder = make_file("0", f"folder/{each}/0.bin").parents[1]
    while time.monotonic() < ends:
        number += 1
        reg = Registry.init(tmp_path / f"{number}" / "registry", author="alice")
        for content in "123":
            make_file(content, "folder/0/0.bin")
            reg.register("churn", [folder])
        yield number, reg, tmp_path / f"{number}" / "link"


@needs_exchange
def test_gc_beside_a_process_that_exchanges_a_folder_and_a_link(
    make_file: Make, tmp_path: Path, precious: Path
) -> None:
    for turn, reg, link in turns(tmp_path, make_file, 3):
        versions = reg.root / "models" / "churn" / "versions"
        folder = versions / layout.trash_name()
        os.rename(versions / "1", folder)
        swapped = (folder, folder / "files", folder / "files" / "7", versions)[turn % 4]
        link.symlink_to(precious)
        with exchanging(swapped, link):
            for _ in range(3):
                with contextlib.suppress(RegistryError, OSError):
                    reg.admin.gc()


@needs_exchange
def test_delete_beside_such_a_process(make_file: Make, tmp_path: Path, precious: Path) -> None:
    for turn, reg, link in turns(tmp_path, make_file, 3):
        versions = reg.root / "models" / "churn" / "versions"
        swapped = (versions, versions / "1", versions / "1" / "files", versions.parent, reg.root / "models")[turn % 5]
        link.symlink_to(precious)
        with exchanging(swapped, link):
            for _ in range(3):
                with contextlib.suppress(RegistryError, OSError):
                    reg.delete(["churn@1"], reason="test")


@needs_exchange
def test_staging_that_is_given_up_beside_such_a_process(make_file: Make, tmp_path: Path, precious: Path) -> None:
    for turn, reg, link in turns(tmp_path, make_file, 2):
        staging = ingest.StagingFolder.make(reg.context.layout.model("churn"))
        for number in range(300):
            (staging.folder / "files" / str(number)).mkdir(parents=True)
        link.symlink_to(precious)
        swapped = (staging.folder, staging.files, staging.files / "7", staging.folder.parent)[turn % 4]
        with exchanging(swapped, link):
            staging.abandon()


class Swapper:
    """Puts a link in the place of a folder right before call number ``at`` of those that may be fooled."""

    CALLS = ("open", "lstat", "stat", "listdir", "scandir", "unlink", "rmdir", "rename", "chmod", "fchmod", "fstat")

    def __init__(self, folder: Path, target: Path, at: int) -> None:
        self.folder, self.target, self.at = folder, target, at
        self.count = 0

    def __enter__(self) -> Swapper:
        self._patch = pytest.MonkeyPatch()
        for name in self.CALLS:
            self._patch.setattr(os, name, self._wrapped(getattr(os, name)))
        self._rename, self._symlink = os.rename.__wrapped__, os.symlink  # type: ignore[attr-defined]
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    def _wrapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.count += 1
            if self.count == self.at:
                with contextlib.suppress(FileNotFoundError):
                    self._rename(self.folder, f"{self.folder}.aside")
                    self._symlink(self.target, self.folder)
            return original(*args, **options)

        call.__wrapped__ = original  # type: ignore[attr-defined]
        return call


def prepared(reg: Registry, make_file: Make) -> None:
    for number in range(1, 4):
        make_file(f"{number}", "folder/model.pkl")
        reg.register("risk/churn", [make_file(f"{number}", "folder/sub/deep/photo.jpg").parents[2]])
    reg.promote("risk/churn@3", "production")
    reg.archive(["risk/churn@2"])

    for name in ("1/files/x", "sub/deep/photo.jpg", "files/model.pkl", "letter.txt"):
        path = reg.root / "models/risk/churn/versions/.trash-0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("trash")
    (reg.root / "models/risk/churn/versions/1/files").chmod(0o755)


def abandoned(reg: Registry) -> None:
    staging = ingest.StagingFolder.make(reg.context.layout.model("risk/churn"))
    (staging.folder / "sub" / "deep").mkdir(parents=True)
    (staging.folder / "letter.txt").write_text("staged")
    staging.abandon()


ACTIONS: dict[str, Callable[[Registry], object]] = {
    "gc": lambda reg: reg.admin.gc(),
    "delete": lambda reg: reg.delete(["risk/churn@1"], reason="test"),
    "abandon": abandoned,
    "pack": lambda reg: reg.archive(["risk/churn@2"], compress="gzip"),
    "promote": lambda reg: reg.promote("risk/churn@1", "production"),
    "tag": lambda reg: reg.tag("risk/churn@1", {"a": "b"}),
    "repair": lambda reg: reg.admin.repair(),
}
SWAPPED = ("models", "models/risk", "models/risk/churn", "models/risk/churn/versions")
INSIDE = ("stages", "annotations", "versions/1", "versions/1/files", "versions/.trash-0", "versions/.trash-0/sub")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("swapped", [*SWAPPED, *(f"models/risk/churn/{name}" for name in INSIDE)])
def test_a_link_in_the_place_of_a_folder_at_every_step(
    make_file: Make, tmp_path: Path, precious: Path, action: str, swapped: str
) -> None:
    """Whatever the action makes of it, what the link leads to stays as it was."""
    prepared(Registry.init(tmp_path / "template", author="alice"), make_file)
    step = at = 1
    while True:
        root = copied(tmp_path / "template", tmp_path / f"registry-{at}")
        with Swapper(root / swapped, precious, at) as swapper, contextlib.suppress(RegistryError, OSError):
            ACTIONS[action](Registry(root, author="alice", lock_timeout=0.2))
        if swapper.count < at:
            return
        at += step
        step = max(1, swapper.count // 8)

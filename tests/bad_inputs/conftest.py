"""A small registry for each case, and the cases themselves."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry_cli import Registry
from tests.commands import Answer, assert_refused, run
from tests.crash.world import copied
from tests.support import snapshot


class World:
    """A registry with the model ``m``: versions 1 and 2, the latter in staging; 3 was deleted. And a folder to work in."""

    def __init__(self, folder: Path, like: World | None = None) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.root = folder / "registry"
        self.model = self.root / "models" / "m"
        self.file = self.make("f", "a model")
        self.sound = True
        if like:  # a copy is made faster than each change anew
            copied(like.root, self.root)
            self.reg = Registry(self.root, author="alice")
        else:
            self.reg = Registry.init(self.root, author="alice")
            self._fill()

    def _fill(self) -> None:
        for content in ("one", "two", "three"):
            self.reg.register("m", [self.make("model.bin", content)], metrics={"acc": 0.9})
        self.reg.promote("m@2", "staging", reason="trial")
        self.reg.delete(["m@3"], reason="by mistake")

    def make(self, name: str, content: str | bytes = "content") -> Path:
        """A file in the folder to work in."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, *arguments: object, stdin: bytes = b"") -> Answer:
        return run(*arguments, root=self.root, stdin=stdin)

    def done(self, *arguments: object, stdin: bytes = b"") -> Answer:
        """A command that succeeds."""
        answer = self.run(*arguments, stdin=stdin)
        assert answer.code == 0, answer
        return answer

    def refused(self, code: int, *arguments: object) -> Answer:
        """A command that is refused, and changes not a byte, mode or time in the store."""
        with self.unchanged():
            answer = self.run(*arguments)
        assert_refused(answer, code)
        return answer

    @contextmanager
    def unchanged(self, *, folder_times: bool = True) -> Iterator[None]:
        """Nothing in the store changes. Without ``folder_times``, a staging folder may have come and gone."""
        before = self.picture(folder_times=folder_times)
        yield
        assert self.picture(folder_times=folder_times) == before

    def picture(self, *, folder_times: bool = True) -> dict[str, tuple[object, ...]]:
        found = snapshot(self.root)
        if folder_times:
            return found
        return {name: seen[:2] if stat.S_ISDIR(int(str(seen[0]))) else seen for name, seen in found.items()}

    def write(self, path: str, data: str | bytes) -> None:
        """Put bytes into a file of ``m`` in place, sealed or not."""
        target = self.model / path
        mode = stat.S_IMODE(target.stat().st_mode)
        target.chmod(0o600)
        target.write_bytes(data.encode() if isinstance(data, str) else data)
        target.chmod(mode)
        self.sound = False

    def change(self, path: str, old: str, new: str) -> None:
        text = (self.model / path).read_text()
        assert old in text
        self.write(path, text.replace(old, new, 1))

    def put(self, path: str, make: Callable[[Path], object]) -> Path:
        """Make something inside a folder of ``m`` that may be sealed."""
        target = self.model / path
        mode = stat.S_IMODE(target.parent.stat().st_mode)
        target.parent.chmod(0o700)
        make(target)
        target.parent.chmod(mode)
        self.sound = False
        return target


@pytest.fixture(scope="session")
def like(tmp_path_factory: pytest.TempPathFactory) -> World:
    """What every world is a copy of."""
    return World(tmp_path_factory.mktemp("like"))


@pytest.fixture
def world(tmp_path: Path, like: World) -> Iterator[World]:
    made = World(tmp_path, like)
    yield made
    if made.sound:
        assert made.reg.admin.verify().problems == ()

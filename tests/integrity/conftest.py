"""One prepared registry, copied for each test, to be damaged."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from registry_cli import Registry


class Store:
    """A registry under test; paths are relative to the folder of the model ``churn``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.reg = Registry(root, author="bob", now=ticking(datetime(2026, 5, 1, tzinfo=timezone.utc)))
        self.churn = root / "models" / "churn"

    def at(self, path: str) -> Path:
        return self.churn / path

    def write(self, path: str, data: bytes) -> None:
        """Put bytes into a file in place: same inode, same mode, as a bad disk or a stubborn editor would."""
        target = self.at(path)
        mode = stat.S_IMODE(target.stat().st_mode)
        target.chmod(0o600)
        target.write_bytes(data)
        target.chmod(mode)

    def change(self, path: str, old: str, new: str) -> None:
        text = self.at(path).read_text()
        assert old in text
        self.write(path, text.replace(old, new, 1).encode())

    def put(self, path: str, data: bytes = b"x") -> Path:
        """A new file, in a sealed folder too."""
        target = self.at(path)
        self._unsealed(target.parent, lambda: target.write_bytes(data))
        return target

    def linked(self, origin: Path, path: str) -> None:
        target = self.at(path)
        self._unsealed(target.parent, lambda: os.link(origin, target))

    def remove(self, path: str) -> None:
        target = self.at(path)
        remove = target.unlink if target.is_symlink() or not target.is_dir() else lambda: self._rmtree(target)
        self._unsealed(target.parent, remove)

    def replace_by_link(self, path: str, to: Path) -> None:
        """The file or folder becomes a symbolic link to a copy of itself somewhere else."""
        target = self.at(path)
        if target.is_dir():
            shutil.copytree(target, to)
        else:
            shutil.copy(target, to)
        self.remove(path)
        self._unsealed(target.parent, lambda: target.symlink_to(to))

    def _rmtree(self, target: Path) -> None:
        for folder, _, _ in os.walk(target):
            os.chmod(folder, 0o700)
        shutil.rmtree(target)

    def _unsealed(self, folder: Path, deed: Callable[[], object]) -> None:
        mode = stat.S_IMODE(folder.stat().st_mode)
        folder.chmod(0o700)
        deed()
        folder.chmod(mode)

    def found(self, *, quick: bool = False) -> set[tuple[str, str]]:
        """Code and severity of every problem."""
        return {(problem.code, problem.severity) for problem in self.reg.admin.verify(quick=quick).problems}

    def where(self, code: str) -> list[str]:
        return [problem.where for problem in self.reg.admin.verify().problems if problem.code == code]

    def words(self) -> str:
        return "\n".join(problem.message for problem in self.reg.admin.verify().problems)


def ticking(moment: datetime) -> Callable[[], datetime]:
    def now() -> datetime:
        nonlocal moment
        moment += timedelta(seconds=1)
        return moment

    return now


def prepare(root: Path, work: Path) -> None:
    """Two models, five versions, every kind of document, more moves than claims are kept."""
    reg = Registry.init(root, author="alice", now=ticking(datetime(2026, 3, 1, 12, tzinfo=timezone.utc)))
    (work / "conf").mkdir(parents=True)
    (work / "conf" / "params.json").write_text('{"depth": 6, "eta": 0.1}\n')
    (work / "conf" / "empty.txt").write_text("")
    for number in range(1, 6):
        (work / "model.bin").write_bytes(bytes(range(256)) * 8 + b"%d" % number)
        reg.register(
            "churn", [work], params={"depth": 6, "eta": 1e-05, "note": "no"}, metrics={"auc": 0.9 + number / 100},
            tags={"team": "crm"}, annotations={"purpose": "who leaves\nand why"}, message=f"run {number}",
        )  # fmt: skip
    reg.register("risk/fraud", [work / "model.bin"])
    reg.delete(["churn@3"], reason="wrong data")
    reg.promote("churn@1", "production", reason="first")
    reg.promote("churn@2", "production")
    reg.alias("churn@2", "champion")
    reg.tag("churn@1", {"site": "eu"}, remove=["team"])
    reg.annotate("churn@2", {"data": "calls of 2025"})
    reg.archive(["churn@4"], reason="no better")
    reg.tag("churn@5", {"site": "us"})
    reg.promote("churn@5", "staging")
    reg.log_metric("churn@2", {"auc_live": 0.875})
    reg.promote("churn@5", "development", reason="try")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template")
    prepare(root / "registry", root / "work")
    return root / "registry"


@pytest.fixture
def copied(template: Path, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Copies of the prepared registry, hard links and modes and all."""
    made: list[Path] = []

    def copy() -> Store:
        target = tmp_path / f"copy-{len(made)}"
        subprocess.run(["cp", "-a", str(template), str(target)], check=True)
        made.append(target)
        return Store(target)

    yield copy
    for root in made:
        for folder, _, _ in os.walk(root):
            os.chmod(folder, 0o700)


@pytest.fixture
def store(copied: Callable[[], Store]) -> Store:
    return copied()

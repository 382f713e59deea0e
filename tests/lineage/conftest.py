"""Real repositories, made with git in a temporary folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from registry_cli import Registry
from registry_cli.lineage.process_info import Caller
from tests.commands import Answer, spawn
from tests.commands import environment as variables

_AS = {
    "GIT_AUTHOR_NAME": "alice", "GIT_AUTHOR_EMAIL": "alice@example.org", "GIT_COMMITTER_NAME": "alice",
    "GIT_COMMITTER_EMAIL": "alice@example.org", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
}  # fmt: skip


class Repo:
    """A repository with one commit, of ``train.py`` and ``lib/helper.py``."""

    def __init__(self, folder: Path, *, commit: bool = True) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main", ".")
        self.write("train.py", "print(1)\n")
        self.write("lib/helper.py", "x = 1\n")
        if commit:
            self.commit("one")

    def git(self, *words: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *words], cwd=folder or self.folder, env={**os.environ, **_AS}, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "replace").strip()

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def caller(self, folder: str = ".", **changes: str) -> Caller:
        return Caller(str(self.folder / folder), {**os.environ, **changes})


class Lab:
    """A registry, a repository, and the command in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.reg = Registry.init(root / "registry", author="alice")
        self.repo = Repo(root / "repo")
        self.model = root / "model.pkl"
        self.model.write_text("a model")

    def told(self, **options: object) -> Registry:
        """The registry, told of the repository."""
        return Registry(self.reg.root, author="alice", caller=self.repo.caller, **options)  # type: ignore[arg-type]

    def run(self, *words: object, folder: str = ".", env: Mapping[str, str | None] | None = None) -> Answer:
        """A command in a process of its own, in the repository."""
        given = variables(**{"GIT_CONFIG_NOSYSTEM": "1", **(env or {})})
        return spawn("-C", self.reg.root, *words, cwd=self.repo.folder / folder, env=given)

    def register(self, *words: object, **options: object) -> Answer:
        answer = self.run("register", "churn", self.model, *words, **options)  # type: ignore[arg-type]
        assert answer.code == 0, answer
        return answer

    def document(self, number: int = 1) -> dict[str, object]:
        return self.known(f"churn@{number}")

    def known(self, ref: str) -> dict[str, object]:
        """Where a version comes from, without what the scan said of its files."""
        return {name: value for name, value in self.reg.version(ref).lineage.items() if name != "scan"}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)

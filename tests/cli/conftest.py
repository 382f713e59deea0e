"""A registry in which something of everything is, to run commands on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_cli import Registry
from tests.commands import Answer, run, spawn
from tests.crash.world import copied


class Site:
    """``churn`` with versions 1 (production), 2 (staging, champion), 3 (archived); ``risk/fraud`` with one."""

    def __init__(self, folder: Path, like: Site | None = None) -> None:
        self.folder = folder
        self.root = folder / "registry"
        if like:  # a copy is made faster than each change anew
            copied(like.root, self.root)
            self.reg = Registry(self.root, author="alice")
        else:
            self.reg = Registry.init(self.root, author="alice")
            self._fill()

    def _fill(self) -> None:
        for number in (1, 2, 3):
            self.reg.register(
                "churn", [self.make("model.pkl", f"content {number}")], metrics={"auc": 0.9 + number / 300},
                params={"depth": 6, "lr": 1e-5, "note": "a b"}, tags={"team": "crm"}, message=f"run {number}",
            )  # fmt: skip
        self.reg.promote("churn@2", "production", reason="first")
        self.reg.promote("churn@1", "production", reason="drifts")
        self.reg.promote("churn@2", "staging")
        self.reg.alias("churn@2", "champion")
        self.reg.archive(["churn@3"])
        self.reg.register("risk/fraud", [self.file])

    @property
    def file(self) -> Path:
        return self.make("a file.bin", "a model")

    def make(self, name: str, content: str | bytes = "content") -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, *arguments: object, stdin: bytes = b"") -> Answer:
        return run(*arguments, root=self.root, stdin=stdin)

    def spawn(self, *arguments: object, stdin: bytes = b"") -> Answer:
        return spawn(*arguments, root=self.root, stdin=stdin)


@pytest.fixture
def site(tmp_path: Path, still: Site) -> Iterator[Site]:
    made = Site(tmp_path, still)
    yield made
    assert made.reg.admin.verify().problems == ()


@pytest.fixture(scope="session")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same for tests that only look: made once."""
    made = Site(tmp_path_factory.mktemp("still"))
    yield made
    assert made.reg.admin.verify().problems == ()

"""An error of the disk that may pass is reported as such, never as damage of what is stored."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Registry, RegistryError
from registry_cli.store.verify import verify_journal

PASSING = (errno.ESTALE, errno.EIO, errno.EMFILE)


@pytest.fixture
def two(reg: Registry, make_file: Callable[..., Path]) -> Registry:
    for content in ("one", "two"):
        reg.register("churn", [make_file(content)])
    reg.promote("churn@1", "production")
    reg.promote("churn@2", "production")
    reg.annotate("churn@2", {"note": "text"})
    return reg


@pytest.mark.parametrize("code", PASSING)
@pytest.mark.parametrize("verb", ["rollback", "promote", "fetch", "path"])
def test_a_file_that_cannot_be_opened_is_not_called_missing(
    two: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, code: int
) -> None:
    opened = os.open

    def failing(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if os.fspath(path) == "model.pkl" and options.get("dir_fd") is not None:
            raise OSError(code, os.strerror(code), path)
        return opened(path, flags, *args, **options)

    deeds: dict[str, Callable[[], object]] = {
        "rollback": lambda: two.rollback("churn", "production"),
        "promote": lambda: two.promote("churn@1", "staging"),
        "fetch": lambda: two.fetch("churn@1", tmp_path / "out"),
        "path": lambda: two.path("churn@1", "model.pkl"),
    }
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing)
        try:
            deeds[verb]()
        except RegistryError as error:
            assert error.exit_code not in (3, 6), error
        except OSError as error:
            assert error.errno == code


def test_a_document_that_cannot_be_read_is_not_called_missing(two: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    read = verify_journal.read

    def failing(path: Path) -> bytes:
        if path.parent.name == "annotations":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr("registry_cli.store.verify.verify_journal.read", failing)
        words = [problem.message for problem in two.admin.verify().problems]
    assert any("may not open more files" in each for each in words)
    assert not any("missing" in each for each in words)

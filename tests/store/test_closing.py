"""A registry holds the index open until it is closed: ``close()``, ``with``, and each command at its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Registry
from tests.commands import COMMAND, environment, spawn


def open_files(folder: Path) -> list[str]:
    """Files below ``folder`` that this process has open."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except FileNotFoundError:
            continue
        if target.startswith(str(folder)):
            found.append(target)
    return found


@pytest.fixture
def indexed(reg: Registry, make_file: Callable[..., Path], tmp_path: Path) -> Path:
    reg.register("churn", [make_file()], metrics={"auc": 0.9})
    return tmp_path / "cache"


def test_with_closes_the_index(reg: Registry, indexed: Path) -> None:
    with Registry(reg.root, cache=indexed) as opened:
        assert [each.ref for each in opened.search("metrics.auc > 0.5")] == ["churn@1"]
        assert open_files(indexed)
    assert not open_files(indexed)


def test_close_may_be_repeated_and_the_registry_used_again(reg: Registry, indexed: Path) -> None:
    opened = Registry(reg.root, cache=indexed)
    assert list(opened.search("metrics.auc > 0.5"))
    opened.close()
    opened.close()
    assert not open_files(indexed)
    assert [each.ref for each in opened.search("metrics.auc > 0.5")] == ["churn@1"]
    opened.close()


@pytest.mark.parametrize(
    "words",
    [("list",), ("search", "metrics.auc > 0.5"), ("path", "churn@1"), ("show", "churn@9"), ("versions", "churn")],
)
def test_a_command_closes_what_it_opens(reg: Registry, indexed: Path, words: tuple[str, ...]) -> None:
    """Python 3.13 warns of each connection to SQLite that nobody closed."""
    with Registry(reg.root, cache=indexed) as opened:
        assert list(opened.search("metrics.auc > 0.5"))
    command = (COMMAND[0], "-W", "error", "-X", "dev", *COMMAND[1:])
    answer = spawn(*words, root=reg.root, command=command, env=environment(REGISTRY_CACHE=str(indexed)))
    assert "Traceback" not in answer.err
    assert "ResourceWarning" not in answer.err
    assert answer.code == (3 if "churn@9" in words else 0), answer

"""Comparing marks with a forked child: what changed is found in either half, whatever becomes of the child."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli.store import forks as forking
from registry_cli.store import marks, sweep
from registry_cli.store.sweep import Known, Sweep
from tests.support import forks_noted

MODELS, VERSIONS = 6, 5


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for model in range(MODELS):
        base = tmp_path / f"m{model}"
        for number in range(1, VERSIONS + 1):
            (base / "versions" / str(number)).mkdir(parents=True)
            (base / "versions" / str(number) / "version.yaml").write_text("version: 1\n")
        for name in ("stages.yaml", "model.yaml"):
            (base / name).write_text("format: 1\n")
    return tmp_path


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every fork that was made; a child pays from the first file on, and versions are compared two by two."""
    made = forks_noted(monkeypatch)
    monkeypatch.setattr(sweep, "processors", lambda: 3)
    monkeypatch.setattr(sweep, "_WORTH_A_CHILD", 0)
    monkeypatch.setattr(sweep, "_PIECE", 2)
    return made


def seen(root: Path, *shown: int) -> list[Known]:
    found = []
    for model in range(MODELS):
        now = marks.look(str(root / f"m{model}"), None)
        few = now.of(set(shown)) if shown else (now.keys.tobytes(), now.items.tobytes())
        found.append(Known(f"m{model}", now.head.tobytes(), *few))
    return found


def changed(root: Path, known: list[Known]) -> set[str]:
    return Sweep(str(root), known).end()


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("shown", [(), (1, 4)])
def test_every_single_change_is_found(root: Path, forks: list[int], shown: tuple[int, ...]) -> None:
    for model in range(MODELS):
        for name in ("", "stages.yaml", "model.yaml", "versions", "versions/1/version.yaml", "versions/4/version.yaml"):
            known = seen(root, *shown)
            assert changed(root, known) == set()
            touch(root / f"m{model}" / name)
            assert changed(root, known) == {f"m{model}"}
        known = seen(root, *shown)
        (root / f"m{model}" / "annotations").mkdir()
        assert changed(root, known) == {f"m{model}"}
    assert forks and all(forks)


def test_versions_that_are_not_shown_are_not_compared(root: Path, forks: list[int]) -> None:
    few, every = seen(root, 1, 4), seen(root)
    touch(root / "m3/versions/2/version.yaml")
    assert changed(root, few) == set()
    assert changed(root, every) == {"m3"}


@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: 1 / 0, lambda: os._exit(0)])
def test_a_child_that_does_not_come_to_its_end_is_done_without(
    root: Path, forks: list[int], monkeypatch: pytest.MonkeyPatch, end: Callable[[], object]
) -> None:
    known = seen(root)
    ours = os.getpid()
    compare = marks.same

    def faulty(*what: object) -> bool:
        if os.getpid() != ours:
            end()
        return compare(*what)  # type: ignore[arg-type]

    monkeypatch.setattr(sweep, "same", faulty)
    for model in range(MODELS):
        touch(root / f"m{model}/versions/5/version.yaml")
        assert changed(root, known) == {f"m{at}" for at in range(model + 1)}
    assert len(forks) == 3 * MODELS


def test_no_child_beside_other_threads() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        assert forking.processors() == 1
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("end", [Sweep.end, Sweep.abandon])
def test_no_child_is_left(root: Path, forks: list[int], end: Callable[[Sweep], object]) -> None:
    end(Sweep(str(root), seen(root)))
    assert len(forks) == 3
    for child in forks:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)

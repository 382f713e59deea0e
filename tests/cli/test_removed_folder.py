"""Commands in a folder that was removed say so, and what still works there."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_cli import NotFound, Registry
from tests.cli.conftest import Site
from tests.commands import COMMAND, Answer, assert_refused, spawn

SAYS = "error: the current folder no longer exists; change to another folder, or use -C"


def in_removed_folder(folder: Path, *words: object, root: Path | None = None) -> Answer:
    gone = folder / "gone"
    gone.mkdir()
    script = f'cd "{gone}" && rmdir "{gone}" && exec "$@"'
    return spawn(*words, root=root, command=("sh", "-c", script, "sh", *COMMAND))


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("fetch", "churn@1"),
        ("register", "churn", "f"),
        ("info",),
        ("verify",),
        ("doctor",),
        ("show", "churn"),
    ],
    ids=" ".join,
)
def test_the_registry_cannot_be_found_from_it(words: tuple[str, ...], tmp_path: Path) -> None:
    answer = in_removed_folder(tmp_path, *words)
    assert_refused(answer, 3)
    assert answer.err.startswith(SAYS)


@pytest.mark.parametrize("words", [("init",), ("init", "x"), ("-C", "x", "list")], ids=" ".join)
def test_a_relative_path_leads_nowhere(words: tuple[str, ...], tmp_path: Path) -> None:
    answer = in_removed_folder(tmp_path, *words)
    assert_refused(answer, 1)
    assert answer.err.startswith(SAYS)


@pytest.mark.parametrize(
    "words",
    [
        ("fetch", "churn@2"),
        ("fetch", "churn@2", "-o", "out"),
        ("export", "churn", "out.tar"),
        ("card", "churn@2", "-o", "c"),
    ],
    ids=" ".join,
)
def test_nor_is_anything_written_to_it(words: tuple[str, ...], site: Site, tmp_path: Path) -> None:
    answer = in_removed_folder(tmp_path, *words, root=site.root)
    assert_refused(answer, 1)
    assert answer.err.startswith(SAYS)


def test_what_is_named_absolutely_works(site: Site, tmp_path: Path) -> None:
    assert in_removed_folder(tmp_path, "fetch", "churn@2", "-o", tmp_path / "out", root=site.root).code == 0


def test_in_python(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "f"
    file.write_text("weights")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(NotFound, match="the current folder no longer exists"):
        Registry.open()
    with Registry.open(site.root) as registry:
        assert registry.register("other", [file]).ref == "other@1"

"""Nothing is imported from the current folder, whatever lies in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import environment


@pytest.mark.parametrize("path", [None, "", "."])
def test_no_module_of_the_current_folder_is_run(tmp_path: Path, path: str | None) -> None:
    mark = tmp_path / "ran"
    work = tmp_path / "work"
    work.mkdir()
    for name in ("typer", "json", "yaml", "rich", "filelock", "sqlite3", "click"):
        (work / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    env = environment() if path is None else environment(PYTHONPATH=path)
    for words in (["init", "reg"], ["-C", "reg", "list"], ["-C", "reg", "list", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "registry_cli", *words], cwd=work, env=env, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
    assert not mark.exists()


def test_a_current_folder_that_is_gone(tmp_path: Path) -> None:
    program = f"import os; os.mkdir({str(tmp_path / 'x')!r}); os.chdir({str(tmp_path / 'x')!r}); os.rmdir({str(tmp_path / 'x')!r})"
    program += "; import sys; sys.argv = ['registry', '--help']; from registry_cli.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()

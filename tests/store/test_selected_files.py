"""``fetch`` and ``cat`` give back some files of a version, each checked."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, Damaged, InvalidInput, NotFound, Registry
from tests.commands import run

Make = Callable[..., Path]
FILES = {
    "README.md": "read", "config.json": "{}", "model.safetensors": "weights " * 50, "tokenizer/vocab.txt": "v" * 10,
    "tokenizer/merges.txt": "m" * 5, "ckpt/step-1/model.safetensors": "old " * 30, "logs/a.csv": "1\n", "logs/b.csv": "2\n",
}  # fmt: skip


@pytest.fixture(params=["files", "packed"])
def version(request: pytest.FixtureRequest, reg: Registry, make_file: Make) -> Registry:
    """A registry with a version of these files, in its folder or in its pack."""
    for name, content in FILES.items():
        make_file(content, f"work/{name}")
    reg.register("m", [make_file("read", "work/README.md").parent])
    if request.param == "packed":
        reg.archive("m@1", compress="gzip")
    return reg


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


CHOICES = [
    ("*.safetensors", (), {"model.safetensors", "ckpt/step-1/model.safetensors"}),
    ("/*.safetensors", (), {"model.safetensors"}),
    ("tokenizer/", (), {"tokenizer/vocab.txt", "tokenizer/merges.txt"}),
    ("tokenizer", (), {"tokenizer/vocab.txt", "tokenizer/merges.txt"}),
    (["*.json", "*.md"], (), {"config.json", "README.md"}),
    ("*.safetensors", "ckpt/", {"model.safetensors"}),
    ((), ["*.safetensors", "logs/"], {"README.md", "config.json", "tokenizer/vocab.txt", "tokenizer/merges.txt"}),
    ("**", (), set(FILES)),
]


@pytest.mark.parametrize(("only", "exclude", "expected"), CHOICES)
def test_some_files_are_fetched(version: Registry, tmp_path: Path, only: str, exclude: str, expected: set[str]) -> None:
    version.fetch("m@1", tmp_path / "out", only=only, exclude=exclude)
    assert tree(tmp_path / "out") == {name: FILES[name] for name in expected}
    assert {entry.path for entry in version.artifacts.files("m@1", only=only, exclude=exclude)} == expected
    stream = io.BytesIO()
    version.artifacts.cat("m@1", None, stream, only=only, exclude=exclude)
    assert stream.getvalue().decode() == "".join(FILES[name] for name in sorted(expected))


def test_nothing_that_matches_is_not_found(version: Registry, tmp_path: Path) -> None:
    choices: list[dict[str, Any]] = [{"only": "*.pt"}, {"exclude": "**"}, {"only": "*.md", "exclude": "README*"}]
    for options in choices:
        with pytest.raises(NotFound, match="no file of m@1 matches"):
            version.fetch("m@1", tmp_path / "out", **options)
        with pytest.raises(NotFound):
            version.artifacts.cat("m@1", None, io.BytesIO(), **options)
    with pytest.raises(InvalidInput, match="invalid glob"):
        version.fetch("m@1", tmp_path / "out", only="../x")
    with pytest.raises(InvalidInput):
        version.artifacts.cat("m@1", "README.md", io.BytesIO(), only="*.md")
    assert not (tmp_path / "out").exists()


def test_a_copy_of_some_files_is_replaced_as_any_other(version: Registry, tmp_path: Path) -> None:
    version.fetch("m@1", tmp_path / "out", only="*.md")
    with pytest.raises(Conflict):
        version.fetch("m@1", tmp_path / "out", only="*.json")
    version.fetch("m@1", tmp_path / "out", only="*.json", replace=True)
    assert set(tree(tmp_path / "out")) == {"config.json"}


def test_damage_matters_where_it_is(reg: Registry, make_file: Make, tmp_path: Path) -> None:
    make_file("good", "work/good")
    work = make_file("bad", "work/bad").parent
    reg.register("m", [work])
    path = reg.path("m@1", "bad")
    stored = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"BAD")
    reg.fetch("m@1", tmp_path / "out", only="good")
    assert tree(tmp_path / "out") == {"good": "good"}
    with pytest.raises(Damaged):
        reg.fetch("m@1", tmp_path / "second", only="b*")
    with pytest.raises(Damaged):
        reg.artifacts.cat("m@1", None, io.BytesIO(), only="*")
    assert not (tmp_path / "second").exists()
    path.write_bytes(stored)
    path.chmod(0o444)


def test_the_commands(version: Registry, tmp_path: Path) -> None:
    done = run("fetch", "m@1", "-o", tmp_path / "out", "--only", "*.csv", "--exclude", "b.csv", root=version.root)
    assert (done.code, done.lines) == (0, [str(tmp_path / "out")])
    assert "1 of 8 files, 2 B, verified" in done.err
    said = run("fetch", "m@1", "-o", tmp_path / "b", "--only", "*.csv", "--json", root=version.root).json
    assert (said["files"], said["size"], said["skipped"]) == (2, 4, 6)
    assert run("fetch", "m@1", "-o", tmp_path / "c", "--json", root=version.root).json["skipped"] == 0
    assert run("cat", "m@1", "--only", "*.csv", root=version.root).out == "1\n2\n"
    assert run("cat", "m@1", "--only", "*.nope", root=version.root).code == 3
    assert run("fetch", "m@1", "-o", tmp_path / "d", "--only", "*.nope", root=version.root).code == 3
    assert run("cat", "m@1", "README.md", "--only", "*.csv", root=version.root).code == 2

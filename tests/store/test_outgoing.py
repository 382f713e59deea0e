"""Path, fetch, cat, check: nothing leaves that is not what was stored."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Conflict, Damaged, InvalidInput, NotFound, Registry
from registry_cli.core.progress import Progress
from tests.support import snapshot

Make = Callable[..., Path]


@pytest.fixture
def two(reg: Registry, make_file: Make) -> Registry:
    """One version with two files, one of them in a folder."""
    make_file("weights", "folder/sub/weights.bin")
    reg.register("churn", [make_file("{}", "folder/config.json").parent])
    return reg


def damage(registry: Registry, name: str, how: str) -> Callable[[], None]:
    """Damage a stored file; what is returned mends it, so that the registry is sound when the test ends."""
    path = registry.root / "models/churn/versions/1/files" / name
    content, aside = path.read_bytes(), registry.root.parent / "aside"
    path.parent.chmod(0o755)
    if how == "gone":
        path.rename(aside)
    elif how == "link":
        path.rename(aside)
        path.symlink_to(aside)
    else:
        path.chmod(0o644)
        path.write_bytes(
            {"flipped": bytes([content[0] ^ 1]) + content[1:], "longer": content + b"x", "empty": b""}[how]
        )

    def mend() -> None:
        if aside.exists():
            aside.rename(path)
        else:
            path.write_bytes(content)
            path.chmod(0o444)
        path.parent.chmod(0o555)

    return mend


def test_the_path_is_the_place_itself(two: Registry) -> None:
    assert two.path("churn@1") == two.root / "models/churn/versions/1/files"
    assert two.path("churn", "sub/weights.bin").read_text() == "weights"
    for name in ("weights.bin", "sub", "../version.yaml", "", "/etc/passwd", "sub/../config.json"):
        with pytest.raises(NotFound):
            two.path("churn", name)


def test_cat_writes_one_file(two: Registry) -> None:
    stream = io.BytesIO()
    two.artifacts.cat("churn", "config.json", stream)
    assert stream.getvalue() == b"{}"
    with pytest.raises(InvalidInput, match="has 2 files"):
        two.artifacts.cat("churn", None, stream)


@pytest.mark.parametrize("how", ["flipped", "longer", "empty", "gone", "link"])
def test_damaged_bytes_are_never_handed_out_as_good(two: Registry, tmp_path: Path, how: str) -> None:
    mend = damage(two, "sub/weights.bin", how)
    with pytest.raises(Damaged):
        two.artifacts.verify_files("churn")
    with pytest.raises(Damaged):
        two.artifacts.cat("churn", "sub/weights.bin", io.BytesIO())
    with pytest.raises(Damaged):
        two.fetch("churn", tmp_path / "out")
    assert not (tmp_path / "out").exists(), "it appears whole or not at all"
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == [], "and leaves nothing behind"
    if how != "flipped":  # sizes are compared each time a path is handed out; a flipped bit is for check and verify
        with pytest.raises(Damaged):
            two.path("churn")
    mend()
    two.artifacts.verify_files("churn")


def test_a_damaged_manifest_is_not_believed(two: Registry, tmp_path: Path) -> None:
    path = two.root / "models/churn/versions/1/manifest-sha256.txt"
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content.replace(b"weights", b"heights"))
    for verb in (two.artifacts.verify_files, two.artifacts.files, lambda ref: two.fetch(ref, tmp_path / "out")):
        with pytest.raises(Damaged, match="does not match its sealed digest"):
            verb("churn")
    path.write_bytes(content)
    path.chmod(0o444)


def test_fetch_makes_a_copy_that_is_the_users_own(two: Registry, tmp_path: Path) -> None:
    version = two.fetch("churn", tmp_path / "new" / "out")
    out = tmp_path / "new" / "out"
    assert version.ref == "churn@1"
    assert {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()} == {
        "config.json": "{}", "sub/weights.bin": "weights",
    }  # fmt: skip
    assert (out / "config.json").stat().st_ino != two.path("churn", "config.json").stat().st_ino
    (out / "config.json").write_text("changed")
    two.artifacts.verify_files("churn")


def test_fetch_does_not_write_over_anything(two: Registry, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    two.fetch("churn", out)
    before = snapshot(tmp_path)
    with pytest.raises(Conflict, match="already exists"):
        two.fetch("churn", out)
    for other in ("file", "link", "dangling"):
        path = tmp_path / other
        path.write_text("mine") if other == "file" else path.symlink_to({"link": "out"}.get(other, "nowhere"))
        with pytest.raises(Conflict):
            two.fetch("churn", path)
        path.unlink()
    assert {name: state[-1] for name, state in snapshot(tmp_path).items()} == {
        name: state[-1] for name, state in before.items()
    }
    (out / "more").write_text("mine")
    with pytest.raises(Conflict, match="files from elsewhere: more;"):
        two.fetch("churn", out, replace=True)
    (out / "more").unlink()
    (out / "config.json").unlink()  # it may lack some of the files
    two.fetch("churn", out, replace=True)
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "sub"]


def test_fetch_never_replaces_the_registry_or_what_it_lies_in(two: Registry, tmp_path: Path) -> None:
    """With ``replace`` the target is removed: that must not be the registry, however it is spelled."""
    (tmp_path / "alias").symlink_to(two.root)
    inside = [
        two.root / "models",
        two.path("churn"),
        two.root / "models/new",
        tmp_path / "alias/models/x",
        two.root / "registry.yaml",
    ]
    around = [two.root, tmp_path, Path("/"), tmp_path / "alias"]
    before = snapshot(two.root)
    for target in (*inside, *around):
        with pytest.raises(InvalidInput):
            two.fetch("churn", target, replace=True)
    os.chdir(two.root)
    with pytest.raises(InvalidInput):
        two.fetch("churn", ".", replace=True)
    assert snapshot(two.root) == before


def test_a_digest_names_a_version(two: Registry, make_file: Make) -> None:
    digest = two.version("churn").digest
    two.register("churn", [make_file("other")])
    assert two.version(f"churn@sha256:{digest[:8]}").number == 1
    assert two.version(f"churn@sha256:{digest}").number == 1
    with pytest.raises(NotFound):
        two.version(f"churn@sha256:{'0' * 64}")


class Deleting(Progress):
    """A progress that deletes the version while it is read: somebody else's verb, at the worst moment."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def expect(self, count: int) -> None:
        self._registry.delete(["churn@1"], reason="meanwhile")

    def __call__(self, count: int) -> None:
        pass


def test_a_version_deleted_while_it_is_fetched_is_not_called_damaged(two: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="deleted"):
        two.fetch("churn@1", tmp_path / "out", progress=Deleting(Registry.open(two.root, author="bob")))
    assert not (tmp_path / "out").exists()

"""Modes are set, never inherited from a umask that somebody happens to have."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_cli import InvalidInput, Registry

GROUP = {"folder": 0o2775, "versions": 0o3775, "file": 0o664, "sealed folder": 0o555, "sealed file": 0o444}


@pytest.fixture(params=[0o000, 0o002, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def fill(root: Path, shared: str) -> Registry:
    """A registry with a path of each kind."""
    work = root.with_name("work")
    (work / "sub").mkdir(parents=True, exist_ok=True)
    (work / "sub" / "a.bin").write_bytes(b"a" * 10)
    reg = Registry.init(root, shared=shared, author="alice")
    for name in ("churn", "risk/fraud"):
        for _ in range(2):
            reg.register(name, [work], tags={"a": "b"})
        reg.promote(f"{name}@1", "staging")
        reg.tag(f"{name}@1", {"c": "d"})
        reg.delete([f"{name}@2"])
    return reg


def kind(path: Path, root: Path) -> str:
    parts = path.relative_to(root).parts
    sealed = "versions" in parts[:-1] or (path.is_file() and "blobs" in parts)
    if path.is_dir():
        return "sealed folder" if sealed else "versions" if path.name == "versions" else "folder"
    return "sealed file" if sealed else "file"


def modes(root: Path) -> dict[Path, tuple[str, int]]:
    paths = [path for path in (root, *root.rglob("*")) if not path.is_symlink()]
    return {path: (kind(path, root), stat.S_IMODE(path.stat().st_mode)) for path in paths}


def test_a_group_registry_is_the_same_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    reg = fill(tmp_path / "registry", "group")
    found = modes(reg.root)
    assert {kind for kind, _ in found.values()} == set(GROUP)
    assert {str(path): oct(mode) for path, (kind, mode) in found.items() if mode != GROUP[kind]} == {}
    assert reg.admin.verify().problems == ()
    assert [check.status for check in reg.admin.doctor() if check.check == "sharing"] == ["ok"]


def test_a_private_registry_follows_the_umask_but_never_lets_others_write(tmp_path: Path, umask: int) -> None:
    reg = fill(tmp_path / "registry", "private")
    wanted = {"folder": 0o755, "versions": 0o755, "file": 0o644, "sealed folder": 0o555, "sealed file": 0o444}
    for path, (kind, mode) in modes(reg.root).items():
        assert mode == wanted[kind] & ~umask, path
        assert not mode & 0o022, path
    assert reg.admin.verify().problems == ()
    assert [check.status for check in reg.admin.doctor() if check.check == "sharing"] == ["ok"]


def test_no_other_way_of_sharing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="use private or group"):
        Registry.init(tmp_path / "registry", shared="world")
    assert not (tmp_path / "registry").exists()


def test_staging_is_closed_to_everybody(tmp_path: Path) -> None:
    """Even in a group registry, even under umask 0: nobody can put a file into what is being written."""
    from registry_cli.store.layout import Layout
    from registry_cli.store.staging import StagingFolder

    reg = fill(tmp_path / "registry", "group")
    before = os.umask(0)
    try:
        staging = StagingFolder.make(Layout(reg.root).model("churn"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(staging.folder.stat().st_mode) & 0o777 == 0o700
    staging.abandon()

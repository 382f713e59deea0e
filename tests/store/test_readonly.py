"""Reading never writes: every verb that reads works on a read-only mount, and leaves no trace on a writable one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Registry
from registry_cli.errors import RegistryError
from tests.support import snapshot

Make = Callable[..., Path]


def read_everything(registry: Registry, target: Path) -> list[object]:
    """Each reading verb once; what they say."""
    stream = io.BytesIO()
    registry.artifacts.cat("churn@1", "model.pkl", stream)
    registry.fetch("churn@production", target)
    return [
        registry.admin.info(), registry.admin.model_names(), list(registry.list()), registry.model("churn"), registry.versions("churn"),
        registry.versions("churn", archived=True), registry.version("churn@staging"), registry.artifacts.files("churn"),
        registry.version("churn@latest"), registry.path("churn@production"), registry.path("churn@2", "model.pkl"),
        registry.artifacts.verify_files("churn@2"), registry.history("churn"), registry.admin.earlier_holders("churn", "production"),
        registry.admin.verify(), registry.admin.verify(quick=True), stream.getvalue(),
    ]  # fmt: skip


@pytest.fixture
def used(reg: Registry, make_file: Make) -> Registry:
    """A registry in which everything has happened once."""
    for number in range(1, 5):
        reg.register("churn", [make_file(f"content {number}")], metrics={"auc": 0.5 + number / 100})
    reg.promote("churn@1", "production")
    reg.promote("churn@2", "production", reason="better")
    reg.promote("churn@3", "staging")
    reg.alias("churn@2", "champion")
    reg.tag("churn@2", {"a": "b"})
    reg.archive(["churn@1"], force=True, reason="space")
    reg.delete(["churn@4"], reason="trial")
    return reg


def test_no_reading_verb_changes_a_byte_or_a_time(used: Registry, tmp_path: Path) -> None:
    before = snapshot(used.root)
    first = read_everything(Registry.open(used.root), tmp_path / "out")
    assert read_everything(Registry.open(used.root), tmp_path / "again") == first
    assert snapshot(used.root) == before


def test_reading_after_a_crash_leaves_the_repair_to_the_next_writer(used: Registry, tmp_path: Path) -> None:
    """A claim that its writer could not finish is followed, not finished: a reader may have no right to write."""
    folder = used.root / "models/churn"
    claim = max(folder.glob(".stages-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    history = (folder / "history.jsonl").read_bytes()
    stages, older = (folder / "stages.yaml").read_bytes(), claim.with_name(f".stages-{int(claim.name[8:]) - 1}")
    (folder / "stages.yaml").write_bytes(older.read_bytes())
    (folder / "history.jsonl").write_bytes(b"".join(history.splitlines(keepends=True)[:-1]))
    before = snapshot(used.root)
    registry = Registry.open(used.root)
    assert registry.model("churn").revision == int(claim.name[8:])
    assert [version.number for version in registry.versions("churn")] == [3, 2]
    assert registry.history("churn")[0].event.action == "deleted"
    read_everything(registry, tmp_path / "out")
    assert snapshot(used.root) == before
    used.tag("churn@2", {"c": "d"})
    assert b"deleted" in (folder / "history.jsonl").read_bytes()
    assert stages != (folder / "stages.yaml").read_bytes()


_PROGRAM = """
import sys
from pathlib import Path
from registry_cli import Registry
from tests.store.test_readonly import read_everything, refuse_to_write
registry = Registry.open(sys.argv[1])
assert read_everything(registry, Path(sys.argv[2]))
refuse_to_write(registry)
print("read")
"""


def refuse_to_write(registry: Registry) -> None:
    for deed in (
        lambda: registry.promote("churn@3", "production"),
        lambda: registry.tag("churn@2", {"x": "y"}),
        lambda: registry.register("churn", [__file__]),
        lambda: registry.register("new", [__file__]),
    ):
        with pytest.raises((OSError, RegistryError)):
            deed()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root; see the test with modes")
def test_everything_is_readable_on_a_read_only_mount(used: Registry, tmp_path: Path) -> None:
    """In a mount namespace of its own, so that nothing is left mounted whatever happens."""
    before = snapshot(used.root)
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    command = [sys.executable, "-c", _PROGRAM, str(used.root), str(tmp_path / "out")]
    told = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(used.root), *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, check=False, text=True,
    )  # fmt: skip
    if "Operation not permitted" in told.stderr:
        pytest.skip("no mount namespace here")
    assert (told.returncode, told.stdout) == (0, "read\n"), told.stderr
    assert snapshot(used.root) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="modes don't stop root; see the test with a mount")
def test_everything_is_readable_without_the_right_to_write(used: Registry, tmp_path: Path) -> None:
    folders = [used.root, *(path for path in used.root.rglob("*") if path.is_dir() and not path.is_symlink())]
    modes = {folder: folder.stat().st_mode for folder in folders}
    for folder in folders:
        folder.chmod(0o555)
    try:
        read_everything(Registry.open(used.root), tmp_path / "out")
    finally:
        for folder, mode in modes.items():
            folder.chmod(mode)


@pytest.mark.parametrize("stages", [["null", "production"], ["true"], ["yes", "no", "on"], ["y"], ["a-b", "c_d"]])
def test_a_registry_can_be_opened_whatever_its_stages_are_called(tmp_path: Path, stages: list[str]) -> None:
    """And under YAML 1.1, in which half of these would be no texts."""
    import yaml

    registry = Registry.init(tmp_path / "registry", stages=stages)
    assert Registry.open(registry.root).stages == tuple(stages)
    assert yaml.safe_load((registry.root / "registry.yaml").read_text())["stages"] == stages


@pytest.mark.parametrize("identity", ["1" * 32, "12345678e90123456789012345678901", "0" * 32])
def test_a_registry_can_be_opened_whatever_its_id_is(
    tmp_path: Path, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in a million is a number to YAML."""
    monkeypatch.setattr(os, "urandom", lambda count: bytes.fromhex(identity)[:count])
    registry = Registry.init(tmp_path / "registry")
    monkeypatch.undo()
    assert Registry(registry.root).admin.settings.id == identity

"""What belongs to other users is not believed: an index, and a registry that was found by walking upward."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from registry_cli import Refused, Registry
from registry_cli.cli import completion
from registry_cli.operations.context import find_root
from tests.commands import environment, spawn

NOBODY = 65534


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache/registry-cli"


@pytest.fixture
def indexed(tmp_path: Path, cache: Path) -> Registry:
    """A registry whose index says another version than its files."""
    reg = Registry(Registry.init(tmp_path / "reg").root, author="alice", cache=cache)
    for number in (1, 2):
        path = tmp_path / f"{number}.bin"
        path.write_text(f"weights {number}")
        reg.register("churn", [path])
    reg.promote("churn@1", "production")
    time.sleep(2.1)  # what changed just now is looked at again, whatever an index says
    reg = Registry(reg.root, author="alice", cache=cache)
    list(reg.list())
    list(reg.versions("churn"))
    (place,) = cache.glob("*.sqlite")
    database = sqlite3.connect(place)
    database.execute("""update models set pointers = replace(pointers, '"production": 1', '"production": 2')""")
    database.execute("""update models set pointers = replace(pointers, '"production":1', '"production":2')""")
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return reg


def _file_of_another(cache: Path) -> None:
    for path in cache.iterdir():
        os.chown(path, NOBODY, NOBODY)


def _file_for_all(cache: Path) -> None:
    for path in cache.glob("*.sqlite"):
        path.chmod(0o666)


def _file_for_a_group(cache: Path) -> None:
    for path in cache.glob("*.sqlite"):
        path.chmod(0o660)


def _folder_for_all(cache: Path) -> None:
    cache.chmod(0o777)


def _folder_of_another(cache: Path) -> None:
    os.chown(cache, NOBODY, NOBODY)


def _log_of_another(cache: Path) -> None:
    (place,) = cache.glob("*.sqlite")
    Path(f"{place}-wal").touch()
    os.chown(f"{place}-wal", NOBODY, NOBODY)


@pytest.mark.parametrize(
    "how",
    [
        _file_for_all, _file_for_a_group, _folder_for_all,
        *(pytest.param(each, marks=pytest.mark.root) for each in (_file_of_another, _folder_of_another, _log_of_another)),
    ],
)  # fmt: skip
def test_an_index_that_others_could_write_is_not_used(indexed: Registry, cache: Path, how: object) -> None:
    how(cache)  # type: ignore[operator]
    reg = Registry(indexed.root, author="alice", cache=cache, on_warning=(said := list[str]()).append)
    assert reg.version("churn@production").number == 1
    assert [each.number for each in reg.versions("churn")] == [2, 1]
    (line,) = said
    assert line.startswith("not using the index: ")
    answer = spawn("-C", reg.root, "versions", "churn", env=environment(REGISTRY_CACHE=str(cache)))
    assert answer.code == 0
    assert answer.err.count("warning: not using the index") == 1


def test_an_own_index_is_used(indexed: Registry, cache: Path) -> None:
    """The tampering shows: that the others are not believed is because of their owners."""
    reg = Registry(indexed.root, author="alice", cache=cache)
    assert reg.version("churn@production").number == 2


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of another user around the current folder."""
    reg = Registry.init(tmp_path / "reg", author="alice")
    os.chown(reg.root, NOBODY, NOBODY)
    os.chown(reg.root / "registry.yaml", NOBODY, NOBODY)
    inside = reg.root / "work"
    inside.mkdir()
    monkeypatch.chdir(inside)
    return reg.root


@pytest.mark.root
def test_a_registry_of_another_user_must_be_named(foreign: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"belongs to another user.*`root` .*REGISTRY_HOME.*trusted_registries"):
        find_root()
    assert find_root(foreign) == foreign
    assert find_root(None, {"REGISTRY_HOME": str(foreign)}) == foreign
    settings = environment(XDG_CONFIG_HOME=str(tmp_path / "config"))
    answer = spawn("list", cwd=foreign / "work", env=settings)
    assert answer.code == 5
    assert "REGISTRY_HOME" in answer.err
    assert spawn("-C", foreign, "list", cwd=foreign / "work", env=settings).code == 0
    assert spawn("list", cwd=foreign / "work", env={**settings, "REGISTRY_HOME": str(foreign)}).code == 0


@pytest.mark.root
def test_completion_does_not_read_a_registry_that_is_not_trusted(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "model.bin"
    source.write_text("x")
    Registry(foreign, author="alice").register("churn", [source])
    config = tmp_path / "config/registry-cli"
    config.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config.parent))

    def offered(line: str) -> str:
        completion.answer({"_REGISTRY_LINE": line})
        return capsys.readouterr().out.strip()

    assert offered("registry show c") == offered("registry list --stage p") == ""
    assert offered("registry show churn@") == "churn@latest", "which every model has"
    assert offered("registry register churn m") == completion.FILES, "what is not of the registry is offered"
    assert offered(f"registry -C {foreign} show c") == "churn"
    (config / "config.yaml").write_text(f"trusted_registries: [{foreign}]\n")
    assert offered("registry show c") == "churn"
    os.chown(foreign / "registry.yaml", 0, 0)
    (config / "config.yaml").unlink()
    assert offered("registry show c") == "churn"


@pytest.mark.root
@pytest.mark.parametrize("entry", ["{root}", "{above}/*"])
def test_it_can_be_trusted(foreign: Path, tmp_path: Path, entry: str) -> None:
    config = tmp_path / "config/registry-cli"
    config.mkdir(parents=True)
    (config / "config.yaml").write_text(
        f"trusted_registries:\n  - {entry.format(root=foreign, above=foreign.parent)}\n"
    )
    assert find_root(None, {"XDG_CONFIG_HOME": str(config.parent)}) == foreign
    (config / "config.yaml").write_text("trusted_registries: [/srv/other]\n")
    with pytest.raises(Refused):
        find_root(None, {"XDG_CONFIG_HOME": str(config.parent)})
    (config / "config.yaml").write_text(f"trusted_registries: [{foreign}]\n")
    (config / "config.yaml").chmod(0o666)
    with pytest.raises(Refused, match="can be written by others"):
        find_root(None, {"XDG_CONFIG_HOME": str(config.parent)})


@pytest.mark.root
def test_a_registry_that_a_group_shares_is_found(foreign: Path) -> None:
    path = foreign / "registry.yaml"
    path.write_text(path.read_text().replace("shared: private", "shared: group"))
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(Refused):
        find_root()
    os.chown(foreign, NOBODY, os.getegid())
    assert find_root() == foreign

"""A damaged model is not exported as a whole bundle: either ``export`` names the damage, or the bundle can be imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Damaged, Registry
from tests.commands import run
from tests.integrity.conftest import Store

Damage = Callable[[Store, str], None]


def _flip(store: Store, path: str) -> None:
    data = bytearray(store.at(path).read_bytes())
    data[len(data) // 2] ^= 1
    store.write(path, bytes(data))


def _cut(store: Store, path: str) -> None:
    store.write(path, store.at(path).read_bytes()[: store.at(path).stat().st_size // 2])


def _remove(store: Store, path: str) -> None:
    store.remove(path)


def _link(store: Store, path: str) -> None:
    store.replace_by_link(path, store.root.parent / "elsewhere")


DAMAGES: tuple[Damage, ...] = (_flip, _cut, _remove, _link)
DOCUMENTS = (
    "model.yaml", "stages.yaml", "history.jsonl", "tombstones/3.yaml", "annotations/1.yaml", "annotations/2.yaml",
    "annotations/5.yaml", "versions/1/version.yaml", "versions/2/version.yaml", "versions/4/version.yaml",
    "versions/5/version.yaml", "versions/1/manifest-sha256.txt", "versions/2/files/model.bin",
)  # fmt: skip


@pytest.mark.parametrize("path", DOCUMENTS)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.__name__.strip("_"))
def test_a_bundle_that_was_written_can_be_imported(store: Store, tmp_path: Path, damage: Damage, path: str) -> None:
    damage(store, path)
    bundle = tmp_path / "bundle.tar"
    answer = run("export", "churn", bundle, root=store.root)
    if answer.code == 0:
        Registry.init(tmp_path / "other").import_(bundle)
    else:
        no_model = damage is _remove and path == "model.yaml"  # then nothing is called churn
        assert answer.code == (3 if no_model else 6), answer
        assert not bundle.exists()


@pytest.mark.parametrize("path", ["annotations/2.yaml", "versions/2/version.yaml", "versions/2/manifest-sha256.txt"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.__name__.strip("_"))
def test_a_damaged_version_is_not_exported_and_a_sound_one_is(
    store: Store, tmp_path: Path, damage: Damage, path: str
) -> None:
    damage(store, path)
    with pytest.raises(Damaged):
        store.reg.export(["churn@2"], tmp_path / "two.tar")
    store.reg.export(["churn@1"], tmp_path / "one.tar")
    assert Registry.init(tmp_path / "other").import_(tmp_path / "one.tar")[0].ref == "churn@1"


def test_one_damaged_model_stops_the_export_of_all(store: Store, tmp_path: Path) -> None:
    _remove(store, "annotations/5.yaml")
    answer = run("export", "--all", tmp_path / "all.tar", root=store.root)
    assert answer.code == 6
    assert "churn@5" in answer.err
    assert not (tmp_path / "all.tar").exists()


def test_a_model_without_model_yaml_is_not_left_out_of_a_backup(store: Store, tmp_path: Path) -> None:
    _remove(store, "model.yaml")
    answer = run("export", "--all", tmp_path / "all.tar", root=store.root)
    assert answer.code == 6
    assert "churn" in answer.err

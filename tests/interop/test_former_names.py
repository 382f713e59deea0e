"""An import of a whole model beside others who make and rename models of its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, LockTimeout, Registry
from registry_cli.store import creation, model_names
from registry_cli.store.model_import import ModelImport

Make = Callable[..., Path]


@pytest.fixture
def bundle(tmp_path: Path, make_file: Make) -> Path:
    """churn and risk/churn, from elsewhere."""
    origin = Registry.init(tmp_path / "origin", author="alice")
    for name in ("churn", "risk/churn"):
        origin.register(name, [make_file(f"theirs of {name}")])
    origin.export(None, tmp_path / "origin.tar")
    return tmp_path / "origin.tar"


def single(bundle: Path, name: str) -> Path:
    path = bundle.with_name("single.tar")
    Registry(bundle.parent / "origin").export([name], path)
    return path


@pytest.mark.parametrize("name", ["churn", "risk/churn"])
@pytest.mark.parametrize("reuse", [False, True])
def test_a_name_that_becomes_a_former_one_while_a_model_comes_in(
    reg: Registry, make_file: Make, bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str, reuse: bool
) -> None:
    source, finish = make_file("mine"), ModelImport.finish

    def late(*args: Any) -> None:
        finish(*args)
        reg.register(name, [source])
        reg.admin.rename(name, "retail")

    monkeypatch.setattr(ModelImport, "finish", late)
    if reuse:
        [done] = reg.import_(single(bundle, name), reuse_name=True)
        assert done.status == "imported"
        assert reg.admin.model_names() == sorted([name, "retail"])
        return
    with pytest.raises(Conflict, match=f"'{name}' is a former name of the model 'retail'"):
        reg.import_(single(bundle, name))
    assert reg.admin.model_names() == ["retail"]
    assert not (reg.root / "models" / name).exists()
    assert not list((reg.root / "models").rglob(".tmp-*"))


def test_nobody_makes_a_model_of_the_name_between_the_check_and_the_commit(
    reg: Registry, make_file: Make, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, renamed, tried = make_file("mine"), model_names.find_renamed_model, list[bool]()
    finish = ModelImport.finish
    monkeypatch.setattr(creation, "_PATIENCE", 0.1)

    def while_checked(*args: Any, **options: Any) -> str | None:
        if not tried:
            tried.append(True)
            with pytest.raises(LockTimeout):
                Registry(reg.root, lock_timeout=0.1).register("churn", [source], reuse_name=True)
        return renamed(*args, **options)

    def late(*args: Any) -> None:
        finish(*args)
        monkeypatch.setattr(model_names, "find_renamed_model", while_checked)

    monkeypatch.setattr(ModelImport, "finish", late)
    [done] = reg.import_(single(bundle, "churn"))
    assert tried
    assert done.status == "imported"
    assert (reg.path("churn@1") / "model.pkl").read_text() == "theirs of churn"

"""A command on several models changes none of them when it can't be done to one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Conflict, NotFound, Registry
from registry_cli.errors import RegistryError
from registry_cli.store.packs import pack_writer


@pytest.fixture
def two(reg: Registry, make_file: Callable[..., Path]) -> Registry:
    for name in ("alpha", "beta"):
        for content in ("one", "two"):
            reg.register(name, [make_file(content)])
    reg.promote("beta@2", "production")
    return reg


def states(reg: Registry) -> list[tuple[object, ...]]:
    return [(reg.model(name).revision, [v.ref for v in reg.versions(name)]) for name in ("alpha", "beta")]


@pytest.mark.parametrize("verb", ["archive", "delete"])
@pytest.mark.parametrize(("other", "kind"), [("beta@2", Conflict), ("beta@9", NotFound), ("gamma@1", NotFound)])
def test_nothing_is_changed_when_one_is_refused(two: Registry, verb: str, other: str, kind: type[Exception]) -> None:
    before = states(two)
    with pytest.raises(kind):
        getattr(two, verb)(["alpha@1", other])
    assert states(two) == before


def test_restore_likewise(two: Registry) -> None:
    two.archive(["alpha@1"])
    before = states(two)
    with pytest.raises(NotFound):
        two.restore(["alpha@1", "beta@9"])
    assert states(two) == before


def test_archiving_a_version_that_only_its_owner_can_pack_is_refused_before_the_commit(
    two: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_writer, "is_owned", lambda paths, number: False)
    before = states(two)
    with pytest.raises(RegistryError, match="belongs to another user"):
        two.archive(["alpha@1"], compress="gzip")
    assert states(two) == before

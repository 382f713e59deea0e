"""Bundles with any byte changed: they come in sound, or are refused and leave nothing; nothing crashes."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from registry_cli import Registry, RegistryError
from tests.crash.world import copied, fingerprint, wiped
from tests.integrity.conftest import prepare
from tests.interop.forging import Forge

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Lab:
    """A registry that gets bundles, in a folder in which nothing else is."""

    def __init__(self, folder: Path) -> None:
        prepare(folder / "registry", folder / "work")
        origin = Registry(folder / "registry", author="alice")
        self.tars: dict[bool, bytes] = {}
        for whole, refs in ((False, ["churn@1", "churn@2"]), (True, ["churn"])):
            origin.export(refs, folder / "bundle.tar", replace=True)
            self.tars[whole] = (folder / "bundle.tar").read_bytes()
        self.around = folder / "around"
        self.around.mkdir()
        Registry.init(self.around / "registry", author="bob")
        self.clean = copied(self.around, folder / "clean")
        self.before = fingerprint(self.around)

    def take(self, data: bytes) -> bool:
        """Import; whether it came in. Whatever happens, the registry is sound, and nothing lies beside it."""
        registry = Registry(self.around / "registry", author="bob")
        try:
            found = registry.import_(io.BytesIO(data))
        except RegistryError as error:
            assert error.exit_code in (4, 5, 6), error
            assert "\n" not in str(error)
            assert fingerprint(self.around) == self.before, error
            return False
        assert {each.status for each in found} <= {"imported"}
        assert registry.admin.verify().ok
        for name in registry.admin.model_names():
            registry.versions(name, archived=True)
            registry.history(name)
        assert [path.name for path in self.around.iterdir()] == ["registry"]
        wiped(self.around)
        copied(self.clean, self.around)
        return True


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


CHANGES = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.sampled_from(["set", "insert", "delete", "double"]), st.binary(min_size=1, max_size=8)),
    min_size=1, max_size=3,
)  # fmt: skip


def changed(data: bytes, changes: list[tuple[int, str, bytes]]) -> bytes:
    for place, kind, piece in changes:
        at = place % (len(data) + 1)
        if kind == "set":
            data = data[:at] + piece + data[at + len(piece) :]
        elif kind == "insert":
            data = data[:at] + piece + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + 64 * len(piece) :]
        else:
            data = data[:at] + data[at : at + 512 * len(piece)] + data[at:]
    return data


def test_unchanged_it_comes_in(lab: Lab) -> None:
    for data in lab.tars.values():
        assert lab.take(data)
        assert lab.take(gzip.compress(data))


@FUZZ
@given(whole=st.booleans(), changes=CHANGES)
@example(whole=True, changes=[(300, "set", b"\xff")])
def test_any_bytes_of_the_tar_changed(lab: Lab, whole: bool, changes: list[tuple[int, str, bytes]]) -> None:
    lab.take(changed(lab.tars[whole], changes))


@FUZZ
@given(whole=st.booleans(), changes=CHANGES)
def test_any_bytes_of_the_gzip_changed(lab: Lab, whole: bool, changes: list[tuple[int, str, bytes]]) -> None:
    lab.take(changed(gzip.compress(lab.tars[whole], mtime=0), changes))


@FUZZ
@given(data=st.binary(max_size=2_000), gzipped=st.booleans())
def test_any_bytes_at_all(lab: Lab, data: bytes, gzipped: bool) -> None:
    assert not lab.take(gzip.compress(data) if gzipped else data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20)
    | st.sampled_from(["../x", "/etc/passwd", "churn", "versions/1/version.yaml", "sha256:" + "0" * 64]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document, the inner ones too."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inside for place in leaves(each, (*path, key)))]


@FUZZ
@given(whole=st.booleans(), place=st.integers(0, 10_000), value=JSON, settled=st.booleans())
def test_anything_in_the_head_changed(
    lab: Lab, tmp_path: Path, whole: bool, place: int, value: Any, settled: bool
) -> None:
    (tmp_path / "bundle.tar").write_bytes(lab.tars[whole])
    forge = Forge.of(tmp_path / "bundle.tar")
    *path, last = leaves(forge.head)[1:][place % (len(leaves(forge.head)) - 1)]
    holder = forge.head
    for key in path:
        holder = holder[key]
    holder[last] = value
    if settled:
        try:
            forge.settle()
        except (TypeError, KeyError, AttributeError):
            return
    lab.take(forge.tar())


@FUZZ
@given(whole=st.booleans(), at=st.integers(0, 100), changes=CHANGES)
def test_any_document_changed_with_a_head_that_fits(
    lab: Lab, tmp_path: Path, whole: bool, at: int, changes: Any
) -> None:
    """The forger signs for everything: what comes in all the same is sound."""
    (tmp_path / "bundle.tar").write_bytes(lab.tars[whole])
    forge = Forge.of(tmp_path / "bundle.tar")
    name = sorted(forge.bodies)[at % len(forge.bodies)]
    forge.bodies[name] = changed(forge.bodies[name], changes)
    forge.settle()
    lab.take(forge.tar())


def test_a_head_says_what_json_can(lab: Lab) -> None:
    """The places that are changed above are all there are."""
    assert len(leaves(json.loads('{"a": [1, {"b": 2}]}'))) == 5

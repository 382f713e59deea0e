"""Bundles that nobody should make are refused, in one line, and leave nothing behind."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_cli import Registry
from tests.commands import assert_refused, run
from tests.integrity.conftest import prepare
from tests.interop import forging
from tests.interop.forging import Forge
from tests.support import snapshot


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """A bundle of two versions, and one of a whole model."""
    folder = tmp_path_factory.mktemp("goods")
    prepare(folder / "registry", folder / "work")
    registry = Registry(folder / "registry", author="alice")
    registry.export(["churn@1", "churn@2"], folder / "versions.tar")
    registry.export(["churn"], folder / "whole.tar")
    return {False: folder / "versions.tar", True: folder / "whole.tar"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A registry in a folder of its own, so that what is written beside it is seen too."""
    registry = Registry.init(tmp_path / "around" / "registry", author="bob")
    registry.register("fraud", [_file(tmp_path)])
    yield registry.root
    assert registry.admin.verify().problems == ()


def _file(folder: Path) -> Path:
    path = folder / "model.pkl"
    path.write_text("a model")
    return path


def test_the_forge_makes_good_bundles_too(goods: dict[bool, Path], site: Path) -> None:
    """So that a case below is refused for what is wrong with it."""
    for whole, path in goods.items():
        forge = Forge.of(path)
        forge.settle()
        found = Registry(site).import_(io.BytesIO(forge.tar()), name="whole" if whole else "some")
        assert {each.status for each in found} == {"imported"}


def test_the_corpus_is_large() -> None:
    assert len(forging.CASES) > 100


@pytest.mark.parametrize("name", forging.CASES)
def test_it_is_refused_and_leaves_nothing(name: str, goods: dict[bool, Path], site: Path, tmp_path: Path) -> None:
    kinds = [True] if name in forging.WHOLE else [False, True]
    for whole in kinds:
        data = forging.CASES[name](Forge.of(goods[whole]))
        around = site.parent.parent
        (tmp_path / "bundle.tar").write_bytes(data)
        before = snapshot(around)
        for answer in (
            run("import", tmp_path / "bundle.tar", root=site),
            run("import", tmp_path / "bundle.tar", "--dry-run", root=site) if name not in LATER else None,
            run("import", "-", root=site, stdin=data),
        ):
            if answer is None:
                continue
            assert answer.code in (5, 6), (name, whole, answer)
            assert_refused(answer, answer.code)
            assert len(answer.err) < 600, answer.err
            assert len(answer.err.splitlines()) == 1
        assert {path: (what[0], what[-1]) for path, what in snapshot(around).items()} == {
            path: (what[0], what[-1]) for path, what in before.items()
        }, "modes and contents"


#: What is only seen when a model is put together: a dry run looks at the bundle alone.
LATER = {
    "a bomb that was announced", "archived but not there", "a stage at a version that is not there", "a stage table of a later revision",
    "a history that was repaired without end", "a history that was cut", "a history with another author",
    "a history of nothing", "a document changed after it was recorded", "what was said changed after it was recorded",
}  # fmt: skip

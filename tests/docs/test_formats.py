"""The page of formats tells every format, and every key that its reader writes."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest

from registry_cli.inspect.formats import FILES, FOLDERS
from registry_cli.inspect.inspection import FEATURES, ITEMS, TEXT
from registry_cli.inspect.inspector import FILES_LIMIT
from tests.docs.test_docs import first_table, read, section
from tests.inspect.conftest import ARTIFACTS, DATA, look

PAGE = read("formats.md")
#: Formats that are told together, under the first of their names.
_TOGETHER = {
    "keras-h5": "keras", "xgboost-json": "xgboost", "xgboost-ubj": "xgboost", "catboost-json": "catboost",
    "torchscript": "torch", "torch-legacy": "torch", "pickle": "pickles", "joblib": "pickles",
    "npy-npz": "numpy", "ort": "onnxruntime",
}  # fmt: skip


def keys(title: str) -> set[str]:
    """The keys in the first column of the table under a heading."""
    rows = re.findall(r"^\| (`.*?) \|", section(PAGE, title), re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


def test_every_format_is_told_and_no_other() -> None:
    names = [name for row in (*FILES, *FOLDERS) for name in row.names]
    assert sorted(first_table(PAGE)) == sorted(set(names))


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: str(path.relative_to(DATA)))
def test_every_key_that_is_found_is_told(path: Path) -> None:
    lineage = look(path).lineage()
    title = _TOGETHER.get(lineage["format"], lineage["format"])
    known = keys("What all can tell") | keys(title) | (keys("transformers") if title == "mlx" else set())
    assert set(lineage["contents"]) - known == set()


@pytest.mark.parametrize("title", [line[4:] for line in PAGE.splitlines() if line.startswith("### ")])
def test_every_key_that_is_told_is_made(title: str) -> None:
    name = title.replace("-", "_")
    (reader,) = {row.load() for row in (*FILES, *FOLDERS) if row.module.rpartition(".")[2] == name}
    module = sys.modules[reader.__module__]
    modules = [module, *([module.front_matter] if hasattr(module, "front_matter") else [])]
    source = "".join(inspect.getsource(each) for each in ([reader] if reader.__name__ == name else modules))
    assert [key for key in sorted(keys(title)) if not re.search(rf'["\']{key}["\']|\b{key}=', source)] == []


def test_the_bounds_are_those_of_the_code() -> None:
    for number in (
        f"first {FEATURES}",
        f"at most {TEXT} characters",
        f"at most {ITEMS} entries",
        f"At most {FILES_LIMIT} files",
    ):
        assert number in PAGE

"""The page of formats tells every format, and every key that its reader writes."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

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


@cache
def parts_of(module: str) -> dict[str, tuple[ast.stmt, str]]:
    """What a module defines, by name, each with its source."""
    text = inspect.getsource(sys.modules[module])
    parts: dict[str, tuple[ast.stmt, str]] = {}
    for part in ast.parse(text).body:
        names = []
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)):
            names = [part.name]
        elif isinstance(part, ast.Assign):
            names = [each.id for target in part.targets for each in ast.walk(target) if isinstance(each, ast.Name)]
        parts.update(dict.fromkeys(names, (part, ast.get_source_segment(text, part) or "")))
    return parts


def source_of(reader: Callable[..., object]) -> str:
    """A function, and all that it uses of its module and of the modules beside it."""
    pending, used = [(reader.__module__, reader.__name__)], {}
    while pending:
        module, name = pending.pop()
        if (module, name) not in used and name in parts_of(module):
            part, used[module, name] = parts_of(module)[name]
            for each in ast.walk(part):
                if isinstance(each, ast.Name):
                    pending.append((module, each.id))
                elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
                    other = getattr(sys.modules[module], each.value.id, None)
                    if isinstance(other, ModuleType) and other.__package__ == sys.modules[module].__package__:
                        pending.append((other.__name__, each.attr))
    return "\n".join(used.values())


@pytest.mark.parametrize("title", [line[4:] for line in PAGE.splitlines() if line.startswith("### ")])
def test_every_key_that_is_told_is_made(title: str) -> None:
    name = title.replace("-", "_")
    rows = [row for row in (*FILES, *FOLDERS) if row.module in (name, f"{row.module.partition('.')[0]}.read_{name}")]
    (reader,) = {row.load() for row in rows}
    source = source_of(reader)
    assert [key for key in sorted(keys(title)) if not re.search(rf'["\']{key}["\']|\b{key}=', source)] == []


def test_the_bounds_are_those_of_the_code() -> None:
    for number in (
        f"first {FEATURES}",
        f"at most {TEXT} characters",
        f"at most {ITEMS} entries",
        f"At most {FILES_LIMIT} files",
    ):
        assert number in PAGE

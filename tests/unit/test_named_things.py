"""What a test names exists: after a renaming, "it imports no X" must not hold because there is no X any more."""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import registry_cli

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("*.py"))
_DOTTED = re.compile(r"registry_cli(\.\w+)+")


def named(path: Path) -> Iterator[str]:
    """Every string in a file of tests that spells a module of ours, or something in one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            yield node.value


def exists(name: str) -> bool:
    """Whether a dotted name is that of a module, or of something in one."""
    package, _, last = name.rpartition(".")
    if not package:
        return True
    if not exists(package):
        return False
    parent = importlib.import_module(package) if not package.endswith("__main__") else None
    is_package = parent is not None and hasattr(parent, "__path__")
    return hasattr(parent, last) or (is_package and importlib.util.find_spec(name) is not None)


def test_what_is_looked_for_is_found() -> None:
    ours = registry_cli.__name__
    assert exists(f"{ours}.cli.main") and exists(f"{ours}.errors.NotFound")
    assert not exists(f"{ours}.nothing") and not exists(f"{ours}.errors.Nothing") and not exists(f"{ours}.no.main")
    assert len({name for path in FILES for name in named(path)}) > 20, "the tests name modules"


@pytest.mark.parametrize("path", [path for path in FILES if any(named(path))], ids=lambda path: path.name)
def test_every_module_that_a_test_names_exists(path: Path) -> None:
    assert [name for name in sorted(set(named(path))) if not exists(name)] == []


def test_no_module_is_named_in_pieces() -> None:
    """A name that is put together can't be looked for: it is written out, or made from a list that is."""
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr) and isinstance(first := node.values[0], ast.Constant):
                text = str(first.value)
                if text.startswith("registry_cli.") and path.name not in LOADERS:
                    found.append(f"{path.relative_to(TESTS)}:{node.lineno}")
    assert found == []


#: These import what they put together, so that a name which does not exist makes them fail.
LOADERS = {"test_evidence.py", "test_fuzz.py", "test_formats.py"}


def test_no_list_of_cases_may_be_empty(pytestconfig: pytest.Config) -> None:
    """A parametrisation over a list or a folder that has become empty is an error, not a test that is skipped."""
    assert pytestconfig.getini("empty_parameter_set_mark") == "fail_at_collect"
    assert {path.name for path in FILES} >= LOADERS


_ROLE = re.compile(r":(?:class|meth|func|data|mod|attr):`~?([\w.]+)`")


def test_what_docstrings_refer_to_exists() -> None:
    """A reference is followed by its last name: it is that of a module, a class, a function, an attribute or a builtin."""
    known: set[str] = set(dir(builtins))
    references: dict[str, str] = {}
    for path in Path(registry_cli.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        known |= {path.stem, path.parent.name}
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                known.add(node.name)
            elif isinstance(node, (ast.Name, ast.Attribute)):
                known.add(node.id if isinstance(node, ast.Name) else node.attr)
        references |= {f"{path.name}: {each}": each.rpartition(".")[2] for each in _ROLE.findall(text)}
    assert references
    assert [where for where, name in references.items() if name not in known] == []

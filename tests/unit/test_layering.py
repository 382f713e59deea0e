"""Layers: which package may import which, and which alone prints, exits and reads the environment."""

from __future__ import annotations

import ast
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

import registry_cli

ROOT = Path(registry_cli.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py"))
LIBRARY = [path for path in MODULES if "cli" not in path.relative_to(ROOT).parts and path.name != "__main__.py"]
WRITERS = {
    "registry_cli.store.writer", "registry_cli.store.staging", "registry_cli.store.journal",
    "registry_cli.store.manifest", "registry_cli.store.registration", "registry_cli.store.creation",
    "registry_cli.store.packs.pack_writer",
}  # fmt: skip
#: What concerns a process that we started: what it inherits and said.
OF_A_CHILD = {
    "registry_cli.store.maintenance.doctor": {"stdout"},
    "registry_cli.core.subprocesses": {"stdout", "stderr", "environ"},
}


PACKAGES = [path.parent for path in MODULES if path.name == "__init__.py" and path.parent != ROOT]
MAY_IMPORT = re.compile(r"^May import: (\w[\w., \n]*?)\.$", re.MULTILINE)
DOES_NOT_BELONG = re.compile(r"^Does not belong here: \S", re.MULTILINE)


def dotted(path: Path) -> str:
    """The name under which a module is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("registry_cli", *(parts[:-1] if parts[-1:] == ("__init__",) else parts)))


MODULE_NAMES = {dotted(path): path for path in MODULES}


def walk_at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Every node of a tree but those that only the type checker reads."""
    yield node
    typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    for child in node.orelse if isinstance(node, ast.If) and typing_only else ast.iter_child_nodes(node):
        yield from walk_at_run_time(child)


def iter_imports(path: Path, *, typing: bool = True) -> Iterator[tuple[str, str]]:
    """Each import of a module, at its top or later: the module, and the name that is taken from it, if any.

    Without ``typing`` only those that are run.
    """
    package = ("registry_cli", *path.relative_to(ROOT).parts[:-1])
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if typing else walk_at_run_time(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *((node.module,) if node.module else ())))
            yield from ((base, alias.name) for alias in node.names)


def imported(path: Path) -> Iterator[str]:
    """The dotted names of all that a module imports, at its top or later."""
    for module, name in iter_imports(path):
        yield module
        if name:
            yield f"{module}.{name}"


def find_dependencies(path: Path) -> set[str]:
    """The modules of ours that a module imports when it is run, at its top or later."""
    found = set()
    for module, name in iter_imports(path, typing=False):
        full = f"{module}.{name}"
        found.add(full if full in MODULE_NAMES else module)
    return found & MODULE_NAMES.keys() - {dotted(path)}


def find_cycles(graph: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """The groups of nodes that lead to one another (strongly connected components of more than one node)."""

    def reach(start: str) -> set[str]:
        found: set[str] = set()
        pending = [start]
        while pending:
            new = set(graph[pending.pop()]) - found
            found |= new
            pending += new
        return found

    reached = {node: reach(node) for node in graph}
    groups = {tuple(sorted(other for other in reached[node] if node in reached[other])) for node in graph}
    return sorted(group for group in groups if len(group) > 1)


def test_each_layer_knows_only_those_below_it() -> None:
    """The contract in pyproject.toml, read by the linter itself."""
    pytest.importorskip("importlinter")
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=ROOT.parent, capture_output=True, check=False, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_cycles_are_found() -> None:
    assert find_cycles({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["e"], "e": ["f"], "f": ["d", "a"]}) == [
        ("b", "c"),
        ("d", "e", "f"),
    ]
    assert find_cycles({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_no_modules_import_each_other() -> None:
    """Also not inside of functions: who follows a call through the modules comes to an end."""
    graph = {name: find_dependencies(path) for name, path in MODULE_NAMES.items()}
    assert sum(map(len, graph.values())) > 1_000, "the imports are found"
    assert "registry_cli.registry" in graph["registry_cli.cli.session"], "those inside of functions, too"
    assert find_cycles(graph) == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_states_what_it_may_import_and_imports_nothing_else(package: Path) -> None:
    document = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    stated = MAY_IMPORT.search(document)
    assert stated, "its docstring has a line 'May import: core, errors.'"
    assert DOES_NOT_BELONG.search(document), "its docstring has a line 'Does not belong here: ...'"
    listed = re.split(r",\s+", stated[1])
    names = [name for name in MODULE_NAMES if name.removeprefix("registry_cli.") in listed]
    assert len(names) == len(listed), "what it may import is there"
    allowed = tuple(f"{name}." for name in [*names, dotted(package / "__init__.py")])
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in package.glob("*.py")
        for name in find_dependencies(path)
        if name != "registry_cli" and not f"{name}.".startswith(allowed)
    }
    assert not found, "not in 'May import' of its package"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_states_no_import_that_the_layers_forbid(package: Path) -> None:
    tomllib = pytest.importorskip("tomllib")
    contracts = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [re.split(r" [:|] ", layer) for layer in contracts[0]["layers"]]
    level = {name: number for number, layer in enumerate(layers) for name in layer}
    document = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    stated = MAY_IMPORT.search(document)
    own = package.relative_to(ROOT).parts[0]
    names = {name.split(".")[0] for name in re.split(r",\s+", stated[1])} if stated else set()
    together = next(layer for layer in layers if own in layer)
    assert {name for name in names if level[name] <= level[own]} <= set(together)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "store" / "verify").glob("verify*.py")), ids=lambda path: str(path.name)
)
def test_the_verifier_does_not_import_the_writer(path: Path) -> None:
    """So that a bug of the writer can't hide itself: what it wrote is read with other eyes."""
    assert not WRITERS & set(imported(path))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_neither_prints_nor_exits_nor_reads_the_environment(path: Path) -> None:
    allowed = {"environ"} if path == ROOT / "registry.py" else set()  # Registry.open: REGISTRY_HOME
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found |= {node.func.id} & {"print", "input", "exit", "quit"}
        elif isinstance(node, ast.Name):
            found |= {node.id} & {"SystemExit"}
        elif isinstance(node, ast.Attribute):
            found |= {node.attr} & {"environ", "getenv", "environb", "stdout", "stderr", "_exit"}
            if isinstance(node.value, ast.Name) and node.value.id == "sys":
                found |= {node.attr} & {"exit", "argv"}
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "sys"):
            found |= {alias.name for alias in node.names}
    assert found - allowed - OF_A_CHILD.get(dotted(path), set()) == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_forks_and_the_index_starts_no_thread(path: Path) -> None:
    """A fork copies whatever the caller's process holds just then: locks, threads, connections."""
    attributes = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    modules = {name.split(".")[0] for name in imported(path)}
    assert not attributes & {"fork", "forkpty", "posix_spawn"}
    assert "multiprocessing" not in modules
    if path.is_relative_to(ROOT / "index"):
        assert not modules & {"threading", "concurrent", "asyncio"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_no_longer_than_one_can_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 450
    assert ast.get_docstring(ast.parse(path.read_text())), "each says what it is for"


def test_importing_the_package_imports_nothing_else() -> None:
    """Start-up time is a feature: names are imported when they are first used."""
    program = (
        "import sys; import registry_cli; print(*(m for m in sys.modules if m.startswith('registry_cli.')), sep='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT.parent)},
        capture_output=True,
        check=True,
    )
    assert done.stdout.strip() == b""


def test_an_error_crosses_to_another_process_whole() -> None:
    from registry_cli.errors import Indeterminate
    from registry_cli.rules.policy.evaluation import Evaluation, GateRefused

    refused = pickle.loads(pickle.dumps(GateRefused("no", "look", Evaluation("churn@1", "production", ()))))
    assert (str(refused), refused.exit_code, refused.evaluation.ref) == ("no; look", 5, "churn@1")
    unsure = pickle.loads(pickle.dumps(Indeterminate("it is there", request_id="r1")))
    assert unsure.request_id == "r1" and "`request_id` r1" in str(unsure)

"""The house has floors: who may know whom, and who alone prints, exits and reads the environment."""

from __future__ import annotations

import ast
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
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


def dotted(path: Path) -> str:
    """The name under which a module is imported."""
    return ".".join(("registry_cli", *path.relative_to(ROOT).with_suffix("").parts))


def imported(path: Path) -> Iterator[str]:
    """The dotted names of all that a module imports, at its top or later."""
    package = ("registry_cli", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *((node.module,) if node.module else ())))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def test_each_layer_knows_only_those_below_it() -> None:
    """The contract in pyproject.toml, read by the linter itself."""
    pytest.importorskip("importlinter")
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    told = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=ROOT.parent, capture_output=True, check=False, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT.parent)},
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr


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
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT.parent)},
        capture_output=True,
        check=True,
    )
    assert told.stdout.strip() == b""


def test_an_error_crosses_to_another_process_whole() -> None:
    from registry_cli.errors import Indeterminate
    from registry_cli.rules.policy.evaluation import Evaluation, GateRefused

    refused = pickle.loads(pickle.dumps(GateRefused("no", "look", Evaluation("churn@1", "production", ()))))
    assert (str(refused), refused.exit_code, refused.evaluation.ref) == ("no; look", 5, "churn@1")
    unsure = pickle.loads(pickle.dumps(Indeterminate("it is there", request_id="r1")))
    assert unsure.request_id == "r1" and "--request-id r1" in str(unsure)

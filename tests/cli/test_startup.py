"""What a command imports: start-up time is a feature, and a module too many is how it is lost."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.conftest import Site
from tests.commands import environment, spawn

#: Prints the modules that a command imported beyond what an empty Python has.
_CODE = """
import sys
before = set(sys.modules)
from registry_cli.__main__ import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
sys.stdout.flush()
print(*sorted(set(sys.modules) - before), file=sys.stderr)
"""
_HEAVY = {
    "typer", "click", "rich", "yaml", "filelock", "dataclasses", "typing", "asyncio", "json", "hashlib", "pathlib",
    "inspect", "subprocess", "threading", "logging", "sqlite3", "unicodedata", "datetime",
}  # fmt: skip
#: All of ours that may be needed before a word is parsed.
_FIRST = {"registry_cli", "registry_cli.__main__", "registry_cli.cli", "registry_cli.cli.main",
          "registry_cli.cli.grammar", "registry_cli.cli.process"}  # fmt: skip


def imported(*words: object, site: Site | None = None, **variables: str) -> set[str]:
    root = site.root if site else None
    answer = spawn(*words, root=root, command=(sys.executable, "-I", "-S", "-c", _path() + _CODE),
                   env=environment(**variables))  # fmt: skip
    assert answer.code == 0, answer
    return set(answer.err.split())


def _path() -> str:
    """Without ``site``, whose path files import things of their own, the path is set by hand."""
    return f"import sys; sys.path[:0] = {[path for path in sys.path if path]!r}\n"


def test_version_and_overview_import_nothing() -> None:
    for words in (("--version",), ("--help",), ()):
        found = imported(*words)
        assert not found & _HEAVY
        assert {name for name in found if name.startswith("registry_cli")} == _FIRST


@pytest.mark.parametrize(
    "line", ["registry pro", "registry path chu", "registry path churn@", "registry promote churn@1 "]
)
def test_one_tab_imports_next_to_nothing(line: str, still: Site) -> None:
    found = imported(_REGISTRY_COMPLETE="bash", _REGISTRY_LINE=line, REGISTRY_HOME=str(still.root))
    assert not found & _HEAVY
    ours = {name for name in found if name.startswith("registry_cli")}
    assert ours == {*_FIRST, "registry_cli.cli.completion"}
    assert found - ours <= {
        "re", "re._casefix", "re._compiler", "re._constants", "re._parser", "_sre", "enum", "types", "operator",
        "functools", "collections", "reprlib", "keyword", "copyreg", "itertools", "_operator", "_functools",
        "_collections", "__future__", "sre_compile", "sre_parse", "sre_constants", "_collections_abc", "collections.abc",
        "gc", "os", "stat", "_stat", "posixpath", "genericpath", "signal", "errno", "abc", "_abc", "os.path", "_signal",
        "_locale",  # of re, on Python 3.10
    }, found - ours  # fmt: skip


@pytest.mark.parametrize("words", [("path", "churn@production"), ("list",), ("show", "churn@1"), ("versions", "churn")])
def test_reading_imports_nothing_that_writes(words: tuple[str, ...], still: Site) -> None:
    found = imported(*words, site=still)
    for module in (
        "rich", "filelock", "asyncio", "registry_cli.store.writer", "registry_cli.store.staging",
        "registry_cli.store.filesystem.locking", "registry_cli.core.yaml.dumper", "registry_cli.operations.transaction",
        "registry_cli.cli.commands.archive", "registry_cli.cli.views.tables",
    ):  # fmt: skip
        assert module not in found, module


@pytest.mark.parametrize(
    "words", [("path", "churn@production"), ("path", "risk/fraud@1", "a file.bin"), ("path", "churn")]
)
def test_a_path_for_a_pipe_is_found_with_few_imports(words: tuple[str, ...], still: Site, tmp_path: Path) -> None:
    """With an index and without one: the documents of one version are read faster than SQLite is imported."""
    cache = {"REGISTRY_CACHE": str(tmp_path / "cache")}
    imported("search", site=still, **cache)
    found = imported(*words, site=still, **cache)
    wanted = {"pathlib"} | ({"json", "hashlib"} if words[-1] != "churn@production" else set())
    assert not found & (_HEAVY - wanted), found & (_HEAVY - wanted)


@pytest.mark.parametrize(
    "words",
    [
        ("list",), ("list", "--stage", "production"), ("versions", "churn"), ("show", "churn@1"),
        ("search", "metrics.auc > 0.5"), ("versions", "churn", "--where", "age < 1y", "--sort", "metrics.auc"),
    ],
)  # fmt: skip
def test_an_answer_of_the_index_does_without_yaml(words: tuple[str, ...], still: Site, tmp_path: Path) -> None:
    """Nor does it import what only a person at a terminal, or a writer, needs."""
    cache = {"REGISTRY_CACHE": str(tmp_path / "cache")}
    old = time.time() + 3
    while time.time() < old:  # what changed a moment ago is read again
        time.sleep(0.1)
    imported("search", site=still, **cache)
    imported("search", site=still, **cache)
    found = imported(*words, site=still, **cache)
    assert "sqlite3" in found
    for module in ("yaml", "rich", "filelock", "registry_cli.core.yaml.documents", "registry_cli.index.updater"):
        assert module not in found, module


def test_a_writer_imports_no_rules_that_were_not_asked_for(site: Site) -> None:
    """Policies, retention and queries are for the commands that speak of them."""
    found = imported("register", "churn", site.file, "-m", "auc=0.9", "-t", "team=crm", site=site)
    assert "filelock" in found
    assert "yaml" not in found, "its documents are plain"
    for module in (
        "registry_cli.rules.retention", "registry_cli.rules.retention_rules", "registry_cli.query.query",
        "registry_cli.rules.comparison", "registry_cli.rules.policy.evaluation", "registry_cli.rules.policy.policy",
    ):  # fmt: skip
        assert module not in found, module


#: How many modules of ours an everyday verb may import.
_MOST = {
    ("path", "churn@production"): 31,
    ("list",): 54,
    ("show", "churn@1"): 53,
    ("versions", "churn"): 53,
    ("search", "metrics.auc > 0.5"): 53,
    ("history", "churn"): 54,
    ("register", "churn", "a file.bin", "-m", "auc=0.9", "-t", "team=crm"): 100,
    ("promote", "churn@2", "production"): 70,
    ("tag", "churn@1", "reviewed=yes"): 53,
}  # fmt: skip


@pytest.mark.parametrize("words", _MOST, ids=lambda words: str(words[0]))
def test_an_everyday_verb_imports_no_more_of_our_modules(words: tuple[str, ...], site: Site) -> None:
    arguments = [site.file if word == "a file.bin" else word for word in words]
    ours = sorted(name for name in imported(*arguments, site=site) if name.partition(".")[0] == "registry_cli")
    assert len(ours) <= _MOST[words], f"{words[0]} imports {len(ours)} modules of ours:\n" + "\n".join(ours)


def test_the_modules_that_must_not_be_imported_exist() -> None:
    assert [name for name in sorted(_HEAVY - {"click"}) if importlib.util.find_spec(name) is None] == []


#: Prints the files below a folder that a command opened, in order; opening a folder to list or to sync it is none.
_OPENED = """
import os, sys
root, opened = sys.argv.pop(1), []
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(root):
        if not os.path.isdir(arguments[0]):
            opened.append(arguments[0])
sys.addaudithook(note)
from registry_cli.__main__ import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
sys.stdout.flush()
print(*opened, sep="\\n", file=sys.stderr)
"""


def opened(site: Site, *words: str) -> list[str]:
    """The files of the registry that a command opened, again and again where it opened one several times."""
    command = (sys.executable, "-I", "-S", "-c", _path() + _OPENED, str(site.root))
    answer = spawn("-q", *words, root=site.root, command=command, env=environment())
    assert answer.code == 0, answer
    return [line.removeprefix(f"{site.root}/") for line in answer.err.splitlines() if line.startswith(str(site.root))]


def assert_opened(found: list[str], most: int) -> None:
    counted = sorted(Counter(found).items(), key=lambda item: (-item[1], item[0]))
    assert len(found) <= most, f"{len(found)} files opened:\n" + "\n".join(f"{n} {name}" for name, n in counted)


def test_a_gated_promote_opens_few_files(site: Site) -> None:
    policy = "policy:\n  production:\n    from: [staging]\n    require:\n      metrics: {auc: '>= 0.9'}\n"
    with (site.root / "registry.yaml").open("a") as stream:
        stream.write(policy)
    assert_opened(opened(site, "promote", "churn@2", "production"), 22)


def test_prune_of_all_opens_few_files(site: Site) -> None:
    """Two models with seven versions, of which three go."""
    for number in range(3):
        site.reg.register("risk/fraud", [site.make(f"{number}.bin", f"content {number}")])
    site.reg.archive(["risk/fraud@1", "risk/fraud@2"])
    with (site.root / "registry.yaml").open("a") as stream:
        stream.write("retention:\n  prune:\n    older_than: 0s\n")
    assert_opened(opened(site, "prune", "--all", "--yes"), 80)
    assert [len(list(site.reg.versions(name, archived=True))) for name in ("churn", "risk/fraud")] == [2, 2]

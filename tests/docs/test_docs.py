"""The documents are true: generated pages are up to date, nothing is left out, every session shown prints what is shown."""

from __future__ import annotations

import ast
import functools
import importlib.util
import operator
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import registry_cli
import registry_cli.registry as registry_module
from registry_cli import Registry, errors
from registry_cli.cli import completion, grammar
from registry_cli.core import json_shapes
from registry_cli.query import fields as query_fields
from registry_cli.query import parser, predicates, query
from registry_cli.rules.policy import command_checks, policy_parser
from registry_cli.scan.verdicts import FileScan
from registry_cli.trust import signatures
from tests.docs import console

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
SESSIONS = (
    "README.md",
    "docs/tutorial.md",
    "docs/how-to/air-gapped.md",
    "docs/how-to/champion-challenger.md",
    "docs/how-to/ci.md",
    "docs/how-to/compare-versions.md",
    "docs/how-to/deploy.md",
    "docs/how-to/describe-models.md",
    "docs/how-to/find-models.md",
    "docs/how-to/four-eyes.md",
    "docs/how-to/gates.md",
    "docs/how-to/hooks.md",
    "docs/how-to/lineage.md",
    "docs/how-to/monitor.md",
    "docs/how-to/other-tools.md",
    "docs/how-to/report.md",
    "docs/how-to/retention.md",
    "docs/how-to/what-is-inside.md",
)

#: Shapes that commands put together themselves, beside those of ``json_shapes``.
OWN_SHAPES = {
    "health", "artifact", "path", "fetched", "alias", "completion", "schema", "serving", "hook", "hook_test", "manual",
    "verb", "option", "topic",
}  # fmt: skip


def read(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next."""
    found = re.search(rf"^#+ `?{re.escape(title)}`?\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading '{title}'"
    return found[1]


def first_table(text: str) -> list[str]:
    """The names in the first column of the first table."""
    lines = re.search(r"^\|.*(?:\n\|.*)*", text, re.MULTILINE)
    return re.findall(r"^\| `([^`]+)`", lines[0] if lines else "", re.MULTILINE)


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_completion_knows_what_the_commands_take() -> None:
    path = ROOT / "registry_cli" / "cli" / "grammar.py"
    assert path.read_text(encoding="utf-8") == generator().verbs()


def test_the_manual_page_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "man" / "registry.1").read_text(encoding="utf-8") == generator().manual_page()


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_the_manual_page_is_correct_roff() -> None:
    page = str(ROOT / "docs" / "man" / "registry.1")
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", page], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert [name for name, verb in grammar.VERBS.items() if verb.group and f"registry {name}" not in done.stdout] == []


def test_the_commands_are_what_the_code_says() -> None:
    """``make docs`` writes them anew."""
    assert read("commands.md") == generator().commands()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="signatures look alike from Python 3.11 on")
def test_the_python_api_is_what_the_code_says() -> None:
    assert read("python-api.md") == generator().python_api()


def test_every_verb_has_a_method_of_its_name(reg: Registry) -> None:
    """As the table of the page says, each verb of the command line: on Registry, or in a namespace."""
    listed = dict(
        re.findall(r"^\| `([\w-]+)` \| `([\w.]+)` \|$", section(read("python-api.md"), "Commands and methods"), re.M)
    )
    assert listed.keys() == generator().COMMANDS.keys() - generator().NO_METHOD
    for verb, method in listed.items():
        assert method.rpartition(".")[2].rstrip("_") == verb.replace("-", "_")
        assert callable(operator.attrgetter(method)(reg)), method


def test_registry_has_few_public_names() -> None:
    assert len([name for name in dir(Registry) if not name.startswith("_")]) <= 40


@pytest.mark.parametrize("name", grammar.VERBS)
def test_every_verb_and_option_is_told(name: str) -> None:
    page, verb = read("commands.md"), grammar.VERBS[name]
    told = section(page, name)
    shared_options = re.findall(
        "--[a-z-]+", " ".join((grammar.SHARED, grammar.WRITING, grammar.INDEXED, grammar.LISTING))
    )
    assert [
        option for option in completion.long_options(name) if option not in shared_options and f"`{option}`" not in told
    ] == []
    assert "options-of-every-command)" in told
    assert ("options-of-every-command-that-writes" in told) == verb.writes
    assert re.search(r"^\*\*In a pipe\*\*: \S", told, re.MULTILINE), "what does a pipe get?"
    assert ("options-of-every-command-that-may-use-the-index" in told) == verb.indexed
    assert ("options-of-every-command-that-lists" in told) == verb.lists
    shared = {
        "Options of every command": grammar.SHARED,
        "Options of every command that writes": grammar.WRITING,
        "Options of every command that may use the index": grammar.INDEXED,
        "Options of every command that lists": grammar.LISTING,
    }
    for title, options in shared.items():
        assert [
            option for option in re.findall("--[a-z-]+", options) if f"`{option}`" not in section(page, title)
        ] == []


def test_every_exit_code_is_told() -> None:
    codes = read("exit-codes.md")
    assert [code for code in grammar.EXIT_CODES if not re.search(rf"^\| {code} \| [^`]", codes, re.MULTILINE)] == []
    kinds = [
        error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, errors.RegistryError)
    ]
    for error in kinds:
        assert re.search(rf"^\| {error.exit_code} \| `{error.kind}` \| `{error.__name__}`", codes, re.MULTILINE)


def records() -> dict[str, list[type]]:
    """The classes of the package by their names."""
    found: dict[str, list[type]] = {}
    for module in pkgutil.walk_packages(registry_cli.__path__, "registry_cli."):
        if not module.name.endswith("__main__"):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and value.__module__ == module.name:
                    found.setdefault(value.__name__, []).append(value)
    return found


@functools.cache
def keys_of_shapes() -> dict[str, set[str]]:
    """The keys that each shape writes itself."""
    document = set(json_shapes.document("kind", {}))
    found = {
        "document": document,
        "items": set(json_shapes.document("kind", [])) - document,
        "error": set(json_shapes.error("kind", "message", "hint", 1, "id")) - document,
    }
    classes = records()
    for name, (shape, _) in json_shapes.SHAPES.items():
        assert name in classes, f"no record is called {name}"
        (keys,) = {tuple(json_shapes.keys(record)) for record in classes[name]}
        assert shape not in found, "each shape stands once"
        if shape:
            found[shape] = set(keys)
    found["metric_difference"] -= found["difference"]  # it has these keys, too
    return found


@pytest.mark.parametrize("shape", keys_of_shapes())
def test_every_key_of_a_shape_is_told_and_no_other(shape: str) -> None:
    keys = keys_of_shapes()[shape]
    if shape == "event":  # its keys are those of the record
        keys = {"id", "at", "by", "host", "action", "version"}
    assert set(first_table(section(read("json.md"), shape))) == keys


@pytest.mark.parametrize("name", json_shapes.SHAPES)
def test_every_value_of_a_shape_is_one_of_the_record(name: str) -> None:
    listed = [text.rstrip("?-").partition("=") for text in json_shapes.SHAPES[name][1].split()]
    computed = {key for record, key in json_shapes._COMPUTED if record == name}
    assert computed <= {key for key, _, _ in listed}
    wanted = {(path or key).partition(".")[0] for key, _, path in listed if key not in computed}
    assert any(wanted <= attributes(record) for record in records()[name]), wanted


def attributes(record: type) -> set[str]:
    found = {*dir(record), *getattr(record, "__dataclass_fields__", ())}
    return found | vars(FileScan("")).keys() if record is FileScan else found


def test_every_shape_told_is_one_that_is_made() -> None:
    told = re.findall(r"^### (\S+)$", read("json.md"), re.MULTILINE)
    assert set(told) == keys_of_shapes().keys() | OWN_SHAPES


def test_every_kind_is_told() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "registry_cli" / "cli").rglob("*.py"))
    made = set(re.findall(r'(?:[Oo]utput|show_one|show_changed)\(\s*"([\w-]+)"', sources))
    rows = re.findall(r"^\| .*? \| `([\w-]+)` \| .*?\[", section(read("json.md"), "Which command prints what"), re.M)
    assert set(rows) == made


def test_every_field_of_a_query_is_told() -> None:
    """With its type: ``params.NAME`` for those that need a name."""
    fields = {**query_fields.PLAIN, **{f"{name}.NAME": type_ for name, type_ in query_fields._KEYED.items()}}
    table = re.findall(r"^\| `([\w.]+)` \| ([^|]+) \|", section(read("query.md"), "Fields"), re.MULTILINE)
    words = {query_fields.NUMBER: "number", query_fields.ANY: "any"}
    assert dict(table) == {name: words.get(type_, type_) for name, type_ in fields.items()}


def test_every_operator_of_a_query_is_told() -> None:
    table = section(read("query.md"), "Operators")
    told = set(re.findall(r"`([^` ]+)(?: \(…\))?`", "".join(re.findall(r"^\|([^|]+)", table, re.MULTILINE))))
    words = {*parser._WORDS, *parser.RESERVED}
    assert told == {*words, *predicates.COMPARE, "!=", "==", "~"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_queries_can_be_read(page: Path) -> None:
    blocks = re.findall(r"^```query\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks or page.name != "query.md"
    for line in "".join(blocks).splitlines():
        query.parse(line)


def test_every_key_of_a_policy_is_told_and_no_other() -> None:
    page = read("policy.md")
    for title, keys in (
        ("The keys of a stage", policy_parser.STAGE_KEYS),
        ("require", policy_parser.REQUIRE_KEYS),
        ("against_current", policy_parser.AGAINST_KEYS),
        ("checks", command_checks.KEYS),
    ):
        assert sorted(first_table(section(page, title))) == sorted(keys)


def test_every_problem_code_is_told() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "registry_cli" / "store").rglob("verify*.py"))
    made = set(re.findall(r'(?:error|warning|report)\(\s*"([a-z-]+)"', sources))
    made |= {signatures.BAD, signatures.UNKNOWN, signatures.OTHER, signatures.MISPLACED}
    codes = section(read("json.md"), "problem").split("| code |")[1]
    assert set(re.findall(r"^\| `([a-z-]+)`", codes, re.MULTILINE)) == made


def test_every_public_method_is_told() -> None:
    told = re.findall(r"^### `([\w.]+)`$", read("python-api.md"), re.MULTILINE)
    for _, space, _ in generator().NAMESPACES:
        room = getattr(Registry, space).func.__annotations__["return"]
        names = [name for name in vars(getattr(registry_module, room)) if not name.startswith("_")]
        assert names and {f"{space}.{name}" for name in names} <= {*told}
    assert [name for name in dir(Registry) if not name.startswith("_") and name not in told] == []


def test_the_code_map_has_every_package_and_no_other() -> None:
    block = section((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "Code map")
    found, above = [], ""
    for indent, name in re.findall(r"^( {6}| {8})([a-z_]+(?:/|\.py)) ", block, re.MULTILINE):
        above = name if len(indent) == 6 else above
        found.append(name if len(indent) == 6 else above + name)
    source = ROOT / "registry_cli"
    packages = [f"{path.parent.relative_to(source)}/" for path in source.rglob("*/__init__.py")]
    modules = [path.name for path in source.glob("*.py") if not path.name.startswith("__")]
    assert sorted(found) == sorted([*packages, *modules])
    assert len(block.splitlines()) <= 45, "it fits on a screen"


def test_paths_that_contributors_are_told_exist() -> None:
    source = ROOT / "registry_cli"
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    texts = [page, *(ast.get_docstring(ast.parse(path.read_text())) or "" for path in source.rglob("__init__.py"))]
    path = re.compile(r"`([\w./]+/|(?:tests|docs)/[\w./]+)`|(?<![\w/])([\w/]+\.py)\b")
    paths = {match[1] or match[2] for text in texts for match in path.finditer(text)}
    assert len(paths) > 20
    here = {path for path in paths if (ROOT / path).exists() or (source / path).exists()}
    missing = {path for path in paths - here if "/" in path or not any(source.rglob(path))}
    assert missing == set()


def api_changes() -> list[tuple[str, str]]:
    """The rows of the list of old and new names in the changelog."""
    text = section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), "Python API: old → new")
    return re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", text, re.MULTILINE)


def test_changed_names_are_listed_once_and_in_order() -> None:
    old = [before for before, _ in api_changes()]
    assert old == sorted(set(old), key=lambda name: (name.casefold(), name))


@pytest.mark.parametrize(("old", "new"), api_changes())
def test_of_changed_names_the_new_ones_exist_and_the_old_do_not(old: str, new: str) -> None:
    documented = re.findall(r"^### `([\w.]+)`$", read("python-api.md"), re.MULTILINE)

    def exists(name: str) -> bool:
        if name in documented:
            return True
        if name.startswith("registry_cli."):
            return (
                importlib.util.find_spec(name) is not None if (ROOT / name.replace(".", "/")).parent.is_dir() else False
            )
        owner, _, rest = name.partition("(")[0].partition(".")
        if owner == "Registry" and rest:
            return rest in documented
        return owner in documented and (not rest or hasattr(getattr(registry_cli, owner), rest))

    assert exists(new)
    assert not exists(old) or "(" in old


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{page.name} links to {target}"
        if anchor and place.suffix == ".md":
            heads = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads]
            assert anchor in anchors, f"{page.name} links to {target}"


@pytest.mark.parametrize("page", SESSIONS)
def test_sessions_print_what_is_shown(page: str, tmp_path: Path) -> None:
    shown = console.steps((ROOT / page).read_text(encoding="utf-8"))
    assert len(shown) > 10
    printed = console.run([step.command for step in shown], tmp_path)
    assert len(printed) == len(shown)
    for step, actual in zip(shown, printed, strict=True):
        expected, found = console.normal(step.expected), console.normal(actual, tmp_path)
        assert console.fits(expected, found), f"{page}: $ {step.command}\n" + "\n".join(actual)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150

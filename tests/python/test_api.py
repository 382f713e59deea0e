"""The Python API as a data scientist uses it: in scripts, in a REPL, in a notebook."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import registry_cli
from registry_cli import (
    Conflict,
    Damaged,
    InvalidInput,
    Lineage,
    NotFound,
    Refused,
    RegisteredVersion,
    Registry,
    RetentionRules,
    registry,
    types,
)
from registry_cli.cli.formatting import OPTIONS
from registry_cli.core import json_shapes
from registry_cli.core.lazy_dataclass import Record, RecordList
from tests.commands import run, spawn

Make = Callable[..., Path]
PAGE = Path(__file__).parents[2] / "docs/reference/python-api.md"
ROOMS: list[type] = [value for name, value in vars(registry).items() if name.endswith("Operations")]
#: Names in annotations that are no classes of the package: aliases and type variables.
ALIASES = {
    "Any", "Callable", "Collection", "Iterable", "Iterator", "Mapping", "Sequence", "Literal", "None", "True", "False", "OneOrMore",
    "Path", "PathLike", "AbstractContextManager", "BinaryIO", "IO", "Param", "Metric", "OnDamage", "OnEvent", "Trust", "Key",
    "BinaryWriter", "Shape", "ANY", "ForwardRef", "Expected", "Source",
    "References", "OnEach",
}  # fmt: skip


@pytest.fixture
def two(reg: Registry, make_file: Make) -> Registry:
    """Two versions of a model, the second in production."""
    reg.register("churn", make_file("one"), params={"depth": 3}, metrics={"auc": 0.9}, tags={"team": "crm"})
    reg.register("churn", make_file("two"), metrics={"auc": 0.95}, stage="production")
    return reg


def operations() -> Iterator[tuple[str, Any]]:
    """Every public method, with the function that it is."""
    for room in [Registry, *ROOMS]:
        for name in dir(room):
            value = inspect.getattr_static(room, name)
            if not name.startswith("_") or name in ("__call__", "__init__"):
                value = getattr(value, "fget", None) or getattr(value, "func", None) or value
                function = getattr(room, name) if isinstance(value, registry.Operation) else value
                function = getattr(function, "__func__", function)
                if inspect.isfunction(function):
                    yield f"{room.__name__}.{name}", function


class TestRegister:
    def test_returns_the_version_and_the_outcome(self, reg: Registry, make_file: Make) -> None:
        version = reg.register("churn", str(make_file()), metrics={"auc": 0.9})
        assert (version.ref, version.number, version.metrics["auc"]) == ("churn@1", 1, 0.9)
        assert (version.path / "model.pkl").read_text() == "a model"
        assert (version.new, version.added, version.why, version.warnings) == (True, 7, "", ())
        assert version == reg.version("churn@1") and reg.version("churn@1") == version
        assert version in reg.versions("churn") and version != reg.register("churn", make_file("other"))
        again = reg.register("churn", make_file("other"), if_changed=True, metrics={"auc": 1})
        assert (again.number, again.new, again.not_stored) == (2, False, ("metrics.auc",))

    def test_versions_know_their_folder_with_and_without_the_index(self, two: Registry, tmp_path: Path) -> None:
        indexed = Registry(two.root, cache=tmp_path / "cache")
        folders = [two.path("churn@2"), two.path("churn@1")]
        assert [each.path for each in indexed.search()] == [each.path for each in two.search()] == folders
        assert two.version("churn@production").path == folders[0]

    def test_files_can_be_named(self, reg: Registry, make_file: Make, tmp_path: Path) -> None:
        folder = make_file("x", "weights/w.bin").parent
        reg.register("churn", {"model.pkl": make_file("best", "run-17.pkl"), "weights": folder})
        assert [each.path for each in reg.artifacts.files("churn@1")] == ["model.pkl", "weights/w.bin"]
        for wrong in ({"../x": make_file()}, {"model.pkl": 7}, {}):
            with pytest.raises(InvalidInput):
                reg.register("churn", wrong)

    def test_one_argument_states_the_lineage(self, two: Registry, make_file: Make) -> None:
        data = make_file("a,b", "train.csv")
        stated = Lineage(parents="churn@1", data=data, command="make model", extra={"ticket": "X-1"})
        one = two.register("churn", make_file("three"), lineage=stated).lineage
        other = two.register(
            "churn", make_file("four"), lineage={"parents": ["churn@1"], "data": [data], "command": "make model", "extra": {"ticket": "X-1"}}
        ).lineage  # fmt: skip
        assert one == other and one["parents"] == ["churn@1"] and one["ticket"] == "X-1"
        assert one["run"] == {"command": "make model"} and one["data"][0]["path"].endswith("train.csv")
        with pytest.raises(InvalidInput, match="no 'parent'; use parents, data"):
            two.register("churn", make_file(), lineage={"parent": "churn@1"})

    @pytest.mark.parametrize("opening", ["Registry('r')", "Registry.open('r')", "Registry.init('r', exist_ok=True)"])
    def test_the_lineage_of_the_program_however_it_was_opened(self, tmp_path: Path, opening: str) -> None:
        Registry.init(tmp_path / "r")
        Path(tmp_path, "m.bin").write_text("x")
        script = tmp_path / "train.py"
        script.write_text(
            f"from registry_cli import Registry\nreg = {opening}\n"
            "print(reg.register('m', 'm.bin').lineage['run']['command'])\n"
            "print(reg.register('m', 'm.bin', lineage=False).lineage.keys() & {'run', 'git', 'environment'})\n"
        )
        done = subprocess.run(
            [sys.executable, "train.py"], cwd=tmp_path, check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        command, nothing = done.stdout.splitlines()
        assert command.endswith("train.py") and nothing == "set()"


class TestOpening:
    def test_exist_ok(self, tmp_path: Path) -> None:
        made = Registry.init(tmp_path / "r", stages=["live"])
        with pytest.raises(Conflict):
            Registry.init(tmp_path / "r")
        again = Registry.init(tmp_path / "r", exist_ok=True)
        assert (again.root, again.stages) == (made.root, ("live",))
        (tmp_path / "x/models/y").mkdir(parents=True)
        with pytest.raises(Conflict):
            Registry.init(tmp_path / "x", exist_ok=True)

    def test_what_a_repl_shows(self, two: Registry) -> None:
        assert repr(two) == f"Registry('{two.root}')"
        assert repr(two.artifacts) == f"ArtifactOperations('{two.root}')"
        listed = repr(two.versions("churn"))
        assert len(listed.splitlines()) == 2 and "metrics={'auc': 0.95}" in listed and "lineage" not in listed

    def test_dir_is_complete(self, reg: Registry) -> None:
        assert {"Registry", "Lineage", "NotFound", "VersionRecord"} <= {*dir(registry_cli)}
        assert all(getattr(registry_cli, name) is not None for name in dir(registry_cli))
        assert {*dir(types)} == {*types.__all__} and {*registry_cli.__all__} == {*dir(registry_cli)}
        assert {"register", "search", "artifacts"} <= {*dir(reg)} and {"scan", "open"} <= {*dir(reg.artifacts)}

    @pytest.mark.parametrize(
        ("call", "name"),
        [
            (lambda reg: reg.register("churn"), "Registry.register()"),
            (lambda reg: reg.list(bogus=1), "Registry.list()"),
            (lambda reg: reg.search("", "x", "y"), "Registry.search()"),
            (lambda reg: reg.admin.gc(1, 2), "AdminOperations.gc()"),
        ],
    )
    def test_a_type_error_names_the_method(self, reg: Registry, call: Callable[[Registry], object], name: str) -> None:
        with pytest.raises(TypeError, match=re.escape(name)):
            call(reg)


class TestResults:
    def test_lists_are_lists(self, two: Registry) -> None:
        versions, models, found = two.versions("churn"), two.list(), two.search("metrics.auc > 0.9")
        assert [each.number for each in versions] == [2, 1] and versions[0].number == 2 and len(versions) == 2
        assert [each.name for each in models] == ["churn"] and [each.ref for each in found] == ["churn@2"]
        assert isinstance(versions[:1], RecordList) and versions[:1] == versions[0:1]
        assert iter(two.iter_search()) is not None and next(two.iter_search()).number == 2
        assert next(two.iter_history()).model == "churn" and len(two.history("churn")) == 3

    @pytest.mark.parametrize(
        ("words", "call"),
        [
            (["versions", "churn"], lambda reg: reg.versions("churn")),
            (["list"], lambda reg: reg.list()),
            (["search", "metrics.auc > 0.9"], lambda reg: reg.search("metrics.auc > 0.9")),
            (["diff", "churn@1", "churn@2"], lambda reg: reg.diff("churn@1", "churn@2")),
            (["info"], lambda reg: reg.admin.info()),
            (["history", "--all"], lambda reg: list(reg.iter_history())),
            (["verify", "--quick"], lambda reg: reg.admin.verify(quick=True)),
            (["show", "churn"], lambda reg: reg.model("churn")),
            (["promote", "churn@2", "production", "--dry-run"], lambda reg: reg.promote("churn@2", "production", dry_run=True)),
            (["tag", "churn@1", "a=b", "--dry-run"], lambda reg: reg.tag("churn@1", {"a": "b"}, dry_run=True)),
        ],
    )  # fmt: skip
    def test_to_dict_is_what_the_command_prints(
        self, two: Registry, words: list[str], call: Callable[[Registry], Any]
    ) -> None:
        answer = spawn("-C", two.root, *words, "--json")
        printed = json.loads(answer.out)
        found = call(two)
        if isinstance(found, list):
            assert json.loads(json.dumps([each.to_dict() for each in found])) == printed["items"]
        else:
            body = json.loads(json.dumps(found.to_dict()))
            assert body.items() <= printed.items()

    def test_a_registration_too(self, reg: Registry, make_file: Make) -> None:
        body = reg.register("churn", make_file(), metrics={"auc": 0.9}).to_dict()
        assert body.keys() | {"manifest"} == {
            *json_shapes.keys(types.VersionRecord),
            *json_shapes.keys(RegisteredVersion),
        }
        assert (body["ref"], body["version"], body["new"]) == ("churn@1", 1, True)

    def test_records_for_a_data_frame(self, two: Registry) -> None:
        newest, oldest = two.versions("churn").to_records()
        assert (oldest["ref"], oldest["metrics.auc"], oldest["params.depth"], oldest["tags.team"]) == (
            "churn@1",
            0.9,
            3,
            "crm",
        )
        assert (newest["stages"], oldest["stages"]) == ("production", "")
        values = {type(value) for row in (newest, oldest) for value in row.values()}
        assert values <= {str, int, float, bool, type(None)}, "each cell is a scalar"
        assert two.list().to_records()[0]["stages.production"] == 2

    def test_every_result_has_html(self, two: Registry) -> None:
        results: list[Any] = [
            two.version("churn@1"), two.model("churn"), two.list(), two.versions("churn"), two.search("version = 9"),
            two.diff("churn@1", "churn@2"), two.diff("churn@1", "churn@1"), two.compare("churn"), two.history("churn"),
            two.artifacts.show("churn@1"), two.admin.info(), two.admin.verify(), two.artifacts.scan("churn@1"),
            two.promote("churn@1", "staging"), two.artifacts.inspect("churn@1"), two.lineage("churn@1"),
        ]  # fmt: skip
        for each in results:
            html = each._repr_html_()
            assert html.startswith('<div class="registry-record"><style>') and html.endswith("</div>")
            assert html.count("<div") == html.count("</div>") and html.count("<td") == html.count("</td>")
            assert "<script" not in html and "http" not in html
        assert "0.95" in two.versions("churn")._repr_html_() and "No records" in two.search("version = 9")._repr_html_()

    def test_the_style_reaches_nothing_else_in_the_notebook(self, two: Registry) -> None:
        style = re.search("<style>(.*?)</style>", two.list()._repr_html_(), re.DOTALL)
        assert style
        rules = re.findall(r"([^{}]+)\{[^{}]*\}", re.sub(r"@media[^{]*\{", "", style[1]))
        assert len(rules) > 20
        assert [
            each for rule in rules for each in rule.split(",") if not each.strip().startswith(".registry-record")
        ] == []

    def test_html_of_hostile_texts(self, reg: Registry, make_file: Make) -> None:
        evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u202e"
        reg.register("churn", make_file(), tags={"t": evil}, message=evil, annotations={"a": evil}, params={"p": evil})
        reg.register("churn", make_file("b"), tags={"t": f"{evil}2"}, message="b")
        reg.admin.describe("churn", description=evil)
        for each in (
            reg.version("churn@1"), reg.versions("churn"), reg.model("churn"), reg.list(), reg.diff("churn@1", "churn@2"),
            reg.compare("churn"), reg.history("churn"),
        ):  # fmt: skip
            html = each._repr_html_()
            assert "<script>" not in html and "<img" not in html and "\u202e" not in html

    def test_every_type_of_the_api_can_be_imported(self) -> None:
        """Walks from the methods of the public classes through all that they take and return."""
        for module in Path(registry_cli.__file__).parent.rglob("*.py"):
            if "__" not in module.name:
                importlib.import_module(
                    ".".join(module.relative_to(Path(registry_cli.__file__).parents[1]).with_suffix("").parts)
                )
        public = {**vars(types), **{name: getattr(registry_cli, name) for name in registry_cli.__all__}}
        texts = [
            str(each)
            for _, function in operations()
            for signature in [inspect.signature(function)]
            for each in (
                *(p.annotation for p in signature.parameters.values() if p.name not in ("self", "cls", "context")),
                signature.return_annotation,
            )
        ]
        assert len(texts) > 300
        seen: set[str] = set()
        missing: set[str] = set()
        while texts:
            for name in {*re.findall(r"(?<![\w.'\"])[A-Z]\w+", texts.pop())} - seen:
                seen.add(name)
                if name in ALIASES or name.startswith("_") or name == "Registry":
                    continue
                found = public.get(name)
                missing |= {name} if found is None else set()
                fields = getattr(found, "__lazy_fields__", {}) or getattr(found, "__annotations__", {})
                texts += [str(getattr(each, "type", each)) for each in fields.values()]
        assert missing == set(), "they can't be imported"
        assert {"Difference", "RuleResult", "StageHolder", "Tensor"} <= seen

    def test_every_record_of_the_api_is_one_that_can_be_shown(self) -> None:
        for name in json_shapes.SHAPES:
            found = getattr(types, name, None)
            assert found is None or issubclass(found, Record) or issubclass(found, tuple), name


class TestSignatures:
    @pytest.mark.parametrize(("name", "function"), list(operations()))
    def test_arguments_are_explicit_and_typed(self, name: str, function: Any) -> None:
        signature = inspect.signature(function)
        for each in signature.parameters.values():
            assert each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL), f"{name} takes {each}"
            assert each.name in ("self", "cls", "context") or each.annotation is not each.empty, f"{name}: {each}"
        assert name.endswith("__init__") or signature.return_annotation is not signature.empty, name

    def test_register_has_few(self) -> None:
        keywords = [p for p in inspect.signature(Registry.register).parameters.values() if p.kind is p.KEYWORD_ONLY]
        assert len(keywords) <= 21


class TestOpenFile:
    def test_a_file_to_read(self, two: Registry) -> None:
        with two.open_file("churn@production") as file:
            assert (file.read(1), file.seek(0), file.read()) == (b"t", 0, b"two")
        with two.open_file("churn@1", "model.pkl") as file, pytest.raises((OSError, ValueError)):
            file.write(b"x")
        with pytest.raises(NotFound):
            two.open_file("churn@1", "other.pkl")

    def test_of_several_one_is_named(self, reg: Registry, make_file: Make) -> None:
        reg.register("churn", [make_file("a", "a.bin"), make_file("b", "b.bin")])
        with pytest.raises(InvalidInput, match="2 files"):
            reg.open_file("churn@1")
        with reg.open_file("churn@1", "b.bin") as file:
            assert file.read() == b"b"

    def test_of_a_packed_version(self, two: Registry) -> None:
        two.archive("churn@1", compress="gzip")
        assert two.version("churn@1").packed is not None
        with two.open_file("churn@1") as file:
            assert (file.read(), file.seek(0), file.read(2)) == (b"one", 0, b"on")

    def test_no_byte_of_a_damaged_file(self, two: Registry) -> None:
        path = two.path("churn@2", "model.pkl")
        path.chmod(0o644)
        path.write_text("bad")
        with pytest.raises(Damaged, match=r"model\.pkl"):
            two.open_file("churn@2")
        path.write_text("two")
        path.chmod(0o444)


#: Messages of the library that name a command of a shell, or an option of another program.
SHELL = re.compile(r"registry [a-z-]+( [^;]*)? --|pip install|--env-manager|registry register --data")
#: Modules whose texts with dashes are the arguments of other programs, or documents.
OTHERS = (
    "lineage/git",
    "lineage/reproducibility",
    "interop/dvc/",
    "core/secret_",
    "core/redaction",
    "core/subprocesses",
    "store/creation",
)


def messages() -> Iterator[tuple[str, str]]:
    """The texts of the library, without docstrings, each with its module."""
    root = Path(registry_cli.__file__).parent
    for path in root.rglob("*.py"):
        name = str(path.relative_to(root))
        if not name.startswith(("cli/", "__main__", *OTHERS)):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Expr):  # a docstring
                    node.value = ast.Constant(None)
            inner = {id(each) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for each in node.values}
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    parts = (str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values)
                    yield name, "".join(parts)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
                    yield name, node.value


class TestMessages:
    def test_name_no_options_of_the_command_line(self) -> None:
        flag = re.compile(r"(?<![\w-])(--[a-z][a-z-]+|-C )")
        found = [(name, text) for name, text in messages() if flag.search(text) and not SHELL.search(text)]
        assert {text for _, text in found} <= {"--exclude", "--include"}, found  # the origin of a rule, in JSON

    def test_each_parameter_that_they_name_is_one_and_has_an_option(self) -> None:
        named = {name for _, text in messages() for name in re.findall(r"`([\w=']+)`", text)}
        assert named and named <= OPTIONS.keys(), named - OPTIONS.keys()
        parameters = {name for _, function in operations() for name in inspect.signature(function).parameters}
        parameters |= {each for room in ("__init__",) for each in inspect.signature(getattr(Registry, room)).parameters}
        parameters |= {*Lineage.__match_args__, *RetentionRules.__match_args__}
        assert {name.partition("=")[0] for name in OPTIONS} <= parameters | {"format"}

    def test_in_python_and_on_the_command_line(self, two: Registry, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match=r"^`force` requires a reason; add `reason`$"):
            two.promote("churn@1", "production", force=True)
        answer = spawn("-C", two.root, "register", "churn", Path(two.path("churn@1"), "model.pkl"))
        assert answer.code != 0
        (tmp_path / ".env").write_text("KEY=x")
        with pytest.raises(
            Refused, match=r"exclude it with `exclude` '\.env', or store it anyway with `include` '\.env'"
        ):
            two.register("churn", tmp_path / ".env")
        answer = spawn("-C", two.root, "register", "churn", tmp_path / ".env")
        assert "exclude it with --exclude '.env', or store it anyway with --include '.env'" in answer.err
        answer = spawn("-C", two.root, "register", "churn", tmp_path / ".env", "--json")
        assert "--exclude '.env'" in json.loads(answer.err)["hint"]
        answer = spawn("info", cwd=tmp_path)
        assert "-C DIR" in answer.err and "`" not in answer.err


def test_a_working_day_in_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first lines of the page, run as they stand."""
    day = re.findall(
        r"^    (.*)$", PAGE.read_text(encoding="utf-8").partition("\n\nThe package is typed")[0], re.MULTILINE
    )
    assert len(day) == 10
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGISTRY_HOME", str(tmp_path / "models"))
    reg = Registry.init(tmp_path / "models")
    Path("model.pkl").write_text("one")
    names: dict[str, Any] = {}
    exec(compile("\n".join(day), "python-api.md", "exec"), names)
    assert names["v"].ref == "churn@1" == names["best"].ref and names["file"].read() == b"one"
    names["file"].close()
    assert [row["version"] for row in names["rows"]] == [1] and names["changes"].equal
    assert reg.model("churn").stages == {}


def test_a_copy_that_exists_names_the_parameter(tmp_path: Path) -> None:
    with Registry.init(tmp_path / "models") as reg:
        (tmp_path / "model.pkl").write_text("one")
        reg.register("churn", tmp_path / "model.pkl")
        reg.fetch("churn@1", tmp_path / "copy")
        with pytest.raises(Conflict, match="use `replace` to replace an earlier copy"):
            reg.fetch("churn@1", tmp_path / "copy")
        answer = run("fetch", "churn@1", "-o", tmp_path / "copy", root=reg.root)
        assert answer.code == 4 and "or use --force to replace an earlier copy" in answer.err


def test_a_typed_script(tmp_path: Path) -> None:
    """``mypy --strict`` accepts a script, and finds its slips."""
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text(
        "from registry_cli import Lineage, ModelRecord, Registry, VersionRecord\n"
        "from registry_cli.types import Diff, RecordList\n\n"
        "reg = Registry.init('models', exist_ok=True)\n"
        "v = reg.register('churn', 'model.pkl', metrics={'auc': 0.9}, lineage=Lineage(parents='churn@1'))\n"
        "number: int = v.number\n"
        "added: int = v.added\n"
        "versions: RecordList[VersionRecord] = reg.versions('churn')[:3]\n"
        "names: list[str] = [model.name for model in reg.list()]\n"
        "changes: Diff = reg.diff('churn@1', v.ref)\n"
        "with reg.open_file(v.ref) as file:\n    content: bytes = file.read()\n"
        "model: ModelRecord = reg.model('churn')\n"
        "reg.register('churn', 'model.pkl', metric={'auc': 0.9})\n"
        "reg.versions('churn')[0].nubmer\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", script], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(PAGE.parents[2])}, check=False,
    )  # fmt: skip
    slips = [line.partition("error: ")[2] for line in done.stdout.splitlines() if line.startswith("script.py:")]
    assert len(slips) == 2 and '"metric"' in slips[0] and '"nubmer"' in slips[1], done.stdout

"""Whatever takes several paths, references or names takes one, too: a text is never taken apart into characters."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from registry_cli import InvalidInput, Registry, inspect_files, registry, scan_files
from registry_cli.core.names import Reference
from registry_cli.core.values import Lineage, as_list
from registry_cli.lineage.process_info import Caller
from registry_cli.rules.retention_rules import RetentionRules

Call = Callable[[Registry, Any], object]
Make = Callable[..., Path]


def files_of(reg: Registry, ref: str) -> list[str]:
    return [entry.path for entry in reg.artifacts.files(ref)]


def registered(reg: Registry, **options: Any) -> object:
    done = reg.register("new", options.pop("paths", "model.pkl"), **options)
    lineage = dict(done.lineage)
    return files_of(reg, done.ref), lineage.get("parents"), lineage.get("data"), lineage.get("code")


def exported(reg: Registry, given: Any) -> object:
    target = io.BytesIO()
    return reg.export(given, target).refs, len(target.getvalue()) > 0


def imported(reg: Registry, **options: Any) -> object:
    return [each.excluded for each in reg.import_("hf:repository", dry_run=True, **options)]


def events(reg: Registry, given: Any) -> list[str]:
    return [entry.event.action for entry in reg.history("m", actions=given)]


#: Each parameter of a public method that takes several, what is given as one, and how to call it.
CALLS: dict[tuple[str, str], tuple[object, Call]] = {
    ("register", "paths"): ("ab", lambda reg, given: registered(reg, paths=given)),
    ("register", "exclude"): ("ab", lambda reg, given: registered(reg, paths=".", exclude=given)),
    ("register", "include"): ("a*", lambda reg, given: registered(reg, paths=".", exclude="ab", include=given)),
    ("Lineage", "parents"): ("m@1", lambda reg, given: registered(reg, lineage={"parents": given})),
    ("Lineage", "data"): ("ab", lambda reg, given: registered(reg, lineage={"data": given})),
    ("Lineage", "code"): (Path("ab"), lambda reg, given: registered(reg, lineage={"code": given})),
    ("Lineage", "capture"): ("run", lambda reg, given: registered(_with_caller(reg), lineage={"capture": given})),
    ("restorable", "models"): ("m", lambda reg, given: reg.admin.restorable(given)),
    ("inspect_files", "paths"): ("ab", lambda reg, given: inspect_files(given).files),
    ("scan_files", "paths"): ("ab", lambda reg, given: len(scan_files(given).files)),
    ("scan_files", "allow"): ("os.path", lambda reg, given: scan_files("ab", allow=given).verdict),
    ("scan", "allow"): ("os.path", lambda reg, given: reg.artifacts.scan("m@1", allow=given).verdict),
    ("compare", "versions"): ("m@1", lambda reg, given: reg.compare("m", given).refs),
    ("compare", "lower"): ("k", lambda reg, given: reg.compare("m", [], lower=given).rows),
    ("compare", "higher"): ("k", lambda reg, given: reg.compare("m", [], higher=given).rows),
    ("find", "paths"): ("ab", lambda reg, given: [each.file for each in reg.artifacts.find(given)]),
    ("export", "refs"): ("m@1", exported),
    ("import_", "exclude"): ("ab", lambda reg, given: imported(reg, exclude=given)),
    ("import_", "include"): ("ab", lambda reg, given: imported(reg, exclude="*b", include=given)),
    ("archive", "refs"): (Reference.parse("m@1"), lambda reg, given: reg.archive(given, dry_run=True)),
    ("restore", "refs"): ("m@1", lambda reg, given: reg.restore(given, dry_run=True)),
    ("delete", "refs"): ("m@1", lambda reg, given: reg.delete(given, dry_run=True)),
    ("verify", "models"): ("m", lambda reg, given: reg.admin.verify(given).models),
    ("repair", "models"): ("m", lambda reg, given: reg.admin.repair(given)),
    ("gc", "models"): ("m", lambda reg, given: reg.admin.gc(given)),
    ("checkpoints", "models"): ("m", lambda reg, given: reg.admin.checkpoints(given)),
    ("prune", "models"): ("m", lambda reg, given: reg.retention.prune(given, RetentionRules.build(keep=5))),
    ("prune_plans", "models"): ("m", lambda reg, given: [each.model for each in reg.retention.prune_plans(given, RetentionRules.build(keep=5))]),
    ("history", "actions"): ("registered", events),
    ("iter_history", "actions"): ("registered", lambda reg, given: len(list(reg.iter_history(actions=given)))),
    ("follow", "actions"): ("registered", lambda reg, given: list(islice(reg.admin.follow(actions=given), 2))),
    ("tag", "remove"): ("k1", lambda reg, given: (reg.tag("m@1", remove=given, dry_run=True).changed)),
    ("annotate", "remove"): ("k1", lambda reg, given: reg.annotate("m@1", remove=given, dry_run=True).changed),
    ("describe", "remove"): ("owner", lambda reg, given: reg.admin.describe("m", remove=given, dry_run=True).keys),
    ("fetch", "only"): ("ab", lambda reg, given: _fetched(reg, only=given)),
    ("fetch", "exclude"): ("ab", lambda reg, given: _fetched(reg, exclude=given)),
    ("files", "only"): ("ab", lambda reg, given: reg.artifacts.files("m@2", only=given)),
    ("files", "exclude"): ("ab", lambda reg, given: reg.artifacts.files("m@2", exclude=given)),
    ("cat", "only"): ("ab", lambda reg, given: _written(reg, only=given)),
    ("cat", "exclude"): ("ab", lambda reg, given: _written(reg, exclude=given)),
    ("init", "stages"): ("live", lambda reg, given: Registry.init(_fresh(), stages=given).stages),
}  # fmt: skip
#: Those that take records, of which no text is one, and queries, where a text is one query by its type.
OTHERS = {
    ("apply", "plans"), ("verify", "checkpoints"), ("search", "where"), ("iter_search", "where"), ("versions", "where"),
    ("unknown_names", "where"), ("unknown_names", "fields"),
}  # fmt: skip


def _with_caller(reg: Registry) -> Registry:
    return Registry(reg.root, author="alice", caller=lambda: Caller(str(Path.cwd()), {}))


def _fresh() -> Path:
    return Path(f"fresh-{len(list(Path().iterdir()))}").absolute()


def _fetched(reg: Registry, **options: Any) -> list[str]:
    target = _fresh()
    reg.fetch("m@2", target, **options)
    return sorted(path.name for path in target.iterdir())


def _written(reg: Registry, **options: Any) -> bytes:
    stream = io.BytesIO()
    reg.artifacts.cat("m@2", None, stream, **options)
    return stream.getvalue()


@pytest.fixture
def world(reg: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry with two versions, and in the folder here the files ``ab``, ``a``, ``b`` and more."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in ("ab", "a", "b", "model.pkl"):
        Path(name).write_text(f"content of {name}")
    reg.register("m", ["ab"], tags={"k1": "v"}, annotations={"k1": "v"})
    reg.register("m", ["ab", "a", "b"])
    Path("repository").mkdir()
    for name in ("ab", "b", "config.json"):
        (Path("repository") / name).write_text("{}")
    return reg


def test_every_method_that_takes_several_is_in_the_table() -> None:
    found = set()
    rooms = (
        Registry, registry.ArtifactOperations, registry.RetentionOperations, registry.ApprovalOperations,
        registry.PolicyOperations, registry.LineageOperations, registry.AdminOperations,
    )  # fmt: skip
    methods = [each for room in rooms for each in inspect.getmembers(room, inspect.isroutine)]
    functions = [("inspect_files", inspect_files), ("scan_files", scan_files), ("Lineage", Lineage)]
    for name, method in [*methods, *functions]:
        if name.startswith("_") or not callable(method):  # a namespace
            continue
        for each in inspect.signature(method).parameters.values():
            text = str(each.annotation)
            if (
                "Iterable" in text
                or "Sequence" in text
                or "list[" in text
                or "OneOrMore" in text
                or "References" in text
            ):
                found.add((name, each.name))
                assert "OneOrMore" in text or "References" in text or (name, each.name) in OTHERS, (name, each.name)
    assert found == CALLS.keys() | OTHERS


@pytest.mark.parametrize(("method", "parameter"), CALLS)
def test_one_is_as_good_as_a_list_of_one(world: Registry, method: str, parameter: str) -> None:
    given, call = CALLS[method, parameter]
    expected = call(world, [given])
    assert call(world, given) == expected
    assert call(world, (each for each in [given])) == expected
    with pytest.raises(InvalidInput, match=rf"'{parameter}' takes"):
        call(world, 7)
    with pytest.raises(InvalidInput, match=rf"'{parameter}' takes"):
        call(world, {str(given): 1})


def test_the_rules_of_retention_take_one_text() -> None:
    assert RetentionRules.build(best="auc:3").best == RetentionRules.build(best=["auc:3"]).best


@pytest.mark.parametrize("given", [None, 3, b"ab", {"ab": 1}, [b"ab"], ["a", None], [3]])
def test_what_is_no_path_is_refused(given: object) -> None:
    with pytest.raises(InvalidInput, match="'paths' takes text"):
        as_list(given, "paths")

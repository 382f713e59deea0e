"""What is done to a registry while it fails: one scenario a verb, and some for what the verb before left behind."""

from __future__ import annotations

import functools
import hashlib
import io
import pickle
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry_cli import Indeterminate, Registry, RetentionRules
from registry_cli.core.results import (
    ImportResult,
    ModelChanged,
    ModelRenamed,
    PointerChange,
    RegisteredVersion,
    VersionsChanged,
)
from tests.crash.shim import Death, Fault, Shim
from tests.crash.world import MANY, copied, opened, wiped
from tests.keys import make_key

REQUEST = "request-1"
Deed = Callable[[Registry, Path], Any]


@dataclass(frozen=True)
class Scenario:
    """``deed`` is done to a copy of the registry that ``prepare`` made of the common one.

    ``events`` are the ids that it leaves in the journal. A deed of several commits has ``stations``: deeds that go
    only part of the way. ``model`` is the one that is written to.
    """

    name: str
    deed: Deed
    events: Sequence[str] = (REQUEST,)
    stations: Sequence[Deed] = ()
    prepare: Deed = lambda registry, work: None
    model: str = "churn"
    empty: bool = field(default=False)


def source(work: Path, content: str | bytes = "new", name: str = "model.pkl") -> Path:
    """A file outside of the registry."""
    path = work / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def common(registry: Registry, work: Path) -> None:
    """A model in which everything has happened once: more changes than claims are kept, a tombstone, an archive."""
    for number in range(1, 6):
        path = source(work, f"content {number}")
        registry.register("churn", [path], metrics={"auc": 0.9}, request_id=f"base-{number}")
    registry.promote("churn@1", "production", request_id="base-6")
    registry.promote("churn@2", "production", request_id="base-7")
    registry.promote("churn@3", "staging", request_id="base-8")
    registry.alias("churn@2", "champion", request_id="base-9")
    registry.tag("churn@1", {"team": "crm"}, request_id="base-10")
    registry.archive(["churn@4"], request_id="base-11")
    registry.delete(["churn@5"], request_id="base-12")
    registry.log_metric("churn@2", {"auc": 0.91}, request_id="base-13")
    registry.register("churn", [source(work, "content 6")], request_id="base-14")


BASE_EVENTS = frozenset(f"base-{number}" for number in range(1, 15))


def summary(result: Any) -> Any:
    """What a repeated request must give again, whatever else happened meanwhile."""
    if isinstance(result, list):
        return [summary(each) for each in result if isinstance(each, (VersionsChanged, ImportResult))]
    if isinstance(result, RegisteredVersion):
        return result.ref, result.digest
    told = {
        PointerChange: ("model", "pointer", "before", "after"),
        VersionsChanged: ("model", "action", "versions"),
        ModelChanged: ("model", "keys"),
        ImportResult: ("key", "ref"),
        ModelRenamed: ("before", "after"),
    }
    return tuple(getattr(result, name) for name in told.get(type(result), ())) or None


def _register(name: str = "churn", content: str = "new", **options: Any) -> Deed:
    return lambda registry, work: registry.register(name, [source(work, content)], request_id=REQUEST, **options)


def _folder(registry: Registry, work: Path) -> RegisteredVersion:
    """Several files in folders, one of which the model has already, under other versions."""
    for name, content in (("a.bin", "a"), ("deep/er/b.bin", "b"), ("deep/c.bin", "content 2"), ("z.bin", "")):
        source(work / "folder", content, name)
    return registry.register("churn", [work / "folder"], request_id=REQUEST)


def _many(registry: Registry, work: Path) -> RegisteredVersion:
    """So many files that they are synced all at once."""
    for number in range(MANY):
        source(work / "many", f"{number}", f"{number:02}.bin")
    return registry.register("churn", [work / "many"], request_id=REQUEST)


def _traced(registry: Registry, work: Path) -> RegisteredVersion:
    """A version with a list of packages beside it."""
    packages = source(work, "numpy==2.1.0\n", "requirements.txt")
    path = source(work)
    return registry.register(
        "churn", [path], lineage={"parents": ["churn@3"], "data": [path], "environment": packages}, request_id=REQUEST
    )


_LARGE = b"x" * (1 << 20)


def _large(registry: Registry, work: Path) -> RegisteredVersion:
    """A file that is large enough to be compared with the newest version's before it is copied."""
    return registry.register("churn", [source(work, _LARGE)], request_id=REQUEST)


def _staged(*, alias: bool = True) -> Deed:
    options: dict[str, Any] = {"stage": "staging", "alias": "fresh"} if alias else {"stage": "staging"}
    return _register(**options)


def _key(work: Path) -> Path:
    """The same key in every run, so that equal deeds leave equal bytes."""
    path = work.parent / "keys" / "alice"
    return path if path.exists() else make_key(path.parent, path.name)


def _sign(registry: Registry, work: Path) -> VersionsChanged:
    """A program is started between the two times that the lock is taken."""
    return registry.approvals.sign("churn@2", _key(work), request_id=REQUEST)


def _edit(registry: Registry, work: Path) -> ModelChanged:
    """What ``edit`` does when the editor was left."""
    text = registry.admin.text("churn")
    new = text if "description:" in text else f"{text}description: who leaves\n"
    return registry.admin.edit("churn", new, was=text, request_id=REQUEST)


def _beside(registry: Registry, work: Path) -> None:
    registry.register("beside", [source(work, "beside")], request_id="beside")


def _unused(registry: Registry, work: Path) -> None:
    """A model with two versions that nothing points to, and one beside it."""
    _beside(registry, work)
    registry.demote("churn@2", "production")
    registry.demote("churn@3", "staging")
    registry.alias("churn", "champion", remove=True)
    registry.delete(["churn@3", "churn@4", "churn@6"], reason="to be short", force=True)


def _deleted(registry: Registry, work: Path) -> None:
    """The same after the model was deleted."""
    _unused(registry, work)
    registry.delete("churn", model=True, force=True, reason="retired", request_id="before")


def _planned(registry: Registry, work: Path) -> None:
    """A plan, which is carried out as it was made however often it is tried; and a model beside, for other commands."""
    _beside(registry, work)
    plans = [registry.retention.plan("churn", "archive", RetentionRules.build(where="version != 3"))]
    (registry.root / "plan").write_bytes(pickle.dumps(plans))


def _gc(registry: Registry, work: Path) -> Any:
    return registry.admin.gc(age=-1)


def _pack(event: str, kind: str = "gzip") -> Deed:
    """Pack churn@4, which is archived."""
    return lambda registry, _: registry.archive(["churn@4"], compress=kind, request_id=event)


def _retention(registry: Registry, work: Path) -> None:
    """A policy by which 4 is deleted, and 7, which packing makes smaller, archived and packed."""
    registry.tag("churn@6", {"keep": "yes"})
    registry.register("churn", [source(work, b"6" * 50_000)], request_id="large")
    with (registry.root / "registry.yaml").open("a") as stream:
        stream.write("retention: {archive: {where: 'version > 6', compress: true}, prune: {older_than: 0s}}\n")


def _leftovers(registry: Registry, work: Path) -> None:
    """What crashes leave: a staging folder, a temporary document, a trash folder, a torn journal, a stale link."""
    die(registry, work, _register(), "rename", 1)
    die(registry, work, lambda reg, _: reg.promote("churn@3", "production", request_id="lost"), "link", 1)
    die(registry, work, lambda reg, _: reg.delete(["churn@6"], request_id="gone"), "rmdir", 1)
    with (registry.root / "models/churn/history.jsonl").open("ab") as stream:
        stream.write(b'{"torn')
    (registry.root / "models/churn/stages/production").unlink()


def die(registry: Registry, work: Path, deed: Deed, name: str, occurrence: int, kind: str = "dead before") -> None:
    """Let the process die at the n-th call of this name that ``deed`` makes."""
    calls: list[int] = []
    first = 1000 * sum(1 for _ in registry.root.rglob("*"))  # names that the calls of this test don't take again

    def watch(call: Any, _: Any) -> None:
        if call.name == name:
            calls.append(call.number)

    rehearsal = copied(registry.root, work / "rehearsal")
    with Shim(rehearsal, watcher=watch, first=first):
        deed(opened(rehearsal), work)
    wiped(rehearsal)
    try:
        with Shim(registry.root, Fault(kind, calls[occurrence - 1]), first=first) as shim:
            deed(opened(registry.root), work)
    except (Death, Indeterminate):  # what the store makes of it is of no account
        assert shim.dead
        return
    raise AssertionError("it did not die")


@functools.cache
def _bundle(*refs: str) -> bytes:
    """A bundle from another registry, whose id is always the same: else it would be another request each time."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        config = Registry.init(work / "origin").root / "registry.yaml"
        config.write_text(re.sub(r"id: '\w+'", f"id: '{'0' * 32}'", config.read_text()))
        origin = opened(work / "origin")
        for number in range(1, 4):
            source(work, f"there {number // 2}")
            source(work, "in each", "folder/shared.bin")
            origin.register("fraud", [work / "model.pkl", work / "folder"], request_id=f"there-{number}")
        origin.promote("fraud@2", "production", request_id="there-4")
        origin.delete(["fraud@1"], request_id="there-5")
        origin.tag("fraud@3", {"team": "crm"}, request_id="there-6")
        stream = io.BytesIO()
        origin.export(refs, stream)
        wiped(work / "origin")
        return stream.getvalue()


def _import(*refs: str, **options: Any) -> Deed:
    return lambda registry, _: registry.import_(io.BytesIO(_bundle(*refs)), **options)


_KEY = f"import:bundle:{'0' * 32}/fraud/"


def _policy(registry: Registry, work: Path) -> None:
    """A gate that looks at everything that a gate can look at, and lets churn@3 in."""
    with (registry.root / "registry.yaml").open("a") as stream:
        stream.write(
            "policy: {production: {from: [staging], require: {files: ['*.pkl'], where: 'metrics.auc > 0.5'},"
            " against_current: {auc: {max_drop: 0.5}}}}\n"
        )


def _died(deed: Deed, name: str, occurrence: int = 1) -> Deed:
    """A preparation: a process dies right after the n-th call of this name."""
    return lambda registry, work: die(registry, work, deed, name, occurrence, "dead after")


_promote: Deed = lambda registry, _: registry.promote("churn@3", "production", request_id=REQUEST)  # noqa: E731
_demote: Deed = lambda registry, _: registry.demote("churn", "staging", request_id="before")  # noqa: E731
_annotate: Deed = lambda registry, _: registry.annotate("churn@3", {"note": "x"}, request_id="before")  # noqa: E731

_observe: Deed = lambda reg, _: reg.monitoring.observe("churn@2", {"auc": 0.8}, request_id=REQUEST)  # noqa: E731
_monitor: Deed = lambda reg, _: reg.monitoring.monitor("churn", request_id=REQUEST)  # noqa: E731


def _alarming(registry: Registry, work: Path) -> None:
    """A rule, and an observation that violates it."""
    with (registry.root / "registry.yaml").open("a") as stream:
        stream.write("monitor: {auc: {min: 0.9}}\n")
    _observe(registry, work)


#: The event of the alert that ``monitor`` records.
_ALERT = (
    f"{REQUEST}:"
    + hashlib.sha256(repr(["churn@2", "auc", "", "", "alerted", "2026-03-01T12:00:00.000Z"]).encode()).hexdigest()[:16]
)

SCENARIOS = (
    Scenario("register", _register()),
    Scenario("register, content known", _register(content="content 2")),
    Scenario("register a folder", _folder),
    Scenario("register many files", _many),
    Scenario("register a large file", _large, prepare=lambda reg, work: reg.register("churn", [source(work, _LARGE)])),
    Scenario("register --environment", _traced),
    Scenario("register --link", _register(how="link")),
    Scenario("register --move", _register(how="move")),
    Scenario("register the first", _register(), empty=True),
    Scenario("register in a group", _register("risk/fraud"), model="risk/fraud", empty=True),
    Scenario(
        "register --stage --alias",
        _staged(),
        (REQUEST, f"{REQUEST}:stage", f"{REQUEST}:alias"),
        (_register(), _staged(alias=False)),
    ),
    Scenario("import a model", _import("fraud"), [f"there-{number}" for number in range(1, 7)]),
    Scenario(
        "import versions",
        _import("fraud@2", "fraud@3", name="churn", merge=True),
        (f"{_KEY}2", f"{_KEY}3"),
        (_import("fraud@2", name="churn", merge=True),),
    ),
    Scenario(
        "import the first, with its number",
        _import("fraud@3", merge=True),
        (f"{_KEY}3", f"{_KEY}3:numbers"),
        model="fraud",
        empty=True,
    ),
    Scenario("describe", lambda reg, _: reg.admin.describe("churn", owner="crm", tags={"a": "b"}, request_id=REQUEST)),
    Scenario(
        "describe the first",
        lambda reg, _: reg.admin.describe("churn", description="who leaves", request_id=REQUEST),
        empty=True,
    ),
    Scenario("edit", _edit),
    Scenario(
        "rename",
        lambda reg, _: reg.admin.rename("churn", "crm/churn", request_id=REQUEST),
        prepare=_beside,
        model="beside",
    ),
    Scenario(
        "apply",
        lambda reg, _: reg.retention.apply(pickle.loads((reg.root / "plan").read_bytes()), request_id=REQUEST),
        prepare=_planned,
        model="beside",
    ),
    Scenario("promote", _promote),
    Scenario(
        "promote --archive-previous",
        lambda reg, _: reg.promote("churn@3", "staging", archive_previous=True, request_id=REQUEST),
        prepare=lambda reg, _: reg.promote("churn@6", "staging"),
    ),
    Scenario("promote through a gate", _promote, prepare=_policy),
    Scenario("demote", lambda reg, _: reg.demote("churn@2", "production", request_id=REQUEST)),
    Scenario("rollback", lambda reg, _: reg.rollback("churn", "production", request_id=REQUEST)),
    Scenario(
        "rollback --to",
        lambda reg, _: reg.rollback("churn", "production", to=1, request_id=REQUEST),
        prepare=lambda reg, _: reg.promote("churn@3", "production"),
    ),
    Scenario(
        "undo",
        lambda reg, _: reg.undo("churn", request_id=REQUEST),
        prepare=lambda reg, _: reg.promote("churn@3", "production"),
    ),
    Scenario(
        "undo an alias",
        lambda reg, _: reg.undo("churn", request_id=REQUEST),
        prepare=lambda reg, _: reg.alias("churn@3", "eu"),
    ),
    Scenario("alias", lambda reg, _: reg.alias("churn@3", "champion", request_id=REQUEST)),
    Scenario("alias --remove", lambda reg, _: reg.alias("churn", "champion", remove=True, request_id=REQUEST)),
    Scenario("tag", lambda reg, _: reg.tag("churn@2", {"k": "v"}, request_id=REQUEST)),
    Scenario("annotate", lambda reg, _: reg.annotate("churn@3", {"note": "long\ntext"}, request_id=REQUEST)),
    Scenario("log-metric", lambda reg, _: reg.log_metric("churn@2", {"auc": 0.5}, request_id=REQUEST)),
    Scenario("observe", _observe, events=()),
    Scenario(
        "observe more", _observe, events=(), prepare=lambda reg, _: reg.monitoring.observe("churn@2", {"f1": 0.5})
    ),
    Scenario("monitor", _monitor, events=(_ALERT,), prepare=_alarming),
    Scenario("profile", lambda reg, _: reg.monitoring.profile("churn@2", {"x": [1, 2]}, request_id=REQUEST)),
    Scenario(
        "drift",
        lambda reg, _: reg.monitoring.drift("churn@2", {"x": [2, 3]}, request_id=REQUEST),
        events=(),
        prepare=lambda reg, _: reg.monitoring.profile("churn@2", {"x": [1, 2]}),
    ),
    Scenario(
        "approve",
        lambda reg, _: reg.approvals.approve("churn@3", "production", reason="reviewed", request_id=REQUEST),
        prepare=lambda reg, _: reg.approvals.approve("churn@3", "production", reject=True, reason="not yet"),
    ),
    Scenario("sign", _sign, prepare=lambda _, work: _key(work)),
    Scenario("archive", lambda reg, _: reg.archive(["churn@6"], request_id=REQUEST)),
    Scenario("restore", lambda reg, _: reg.restore(["churn@4"], request_id=REQUEST)),
    Scenario("delete", lambda reg, _: reg.delete(["churn@4"], reason="old", request_id=REQUEST)),
    Scenario(
        "delete two",
        lambda reg, _: reg.delete(["churn@4", "churn@6"], request_id=REQUEST),
        (f"{REQUEST}:1", f"{REQUEST}:2"),
        (lambda reg, _: reg.delete(["churn@4"], request_id=f"{REQUEST}:1"),),
    ),
    Scenario(
        "delete --model",
        lambda reg, _: reg.delete("churn", model=True, reason="retired", request_id=REQUEST),
        (f"{REQUEST}:1", f"{REQUEST}:2", REQUEST),
        (
            lambda reg, _: reg.delete("churn@1", request_id=f"{REQUEST}:1"),
            lambda reg, _: reg.delete(["churn@1", "churn@2"], request_id=REQUEST),
        ),
        prepare=_unused,
        model="beside",
    ),
    Scenario(
        "register --reuse-name", _register(reuse_name=True), (REQUEST, "before"), prepare=_deleted, model="beside"
    ),
    Scenario(
        "describe --reuse-name",
        lambda reg, _: reg.admin.describe("churn", owner="crm", reuse_name=True, request_id=REQUEST),
        (REQUEST, "before"),
        prepare=_deleted,
        model="beside",
    ),
    Scenario(
        "archive by rules",
        lambda reg, _: [
            reg.retention.retain("churn", "archive", RetentionRules.build(where="version != 3"), request_id=REQUEST)
        ],
    ),
    Scenario(
        "delete by rules",
        lambda reg, _: [
            reg.retention.retain("churn", "delete", RetentionRules.build(where="version > 3"), request_id=REQUEST)
        ],
        (f"{REQUEST}:1", f"{REQUEST}:2"),
        (lambda reg, _: reg.delete(["churn@4"], request_id=f"{REQUEST}:1"),),
        prepare=lambda reg, _: reg.archive(["churn@6"]),
    ),
    Scenario(
        "archive --compress",
        lambda reg, _: reg.archive(["churn@6"], compress="gzip", request_id=REQUEST),
        (REQUEST, f"{REQUEST}:packed:6"),
        (lambda reg, _: reg.archive(["churn@6"], request_id=REQUEST),),
    ),
    Scenario(
        "archive --compress, after one that died",
        lambda reg, _: reg.archive(["churn@4"], compress="gzip", request_id=REQUEST),
        (f"{REQUEST}:packed:4",),
        prepare=lambda reg, work: die(reg, work, _pack("died", "gzip"), "link", 1),
    ),
    Scenario(
        "restore from a pack", lambda reg, _: reg.restore(["churn@4"], request_id=REQUEST), prepare=_pack("before")
    ),
    Scenario(
        "delete a packed one",
        lambda reg, _: reg.delete(["churn@4"], reason="old", request_id=REQUEST),
        prepare=_pack("before"),
    ),
    Scenario(
        "prune",
        lambda reg, _: reg.retention.prune(["churn"], request_id=REQUEST),
        (f"{REQUEST}:1", REQUEST, f"{REQUEST}:packed:7"),
        (
            lambda reg, _: reg.delete(["churn@4"], request_id=REQUEST),
            lambda reg, _: [reg.delete(["churn@4"], request_id="d"), reg.archive(["churn@7"], request_id=REQUEST)],
        ),
        prepare=_retention,
    ),
    Scenario("gc", _gc, (), prepare=_leftovers),
    Scenario("repair", lambda reg, _: reg.admin.repair(), (), prepare=_leftovers),
    Scenario("promote after a dead demote", _promote, (REQUEST, "before"), prepare=_died(_demote, "link")),
    Scenario("promote after a dead annotate", _promote, (REQUEST, "before"), prepare=_died(_annotate, "link")),
    Scenario(
        "promote after a dead register",
        _promote,
        (REQUEST, "before"),
        prepare=_died(lambda reg, work: reg.register("churn", [source(work, "dead")], request_id="before"), "rename"),
    ),
)

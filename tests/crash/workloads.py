"""The runs whose power is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from registry_cli import Registry
from tests.crash.power import Step, Workload
from tests.crash.scenarios import source
from tests.crash.world import MANY


def _register(event: str, dies: int = 0, content: str = "new", name: str = "churn") -> Step:
    def deed(registry: Registry, work: Path) -> Any:
        return registry.register(name, [source(work, content)], request_id=event)

    return Step(deed, event, dies)


def _folder(event: str) -> Step:
    def deed(registry: Registry, work: Path) -> Any:
        for name, content in (("a.bin", "a"), ("deep/er/b.bin", "b"), ("deep/c.bin", "content 1")):
            source(work / "folder", content, name)
        return registry.register("churn", [work / "folder"], request_id=event)

    return Step(deed, event)


def _many(event: str) -> Step:
    def deed(registry: Registry, work: Path) -> Any:
        for number in range(MANY):
            source(work / "many", f"{number}", f"{number:02}.bin")
        return registry.register("churn", [work / "many"], request_id=event)

    return Step(deed, event)


def _promote(event: str, dies: int = 0, ref: str = "churn@2") -> Step:
    return Step(lambda registry, _: registry.promote(ref, "production", request_id=event), event, dies)


def _tag(event: str, dies: int = 0) -> Step:
    return Step(lambda registry, _: registry.tag("churn@1", {"k": event}, request_id=event), event, dies)


def _archive(event: str) -> Step:
    return Step(lambda registry, _: registry.archive(["churn@2"], request_id=event), event)


def _delete(event: str, dies: int = 0) -> Step:
    return Step(lambda registry, _: registry.delete(["churn@2"], request_id=event), event, dies)


def _archived(registry: Registry, work: Path) -> None:
    """Version 2 has files in folders, one of which version 1 has too, and is archived."""
    for name, content in (("a.bin", "a"), ("deep/b.bin", "b"), ("deep/c.bin", "content 1")):
        source(work / "folder", content, name)
    registry.register("churn", [work / "folder"])
    registry.archive(["churn@2"])


def _packed(registry: Registry, work: Path) -> None:
    _archived(registry, work)
    registry.archive(["churn@2"], compress="gzip")


def _pack(event: str) -> Step:
    deed = lambda registry, _: registry.archive(["churn@2"], compress="gzip", request_id=event)  # noqa: E731
    return Step(deed, f"{event}:packed:2")


def _restore(event: str) -> Step:
    return Step(lambda registry, _: registry.restore(["churn@2"], request_id=event), event)


WORKLOADS = (
    Workload("register the first", [_register("e-1")], versions=0),
    Workload("register in a group", [_register("e-1", name="risk/fraud")], versions=0),
    Workload("register", [_register("e-1")]),
    Workload("register a folder", [_folder("e-1")]),
    Workload("register many files", [_many("e-1")]),
    Workload("promote", [_promote("e-1")]),
    Workload("tag", [_tag("e-1")]),
    Workload("tag twice", [_tag("e-1"), _tag("e-2")]),
    Workload("archive", [_archive("e-1")]),
    Workload("delete", [_delete("e-1")]),
    Workload("pack", [_pack("e-1")], 1, _archived),
    Workload("restore from a pack", [_restore("e-1")], 1, _packed),
    Workload("delete a packed one", [_delete("e-1")], 1, _packed),
    Workload("register, promote", [_register("e-1"), _promote("e-2", ref="churn@3")]),
    Workload("register the first, promote", [_register("e-1"), _promote("e-2", ref="churn@1")], versions=0),
    Workload("register two", [_register("e-1"), _register("e-2", content="newer")], versions=0),
)

#: First commands that die, each after every call in turn; what comes next is acknowledged, then the power goes.
DEATHS = (
    Workload("register the first, dead; register", [_register("e-1"), _register("e-2", content="newer")], versions=0),
    Workload("register, dead; register", [_register("e-1"), _register("e-2", content="newer")]),
    Workload("register, dead; tag", [_register("e-1"), _tag("e-2")]),
    Workload("promote, dead; register", [_promote("e-1"), _register("e-2")]),
    Workload("tag, dead; promote", [_tag("e-1"), _promote("e-2")]),
    Workload("delete, dead; register", [_delete("e-1"), _register("e-2")]),
    Workload("pack, dead; register", [_pack("e-1"), _register("e-2")], 1, _archived),
    Workload("restore from a pack, dead; register", [_restore("e-1"), _register("e-2")], 1, _packed),
)

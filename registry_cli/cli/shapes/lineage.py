"""Where a version comes from and how it is made again, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...core.results import Condition, Family, Kin, Recipe, Step


def family(record: Family) -> dict[str, Any]:
    version = record.version
    return {
        "ref": version.ref,
        "stages": list(version.stages),
        "aliases": list(version.aliases),
        "archived": version.archived,
        "lineage": dict(version.lineage),
        "parents": [kin(each) for each in record.parents],
        "children": [kin(each) for each in record.children],
    }


def kin(record: Kin) -> dict[str, Any]:
    version = record.version
    return {
        "ref": record.ref,
        "here": version is not None,
        "note": record.note,
        "stages": list(version.stages) if version else [],
        "archived": version.archived if version else False,
        "lineage": dict(version.lineage) if version else {},
        "kin": [kin(each) for each in record.kin],
    }


def recipe(record: Recipe) -> dict[str, Any]:
    return {"ref": record.version.ref, "steps": [step(each) for each in record.steps]}


def step(record: Step) -> dict[str, Any]:
    return {"step": record.name, "notes": list(record.notes), "commands": list(record.commands)}


def condition(record: Condition) -> dict[str, Any]:
    return {"condition": record.name, "outcome": record.outcome, "wanted": record.wanted, "found": record.found}

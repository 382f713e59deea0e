"""What may run on this machine, and the schemas of settings, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from ...automation.trusting import Trusted
    from ...lifecycle.commands import Command, Commands


def commands(record: Commands, *, trusted: bool) -> dict[str, Any]:
    return {
        "name": record.name or None,
        "registry": record.id,
        "root": record.root,
        "digest": f"sha256:{record.digest}",
        "trusted": trusted,
        "items": [command(each) for each in record.items],
    }


def command(record: Command) -> dict[str, Any]:
    return {
        "stage": record.stage,
        "check": record.name,
        "arguments": list(record.arguments),
        "time_limit": record.time_limit,
        "file": record.file,
        "line": record.line,
    }


def trusted(record: Trusted) -> dict[str, Any]:
    return {
        "digest": f"sha256:{record.digest}",
        "root": record.root,
        "registry": record.id,
        "name": record.name or None,
        "at": record.at,
        "commands": list(record.commands),
    }


def schema(name: str, path: Path, document: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "path": str(path), "document": document}

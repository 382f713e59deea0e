"""Makes the golden store of format 1, once and for all: ``python -m tests.format.make_golden``.

The result, ``golden-1.json``, is a promise: every later release reads it. So it is never made again, and this
program refuses to; a new format gets a file of its own. It holds the store (git keeps no modes, empty folders or hard
links, so each path has its own record) and what the reading verbs said of it on the day it was made.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import stat
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

GOLDEN = Path(__file__).with_name("golden-1.json")
ID = "5e0f3ab1c7d94e6f8a2b1c3d4e5f6071"


class Host(NamedTuple):
    sysname: str = "Linux"
    nodename: str = "gpu-3"
    release: str = "6.1.0"


def clock() -> Any:
    moment = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

    def now() -> datetime:
        nonlocal moment
        moment += timedelta(seconds=1)
        return moment

    return now


def build(root: Path, work: Path) -> None:
    """Every verb, every kind of document, every detail of every event."""
    from registry_cli import Registry

    os.umask(0o022)
    setattr(os, "uname", Host)  # noqa: B010 - events tell the host's name
    Registry.init(root, author="alice", now=clock())
    config = root / "registry.yaml"
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(f"id: '{ID}'\n" if line.startswith("id: ") else line for line in lines))
    reg = Registry(root, author="alice", now=clock())
    (work / "tokens").mkdir(parents=True)
    (work / "tokens" / "vocabulary.json").write_text('{"yes": 1, "no": 2}\n')
    (work / "tokens" / "empty.txt").write_text("")
    (work / "Größe (1).txt").write_text("x")
    for number in range(1, 7):
        (work / "model.bin").write_bytes(bytes(range(64)) + b"%d" % number)
        reg.register(
            "churn", [work], message=f"run {number}\n\nnightly", request_id=f"nightly-{number}",
            params={"depth": 6, "eta": 1e-05, "country": "no", "seed": "007", "early": True, "size": 2**53 + 1},
            metrics={"auc": 0.9 + number / 100, "rows": 120_000}, tags={"team": "crm", "on": "yes", "größe": "groß"},
            annotations={"purpose": "who leaves\n  and: why", "since": "2026-03-01"},
        )  # fmt: skip
    reg.register("risk/fraud", [work / "model.bin"], request_id="fraud-1")
    reg.promote("churn@1", "production", reason="the first", request_id="move-1")
    reg.promote("churn@2", "production", archive_previous=True, expect=1, request_id="move-2")
    reg.promote("churn@5", "production", request_id="move-3")
    reg.rollback("churn", "production", reason="too slow", request_id="move-4")
    reg.promote("churn@6", "staging", request_id="move-5")
    reg.promote("churn@6", "development", request_id="move-6")
    reg.demote("churn", "development", reason="done", request_id="move-7")
    reg.alias("churn@2", "champion", request_id="alias-1")
    reg.alias("churn@6", "eu-canary", request_id="alias-2")
    reg.alias("churn@5", "old", request_id="alias-3")
    reg.alias("churn", "old", remove=True, request_id="alias-4")
    reg.archive(["churn@4"], reason="no better", request_id="archive-1")
    reg.archive(["churn@3"], force=True, reason="short of room", request_id="archive-2")
    reg.restore(["churn@4"], request_id="restore-1")
    reg.delete(["churn@3"], reason="wrong data", request_id="delete-1")
    reg.tag("churn@2", {"site": "eu", "note": "a: b #c"}, remove=["team"], request_id="tag-1")
    reg.annotate("churn@2", {"data": "calls of 2025\nand 2026"}, remove=["since"], request_id="annotate-1")
    reg.log_metric("churn@2", {"auc_live": 0.875, "auc": 0.9201}, request_id="measure-1")


def pack(root: Path) -> dict[str, dict[str, str]]:
    """Every path below ``root``, in order, as one small record each."""
    records: dict[str, dict[str, str]] = {}
    first: dict[int, str] = {}
    for path in sorted(root.rglob("*")):
        name, status = path.relative_to(root).as_posix(), path.lstat()
        record = {"mode": f"{stat.S_IMODE(status.st_mode):04o}"}
        if path.is_symlink():
            record = {"link": os.readlink(path)}
        elif path.is_file() and status.st_ino in first:
            record = {"same": first[status.st_ino]}
        elif path.is_file():
            first[status.st_ino] = name
            record |= contents(path.read_bytes())
        records[name] = record
    return records


def contents(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode("ascii" if b"\r" in data else "utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def unpack(records: dict[str, dict[str, str]], root: Path) -> None:
    """The store that :func:`pack` saw, with modes, links and hard links."""
    root.mkdir()
    folders = []
    for name, record in records.items():
        path = root / name
        if "link" in record:
            path.symlink_to(record["link"])
        elif "same" in record:
            os.link(root / record["same"], path)
        elif "text" in record or "base64" in record:
            path.write_bytes(record["text"].encode() if "text" in record else base64.b64decode(record["base64"]))
            path.chmod(int(record["mode"], 8))
        else:
            path.mkdir()
            folders.append((path, int(record["mode"], 8)))
    for path, mode in reversed(folders):
        path.chmod(mode)


def say(root: Path) -> dict[str, Any]:
    """What every reading verb says of the store, as JSON has it."""
    from registry_cli import Registry

    reg = Registry(root)
    names = reg.admin.model_names()
    every = {name: reg.versions(name, archived=True) for name in names}
    references = ["churn", "churn@production", "churn@staging", "churn@champion", "churn@eu-canary", "risk/fraud@1"]
    said = {
        "info": {**plain(reg.admin.info()), "root": ""},
        "models": [plain(each) for each in reg.list()],
        "versions": {name: [plain(version) for version in versions] for name, versions in every.items()},
        "in use": {name: [version.number for version in reg.versions(name)] for name in names},
        "refers to": {ref: reg.version(ref).ref for ref in references},
        "files": {
            version.ref: plain(reg.artifacts.files(version.ref)) for found in every.values() for version in found
        },
        "paths": {ref: reg.path(ref).relative_to(root).as_posix() for ref in references},
        "history": {name: [plain(entry) for entry in reg.history(name)] for name in names},
        "earlier": {stage: list(reg.admin.earlier_holders("churn", stage)) for stage in reg.stages},
    }
    return json.loads(json.dumps(said))  # type: ignore[no-any-return]


def plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return {key: plain(each) for key, each in value.items()} if hasattr(value, "items") else value


def main() -> None:
    if GOLDEN.exists():
        sys.exit(f"{GOLDEN.name} is there: it is never made again")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "registry"
        build(root, Path(folder) / "work")
        golden = {"store": pack(root), "said": say(root)}
    GOLDEN.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

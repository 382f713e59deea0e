"""A tool that is none: its versions lie in a folder as JSON, so that a test says all there is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from registry_cli.core.records import Artifact
from registry_cli.interop import tools
from registry_cli.interop.cards.card_inputs import CardInput
from registry_cli.interop.imported_version import ImportedVersion
from tests.cli.conftest import site, still  # noqa: F401 - fixtures

Tiny = Callable[..., Path]


def read(place: str) -> Iterator[ImportedVersion]:
    folder = Path(place)
    for path in sorted(folder.glob("*.json")):
        record: dict[str, Any] = json.loads(path.read_text())
        files = tuple(folder / name for name in record.pop("files"))
        pointers: dict[str, Any] = {name: tuple(record.pop(name, ())) for name in ("stages", "aliases", "lost")}
        yield ImportedVersion(files=files, **pointers, **record)


def write(artifact: Artifact, known: CardInput, target: Path) -> list[str]:
    target.mkdir()
    for entry in artifact.files:
        (target / entry.path).write_bytes((artifact.folder / entry.path).read_bytes())
    (target / "about.json").write_text(json.dumps({"ref": artifact.version.ref, "owner": known.model.owner}))
    return ["lineage"] if artifact.version.lineage else []


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """Adds a version to the tool's folder, and gives the folder."""
    module: Any = ModuleType(f"{tools.__package__}.tiny")
    vars(module).update(vars(SimpleNamespace(read=read, write=write)))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(tools.SOURCES, "tiny", "tiny")
    monkeypatch.setitem(tools.FORMATS, "tiny", "tiny")
    folder = tmp_path / "tool"
    folder.mkdir()

    def add(number: int, content: str = "", model: str = "churn", **record: Any) -> Path:
        name = f"{model}-{number:03}".replace("/", "-")
        (folder / f"{name}.bin").write_text(content or f"content {number} of {model}")
        document = {"key": f"tiny:{model}/{number}", "model": model, "number": number, "files": [f"{name}.bin"]}
        (folder / f"{name}.json").write_text(json.dumps({**document, **record}))
        return folder

    return add

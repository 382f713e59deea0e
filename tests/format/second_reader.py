"""A second reader of format 1, written from ``docs/format.md`` alone: no line of it comes from the program.

It uses a plain YAML 1.1 loader on purpose: the format promises that such a loader reads every document as it is meant.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]


def load(path: Path) -> Document:
    document = yaml.safe_load(path.read_bytes())
    assert isinstance(document, dict), path
    deleted = (document.get("changed") or {}).get("action") == "model-deleted"
    assert document["format"] == (2 if deleted else 1), path
    return document


def ranges(text: str) -> set[int]:
    found: set[int] = set()
    for part in filter(None, text.split(", ")):
        low, _, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return found


class Model:
    """One model, read as the chapters 'Reading' and 'The journal' say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.document = load(folder / "model.yaml")
        self.table = load(folder / "stages.yaml")
        self.redo: Document = {}
        while (claim := folder / f".stages-{self.table['revision'] + 1}").exists():
            self.table = load(claim)
            self.redo = self.table.pop("redo", {})
        self.deleted, self.archived = ranges(self.table["deleted"]), ranges(self.table["archived"])
        self.packed = ranges(self.table.get("packed", ""))

    def numbers(self) -> list[int]:
        names = (name for name in os.listdir(self.folder / "versions") if re.fullmatch("[1-9][0-9]{0,8}", name))
        return sorted(number for number in map(int, names) if number not in self.deleted)

    def is_deleted(self) -> bool:
        return (self.table["changed"] or {}).get("action") == "model-deleted" and not self.numbers()

    def latest(self) -> int | None:
        return max((number for number in self.numbers() if number not in self.archived), default=None)

    def said(self, number: int) -> Document:
        path = f"annotations/{number}.yaml"
        if self.redo.get("path") == path:
            return dict(self.redo["document"])
        return load(self.folder / path) if (self.folder / path).exists() else {}

    def version(self, number: int) -> Document:
        document = load(self.folder / "versions" / str(number) / "version.yaml")
        assert document["version"] == number
        for kind in ("metrics", "tags", "annotations"):
            laid_over = {**document.get(kind, {}), **self.said(number).get(kind, {})}
            document[kind] = {name: value for name, value in laid_over.items() if value is not None}
        return document

    def files(self, number: int) -> dict[str, str]:
        """Path to sha256, after the manifest and every byte was compared."""
        folder = self.folder / "versions" / str(number)
        manifest = (folder / "manifest-sha256.txt").read_bytes()
        assert load(folder / "version.yaml")["digest"] == "sha256:" + hashlib.sha256(manifest).hexdigest()
        listed = {line[66:]: line[:64] for line in manifest.decode().splitlines()}
        assert list(listed) == sorted(listed, key=str.encode)
        if number in self.packed:
            with tarfile.open(self.folder / "packed" / f"{number}.tar.gz") as pack:
                members = [(member.name, pack.extractfile(member)) for member in pack]
                found = {name: hashlib.sha256(stream.read()).hexdigest() for name, stream in members if stream}
            assert list(found.items()) == list(listed.items())
            assert not (folder / "files").exists()
            return listed
        for path, digest in listed.items():
            assert hashlib.sha256((folder / "files" / path).read_bytes()).hexdigest() == digest
        here = {path for path in (folder / "files").rglob("*") if not path.is_dir()}
        assert here == {folder / "files" / path for path in listed}
        return listed

    def lines(self) -> list[Document]:
        """The lines of the journal that are whole, their chain checked."""
        found: list[Document] = []
        path = self.folder / "history.jsonl"
        for raw in path.read_bytes().split(b"\n") if path.exists() else ():
            body, tail = raw[:-75] + b"}", raw[-75:]
            digest = tail[9:73].decode("ascii", "replace")
            if tail[:9] != b',"hash":"' or hashlib.sha256(body).hexdigest() != digest:
                continue
            line = json.loads(raw)
            assert line["prev"] == (found[-1]["hash"] if found else "0" * 64)
            assert line["seq"] == len(found) + 1
            found.append(line)
        return found

    def history(self) -> list[Document]:
        """Every event, the pending ones too: the keys of the journal alone are left out."""
        lines = self.lines()
        place = ("seq", "prev", "highest", "revision", "sealed", "hash")
        events = [{key: value for key, value in line.items() if key not in place} for line in lines]
        last = lines[-1] if lines else {"highest": 0, "revision": 0}
        if (newest := max(self.numbers(), default=0)) > last["highest"]:
            events.append(self.version(newest)["event"])
        if self.table["revision"] > last["revision"]:
            events.append(self.table["changed"])
        return events

    def sealed(self) -> dict[str, str]:
        """Each document that the journal holds, and its sha256."""
        found: dict[str, str] = {}
        for line in self.lines():
            homes = {"registered": "versions/{}/version.yaml", "deleted": "tombstones/{}.yaml"}
            said = ("tagged", "annotated", "measured", "approved", "rejected", "signed")
            homes |= dict.fromkeys(said, "annotations/{}.yaml")
            if line["action"] in homes:
                found[homes[line["action"]].format(line["version"])] = line["sealed"]
        return found


def models(root: Path) -> dict[str, Model]:
    """Every model of a registry that was not deleted, by its name, at most one group deep."""
    assert load(root / "registry.yaml")["shared"] in ("private", "group")
    found = [path.parent for depth in ("*", "*/*") for path in (root / "models").glob(f"{depth}/model.yaml")]
    every = {folder.relative_to(root / "models").as_posix(): Model(folder) for folder in found}
    return {name: model for name, model in every.items() if not model.is_deleted()}

"""What exports that could be in a folder look like: made again from the versions whose files it holds."""

from __future__ import annotations

import contextlib
import hashlib
import stat
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.lazy_dataclass import replace
from ..core.times import format_time
from ..errors import RegistryError
from ..exchange import dispatch, leaving
from ..store import documents, files
from . import carding, ownership

if TYPE_CHECKING:
    from ..exchange.leaving import Outline
    from .ownership import Copy, Expected
    from .reading import RegistryReader

#: The document by which a folder of each format is known.
DOCUMENTS = {"mlflow": "MLmodel", "bentoml": "model.yaml", "hf": "README.md"}
#: What in a document may be other than it is now: what people say of a version or a model, and what it is called.
CHANGING = {
    "mlflow": ("metadata registry ref", "metadata model_description", "metadata metrics", "metadata tags"),
    "bentoml": ("name", "labels", "metadata registry_ref", "metadata metrics", "metadata tags"),
}
#: So many files at most does an export add to those of a version.
_ADDED = 8
_DOCUMENT = 8 << 20


def resembling(
    registry: RegistryReader, copy: Copy, first: str, kind: str | None, flavor: str | None
) -> Iterator[Expected]:
    """What each export would be of which a folder seems to be a copy: in the format ``kind``, and in those that it has
    the document of.

    What stands in its documents may have changed since. So each is made as it would be now, and with the stages and
    aliases that the version had when the newest of them was written; a document in YAML that differs only in what
    people can change (``CHANGING``) counts as well, as long as it is just as this program writes it.
    """
    kinds = dict.fromkeys([kind] if kind else [])
    kinds |= dict.fromkeys(kind for kind, document in DOCUMENTS.items() if document in copy.files)
    for ref, added in _candidates(registry, copy, first) if kinds else ():
        written = max((copy.files[path].st_mtime for path in added), default=0.0)
        then = datetime.fromtimestamp(written, tz=timezone.utc)
        for each in kinds:
            for known in _flavors(copy, flavor) if each in dispatch.WITH_FLAVOR else [None]:
                for moment in (None, then):
                    with contextlib.suppress(RegistryError, OSError, ValueError):
                        yield _outlined(registry, copy, ref, each, known, moment)


def _candidates(registry: RegistryReader, copy: Copy, first: str) -> Iterator[tuple[str, list[str]]]:
    """The versions that have all files in a folder, wherever they are there, but for a few, which are named."""
    for model, number, expected in ownership.versions(registry, first):
        if len(copy.files) <= len(expected) + _ADDED:
            known = set(expected.values())
            added = [path for path in copy.files if copy.sha256(path) not in known]
            if len(added) <= _ADDED:
                yield f"{model}@{number}", added


def _flavors(copy: Copy, flavor: str | None) -> list[str | None]:
    """The flavors of MLflow with which the folder may have been made."""
    from ..exchange.mlflow_flavors import FLAVORS

    named: object = None
    with contextlib.suppress(RegistryError, ValueError):
        text = copy.read(DOCUMENTS["mlflow"], _DOCUMENT)
        named = documents.loads_mapping(text, DOCUMENTS["mlflow"], limit=_DOCUMENT).get("flavors")
    said = [each for each in FLAVORS if isinstance(named, dict) and each in named]
    return list(dict.fromkeys((flavor, None, *said)))


def _outlined(
    registry: RegistryReader, copy: Copy, ref: str, kind: str, flavor: str | None, moment: datetime | None
) -> Expected:
    with registry.laid_out(ref) as artifact, tempfile.TemporaryDirectory(prefix="registry-") as temporary:
        version = registry.version(ref, as_of=moment)
        outline = leaving.Outline(version, artifact.folder, artifact.files)
        known = carding.known(registry, version, (entry.path for entry in artifact.files))
        if moment is not None:
            at = format_time(moment)
            model = registry.model(version.model, as_of=moment)
            known = replace(known, model=model, approvals=tuple(each for each in known.approvals if each.at <= at))
        folder = Path(temporary, "export")
        dispatch.writer(kind, flavor)(outline, known, folder)
        return {**dict(_hashed(folder, outline)), **_earlier(copy, kind, folder)}


def _earlier(copy: Copy, kind: str, folder: Path) -> Expected:
    """The document of a format with its sha256 in the copy, if it is an earlier one of the same version."""
    name = DOCUMENTS.get(kind, "")
    if kind not in CHANGING or not (folder / name).is_file():
        return {}
    with contextlib.suppress(RegistryError, ValueError):
        there, here = copy.read(name, _DOCUMENT), (folder / name).read_bytes()
        told = documents.loads_mapping(there, name, limit=_DOCUMENT)
        made = documents.loads_mapping(here, name, limit=_DOCUMENT)
        if documents.dumps(told) == there and _lasting(told, kind) == _lasting(made, kind):
            return {name: copy.sha256(name)}
    return {}


def _lasting(document: dict[str, Any], kind: str) -> dict[str, Any]:
    """A document without what may change."""
    for path in CHANGING[kind]:
        *parts, last = path.split()
        part: Any = document
        for name in parts:
            part = part.get(name) if isinstance(part, dict) else None
        if isinstance(part, dict):
            part.pop(last, None)
    return document


def _hashed(folder: Path, outline: Outline) -> Iterator[tuple[str, str]]:
    start = len(f"{folder}/")
    for path, status in files.below(folder):
        if path[start:] and stat.S_ISREG(status.st_mode):
            stand_in = outline.stand_ins.get(status.st_ino)
            yield path[start:], stand_in or hashlib.sha256(Path(path).read_bytes()).hexdigest()

"""Whether what another registry says can be said here: a bundle is data, and may be anybody's.

Where these documents were made, each value was checked before it was written. Here nobody knows who wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...core import names, values
from ...core.records import VersionRecord
from ...errors import Damaged, InvalidInput
from ...store import codec, layout
from .bundle_manifest import BundleModel

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\Z", re.ASCII)


def check_version(record: VersionRecord, ref: str) -> None:
    """A version, with what was said of it afterwards. :class:`Damaged` for what no registry could have written."""
    try:
        for said, check in (
            (record.params, values.check_param),
            (record.metrics, values.check_metric),
            (record.tags, values.check_line),
            (record.annotations, values.check_text),
        ):
            _check_unchanged(said, values.checked(said, check))
        values.text(record.message, "message")
        values.line(record.author, "author")
        if not _TIME.match(record.created):
            raise InvalidInput("when it was made is no time")
        if record.event is not None:
            names.request_id(record.event.id)
            values.line(record.event.by, "by")
            values.line(record.event.host, "host")
            if record.event.action != "registered":
                raise InvalidInput(f"it came to be by '{record.event.action[:40]}'")
    except InvalidInput as error:
        raise Damaged(f"{ref}: {error.message}") from None


def _check_unchanged(said: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
    """What was checked is what was said: nothing had to be turned into something else."""
    if kept != said or any(type(kept[name]) is not type(value) for name, value in said.items()):
        raise InvalidInput("a value of it is of another kind")


def check_document(path: str, data: bytes, part: BundleModel, what: str) -> None:
    """A document of a whole model, before it is where anybody looks for it."""
    name = f"{what}: {part.name}"
    document = codec.loads(data, f"{name}: {path}")
    try:
        if path == layout.MODEL:
            _check_model(document)
        elif path == layout.STAGES:
            _check_table(document, part)
    except InvalidInput as error:
        raise Damaged(f"{name}: {path}: {error.message}") from None


def _check_model(document: Mapping[str, Any]) -> None:
    for key in ("created", "owner", "description"):
        if not isinstance(document.get(key, ""), str):
            raise InvalidInput(f"'{key}' is no text")
    for key in ("tags", "annotations"):
        said = document.get(key) or {}
        if not isinstance(said, dict):
            raise InvalidInput(f"'{key}' is no mapping")
        _check_unchanged(said, values.checked(said, values.check_text))


def _check_table(document: Mapping[str, Any], part: BundleModel) -> None:
    """Its names become names of files: those of stages are links that other programs follow. Its numbers are looked at
    one by one: there are no more than the part has documents for.
    """
    table, redo = codec.parse_table(document, layout.STAGES)
    if redo is not None:
        raise InvalidInput("it is a claim, and no stage table")
    tombstones = sum(each.path.startswith("tombstones/") for each in part.documents)
    if len(table.deleted) > tombstones or len(table.archived) > len(part.versions):
        raise InvalidInput("it tells of versions that are not there")
    packed = [version.number for version in part.versions if version.pack]
    if len(table.packed) != len(packed) or list(table.packed) != packed:
        raise InvalidInput("other versions are packed than it tells")
    for stage in table.stages:
        names.stage_name(stage)
    for alias in table.aliases:
        names.alias_name(alias)

"""Whether what another registry says of a version can be said here: a bundle is data, and may be anybody's."""

from __future__ import annotations

import re
from typing import Any

from .. import names, values
from ..errors import Damaged, InvalidInput
from ..exchange.unpacking import UnpackedVersion
from ..records import VersionRecord
from ..store import codec, layout

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\Z", re.ASCII)
_SAID = frozenset({"format", "metrics", "tags", "annotations"})
_SEALED = frozenset(
    {"version", "created", "author", "digest", "size", "files", "message", "params", "lineage", "event"}
)


def overlaid(version: UnpackedVersion) -> VersionRecord:
    """A version of a bundle with what was said of it afterwards."""
    return codec.overlay(version.record, version.said, f"{version.ref}: annotations/{version.version.number}.yaml")


def refuse_unsound(record: VersionRecord, ref: str) -> None:
    """:class:`Damaged` for what could not have been written by a registry: no check was made of it where it was made."""
    try:
        for said, check in (
            (record.params, values.check_param),
            (record.metrics, values.check_metric),
            (record.tags, values.check_line),
            (record.annotations, values.check_text),
        ):
            kept: dict[str, Any] = values.checked(said, check)
            if kept != said or any(type(kept[name]) is not type(value) for name, value in said.items()):
                raise InvalidInput("a value in it is of another kind")
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


def left_behind(version: UnpackedVersion) -> tuple[str, ...]:
    """What is said of a version in fields that a new version has no place for: signatures hold for the old one only."""
    said = codec.loads(version.documents[f"versions/{version.version.number}/{layout.VERSION}"], layout.VERSION)
    strange = [*sorted(said.keys() - _SEALED - _SAID), *sorted(version.said.keys() - _SAID)]
    return tuple(f"what it says as '{name[:60]}'" for name in strange)

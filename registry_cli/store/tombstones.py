"""What stays of a deleted version: ``tombstones/N.yaml``, everything that was known of it but its files."""

from __future__ import annotations

from ..core.records import Event
from ..errors import RegistryError
from . import codec, layout
from .codec import Redo
from .reader import ModelReader, State
from .writer import Writer


def redo(writer: Writer, number: int, event: Event) -> Redo:
    """The tombstone of a version that is about to be deleted, as the document of its claim."""
    model = ModelReader(writer.paths)
    document = {
        "format": layout.FORMAT,
        "version": _sealed(writer, number),
        "said": _said(model, number, writer),
        "event": event.document(),
    }
    return Redo(writer.paths.relative(writer.paths.tombstone(number)), document)


def _said(model: ModelReader, number: int, writer: Writer) -> dict[str, object]:
    try:
        return model.said(number, State(writer.table))
    except (OSError, RegistryError) as error:
        return {"unreadable": str(error)}


def _sealed(writer: Writer, number: int) -> dict[str, object]:
    """``version.yaml``; a version that is damaged can be deleted too, with what is left of it."""
    try:
        return codec.load(writer.paths.version_document(number), layout.VERSION)
    except (OSError, RegistryError) as error:
        return {"version": number, "unreadable": str(error)}

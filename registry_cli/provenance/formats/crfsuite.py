"""CRFsuite: a conditional random field. It is recognised, with the counts in its header."""

from __future__ import annotations

import struct

from ..inspection import Inspection
from .files import File

MAGIC, KIND = b"lCRF", b"FOMC"
_HEADER = struct.Struct("<4sL4s4L")


def read(file: File) -> Inspection | None:
    """Two marks of four letters, and the size of the file."""
    if len(file.head) < _HEADER.size:
        return None
    magic, size, kind, _, features, labels, attributes = _HEADER.unpack_from(file.head)
    if magic != MAGIC or kind != KIND or size != file.size:
        return None
    details = {"labels_count": labels, "attributes_count": attributes, "features_count": features or None}
    return Inspection("crfsuite", framework="crfsuite", details={**details, "uncounted": "its features are not read"})

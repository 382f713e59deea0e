"""SentencePiece: a vocabulary with scores, and how it was trained: a protocol buffer."""

from __future__ import annotations

import re

from ..binary.limits import Stopped
from ..binary.model_files import FIELDS, File
from ..binary.protobuf import Field, Messages
from ..inspection import Inspection

_MODELS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
_SHOWN = 3
#: How a vocabulary begins: with a piece, and that with its text.
_PIECE = re.compile(rb"\n[\x80-\xff]?[\x00-\x7f]\n", re.DOTALL)


def read(file: File) -> Inspection | None:
    """The kind of the model, and how many pieces it has."""
    if not _PIECE.match(file.head):
        return None
    wire, pieces, kind, trained, normalized = Messages(file, FIELDS), 0, 1, False, False
    try:
        for field in wire.fields(wire.message()):
            if field.number == 1:
                pieces += 1
                if pieces <= _SHOWN and not _is_piece(wire, field):
                    return None
            elif field.number == 2:
                trained = True
                kind = next((part.value for part in wire.fields(field) if part.number == 3), 1)
            elif field.number == 3:
                normalized = True
            elif field.number > 5:
                return None
    except Stopped:
        return None
    if not (pieces and trained and normalized and kind in _MODELS):
        return None
    return Inspection(
        "sentencepiece", framework="sentencepiece", class_name=_MODELS[kind], details={"vocabulary": pieces}
    )


def _is_piece(wire: Messages, message: Field) -> bool:
    """A text, a score, and what kind of a piece it is."""
    parts = {field.number: field for field in wire.fields(message)}
    return (
        {1, 2} <= parts.keys() <= {1, 2, 3} and parts[2].size == 4 and (3 not in parts or parts[3].value in range(1, 7))
    )

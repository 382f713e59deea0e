"""Models of text: fastText, vocabularies of SentencePiece, pipelines of spaCy, translation models of CTranslate2."""

from __future__ import annotations

import re
import struct
from collections import Counter
from math import prod
from typing import Any

from ..binary.limits import Limit, Stopped
from ..binary.model_files import DOCUMENT, FIELDS, ModelFile, ModelFolder
from ..binary.protobuf import Messages, WireField
from ..binary.sources import Cursor
from ..inspection import Inspection, parameter_counts
from . import FASTTEXT

#: How each matrix begins: whether it is quantised, and its two sizes.
_MATRIX = struct.Struct("<B2q")
_FASTTEXT_MODELS = {1: "cbow", 2: "skipgram", 3: "supervised"}
_LOSSES = {1: "hierarchical softmax", 2: "negative sampling", 3: "softmax", 4: "one-vs-all"}


def read_fasttext(file: ModelFile) -> Inspection | None:
    """The arguments of the training, and the sizes of the dictionary; the matrices follow from them."""
    if not file.head.startswith(FASTTEXT):
        return None
    cursor = Cursor(file, len(FASTTEXT[0]))
    dim, _, epochs, _, _, word_ngrams, loss, model, bucket, shortest, longest, _, _ = cursor.unpack("12id")
    size, words, labels, tokens, pruned = cursor.unpack("3i2q")
    known = model in _FASTTEXT_MODELS and loss in _LOSSES
    if not known or dim < 1 or min(bucket, words, labels) < 0 or words + labels != size:
        raise Stopped("its arguments are broken")
    matrices = (words + bucket, labels if model == 3 else words)
    uncounted = "" if pruned < 0 and _is_dense(file, matrices, dim) else "its matrices are quantised"
    return Inspection(
        "fasttext",
        framework="fasttext",
        class_name=_FASTTEXT_MODELS[model],
        **parameter_counts({"float32": sum(matrices) * dim}, uncounted),
        details={
            "dimension": dim,
            "words": words,
            "labels_count": labels,
            "tokens": tokens,
            "loss": _LOSSES[loss],
            "epochs": epochs,
            "word_ngrams": word_ngrams,
            "character_ngrams": [shortest, longest],
            "buckets": bucket,
            "uncounted": uncounted,
        },
    )


def _is_dense(file: ModelFile, matrices: tuple[int, int], dim: int) -> bool:
    """Whether the file ends with both matrices as they are: each a flag, its two sizes, and its numbers."""
    at = file.size
    for rows in reversed(matrices):
        at -= 4 * rows * dim + _MATRIX.size
        if at < 0 or _MATRIX.unpack(file.read(at, _MATRIX.size)) != (0, rows, dim):
            return False
    return True


_SENTENCEPIECE_MODELS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
_CHECKED_PIECES = 3
#: How a vocabulary begins: with a piece, and that with its text.
_PIECE = re.compile(rb"\n[\x80-\xff]?[\x00-\x7f]\n", re.DOTALL)


def read_sentencepiece(file: ModelFile) -> Inspection | None:
    """The kind of the model, and how many pieces it has."""
    if not _PIECE.match(file.head):
        return None
    wire, seen, kind = Messages(file, FIELDS), Counter[int](), 1
    try:
        for field in wire.fields(wire.message()):
            seen[field.number] += 1
            if field.number > 5 or (field.number == 1 and seen[1] <= _CHECKED_PIECES and not _is_piece(wire, field)):
                return None
            if field.number == 2:
                parts = wire.last(field)
                kind = parts[3].value if 3 in parts else 1
    except Stopped:
        return None
    if not {1, 2, 3} <= seen.keys() or kind not in _SENTENCEPIECE_MODELS:
        return None
    return Inspection(
        "sentencepiece",
        framework="sentencepiece",
        class_name=_SENTENCEPIECE_MODELS[kind],
        details={"vocabulary": seen[1]},
    )


def _is_piece(wire: Messages, message: WireField) -> bool:
    """A text, a score, and what kind of a piece it is."""
    parts = wire.last(message)
    kind_is_known = 3 not in parts or parts[3].value in range(1, 7)
    return {1, 2} <= parts.keys() <= {1, 2, 3} and parts[2].size == 4 and kind_is_known


_VECTOR_KEYS = ("width", "vectors", "keys")
_LOWEST = re.compile(r">=\s*([0-9][\w.]*)")


def read_spacy(folder: ModelFolder) -> Inspection | None:
    """Name, language, components and labels; the version is the lowest that the pipeline requires: that of its maker."""
    meta = folder.json_object("meta.json", DOCUMENT)
    if not {"spacy_version", "lang"} <= meta.keys() or "config.cfg" not in folder.files:
        return None
    wanted = str(meta["spacy_version"])
    lowest = _LOWEST.search(wanted)
    vectors, labels = meta.get("vectors"), meta.get("labels")
    return Inspection(
        "spacy",
        framework="spacy",
        framework_version=lowest[1] if lowest else "",
        class_name=f"{meta['lang']}_{meta.get('name', '')}".strip("_"),
        details={
            "requires": wanted,
            "model_version": meta.get("version"),
            "description": meta.get("description"),
            "license": meta.get("license"),
            "components": meta.get("components") or meta.get("pipeline"),
            "vectors": {key: vectors.get(key) for key in _VECTOR_KEYS} if isinstance(vectors, dict) else None,
            "labels": {key: value for key, value in labels.items() if value} if isinstance(labels, dict) else None,
            "uncounted": "the weights of a pipeline of spaCy are not counted",
        },
    )


MAX_VERSION, MAX_VARIABLES = 6, 100_000

#: Types, and how many bytes a number has.
_CTRANSLATE2_TYPES = (("float32", 4), ("int8", 1), ("int16", 2), ("int32", 4), ("float16", 2), ("bfloat16", 2))
#: The type that a number of so many bytes has in layouts before version 4.
_CTRANSLATE2_OLD_TYPES = {4: 0, 1: 1, 2: 2}
_SPECIFICATION = re.compile(rb"[A-Za-z][A-Za-z0-9]{1,60}Spec\0")
_SCALES = ("_scale", "_zero")


def read_ctranslate2(thing: ModelFile | ModelFolder) -> Inspection | None:
    """The kind of the model, and its variables counted; of a folder its configuration and vocabularies, too."""
    if isinstance(thing, ModelFile):
        return _describe_ctranslate2(thing, {})
    with thing.opened("model.bin") as file:
        files = [name for name in thing.files if "/" not in name and "vocabulary" in name]
        config = thing.json_object("config.json")
        kept: dict[str, Any] = {key: config[key] for key in ("unk_token", "model_type") if key in config}
        return _describe_ctranslate2(file, {**kept, "vocabularies": sorted(files)})


def _describe_ctranslate2(file: ModelFile, details: dict[str, Any]) -> Inspection | None:
    version, length = struct.unpack_from("<LH", file.head.ljust(6, b"\0"))
    name = file.head[6 : 6 + length]
    if not 2 <= version <= 16 or not _SPECIFICATION.fullmatch(name):
        return None
    details = {"layout": version, **details}
    dtypes: Counter[str] = Counter()
    try:
        if version > MAX_VERSION:
            raise Limit(f"version {version} of its layout is not read")
        cursor = Cursor(file, 6 + length)
        details["revision"] = cursor.number("L")
        details["variables"] = _count_variables(cursor, version, dtypes)
    except Stopped as error:
        details["uncounted"] = str(error)
    return Inspection(
        "ctranslate2",
        framework="ctranslate2",
        class_name=name.rstrip(b"\0").decode(),
        **parameter_counts(dtypes, details.get("uncounted")),
        details=details,
    )


def _count_variables(cursor: Cursor, version: int, dtypes: Counter[str]) -> int:
    """Go over all variables, each a name, a shape, a type, and as many bytes as it says."""
    count: int = cursor.number("L")
    if count > MAX_VARIABLES:
        raise Limit(f"it has {count:,} variables")
    for _ in range(count):
        name = cursor.text(cursor.number("H")).rstrip("\0")
        shape = cursor.unpack(f"{cursor.number('B')}L")
        kind, size = cursor.unpack("BL")
        if version < 4:
            kind, size = _CTRANSLATE2_OLD_TYPES.get(kind, len(_CTRANSLATE2_TYPES)), kind * size
        numbers = prod(shape)
        if (
            kind >= len(_CTRANSLATE2_TYPES)
            or numbers * _CTRANSLATE2_TYPES[kind][1] != size
            or cursor.at + size > cursor.size
        ):
            raise Stopped("it is cut short, or a variable of it is broken")
        cursor.skip(size)
        if shape and not name.endswith(_SCALES):
            dtypes[_CTRANSLATE2_TYPES[kind][0]] += numbers
    return count

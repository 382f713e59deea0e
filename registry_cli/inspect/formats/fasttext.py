"""fastText: ``.bin``, and ``.ftz`` when quantised. All that is told stands in the first hundred bytes."""

from __future__ import annotations

import struct

from ..binary.limits import Stopped
from ..binary.model_files import File
from ..inspection import Inspection

_START = struct.Struct("<ii")
MAGIC, VERSIONS = 793712314, (11, 12)

_ARGUMENTS = struct.Struct("<12id")
_DICTIONARY = struct.Struct("<3i2q")
_MATRIX = struct.Struct("<B2q")
_MODELS = {1: "cbow", 2: "skipgram", 3: "supervised"}
_LOSSES = {1: "hierarchical softmax", 2: "negative sampling", 3: "softmax", 4: "one-vs-all"}


def read(file: File) -> Inspection | None:
    """The arguments of the training, and the sizes of the dictionary; the matrices follow from them."""
    if len(file.head) < _START.size or _START.unpack_from(file.head) not in {(MAGIC, each) for each in VERSIONS}:
        return None
    arguments = _ARGUMENTS.unpack(file.read(_START.size, _ARGUMENTS.size))
    dim, _, epochs, _, _, word_ngrams, loss, model, bucket, shortest, longest, _, _ = arguments
    at = _START.size + _ARGUMENTS.size
    size, words, labels, tokens, pruned = _DICTIONARY.unpack(file.read(at, _DICTIONARY.size))
    if (
        dim < 1
        or model not in _MODELS
        or loss not in _LOSSES
        or min(bucket, words, labels) < 0
        or words + labels != size
    ):
        raise Stopped("its arguments are broken")
    matrices = (words + bucket, labels if model == 3 else words)
    numbers = sum(matrices) * dim
    uncounted = "" if pruned < 0 and _is_dense(file, matrices, dim) else "its matrices are quantised"
    return Inspection(
        "fasttext",
        framework="fasttext",
        class_name=_MODELS[model],
        parameters=None if uncounted else numbers,
        dtypes={} if uncounted else {"float32": numbers},
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


def _is_dense(file: File, matrices: tuple[int, int], dim: int) -> bool:
    """Whether the file ends with both matrices as they are: each a flag, its two sizes, and its numbers."""
    at = file.size
    for rows in reversed(matrices):
        at -= 4 * rows * dim + _MATRIX.size
        if at < 0 or _MATRIX.unpack(file.read(at, _MATRIX.size)) != (0, rows, dim):
            return False
    return True

"""NVIDIA NeMo: ``.nemo``, a tar archive, packed or not, of a configuration and weights. Only the configuration is read."""

from __future__ import annotations

from itertools import islice
from typing import Any

from ...core.yaml import documents
from ...errors import InvalidInput
from ..binary.decompression import DecompressedStream
from ..binary.limits import Budget, Stopped
from ..binary.model_files import ModelFile
from ..binary.sources import SequentialReader
from ..binary.tar_archive import Tar
from ..inspection import Inspection

NAME, SUFFIX = "model_config.yaml", ".nemo"
MAX_MEMBERS, MAX_CONFIG, MAX_UNPACKED = 1_000, 1 << 20, 64 << 20

_GZIP = b"\x1f\x8b"


def read(file: ModelFile) -> Inspection | None:
    """The class that the configuration names, and the version of NeMo."""
    packed = file.head.startswith(_GZIP)
    if not (file.name.lower().endswith(SUFFIX) if packed else file.head[257:262] == b"ustar"):
        return None
    config = _config(file, packed)
    if not str(config.get("target", "")).startswith("nemo."):
        return None
    return Inspection(
        "nemo",
        framework="nemo",
        framework_version=str(config.get("nemo_version") or ""),
        class_name=str(config["target"]),
        details={"uncounted": "weights in an archive of NeMo are not counted"},
    )


def _config(file: ModelFile, packed: bool) -> dict[str, Any]:
    """The configuration, empty if there is none."""
    for member in islice(Tar(_Unpacked(file) if packed else file).members(), MAX_MEMBERS):
        if member.name.rpartition("/")[2] == NAME and member.data.size <= MAX_CONFIG:
            try:
                found = documents.loads(member.data.at(0, MAX_CONFIG), NAME, limit=MAX_CONFIG)
            except InvalidInput as error:
                raise Stopped("its configuration can't be read") from error
            return found if isinstance(found, dict) else {}
    return {}


class _Unpacked:
    """The content of a compressed file, as a byte source that is read from front to end. Only what was read last can be
    read again.
    """

    size = MAX_UNPACKED

    def __init__(self, file: ModelFile) -> None:
        self._stream = DecompressedStream(SequentialReader(file), "gzip", Budget(unpacked=MAX_UNPACKED))
        self._start, self._data = 0, b""

    def at(self, offset: int, length: int) -> bytes:
        if offset != self._start or length > len(self._data):
            self._stream.skip(offset - self._start - len(self._data))
            data = b""
            while len(data) < length and (piece := self._stream.read(length - len(data))):
                data += piece
            self._start, self._data = offset, data
        return self._data[:length]

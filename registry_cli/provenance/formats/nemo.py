"""NVIDIA NeMo: ``.nemo``, a tar archive, packed or not, of a configuration and weights. Only the configuration is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import InvalidInput
from ...inspect.binary.decompression import Unpacked
from ...inspect.binary.limits import Budget, Stopped, Stream
from ..inspection import Inspection
from .files import File

NAME, SUFFIX = "model_config.yaml", ".nemo"
#: The most members that are gone past, the largest configuration in bytes, and the most that is unpacked to find it.
MEMBERS, CONFIG, UNPACKED = 1_000, 1 << 20, 64 << 20

_BLOCK = 512
_GZIP = b"\x1f\x8b"


def read(file: File) -> Inspection | None:
    """The class that the configuration names, and the version of NeMo."""
    packed = file.head.startswith(_GZIP)
    if not packed and file.head[257:262] != b"ustar":
        return None
    if packed and not file.name.lower().endswith(SUFFIX):
        return None
    config = _config(file, packed)
    if config is None or not str(config.get("target", "")).startswith("nemo."):
        return None
    return Inspection(
        "nemo",
        framework="nemo",
        framework_version=str(config.get("nemo_version") or ""),
        class_name=str(config["target"]),
        details={"uncounted": "weights in an archive of NeMo are not counted"},
    )


def _config(file: File, packed: bool) -> dict[str, Any] | None:
    """The configuration, None where there is none that can be read."""
    from ...store import documents

    for name, size, take in _members(_opened(file, packed)):
        if name.rpartition("/")[2] == NAME and size <= CONFIG:
            try:
                found = documents.loads(take(), NAME, limit=CONFIG)
            except InvalidInput as error:
                raise Stopped("its configuration can't be read") from error
            return found if isinstance(found, dict) else None
    return None


def _opened(file: File, packed: bool) -> Stream:
    from .pickled import InPieces

    stream = InPieces(file.read, file.size)
    return Unpacked(stream, "gzip", Budget(unpacked=UNPACKED)) if packed else stream


def _members(stream: Stream) -> Iterator[tuple[str, int, Any]]:
    """Name and size of each member, and what takes its bytes."""
    for _ in range(MEMBERS):
        header = _take(stream, _BLOCK)
        if not any(header):
            return
        size = (
            int(header[124:136].strip(b" \0") or b"0", 8)
            if header[124] < 0x80
            else int.from_bytes(header[125:136], "big")
        )
        left = -(-size // _BLOCK) * _BLOCK
        taken = 0

        def take(size: int = size) -> bytes:
            nonlocal taken
            taken = size
            return _take(stream, size)

        yield header[:100].split(b"\0")[0].decode("utf-8", "replace"), size, take
        if stream.skip(left - taken) < left - taken:
            raise Stopped("it is cut short")


def _take(stream: Stream, length: int) -> bytes:
    data = b""
    try:
        while len(data) < length:
            piece = stream.read(length - len(data))
            if not piece:
                raise Stopped("it is cut short")
            data += piece
    except Stopped as error:
        raise Stopped(str(error)) from error
    return data

"""HDF5: data, in which Keras keeps the configuration of a model as JSON, and which may refer to other files.

Objects lie anywhere in the file, in several layouts. So references to other files are found by how they are stored, and
then verified: a link by its two names, a list of files and a virtual dataset by the heap that they point to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from ..inspect.binary.hdf5 import read_superblock
from ..inspect.binary.limits import Stopped
from ..inspect.binary.sources import ByteSlice, ByteSource, read_exactly
from . import configurations
from .verdicts import DANGEROUS, UNKNOWN, ScanContext, leaves_folder

_BLOCK = 1 << 20
_OVERLAP = 4096
_LONGEST = 32 << 20
#: A user-defined link of type 64, to another file. Its own name and its target follow.
_LINK = re.compile(rb"\x01[\x08-\x0b\x0c-\x0f\x18-\x1f]\x40")
#: Lists of files and virtual datasets, as the headers of objects have them: the place of a heap follows.
_HEAPS = (
    (re.compile(rb"\x07\x00..[\x00-\x3f]\x00\x00\x00\x01\x00\x00\x00....", re.DOTALL), b"HEAP", "other files"),
    (re.compile(rb"\x07..[\x00-\x3f]\x01\x00\x00\x00....", re.DOTALL), b"HEAP", "other files"),
    (re.compile(rb"\x07..[\x00-\x3f]..\x01\x00\x00\x00....", re.DOTALL), b"HEAP", "other files"),
    (re.compile(rb"\x04\x03"), b"GCOL", "arrays in other files"),
    (re.compile(rb"\x05\x03"), b"GCOL", "arrays in other files"),
)
_CONFIG = re.compile(rb"class_name|\\u00[4-7][0-9a-fA-F]")
_PYTABLES = b"PYTABLES_FORMAT_VERSION"
_NAME = re.compile(rb"[\x20-\x7e\x80-\xff]{1,1024}")
_MATLAB = b"MATLAB 7.3 MAT-file"
#: Maps bytes that are in no text to NUL.
_CONTROLS = bytes(0 if byte < 32 and byte not in b"\t\n\r" else 1 for byte in range(256))


def scan_hdf5(ctx: ScanContext, body: ByteSource, at: int) -> None:
    """Scan the file that begins at ``at``."""
    if at and not body.at(0, 32).startswith(_MATLAB):
        ctx.add_finding(DANGEROUS, f"readers differ: it is HDF5 behind a block of {at:,} bytes")
    inside = ByteSlice(body, at, body.size - at)
    scan_embedded_configurations(ctx, inside)
    for window in _windows(ctx, inside):
        _check_links(ctx, inside, window)
        if _PYTABLES in window:
            ctx.add_finding(UNKNOWN, "PyTables wrote it, which keeps pickles among its attributes")
    _check_end(ctx, inside)


def _check_end(ctx: ScanContext, body: ByteSource) -> None:
    """The superblock says where the file ends."""
    try:
        end, _ = read_superblock(partial(read_exactly, body))
    except Stopped:
        return
    rest = body.at(end, 1 << 20) if 48 <= end < body.size else b""
    if rest.strip(b"\0"):
        ctx.add_finding(DANGEROUS, "readers differ: something follows the end that it states")


def _check_links(ctx: ScanContext, body: ByteSource, window: bytes) -> None:
    for match in _LINK.finditer(window):
        flags = window[match.start() + 1]
        at = match.end() + (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
        width = 1 << (flags & 3)
        length = int.from_bytes(window[at : at + width], "little")
        if not 0 < length <= 1024:
            continue
        name = window[at + width : at + width + length]
        rest = window[at + width + length : at + width + length + _OVERLAP]
        target = rest[3 : 2 + int.from_bytes(rest[:2], "little")]
        parts = target.rstrip(b"\0").split(b"\0")
        if _NAME.fullmatch(name) and rest[2:3] == b"\0" and len(parts) == 2 and all(map(_NAME.fullmatch, parts)):
            path = parts[0].decode("utf-8", "replace")
            ctx.add_finding(DANGEROUS if leaves_folder(path, "(?s:.):") else UNKNOWN, f"a link to another file: {path}")
    for pattern, mark, what in _HEAPS:
        for match in pattern.finditer(window):
            heap = int.from_bytes(window[match.end() : match.end() + 8], "little")
            if 0 < heap < body.size and body.at(heap, 4) == mark:
                ctx.add_finding(UNKNOWN, f"an array is made of {what}")


def scan_embedded_configurations(ctx: ScanContext, body: ByteSource) -> None:
    """Scan the configurations of Keras that are anywhere in a file."""
    at, reached = 0, 0
    for window in _windows(ctx, body):
        found = b"class_name" in window or b"\\u00" in window
        for match in _CONFIG.finditer(window) if found else ():
            if at + match.start() >= reached:
                start, reached = _find_text(body, at + match.start())
                configurations.scan_embedded(ctx, body.at(start, reached - start))
        at += _BLOCK


def _find_text(body: ByteSource, at: int) -> tuple[int, int]:
    """Where the text around a place begins and ends."""
    start, end, step = at, at, 256
    while start and end - start < _LONGEST:
        data = body.at(max(0, start - step), min(step, start))
        cut = data.translate(_CONTROLS).rfind(b"\0") + 1
        start -= len(data) - cut
        if cut:
            break
        step = min(4 * step, 65_536)
    step = 256
    while end < body.size and end - start < _LONGEST:
        data = body.at(end, step)
        cut = data.translate(_CONTROLS).find(b"\0")
        end += cut if cut >= 0 else len(data)
        if cut >= 0:
            break
        step = min(4 * step, 65_536)
    if end - start >= _LONGEST:
        raise Stopped("a text in it is longer than is looked at", limit=True)
    return start, end


def _windows(ctx: ScanContext, body: ByteSource) -> Iterator[bytes]:
    """All of a body, in pieces that overlap."""
    for at in range(0, body.size, _BLOCK):
        ctx.spend_seeking(_BLOCK)
        yield body.at(at, _BLOCK + _OVERLAP)

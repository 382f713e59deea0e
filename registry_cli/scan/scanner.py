"""The scanner: every format that a loader could take a file for is tried, whatever its name, and the worst verdict counts.

No verdict proves that a file is safe: see ``docs/explanation/scanning.md``. A file that could not be read to its end is
never clean.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from .. import scan as readers
from ..core.progress import SILENT, Progress
from ..inspect.binary import tar_archive
from ..inspect.binary.decompression import CLOSED, DecompressedStream, compression_of, decompress, read_beginning
from ..inspect.binary.limits import Budget, Stopped, Stream
from ..inspect.binary.sources import HEAD, ByteSlice, ByteSource, FileSource, SequentialReader
from . import text_formats
from .pickle.opcode_reader import OPCODES
from .verdicts import DANGEROUS, NOTE, UNKNOWN_FORMAT, UNSCANNABLE, AllowedGlobals, FileScan, Scan, ScanContext

_ZIP_END, _ZIP_TAIL = b"PK\5\6", 22 + 65_535
#: How deep archives may be nested.
DEPTH = 5
_TAR_BLOCK = 512
_HDF5 = b"\x89HDF\r\n\x1a\n"
#: The compression of honest files is seldom better than this: what they unpack to is allowed beyond the budget.
_RATIO = 16
_PROGRAMS = (
    (b"\x7fELF", "an executable or shared library"), (b"MZ", "an executable or library of Windows"),
    (b"\xcf\xfa\xed\xfe", "an executable or library of macOS"), (b"\xca\xfe\xba\xbe", "compiled for Java or macOS"),
    (b"#!", "a script"),
)  # fmt: skip
_CODE = (".py", ".pyw", ".sh", ".ipynb", ".so", ".dll", ".dylib", ".exe", ".bat", ".ps1", ".js", ".jar", ".class")
#: The names that TensorFlow and ONNX give to numbers beside a model: they need no known format.
_NUMBERS = r"(^|/)(variables\.(index|data-\d+-of-\d+)|fingerprint\.pb)$|\.onnx[._]data$"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def scan(
    files: Mapping[str, Path], allow: Iterable[str] = (), budget: Budget | None = None, progress: Progress = SILENT
) -> Scan:
    """Scan the files of an artifact.

    Args:
        files: the files by their paths in the artifact.
        allow: further allowed globals: ``package.Class``, or ``package.*`` for all of a package that is not denied.
        budget: the limits for all files together.
        progress: advances by one for each file.

    Raises:
        OSError: a file can't be opened.
    """
    scanner = Scanner(AllowedGlobals(allow), budget or Budget())
    progress.expect(len(files))
    found = []
    for name in sorted(files):
        descriptor = os.open(files[name], _READ)
        try:
            found.append(scanner.file(name, FileSource(descriptor)))
        finally:
            os.close(descriptor)
        progress(1)
    return Scan(tuple(found))


class Scanner:
    """Scans one file after another, until the budget is spent."""

    def __init__(self, allowed: AllowedGlobals, budget: Budget) -> None:
        self.allowed, self.budget = allowed, budget

    def file(self, path: str, body: ByteSource) -> FileScan:
        """Scan one file. Raises nothing, whatever the bytes are; OSError when they can't be read."""
        ctx = ScanContext(FileScan(path), self.allowed, self.budget)
        self.budget.unpacked += _RATIO * body.size
        self.budget.seeking += _RATIO * body.size
        guard(ctx, lambda: scan_bytes(ctx, body, path))
        return ctx.scan


def guard(ctx: ScanContext, work: Callable[[], None]) -> None:
    """The one place that catches what bytes can cause: what can't be read is not clean."""
    try:
        work()
    except Stopped as error:
        ctx.scan.add_stop(error, ctx.where)
    except OSError:
        raise
    except Exception as error:
        ctx.add_finding(UNSCANNABLE, f"can't be read: {type(error).__name__}")


def scan_bytes(ctx: ScanContext, body: ByteSource, name: str, *, data: bool = False) -> None:
    """Scan ``body``. With ``data``, bytes of no known format are expected there."""
    if ctx.depth > DEPTH:
        raise Stopped("archives lie in it too deep", limit=True)
    head = body.at(0, HEAD)
    if not head:
        ctx.recognise("empty")
        return
    archive = _scan_archive(ctx, body, head)
    packed = _scan_compressed(ctx, body, head, name)
    called = "" if archive or packed else name  # a known format counts more than the name
    pickle = head[0] in OPCODES and readers.pickle_files.scan_pickle(ctx, partial(SequentialReader, body), head, called)
    array = head.startswith(b"\x93NUMPY")
    if array:
        readers.containers.scan_arrays(ctx, body)
    kinds = {"archive": archive, "compressed": packed, "pickle": pickle, "npy": array}
    kind = next((kind for kind, is_it in kinds.items() if is_it), "")
    ctx.scan.kind = ctx.scan.kind or kind
    if not kind or head[4:8] == b"TFL3":  # a model of TensorFlow Lite may have an archive behind it
        _scan_single(ctx, body, head, name, data)
    if name.lower().endswith(_CODE) or head.startswith(b"#!"):
        ctx.add_finding(NOTE, "it is code, which runs if it is executed or imported")


# archives and compressions


def _scan_archive(ctx: ScanContext, body: ByteSource, head: bytes) -> bool:
    for magic, what, loaded in CLOSED:
        if head.startswith(magic):
            ctx.scan.limited |= loaded
            ctx.add_finding(UNSCANNABLE, f"it is {what}, which cannot be scanned")
            return True
    found = False
    if head.startswith(b"PK") or _ZIP_END in body.at(max(0, body.size - _ZIP_TAIL), _ZIP_TAIL):
        found = readers.containers.scan_zip(ctx, body)
    if len(head) >= _TAR_BLOCK and tar_archive.is_tar(head):
        guard(ctx, lambda: readers.containers.scan_tar(ctx, body))
        found = True
    return found


def _scan_compressed(ctx: ScanContext, body: ByteSource, head: bytes, name: str) -> bool:
    if head.startswith(b"ZF0x"):  # what joblib wrote before 0.10: a length, then zlib
        start = 22 if head[21:22] == b" " else 21
        body, head = ByteSlice(body, start, body.size - start), head[start:]
    kind = compression_of(head)
    if not kind or (kind == "zlib" and int.from_bytes(head[:2], "big") % 31):
        return False
    opened = lambda: DecompressedStream(SequentialReader(body), kind, ctx.budget)  # noqa: E731
    if kind in ("zlib", "lzma") and not read_beginning(opened, 1):
        return False  # two or three bytes of chance
    ctx.recognise(kind)
    guard(ctx, lambda: scan_stream(ctx.at_depth(ctx.depth + 1), opened, name))
    return True


def scan_stream(ctx: ScanContext, opened: Callable[[], Stream], name: str, *, data: bool = False) -> None:
    """Scan a compressed file: a pickle as a stream, anything else unpacked."""
    head = read_beginning(opened, HEAD)
    streams: list[Stream] = []

    def watched() -> Stream:
        streams.append(opened())
        return streams[-1]

    if head[:1] == b"\x80" and readers.pickle_files.scan_pickle(ctx, watched, head, name):
        for ambiguity in {getattr(stream, "ambiguity", "") for stream in streams} - {""}:
            ctx.add_finding(DANGEROUS, ambiguity)
        if ctx.scan.kind in ("gzip", "zlib", "bz2", "xz", "lzma"):
            ctx.scan.kind += " of a pickle"
        return
    with contextlib.closing(decompress(opened)) as unpacked:
        scan_bytes(ctx, unpacked, name, data=data)


# single files


def _scan_single(ctx: ScanContext, body: ByteSource, head: bytes, name: str, data: bool) -> None:
    """Scan any other file: data of a known format, a graph, a text, or something unknown."""
    lower = name.lower()
    kind = _scan_data(ctx, body, head) or _scan_graph(ctx, body, head, lower)
    if not kind and (text := text_formats.decode_head(head)):
        kind = readers.configurations.scan_text(ctx, body, text, lower)
        if kind == "text" and head.startswith(b"tree\n"):
            kind = "lightgbm"
    if kind or data or re.search(_NUMBERS, lower):
        ctx.recognise(kind)
    else:
        program = next((what for magic, what in _PROGRAMS if head.startswith(magic)), "")
        ctx.add_finding(UNKNOWN_FORMAT, program or "its format is not known")


def _scan_data(ctx: ScanContext, body: ByteSource, head: bytes) -> str:
    """Scan a format that can be followed to its end; the bytes behind that are a file of their own."""
    if (at := _find_hdf5(body)) >= 0:
        readers.hdf5_files.scan_hdf5(ctx, body, at)
        return "hdf5"
    if head[4:8] == b"TFL3":
        operations = readers.data_formats.list_custom_operations(body)
        for operation in operations or ():
            readers.graphs.check_tflite_operation(ctx, operation)
        return "tflite" if operations is not None else ""
    found = readers.data_formats.detect_format(body, head)
    if found is None:
        return "sstable" if readers.data_formats.is_checkpoint_index(body) else ""
    if found.template:
        readers.configurations.check_template(ctx, found.template)
    rest = ByteSlice(body, found.end, body.size - found.end)
    if rest.size and not is_zeros(ctx, rest):
        ctx.add_finding(UNKNOWN_FORMAT, f"something follows the end of its format ({found.kind})")
        scan_bytes(ctx.at_depth(1), rest, "")
    return found.kind


def _scan_graph(ctx: ScanContext, body: ByteSource, head: bytes, name: str) -> str:
    """Scan a graph of TensorFlow or ONNX; empty for a file that only begins like one."""
    if name.endswith("keras_metadata.pb"):
        readers.hdf5_files.scan_embedded_configurations(ctx, body)
        return "keras_metadata"
    if head[:1] not in (b"\x08", b"\x0a", b"\x12") and not name.endswith((".onnx", ".mlmodel", ".pb", ".pbtxt")):
        return ""
    return readers.graphs.scan_graph(ctx, body, head, name)


def is_zeros(ctx: ScanContext, body: ByteSource) -> bool:
    """Whether all bytes are zeros."""
    for at in range(0, body.size, 1 << 20):
        data = body.at(at, 1 << 20)
        ctx.spend_seeking(len(data))
        if data.count(0) < len(data):
            return False
    return True


def _find_hdf5(body: ByteSource) -> int:
    """Where a file of HDF5 begins: at the start, or behind a block of the user's; -1 if it is none."""
    places = (0, *(512 << power for power in range(55)))
    return next((at for at in places if at < body.size and body.at(at, len(_HDF5)) == _HDF5), -1)

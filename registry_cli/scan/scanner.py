"""One file, whatever it is called: everything that some loader could take it for is tried, and the worst counts.

No verdict proves that a file is safe: see ``docs/explanation/scanning.md``. What could not be read to its end is never
called clean.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.progress import SILENT, Progress
from ..inspect.binary.decompression import CLOSED, DecompressedStream, compression_of, decompress, read_beginning
from ..inspect.binary.limits import Budget, Stopped, Stream
from ..inspect.binary.sources import HEAD, ByteSlice, ByteSource, FileSource, straight
from . import pickle_files, text_formats
from .verdicts import DANGEROUS, NOTE, SAFE, UNKNOWN, UNKNOWN_FORMAT, UNSCANNABLE, AllowedGlobals, FileScan, Scan

if TYPE_CHECKING:
    from ..inspect.binary import tar_archive
    from ..inspect.binary.zip_archive import Member

_ZIP_END, _ZIP_TAIL = b"PK\5\6", 22 + 65_535
#: How deep archives may lie in archives.
DEPTH = 5
_CHECKED = 64 << 20
_TAR_BLOCK = 512
_HDF5 = b"\x89HDF\r\n\x1a\n"
#: The longest target of a link in an archive: PATH_MAX of Linux.
_PATH = 4096
#: The compression of honest files is seldom better than this: what they unpack to is allowed beyond the budget.
_RATIO = 16
_PROGRAMS = (
    (b"\x7fELF", "an executable or shared library"), (b"MZ", "an executable or library of Windows"),
    (b"\xcf\xfa\xed\xfe", "an executable or library of macOS"), (b"\xca\xfe\xba\xbe", "compiled for Java or macOS"),
    (b"#!", "a script"),
)  # fmt: skip
_CODE = (".py", ".pyw", ".sh", ".ipynb", ".so", ".dll", ".dylib", ".exe", ".bat", ".ps1", ".js", ".jar", ".class")
#: Numbers beside a model, by the names that TensorFlow and ONNX give them; what is in them was tried as anything else.
_NUMBERS = r"(^|/)(variables\.(index|data-\d+-of-\d+)|fingerprint\.pb)$|\.onnx[._]data$"
_STORAGE = r"(^|/)(data|tensors)/[0-9]+$|(^|/)data/(weights|constants)/[a-z_]+[0-9]+$|(^|/)\.(data|format_version|storage_alignment)(/|$)|/(version|byteorder)$"


class Scanner:
    """Looks into files, one after another, until the budget is spent."""

    def __init__(self, allowed: AllowedGlobals, budget: Budget) -> None:
        self.allowed, self.budget = allowed, budget

    def file(self, path: str, body: ByteSource) -> FileScan:
        """What is in one file. It raises nothing, whatever the bytes are; OSError when they can't be had."""
        scan = FileScan(path)
        self.budget.unpacked += _RATIO * body.size
        self.budget.seeking += _RATIO * body.size
        self._guarded(scan, "", lambda: self.scan_bytes(scan, body, path, "", 0))
        return scan

    def _guarded(self, scan: FileScan, where: str, work: Callable[[], None]) -> None:
        """The one place that catches what bytes can do: what can't be read is not clean."""
        try:
            work()
        except Stopped as error:
            scan.add_stop(error, where)
        except OSError:
            raise
        except Exception as error:
            scan.add_finding(UNSCANNABLE, "", f"can't be read: {type(error).__name__}", where)

    def scan_bytes(
        self, scan: FileScan, body: ByteSource, name: str, where: str, depth: int, *, data: bool = False
    ) -> None:
        """Look into ``body``. ``data`` says that bytes of no known format are what is to be expected there."""
        if depth > DEPTH:
            raise Stopped("archives lie in it too deep", limit=True)
        head = body.at(0, HEAD)
        if not head:
            scan.verdicts.add(SAFE)
            scan.kind = scan.kind or "empty"
            return
        archive = self._archive(scan, body, head, where, depth)
        packed = self._compressed(scan, body, head, name, where, depth)
        called = "" if archive or packed else name  # what it is known to be counts more than what it is called
        pickle = pickle_files.scan_pickle(scan, lambda: straight(body), head, called, where, self.allowed, self.budget)
        array = self._array(scan, body, head, where)
        kinds = {"archive": archive, "compressed": packed, "pickle": pickle, "npy": array}
        kind = next((kind for kind, is_it in kinds.items() if is_it), "")
        scan.kind = scan.kind or kind
        if not kind or head[4:8] == b"TFL3":  # a model of TensorFlow Lite may have an archive behind it
            self._other(scan, body, head, name, where, data)
        self._remark(scan, head, name, where)

    # archives and compressions

    def _archive(self, scan: FileScan, body: ByteSource, head: bytes, where: str, depth: int) -> bool:
        for magic, what, loaded in CLOSED:
            if head.startswith(magic):
                scan.limited |= loaded
                scan.add_finding(UNSCANNABLE, "", f"it is {what}, which can't be looked into", where)
                return True
        found = False
        if head.startswith(b"PK") or _ZIP_END in body.at(max(0, body.size - _ZIP_TAIL), _ZIP_TAIL):
            from ..inspect.binary import zip_archive

            if zip_archive.is_zip(body):
                self._guarded(scan, where, lambda: self._zip(scan, body, where, depth))
                found = True
        if _is_tar(head):
            self._guarded(scan, where, lambda: self._tar(scan, body, where, depth))
            found = True
        return found

    def _zip(self, scan: FileScan, body: ByteSource, where: str, depth: int) -> None:
        from ..inspect.binary import zip_archive

        archive = zip_archive.read_archive(body)
        names = {member.name for member in archive.members}
        torch = any(name.endswith(("data.pkl", "archive_format")) for name in names)
        scan.kind = scan.kind or zip_archive.kind_of(names)
        scan.verdicts.add(SAFE)
        for what in archive.ambiguous:
            scan.add_finding(DANGEROUS, "", f"readers differ: {what}", where)
        for what in archive.unreadable:
            scan.add_finding(UNSCANNABLE, "", what, where)
        if archive.prefixed and body.at(4, 4) != b"TFL3":  # TensorFlow Lite keeps labels in an archive behind the model
            scan.add_finding(DANGEROUS, "", "readers differ: something lies before the archive", where)
        if torch and any("/code/" in f"/{name}" for name in names):
            scan.add_finding(NOTE, "", "it holds TorchScript code, which torch runs when the model is used", where)
        for member in archive.members:
            self._count()
            inside = f"{where}!{member.name}" if where else member.name
            self._guarded(scan, inside, partial(self._member, scan, member, inside, depth, torch))

    def _member(self, scan: FileScan, member: Member, where: str, depth: int, torch: bool) -> None:
        _refuse_path(scan, member.name, where)
        if member.name.endswith("/") and not member.data.size:
            return
        data = torch and bool(re.search(_STORAGE, member.name))
        from ..inspect.binary import zip_archive

        if stat.S_ISLNK(member.mode):
            _report_link(scan, read_beginning(lambda: member.opened(self.budget), _PATH + 1), where)
        elif stat.S_IFMT(member.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            scan.add_finding(UNSCANNABLE, "", "no regular file", where)
        if member.method == zip_archive.STORED:
            self.scan_bytes(scan, member.data, member.name, where, depth + 1, data=data)
        else:
            self._stream(scan, lambda: member.opened(self.budget), member.name, where, depth, data=data)
        if member.size <= _CHECKED and not data:
            self._seek(member.size)
            found = zip_archive.compute_checksum(member.opened(self.budget), _CHECKED)
            if found is not None and found != member.crc:
                scan.add_finding(UNSCANNABLE, "", "its checksum does not hold", where)
        if member.name == "schema.json":
            from . import configurations

            configurations.skops_schema(scan, _all(member.opened(self.budget)), where, self.allowed)

    def _tar(self, scan: FileScan, body: ByteSource, where: str, depth: int) -> None:
        from ..inspect.binary import tar_archive

        scan.kind = scan.kind or "tar"
        scan.verdicts.add(SAFE)
        archive = tar_archive.Tar(body)
        try:
            self._members_of_tar(scan, archive, where, depth)
        finally:
            for what in archive.ambiguous:
                scan.add_finding(DANGEROUS, "", f"readers differ: {what}", where)
        rest = ByteSlice(body, archive.end, body.size - archive.end)
        if self._zeros(rest):
            return
        scan.add_finding(DANGEROUS, "", "readers differ: something follows the end of the archive", where)
        self.scan_bytes(scan, rest, "", where, depth + 1)

    def _members_of_tar(self, scan: FileScan, archive: tar_archive.Tar, where: str, depth: int) -> None:
        from ..inspect.binary import zip_archive

        seen: set[str] = set()
        for member in archive.members():
            self._count()
            inside = f"{where}!{member.name}" if where else member.name
            _refuse_path(scan, member.name, inside)
            if (same := zip_archive.normalise_path(member.name)) in seen:
                scan.add_finding(DANGEROUS, "", "readers differ: two members have this path", inside)
            seen.add(same)
            if member.link:
                _report_link(scan, member.link.encode(), inside)
            elif member.special:
                scan.add_finding(UNSCANNABLE, "", "no regular file", inside)
            else:
                self._guarded(scan, inside, partial(self.scan_bytes, scan, member.data, member.name, inside, depth + 1))

    def _zeros(self, body: ByteSource) -> bool:
        """Whether there are only zeros, to the end."""
        at = 0
        while at < body.size:
            data = body.at(at, 1 << 20)
            self._seek(len(data))
            if data.count(0) < len(data):
                return False
            at += len(data)
        return True

    def _seek(self, length: int) -> None:
        """Bytes that are read through in search of something."""
        self.budget.seeking -= length
        if self.budget.seeking < 0:
            raise Stopped("it is longer than is looked at", limit=True)

    def _compressed(self, scan: FileScan, body: ByteSource, head: bytes, name: str, where: str, depth: int) -> bool:
        if head.startswith(b"ZF0x"):  # what joblib wrote before 0.10: a length, then zlib
            start = 22 if head[21:22] == b" " else 21
            body, head = ByteSlice(body, start, body.size - start), head[start:]
        kind = compression_of(head)
        if not kind or (kind == "zlib" and int.from_bytes(head[:2], "big") % 31):
            return False
        opened = lambda: DecompressedStream(straight(body), kind, self.budget)  # noqa: E731
        if kind in ("zlib", "lzma") and not read_beginning(opened, 1):
            return False  # two or three bytes of chance
        scan.kind = scan.kind or kind
        scan.verdicts.add(SAFE)
        self._guarded(scan, where, lambda: self._stream(scan, opened, name, where, depth))
        return True

    def _stream(
        self, scan: FileScan, opened: Callable[[], Stream], name: str, where: str, depth: int, *, data: bool = False
    ) -> None:
        """Look into what comes out of a compression: a pickle as it comes, anything else unpacked."""
        head = read_beginning(opened, HEAD)
        streams: list[Stream] = []

        def watched() -> Stream:
            streams.append(opened())
            return streams[-1]

        if head[:1] == b"\x80" and pickle_files.scan_pickle(
            scan, watched, head, name, where, self.allowed, self.budget
        ):
            for ambiguity in {getattr(stream, "ambiguity", "") for stream in streams} - {""}:
                scan.add_finding(DANGEROUS, "", ambiguity, where)
            scan.kind = f"{scan.kind} of a pickle" if scan.kind in ("gzip", "zlib", "bz2", "xz", "lzma") else scan.kind
            return
        with contextlib.closing(decompress(opened)) as unpacked:
            self.scan_bytes(scan, unpacked, name, where, depth + 1, data=data)

    def _count(self) -> None:
        self.budget.members -= 1
        if self.budget.members < 0:
            raise Stopped("its archives have more members than are looked at", limit=True)

    # single files

    def _array(self, scan: FileScan, body: ByteSource, head: bytes, where: str) -> bool:
        """Arrays of numpy, one behind the other: one of objects is a pickle behind a header."""
        if not head.startswith(b"\x93NUMPY"):
            return False
        from ..inspect.binary import npy_array

        scan.verdicts.add(SAFE)
        scan.kind = scan.kind or "npy"
        at = 0
        while at < body.size:
            self._count()
            array = npy_array.read_header(body, at)
            end = body.size if array.objects else array.start + array.size
            if end > body.size:
                raise Stopped("it is cut short")
            inside = ByteSlice(body, array.start, end - array.start)
            first = inside.at(0, HEAD)
            opened = partial(straight, inside)
            if array.objects:
                if not pickle_files.scan_pickle(scan, opened, first, "", where, self.allowed, self.budget, lone=True):
                    raise Stopped("the objects of its array can't be read")
            elif first[:1] == b"\x80":  # numbers may begin so by chance: only what is a pickle counts
                pickle_files.scan_pickle(scan, opened, b"(" + first[1:], "", where, self.allowed, self.budget)
            at = end
            if at < body.size and body.at(at, 6) != npy_array.MAGIC:
                scan.add_finding(DANGEROUS, "", "something follows its array", where)
                self.scan_bytes(scan, ByteSlice(body, at, body.size - at), "", where, 1)
                break
        return True

    def _other(self, scan: FileScan, body: ByteSource, head: bytes, name: str, where: str, data: bool) -> None:
        """No pickle and no archive: data of a known format, a text, or something that is not known."""
        lower = name.lower()
        kind = self._data(scan, body, head, where) or self._graph(scan, body, head, lower, where)
        if not kind and (text := text_formats.decoded(head)):
            from . import configurations

            kind = configurations.scan_text(scan, body, text, lower, where, self.allowed, self.budget)
            if kind == "text" and head.startswith(b"tree\n"):
                kind = "lightgbm"
        if kind or data or re.search(_NUMBERS, lower):
            scan.verdicts.add(SAFE)
            scan.kind = scan.kind or kind
        else:
            program = next((what for magic, what in _PROGRAMS if head.startswith(magic)), "")
            scan.add_finding(UNKNOWN_FORMAT, "", program or "its format is not known", where)

    def _data(self, scan: FileScan, body: ByteSource, head: bytes, where: str) -> str:
        """Formats that are known by their structure, to its end; what lies behind that is a file of its own."""
        if (at := _find_hdf5(body)) >= 0:
            from . import hdf5_files

            hdf5_files.check(scan, body, at, where, self.allowed, self.budget)
            return "hdf5"
        from . import data_formats

        if head[4:8] == b"TFL3":
            operations = data_formats.custom_operations(body)
            for operation in operations or ():
                self._custom(scan, operation, where)
            return "tflite" if operations is not None else ""
        found = data_formats.detect_format(body, head)
        if found is None:
            return "sstable" if data_formats.is_index(body) else ""
        if found.template:
            from . import jinja_templates

            jinja_templates.check(scan, found.template, where)
        rest = ByteSlice(body, found.end, body.size - found.end)
        if rest.size and not self._zeros(rest):
            scan.add_finding(UNKNOWN_FORMAT, "", f"something follows the end of its format ({found.kind})", where)
            self.scan_bytes(scan, rest, "", where, 1)
        return found.kind

    def _custom(self, scan: FileScan, operation: str, where: str) -> None:
        """An operation of TensorFlow Lite that is not its own: one of TensorFlow, or of some library."""
        from . import graphs

        plain = operation.removeprefix("Flex")
        if plain != operation:
            graphs.judge(scan, {plain}, set(), where)
        elif operation not in ("TFLite_Detection_PostProcess", "VarHandle", "ReadVariable", "AssignVariable"):
            scan.add_finding(UNKNOWN, f"tflite.{operation}", "an operation that needs a library of its own", where)

    def _graph(self, scan: FileScan, body: ByteSource, head: bytes, name: str, where: str) -> str:
        """Graphs of TensorFlow and ONNX; what only begins like one is none."""
        if name.endswith("keras_metadata.pb"):
            from . import hdf5_files

            hdf5_files.texts_in(scan, body, where, self.allowed, self.budget)
            return "keras_metadata"
        if head[:1] not in (b"\x08", b"\x0a", b"\x12") and not name.endswith((".onnx", ".mlmodel", ".pb", ".pbtxt")):
            return ""
        from . import graphs

        return graphs.scan_graph(scan, body, head, name, where)

    def _remark(self, scan: FileScan, head: bytes, name: str, where: str) -> None:
        if name.lower().endswith(_CODE) or head.startswith(b"#!"):
            scan.add_finding(NOTE, "", "it is code, which runs if somebody runs or imports it", where)


def _refuse_path(scan: FileScan, name: str, where: str) -> None:
    if _leaves_folder(name):
        scan.add_finding(DANGEROUS, "", "its path leaves the folder that it is unpacked in", where)


def _report_link(scan: FileScan, target: bytes, where: str) -> None:
    """A link in an archive. One that leads out of the folder, or is longer than any path, is dangerous."""
    path = target[:_PATH].decode("utf-8", "replace")
    outside = len(target) > _PATH or _leaves_folder(path)
    scan.add_finding(DANGEROUS if outside else NOTE, "", f"a link to {path}", where)


def _leaves_folder(path: str) -> bool:
    """Whether a path in an archive is absolute or has ``..`` in it, as Unix or as Windows reads it."""
    return (
        path.startswith(("/", "\\"))
        or ".." in re.split(r"[/\\]", path)
        or re.match(r"[A-Za-z]:[/\\]", path) is not None
    )


def _all(stream: Stream) -> bytes:
    data = b""
    while piece := stream.read(1 << 20):
        data += piece
        if len(data) > _CHECKED:
            raise Stopped(f"it has more than {_CHECKED:,} bytes", limit=True)
    return data


def _is_tar(head: bytes) -> bool:
    """Whether a file begins as an archive of tar does."""
    if len(head) < _TAR_BLOCK:
        return False
    from ..inspect.binary import tar_archive

    return tar_archive.is_tar(head)


_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def scan(
    files: Mapping[str, Path], allow: Iterable[str] = (), budget: Budget | None = None, progress: Progress = SILENT
) -> Scan:
    """Look into the ``files`` of an artifact, by their paths in it.

    ``allow`` are globals that are known besides: ``package.Class``, or ``package.*`` for all of a package but what is
    denied. ``budget`` is what may be spent on all of them together; ``progress`` is told of files. Raises OSError when
    one can't be opened.
    """
    scanner = Scanner(AllowedGlobals(allow), budget or Budget())
    progress.expect(len(files))
    found = []
    for name in sorted(files):
        found.append(_scan_file(scanner, name, files[name]))
        progress(1)
    return Scan(tuple(found))


def _scan_file(scanner: Scanner, name: str, path: Path) -> FileScan:
    descriptor = os.open(path, _READ)
    try:
        return scanner.file(name, FileSource(descriptor))
    finally:
        os.close(descriptor)


def _find_hdf5(body: ByteSource) -> int:
    """Where a file of HDF5 begins in it: at the start, or behind a block of the user's; -1 when it is none."""
    at = 0
    while at < body.size:
        if body.at(at, len(_HDF5)) == _HDF5:
            return at
        at = at * 2 or 512
    return -1

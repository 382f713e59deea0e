"""One file, whatever it is called: everything that some loader could take it for is tried, and the worst counts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..pickles.allowed import Allowed
from ..pickles.reader import Budget, Stopped, Stream
from . import pickled
from .bodies import HEAD, Body, InMemory, Piece, straight
from .unpacking import CLOSED, Unpacked, kind_of, spooled, starts
from .verdicts import DANGEROUS, NOTE, SAFE, UNKNOWN_FORMAT, UNSCANNABLE, FileScan

if TYPE_CHECKING:
    from .zips import Member

_ZIP_END, _ZIP_TAIL = b"PK\5\6", 22 + 65_535
#: How deep archives may lie in archives.
DEPTH = 5
_CHECKED = 64 << 20
_SMALL = 32 << 20
#: Beginnings of what is read at any place, not from its beginning to its end.
_NEEDS_PLACES = (b"PK", b"\x93NUMPY", b"\x89HDF", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z", b"Rar!", b"\x28\xb5\x2f\xfd")
_LONGEST_HEADER = 1 << 20
_DESCR = rb"['\"]descr['\"]\s*:((?:.|\n)*?)['\"]fortran_order['\"]"
#: Data formats that can't carry code, by how they begin.
_DATA = (
    (b"GGUF", "gguf"), (b"CBM1", "catboost"), (b"PAR1", "parquet"), (b"ARROW1", "arrow"), (b"\x89PNG", "png"),
    (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "riff"), (b"tree\n", "lightgbm"), (b"{L\x00\x00", "ubjson"),
    (b"binf", "xgboost"), (b"%PDF", "pdf"), (b"SQLite format 3\0", "sqlite"), (b"lmgg", "ggml"), (b"fmgg", "ggml"),
)  # fmt: skip
_PROGRAMS = (
    (b"\x7fELF", "an executable or shared library"), (b"MZ", "an executable or library of Windows"),
    (b"\xcf\xfa\xed\xfe", "an executable or library of macOS"), (b"\xca\xfe\xba\xbe", "compiled for Java or macOS"),
    (b"#!", "a script"),
)  # fmt: skip
_CODE = (".py", ".pyw", ".sh", ".ipynb", ".so", ".dll", ".dylib", ".exe", ".bat", ".ps1", ".js", ".jar", ".class")
#: Numbers beside a model, by the names that TensorFlow and ONNX give them; what is in them was tried as anything else.
_NUMBERS = r"(^|/)(variables\.(index|data-\d+-of-\d+)|fingerprint\.pb)$|\.onnx[._]data$"
_STORAGE = r"(^|/)(data|tensors)/[0-9]+$|(^|/)\.(data|format_version|storage_alignment)(/|$)|/(version|byteorder)$"


class Scanner:
    """Looks into files, one after another, until the budget is spent."""

    def __init__(self, allowed: Allowed, budget: Budget) -> None:
        self.allowed, self.budget = allowed, budget

    def file(self, path: str, body: Body) -> FileScan:
        """What is in one file. It raises nothing, whatever the bytes are; OSError when they can't be had."""
        scan = FileScan(path)
        self._guarded(scan, "", lambda: self.look(scan, body, path, "", 0))
        return scan

    def _guarded(self, scan: FileScan, where: str, work: Callable[[], None]) -> None:
        """The one place that catches what bytes can do: what can't be read is not clean."""
        try:
            work()
        except Stopped as error:
            scan.stopped(error, where)
        except OSError:
            raise
        except Exception as error:
            scan.found(UNSCANNABLE, "", f"can't be read: {type(error).__name__}", where)

    def look(self, scan: FileScan, body: Body, name: str, where: str, depth: int, *, data: bool = False) -> None:
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
        pickle = pickled.look(scan, lambda: straight(body), head, called, where, self.allowed, self.budget)
        array = self._array(scan, body, head, where)
        kinds = {"archive": archive, "compressed": packed, "pickle": pickle, "npy": array}
        kind = next((kind for kind, is_it in kinds.items() if is_it), "")
        scan.kind = scan.kind or kind
        if not kind:
            self._other(scan, body, head, name, where, data)
        self._remark(scan, head, name, where)

    # archives and compressions

    def _archive(self, scan: FileScan, body: Body, head: bytes, where: str, depth: int) -> bool:
        for magic, what in CLOSED:
            if head.startswith(magic):
                scan.found(UNSCANNABLE, "", f"it is {what}, which can't be looked into", where)
                return True
        found = False
        if head.startswith(b"PK") or _ZIP_END in body.at(max(0, body.size - _ZIP_TAIL), _ZIP_TAIL):
            from . import zips

            if zips.is_zip(body):
                self._guarded(scan, where, lambda: self._zip(scan, body, where, depth))
                found = True
        if _is_tar(head):
            self._guarded(scan, where, lambda: self._tar(scan, body, where, depth))
            found = True
        return found

    def _zip(self, scan: FileScan, body: Body, where: str, depth: int) -> None:
        from . import zips

        archive = zips.read(body)
        names = {member.name for member in archive.members}
        torch = any(name.endswith("data.pkl") for name in names)
        scan.kind = scan.kind or zips.kind_of(names)
        scan.verdicts.add(SAFE)
        for odd in archive.odd:
            scan.found(UNSCANNABLE, "", odd, where)
        if torch and any("/code/" in f"/{name}" for name in names):
            scan.found(NOTE, "", "it holds TorchScript code, which torch runs when the model is used", where)
        for member in archive.members:
            self._count()
            inside = f"{where}!{member.name}" if where else member.name
            self._guarded(scan, inside, lambda m=member, i=inside: self._member(scan, m, i, depth, torch))  # type: ignore[misc]

    def _member(self, scan: FileScan, member: Member, where: str, depth: int, torch: bool) -> None:
        _refuse_path(scan, member.name, where)
        if member.name.endswith("/") and not member.data.size:
            return
        data = torch and bool(re.search(_STORAGE, member.name))
        from . import zips

        if member.method == zips.STORED:
            self.look(scan, member.data, member.name, where, depth + 1, data=data)
        else:
            self._stream(scan, lambda: member.opened(self.budget), member.name, where, depth, data=data)
        if member.size <= _CHECKED and not data:
            found = zips.checksum(member.opened(self.budget), _CHECKED)
            if found is not None and found != member.crc:
                scan.found(UNSCANNABLE, "", "its checksum does not hold", where)
        if member.name == "schema.json":
            from . import contents

            contents.skops_schema(scan, _all(member.opened(self.budget)), where, self.allowed)

    def _tar(self, scan: FileScan, body: Body, where: str, depth: int) -> None:
        from . import tars

        scan.kind = scan.kind or "tar"
        scan.verdicts.add(SAFE)
        for member in tars.read(body):
            self._count()
            inside = f"{where}!{member.name}" if where else member.name
            _refuse_path(scan, member.name, inside)
            if member.link:
                outside = member.link.startswith("/") or ".." in member.link.split("/")
                scan.found(DANGEROUS if outside else NOTE, "", f"a link to {member.link}", inside)
            elif member.special:
                scan.found(UNSCANNABLE, "", "no regular file", inside)
            else:
                self._guarded(scan, inside, lambda m=member, i=inside: self.look(scan, m.data, m.name, i, depth + 1))  # type: ignore[misc]

    def _compressed(self, scan: FileScan, body: Body, head: bytes, name: str, where: str, depth: int) -> bool:
        if head.startswith(b"ZF0x"):  # what joblib wrote before 0.10: a length, then zlib
            start = 22 if head[21:22] == b" " else 21
            body, head = Piece(body, start, body.size - start), head[start:]
        kind = kind_of(head)
        if not kind or (kind == "zlib" and int.from_bytes(head[:2], "big") % 31):
            return False
        opened = lambda: Unpacked(straight(body), kind, self.budget)  # noqa: E731
        if kind in ("zlib", "lzma") and not starts(opened, 1):
            return False  # two or three bytes of chance
        scan.kind = scan.kind or kind
        scan.verdicts.add(SAFE)
        self._guarded(scan, where, lambda: self._stream(scan, opened, name, where, depth))
        return True

    def _stream(
        self, scan: FileScan, opened: Callable[[], Stream], name: str, where: str, depth: int, *, data: bool = False
    ) -> None:
        """Look into what comes out of a compression: a pickle as it comes, what is small or an archive unpacked."""
        head = starts(opened, HEAD)
        if head[:1] == b"\x80" and pickled.look(scan, opened, head, name, where, self.allowed, self.budget):
            scan.kind = f"{scan.kind} of a pickle" if scan.kind in ("gzip", "zlib", "bz2", "xz", "lzma") else scan.kind
            return
        small = spooled(opened, self.budget, most=_SMALL)
        if small is None and (_is_tar(head) or head.startswith(_NEEDS_PLACES)):
            small = spooled(opened, self.budget)
        if small is not None:
            with contextlib.closing(small):
                self.look(scan, small, name, where, depth + 1, data=data)
        elif not pickled.look(scan, opened, head, name, where, self.allowed, self.budget):
            self._other(scan, InMemory(head), head, name, where, data)

    def _count(self) -> None:
        self.budget.members -= 1
        if self.budget.members < 0:
            raise Stopped("its archives have more members than are looked at", limit=True)

    # single files

    def _array(self, scan: FileScan, body: Body, head: bytes, where: str) -> bool:
        """A file of numpy: an array of objects is a pickle behind a header."""
        if head[:6] != b"\x93NUMPY" or len(head) < 12:
            return False
        wide = head[6] > 1
        length = int.from_bytes(head[8 : 12 if wide else 10], "little")
        start = (12 if wide else 10) + length
        said = re.search(_DESCR, body.at(0, min(start, _LONGEST_HEADER)))
        if said is None or length > _LONGEST_HEADER:
            raise Stopped("the header of its array can't be read")
        scan.verdicts.add(SAFE)
        inside = Piece(body, start, body.size - start)
        first = inside.at(0, HEAD)
        if b"O" in said[1]:
            if not pickled.look(scan, lambda: straight(inside), first, "", where, self.allowed, self.budget, lone=True):
                raise Stopped("the objects of its array can't be read")
        elif first[:1] == b"\x80":  # numbers may begin so by chance: only what is a pickle counts
            pickled.look(scan, lambda: straight(inside), b"(" + first[1:], "", where, self.allowed, self.budget)
        return True

    def _other(self, scan: FileScan, body: Body, head: bytes, name: str, where: str, data: bool) -> None:
        """No pickle and no archive: data of a known format, a text, or something that is not known."""
        lower = name.lower()
        kind = next((kind for magic, kind in _DATA if head.startswith(magic)), "")
        if head.startswith(b"\x89HDF\r\n\x1a\n"):
            from . import contents

            kind = "hdf5"
            contents.hdf5(scan, body, where, self.budget)
        elif head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= body.size - 8:
            kind = "safetensors"
        elif head[4:8] == b"TFL3":
            kind = "tflite"
        elif lower.endswith("saved_model.pb"):
            from . import contents

            kind = "saved_model"
            contents.saved_model(scan, body, where, self.budget)
        elif lower.endswith(".onnx") or head[:1] == b"\x08":
            kind = self._onnx(scan, body, lower, where)
        elif not kind and _is_text(head):
            kind = self._text(scan, body, head, lower, where)
        if kind or data or re.search(_NUMBERS, lower):
            scan.verdicts.add(SAFE)
            scan.kind = scan.kind or kind
        else:
            program = next((what for magic, what in _PROGRAMS if head.startswith(magic)), "")
            scan.found(UNKNOWN_FORMAT, "", program or "its format is not known", where)

    def _onnx(self, scan: FileScan, body: Body, name: str, where: str) -> str:
        """A model of ONNX; what only begins like one is none."""
        from . import contents

        try:
            contents.onnx(scan, body, where)
        except Stopped:
            if name.endswith(".onnx"):
                raise
            return ""
        return "onnx"

    def _text(self, scan: FileScan, body: Body, head: bytes, name: str, where: str) -> str:
        if head.lstrip()[:1] in (b"{", b"["):
            from . import contents

            contents.keras_json(scan, body, where, self.allowed, self.budget)
            return "json"
        if name.endswith((".yaml", ".yml")):
            from . import contents

            contents.yaml_tags(scan, body, where, self.budget)
            return "yaml"
        return "text"

    def _remark(self, scan: FileScan, head: bytes, name: str, where: str) -> None:
        if name.lower().endswith(_CODE) or head.startswith(b"#!"):
            scan.found(NOTE, "", "it is code, which runs if somebody runs or imports it", where)


def _refuse_path(scan: FileScan, name: str, where: str) -> None:
    if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or re.match(r"[A-Za-z]:[/\\]", name):
        scan.found(DANGEROUS, "", "its path leaves the folder that it is unpacked in", where)


def _all(stream: Stream) -> bytes:
    data = b""
    while piece := stream.read(1 << 20):
        data += piece
        if len(data) > _CHECKED:
            raise Stopped(f"it has more than {_CHECKED:,} bytes", limit=True)
    return data


def _is_tar(head: bytes) -> bool:
    """Whether a file begins as an archive of tar does."""
    if not head[148:156].strip(b" \0").isdigit():  # the checksum of the first header
        return False
    from . import tars

    return tars.is_tar(head)


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    for cut in range(4):  # the last character may be cut in two
        try:
            text = head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return sum(not (char.isprintable() or char.isspace()) for char in text) * 50 <= len(text)
    return False

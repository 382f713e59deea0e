"""Archives and arrays that two readers read differently are dangerous, however harmless the content is.

Each case begins with an honest file, in which one thing is changed. The honest files themselves are safe.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli.scan.scanner import scan
from tests.scan.corpus import DATA, EVIL, GOOD
from tests.scan.test_corpus import scanned

FORMATS = Path(__file__).parent.parent / "inspect" / "data"


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name), data, method)
        made.comment = comment
    return buffer.getvalue()


def streamed(members: dict[str, bytes]) -> bytes:
    """As writers make it that can't seek: sizes follow the data."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.data += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as made:
        for name, data in members.items():
            made.writestr(name, data, zipfile.ZIP_DEFLATED)
    return pipe.data


def patched(data: bytes, mark: bytes, offset: int, value: bytes, *, last: bool = False) -> bytes:
    """The bytes ``offset`` behind the first (or last) ``mark``, replaced."""
    at = (data.rfind(mark) if last else data.find(mark)) + offset
    return data[:at] + value + data[at + len(value) :]


PLAIN = archive({"a.txt": b"some text", "b.txt": b"more text"})
PACKED = archive({"a.txt": b"some text" * 50, "b.txt": b"more text"}, zipfile.ZIP_DEFLATED)
LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"


def zip64(data: bytes, *, gap: bytes = b"", far: int | None = None, count: int = 2) -> bytes:
    """The same archive with the records for large archives in front of its last one."""
    at = data.rfind(END)
    size, offset = struct.unpack("<II", data[at + 12 : at + 20])
    record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, at if far is None else far, 1)
    return data[:at] + record + gap + locator + data[at:]


def extra(data: bytes, field: bytes) -> bytes:
    """An extra field for the last member of the directory."""
    at = data.rfind(CENTRAL)
    names = int.from_bytes(data[at + 28 : at + 30], "little")
    end = at + 46 + names
    data = data[: at + 30] + struct.pack("<H", len(field)) + data[at + 32 : end] + field + data[end:]
    last = data.rfind(END)
    size = int.from_bytes(data[last + 12 : last + 16], "little") + len(field)
    return data[: last + 12] + struct.pack("<I", size) + data[last + 16 :]


def overlapping() -> bytes:
    """Both entries of the directory lead to one member."""
    return patched(PLAIN, CENTRAL, 42, bytes(4), last=True)


def slack() -> bytes:
    """A member that is said to be longer than its compressed stream."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = stream.compress(b"some text") + stream.flush()
    whole = archive({"a.txt": data + EVIL})
    size = struct.pack("<III", zlib.crc32(b"some text"), len(data + EVIL), 9)
    whole = patched(whole, LOCAL, 8, b"\x08\0")
    whole = patched(whole, LOCAL, 14, size)
    whole = patched(whole, CENTRAL, 10, b"\x08\0")
    return patched(whole, CENTRAL, 16, size)


def between() -> bytes:
    """Bytes between the members and the directory, which the last record accounts for."""
    at = PLAIN.find(CENTRAL)
    data = PLAIN[:at] + b"payload" + PLAIN[at:]
    return patched(data, END, 16, struct.pack("<I", at + 7), last=True)


def shorter() -> bytes:
    """Sizes that both headers state, but the data has another one."""
    size = struct.pack("<I", 20)
    return patched(patched(PACKED, LOCAL, 22, size), CENTRAL, 24, size)


ZIPS: dict[str, bytes] = {
    "something before": b"#" * 64 + PLAIN,
    "something behind": PLAIN + b"something",
    "a comment that is longer than it says": archive({"a.txt": b"text"}, comment=b"four") + b"more",
    "a last record in the comment": archive({"a.txt": b"text"}, comment=END + bytes(18)),
    "a member in the comment": archive({"a.txt": b"text"}, comment=LOCAL + bytes(40)),
    "a last record that is cut": PLAIN + END,
    "large record at another place": zip64(PLAIN, far=0),
    "large record not in front of its locator": zip64(PLAIN, gap=bytes(8)),
    "large record twice": zip64(PLAIN, gap=zip64(PLAIN)[PLAIN.rfind(END) : PLAIN.rfind(END) + 56]),
    "large record with another number": zip64(PLAIN, count=1),
    "locator without a record": patched(zip64(PLAIN), b"PK\6\6", 0, b"XX\6\6"),
    "no record for large archives": patched(PLAIN, END, 12, b"\xff" * 4),
    "two numbers of members": patched(PLAIN, END, 8, b"\1\0"),
    "fewer members than counted": patched(PLAIN, END, 8, b"\3\0\3\0"),
    "more members than counted": patched(PLAIN, END, 8, b"\1\0\1\0"),
    "several parts": patched(PLAIN, END, 4, b"\1\0"),
    "a member in another part": patched(PLAIN, CENTRAL, 34, b"\2\0"),
    "another offset of the directory": patched(PLAIN, END, 16, b"\1\0\0\0"),
    "another name in front": patched(PLAIN, b"a.txt", 0, b"b.pkl"),
    "another method in front": patched(PLAIN, LOCAL, 8, b"\x08\0"),
    "another size in front": patched(PLAIN, LOCAL, 18, b"\1\0\0\0"),
    "another checksum in front": patched(PLAIN, LOCAL, 14, b"\1\2\3\4"),
    "encrypted in the directory only": patched(PLAIN, CENTRAL, 8, b"\1\0"),
    "sizes later in front only": patched(PLAIN, LOCAL, 6, b"\x08\0"),
    "not compressed, two sizes": patched(patched(PLAIN, LOCAL, 22, b"\1\0\0\0"), CENTRAL, 24, b"\1\0\0\0"),
    "another size than states": shorter(),
    "data behind the compressed stream": slack(),
    "a method that only some readers have": PACKED.replace(b"\x14\0\0\0\x08\0", b"\x14\0\0\0\x5d\0"),
    "overlapping": overlapping(),
    "between members and directory": between(),
    "two members, one name": archive({"a.txt": b"a", "b.txt": b"b"}).replace(b"b.txt", b"a.txt"),
    "names by case": archive({"config.json": b"{}", "Config.json": b"{}"}),
    "names by Unicode": archive({"\N{LATIN SMALL LETTER E WITH ACUTE}": b"1", "e\N{COMBINING ACUTE ACCENT}": b"2"}),
    "names by a dot": archive({"config.json": b"{}", "./config.json": b"{}"}),
    "names by a double slash": archive({"a/b": b"{}", "a//b": b"{}"}),
    "names by a backslash": archive({"a/b": b"{}", "a\\b": b"{}"}),
    "a file and a folder": archive({"a/b": b"{}", "a/b/": b""}),
    "NUL in a name": archive({"a.txt?": b"text"}).replace(b"a.txt?", b"a.txt\0"),
    "two extra fields for sizes": extra(PLAIN, struct.pack("<HHQ", 1, 8, 9) * 2),
    "other sizes in an extra field": extra(PLAIN, struct.pack("<HHQ", 1, 8, 77)),
    "an extra field that is cut": extra(PLAIN, struct.pack("<HH", 1, 24) + bytes(8)),
    "another name in an extra field": extra(PLAIN, struct.pack("<HHBI", 0x7075, 10, 1, 0) + b"c.pkl"),
    "a descriptor with another size": patched(streamed({"a": b"text"}), b"PK\7\x08", 12, b"\x99\0\0\0"),
    "data behind a descriptor": patched(streamed({"a": b"text", "b": b"c" * 99}), b"PK\7\x08", 0, b"XXXX"),
}


@pytest.mark.parametrize("name", ZIPS)
def test_zip_archives_that_two_readers_read_differently(name: str, tmp_path: Path) -> None:
    found = scanned(tmp_path, "m.zip", ZIPS[name])
    assert found.verdict == "dangerous", found.files[0].worst_first()
    assert found.reasons("dangerous")


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        PACKED,
        zip64(PLAIN),
        streamed({"a.txt": b"text" * 100, "b.json": b"{}"}),
        archive({"a.txt": b"text"}, comment=b"made by hand"),
        archive({"inner.zip": archive({"a.txt": b"text"})}),
        archive({}),
        archive({"a/": b"", "a/b.txt": b"text"}),
        archive({"a.txt": b"text"}, zipfile.ZIP_LZMA),
        archive({"a.txt": b"text"}, zipfile.ZIP_BZIP2),
        PLAIN + bytes(512),
        extra(PLAIN, struct.pack("<HHQQ", 1, 16, 9, 9)),
    ],
)
def test_honest_zip_archives_are_safe(data: bytes, tmp_path: Path) -> None:
    found = scanned(tmp_path, "m.zip", data)
    assert found.verdict == "safe-format", found.files[0].worst_first()


def test_an_archive_that_is_encrypted_or_cut_is_unscannable(tmp_path: Path) -> None:
    encrypted = patched(patched(PLAIN, LOCAL, 6, b"\1\0"), CENTRAL, 8, b"\1\0")
    for data in (encrypted, PLAIN[:60]):
        assert scanned(tmp_path, "m.zip", data).verdict == "unscannable"


# tar


def tar(members: dict[str, bytes], **options: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **options) as made:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def summed(
    header: bytes, write: Callable[[int], bytes] = lambda number: b"%06o\0 " % number, signed: bool = False
) -> bytes:
    """A header of tar with its checksum, written as ``write`` does."""
    rest = header[:148] + b" " * 8 + header[156:512]
    number = sum(byte - 256 * (signed and byte > 127) for byte in rest)
    return header[:148] + write(number).ljust(8, b"\0")[:8] + header[156:]


def changed(data: bytes, at: int, value: bytes) -> bytes:
    """The first header with other bytes, and the checksum that belongs to them."""
    return summed(data[:at] + value + data[at + len(value) :])


def pax(records: dict[str, str], kind: bytes = b"x", size: int = 4, twice: bool = False) -> bytes:
    """A member with a header of pax in front of it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as made:
        info = tarfile.TarInfo("a.txt")
        info.size, info.pax_headers = 4, records
        made.addfile(info, io.BytesIO(b"text"))
    data = buffer.getvalue()
    if kind != b"x":
        data = changed(data, 156, kind)
    return data[:1024] * (2 if twice else 1) + data[1024:]


NUL = tar({"a.txt": b"text"}, format=tarfile.USTAR_FORMAT)
LATIN = changed(NUL, 0, b"\xe9.txt")

TARS: dict[str, bytes] = {
    "checksum of signed bytes": summed(LATIN, signed=True),
    "checksum with a sign": summed(NUL, lambda number: b"+%05o\0" % number),
    "checksum behind a prefix": summed(NUL, lambda number: b"0o%o\0" % number),
    "checksum with an underscore": summed(NUL, lambda number: b"%o_%o\0" % (number >> 6, number & 63)),
    "checksum behind NUL": summed(NUL, lambda number: b"\0%06o" % number),
    "checksum and letters": summed(NUL, lambda number: b"%06oxx" % number),
    "size with a sign": changed(NUL, 124, b"+0000000004\0"),
    "size behind NUL": changed(NUL, 124, b"\00000000004\0"),
    "something behind the end": NUL + b"x",
    "an archive behind the end": NUL + tar({"b.txt": b"x"}),
    "a member behind one block of zeros": NUL[:1024] + bytes(512) + NUL,
    "zeros in front": bytes(512) + NUL,
    "a folder with data": changed(NUL, 156, b"5"),
    "a link with data": changed(NUL, 156, b"2"),
    "a sparse member": changed(NUL, 156, b"S"),
    "a type nobody knows": changed(NUL, 156, b"Q"),
    "two sizes": pax({"size": "9"}),
    "two names in headers": pax({"path": "b.txt"}) [:1024] + pax({"path": "c.txt"}),
    "a name for all members": pax({"path": "b.txt"}, kind=b"g"),
    "a sparse name": pax({"GNU.sparse.name": "b.txt"}),
    "two members of one path": tar({"a.txt": b"1", "./A.txt": b"2"}),
    "a control character in a name": pax({"path": "a.txt\nb"}),
}  # fmt: skip


@pytest.mark.parametrize("name", TARS)
def test_tar_archives_that_two_readers_read_differently(name: str, tmp_path: Path) -> None:
    found = scanned(tmp_path, "m.tar", TARS[name])
    assert found.verdict == "dangerous", found.files[0].worst_first()
    assert found.reasons("dangerous")


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_honest_tar_archives_are_safe(format_: int, tmp_path: Path) -> None:
    long = f"{'folder/' * 13}{'x' * 70}.txt"
    data = tar({"a.txt": b"text", "a/b.json": b"{}", long: b"1"}, format=format_)
    for each in (data, data[:-4096], gzip.compress(data)):
        found = scanned(tmp_path, "m.tar", each)
        assert found.verdict == "safe-format", found.files[0].worst_first()


# compressions


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_what_follows_a_compressed_stream_is_dangerous(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    another = gzip.compress(b"1") if pack is zlib.compress else zlib.compress(b"1")
    for name, rest in (("pickle", GOOD), ("zip", PLAIN), ("another", another)):
        assert scanned(tmp_path, name, pack(GOOD) + rest).verdict == "dangerous"
    assert scanned(tmp_path, "padded", pack(GOOD) + bytes(64)).verdict == "known-globals"


# arrays


def npy(header: str, data: bytes, version: bytes = b"\1\0", length: int | None = None) -> bytes:
    raw = header.encode("latin-1" if version[0] < 3 else "utf-8").ljust(117) + b"\n"
    size = len(raw) if length is None else length
    return b"\x93NUMPY" + version + size.to_bytes(2 if version[0] == 1 else 4, "little") + raw + data


def described(descr: str, shape: str = "(1,)", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


REST = "'fortran_order': False, 'shape': (1,)"
HEADERS: dict[str, str] = {
    "object, spelled out": described("'object'"),
    "object, a type of numpy": described("'object_'"),
    "object, a capital letter": described("'OBJECT'"),
    "object, escaped": described("'|\\x4f'"),
    "object, an octal escape": described("'\\117'"),
    "object, two texts": described("'|' 'O'"),
    "object, a raw text": described("r'|O'"),
    "object, long quotes": described("'''|O'''"),
    "object, several types": described("'f4,O'"),
    "object, a shape in the text": described("'2O'"),
    "object in a structure": described("[('a', '<f4'), ('b', 'object')]"),
    "object in a dictionary": described("{'names': ['a'], 'formats': ['O']}"),
    "a type twice": f"{{'descr': '<f8', {REST}, 'descr': '|O'}}",
    "a type twice, escaped": f"{{'descr': '<f8', {REST}, 'd\\x65scr': '|O'}}",
    "an order between type and type": "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), \"descr\": '|O'}",
    "a comment": f"{{'descr': '|O', # 'descr': '<f8', \n {REST}}}",
    "an expression": described("'|' + 'O'"),
    "a call": described("str('|O')"),
    "unpacked": f"{{**{{'descr': '|O'}}, {REST}}}",
    "a set": "{'descr', '|O'}",
    "one key more": f"{{'descr': '<f8', {REST}, 'x': 1}}",
    "no descr": f"{{{REST}}}",
    "a negative shape": described("'<f8'", "(-1,)"),
    "a shape that is none": described("'<f8'", "[1]"),
    "an order that is none": described("'<f8'", order="0"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_arrays_that_numpy_does_not_write(name: str, tmp_path: Path) -> None:
    for file, data in (
        ("m.npy", npy(HEADERS[name], bytes(8))),
        ("m.npz", archive({"a.npy": npy(HEADERS[name], GOOD)})),
    ):
        found = scanned(tmp_path, file, data)
        assert found.verdict == "dangerous", found.files[0].worst_first()


@pytest.mark.parametrize("version", [b"\1\0", b"\2\0", b"\3\0"])
def test_objects_are_found_however_deep_in_a_type(version: bytes, tmp_path: Path) -> None:
    for descr in ("'|O'", "[('a', '<f4'), ('b', '|O')]", "[('a', [('b', [('c', '|O8', (2,))])])]", "('|O', (2,))",
                  "[(('title', 'a'), '|O')]", "'|T16'"):  # fmt: skip
        assert scanned(tmp_path, "m.npy", npy(described(descr), EVIL, version)).verdict == "dangerous"
        assert scanned(tmp_path, "m.npy", npy(described(descr), GOOD, version)).verdict == "known-globals"


@pytest.mark.parametrize("version", [b"\1\0", b"\2\0", b"\3\0"])
def test_honest_arrays_are_safe(version: bytes, tmp_path: Path) -> None:
    for descr, size in (("'<f8'", 8), ("'|b1'", 1), ("'<U3'", 12), ("'<M8[ns]'", 8), ("[('x', '<f4'), ('y', '<i2', (3,))]", 10),
                        ("'|V2'", 2)):  # fmt: skip
        whole = npy(described(descr, "(2L,)" if version == b"\1\0" else "(2,)"), bytes(2 * size), version)
        for data in (whole, whole * 3):
            found = scanned(tmp_path, "m.npy", data)
            assert found.verdict == "safe-format", found.files[0].worst_first()
        assert scanned(tmp_path, "m.npy", whole[:-1]).verdict == "unscannable"
        assert scanned(tmp_path, "m.npy", whole + b"something").verdict == "dangerous"
    assert scanned(tmp_path, "m.npy", npy(described("'<f8'"), bytes(8), b"\4\0")).verdict == "unscannable"
    assert scanned(tmp_path, "m.npy", npy(described("'<f8'"), bytes(8), length=60)).verdict == "dangerous"


# real frameworks


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder, pattern in (
            (DATA, "*.npz"),
            (DATA, "*.pt"),
            (DATA, "*.skops"),
            (FORMATS, "*/*.keras"),
            (FORMATS, "*/*.mar"),
        )
        for path in sorted(folder.glob(pattern))
    ],
    ids=lambda path: path.name,
)
def test_archives_of_real_frameworks_are_not_ambiguous(path: Path) -> None:
    found = scan({path.name: path})
    assert not [reason for reason in found.reasons("dangerous") if "readers differ" in reason]
    assert found.verdict != "unscannable"


# limits


def bombs() -> dict[str, bytes]:
    deep = b"text"
    for _ in range(12):
        deep = archive({"x": deep}, zipfile.ZIP_DEFLATED)
    layers = bytes(20 << 20)
    for pack in (lzma.compress, gzip.compress, bz2.compress):
        layers = pack(layers)
    many = archive({f"{number}": b"" for number in range(3000)})
    one = zlib.compress(bytes(16 << 20), 9)[2:-4]
    return {"deep": deep, "layers": layers, "many": many, "wide": archive({str(number): one for number in range(40)}),
            "zeros": bytes(512) * 40_000 + b"x"}  # fmt: skip


@pytest.mark.parametrize("name", ["deep", "layers", "many", "wide", "zeros"])
def test_bombs_end_soon(name: str, tmp_path: Path) -> None:
    from registry_cli.inspect.binary.limits import Budget

    start = time.process_time()
    budget = Budget(unpacked=8 << 20, members=2000, seeking=64 << 20)
    found = scanned(tmp_path, "m.bin", bombs()[name], budget=budget)
    assert time.process_time() - start < 20
    if name in ("deep", "layers", "many"):
        assert found.verdict == "unscannable"
        assert found.files[0].limited, "a limit of ours is reported as one"


def test_metadata_behind_a_model_of_tensorflow_lite_is_honest(tmp_path: Path) -> None:
    model = b"\x1c\0\0\0TFL3" + bytes(64)
    assert scanned(tmp_path, "m.tflite", model + archive({"labels.txt": b"cat"})).verdict != "dangerous"
    assert scanned(tmp_path, "m.tflite", model + archive({"labels.txt": EVIL})).verdict == "dangerous"


def test_json_of_a_manifest_stays_readable() -> None:
    """The cases above are made from honest archives, which ``zipfile`` reads."""
    for data in (PLAIN, PACKED, zip64(PLAIN)):
        with zipfile.ZipFile(io.BytesIO(data)) as made:
            assert json.dumps(sorted(made.namelist())) == '["a.txt", "b.txt"]'

"""Packs that are not what was packed: ``verify`` finds them, and nothing of them comes out."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from registry_cli import Damaged, Registry, RegistryError
from registry_cli.store.packs import pack_format
from registry_cli.store.packs.pack_format import GZIP, DecompressingReader, TarReader
from tests.commands import run
from tests.crash.world import fingerprint

CONTENTS = {"a.txt": b"a" * 2000, "deep/b.bin": bytes(range(256)) * 40, "empty": b"", "z.txt": b"last\n"}


class Packed(NamedTuple):
    """A registry in which ``churn@1`` is packed; ``tar`` are the bytes of its pack, expanded."""

    reg: Registry
    pack: Path

    @property
    def tar(self) -> bytes:
        return gzip.decompress(self.pack.read_bytes())

    def write(self, data: bytes) -> None:
        self.pack.chmod(0o600)
        self.pack.write_bytes(data)
        self.pack.chmod(0o444)


@pytest.fixture(params=["gzip", "zstd"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def packed(tmp_path: Path) -> Iterator[Packed]:
    yield made(tmp_path, GZIP)


def made(folder: Path, kind: str) -> Packed:
    reg = Registry.init(folder / "registry", author="alice")
    for path, data in CONTENTS.items():
        target = folder / "work" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    reg.register("churn", [folder / "work"])
    reg.archive(["churn@1"], compress=kind)
    (pack,) = (reg.root / "models/churn/packed").iterdir()
    return Packed(reg, pack)


def assert_refused(packed: Packed, tmp_path: Path, words: str = "") -> None:
    """``verify`` names it; whatever would bring bytes out ends with 6, and leaves nothing."""
    before, beside = fingerprint(packed.reg.root), sorted(tmp_path.iterdir())
    problems = [each for each in packed.reg.admin.verify().problems if each.code != "mode"]
    assert [(each.code, each.severity, each.where) for each in problems] == [("pack", "error", "churn@1")]
    assert words in problems[0].message
    root = packed.reg.root
    for command in (("restore", "churn@1"), ("fetch", "churn@1", "-o", tmp_path / "out"), ("verify",)):
        answer = run(*command, root=root)
        assert answer.code == 6, answer
        assert len(answer.err.splitlines()) <= 2 or command == ("verify",)
    with pytest.raises(Damaged):
        packed.reg.artifacts.verify_files("churn@1")
    assert fingerprint(root) == before
    assert sorted(tmp_path.iterdir()) == beside
    assert packed.reg.version("churn@1").packed is not None


@pytest.mark.parametrize("at", [0, 3, 11, 40, 100, -100, -9, -5, -1])
def test_a_flipped_byte(tmp_path: Path, kind: str, at: int) -> None:
    packed = made(tmp_path, kind)
    data = bytearray(packed.pack.read_bytes())
    data[at] ^= 0x40
    packed.write(bytes(data))
    if (
        packed.reg.admin.verify().ok
    ):  # a bit that no byte of the contents depends on, as the name of a system in a header
        packed.reg.artifacts.verify_files("churn@1")
        assert at in (3, -1) or kind == "zstd"
        return
    assert_refused(packed, tmp_path)


def test_every_bit_of_a_small_pack(packed: Packed) -> None:
    """Either the contents are what they were, or it is damage. Nothing else comes out."""
    good, found = packed.pack.read_bytes(), 0
    for at in range(0, len(good) * 8, 7):
        data = bytearray(good)
        data[at // 8] ^= 1 << at % 8
        packed.write(bytes(data))
        try:
            packed.reg.artifacts.verify_files("churn@1")
        except Damaged:
            found += 1
    assert found > len(good)
    packed.write(good)
    assert packed.reg.admin.verify().problems == ()


@pytest.mark.parametrize("left", [0, 1, 9, 10, 20, 0.5, -9, -8, -1])
def test_cut_off(tmp_path: Path, kind: str, left: float) -> None:
    packed = made(tmp_path, kind)
    data = packed.pack.read_bytes()
    packed.write(data[: int(left if left != 0.5 else len(data) / 2)])
    assert_refused(packed, tmp_path)


@pytest.mark.parametrize("more", [b"\0", b"more", gzip.compress(b"", mtime=0)])
def test_something_behind_its_end(tmp_path: Path, kind: str, more: bytes) -> None:
    packed = made(tmp_path, kind)
    packed.write(packed.pack.read_bytes() + more)
    assert_refused(packed, tmp_path, "data after its end")


Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]


def member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o444
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def rebuilt(packed: Packed, change: Change, form: int = tarfile.PAX_FORMAT) -> bytes:
    members = []
    with tarfile.open(fileobj=io.BytesIO(packed.tar)) as archive:
        for info in archive:
            stream = archive.extractfile(info)
            members.append((info, stream.read() if stream else b""))
    change(members)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data) if info.isreg() and info.size == len(data) else None)
    return out.getvalue()


def rename(members: list[tuple[tarfile.TarInfo, bytes]], name: str, at: int = 0) -> None:
    members[at][0].name = name
    members[at][0].pax_headers = {}


CHANGES: dict[str, Change] = {
    "member added": lambda m: m.append(member("zz", b"x")),
    "member added before": lambda m: m.insert(0, member("0", b"x")),
    "member removed": lambda m: m.__delitem__(1),
    "last member removed": lambda m: m.__delitem__(-1),
    "all removed": lambda m: m.clear(),
    "member twice": lambda m: m.insert(1, m[0]),
    "other order": lambda m: m.reverse(),
    "renamed": lambda m: rename(m, "b.txt"),
    "renamed out": lambda m: rename(m, "../x"),
    "renamed absolute": lambda m: rename(m, "/tmp/x"),
    "renamed with a long name": lambda m: rename(m, "n" * 300),
    "renamed with a huge name": lambda m: rename(m, "n" * 100_000),
    "other contents": lambda m: m.__setitem__(0, member("a.txt", b"b" * 2000)),
    "shorter": lambda m: m.__setitem__(0, member("a.txt", b"a" * 1999)),
    "longer": lambda m: m.__setitem__(0, member("a.txt", b"a" * 2001)),
    "longer than all": lambda m: m.__setitem__(0, member("a.txt", b"a" * 200_000)),
    "symbolic link": lambda m: m.__setitem__(0, member("a.txt", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
    "hard link": lambda m: m.__setitem__(0, member("a.txt", type=tarfile.LNKTYPE, linkname="z.txt")),
    "device": lambda m: m.__setitem__(0, member("a.txt", type=tarfile.CHRTYPE)),
    "FIFO": lambda m: m.__setitem__(0, member("a.txt", type=tarfile.FIFOTYPE)),
    "folder": lambda m: m.insert(0, member("a", type=tarfile.DIRTYPE)),
    "sparse": lambda m: m.__setitem__(0, member("a.txt", b"a" * 2000, type=tarfile.GNUTYPE_SPARSE)),
    "extended header with more": lambda m: m[0][0].__setattr__(
        "pax_headers", {"comment": "x", "GNU.sparse.major": "1"}
    ),
    "extended header with a time": lambda m: m[0][0].__setattr__("pax_headers", {"mtime": "1.5"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_another_tar(packed: Packed, tmp_path: Path, change: Change) -> None:
    packed.write(gzip.compress(rebuilt(packed, change)))
    assert_refused(packed, tmp_path)


def test_the_form_of_another_program(packed: Packed, tmp_path: Path) -> None:
    """The same files by GNU tar's own form: not as it was written, so it is not read."""
    packed.write(gzip.compress(rebuilt(packed, lambda m: None, tarfile.GNU_FORMAT)))
    assert_refused(packed, tmp_path, "header in it is corrupt")
    packed.write(gzip.compress(rebuilt(packed, lambda m: None)))
    assert packed.reg.admin.verify().problems == ()


def header_with(packed: Packed, **fields: bytes) -> bytes:
    """The tar with fields of its first header replaced, and the header's sum made right."""
    places = {"size": (124, 136), "type": (156, 157), "prefix": (345, 500), "magic": (257, 265)}
    data = bytearray(packed.tar)
    for name, value in fields.items():
        low, high = places[name]
        data[low:high] = value.ljust(high - low, b"\0")
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


@pytest.mark.parametrize(
    "fields",
    [{"size": b"77777777777\0"}, {"size": b"\x80" + b"\0" * 3 + b"\xff" * 8}, {"size": b"-0000000001\0"}, {"size": b"12x\0"},
     {"size": b""}, {"type": b"L"}, {"type": b"x"}, {"type": b"g"}, {"type": b"5"}, {"type": b"\0"}, {"prefix": b"up"},
     {"magic": b"ustar  \0"}, {"type": b"x", "size": b"77777777777\0"}],
)  # fmt: skip
def test_a_header_that_lies(packed: Packed, tmp_path: Path, fields: dict[str, bytes]) -> None:
    packed.write(gzip.compress(header_with(packed, **fields)))
    assert_refused(packed, tmp_path)


@pytest.mark.parametrize(
    "said",
    [b"12 path=a.t\n", b"0 path=a.txt\n", b"99 path=a.txt\n", b"14 path=a.txtx", b"20 size=-20000000000\n", b"\0" * 20,
     b"13 size=x1234\n", b"16 path=\xff\xff.txt\n", b"15 path=a\0.txt\n"],
)  # fmt: skip
def test_an_extended_header_that_lies(packed: Packed, tmp_path: Path, said: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.size, info.type = len(said), tarfile.XHDTYPE
    extended = info.tobuf(tarfile.USTAR_FORMAT) + said.ljust(512, b"\0")
    packed.write(gzip.compress(extended + packed.tar))
    assert_refused(packed, tmp_path)


def test_a_bomb_is_not_expanded(tmp_path: Path, kind: str) -> None:
    """A gigabyte of zeros in a megabyte: where a header, a name, a file or the end should be."""
    packed = made(tmp_path, kind)
    start = tarfile.TarInfo("a.txt")
    start.size = 1 << 30
    for beginning in (b"", start.tobuf(tarfile.PAX_FORMAT)):
        squeeze = pack_format.compressor(kind)
        zeros = bytes(1 << 20)
        blocks = [squeeze.compress(beginning), *(squeeze.compress(zeros) for _ in range(1024)), squeeze.flush()]
        packed.write(b"".join(blocks))
        peak = _peak(packed.reg.root, "verify"), _peak(packed.reg.root, "fetch", "churn@1", "-o", tmp_path / "out")
        assert max(peak) < 150_000, "KiB"
        assert_refused(packed, tmp_path)


def _peak(root: Path, *command: object) -> int:
    import sys

    from tests.commands import PEAK, spawn

    answer = spawn(*command, root=root, command=(sys.executable, "-c", PEAK))
    assert answer.code == 6
    return int(answer.err.splitlines()[-1])


def test_a_pack_that_is_none(packed: Packed, tmp_path: Path) -> None:
    good = packed.pack.read_bytes()
    packed.pack.unlink()
    assert [each.code for each in packed.reg.admin.verify().problems] == ["missing-pack"]
    for command in (("restore", "churn@1"), ("fetch", "churn@1", "-o", tmp_path / "out"), ("cat", "churn@1", "z.txt")):
        answer = run(*command, root=packed.reg.root)
        assert (answer.code, "the pack of churn@1 is missing" in answer.err) == (6, True)
    packed.pack.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(good)
    assert_refused(packed, tmp_path)
    packed.pack.unlink()
    os.mkfifo(packed.pack)
    assert_refused(packed, tmp_path)
    packed.pack.unlink()
    packed.pack.mkdir()
    assert_refused(packed, tmp_path)


def test_strange_names_beside_packs(packed: Packed) -> None:
    folder = packed.pack.parent
    for name in ("007.tar.gz", "1.zip", "notes"):
        (folder / name).write_text("x")
    (folder / "9.tar.gz").write_text("x")
    (folder / (".trash-" + "a" * 32)).write_text("x")
    old, young = folder / (".tmp-" + "a" * 32 + ".tar.gz"), folder / (".tmp-" + "b" * 32 + ".tar.gz")
    for path in (old, young):
        path.write_text("x")
    os.utime(old, (1, 1))
    found = sorted((each.code, each.where.rpartition("/")[2][:12]) for each in packed.reg.admin.verify().problems)
    assert found == [
        ("leftover", ".tmp-aaaaaaa"), ("leftover", ".trash-aaaaa"), ("leftover", "9.tar.gz"), ("unknown-name", "007.tar.gz"),
        ("unknown-name", "1.zip"), ("unknown-name", "notes"),
    ]  # fmt: skip
    assert {Path(each.path).name for each in packed.reg.admin.gc()} == {old.name, "9.tar.gz", ".trash-" + "a" * 32}
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["1.tar.gz", "007.tar.gz", "1.zip", "notes", young.name]
    )


def test_a_writable_pack_is_sealed_again(packed: Packed) -> None:
    packed.pack.chmod(0o644)
    assert [each.code for each in packed.reg.admin.verify().problems] == ["mode"]
    assert [each.what for each in packed.reg.admin.repair()] == ["made read-only again"]
    assert packed.reg.admin.verify().problems == ()


def test_where_there_is_no_zstd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = made(tmp_path, "zstd")
    import sys

    for name in ("compression", "compression.zstd", "backports", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    (problem,) = packed.reg.admin.verify().problems
    assert (problem.code, problem.severity) == ("pack", "warning")
    for deed in (lambda: packed.reg.restore(["churn@1"]), lambda: packed.reg.fetch("churn@1", tmp_path / "out"),
                 lambda: packed.reg.archive(["churn@1"], compress="zstd")):  # fmt: skip
        with pytest.raises(RegistryError, match=r"no zstd; use Python 3.14, or pip install 'registry-cli\[zstd\]'"):
            deed()


def test_the_reader_and_the_writer_agree_on_headers() -> None:
    """Of a file larger than 8 GiB, too, whose size does not fit into the plain header."""
    head = pack_format.file_header("größe/" + "x" * 200, 20 << 30)
    stream = io.BytesIO(head)
    assert next(iter(TarReader(stream.read, "it"))) == ("größe/" + "x" * 200, 20 << 30)


def test_expanding_gives_no_more_than_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "zeros"
    path.write_bytes(gzip.compress(bytes(1 << 24)))
    descriptor = os.open(path, os.O_RDONLY)
    expanded = DecompressingReader(partial(os.read, descriptor), GZIP, "it")
    assert [len(expanded.read(1000)) for _ in range(5)] == [1000] * 5
    total = 5000
    while block := expanded.read(1 << 20):
        assert len(block) <= 1 << 20
        total += len(block)
    os.close(descriptor)
    assert total == 1 << 24

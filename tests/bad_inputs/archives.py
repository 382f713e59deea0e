"""Archives that would act when they are unpacked: A-*. Only ``import`` unpacks; to ``register`` they are files."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from registry_cli import Registry
from registry_cli.store.packs import pack_format
from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario
from tests.commands import assert_refused
from tests.interop.forging import HEAD, Forge, Member, header, patched

_SECONDS = 5  # of this process: a machine that is busy with other things doesn't count


def _good(world: World) -> Forge:
    """A sound bundle, taken apart: what is changed in it is all that is wrong with it."""
    other = Registry.init(world.folder / "other", author="bob")
    other.register("churn", [world.make("w.bin", "weights")])
    other.export(["churn@1"], world.folder / "good.tar")
    forge = Forge.of(world.folder / "good.tar")
    world.done("import", world.make("sound.tar", forge.tar()), "--dry-run")
    return forge


def _with_last(forge: Forge, header_of_it: bytes) -> bytes:
    """The bundle with other headers in front of its last file."""
    members = forge.members()
    last = members[-1]
    return forge.tar([*members[:-1], Member(last.name, last.data, header_of_it)])


def _last(forge: Forge, name: str = "") -> bytes:
    """The header that fits the last file, or one of another name."""
    last = forge.members()[-1]
    return pack_format.file_header(name or last.name, len(last.data))


def _tar(*members: tuple[str, bytes, str, bytes, int]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, target, data, mode in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size, info.mode = kind, target, len(data), mode
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _refuse_import(world: World, case: Case, data: bytes) -> None:
    """It is refused, fast, with the exit code of the case, as a file and as a stream; nothing appears anywhere."""
    path = world.make("a.tar", data)
    around = set(world.root.parent.rglob("*"))
    for arguments, stdin in (((path,), b""), (("-",), data)):
        started = time.process_time()
        with world.unchanged(folder_times=False):
            answer = world.run("import", *arguments, stdin=stdin)
        assert_refused(answer, case.exit)
        assert time.process_time() - started < _SECONDS
        assert set(world.root.parent.rglob("*")) == around
    assert not Path("/tmp/registry-bad-input").exists()


_LINK, _HARD, _FILE = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.REGTYPE


@scenario("A-02")
def an_absolute_path(world: World, case: Case) -> None:
    outside = "/tmp/registry-bad-input"
    forge = _good(world)
    _refuse_import(world, case, _tar((outside, _FILE, "", b"x", 0o644)))
    _refuse_import(world, case, _with_last(forge, _last(forge, outside)))


@scenario("A-03")
def a_file_through_a_link(world: World, case: Case) -> None:
    target = str(world.folder)
    _refuse_import(world, case, _tar(("link", _LINK, target, b"", 0o777), ("link/x", _FILE, "", b"x", 0o644)))
    forge = _good(world)
    for kind in (_LINK, _HARD):
        # a link in the place of the folder of files, then the file that belongs there
        link = header("churn/versions/1/files", 0, kind, linkname=target)
        _refuse_import(world, case, _with_last(forge, link + _last(forge)))
        name = forge.members()[-1].name
        _refuse_import(world, case, _with_last(forge, header(name, 0, kind, linkname=target)))
    assert not (world.folder / "x").exists()


@scenario("A-05")
def a_chain_of_links_longer_than_any_path(world: World, case: Case) -> None:
    """``realpath`` gives up on such a chain, and the filters of ``tarfile`` let the last link lead out."""
    members, path, steps = [], "", "abcdefghijklmnop"
    for step in steps:
        members.append((f"{path}{'d' * 247}", tarfile.DIRTYPE, "", b"", 0o755))
        members.append((f"{path}{step}", _LINK, "d" * 247, b"", 0o777))
        path += f"{'d' * 247}/"
    last = f"{'/'.join(steps)}/{'l' * 254}"
    members.append((last, _LINK, "../" * len(steps), b"", 0o777))
    members.append(("escape", _LINK, f"{last}/..", b"", 0o777))
    members.append(("escape/escaped", _FILE, "", b"x", 0o644))
    data = _tar(*members)
    _refuse_import(world, case, data)
    chain = data[: data.rindex(b"escape/escaped")]
    chain = chain[: len(chain) // pack_format.TAR_BLOCK * pack_format.TAR_BLOCK]
    forge = _good(world)
    _refuse_import(world, case, _with_last(forge, chain + _last(forge)))
    assert not list(world.root.parent.rglob("escaped"))


@scenario("A-06")
def devices_and_set_uid(world: World, case: Case) -> None:
    forge = _good(world)
    for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
        _refuse_import(world, case, _tar(("p", kind, "", b"", 0o644)))
        _refuse_import(world, case, _with_last(forge, header(forge.members()[-1].name, 0, kind)))
    _refuse_import(world, case, _tar(("p", _FILE, "", b"#!/bin/sh\n", 0o4755)))
    # In a bundle the mode of a member is not looked at, as it is never given to a file.
    setuid = _with_last(forge, patched(_last(forge), 100, b"0006777\0"))
    world.done("import", world.make("setuid.tar", setuid))
    stored = world.root / "models/churn/versions/1/files/w.bin"
    assert stored.read_text() == "weights"
    assert not stored.stat().st_mode & 0o7111


@scenario("A-07")
def a_negative_size(world: World, case: Case) -> None:
    forge = _good(world)
    for size in (b"-0000000001\0", b"\xff" * 12, b"\xff" * 4 + bytes(8)):
        _refuse_import(
            world, case, patched(pack_format.file_header(HEAD, 1), 124, size) + bytes(20 * pack_format.TAR_BLOCK)
        )
        _refuse_import(world, case, _with_last(forge, patched(_last(forge), 124, size)))


@scenario("A-08")
def a_name_twice(world: World, case: Case) -> None:
    two = _tar(("w.bin", _FILE, "", b"one", 0o644), ("w.bin", _FILE, "", b"two", 0o644))
    _refuse_import(world, case, two)
    forge = _good(world)
    members = forge.members()
    for again in (members[-1], Member(members[-1].name, b"WEIGHTS"), members[0]):
        _refuse_import(world, case, forge.tar([*members, again]))
    assert world.run("register", "m", world.make("two.tar", two)).code == 5


@scenario("A-09", "A-10", "A-11")
def a_zip_that_leads_out(world: World, case: Case) -> None:
    """No command unpacks one. A model that is one is refused as dangerous for whoever does; insisted on, it is a file."""
    info = zipfile.ZipInfo({"A-09": "../../x.txt", "A-10": "..\\x", "A-11": "link"}[case.id])
    info.create_system = 3
    if case.id == "A-11":
        info.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    path = world.make("a.zip", buffer.getvalue())
    assert b"..\\x" in path.read_bytes() or case.id != "A-10"
    with world.unchanged(folder_times=False):
        answer = world.run("register", "m", path)
    assert_refused(answer, case.exit)
    assert "dangerous" in answer.err
    world.refused(6, "import", path)
    around = set(world.root.parent.rglob("*"))
    world.done("register", "m", path, "--allow-unsafe", "--reason", "a test")
    assert (world.model / "versions/4/files/a.zip").read_bytes() == path.read_bytes()
    new = {each.relative_to(world.root) for each in set(world.root.parent.rglob("*")) - around}
    assert all(each.parts[:2] == ("models", "m") for each in new)
    assert [each.name for each in (world.model / "versions/4/files").iterdir()] == ["a.zip"]


def _zeros(count: int) -> bytes:
    """So many times 10 MiB of zeros, compressed to 10 kB each."""
    return gzip.compress(bytes(10 << 20)) * count


@scenario("A-13")
def a_bomb(world: World, case: Case) -> None:
    """10 GB in 10 MB. Behind the head, in the place of a document or of a file, and behind the end."""
    forge = _good(world)
    bomb = _zeros(1000)
    members = forge.members()
    blocks = [member.blocks() for member in members]
    large = 10_000 << 20
    for data in (
        bomb,
        gzip.compress(pack_format.file_header(HEAD, large)) + bomb,
        gzip.compress(blocks[0] + pack_format.file_header(members[1].name, large)) + bomb,
        gzip.compress(b"".join(blocks[:-1]) + pack_format.file_header(members[-1].name, large)) + bomb,
        gzip.compress(forge.tar()) + bomb,
    ):
        assert len(data) < 11 << 20
        _refuse_import(world, case, data)


def _empty_members(each: int, times: int) -> Iterator[bytes]:
    block = gzip.compress(
        b"".join(pack_format.file_header(f"churn/versions/1/files/{number:04}", 0) for number in range(each))
    )
    for _ in range(times):
        yield block


@scenario("A-14")
def five_million_members(world: World, case: Case) -> None:
    many = b"".join(_empty_members(5000, 1000))
    _refuse_import(world, case, many)
    forge = _good(world)
    blocks = [member.blocks() for member in forge.members()]
    _refuse_import(world, case, gzip.compress(b"".join(blocks[:-1])) + many)
    forge.version()["sizes"] = [0] * 1_200_000  # announced in the head, of which 10 MB is no limit
    _refuse_import(world, case, forge.tar())


@scenario("A-15")
def a_zip_that_cannot_be_read(world: World, case: Case) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "text " * 100)
    whole = buffer.getvalue()
    encrypted = bytearray(whole)
    encrypted[6] |= 1
    encrypted[whole.index(b"PK\1\2") + 8] |= 1
    for number, data in enumerate((bytes(encrypted), whole[:-30], whole[:20], whole[:3]), 4):
        path = world.make("a.zip", data)
        world.refused(case.exit, "import", path)
        world.done("register", "m", path)
        verdict = world.done("show", f"m@{number}", "--json").json["lineage"]["scan"]["verdict"]
        assert verdict == ("unknown-format" if len(data) == 3 else "unscannable")

"""Containers: zip and tar archives, whose members are files of their own, and arrays of numpy, which may hold pickles."""

from __future__ import annotations

import re
import stat
from functools import partial

from .. import scan as readers
from ..inspect.binary import npy_array, zip_archive
from ..inspect.binary.decompression import read_beginning
from ..inspect.binary.limits import Stopped, Stream
from ..inspect.binary.sources import HEAD, ByteSlice, ByteSource, SequentialReader
from ..inspect.binary.tar_archive import Tar
from . import scanner
from .pickle.opcode_reader import OPCODES
from .pickle_files import scan_pickle
from .verdicts import DANGEROUS, NOTE, UNSCANNABLE, ScanContext, leaves_folder

_CHECKED = 64 << 20
#: The longest target of a link in an archive: PATH_MAX of Linux.
_PATH = 4096
#: The names of raw data in an archive of torch.
_STORAGE = r"(^|/)(data|tensors)/[0-9]+$|(^|/)data/(weights|constants)/[a-z_]+[0-9]+$|(^|/)\.(data|format_version|storage_alignment)(/|$)|/(version|byteorder)$"


def scan_zip(ctx: ScanContext, body: ByteSource) -> bool:
    """Scan a zip archive; False if it is none."""
    if not zip_archive.is_zip(body):
        return False
    scanner.guard(ctx, lambda: _scan_zip(ctx, body))
    return True


def _scan_zip(ctx: ScanContext, body: ByteSource) -> None:
    archive = zip_archive.read_archive(body)
    names = {member.name for member in archive.members}
    torch = any(name.endswith(("data.pkl", "archive_format")) for name in names)
    ctx.recognise(zip_archive.kind_of(names))
    for what in archive.ambiguous:
        ctx.add_finding(DANGEROUS, f"readers differ: {what}")
    for what in archive.unreadable:
        ctx.add_finding(UNSCANNABLE, what)
    if archive.prefixed and body.at(4, 4) != b"TFL3":  # TensorFlow Lite keeps labels in an archive behind the model
        ctx.add_finding(DANGEROUS, "readers differ: something lies before the archive")
    if torch and any("/code/" in f"/{name}" for name in names):
        ctx.add_finding(NOTE, "it holds TorchScript code, which torch runs when the model is used")
    for member in archive.members:
        inside = ctx.enter_member(member.name)
        scanner.guard(inside, partial(_scan_zip_member, inside, member, torch))


def _scan_zip_member(ctx: ScanContext, member: zip_archive.Member, torch: bool) -> None:
    _check_path(ctx, member.name)
    if member.name.endswith("/") and not member.data.size:
        return
    data = torch and bool(re.search(_STORAGE, member.name))
    opened = partial(member.opened, ctx.budget)
    if stat.S_ISLNK(member.mode):
        _add_link(ctx, read_beginning(opened, _PATH + 1))
    elif stat.S_IFMT(member.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        ctx.add_finding(UNSCANNABLE, "not a regular file")
    if member.method == zip_archive.STORED:
        scanner.scan_bytes(ctx, member.data, member.name, data=data)
    else:
        scanner.scan_stream(ctx, opened, member.name, data=data)
    if member.size <= _CHECKED and not data:
        ctx.spend_seeking(member.size)
        found = zip_archive.compute_checksum(opened(), _CHECKED)
        if found is not None and found != member.crc:
            ctx.add_finding(UNSCANNABLE, "its checksum does not hold")
    if member.name == "schema.json":
        readers.configurations.scan_skops_schema(ctx, _read(opened()))


def _read(stream: Stream) -> bytes:
    data = b""
    while piece := stream.read(1 << 20):
        data += piece
        if len(data) > _CHECKED:
            raise Stopped(f"it has more than {_CHECKED:,} bytes", limit=True)
    return data


def scan_tar(ctx: ScanContext, body: ByteSource) -> None:
    ctx.recognise("tar")
    archive = Tar(body)
    try:
        _scan_tar_members(ctx, archive)
    finally:
        for what in archive.ambiguous:
            ctx.add_finding(DANGEROUS, f"readers differ: {what}")
    rest = ByteSlice(body, archive.end, body.size - archive.end)
    if not scanner.is_zeros(ctx, rest):
        ctx.add_finding(DANGEROUS, "readers differ: something follows the end of the archive")
        scanner.scan_bytes(ctx.at_depth(ctx.depth + 1), rest, "")


def _scan_tar_members(ctx: ScanContext, archive: Tar) -> None:
    seen: set[str] = set()
    for member in archive.members():
        inside = ctx.enter_member(member.name)
        _check_path(inside, member.name)
        if (same := zip_archive.normalise_path(member.name)) in seen:
            inside.add_finding(DANGEROUS, "readers differ: two members have this path")
        seen.add(same)
        if member.link:
            _add_link(inside, member.link.encode())
        elif member.special:
            inside.add_finding(UNSCANNABLE, "not a regular file")
        else:
            scanner.guard(inside, partial(scanner.scan_bytes, inside, member.data, member.name))


def _check_path(ctx: ScanContext, name: str) -> None:
    if leaves_folder(name):
        ctx.add_finding(DANGEROUS, "its path leaves the folder that it is unpacked in")


def _add_link(ctx: ScanContext, target: bytes) -> None:
    """Add a link in an archive. One that leads out of the folder, or is longer than any path, is dangerous."""
    path = target[:_PATH].decode("utf-8", "replace")
    outside = len(target) > _PATH or leaves_folder(path)
    ctx.add_finding(DANGEROUS if outside else NOTE, f"a link to {path}")


def scan_arrays(ctx: ScanContext, body: ByteSource) -> None:
    """Scan arrays of numpy, one behind the other: one of objects is a pickle behind a header."""
    ctx.recognise("npy")
    at = 0
    while at < body.size:
        ctx.spend_member()
        array = npy_array.read_header(body, at)
        end = body.size if array.objects else array.start + array.size
        if end > body.size:
            raise Stopped("it is cut short")
        inside = ByteSlice(body, array.start, end - array.start)
        first = inside.at(0, HEAD)
        opened = partial(SequentialReader, inside)
        if array.objects:
            if first[:1] and first[0] in OPCODES:
                scan_pickle(ctx, opened, first, "", lone=True)
            else:
                raise Stopped("the objects of its array can't be read")
        elif first[:1] == b"\x80":  # numbers may begin so by chance: only what is a pickle counts
            scan_pickle(ctx, opened, b"(" + first[1:], "")
        at = end
        if at < body.size and body.at(at, 6) != npy_array.MAGIC:
            ctx.add_finding(DANGEROUS, "something follows its array")
            scanner.scan_bytes(ctx.at_depth(1), ByteSlice(body, at, body.size - at), "")
            break

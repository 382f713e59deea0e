"""Tar archives, header by header. Members are pieces of the file; nothing is extracted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..pickles.reader import Stopped
from .bodies import Body, Piece

_BLOCK = 512
_LONG = 1 << 16
_FILES, _FOLDERS, _LINKS = b"\x0007", b"5", b"12"


class TarMember(NamedTuple):
    """A member: its ``data``; ``link`` is where it leads if it is a link, ``special`` that it is a device or the like."""

    name: str
    data: Body
    link: str = ""
    special: bool = False


def is_tar(head: bytes) -> bool:
    """Whether a file begins with a header of a member whose checksum holds."""
    return len(head) >= _BLOCK and any(head[:100]) and _checksum(head[:_BLOCK])


def _checksum(header: bytes) -> bool:
    said = _number(header[148:156])
    return said is not None and said == sum(header[:148]) + sum(header[156:]) + 8 * 32


def _number(field: bytes) -> int | None:
    if field[:1] in (b"\x80", b"\xff"):
        return int.from_bytes(field[1:], "big") if field[:1] == b"\x80" else None
    digits = field.strip(b" \0")
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        return None


def read(body: Body) -> Iterator[TarMember]:
    """The members in their order. :class:`Stopped` where it can't be read on, and for what follows its end."""
    at, longer = 0, {}
    while at + _BLOCK <= body.size:
        header = body.at(at, _BLOCK)
        if not any(header):
            _refuse_rest(body, at)
            return
        size = _number(header[124:136])
        if size is None or not _checksum(header):
            raise Stopped(f"a header of the archive is damaged at byte {at:,}")
        kind, start = header[156:157], at + _BLOCK
        if kind in b"LKxg" and kind:
            if size > _LONG:
                raise Stopped("a name in the archive is too long", limit=True)
            longer.update(_said(kind, body.at(start, size)))
            at = _after(start, size)
            continue
        size = int(longer.get("size", size))
        name = longer.get("path") or _name(header)
        link = longer.get("linkpath") or _text(header[157:257])
        longer = {}
        if start + size > body.size and kind in _FILES:
            raise Stopped("the archive is cut short")
        is_link = kind in _LINKS and bool(kind)
        special = not is_link and kind not in _FILES + _FOLDERS
        if kind not in _FOLDERS:
            yield TarMember(name, Piece(body, start, 0 if is_link else size), link if is_link else "", special)
        at = _after(start, 0 if is_link else size)
    raise Stopped("the archive has no end")


def _after(start: int, size: int) -> int:
    return start + -(-size // _BLOCK) * _BLOCK


def _refuse_rest(body: Body, at: int) -> None:
    """Behind the end there are only zeros; up to a megabyte of it is looked at."""
    rest = body.size - at
    if body.at(at, min(rest, 1 << 20)).strip(b"\0") or rest > 1 << 20:
        raise Stopped("something follows the end of the archive")


def _name(header: bytes) -> str:
    name, prefix = _text(header[:100]), _text(header[345:500])
    return f"{prefix}/{name}" if prefix and header[257:263] == b"ustar\0" else name


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")


def _said(kind: bytes, data: bytes) -> dict[str, str]:
    """What a header says of the next member: a long name, a long link, or records of pax."""
    if kind == b"L":
        return {"path": _text(data)}
    if kind == b"K":
        return {"linkpath": _text(data)}
    found: dict[str, str] = {}
    while data:
        length, space, _ = data.partition(b" ")
        if not space or not length.isdigit() or not 0 < int(length[:8]) <= len(data):
            raise Stopped("a header of the archive is damaged")
        key, _, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        if key in (b"path", b"linkpath") or (key == b"size" and value.isdigit() and len(value) < 20):
            found[key.decode()] = value.decode("utf-8", "replace")
        data = data[int(length) :]
    return found

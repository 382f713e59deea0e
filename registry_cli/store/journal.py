"""The journal of a model: one JSON object per line, each with the hash of the line before.

A line is the JSON text of an object whose last key is ``hash``: the sha256, in hex, of the same text without
``,"hash":"…"``. ``prev`` is the hash of the line before (64 zeros in the first), ``sealed`` that of the document that
the event wrote. Readers skip every other line: a torn last line stays, and the next entry starts a new line.

The journal is derived: each event is also in the version folder or stage table that it changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ..core.lazy_dataclass import replace
from ..core.records import Event, JournalEntry
from ..errors import Damaged
from .filesystem import files
from .layout import ModelLayout

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from typing import Any

GENESIS = "0" * 64
_FIRST_BLOCK = 1 << 14
_HASH_KEY = b',"hash":"'
_LINKED = re.compile(rb'\{"seq":(\d{1,18}),"prev":"([0-9a-f]{64})",.*,"hash":"([0-9a-f]{64})"\}\Z', re.DOTALL)
_TAIL = len(_HASH_KEY) + 64 + len(b'"}')


def encode(entry: JournalEntry) -> bytes:
    """The line of ``entry``, without its newline; the hash is computed."""
    body: dict[str, Any] = {"seq": entry.seq, "prev": entry.prev, "highest": entry.highest, "revision": entry.revision}
    if entry.sealed:
        body["sealed"] = entry.sealed
    if entry.carrier:
        body["carrier"] = entry.carrier
    body.update(entry.event.document())
    text = json.dumps(body, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode()
    return text[:-1] + _HASH_KEY + hashlib.sha256(text).hexdigest().encode() + b'"}'


def decode(line: bytes) -> JournalEntry | None:
    """The entry of a line; None if the line is not complete and valid."""
    body, tail = line[:-_TAIL], line[-_TAIL:]
    if not tail.startswith(_HASH_KEY) or not tail.endswith(b'"}'):
        return None
    found = tail[len(_HASH_KEY) : -2].decode("ascii", "replace")
    if hashlib.sha256(body + b"}").hexdigest() != found:
        return None
    try:
        document = json.loads(body + b"}", object_pairs_hook=_make_object)
        place = {name: document.pop(name) for name in ("seq", "prev", "highest", "revision")}
        sealed, carrier = document.pop("sealed", ""), document.pop("carrier", "")
        numbers, texts = [place[name] for name in ("seq", "highest", "revision")], (place["prev"], sealed, carrier)
        if {*map(type, numbers)} != {int} or {*map(type, texts)} != {str}:
            return None
        return JournalEntry(hash=found, event=Event.parse(document), sealed=sealed, carrier=carrier, **place)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("duplicate key")
    return found


def next_entry(
    last: JournalEntry | None, event: Event, highest: int, revision: int, sealed: str = "", carrier: str = ""
) -> JournalEntry:
    """The entry of ``event`` behind ``last``; its hash is set."""
    seq, prev = (last.seq + 1, last.hash) if last else (1, GENESIS)
    entry = JournalEntry(seq, prev, "", highest, revision, event, sealed, carrier)
    return replace(entry, hash=encode(entry)[-66:-2].decode())


def next_entry_of(
    paths: ModelLayout, last: JournalEntry | None, event: Event | None, highest: int, revision: int, carrier: str = ""
) -> JournalEntry:
    """The entry of a change of a model after ``last``, with the sha256 of the document that ``event`` wrote."""
    if event is None:
        raise Damaged(f"{paths.name}: a change without an event", "run 'registry verify' for details")
    return next_entry(last, event, highest, revision, _document_digest(paths, event), carrier)


def _document_digest(paths: ModelLayout, event: Event) -> str:
    """The sha256 of the document that ``event`` wrote; empty if it wrote none, or it is gone."""
    path = paths.document_of(event.action, event.version)
    try:
        return hashlib.sha256(files.read(path, files.DOCUMENT_LIMIT, path.name)).hexdigest() if path else ""
    except FileNotFoundError:
        return ""


def last_entry(path: Path) -> JournalEntry | None:
    """The newest entry, read from the end; None for a journal that is empty or missing."""
    return next(iter(newest_first(path)), None)


def newest_first(
    path: Path, accepts: Callable[[bytes], bool] = bool, lines: Sequence[bytes] | None = None
) -> Iterator[JournalEntry]:
    """Every entry, the newest first, of lines whose bytes ``accepts`` is true for.

    Unless the ``lines`` are given, reads only as far back as the caller iterates, and keeps nothing open meanwhile.
    """
    backward = _lines_backward(path) if lines is None else reversed(lines)
    return (entry for line in backward if accepts(line) and (entry := decode(line)))


def oldest_first(path: Path, containing: bytes = b"") -> Iterator[JournalEntry]:
    """Every entry, in order, whose line has the bytes ``containing``."""
    try:
        with files.open_file(path, path.name) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
            for line in stream:
                if containing in line and (entry := decode(line.rstrip(b"\n"))):
                    yield entry
    except FileNotFoundError:
        return


def read_lines(path: Path) -> list[bytes]:
    """The lines of a journal, behind the last newline an empty or torn one; none if it is missing."""
    try:
        with files.open_file(path, path.name) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
            return stream.read().split(b"\n")
    except FileNotFoundError:
        return []


def scan(path: Path, containing: bytes) -> tuple[list[JournalEntry], JournalEntry | None, int]:
    """The entries whose lines have the bytes ``containing``, the oldest first, the newest entry of all, and where the
    chain breaks (see :func:`find_break`).
    """
    lines = read_lines(path)
    last = next((entry for line in reversed(lines) if (entry := decode(line))), None)
    return [entry for line in lines if containing in line and (entry := decode(line))], last, find_break(lines)


def find_break(lines: Iterable[bytes]) -> int:
    """The number of the first line that breaks the chain of hashes, or where lines are missing; 0 if there is none.

    An unreadable line breaks it only if it was part of it: a torn line that a crash left has none that follows it.
    """
    prev, seq, unreadable = GENESIS, 0, 0
    for number, line in enumerate(lines, 1):
        link = _read_link(line)
        if link is None:
            unreadable = unreadable or number
        elif link[:2] != (seq + 1, prev):
            return unreadable or number
        else:
            seq, prev, unreadable = link[0], link[2], 0
    return 0


def _read_link(line: bytes) -> tuple[int, str, str] | None:
    """``seq``, ``prev`` and ``hash`` of a line without parsing its event; None if it is not complete and valid."""
    match = _LINKED.match(line)
    if match is None or hashlib.sha256(line[:-_TAIL] + b"}").hexdigest() != match[3].decode():
        return None
    return int(match[1]), match[2].decode(), match[3].decode()


def find(path: Path, event_id: str) -> JournalEntry | None:
    """The newest entry of the event with this id; only lines that contain the id are parsed."""
    wanted = json.dumps(event_id, ensure_ascii=True).encode()
    return next(
        (entry for entry in newest_first(path, lambda line: wanted in line) if entry.event.id == event_id), None
    )


def _lines_backward(path: Path) -> Iterator[bytes]:
    pieces: list[bytes] = []  # the end of a line whose beginning is not read yet, last piece first
    for block in _blocks_backward(path):
        *rest, first = reversed(block.split(b"\n"))
        if rest:
            yield rest[0] + b"".join(reversed(pieces)) if pieces else rest[0]
            yield from rest[1:]
            pieces = []
        pieces.append(first)
    if pieces:
        yield b"".join(reversed(pieces))


def _blocks_backward(path: Path) -> Iterator[bytes]:
    """Opened anew for each block: thousands of histories can be read side by side, and lines are only ever added."""
    position, size = -1, _FIRST_BLOCK
    while position:
        try:
            with files.open_file(path, path.name) as descriptor:
                end = os.fstat(descriptor).st_size if position < 0 else position
                position, size = max(0, end - size), files.BLOCK
                block = os.pread(descriptor, end - position, position)
        except FileNotFoundError:
            return
        yield block


def measure(path: Path) -> tuple[int, bool]:
    """The size of a journal in bytes, 0 if it is missing, and whether its last line is torn."""
    try:
        with files.open_file(path, path.name) as descriptor:
            size = os.fstat(descriptor).st_size
            return size, bool(size) and os.pread(descriptor, 1, size - 1) != b"\n"
    except FileNotFoundError:
        return 0, False


def append(path: Path, entry: JournalEntry, mode: int) -> None:
    """Append ``entry`` in one ``write``, on the disk when this returns. Only under the model's lock.

    After a torn last line the entry starts a new line. The file's name is on the disk before its first line.
    """
    line = encode(entry) + b"\n"
    created = not files.exists(path)
    flags = files.CREATE_READABLE if created else os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with files.open_descriptor(path, flags) as descriptor:
        if created:
            os.fchmod(descriptor, mode)
        end = os.lseek(descriptor, 0, os.SEEK_END)
        if not end:
            files.fsync_folder(path.parent)
        elif os.pread(descriptor, 1, end - 1) != b"\n":
            line = b"\n" + line
        files.write_all(descriptor, line)
        os.fsync(descriptor)

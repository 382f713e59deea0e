"""The journal of a model: one JSON object a line, each bound to the one before by its hash.

A line is the JSON text of an object whose last key is ``hash``: the sha256, in hex, of that same text without
``,"hash":"…"``. ``prev`` is the hash of the line before (64 zeros in the first), ``sealed`` that of the document
that the event wrote. What is no such line is skipped by
readers: a torn tail stays where it is, and the next line starts anew.

The journal is derived: each event is also in the version folder or stage table that it changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..core.lazy_dataclass import replace
from ..core.records import Event, JournalEntry
from .filesystem import files
from .layout import ModelLayout

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from typing import Any

GENESIS = "0" * 64
_FIRST_BLOCK = 1 << 14
_HASH_KEY = b',"hash":"'
_TAIL = len(_HASH_KEY) + 64 + len(b'"}')


def encode(entry: JournalEntry) -> bytes:
    """The line of ``entry``, without its newline; ``entry.hash`` is not used but computed."""
    body: dict[str, Any] = {"seq": entry.seq, "prev": entry.prev, "highest": entry.highest, "revision": entry.revision}
    if entry.sealed:
        body["sealed"] = entry.sealed
    if entry.carrier:
        body["carrier"] = entry.carrier
    body.update(entry.event.document())
    text = json.dumps(body, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode()
    return text[:-1] + _HASH_KEY + hashlib.sha256(text).hexdigest().encode() + b'"}'


def decode(line: bytes) -> JournalEntry | None:
    """The entry of a line, or None if the line is not whole and right."""
    body, tail = line[:-_TAIL], line[-_TAIL:]
    if not tail.startswith(_HASH_KEY) or not tail.endswith(b'"}'):
        return None
    found = tail[len(_HASH_KEY) : -2].decode("ascii", "replace")
    if hashlib.sha256(body + b"}").hexdigest() != found:
        return None
    try:
        document = json.loads(body + b"}", object_pairs_hook=_once)
        place = {name: document.pop(name) for name in ("seq", "prev", "highest", "revision")}
        sealed, carrier = document.pop("sealed", ""), document.pop("carrier", "")
        kinds = {type(place[name]) for name in ("seq", "highest", "revision")}
        if (
            kinds != {int}
            or not isinstance(place["prev"], str)
            or not isinstance(sealed, str)
            or not isinstance(carrier, str)
        ):
            return None
        return JournalEntry(hash=found, event=Event.parse(document), sealed=sealed, carrier=carrier, **place)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def next_entry(
    last: JournalEntry | None, event: Event, highest: int, revision: int, sealed: str = "", carrier: str = ""
) -> JournalEntry:
    """The entry of ``event`` behind ``last``; its hash is set."""
    seq, prev = (last.seq + 1, last.hash) if last else (1, GENESIS)
    entry = JournalEntry(seq, prev, "", highest, revision, event, sealed, carrier)
    return replace(entry, hash=encode(entry)[-66:-2].decode())


def document_digest(paths: ModelLayout, event: Event) -> str:
    """The sha256 of the document that ``event`` wrote, empty if it wrote none (or it is gone).

    This is what binds a document, down to its last byte, to the chain: nothing else would tell that a metric in it
    was changed, by a person or by a disk.
    """
    path = paths.document_of(event.action, event.version)
    try:
        return hashlib.sha256(files.read(path, files.DOCUMENT_LIMIT, path.name)).hexdigest() if path else ""
    except FileNotFoundError:
        return ""


def last_entry(path: Path) -> JournalEntry | None:
    """The newest whole entry, read from the end; None for a journal that is empty or not there."""
    return next(iter(newest_first(path)), None)


def newest_first(path: Path, looked_at: Callable[[bytes], bool] = bool) -> Iterator[JournalEntry]:
    """Every whole entry, the newest first; only of lines whose bytes ``looked_at`` accepts.

    Reads only as far back as the caller goes on, and holds nothing open meanwhile.
    """
    return (entry for line in _lines_backward(path) if looked_at(line) and (entry := decode(line)))


def oldest_first(path: Path, containing: bytes = b"") -> Iterator[JournalEntry]:
    """Every whole entry, in order; only those whose line has the bytes ``containing``."""
    try:
        with files.open_file(path, path.name) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
            for line in stream:
                if containing in line and (entry := decode(line.rstrip(b"\n"))):
                    yield entry
    except FileNotFoundError:
        return


def find(path: Path, event_id: str) -> JournalEntry | None:
    """The newest entry of the event with this id. Lines are only parsed when they hold the id's text."""
    wanted = json.dumps(event_id, ensure_ascii=True).encode()
    for line in _lines_backward(path):
        if wanted in line and (entry := decode(line)) and entry.event.id == event_id:
            return entry
    return None


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


def append(path: Path, entry: JournalEntry, mode: int) -> None:
    """Write ``entry`` behind the last line, on the disk when this returns. Only under the model's lock.

    One ``write``. A tail that is torn keeps its bytes; the entry starts a new line. The file's name is on the disk
    before its first line is: whoever finds a line can rely on the file.
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

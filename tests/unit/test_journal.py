"""The journal: its lines, its chain, torn tails, and that a writer reads nothing but its end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli.core.records import Event, JournalEntry
from registry_cli.store import journal

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PLACE = {"id", "at", "by", "host", "action", "version", "seq", "prev", "highest", "revision", "hash"}
EVENTS = st.builds(
    Event, TEXT, TEXT, TEXT, TEXT, TEXT, st.none() | st.integers(1, 10**9),
    st.dictionaries(TEXT.filter(lambda key: key not in PLACE), JSON, max_size=3),
)  # fmt: skip


def event(number: int, **detail: Any) -> Event:
    return Event(f"id-{number}", "2026-03-01T12:00:00.000Z", "alice", "host", "registered", number, detail)


def entries(count: int) -> Iterator[JournalEntry]:
    last = None
    for number in range(1, count + 1):
        last = journal.next_entry(last, event(number), number, 0)
        yield last


def signed(body: str) -> bytes:
    """A line with a right hash, whatever its text is."""
    return f'{body[:-1]},"hash":"{hashlib.sha256(body.encode()).hexdigest()}"}}'.encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


@given(st.lists(EVENTS, min_size=1, max_size=5))
def test_a_line_reads_back_as_it_was_written(events: list[Event]) -> None:
    last = None
    for number, each in enumerate(events, 1):
        entry = journal.next_entry(last, each, number, number)
        line = journal.encode(entry)
        assert b"\n" not in line
        assert line.isascii()
        assert journal.decode(line) == entry
        assert json.loads(line)["prev"] == (last.hash if last else journal.GENESIS)
        last = entry


@given(EVENTS, st.data())
def test_a_line_with_any_other_byte_is_none(each: Event, data: st.DataObject) -> None:
    line = bytearray(journal.encode(journal.next_entry(None, each, 1, 0)))
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= data.draw(st.integers(1, 255))
    assert journal.decode(bytes(line)) is None


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_stumble(data: bytes) -> None:
    assert journal.decode(data) is None


@pytest.mark.parametrize(
    "body",
    [
        "{}", "[]", '{"seq":1}', '{"seq":"1","prev":"","highest":1,"revision":0,"id":"a","at":"","by":"","host":"","action":"x"}',
        '{"seq":1,"prev":2,"highest":1,"revision":0,"id":"a","at":"","by":"","host":"","action":"x"}',
        '{"seq":1,"prev":"","highest":true,"revision":0,"id":"a","at":"","by":"","host":"","action":"x"}',
        '{"seq":1,"prev":"","highest":1,"revision":0,"id":7,"at":"","by":"","host":"","action":"x"}',
        '{"seq":1,"prev":"","highest":1,"revision":0,"id":"a","at":"","by":"","host":"","action":"x","version":"1"}',
    ],
)  # fmt: skip
def test_a_line_with_a_right_hash_and_wrong_contents_is_none(body: str) -> None:
    assert journal.decode(signed(body)) is None


def test_a_key_twice_makes_a_line_none() -> None:
    """Which of the two counts depends on the reader: a second implementation would tell another story."""
    body = '{"seq":1,"prev":"","highest":1,"revision":0,"id":"a","at":"","by":"","host":"","action":"x","version":1}'
    assert journal.decode(signed(body)) is not None
    assert journal.decode(signed(body[:-1] + ',"version":2}')) is None
    assert journal.decode(signed(body[:-1] + ',"tags":{"a":1,"a":2}}')) is None


def test_it_is_read_from_both_ends(path: Path) -> None:
    written = list(entries(500))
    for entry in written:
        journal.append(path, entry, 0o644)
    assert list(journal.oldest_first(path)) == written
    assert list(journal.newest_first(path)) == written[::-1]
    assert journal.last_entry(path) == written[-1]
    assert journal.find(path, "id-250") == written[249]
    assert journal.find(path, "id-25") == written[24]
    assert journal.find(path, "id-0") is None


def test_no_journal_is_an_empty_one(path: Path) -> None:
    assert journal.last_entry(path) is None
    assert list(journal.oldest_first(path)) == list(journal.newest_first(path)) == []
    assert journal.find(path, "id-1") is None
    path.write_bytes(b"")
    assert journal.last_entry(path) is None


@given(st.data())
def test_a_tail_torn_anywhere_costs_one_event_and_the_next_one_is_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("torn") / "history.jsonl"
    written = list(entries(4))
    lines = [journal.encode(entry) + b"\n" for entry in written]
    kept = data.draw(st.integers(0, len(lines[2])))
    path.write_bytes(b"".join(lines[:2]) + lines[2][:kept])
    whole = written[:3] if kept >= len(lines[2]) - 1 else written[:2]
    assert journal.last_entry(path) == whole[-1]
    before = path.read_bytes()
    following = journal.next_entry(whole[-1], event(9), 9, 0)
    journal.append(path, following, 0o644)
    assert path.read_bytes().startswith(before), "what is torn stays as it is"
    assert list(journal.oldest_first(path)) == [*whole, following]
    assert list(journal.newest_first(path)) == [following, *whole[::-1]]


@given(st.lists(st.one_of(st.binary(max_size=40), st.integers(0, 40_000)), max_size=8))
def test_reading_backwards_finds_what_reading_forwards_finds(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes | int]
) -> None:
    """Rubbish, empty lines and events of any length, over the borders of the blocks in which the end is read."""
    path = tmp_path_factory.mktemp("mixed") / "history.jsonl"
    last: JournalEntry | None = None
    with path.open("wb") as stream:
        for number, piece in enumerate(pieces, 1):
            if isinstance(piece, bytes):
                stream.write(piece + b"\n")
            else:
                last = journal.next_entry(last, event(number, reason="x" * piece), number, 0)
                stream.write(journal.encode(last) + b"\n")
    forwards = list(journal.oldest_first(path))
    assert list(journal.newest_first(path)) == forwards[::-1]
    assert len(forwards) == sum(isinstance(piece, int) for piece in pieces)
    assert journal.last_entry(path) == last


def _bytes_read() -> int:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the kernel does not count here")
def test_a_writer_reads_only_the_end_of_a_long_journal(path: Path) -> None:
    """A hundred thousand lines, 30 MB: what a writer needs of them is in the last block."""
    with path.open("wb") as stream:
        for entry in entries(100_000):
            stream.write(journal.encode(entry) + b"\n")
    before = _bytes_read()
    last = journal.last_entry(path)
    assert last is not None
    journal.append(path, journal.next_entry(last, event(100_001), 100_001, 0), 0o644)
    assert _bytes_read() - before < 64 << 10
    assert [entry.seq for entry in (journal.last_entry(path), last) if entry] == [100_001, 100_000]


def test_append_never_follows_a_link_and_sets_the_mode(path: Path, tmp_path: Path) -> None:
    journal.append(path, next(entries(1)), 0o640)
    assert path.stat().st_mode & 0o777 == 0o640
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)
    with pytest.raises(OSError, match="symbolic"):
        journal.append(link, next(entries(1)), 0o640)

"""The interpreter of one pickle, over a stack of symbols. Nothing is imported and nothing called.

Stack, marks and memo are those of the unpickler, so that a global whose name goes through the memo is the global that
would be imported. The interpreter stops where every unpickler would stop. What one unpickler accepts and another refuses,
or reads as something else, is logged as an anomaly.
"""

from __future__ import annotations

import re
from typing import Any

from ...inspect.binary.limits import Budget, Stopped
from . import stack_values
from .arrays import Arrays
from .call_opcodes import mark_referred
from .opcode_reader import OpcodeReader
from .opcodes import NUMBER_LINE, PROTOCOLS, STOP, TABLE
from .scan_log import UNCLEAR, ScanLog
from .stack_values import FORGOTTEN, LONG_TEXT, NUMBER, TEXT, Blob, Call, CutTuple, Global, LongText, Persistent, Tuple

#: The most places of the memo. An honest pickle has one for each of its objects.
PLACES = 64 << 20
#: Once more places are filled, the oldest ones are forgotten.
_PLACES_KEPT = 1 << 20
#: No pickler skips more places than it has written bytes.
_GAP, _BYTES = 64, 8
_EMPTY = object()


class Memo:
    """Values by place. ``names`` are texts that were names of globals: they are kept, and so are the globals."""

    def __init__(self) -> None:
        self._filled: list[Any] = []
        self._others: dict[int, Any] = {}
        self._count = 0
        self._oldest = 0
        self.names: set[str] = set()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> Any:
        value = self._filled[place] if 0 <= place < len(self._filled) else self._others[place]
        if value is _EMPTY:
            raise KeyError(place)
        return value

    def put(self, place: int, value: Any) -> bool:
        """Fill a place; False when it was filled before, with something else."""
        filled = self._filled
        if len(filled) < place <= len(filled) + _GAP and not self._others:
            filled += [_EMPTY] * (place - len(filled))  # Python 2 began with one; optimized pickles leave places out
        if place == len(filled) and not self._others:
            filled.append(value)
            self._count += 1
            if place >= _PLACES_KEPT:
                self._forget(place)
            return True
        if place < len(filled):
            before, filled[place] = filled[place], value
        else:
            before = self._others.get(place, _EMPTY)
            if len(self._others) >= _PLACES_KEPT and place not in self._others:
                raise Stopped(f"its memo has more than {_PLACES_KEPT:,} places out of order", limit=True)
            self._others[place] = value
        if before is _EMPTY:
            self._count += 1
            return True
        return before is value

    def _forget(self, place: int) -> None:
        if place >= PLACES:
            raise Stopped(f"its memo has more than {PLACES:,} places", limit=True)
        value = self._filled[self._oldest]
        if value is not _EMPTY and not (
            isinstance(value, (Global, LongText)) or (type(value) is str and value in self.names)
        ):
            self._filled[self._oldest] = FORGOTTEN
        self._oldest += 1


_INTEGER = re.compile(rb"-?(0|[1-9][0-9]*)L?\r?|0[01]\r?")
_FLOAT = re.compile(rb"-?(inf|nan|[0-9]+(\.[0-9]*)?(e[-+]?[0-9]+)?)\r?")
#: What the C library's ``strtol`` reads, though Python's ``int`` does not.
_OCTAL = re.compile(rb"\s*[-+]?0[0-7]+\s*")
_STACK = 1 << 21
_LINE = 1024
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r", b"\n": b"",
            b"\\": b"\\", b"'": b"'", b'"': b'"'}  # fmt: skip
_UNICODE = re.compile(rb"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.?)", re.DOTALL)
#: The printable characters that Python's repr escapes in a text, and those that a pickler escapes in a line.
_QUOTED = frozenset([b"\\", b"'", b'"', b"n", b"r", b"t"])
_IN_LINE = frozenset([0, 10, 13, 26, 92])
#: Runs of numbers are read at once: the pattern, and the bytes of each number. ``_CHEAP`` numbers count as one opcode.
_RUNS: list[tuple[re.Pattern[bytes], int] | None] = [None] * 256
for _code, _bytes in (("K", 1), ("M", 2), ("J", 4), ("G", 8)):
    _RUNS[ord(_code)] = (re.compile(b"(?s:%c.{%d}){16,}" % (_code.encode(), _bytes)), 1 + _bytes)
_CHEAP = 16
#: From this length on, the texts of numbers are read by some versions of Python only.
_LONGEST_NUMBER = 4300


class Machine:
    """The state of one unpickler. ``arrays`` skips the arrays that joblib writes between opcodes; None for a plain reader."""

    def __init__(self, reader: OpcodeReader, log: ScanLog, budget: Budget, arrays: Arrays | None = None) -> None:
        self.reader: OpcodeReader = reader
        self.log: ScanLog = log
        self.budget: Budget = budget
        self.arrays: Arrays | None = arrays
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: Memo = Memo()
        self.start = reader.offset
        self.frame_end = 0
        self.protocol = 0
        self._newest = 0  # the latest protocol of which an opcode was met

    def run(self) -> Any:
        """The value of the pickle. :class:`Stopped` where it can't be read on."""
        reader, table, left, protocols, runs = self.reader, TABLE, self.budget.opcodes, PROTOCOLS, _RUNS
        byte = reader.byte
        try:
            while True:
                code = byte()
                run = runs[code]
                if run is not None and (count := reader.run_length(*run, self.frame_end)):
                    self.push_numbers(count)
                    left -= count // _CHEAP + 1
                    continue
                if code == STOP:
                    self._check_end()
                    value = self.pop()
                    mark_referred(self, (value,))
                    return value
                handle = table[code]
                if handle is None:
                    raise Stopped(f"byte {reader.offset - 1:,} is not an opcode")
                left -= 1
                if left < 0:
                    raise Stopped("it has more opcodes than are looked at", limit=True)
                self._newest = max(self._newest, protocols[code])
                if self.frame_end:
                    at = reader.offset - 1
                    handle(self)
                    if reader.offset >= self.frame_end:
                        if at < self.frame_end < reader.offset:
                            self.log.add_anomaly("an opcode lies across the end of a frame")
                        self.frame_end = 0
                else:
                    handle(self)
        except (IndexError, KeyError, ValueError, OverflowError, TypeError) as error:
            raise Stopped(f"no pickle goes on as it does at byte {reader.offset:,}") from error
        finally:
            self.budget.opcodes = max(left, 0)

    def _check_end(self) -> None:
        """Old readers know only the opcodes of the protocol that stands in front."""
        if self._newest > max(self.protocol, 1):
            self.log.add_anomaly(f"it has opcodes of protocol {self._newest}, but says protocol {self.protocol}")
        if self.reader.offset < self.frame_end:
            self.log.add_anomaly("it ends before its frame does")

    # the stack

    def push(self, value: Any) -> None:
        if len(self.stack) >= _STACK:
            raise Stopped(f"more than {_STACK:,} values stand on its stack", limit=True)
        self.stack.append(value)

    def push_numbers(self, count: int) -> None:
        """Push many numbers, of which only is known that they are some."""
        if len(self.stack) + count > _STACK:
            raise Stopped(f"more than {_STACK:,} values stand on its stack", limit=True)
        self.stack += [NUMBER] * count

    def pop(self) -> Any:
        return self.stack.pop()

    def mark(self) -> None:
        if len(self.marks) >= _STACK:
            raise Stopped(f"more than {_STACK:,} marks stand on its stack", limit=True)
        self.marks.append(self.stack)
        self.stack = []

    def to_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def tuple_of(self, items: list[Any]) -> Tuple:
        """A tuple, of as many elements as there is room for."""
        mark_referred(self, items)
        room = self.room(len(items)) if len(items) > 3 else 3
        return Tuple(items) if len(items) <= room else CutTuple(items[:room])

    # constants

    def string(self, length: int) -> None:
        """A string of Python 2: its bytes are read as Latin-1, as all readers of old files do."""
        self.push(self.reader.take(length).decode("latin-1") if length <= TEXT else self._skip(length, LONG_TEXT))

    def text(self, length: int) -> None:
        if length > TEXT:
            self.push(self._skip(length, LongText(self.reader.offset, length)))
        else:
            self.push(self.reader.take(length).decode("utf-8", "surrogatepass"))

    def byte_string(self, length: int) -> None:
        blob = Blob(self.reader.offset, length)
        self.push(self.reader.take(length) if length <= TEXT else self._skip(length, blob))

    def long(self, length: int) -> None:
        if length > NUMBER_LINE:
            self.push(self._skip(length, NUMBER))
        else:
            self.push(int.from_bytes(self.reader.take(length), "little", signed=True))

    def _skip(self, length: int, symbol: Any) -> Any:
        """The symbol of a long constant, which is not read."""
        self.reader.skip(length)
        return symbol

    def line_text(self) -> None:
        data, whole = self.reader.line(_LINE)
        if whole and b"\\" in data and not all(map(_is_escaped_in_line, _UNICODE.findall(data))):
            self.log.add_anomaly("it escapes plain letters of a text")
        self.push(data.decode("raw-unicode-escape") if whole else LONG_TEXT)

    def quoted(self) -> None:
        data, whole = self.reader.line(_LINE)
        if whole:
            data = data.rstrip(b"\r")  # written by Python 2 on Windows, as text
            if len(data) < 2 or data[:1] != data[-1:] or data[:1] not in (b"'", b'"'):
                raise ValueError("a text without quotes")
            data = data[1:-1]
            if b"\\" in data and not all(map(_is_quoted, _ESCAPE.findall(data))):
                self.log.add_anomaly("it escapes plain letters of a text")
            data = _ESCAPE.sub(_unescaped, data)
        self.push(data.decode("latin-1") if whole else LONG_TEXT)  # names, bytes and text are the same here

    def line_number(self) -> None:
        """``INT`` and ``LONG``: what is not written as picklers do, the readers take differently."""
        data, whole = self.reader.line(_LONGEST_NUMBER)
        if not whole:
            self.log.add_anomaly("a number is so long that not every Python reads it")
        elif not _INTEGER.fullmatch(data):
            self.log.add_anomaly("a number is written as no pickler does")
        self.push(_parse_integer(data) if whole else NUMBER)

    def line_float(self) -> None:
        data, whole = self.reader.line(_LINE)
        if not (whole and _FLOAT.fullmatch(data)):
            self.log.add_anomaly("a number is written as no pickler does")
            float(data.strip(b" \t\r\v\f\0"))  # ValueError when no reader takes it for a number
        self.push(NUMBER)

    # the memo

    def place(self) -> int:
        """A place of the memo, written as text."""
        data, whole = self.reader.line(NUMBER_LINE)
        if not whole or not _INTEGER.fullmatch(data) or data.startswith(b"-"):
            self.log.add_anomaly("a number is written as no pickler does")
        found = _parse_integer(data, 10)
        if not isinstance(found, int):
            raise ValueError("no place of the memo")
        return found

    def put(self, place: int) -> None:
        if place < 0:
            raise ValueError("a negative place of the memo")
        if place > len(self.memo) + _GAP + _BYTES * (self.reader.offset - self.start):
            self.log.add_anomaly("it skips places of the memo")
        if not self.memo.put(place, self.stack[-1]):
            self.log.add_anomaly("it fills a place of the memo twice")

    def get(self, place: int) -> None:
        self.push(self.memo[place])

    # globals

    def import_line(self) -> Global:
        module, whole = self.reader.line(_LINE)
        name, all_of_it = self.reader.line(_LINE)
        if not (whole and all_of_it):
            self.log.add_anomaly("the name of a global is too long to be one")
            raise Stopped("the name of a global is too long to be one", ambiguous=True)
        return self.log.import_global(module.decode(), name.decode(), self.reader.offset)

    def stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        if isinstance(module, str) and isinstance(name, str):
            self.memo.names.update((module, name))
            self.push(self.log.import_global(module, name, self.reader.offset))
            return
        if FORGOTTEN in (module, name):
            raise Stopped("the name of a global lies too far back", limit=True)
        if not all(isinstance(each, str) or _may_be_text(each) for each in (module, name)):
            self.log.add_anomaly("the name of a global is not text")
            raise ValueError("a global without a name")
        self.log.add_anomaly("the name of a global is computed by the pickle")
        self.push(Call(None, ()))

    def extension(self, code: int) -> None:
        if code <= 0:
            raise ValueError("no extension")
        self.log.add_anomaly(f"extension {code}: the global is registered with the reader", UNCLEAR)
        self.push(Call(None, ()))

    def persistent(self, identity: Any) -> None:
        """What the reader looks up. Old files of torch name a class so, together with its source."""
        module = isinstance(identity, tuple) and len(identity) == 4 and isinstance(identity[0], str)
        named = module and identity[0] == "module" and isinstance(identity[1], Global)
        self.push(identity[1] if named else Persistent(identity))

    def frame(self, length: int) -> None:
        if self.reader.offset < self.frame_end:
            self.log.add_anomaly("a frame begins before the last one ends")
        self.frame_end = self.reader.offset + length

    def protocol_is(self, number: int) -> None:
        if number > 5:
            raise ValueError("no such protocol")
        if self.reader.offset - self.start != 2:
            self.log.add_anomaly("it names its protocol in the middle")
        elif number < 2:
            self.log.add_anomaly(f"it names protocol {number}, which has no name")
        self.protocol = number

    def room(self, count: int) -> int:
        """For how many of so many more objects there is room to remember them."""
        self.budget.kept -= count
        return max(0, self.budget.kept)


def _may_be_text(value: Any) -> bool:
    """Whether it may be a text, exactly: what a call gave may, unless it is an object of a class."""
    if isinstance(value, LongText):
        return True
    made = stack_values.class_of(value)
    return isinstance(value, (Call, Persistent)) and not (made and made.name.lstrip("_")[:1].isupper())


def _is_quoted(escape: bytes) -> bool:
    """Whether a pickler would have escaped this in a text between quotes."""
    return escape in _QUOTED or (len(escape) == 3 and escape[:1] == b"x" and not 0x20 <= int(escape[1:], 16) < 0x7F)


def _is_escaped_in_line(escape: bytes) -> bool:
    """Whether a pickler would have escaped this in a line of text."""
    value = int(escape[1:], 16) if len(escape) > 2 else 1
    return value in _IN_LINE or value >= (0x100 if escape[:1] == b"u" else 0x10000)


def _unescaped(found: re.Match[bytes]) -> bytes:
    escape = found.group(1)
    if escape[:1] == b"x" and len(escape) == 3:
        return bytes([int(escape[1:], 16)])
    if escape[:1].isdigit():
        return bytes([int(escape, 8) & 255])
    return _ESCAPED.get(escape, b"\\" + escape)


def _parse_integer(data: bytes, base: int = 0) -> Any:
    """The integer, or the symbol of a long one. ValueError when no reader takes it for one."""
    data = data.partition(b"\0")[0].rstrip(b"\r")  # where the C library takes the text to end
    if data in (b"00", b"01"):
        return data == b"01"
    if data.endswith(b"L"):
        data = data[:-1]
    if _INTEGER.fullmatch(data):
        return int(data) if len(data) <= NUMBER_LINE else NUMBER
    try:
        return int(data[:_LONGEST_NUMBER], base)
    except ValueError:
        if _OCTAL.fullmatch(data) or not data:
            return NUMBER
        raise

"""One pickle, opcode by opcode, over a stack of symbols. Nothing is imported and nothing called.

The stack, the mark and the memo are kept as the unpickler keeps them, so that a global whose name is put together by
way of the memo is the global that would be imported. What an unpickler would stop at, this stops at.
"""

from __future__ import annotations

import re
from typing import Any

from .arrays import Arrays
from .log import HIDES, UNCLEAR, Log
from .opcodes import NUMBER_LINE, STOP, TABLE
from .reader import Budget, Reader, Stopped
from .values import LONG_TEXT, NUMBER, TEXT, Blob, Call, Global, Persistent, class_of

_STACK = 1 << 21
_MEMO = 1 << 22
_LINE = 1024
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13}
#: A text that is the name of what BUILD calls: no state needs it as one.
_HOOK = "__setstate__"


class Machine:
    """The state of one unpickler. ``arrays`` reads what joblib lays between opcodes; None for a plain reader."""

    def __init__(self, reader: Reader, log: Log, budget: Budget, arrays: Arrays | None = None) -> None:
        self.reader: Reader = reader
        self.log: Log = log
        self.budget: Budget = budget
        self.arrays: Arrays | None = arrays
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.frame_end = 0
        self.protocol = 0

    def run(self) -> Any:
        """What the pickle gives. :class:`Stopped` where it can't be read on."""
        byte, table, left = self.reader.byte, TABLE, self.budget.opcodes
        try:
            while True:
                code = byte()
                if code == STOP:
                    return self.pop()
                handle = table[code]
                if handle is None:
                    raise Stopped(f"byte {self.reader.offset - 1:,} is no opcode")
                left -= 1
                if left < 0:
                    raise Stopped("it has more opcodes than are looked at", limit=True)
                handle(self)
        except (IndexError, KeyError, ValueError, OverflowError, TypeError) as error:
            raise Stopped(f"no pickle goes on as it does at byte {self.reader.offset:,}") from error
        finally:
            self.budget.opcodes = max(left, 0)

    # the stack

    def push(self, value: Any) -> None:
        if len(self.stack) >= _STACK:
            raise Stopped(f"more than {_STACK:,} values stand on its stack", limit=True)
        self.stack.append(value)

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

    def pop_or_unmark(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.to_mark()

    # constants

    def text(self, data: bytes, whole: bool = True) -> None:
        if not whole:
            self.push(LONG_TEXT)
            return
        value = data.decode("utf-8", "surrogatepass")
        if value == _HOOK:
            self.log.trick(HIDES, f"it names {_HOOK}, which a later BUILD would call", self.reader.offset)
        self.push(value)

    def string(self, length: int) -> None:
        """What Python 2 calls a string; its bytes are read as Latin-1, as all who read old files do."""
        if length > TEXT:
            self.long_text(length)
        else:
            self.text(self.reader.take(length).decode("latin-1").encode())

    def long_text(self, length: int) -> None:
        if length > TEXT:
            self.reader.skip(length)
            self.push(LONG_TEXT)
        else:
            self.text(self.reader.take(length))

    def bytes(self, length: int) -> None:
        """Bytes are passed over; only of short ones it is known what they are."""
        if length > TEXT:
            place = Blob(self.reader.offset, length)
            self.reader.skip(length)
            self.push(place)
        else:
            self.push(self.reader.take(length))

    def long(self, length: int) -> None:
        if length > NUMBER_LINE:
            self.reader.skip(length)
            self.push(NUMBER)
        else:
            self.push(int.from_bytes(self.reader.take(length), "little", signed=True))

    def line_text(self) -> None:
        data, whole = self.reader.line(_LINE)
        self.text(data.decode("raw-unicode-escape").encode("utf-8", "surrogatepass") if whole else data, whole)

    def quoted(self) -> None:
        data, whole = self.reader.line(_LINE)
        if whole:
            if len(data) < 2 or data[:1] != data[-1:] or data[:1] not in (b"'", b'"'):
                raise ValueError("a text without quotes")
            data = _ESCAPE.sub(_unescaped, data[1:-1])
            data = data.decode("latin-1").encode()  # as names, bytes and text are the same here
        self.text(data, whole)

    def line_number(self) -> None:
        data, whole = self.reader.line(NUMBER_LINE)
        if not whole:
            self.push(NUMBER)
        elif data in (b"00", b"01"):
            self.push(data == b"01")
        else:
            self.push(int(data.rstrip(b"L")))

    def line_float(self) -> None:
        data, whole = self.reader.line(_LINE)
        self.push(float(data) if whole else NUMBER)

    # the memo

    def put(self, index: int) -> None:
        if index < 0:
            raise ValueError("a negative place of the memo")
        value = self.stack[-1]
        if len(self.memo) >= _MEMO and index not in self.memo:
            raise Stopped(f"its memo has more than {_MEMO:,} places", limit=True)
        self.memo[index] = value

    def get(self, index: int) -> None:
        self.push(self.memo[index])

    # globals

    def import_line(self) -> Global:
        module, whole = self.reader.line(_LINE)
        name, all_of_it = self.reader.line(_LINE)
        if not (whole and all_of_it):
            self.log.trick(HIDES, "the name of a global is too long to be one", self.reader.offset)
            raise Stopped("the name of a global is too long to be one")
        return self.log.use(module.decode(), name.decode(), self.reader.offset)

    def stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        if isinstance(module, str) and isinstance(name, str):
            self.push(self.log.use(module, name, self.reader.offset))
            return
        if not all(isinstance(each, str) or _may_be_text(each) for each in (module, name)):
            raise ValueError("a global without a name")
        self.log.trick(HIDES, "the name of a global is computed by the pickle", self.reader.offset)
        self.push(Call(None, ()))

    def extension(self, code: int) -> None:
        if code <= 0:
            raise ValueError("no extension")
        self.log.trick(UNCLEAR, f"extension {code}: the global is registered with the reader", self.reader.offset)
        self.push(Call(None, ()))

    def persistent(self, identity: Any) -> None:
        """What the reader looks up. Old files of torch name a class so, together with its source."""
        module = isinstance(identity, tuple) and len(identity) == 4 and identity[0] == "module"
        self.push(identity[1] if module and isinstance(identity[1], Global) else Persistent(identity))

    def frame(self, length: int) -> None:
        self.frame_end = self.reader.offset + length

    def protocol_is(self, number: int) -> None:
        if number > 5:
            raise ValueError("no such protocol")
        self.protocol = number

    def room(self, count: int) -> int:
        """For how many of so many more objects there is room to remember them."""
        self.budget.kept -= count
        return max(0, self.budget.kept)


def _may_be_text(value: Any) -> bool:
    """Whether it may be a text, exactly: what a call gave may, unless it is an object of a class."""
    if value is LONG_TEXT:
        return True
    made = class_of(value)
    return isinstance(value, (Call, Persistent)) and not (made and made.name.lstrip("_")[:1].isupper())


def _unescaped(found: re.Match[bytes]) -> bytes:
    said = found.group(1)
    if said[:1] == b"x" and len(said) == 3:
        return bytes([int(said[1:], 16)])
    if said[:1].isdigit():
        return bytes([int(said, 8) & 255])
    if said in _ESCAPED:
        return bytes([_ESCAPED[said]])
    if said in (b"\\", b"'", b'"'):
        return said
    return b"" if said == b"\n" else b"\\" + said

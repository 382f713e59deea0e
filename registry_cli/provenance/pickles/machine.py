"""One pickle, opcode by opcode, over a stack of symbols. Nothing is imported and nothing called.

The stack, the mark and the memo are kept as the unpickler keeps them, so that a global whose name is put together by
way of the memo is the global that would be imported. What an unpickler would stop at, this stops at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import deeds
from .arrays import Arrays
from .log import HIDES, UNCLEAR, Log
from .reader import Budget, Reader, Stopped
from .values import BUFFER, BYTES, LONG_TEXT, NUMBER, TEXT, Call, Global, Many, Persistent, class_of

_STACK = 1 << 21
_MEMO = 1 << 22
_LINE = 1024
_NUMBER = 32
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13}
#: A text that is the name of what BUILD calls: no state needs it as one.
_HOOK = "__setstate__"


class Machine:
    """The state of one unpickler. ``arrays`` reads what joblib lays between opcodes; None for a plain reader."""

    def __init__(self, reader: Reader, log: Log, budget: Budget, arrays: Arrays | None = None) -> None:
        self.reader, self.log, self.budget, self.arrays = reader, log, budget, arrays
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.frame_end = 0
        self.protocol = 0

    def run(self) -> Any:
        """What the pickle gives. :class:`Stopped` where it can't be read on."""
        byte, table, left = self.reader.byte, _TABLE, self.budget.opcodes
        try:
            while True:
                code = byte()
                if code == 0x2E:  # STOP
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
        if length > TEXT:
            self.reader.skip(length)
            self.push(BYTES)
        else:
            self.push(self.reader.take(length))

    def long(self, length: int) -> None:
        if length > _NUMBER:
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
        data, whole = self.reader.line(_NUMBER)
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

    def keep(self, items: list[Any]) -> list[Any]:
        """``items``, as long as there is room to remember them."""
        self.budget.kept -= len(items)
        return items if self.budget.kept > 0 else []


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


def _signed(machine: Machine) -> int:
    return int.from_bytes(machine.reader.take(4), "little", signed=True)


def _length4(machine: Machine) -> int:
    length = _signed(machine)
    if length < 0:
        raise ValueError("a negative length")
    return length


def _constant(value: Any) -> Callable[[Machine], None]:
    return lambda m: m.push(value)


def _new(kind: str) -> Callable[[Machine], None]:
    return lambda m: m.push(Many(kind, []))


def _of_mark(kind: str) -> Callable[[Machine], None]:
    return lambda m: m.push(Many(kind, m.keep(m.to_mark())))


def _tuple(length: int) -> Callable[[Machine], None]:
    def make(m: Machine) -> None:
        if len(m.stack) < length:
            raise IndexError("too few for a tuple")
        m.stack[-length:] = [tuple(m.stack[-length:])]

    return make


def _dict(m: Machine) -> None:
    items = m.to_mark()
    if len(items) % 2:
        raise ValueError("a key without a value")
    m.push(Many("dict", m.keep(items)))


def _duplicate(m: Machine) -> None:
    m.push(m.stack[-1])


def _pop_mark(m: Machine) -> None:
    m.to_mark()


def _float(m: Machine) -> None:
    m.reader.take(8)
    m.push(NUMBER)


def _top(m: Machine) -> None:
    m.stack[-1]


def _set_item(m: Machine) -> None:
    value, key = m.pop(), m.pop()
    deeds.add(m, "dict", [key, value])


def _set_items(m: Machine) -> None:
    items = m.to_mark()
    if len(items) % 2:
        raise ValueError("a key without a value")
    deeds.add(m, "dict", items)


_HANDLERS: dict[int, Callable[[Machine], None]] = {
    ord("("): Machine.mark,
    ord("0"): Machine.pop_or_unmark,
    ord("1"): _pop_mark,
    ord("2"): _duplicate,
    ord("F"): Machine.line_float,
    ord("I"): Machine.line_number,
    ord("J"): lambda m: m.push(_signed(m)),
    ord("K"): lambda m: m.push(m.reader.byte()),
    ord("L"): Machine.line_number,
    ord("M"): lambda m: m.push(m.reader.number(2)),
    ord("N"): _constant(None),
    ord("P"): lambda m: m.persistent(m.reader.line(TEXT)[0].decode()),
    ord("Q"): lambda m: m.persistent(m.pop()),
    ord("R"): deeds.reduce,
    ord("S"): Machine.quoted,
    ord("T"): lambda m: m.string(_length4(m)),
    ord("U"): lambda m: m.string(m.reader.byte()),
    ord("V"): Machine.line_text,
    ord("X"): lambda m: m.long_text(m.reader.number(4)),
    ord("a"): lambda m: deeds.add(m, "list", [m.pop()]),
    ord("b"): deeds.build,
    ord("c"): lambda m: m.push(m.import_line()),
    ord("d"): _dict,
    ord("}"): _new("dict"),
    ord("e"): lambda m: deeds.add(m, "list", m.to_mark()),
    ord("g"): lambda m: m.get(int(m.reader.line(_NUMBER)[0])),
    ord("h"): lambda m: m.get(m.reader.byte()),
    ord("i"): deeds.instance,
    ord("j"): lambda m: m.get(m.reader.number(4)),
    ord("l"): _of_mark("list"),
    ord("]"): _new("list"),
    ord("o"): deeds.make_object,
    ord("p"): lambda m: m.put(int(m.reader.line(_NUMBER)[0])),
    ord("q"): lambda m: m.put(m.reader.byte()),
    ord("r"): lambda m: m.put(m.reader.number(4)),
    ord("s"): _set_item,
    ord("t"): lambda m: m.push(tuple(m.to_mark())),
    ord(")"): _constant(()),
    ord("u"): _set_items,
    ord("G"): _float,
    0x80: lambda m: m.protocol_is(m.reader.byte()),
    0x81: deeds.new,
    0x82: lambda m: m.extension(m.reader.byte()),
    0x83: lambda m: m.extension(m.reader.number(2)),
    0x84: lambda m: m.extension(_signed(m)),
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    0x88: _constant(True),
    0x89: _constant(False),
    0x8A: lambda m: m.long(m.reader.byte()),
    0x8B: lambda m: m.long(_length4(m)),
    ord("B"): lambda m: m.bytes(m.reader.number(4)),
    ord("C"): lambda m: m.bytes(m.reader.byte()),
    0x8C: lambda m: m.long_text(m.reader.byte()),
    0x8D: lambda m: m.long_text(m.reader.number(8)),
    0x8E: lambda m: m.bytes(m.reader.number(8)),
    0x8F: _new("set"),
    0x90: lambda m: deeds.add(m, "set", m.to_mark()),
    0x91: _of_mark("set"),
    0x92: deeds.new_with_keywords,
    0x93: Machine.stack_global,
    0x94: lambda m: m.put(len(m.memo)),
    0x95: lambda m: m.frame(m.reader.number(8)),
    0x96: lambda m: m.bytes(m.reader.number(8)),
    0x97: _constant(BUFFER),
    0x98: _top,
}
_TABLE: list[Callable[[Machine], None] | None] = [_HANDLERS.get(code) for code in range(256)]


def is_opcode(code: int) -> bool:
    """Whether a byte is an opcode that can go before others."""
    return code >= 0 and (code == 0x2E or _TABLE[code] is not None)

"""The opcodes of pickles of all protocols, and the effect of each on the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import call_opcodes
from .scan_log import CALL, NEW
from .stack_values import BUFFER, NUMBER, TEXT, SymbolicContainer, Tuple

if TYPE_CHECKING:
    from .machine import Machine

Handler = Callable[["Machine"], object]
STOP = ord(".")
#: The longest text of a number that is parsed.
NUMBER_LINE = 32


def _signed(m: Machine) -> int:
    return int.from_bytes(m.reader.take(4), "little", signed=True)


def _length4(m: Machine) -> int:
    length = _signed(m)
    if length < 0:
        raise ValueError("a negative length")
    return length


def _constant(value: Any) -> Handler:
    return lambda m: m.push(value)


def _empty(kind: str) -> Handler:
    return lambda m: m.push(SymbolicContainer(kind))


def _to_mark(m: Machine, kind: str) -> list[Any]:
    items = m.to_mark()
    if kind == "dict" and len(items) % 2:
        raise ValueError("a key without a value")
    return items


def _container(kind: str) -> Handler:
    def make(m: Machine) -> None:
        items = _to_mark(m, kind)
        call_opcodes.mark_referred(m, items)
        made = SymbolicContainer(kind).add(items, m.room(len(items) + 1))
        call_opcodes.check_hooks(m, made)
        m.push(made)

    return make


def _add(kind: str) -> Handler:
    return lambda m: call_opcodes.add(m, kind, _to_mark(m, kind))


def _tuple(length: int) -> Handler:
    def make(m: Machine) -> None:
        if len(m.stack) < length:
            raise IndexError("too few for a tuple")
        m.stack[-length:] = [m.tuple_of(m.stack[-length:])]

    return make


def _float(m: Machine) -> None:
    m.reader.take(8)
    m.push(NUMBER)


def _set_item(m: Machine) -> None:
    value, key = m.pop(), m.pop()
    call_opcodes.add(m, "dict", [key, value])


def _object(m: Machine) -> None:
    callee, *arguments = m.to_mark()
    call_opcodes.make_object(m, callee, arguments)


_HANDLERS: dict[int, Handler] = {
    ord("("): lambda m: m.mark(),
    ord("0"): lambda m: m.pop() if m.stack else m.to_mark(),
    ord("1"): lambda m: m.to_mark(),
    ord("2"): lambda m: m.push(m.stack[-1]),
    ord("F"): lambda m: m.line_float(),
    ord("I"): lambda m: m.line_number(),
    ord("J"): lambda m: m.push(_signed(m)),
    ord("K"): lambda m: m.push(m.reader.byte()),
    ord("L"): lambda m: m.line_number(),
    ord("M"): lambda m: m.push(m.reader.number(2)),
    ord("N"): _constant(None),
    ord("P"): lambda m: m.persistent(m.reader.line(TEXT)[0].decode()),
    ord("Q"): lambda m: m.persistent(m.pop()),
    ord("R"): lambda m: call_opcodes.call(m, CALL),
    ord("S"): lambda m: m.quoted(),
    ord("T"): lambda m: m.string(_length4(m)),
    ord("U"): lambda m: m.string(m.reader.byte()),
    ord("V"): lambda m: m.line_text(),
    ord("X"): lambda m: m.text(m.reader.number(4)),
    ord("a"): lambda m: call_opcodes.add(m, "list", [m.pop()]),
    ord("b"): call_opcodes.build,
    ord("c"): lambda m: m.push(m.import_line()),
    ord("d"): _container("dict"),
    ord("}"): _empty("dict"),
    ord("e"): _add("list"),
    ord("g"): lambda m: m.get(m.place()),
    ord("h"): lambda m: m.get(m.reader.byte()),
    ord("i"): lambda m: call_opcodes.make_object(m, m.import_line(), m.to_mark()),
    ord("j"): lambda m: m.get(m.reader.number(4)),
    ord("l"): _container("list"),
    ord("]"): _empty("list"),
    ord("o"): _object,
    ord("p"): lambda m: m.put(m.place()),
    ord("q"): lambda m: m.put(m.reader.byte()),
    ord("r"): lambda m: m.put(m.reader.number(4)),
    ord("s"): _set_item,
    ord("t"): lambda m: m.push(m.tuple_of(m.to_mark())),
    ord(")"): _constant(Tuple()),
    ord("u"): _add("dict"),
    ord("G"): _float,
    0x80: lambda m: m.protocol_is(m.reader.byte()),
    0x81: lambda m: call_opcodes.call(m, NEW),
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
    ord("B"): lambda m: m.byte_string(m.reader.number(4)),
    ord("C"): lambda m: m.byte_string(m.reader.byte()),
    0x8C: lambda m: m.text(m.reader.byte()),
    0x8D: lambda m: m.text(m.reader.number(8)),
    0x8E: lambda m: m.byte_string(m.reader.number(8)),
    0x8F: _empty("set"),
    0x90: _add("set"),
    0x91: _container("set"),
    0x92: call_opcodes.call_with_keywords,
    0x93: lambda m: m.stack_global(),
    0x94: lambda m: m.memo.put(len(m.memo), m.stack[-1]),
    0x95: lambda m: m.frame(m.reader.number(8)),
    0x96: lambda m: m.byte_string(m.reader.number(8)),
    0x97: _constant(BUFFER),
    0x98: lambda m: m.stack[-1],
}
TABLE: list[Handler | None] = [_HANDLERS.get(code) for code in range(256)]


def _protocol(code: int) -> int:
    if code in b"BC":
        return 3
    return 0 if code < 0x80 else 2 if code < 0x8C else 4 if code < 0x96 else 5


#: The protocol that each opcode came with; 0 stands for 0 and 1.
PROTOCOLS = [_protocol(code) for code in range(256)]

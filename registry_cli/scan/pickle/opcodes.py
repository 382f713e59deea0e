"""The opcodes of pickles of all protocols, and what each does to the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import call_opcodes
from .stack_values import BUFFER, NUMBER, TEXT, SymbolicContainer, Tuple

if TYPE_CHECKING:
    from .machine import Machine

STOP = ord(".")
#: The longest text of a number that is read as one.
NUMBER_LINE = 32


def _signed(m: Machine) -> int:
    return int.from_bytes(m.reader.take(4), "little", signed=True)


def _length4(m: Machine) -> int:
    length = _signed(m)
    if length < 0:
        raise ValueError("a negative length")
    return length


def _constant(value: Any) -> Callable[[Machine], None]:
    return lambda m: m.push(value)


def _new(kind: str) -> Callable[[Machine], None]:
    return lambda m: m.push(SymbolicContainer(kind))


def _of_mark(kind: str) -> Callable[[Machine], None]:
    def make(m: Machine) -> None:
        items = m.to_mark()
        call_opcodes.mark_referred(m, items)
        m.push(SymbolicContainer(kind).add(items, m.room(len(items) + 1)))

    return make


def _tuple(length: int) -> Callable[[Machine], None]:
    def make(m: Machine) -> None:
        if len(m.stack) < length:
            raise IndexError("too few for a tuple")
        m.stack[-length:] = [m.tuple_of(m.stack[-length:])]

    return make


def _dict(m: Machine) -> None:
    items = m.to_mark()
    if len(items) % 2:
        raise ValueError("a key without a value")
    call_opcodes.mark_referred(m, items)
    made = SymbolicContainer("dict").add(items, m.room(len(items) + 1))
    call_opcodes.check_hooks(m, made)
    m.push(made)


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
    call_opcodes.add(m, "dict", [key, value])


def _set_items(m: Machine) -> None:
    items = m.to_mark()
    if len(items) % 2:
        raise ValueError("a key without a value")
    call_opcodes.add(m, "dict", items)


_HANDLERS: dict[int, Callable[[Machine], None]] = {
    ord("("): lambda m: m.mark(),
    ord("0"): lambda m: m.pop_or_unmark(),
    ord("1"): _pop_mark,
    ord("2"): _duplicate,
    ord("F"): lambda m: m.line_float(),
    ord("I"): lambda m: m.line_number(),
    ord("J"): lambda m: m.push(_signed(m)),
    ord("K"): lambda m: m.push(m.reader.byte()),
    ord("L"): lambda m: m.line_number(),
    ord("M"): lambda m: m.push(m.reader.number(2)),
    ord("N"): _constant(None),
    ord("P"): lambda m: m.persistent(m.line(TEXT)[0].decode()),
    ord("Q"): lambda m: m.persistent(m.pop()),
    ord("R"): call_opcodes.reduce,
    ord("S"): lambda m: m.quoted(),
    ord("T"): lambda m: m.string(_length4(m)),
    ord("U"): lambda m: m.string(m.reader.byte()),
    ord("V"): lambda m: m.line_text(),
    ord("X"): lambda m: m.long_text(m.reader.number(4)),
    ord("a"): lambda m: call_opcodes.add(m, "list", [m.pop()]),
    ord("b"): call_opcodes.build,
    ord("c"): lambda m: m.push(m.import_line()),
    ord("d"): _dict,
    ord("}"): _new("dict"),
    ord("e"): lambda m: call_opcodes.add(m, "list", m.to_mark()),
    ord("g"): lambda m: m.get(m.place()),
    ord("h"): lambda m: m.get(m.reader.byte()),
    ord("i"): call_opcodes.instance,
    ord("j"): lambda m: m.get(m.reader.number(4)),
    ord("l"): _of_mark("list"),
    ord("]"): _new("list"),
    ord("o"): call_opcodes.make_object,
    ord("p"): lambda m: m.put(m.place()),
    ord("q"): lambda m: m.put(m.reader.byte()),
    ord("r"): lambda m: m.put(m.reader.number(4)),
    ord("s"): _set_item,
    ord("t"): lambda m: m.push(m.tuple_of(m.to_mark())),
    ord(")"): _constant(Tuple()),
    ord("u"): _set_items,
    ord("G"): _float,
    0x80: lambda m: m.protocol_is(m.reader.byte()),
    0x81: call_opcodes.new,
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
    0x8C: lambda m: m.long_text(m.reader.byte()),
    0x8D: lambda m: m.long_text(m.reader.number(8)),
    0x8E: lambda m: m.byte_string(m.reader.number(8)),
    0x8F: _new("set"),
    0x90: lambda m: call_opcodes.add(m, "set", m.to_mark()),
    0x91: _of_mark("set"),
    0x92: call_opcodes.new_with_keywords,
    0x93: lambda m: m.stack_global(),
    0x94: lambda m: m.memoize(),
    0x95: lambda m: m.frame(m.reader.number(8)),
    0x96: lambda m: m.byte_string(m.reader.number(8)),
    0x97: _constant(BUFFER),
    0x98: _top,
}
TABLE: list[Callable[[Machine], None] | None] = [_HANDLERS.get(code) for code in range(256)]


def _since(number: int, codes: bytes) -> dict[int, int]:
    return dict.fromkeys(codes, number)


#: The protocol that each opcode came with.
_PROTOCOLS = {
    **_since(1, b"()1JKMTUX]}BCGehjqrsuo"),
    **_since(2, bytes(range(0x80, 0x8C))),
    **_since(3, b"BC"),
    **_since(4, bytes(range(0x8C, 0x96))),
    **_since(5, bytes(range(0x96, 0x99))),
}
PROTOCOLS: list[int] = [_PROTOCOLS.get(code, 0) for code in range(256)]

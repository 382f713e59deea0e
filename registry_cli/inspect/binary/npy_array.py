"""Arrays of numpy: a header that is a Python literal, then the numbers, or a pickle.

``numpy.load`` evaluates the header, other readers search in it. So it is accepted only as numpy writes it: another
spelling of the same value could be read as something else.
"""

from __future__ import annotations

import ast
import re
from math import prod
from typing import Any, NamedTuple

from .limits import Stopped
from .sources import ByteSource, read_exactly

MAGIC = b"\x93NUMPY"
_LONGEST = 256 << 10
_KEYS = {"descr", "fortran_order", "shape"}
#: Types as ``dtype.str`` spells them; ``O`` holds Python objects.
_TYPE = re.compile(r"([|<>=])([biufcmMSUVOT?])(\d{0,9})(\[[A-Za-z0-9]+\])?")
_LONG = re.compile(r"(?<=\d)L\b")
_DEPTH = 16
_CHARACTER = 4


class ArrayHeader(NamedTuple):
    """Where the bytes of an array are, and how many, unless they are a pickle of ``objects``; the type as the header has
    it, and the shape.
    """

    start: int
    size: int
    objects: bool
    descr: Any
    shape: tuple[int, ...]


def read_header(body: ByteSource, at: int) -> ArrayHeader:
    """Parse the header that begins at ``at``. :class:`Stopped` for one that numpy would not have written."""
    head = body.at(at, 12)
    version = tuple(head[6:8])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise Stopped("the header of its array has a version that is not supported")
    end = 12 if version[0] > 1 else 10
    length = int.from_bytes(head[8:end], "little")
    if length > _LONGEST:
        raise Stopped("the header of its array is longer than is looked at", limit=True)
    fields = _parse_literal(read_exactly(body, at + end, length))
    size, objects = _type(fields["descr"], 0)
    if not _is_shape(fields["shape"]):
        raise _odd("its shape is none")
    if type(fields["fortran_order"]) is not bool:
        raise _odd("its order is neither true nor false")
    return ArrayHeader(at + end + length, size * prod(fields["shape"]), objects, fields["descr"], fields["shape"])


def _is_shape(value: object) -> bool:
    return isinstance(value, tuple) and all(type(each) is int and each >= 0 for each in value)


def _odd(what: str) -> Stopped:
    return Stopped(f"the header of its array is not as numpy writes it: {what}", ambiguous=True)


def _parse_literal(data: bytes) -> dict[str, Any]:
    """Evaluate the literal, in which every text has to be spelled out and each key has to occur once."""
    tree = _parse_expression(data)
    if not isinstance(tree, ast.Dict):
        raise _odd("it is not a dictionary")
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Dict, ast.Constant, ast.Tuple, ast.List, ast.Load)):
            raise _odd("it is not a plain literal")
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            spelled = (node.end_col_offset or 0) - node.col_offset
            plain = isinstance(node.value, str) and spelled == len(node.value.encode()) + 2
            if not plain or node.end_lineno != node.lineno:
                raise _odd("a text is spelled in another way")
    keys = [key.value if isinstance(key, ast.Constant) else None for key in tree.keys]
    if len(keys) != len(set(keys)) or set(keys) != _KEYS:
        raise _odd("its keys are not descr, fortran_order and shape, once each")
    fields: dict[str, Any] = ast.literal_eval(tree)
    return fields


def _parse_expression(data: bytes) -> ast.expr:
    if re.search(rb"[^\x20-\x7e\x80-\xff]", data.rstrip(b"\n")):
        raise _odd("it has control characters")
    if b"\\" in data or b"#" in data:
        raise _odd("it has escapes or comments")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    text = _LONG.sub("", text.strip())  # Python 2 wrote 3L
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _odd("it is not a Python literal") from error


def _type(descr: Any, depth: int) -> tuple[int, bool]:
    """How many bytes an element has, and whether it holds objects."""
    if depth > _DEPTH:
        raise _odd("its type is nested too deep")
    if isinstance(descr, str):
        match = _TYPE.fullmatch(descr)
        if match is None or (match[2] == "O" and match[3] not in ("", "4", "8")):
            raise _odd(f"its type is spelled '{descr[:30]}'")
        return int(match[3] or 0) * (_CHARACTER if match[2] == "U" else 1), match[2] in "OT"
    if isinstance(descr, tuple) and len(descr) == 2:  # a type, and a shape of it or its aliases
        size, objects = _type(descr[0], depth + 1)
        if _is_shape(descr[1]):
            return size * prod(descr[1]), objects
    if isinstance(descr, list) and descr:
        fields = [_field(each, depth) for each in descr]
        return sum(size for size, _ in fields), any(objects for _, objects in fields)
    raise _odd("its type is none that numpy writes")


def _field(field: Any, depth: int) -> tuple[int, bool]:
    """A field of a structure: a name, or a title and a name; a type; and perhaps a shape."""
    if not isinstance(field, tuple) or len(field) not in (2, 3):
        raise _odd("a field of its type is none")
    name = field[0][1] if isinstance(field[0], tuple) and len(field[0]) == 2 else field[0]
    if not isinstance(name, str):
        raise _odd("a field of its type has no name")
    size, objects = _type(field[1], depth + 1)
    if len(field) == 3:
        if not _is_shape(field[2]):
            raise _odd("a field of its type has no shape")
        size *= prod(field[2])
    return size, objects

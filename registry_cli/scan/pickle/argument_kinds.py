"""The kind of a value, in a word: what the entries of the allow-list say of the arguments of a call."""

from __future__ import annotations

from typing import Any

from ...inspect.binary.limits import Budget, Stopped
from .stack_values import (
    ARRAY,
    FORGOTTEN,
    NUMBER,
    Blob,
    Call,
    Global,
    LongText,
    Many,
    Opaque,
    Persistent,
    is_attribute,
    is_new,
    origin,
)

#: Containers hold only constants; objects, too (``+``); or globals, too (``*``).
PLAIN, OBJECTS, GLOBALS = "", "+", "*"
#: A dict with a key that as an attribute would change what is called: no entry permits it.
HOOKED = "hooked"
UNKNOWN = "unknown"
#: What old protocols call to make bytes.
_BYTES = frozenset(["_codecs.encode", "builtins.bytes", "__builtin__.bytes"])
#: So many arguments of one call have a kind of their own.
_MOST = 40


def kinds_of(arguments: Any, budget: Budget) -> tuple[str, ...]:
    """The kinds of the arguments of a call."""
    if not isinstance(arguments, tuple):
        return (UNKNOWN,)
    kinds = tuple(kind_of(each, budget) for each in arguments[:_MOST])
    return kinds if len(arguments) <= _MOST and not getattr(arguments, "lost", False) else (*kinds, UNKNOWN)


def kind_of(value: Any, budget: Budget) -> str:
    """``number``, ``text``, ``bytes``, ``@module.name`` of a global, ``=module.Class`` of an object; of containers
    ``tuple``, ``list``, ``dict``, ``set``, with ``+`` if there are objects in it at any depth, ``*`` if globals.
    """
    if isinstance(value, (tuple, Many)):
        name = "tuple" if isinstance(value, tuple) else value.kind
        held = _held(value, budget)
        return held if held == HOOKED else f"{name}{held}"
    return shallow_kind(value)


def attribute_kinds(arguments: Any, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds of the arguments of ``getattr``: with the name of the attribute, ``.name``, where it is known and the
    object is the pickle's own; ``().name`` where only a call gave it.
    """
    if len(kinds) != 2 or not isinstance(arguments[1], str) or not arguments[1].isidentifier():
        return kinds
    first = arguments[0]
    if isinstance(first, Call) and (origin(first) is None or is_attribute(first)):
        return kinds
    if isinstance(first, (Global, Persistent, Opaque)) and not isinstance(first, LongText) and first is not NUMBER:
        return kinds
    return kinds[0], f"{'' if is_new(first) or not isinstance(first, Call) else '()'}.{arguments[1]}"


def shallow_kind(value: Any) -> str:  # noqa: PLR0911 - a line for each kind
    """The same without a look into containers."""
    if value is None or value is NUMBER or isinstance(value, (bool, int, float)):
        return "number"
    if isinstance(value, (str, LongText)):
        return "text"
    if isinstance(value, (bytes, Blob)) or value is ARRAY:
        return "bytes" if value is not ARRAY else "=numpy.ndarray"
    if isinstance(value, Global):
        return f"@{value.path}"
    if isinstance(value, Call):
        made = origin(value)
        if made is None:
            return UNKNOWN
        return "bytes" if made.path in _BYTES else f"={made.path}"
    if isinstance(value, Persistent):
        return "persistent"
    if isinstance(value, tuple):
        return "tuple"
    if isinstance(value, Many):
        return value.kind
    return value.kind if isinstance(value, Opaque) else UNKNOWN


def _held(container: Any, budget: Budget) -> str:
    """What a container holds at any depth. Each look is paid for: containers can hold each other many times."""
    held, pending, seen = PLAIN, [container], set()
    while pending:
        value = pending.pop()
        if isinstance(value, (tuple, Many)):
            if id(value) in seen:
                continue
            seen.add(id(value))
            items = value if isinstance(value, tuple) else value.items
            budget.work -= len(items) + 1
            if budget.work < 0:
                raise Stopped("the arguments of its calls hold more than is looked at", limit=True)
            if value.lost if isinstance(value, Many) else getattr(value, "lost", False):
                held = GLOBALS
            if isinstance(value, Many) and value.callable_hook:
                return HOOKED
            pending.extend(each for each in items if not isinstance(each, (str, int, float, bytes)))
        elif isinstance(value, Global) or value is FORGOTTEN or is_attribute(value):
            held = GLOBALS
        elif isinstance(value, (Call, Persistent)) or value is ARRAY:
            held = held or OBJECTS
    return held

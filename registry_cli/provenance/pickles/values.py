"""What stands on the stack of a pickle that is not run: constants as themselves, everything else as a symbol.

Texts of up to :data:`TEXT` characters, short bytes, numbers, None, True, False and tuples are themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: The longest text, in bytes, that is kept; a longer one is only known to be one.
TEXT = 256
#: How many elements of one list, dict or set are kept.
ELEMENTS = 100_000


class Opaque:
    """A value of which only its kind is known."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


LONG_TEXT, NUMBER, BUFFER, ARRAY = map(Opaque, ("text", "number", "buffer", "array"))


class Blob:
    """Bytes that were passed over: where they lie in the stream."""

    __slots__ = ("length", "offset")

    def __init__(self, offset: int, length: int) -> None:
        self.offset, self.length = offset, length


class Global:
    """Something that the pickle imports. ``called`` says that it is called, and not only referred to."""

    __slots__ = ("called", "module", "name", "offset")

    def __init__(self, module: str, name: str, offset: int) -> None:
        self.module, self.name, self.offset = module, name, offset
        self.called = False

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"


class Persistent:
    """What a reader of the file would look up by this ``id``."""

    __slots__ = ("id",)

    def __init__(self, identity: Any) -> None:
        self.id = identity


#: Attributes that opcodes call, or that change what an object is: no state gives an object one of its own.
HOOKS = frozenset(["append", "extend", "add", "__setstate__", "__reduce__", "__reduce_ex__", "__class__", "__dict__"])


class Many:
    """A list, a set or a dict (its keys and values by turns), of which ``items`` are kept; ``lost``: not all of them.

    Of a dict ``hook`` is a key that is one of :data:`HOOKS`, and ``computed`` says that a key is not known; of these no
    one is lost.
    """

    __slots__ = ("computed", "hook", "items", "kind", "lost")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.items: list[Any] = []
        self.lost = self.computed = False
        self.hook = ""

    def add(self, items: list[Any], room: int) -> Many:
        """Put elements in; ``room`` is for how many of them there is any."""
        if self.kind == "dict":
            for key in items[::2]:
                if type(key) is str:
                    self.hook = key if key in HOOKS else self.hook
                elif isinstance(key, Call):
                    self.computed = True
        room = min(room, ELEMENTS - len(self.items))
        self.lost |= len(items) > room
        if room > 0:
            self.items += items[:room]
        return self

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        return zip(self.items[::2], self.items[1::2], strict=False)


class Call:
    """What calling ``callee`` with ``arguments`` would give; ``state`` is what BUILD gave it, ``items`` what was added."""

    __slots__ = ("arguments", "callee", "items", "state")

    def __init__(self, callee: Any, arguments: Any) -> None:
        self.callee, self.arguments = callee, arguments
        self.state: Any = None
        self.items: Many | None = None

    def add(self, kind: str, items: list[Any], room: int) -> None:
        if self.items is None:
            self.items = Many(kind)
        self.items.add(items, room)


def class_of(value: Any) -> Global | None:
    """The class of an object that was made by calling it, or by ``copyreg._reconstructor``."""
    if not isinstance(value, Call) or not isinstance(value.callee, Global):
        return None
    if value.callee.name in ("_reconstructor", "__newobj__", "__newobj_ex__") and isinstance(value.arguments, tuple):
        first = value.arguments[0] if value.arguments else None
        return first if isinstance(first, Global) else None
    return value.callee


def attributes(value: Any) -> dict[str, Any]:
    """The attributes that BUILD gives an object, as far as they are known; of two by one name the last counts."""
    state = value.state if isinstance(value, Call) else value
    parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
    found: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, Call):
            part = part.items  # noqa: PLW2901 - an OrderedDict, for one
        if isinstance(part, Many) and part.kind == "dict":
            found.update({key: value for key, value in part.pairs() if isinstance(key, str)})
    return found

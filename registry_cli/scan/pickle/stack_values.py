"""What stands on the stack of a pickle that is not run: constants as themselves, everything else as a symbol.

Texts of up to :data:`TEXT` characters, short bytes, numbers, None, True, False and tuples are themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: The longest text, in bytes, that is kept; a longer one is only known to be one.
TEXT = 256
#: How many elements of one list, tuple, dict or set are kept.
ELEMENTS = 100_000


class Opaque:
    """A value of which only its kind is known."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


NUMBER, BUFFER, ARRAY = map(Opaque, ("number", "buffer", "array"))
#: What the memo held, long ago.
FORGOTTEN = Opaque("forgotten")


class Blob:
    """Bytes that were passed over: where they lie in the stream. ``latin`` says that they are UTF-8 of characters that
    each stand for a byte, as old protocols write bytes.
    """

    __slots__ = ("latin", "length", "offset")

    def __init__(self, offset: int, length: int, *, latin: bool = False) -> None:
        self.offset, self.length, self.latin = offset, length, latin


class LongText(Opaque):
    """A text that was passed over: where it lies in the stream; ``length`` is 0 where that is not known."""

    __slots__ = ("length", "offset")

    def __init__(self, offset: int = 0, length: int = 0) -> None:
        super().__init__("text")
        self.offset, self.length = offset, length


LONG_TEXT = LongText()


class Global:
    """Something that the pickle imports."""

    __slots__ = ("module", "name", "offset")

    def __init__(self, module: str, name: str, offset: int) -> None:
        self.module, self.name, self.offset = module, name, offset

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"


class Persistent:
    """What a reader of the file would look up by this ``id``."""

    __slots__ = ("id",)

    def __init__(self, identity: Any) -> None:
        self.id = identity


class Tuple(tuple[Any, ...]):
    """A tuple of a pickle. It is equal to itself only: comparing or hashing nested ones can take for ever.

    ``lost`` says that not all elements are kept.
    """

    lost = False

    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<tuple of {len(self)}>"


class CutTuple(Tuple):
    """A tuple of which only the first elements are kept."""

    lost = True


#: Attributes that opcodes call: no state gives an object one of its own that could be called.
_METHODS = frozenset(["append", "extend", "add"])
#: Names between two underscores that are data.
_HARMLESS = frozenset(
    [
        "__doc__",
        "__name__",
        "__qualname__",
        "__module__",
        "__annotations__",
        "__orig_class__",
        "__version__",
        "__wrapped__",
        "__networkx_cache__",
    ]
)


def is_hook(name: str) -> bool:
    """Whether an attribute of this name could change what an object is, or what is called on it."""
    inner = name[2:-2]
    return inner.islower() and name == f"__{inner}__" and name not in _HARMLESS


class Many:
    """A list, a set or a dict (its keys and values by turns), of which ``items`` are kept; ``lost``: not all of them.

    Of a dict ``hook`` is a key that as an attribute would change what is called, ``callable_hook`` that its value may be
    called, and ``computed`` says that a key is not known; of these no one is lost.
    """

    __slots__ = ("callable_hook", "computed", "hook", "items", "kind", "lost")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.items: list[Any] = []
        self.lost = self.computed = self.callable_hook = False
        self.hook = ""

    def add(self, items: list[Any], room: int) -> Many:
        """Put elements in; ``room`` is for how many of them there is any."""
        if self.kind == "dict":
            for at in range(0, len(items) - 1, 2):
                key = items[at]
                if type(key) is str:
                    if key in _METHODS or is_hook(key):
                        self._hooked(key, items[at + 1])
                elif isinstance(key, Call) or key is FORGOTTEN:
                    self.computed = True
        room = min(room, ELEMENTS - len(self.items))
        self.lost |= len(items) > room
        if room > 0:
            self.items += items[:room]
        return self

    def _hooked(self, key: str, value: Any) -> None:
        may_be_called = isinstance(value, (Global, Call, Persistent)) or value is FORGOTTEN
        if may_be_called or key not in _METHODS:
            self.hook = key
            self.callable_hook |= may_be_called and key not in _METHODS

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        return zip(self.items[::2], self.items[1::2], strict=False)


class Call:
    """What calling ``callee`` with ``arguments`` would give; ``state`` is what BUILD gave it, ``items`` what was added.

    ``new`` says that it was made by ``callee.__new__``, so that it is an object of that class.
    """

    __slots__ = ("arguments", "callee", "items", "new", "state")

    def __init__(self, callee: Any, arguments: Any, *, new: bool = False) -> None:
        self.callee, self.arguments, self.new = callee, arguments, new
        self.state: Any = None
        self.items: Many | None = None

    def add(self, kind: str, items: list[Any], room: int) -> None:
        if self.items is None:
            self.items = Many(kind)
        self.items.add(items, room)


#: Functions that make an object of the class that is their first argument.
_MAKERS = frozenset(["_reconstructor", "__newobj__", "__newobj_ex__"])
_ARRAY_MAKERS = frozenset(["_reconstruct", "_mareconstruct"])


def class_of(value: Any) -> Global | None:
    """The class of an object that was made by calling it, or by ``copyreg._reconstructor``."""
    if not isinstance(value, Call) or not isinstance(value.callee, Global):
        return None
    if value.callee.name in _MAKERS and isinstance(value.arguments, tuple):
        first = value.arguments[0] if value.arguments else None
        return first if isinstance(first, Global) else None
    return value.callee


def is_new(value: Any) -> bool:
    """Whether this is an object that ``__new__`` of its class made, and no function that could give anything."""
    made = class_of(value)
    return made is not None and (value.new or made is not value.callee)


#: What gives an attribute of an object by its name.
GETATTR = frozenset(["builtins.getattr", "__builtin__.getattr"])


def is_attribute(value: Any) -> bool:
    """Whether this is what ``getattr`` gave: it belongs to something else."""
    return isinstance(value, Call) and isinstance(value.callee, Global) and value.callee.path in GETATTR


def origin(value: Any) -> Global | None:
    """The class of an object, or the function that made it where its class is not known."""
    made = class_of(value)
    if made is not None and made.name in _ARRAY_MAKERS and isinstance(value.arguments, tuple) and value.arguments:
        first = value.arguments[0]
        return first if isinstance(first, Global) else made
    return made


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

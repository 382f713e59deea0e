"""Values on the stack of a pickle that is not run: short constants and tuples are themselves, all else is a symbol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...inspect.binary.limits import Budget, Stopped

#: The longest text, in bytes, that is kept.
TEXT = 256
#: The most elements of one list, tuple, dict or set that are kept.
ELEMENTS = 100_000


class Opaque:
    """A value of which only its kind is known."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


NUMBER, BUFFER, ARRAY = map(Opaque, ("number", "buffer", "=numpy.ndarray"))
#: A value of the memo that is no longer kept.
FORGOTTEN = Opaque("forgotten")


class Blob:
    """Bytes that were skipped, by their place in the stream; ``latin``: a text in UTF-8 whose characters stand for bytes."""

    __slots__ = ("latin", "length", "offset")
    kind = "bytes"

    def __init__(self, offset: int, length: int, *, latin: bool = False) -> None:
        self.offset, self.length, self.latin = offset, length, latin


class LongText(Opaque):
    """A text that was skipped, by its place in the stream; ``length`` is 0 if that is not known."""

    __slots__ = ("length", "offset")

    def __init__(self, offset: int = 0, length: int = 0) -> None:
        super().__init__("text")
        self.offset, self.length = offset, length


LONG_TEXT = LongText()


class Global:
    """Something that the pickle imports."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"


class Persistent:
    """What a reader of the file would look up by this ``id``."""

    __slots__ = ("id",)
    kind = "persistent"

    def __init__(self, identity: Any) -> None:
        self.id = identity


class Tuple(tuple[Any, ...]):
    """A tuple that is equal to itself only: comparing or hashing nested ones can take for ever.

    ``lost``: not all elements are kept.
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


#: Methods that opcodes call: no honest state replaces one by a callable.
_METHODS = frozenset(["append", "extend", "add"])
#: Names between two underscores that are data.
_DATA_DUNDERS = frozenset(str.split(
    "__doc__ __name__ __qualname__ __module__ __annotations__ __orig_class__ __version__ __wrapped__ __networkx_cache__"
))  # fmt: skip


def is_hook(name: str) -> bool:
    """Whether an attribute of this name could change what an object is, or what is called on it."""
    inner = name[2:-2]
    return inner.islower() and name == f"__{inner}__" and name not in _DATA_DUNDERS


class SymbolicContainer:
    """A list, a set or a dict (keys and values by turns), of which ``items`` are kept; ``lost``: not all of them.

    For a dict, ``hook`` is a key that as an attribute would change what is called; ``callable_hook``: its value may be
    callable; ``computed``: a key is not known. All keys are checked, also those that are not kept.
    """

    __slots__ = ("callable_hook", "computed", "hook", "items", "kind", "lost")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.items: list[Any] = []
        self.lost = self.computed = self.callable_hook = False
        self.hook = ""

    def add(self, items: list[Any], room: int) -> SymbolicContainer:
        """Add elements, of which at most ``room`` are kept."""
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
    """The result of calling ``callee``; ``state`` is what BUILD gave it, ``items`` what was added.

    ``new``: it was made by ``callee.__new__``, so that it is an object of that class.
    """

    __slots__ = ("arguments", "callee", "items", "new", "state")

    def __init__(self, callee: Any, arguments: Any, *, new: bool = False) -> None:
        self.callee, self.arguments, self.new = callee, arguments, new
        self.state: Any = None
        self.items: SymbolicContainer | None = None


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


#: The names of ``getattr``.
GETATTR = frozenset(["builtins.getattr", "__builtin__.getattr"])


def is_attribute(value: Any) -> bool:
    """Whether this is what ``getattr`` gave: it belongs to something else."""
    return isinstance(value, Call) and isinstance(value.callee, Global) and value.callee.path in GETATTR


def find_origin(value: Any) -> Global | None:
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
        if isinstance(part, SymbolicContainer) and part.kind == "dict":
            found.update({key: value for key, value in part.pairs() if isinstance(key, str)})
    return found


#: Containers hold only constants; objects, too (``+``); or globals, too (``*``).
PLAIN, OBJECTS, GLOBALS = "", "+", "*"
#: A dict with a key that as an attribute would change what is called: no entry permits it.
HOOKED = "hooked"
UNKNOWN = "unknown"
#: The functions that old protocols call to make bytes.
_BYTES = frozenset(["_codecs.encode", "builtins.bytes", "__builtin__.bytes"])
#: The most arguments of one call whose kinds are distinguished.
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
    if isinstance(value, (tuple, SymbolicContainer)):
        held = _held(value, budget)
        return held if held == HOOKED else f"{shallow_kind(value)}{held}"
    return shallow_kind(value)


def attribute_kinds(arguments: Any, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds of the arguments of ``getattr``: with the name of the attribute, ``.name``, where it is known and the
    object is the pickle's own; ``().name`` where only a call gave it.
    """
    if len(kinds) != 2 or not isinstance(arguments[1], str) or not arguments[1].isidentifier():
        return kinds
    first = arguments[0]
    if isinstance(first, Call) and (find_origin(first) is None or is_attribute(first)):
        return kinds
    if isinstance(first, (Global, Persistent, Opaque)) and not isinstance(first, LongText) and first is not NUMBER:
        return kinds
    return kinds[0], f"{'' if is_new(first) or not isinstance(first, Call) else '()'}.{arguments[1]}"


def shallow_kind(value: Any) -> str:
    """The same without a look into containers."""
    if value is None or isinstance(value, (bool, int, float)):
        return "number"
    for kind, name in ((str, "text"), (bytes, "bytes"), (tuple, "tuple")):
        if isinstance(value, kind):
            return name
    if isinstance(value, Global):
        return f"@{value.path}"
    if isinstance(value, Call):
        made = find_origin(value)
        if made is None:
            return UNKNOWN
        return "bytes" if made.path in _BYTES else f"={made.path}"
    return str(value.kind)


def _held(container: Any, budget: Budget) -> str:
    """What a container holds at any depth. Each look costs ``work``: containers can hold each other many times."""
    held, pending, seen = PLAIN, [container], set()
    while pending:
        value = pending.pop()
        if isinstance(value, (tuple, SymbolicContainer)):
            if id(value) in seen:
                continue
            seen.add(id(value))
            items = value if isinstance(value, tuple) else value.items
            budget.work -= len(items) + 1
            if budget.work < 0:
                raise Stopped("the arguments of its calls hold more than is looked at", limit=True)
            if getattr(value, "lost", False):
                held = GLOBALS
            if isinstance(value, SymbolicContainer) and value.callable_hook:
                return HOOKED
            pending.extend(each for each in items if not isinstance(each, (str, int, float, bytes)))
        elif isinstance(value, Global) or value is FORGOTTEN or is_attribute(value):
            held = GLOBALS
        elif isinstance(value, (Call, Persistent)) or value is ARRAY:
            held = held or OBJECTS
    return held

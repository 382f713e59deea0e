"""What a pickle does to objects: calls, and what it puts into them. As symbols; and what is odd about it is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .log import HIDES, UNCLEAR
from .reader import Stopped
from .values import BUFFER, Blob, Call, Global, Many, Opaque, Persistent, class_of

if TYPE_CHECKING:
    from .machine import Machine

#: Functions that give a global by its name: module and name are their arguments.
_BY_NAME = {"numpy.core._ufunc_reconstruct", "numpy._core._ufunc_reconstruct", "numpy.core.numeric._ufunc_reconstruct"}
_GETATTR = {"builtins.getattr", "__builtin__.getattr"}
#: What loads a pickle out of bytes. Plain pickles of tensors have a call of it for each of them.
_LOADERS = {"torch.storage._load_from_bytes"}
_LATIN = {"latin1", "latin-1", "latin_1", "iso-8859-1"}
_DICTS = {"dict", "OrderedDict", "defaultdict", "UserDict", "Counter"}


def reduce(m: Machine) -> None:
    arguments, callee = m.pop(), m.pop()
    m.push(_called(m, callee, arguments))


def new(m: Machine) -> None:
    arguments, callee = m.pop(), m.pop()
    m.push(_called(m, callee, arguments))


def new_with_keywords(m: Machine) -> None:
    keywords, arguments, callee = m.pop(), m.pop(), m.pop()
    m.push(_called(m, callee, (*arguments, keywords) if isinstance(arguments, tuple) else arguments))


def make_object(m: Machine) -> None:
    callee, *arguments = m.to_mark()
    m.push(_called(m, callee, tuple(arguments)))


def instance(m: Machine) -> None:
    callee = m.import_line()
    m.push(_called(m, callee, tuple(m.to_mark())))


def _called(m: Machine, callee: Any, arguments: Any) -> Any:
    """What a call gives. A global that is named by the arguments of a known function is that global."""
    at = m.reader.offset
    if callee is None or isinstance(callee, (str, int, float, bytes, tuple, Many, Opaque, Blob)):
        raise Stopped(f"it calls what can't be called at byte {at:,}")
    if not isinstance(callee, Global):
        m.log.trick(UNCLEAR, "it calls what another call gave", at)
        return Call(callee, arguments)
    plain = arguments if isinstance(arguments, tuple) else ()
    if (named := _named(m, callee, plain, at)) is not None:
        return named
    if callee.path in _LOADERS and len(plain) == 1 and isinstance(plain[0], (bytes, Blob)):
        m.log.inner.append(plain[0])  # it is walked afterwards; then the call is no danger of its own
        return Call(callee, arguments)
    callee.called = True
    if not callee.name.lstrip("_")[:1].isupper():  # a class keeps what it is given; a function may call it
        for each in plain:
            if isinstance(each, Global):
                each.called = True
            elif isinstance(each, Call) and not isinstance(each.callee, Global) and each.callee is not None:
                m.log.trick(UNCLEAR, "it calls what another call gave", at)
    if callee.name == "encode" and callee.module in ("_codecs", "codecs") and plain[1:2] and plain[1] not in _LATIN:
        m.log.trick(UNCLEAR, f"it encodes a text as {str(plain[1])[:40]}", at)
    return Call(callee, arguments)


def _named(m: Machine, callee: Global, arguments: tuple[Any, ...], at: int) -> Global | None:
    """The global that a function gives by its name, where the name is known."""
    first, second = arguments if len(arguments) == 2 else (None, None)
    if isinstance(second, str):
        if callee.path in _BY_NAME and isinstance(first, str):
            return m.log.use(first, second, at)
        if callee.path in _GETATTR and isinstance(first, Global):
            return m.log.use(first.module, f"{first.name}.{second}", at)
    if callee.path in _BY_NAME:
        m.log.trick(HIDES, "the name of a global is computed by the pickle", at)
    return None


def add(m: Machine, kind: str, items: list[Any]) -> None:
    """Put elements into what is on top of the stack."""
    target = m.stack[-1]
    if isinstance(target, Many):
        if target.kind != kind:
            raise TypeError("elements of another kind")
        target.add(items, m.room(len(items)))
    elif isinstance(target, Call):
        target.add(kind, items, m.room(len(items)))
    elif isinstance(target, Global):
        m.log.trick(HIDES, f"it changes {target.path}, which is not its own", m.reader.offset)
    elif not isinstance(target, (Persistent, Opaque, Blob)):
        raise TypeError("elements put into a constant")


def build(m: Machine) -> None:
    """Give the object on top of the stack a state."""
    state = m.pop()
    target = m.stack[-1]
    at = m.reader.offset
    if isinstance(target, Global):
        m.log.trick(HIDES, f"it changes {target.path}, which is not its own", at)
        return
    if isinstance(target, (Many, tuple, str, bytes, int, float)) or target is None:
        raise TypeError("a state for a constant")
    if target is BUFFER or not isinstance(target, Call):
        return
    for part in state if isinstance(state, tuple) and len(state) == 2 else (state,):
        _look_at_state(m, part, at)
    if m.arrays is not None and m.arrays.wraps(target):
        m.stack[-1] = m.arrays.read(m, target, state)
        return
    target.state = state


def _look_at_state(m: Machine, part: Any, at: int) -> None:
    if isinstance(part, Call):
        made = class_of(part)
        if made is not None and made.name in _DICTS and part.arguments not in ((), None):
            m.log.trick(UNCLEAR, "the state of an object is computed", at)
        part = part.items
    if not isinstance(part, Many) or part.kind != "dict":
        return
    if part.hook:
        m.log.trick(HIDES, f"the state of an object replaces its '{part.hook}'", at)
    if part.computed:
        m.log.trick(UNCLEAR, "the name of an attribute is computed", at)

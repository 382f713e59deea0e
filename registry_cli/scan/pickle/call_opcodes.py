"""Opcodes that call, or change objects: they make symbols of the results, and log uses of globals and anomalies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...inspect.binary.limits import Stopped
from . import stack_values
from .arrays import WRAPPER
from .scan_log import CALL, HIDES, ITEMS, NEW, REFER, STATE, UNCLEAR
from .stack_values import FORGOTTEN, Blob, Call, Global, LongText, Opaque, Persistent, SymbolicContainer, Tuple

if TYPE_CHECKING:
    from .machine import Machine

#: Functions that look up a global: module and name are their arguments.
_BY_NAME = {"numpy.core._ufunc_reconstruct", "numpy._core._ufunc_reconstruct", "numpy.core.numeric._ufunc_reconstruct"}
#: Functions that load a pickle from bytes. Plain pickles of tensors call one for each tensor.
_LOADERS = {"torch.storage._load_from_bytes"}
_LATIN = ("latin1", "latin-1", "latin_1", "iso-8859-1")
_DICTS = {"dict", "OrderedDict", "defaultdict", "UserDict", "Counter"}
#: Functions that make an object of their first argument, and where the arguments of its ``__new__`` begin.
_MAKERS = {
    f"{module}.{name}": start
    for module in ("copyreg", "copy_reg")
    for name, start in (("_reconstructor", 3), ("__newobj__", 1), ("__newobj_ex__", 3))
}
#: Functions that call their first argument with the third one as its arguments.
_APPLIERS = {"torch._tensor._rebuild_from_type_v2", "torch._tensor._rebuild_from_type"}
_NESTED = 20


def call(m: Machine, how: str) -> None:
    arguments, callee = m.pop(), m.pop()
    m.push(_call(m, callee, arguments, how))


def call_with_keywords(m: Machine) -> None:
    keywords, arguments, callee = m.pop(), m.pop(), m.pop()
    empty = isinstance(keywords, SymbolicContainer) and not keywords.items and not keywords.lost
    if not empty and isinstance(arguments, tuple):
        arguments = Tuple((*arguments, keywords))
    m.push(_call(m, callee, arguments, NEW))


def make_object(m: Machine, callee: Any, arguments: list[Any]) -> None:
    m.push(_call(m, callee, m.tuple_of(arguments), CALL if arguments else NEW))


def _call(m: Machine, callee: Any, arguments: Any, how: str) -> Any:
    """The result of a call. A function that looks up a global by its name returns that global."""
    if callee is FORGOTTEN:
        raise Stopped("it calls what lies too far back", limit=True)
    if callee is None or isinstance(callee, (str, int, float, bytes, tuple, SymbolicContainer, Opaque, Blob)):
        raise ValueError("it calls what can't be called")
    if not isinstance(callee, Global):
        unclear = isinstance(callee, Persistent) or (isinstance(callee, Call) and callee.callee is None)
        m.log.add_anomaly("it calls what another call gave", UNCLEAR if unclear else HIDES)
        return Call(callee, arguments)
    plain = arguments if isinstance(arguments, tuple) else ()
    if (named := _look_up(m, callee, plain)) is not None:
        return named
    if callee.path in _LOADERS and len(plain) == 1:
        inner = _bytes_of(plain[0])
        if inner is None:
            m.log.add_anomaly("it loads a pickle that is computed")
        else:
            m.log.add_inner(inner)  # it is analysed afterwards; then the call itself is harmless
    _log_call(m, callee, arguments, how)
    if callee.name == "encode" and callee.module in ("_codecs", "codecs") and len(plain) > 1:
        encoding = plain[1]
        if not isinstance(encoding, str) or encoding not in _LATIN:
            shown = encoding[:40] if isinstance(encoding, str) else stack_values.shallow_kind(encoding)
            m.log.add_anomaly(f"it encodes a text as {shown}")
    return Call(callee, arguments, new=how == NEW)


def _bytes_of(value: Any) -> bytes | Blob | None:
    """Bytes, also as protocols 0 to 2 write them: a text in Latin-1. None where they are not known."""
    if isinstance(value, (bytes, Blob)):
        return value
    made = value.arguments if isinstance(value, Call) else None
    origin = stack_values.find_origin(value)
    if not isinstance(made, tuple) or len(made) != 2 or origin is None or made[1] not in _LATIN:
        return None
    if origin.path not in ("_codecs.encode", "codecs.encode"):
        return None
    if isinstance(made[0], LongText) and made[0].length:
        return Blob(made[0].offset, made[0].length, latin=True)
    try:
        return made[0].encode("latin-1") if isinstance(made[0], str) else None
    except UnicodeEncodeError:
        return None


def _log_call(m: Machine, callee: Global, arguments: Any, how: str, depth: int = 0) -> None:
    """Log a call, and the call that a known function makes of its arguments."""
    kinds = stack_values.kinds_of(arguments, m.budget)
    m.log.add_use(
        callee,
        how,
        stack_values.attribute_kinds(arguments, kinds) if callee.path in stack_values.GETATTR else kinds,
        m.reader.offset,
    )
    if not isinstance(arguments, tuple) or not arguments or not isinstance(arguments[0], Global):
        return
    if depth > _NESTED:
        raise Stopped("calls lie in it too deep", limit=True)
    start = _MAKERS.get(callee.path)
    if start is not None:
        rest = arguments[start:]
        if callee.name == "__newobj_ex__" and len(arguments) > 1:
            rest = arguments[1] if isinstance(arguments[1], tuple) else arguments[1:2]
        _log_call(m, arguments[0], rest, NEW, depth + 1)
    elif callee.path in _APPLIERS and len(arguments) > 2:
        _log_call(m, arguments[0], arguments[2], CALL, depth + 1)


def _look_up(m: Machine, callee: Global, arguments: tuple[Any, ...]) -> Global | None:
    """The global that a function looks up by its name, if the name is known."""
    first, second = arguments if len(arguments) == 2 else (None, None)
    if isinstance(second, str):
        if callee.path in _BY_NAME and isinstance(first, str):
            return m.log.import_global(first, second, m.reader.offset)
        if callee.path in stack_values.GETATTR and isinstance(first, Global):
            return m.log.import_global(first.module, f"{first.name}.{second}", m.reader.offset)
    if callee.path in _BY_NAME:
        m.log.add_anomaly("the name of a global is computed by the pickle")
    return None


def mark_referred(m: Machine, values: Any) -> None:
    """Log the globals that are values, and not only called."""
    for each in values:
        if isinstance(each, Global):
            m.log.add_use(each, REFER, (), m.reader.offset)


def _is_foreign(m: Machine, target: Any) -> bool:
    """Whether an object is not the pickle's own, which is logged."""
    if target is FORGOTTEN:
        raise Stopped("it changes what lies too far back", limit=True)
    if isinstance(target, Global):
        m.log.add_anomaly(f"it changes {target.path}, which is not its own")
        return True
    if stack_values.is_attribute(target):
        m.log.add_anomaly("it changes what belongs to another object")
        return True
    return False


def add(m: Machine, kind: str, items: list[Any]) -> None:
    """Add elements to the object on top of the stack."""
    target = m.stack[-1]
    mark_referred(m, items)
    if _is_foreign(m, target):
        return
    if isinstance(target, SymbolicContainer):
        if target.kind != kind:
            raise TypeError("elements of another kind")
        target.add(items, m.room(len(items)))
        check_hooks(m, target)
    elif isinstance(target, Call):
        made = stack_values.find_origin(target)
        if made is not None:
            m.log.add_use(made, ITEMS, (kind,), m.reader.offset)
        else:
            m.log.add_anomaly("it puts elements into what another call gave", UNCLEAR)
        target.items = target.items or SymbolicContainer(kind)
        target.items.add(items, m.room(len(items)))
        check_hooks(m, target.items)
    elif not isinstance(target, (Persistent, Opaque, Blob)):
        raise TypeError("elements put into a constant")


def check_hooks(m: Machine, made: SymbolicContainer) -> None:
    """Log a callable under the name of a method that Python calls by itself: no honest dict has one."""
    if made.callable_hook:
        m.log.add_anomaly(f"something that can be called is named '{made.hook}'")


def build(m: Machine) -> None:
    """Give the object on top of the stack a state."""
    state = m.pop()
    target = m.stack[-1]
    mark_referred(m, (state,))
    if _is_foreign(m, target):
        return
    if isinstance(target, (SymbolicContainer, tuple, str, bytes, int, float)) or target is None:
        raise TypeError("a state for a constant")
    if not isinstance(target, Call):
        return
    for part in state if isinstance(state, tuple) and len(state) == 2 else (state,):
        _check_state(m, part)
    made = stack_values.find_origin(target)
    if made is not None:
        m.log.add_use(made, STATE, (stack_values.shallow_kind(state),), m.reader.offset)
    else:
        m.log.add_anomaly("it gives a state to what another call gave", UNCLEAR)
    if m.arrays is not None and made is not None and f".{made.path}".endswith(WRAPPER):
        m.stack[-1] = m.arrays.read(m, target, state)
    else:
        target.state = state


def _check_state(m: Machine, part: Any) -> None:
    if isinstance(part, Call):
        made = stack_values.class_of(part)
        if made is not None and made.name in _DICTS and (not isinstance(part.arguments, tuple) or part.arguments):
            m.log.add_anomaly("the state of an object is computed")
        part = part.items
    if not isinstance(part, SymbolicContainer) or part.kind != "dict":
        return
    if part.hook:
        m.log.add_anomaly(f"the state of an object replaces its '{part.hook}'")
    if part.computed:
        m.log.add_anomaly("the name of an attribute is computed", UNCLEAR)

"""Arrays that joblib writes into a stream of pickles: their bytes follow the BUILD of a wrapper object.

An unpickler that doesn't know of them takes their bytes for opcodes. Which of the two will read a file is not known, so
it is analysed in both ways where they differ.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NoReturn

from ...inspect.binary.limits import Budget, Stopped
from .stack_values import ARRAY, Call, Global, SymbolicContainer, attributes

if TYPE_CHECKING:
    from .machine import Machine

#: The end of the wrapper's path: it can be imported from joblib by a dotted name, and there are copies of joblib.
WRAPPER = ".numpy_pickle.NumpyArrayWrapper"
#: joblib aligns to 16 bytes; a first byte up to here is not an opcode, so that every other reader stops.
_PADDING = 0x20
#: The function that makes the type of arrays of texts: these are pickled, as those of objects are.
_STRING_DTYPE = "numpy._core._internal._convert_to_stringdtype_kwargs"
_SIZES = {"b": 1, "i": 1, "u": 1, "f": 1, "c": 1, "m": 1, "M": 1, "S": 1, "V": 1, "a": 1, "U": 4}
_ITEM = 1 << 31
_DIMENSIONS = 64


class Arrays:
    """Skips arrays. ``count`` is their number; ``plain``: a plain unpickler would read on in the bytes of the first."""

    def __init__(self) -> None:
        self.count = 0
        self.plain = False

    def read(self, m: Machine, wrapper: Call, state: Any) -> Any:
        """Skip the array that follows, and return its symbol; the value of its pickle if it holds objects."""
        if m.reader.offset < m.frame_end or wrapper.state is not None:
            _refuse_wrapper(m)
        m.frame_end = 0
        wrapper.state = state
        fields = attributes(wrapper)
        if not {"shape", "dtype"} <= fields.keys():
            _refuse_wrapper(m)
        self.count += 1
        if self.count == 1 and m.reader.peek() > _PADDING:
            self.plain = True
        dtype = fields["dtype"]
        if holds_objects(dtype, m.budget):
            m.budget.opcodes -= 1
            return type(m)(m.reader, m.log, m.budget).run()  # a pickle of its own, which a plain unpickler reads
        shape = fields["shape"]
        if (
            not isinstance(shape, tuple)
            or len(shape) > _DIMENSIONS
            or not all(type(each) is int and each >= 0 for each in shape)
        ):
            _refuse_wrapper(m)
        if fields.get("numpy_array_alignment_bytes") is not None:
            m.reader.skip(m.reader.byte())
        m.reader.skip(prod(shape) * item_size(dtype))
        return ARRAY


def _refuse_wrapper(m: Machine) -> NoReturn:
    m.log.add_anomaly("the wrapper of an array is not as joblib makes it")
    raise Stopped("the wrapper of an array is not as joblib makes it", ambiguous=True)


def _code(dtype: Any) -> str:
    """``f8`` of ``numpy.dtype('f8', False, True)``."""
    arguments = dtype.arguments if isinstance(dtype, Call) and isinstance(dtype.callee, Global) else ()
    code = arguments[0] if isinstance(arguments, tuple) and arguments else None
    if not isinstance(code, str) or dtype.callee.module != "numpy" or dtype.callee.name != "dtype":
        raise Stopped("the type of an array is not known")
    return code.lstrip("<>=|")


def holds_objects(dtype: Any, budget: Budget, depth: int = 0) -> bool:
    """Whether an array of this type holds Python objects, itself or in one of its fields."""
    budget.work -= 1
    if depth > 16 or budget.work < 0:
        raise Stopped("the type of an array is nested too deep", limit=True)
    if isinstance(dtype, Call) and isinstance(dtype.callee, Global) and dtype.callee.path == _STRING_DTYPE:
        return True
    if _code(dtype)[:1] == "O":
        return True
    state = dtype.state
    if not isinstance(state, tuple):
        return False
    inner = list(state[2]) if len(state) > 2 and isinstance(state[2], tuple) else []
    if len(state) > 4 and isinstance(state[4], SymbolicContainer):
        inner += [field[0] for _, field in state[4].pairs() if isinstance(field, tuple) and field]
    return any(holds_objects(each, budget, depth + 1) for each in inner if isinstance(each, Call))


def item_size(dtype: Any) -> int:
    """How many bytes one element takes."""
    code = _code(dtype)
    if code[:1] not in _SIZES or not code[1:].isdigit() or len(code) > 10:
        raise Stopped(f"the type of an array is not known: {code[:20]}")
    size = _SIZES[code[0]] * int(code[1:])
    state = dtype.state
    if code[0] in "SUV" and isinstance(state, tuple) and len(state) > 5 and type(state[5]) is int and state[5] >= 0:
        size = state[5]
    if size > _ITEM:
        raise Stopped("an element of an array is too large to be one")
    return size

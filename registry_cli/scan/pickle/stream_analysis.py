"""A stream of pickles, walked to its end: what it refers to, what it would build, and what could not be read."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any

from ...core.lazy_dataclass import dataclass, replace
from ...inspect.binary.limits import Budget, Stopped, Stream
from .arrays import Arrays
from .machine import Machine
from .opcode_reader import OPCODES, OpcodeReader
from .scan_log import HIDES, Anomaly, PickledGlobalUse, ScanLog
from .stack_values import Blob

#: The first object of a file that torch.save wrote before it wrote zip archives; raw numbers follow after five.
TORCH_MAGIC = 0x1950A86A20F9469CFC6C
TORCH_PICKLES = 5
#: Of what the plain reading of an array finds, only this does not come about by chance.
CALLS = "it calls what another call gave"
_STACKED = 10_000
_DEPTH = 4


@dataclass(frozen=True, eq=False, repr=False)
class StreamAnalysis:
    """What a walk found. ``values`` are what the pickles give, as symbols, one each.

    ``complete`` says that every byte was accounted for; else ``why`` says what kept it. ``limit`` is True when that
    was only a limit of ours. ``offset`` is how far it came. ``legacy_torch``: raw numbers of tensors lie behind.
    ``broken``: a pickle breaks off in its middle; ``cut``: because the bytes end.
    ``otherwise`` are uses of globals that only a reader sees who takes the bytes of joblib's arrays for opcodes; in an honest
    file they make no sense to it.
    """

    uses: tuple[PickledGlobalUse, ...]
    anomalies: tuple[Anomaly, ...]
    values: tuple[Any, ...]
    complete: bool
    why: str = ""
    limit: bool = False
    offset: int = 0
    arrays: int = 0
    protocol: int = 0
    legacy_torch: bool = False
    otherwise: tuple[PickledGlobalUse, ...] = ()
    ambiguous: bool = False
    broken: bool = False
    cut: bool = False


def analyse_stream(
    opened: Callable[[], Stream], budget: Budget, *, lone: bool = False, depth: int = 0
) -> StreamAnalysis:
    """Walk what ``opened`` gives, from its beginning, as joblib would read it; and, where that differs, as pickle would.

    With ``lone`` what lies behind the first pickle is none of its business: in an archive of torch, or a ``.npy``.
    """
    arrays = Arrays()
    first = _StreamAnalyser(opened(), budget, arrays, lone)
    found = first.run()
    if first.log.inner:
        found = _with_inner(found, list(first.log.inner.values()), opened, budget, depth)
    if not arrays.plain:
        return found
    plain = _StreamAnalyser(opened(), budget, None, lone).run()
    known = {use[:4] for use in found.uses}
    others = tuple(use for use in plain.uses if use[:4] not in known)
    anomalies = found.anomalies
    if any(use.called for use in others):
        anomalies += tuple(each for each in plain.anomalies if each.severity == HIDES and each.what.startswith(CALLS))
    if found.complete and plain.limit:
        return replace(found, anomalies=anomalies, otherwise=others, complete=False, why=plain.why, limit=True)
    return replace(found, anomalies=anomalies, otherwise=others)


def _with_inner(
    found: StreamAnalysis, inner: list[bytes | Blob], opened: Callable[[], Stream], budget: Budget, depth: int
) -> StreamAnalysis:
    """What was found, with what is found in the pickles that it loads itself."""
    for place in inner:
        if depth >= _DEPTH:
            return replace(found, complete=False, why="pickles lie in it too deep", limit=True)
        within = analyse_stream(lambda place=place: _inner_stream(opened(), place), budget, depth=depth + 1)  # type: ignore[misc]
        found = replace(found, uses=found.uses + within.uses, anomalies=found.anomalies + within.anomalies)
        if not within.complete and found.complete:
            found = replace(found, complete=False, why=f"a pickle in it: {within.why}", limit=within.limit)
    return found


_PIECE = 1 << 16


class _PartialStream:
    """A part of a stream, or some bytes, as a stream."""

    def __init__(self, whole: Stream, place: bytes | Blob) -> None:
        self._whole, self._data = whole, place if isinstance(place, bytes) else b""
        self._left = 0
        if isinstance(place, Blob) and whole.skip(place.offset) == place.offset:
            self._left = place.length

    def read(self, length: int) -> bytes:
        if self._data:
            data, self._data = self._data[:length], self._data[length:]
            return data
        data = self._whole.read(min(length, self._left)) if self._left else b""
        self._left -= len(data)
        return data

    def skip(self, length: int) -> int:
        if self._data:
            return len(self.read(length))
        done = self._whole.skip(min(length, self._left))
        self._left -= done
        return done


class _LatinStream:
    """The bytes that a stream of UTF-8 stands for, a character each."""

    def __init__(self, coded: Stream) -> None:
        self._coded, self._data = coded, b""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def read(self, length: int) -> bytes:
        while not self._data:
            piece = self._coded.read(max(1, min(length, _PIECE)))
            try:
                self._data = self._decoder.decode(piece, not piece).encode("latin-1")
            except UnicodeError as error:
                raise Stopped("a pickle in it is a text that stands for no bytes") from error
            if not piece:
                break
        data, self._data = self._data[:length], self._data[length:]
        return data

    def skip(self, length: int) -> int:
        done = 0
        while done < length and (data := self.read(min(length - done, _PIECE))):
            done += len(data)
        return done


def _inner_stream(whole: Stream, place: bytes | Blob) -> Stream:
    within = _PartialStream(whole, place)
    return _LatinStream(within) if isinstance(place, Blob) and place.latin else within


def _is_torch(value: Any) -> bool:
    return type(value) is int and value == TORCH_MAGIC


class _StreamAnalyser:
    def __init__(self, stream: Stream, budget: Budget, arrays: Arrays | None, lone: bool) -> None:
        self.reader, self.log, self.budget, self.arrays, self.lone = (
            OpcodeReader(stream),
            ScanLog(),
            budget,
            arrays,
            lone,
        )
        self.values: list[Any] = []
        self.stopped: Stopped | None = None
        self.protocol = 0
        self.inside = False

    def run(self) -> StreamAnalysis:
        torch = False
        try:
            while not self._at_end():
                self._one()
                torch = torch or (len(self.values) == 1 and _is_torch(self.values[0]))
                if torch and len(self.values) == TORCH_PICKLES:
                    break
                if self.lone:
                    break
            if not self.values:
                raise Stopped("it is empty")
        except Stopped as error:
            self.stopped = error
        except RecursionError:
            self.stopped = Stopped("it is nested too deep", limit=True)
        return StreamAnalysis(
            tuple(self.log.uses.values()),
            tuple(self.log.anomalies.values()),
            tuple(self.values),
            self.stopped is None,
            str(self.stopped or ""),
            bool(self.stopped and self.stopped.limit),
            self.reader.offset,
            self.arrays.count if self.arrays else 0,
            self.protocol,
            torch,
            ambiguous=bool(self.stopped and self.stopped.ambiguous),
            broken=self.stopped is not None and self.inside,
            cut=bool(self.stopped and self.stopped.end),
        )

    def _one(self) -> None:
        machine = Machine(self.reader, self.log, self.budget, self.arrays)
        self.inside = True
        try:
            self.values.append(machine.run())
            self.inside = False
        finally:
            self.protocol = max(self.protocol, machine.protocol)

    def _at_end(self) -> bool:
        """Whether nothing more is to be read. Zeros at the end are padding."""
        if len(self.values) >= _STACKED:
            raise Stopped(f"more than {_STACKED:,} pickles follow one another", limit=True)
        code = self.reader.peek()
        if code < 0:
            return True
        if self.values and code not in OPCODES:
            if code == 0 and self.reader.only_zeros():
                return True
            raise Stopped(f"{len(self.values)} of its pickles could be read; what follows is none")
        return False

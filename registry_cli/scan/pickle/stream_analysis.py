"""Analysis of a stream of pickles: which globals it uses, what it would build, and why reading stopped."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any

from ...core.lazy_dataclass import dataclass, replace
from ...inspect.binary.limits import Budget, Stopped, Stream
from ...inspect.binary.sources import MemorySource, SequentialReader
from .arrays import Arrays
from .machine import Machine
from .opcode_reader import OPCODES, OpcodeReader
from .scan_log import HIDES, Anomaly, PickledGlobalUse, ScanLog
from .stack_values import Blob

#: The first object of a file that torch.save wrote before it wrote zip archives, and the number of pickles before the raw
#: numbers.
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_TORCH_PICKLES = 5
#: The only anomaly that does not occur by chance when the bytes of an array are read as opcodes.
_CALLS_RESULT = Anomaly(HIDES, "it calls what another call gave")
_STACKED = 10_000
_DEPTH = 4
_PIECE = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class StreamAnalysis:
    """What was found in a stream of pickles.

    ``values`` has one symbol for each pickle. ``stopped`` is why the stream was not read to its end, at ``offset``;
    ``broken`` when that was inside a pickle. ``legacy_torch``: the raw numbers of tensors follow the pickles.
    ``otherwise`` are the uses that only a reader finds that takes the bytes of joblib's arrays for opcodes; in an honest
    file they make no sense.
    """

    uses: tuple[PickledGlobalUse, ...]
    anomalies: tuple[Anomaly, ...]
    values: tuple[Any, ...]
    stopped: Stopped | None
    offset: int
    arrays: int
    protocol: int
    legacy_torch: bool
    broken: bool
    otherwise: tuple[PickledGlobalUse, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every byte was accounted for."""
        return self.stopped is None

    @property
    def limit(self) -> bool:
        """Whether only a limit of the scan ended it."""
        return self.stopped is not None and self.stopped.limit

    @property
    def why(self) -> str:
        """Why it is not complete."""
        return str(self.stopped or "")


def analyse_stream(
    opened: Callable[[], Stream], budget: Budget, *, lone: bool = False, depth: int = 0
) -> StreamAnalysis:
    """Analyse the stream that ``opened`` returns as joblib would read it; and, where that differs, as pickle would.

    With ``lone`` only the first pickle counts, as in an archive of torch or a ``.npy``.
    """
    arrays = Arrays()
    found, inner = _analyse(opened(), budget, arrays, lone)
    for place in inner:
        if depth >= _DEPTH:
            found = replace(found, stopped=Stopped("pickles lie in it too deep", limit=True))
            break
        within = analyse_stream(lambda place=place: _open_inner(opened, place), budget, depth=depth + 1)  # type: ignore[misc]
        found = replace(found, uses=found.uses + within.uses, anomalies=found.anomalies + within.anomalies)
        if not within.complete and found.complete:
            found = replace(found, stopped=Stopped(f"a pickle in it: {within.why}", limit=within.limit))
    if not arrays.plain:
        return found
    plain, _ = _analyse(opened(), budget, None, lone)
    known = {use[:4] for use in found.uses}
    others = tuple(use for use in plain.uses if use[:4] not in known)
    anomalies = found.anomalies
    if _CALLS_RESULT in plain.anomalies and any(use.called for use in others):
        anomalies += (_CALLS_RESULT,)
    stopped = plain.stopped if found.complete and plain.limit else found.stopped
    return replace(found, anomalies=anomalies, otherwise=others, stopped=stopped)


def _analyse(
    stream: Stream, budget: Budget, arrays: Arrays | None, lone: bool
) -> tuple[StreamAnalysis, list[bytes | Blob]]:
    """The analysis, and the pickles that the pickles load themselves."""
    reader, log = OpcodeReader(stream, budget), ScanLog()
    values: list[Any] = []
    stopped, protocol, torch, inside = None, 0, False, False
    try:
        while not _is_at_end(reader, len(values)):
            machine = Machine(reader, log, budget, arrays)
            inside = True
            try:
                values.append(machine.run())
            finally:
                protocol = max(protocol, machine.protocol)
            inside = False
            torch = type(values[0]) is int and values[0] == _TORCH_MAGIC
            if lone or (torch and len(values) == _TORCH_PICKLES):
                break
        if not values:
            raise Stopped("it is empty")
    except Stopped as error:  # copied, since its traceback would keep the machine's stack
        stopped = Stopped(str(error), limit=error.limit, ambiguous=error.ambiguous, end=error.end)
    except RecursionError:
        stopped = Stopped("it is nested too deep", limit=True)
    found = StreamAnalysis(
        uses=tuple(log.uses.values()),
        anomalies=tuple(log.anomalies),
        values=tuple(values),
        stopped=stopped,
        offset=reader.offset,
        arrays=arrays.count if arrays else 0,
        protocol=protocol,
        legacy_torch=torch,
        broken=inside and stopped is not None,
    )
    return found, list(log.inner.values())


def _is_at_end(reader: OpcodeReader, count: int) -> bool:
    """Whether nothing more is to be read. Zeros at the end are padding."""
    if count >= _STACKED:
        raise Stopped(f"more than {_STACKED:,} pickles follow one another", limit=True)
    code = reader.peek()
    if code >= 0 and count and code not in OPCODES:
        if code == 0 and reader.only_zeros():
            return True
        raise Stopped(f"{count} of its pickles could be read; what follows is none")
    return code < 0


def _open_inner(opened: Callable[[], Stream], place: bytes | Blob) -> Stream:
    if isinstance(place, bytes):
        return SequentialReader(MemorySource(place))
    within = _PartialStream(opened(), place)
    return _LatinStream(within) if place.latin else within


class _PartialStream:
    """A part of a stream as a stream."""

    def __init__(self, whole: Stream, place: Blob) -> None:
        self._whole = whole
        self._left = place.length if whole.skip(place.offset) == place.offset else 0

    def read(self, length: int) -> bytes:
        data = self._whole.read(min(length, self._left)) if self._left else b""
        self._left -= len(data)
        return data

    def skip(self, length: int) -> int:
        done = self._whole.skip(min(length, self._left))
        self._left -= done
        return done


class _LatinStream:
    """The bytes that a stream of UTF-8 stands for, one for each character."""

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

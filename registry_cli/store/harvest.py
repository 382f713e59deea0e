"""Reading the documents of many versions for the index, on several processors where there are.

Parsing is most of the time that a new index takes. Forked children read a piece each in turn, and their parent, which
alone writes to the index, takes what they found in the order in which it was asked for.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Union

from ..errors import NotFound, RegistryError, explain
from ..lifecycle.facts import facts_of, row_of
from .forks import Child, processors
from .index import packed
from .reader import ModelReader, State

#: Versions in one piece, and from how many on children are worth it.
_PIECE = 200
_WORTH_CHILDREN = 400
_LENGTH = 8


class Task(NamedTuple):
    """Versions of a model to be read, of a moment that ``state`` tells; of those ``annotated`` something was said."""

    model: ModelReader
    state: State
    numbers: Sequence[int]
    annotated: frozenset[int]


class Trouble(NamedTuple):
    """A version that can't be read, and why."""

    number: int
    message: str
    hint: str


class Row(NamedTuple):
    """A version as the index stores it: see ``facts``. ``row`` is None for one that is gone."""

    number: int
    row: tuple[Any, ...] | None
    facts: list[tuple[str, str, Any]]


Found = Union[Row, Trouble]


class Harvest:
    """The versions of ``tasks``: iterated over once, in their order, each gives a :class:`Row` or a :class:`Trouble`."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._pieces = [
            task._replace(numbers=task.numbers[at : at + _PIECE])
            for task in tasks
            for at in range(0, len(task.numbers), _PIECE)
        ]
        self._children: list[Child | None] = []

    def __enter__(self) -> Iterator[Found]:
        most = processors()
        if most > 1 and sum(len(piece.numbers) for piece in self._pieces) >= _WORTH_CHILDREN:
            for at in range(most):
                self._children.append(Child.start(self._work(at, most)))
        return self._found()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            if child is not None:
                child.stop()

    def _work(self, at: int, step: int) -> Callable[[Callable[[bytes], None]], None]:
        def work(write: Callable[[bytes], None]) -> None:
            for piece in self._pieces[at::step]:
                data = marshal.dumps([tuple(found) for found in _read(piece)])
                write(len(data).to_bytes(_LENGTH, "big") + data)

        return work

    def _found(self) -> Iterator[Found]:
        for at, piece in enumerate(self._pieces):
            told = self._told(at % len(self._children)) if self._children else None
            yield from _read(piece) if told is None else told

    def _told(self, at: int) -> Iterator[Found] | None:
        """What a child found in its next piece; None when there is no child any more."""
        child = self._children[at]
        if child is None:
            return None
        head = child.read(_LENGTH)
        data = child.read(int.from_bytes(head, "big")) if len(head) == _LENGTH else b""
        if not data or len(data) < int.from_bytes(head, "big"):
            child.stop()
            self._children[at] = None
            return None
        return (Trouble(*each) if isinstance(each[1], str) else Row(*each) for each in marshal.loads(data))  # noqa: S302  our own child's


def _read(piece: Task) -> Iterator[Found]:
    for number in piece.numbers:
        try:
            record = piece.model.version(number, piece.state, annotated=number in piece.annotated)
        except NotFound:
            yield Row(number, None, [])
        except RegistryError as error:
            yield Trouble(number, error.message, error.hint)
        except OSError as error:
            yield Trouble(number, explain(error), "")
        else:
            yield Row(number, row_of(record, packed(record)), list(facts_of(record)))

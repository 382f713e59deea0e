"""The YAML loader behind ``documents``, on libyaml's C parser when PyYAML has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from ...errors import InvalidInput
from ..conversion import DIGITS, FRACTION, INTEGER, NUMERIC, WORDS

DEPTH_LIMIT = 32

_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_LITERALS = {"": None, **{word: value for word, value in WORDS.items() if not isinstance(value, float)}}


class _Builder:
    """Builds plain Python objects from the parser's events."""

    def __init__(self, text: str, name: str, read: Callable[[str], Any] | None) -> None:
        self._parser = _Parser(text)
        self._name = name
        self._read = read

    def fail(self, what: str, event: Any) -> InvalidInput:
        return InvalidInput(f"{self._name}, line {_line(event)}: {what}")

    def document(self) -> Any:
        parser = self._parser
        parser.get_event()  # the start of the stream
        if parser.check_event(yaml.StreamEndEvent):
            return None
        parser.get_event()  # the start of the document
        value = self._value(parser.get_event(), 0)
        parser.get_event()  # the end of the document
        if not parser.check_event(yaml.StreamEndEvent):
            raise self.fail("more than one document", parser.get_event())
        return value

    def _value(self, event: Any, depth: int) -> Any:
        """The value that begins with ``event``. Called for every word of every document: types are compared by identity."""
        kind = type(event)
        if kind is yaml.AliasEvent or event.anchor is not None:
            raise self.fail("anchors and aliases are not allowed", event)
        if kind is yaml.ScalarEvent:
            return self._scalar(event)
        if event.tag is not None and event.tag != "!":
            raise self.fail(f"the tag {event.tag} is not allowed", event)
        if depth >= DEPTH_LIMIT:
            raise self.fail(f"nested deeper than {DEPTH_LIMIT} levels", event)
        return self._mapping(depth + 1) if kind is yaml.MappingStartEvent else self._sequence(depth + 1)

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        keys: dict[str, Any] = {}
        get = self._parser.get_event
        while type(event := get()) is not yaml.MappingEndEvent:
            if type(event) is not yaml.ScalarEvent:
                raise self.fail("a key must be plain text", event)
            name = event.value
            if event.tag is not None or event.anchor is not None or not name.isascii() or name == "<<" or "\0" in name:
                self._check_key(event)
            if name in found:
                raise self.fail(f"'{name[:60]}' is repeated, first in line {_line(keys[name])}", event)
            keys[name] = event
            found[name] = self._value(get(), depth)
        return found

    def _check_key(self, event: Any) -> None:
        self._value(event, 0)
        if event.value == "<<" and event.implicit[0]:
            raise self.fail("merge keys are not allowed", event)

    def _sequence(self, depth: int) -> list[Any]:
        found: list[Any] = []
        while type(event := self._parser.get_event()) is not yaml.SequenceEndEvent:
            found.append(self._value(event, depth))
        return found

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        tag = event.tag
        if tag is not None and tag != "!":
            raise self.fail(f"the tag {tag} is not allowed", event)
        if "\0" in text or (not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)):
            raise self.fail("a NUL character or a lone surrogate", event)
        if not event.implicit[0] or tag == "!":
            return text
        if text in _LITERALS:
            return _LITERALS[text]
        if self._read is not None:
            try:
                return self._read(text)
            except ValueError as error:
                raise self.fail(str(error), event) from None
        if text[0] not in NUMERIC:
            return text
        if INTEGER.match(text):
            if len(text) > DIGITS:
                raise self.fail(f"a whole number of {len(text):,} digits", event)
            return int(text)
        return float(text) if FRACTION.match(text) else text


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _line_of(error: yaml.YAMLError, data: bytes) -> int:
    """The line that an error is about: its mark, else its place in the text; never behind the last line."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return min(int(mark.line), data.rstrip(b"\n").count(b"\n")) + 1
    text = data.decode("utf-8", "replace")
    position = getattr(error, "position", None)
    if isinstance(error, yaml.reader.ReaderError) and isinstance(position, int):
        return data.count(b"\n", 0, position) + 1
    return text.count("\n") + 1


def loads(data: bytes, name: str, scalar: Callable[[str], Any] | None = None) -> Any:
    """See :func:`registry_cli.core.yaml.documents.loads`."""
    try:
        return _Builder(data.decode("utf-8"), name, scalar).document()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{name}, line {line}: not UTF-8 text") from None
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not valid YAML"
        raise InvalidInput(f"{name}, line {_line_of(error, data)}: {problem}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{name}: {error}") from None


def lines(data: bytes) -> dict[tuple[str, ...], int]:
    """See :func:`registry_cli.core.yaml.documents.lines`."""
    found: dict[tuple[str, ...], int] = {}

    def walk(node: Any, path: tuple[str, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                below = (*path, key.value)
                found[below] = int(key.start_mark.line) + 1
                walk(value, below)
        elif isinstance(node, yaml.SequenceNode):
            for at, value in enumerate(node.value):
                below = (*path, str(at))
                found[below] = int(value.start_mark.line) + 1
                walk(value, below)

    walk(yaml.compose(data.decode("utf-8"), Loader=_Parser), ())
    return found

"""Reading and writing YAML: one loader and one dumper for the whole project.

Loading keeps to YAML 1.2's core types (``no`` and ``on`` are texts, ``1e-5`` a float, dates and ``0123`` texts),
refuses tags, anchors, aliases, merge keys, duplicate keys, NUL and lone surrogates, and is bounded in size and
depth. Dumping quotes whatever a YAML 1.1 or 1.2 reader would take for something else than text, so that every
document loads equal to what was dumped. What is in the plain form (see ``plain``) needs no YAML library for either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...errors import InvalidInput
from . import DOCUMENT_LIMIT, fast_loader

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from typing import Any

#: The largest document that people may hand in, in bytes.
INPUT_LIMIT = 1 << 20


def loads(data: bytes, name: str, *, limit: int = DOCUMENT_LIMIT, scalar: Callable[[str], Any] | None = None) -> Any:
    """The value of one YAML document. ``name`` is what error messages call it.

    ``scalar`` reads plain words, if it is given: for documents whose numbers must not be rounded. Raises :class:`InvalidInput` with the line for whatever is not allowed or not YAML.
    """
    if len(data) > limit:
        raise InvalidInput(f"{name} has {len(data):,} bytes", f"{limit:,} is the most")
    value = None if scalar else fast_loader.loads(data)
    if value is None:
        from . import loader

        return loader.loads(data, name, scalar)
    return value


def lines(data: bytes) -> dict[tuple[str, ...], int]:
    """The line in which each key, and each entry of a list, stands, of a document that :func:`loads` has read."""
    from . import loader

    return loader.lines(data)


def loads_mapping(
    data: bytes, name: str, *, limit: int = DOCUMENT_LIMIT, scalar: Callable[[str], Any] | None = None
) -> dict[str, Any]:
    """As :func:`loads`, for a document that must be a mapping."""
    value = loads(data, name, limit=limit, scalar=scalar)
    if not isinstance(value, dict):
        raise InvalidInput(f"{name} holds no 'key: value' lines")
    return value


def dumps(document: Mapping[str, Any]) -> bytes:
    """``document`` as YAML, in the order given; short flat mappings inside it stand on one line."""
    data = fast_loader.dumps(document)
    if data is None:
        from . import dumper

        data = dumper.dumps(document)
    if len(data) > DOCUMENT_LIMIT:  # it could not be read again: that must fail before anything is committed
        raise InvalidInput(f"a document of {len(data):,} bytes", f"{DOCUMENT_LIMIT:,} is the most")
    return data

"""Reading and writing YAML: one loader and one dumper for the whole project.

Loading follows the core schema of YAML 1.2 (``no`` and ``on`` are texts, ``1e-5`` a float, dates and ``0123`` texts) and
rejects tags, anchors, aliases, merge keys, duplicate keys, NUL and lone surrogates, and what is too large or too deep.
Dumping quotes every text that a YAML 1.1 or 1.2 reader would take for another type, so that each document loads equal to
what was dumped. Most documents need no YAML library for either: see ``fast_loader``.
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
    """Load one YAML document.

    Args:
        data: The document.
        name: What error messages call it.
        limit: The most bytes.
        scalar: Parses plain words, for documents whose numbers must not be rounded.

    Raises:
        InvalidInput: It is not YAML, or has something that is not allowed; with the line.
    """
    if len(data) > limit:
        raise InvalidInput(f"{name} has {len(data):,} bytes", f"the limit is {limit:,}")
    value = None if scalar else fast_loader.loads(data)
    if value is None:
        from . import loader

        return loader.loads(data, name, scalar)
    return value


def lines(data: bytes) -> dict[tuple[str, ...], int]:
    """The line number of each key and each list item of a valid document."""
    from . import loader

    return loader.lines(data)


def loads_mapping(
    data: bytes, name: str, *, limit: int = DOCUMENT_LIMIT, scalar: Callable[[str], Any] | None = None
) -> dict[str, Any]:
    """As :func:`loads`, for a document that must be a mapping."""
    value = loads(data, name, limit=limit, scalar=scalar)
    if not isinstance(value, dict):
        raise InvalidInput(f"{name} contains no 'key: value' lines")
    return value


def dumps(document: Mapping[str, Any]) -> bytes:
    """Dump ``document`` in its order; short flat mappings in it stand on one line."""
    data = fast_loader.dumps(document)
    if data is None:
        from . import dumper

        data = dumper.dumps(document)
    if len(data) > DOCUMENT_LIMIT:  # it could not be read again: that must fail before anything is committed
        raise InvalidInput(f"a document of {len(data):,} bytes", f"the limit is {DOCUMENT_LIMIT:,}")
    return data

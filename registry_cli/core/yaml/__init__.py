"""YAML documents: loading with limits, dumping, and edits that keep comments.

May import: core, errors.
Does not belong here: the keys of a document; those of records are in ``store/codec.py``.
"""

from __future__ import annotations

#: The largest document of the registry, in bytes.
DOCUMENT_LIMIT = 64 << 20

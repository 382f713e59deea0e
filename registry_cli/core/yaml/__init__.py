"""YAML documents: loading with limits, dumping, edits that keep comments.

Imports errors and core. The keys of a document belong in store/codec.
"""

from __future__ import annotations

#: The largest document of the registry, in bytes.
DOCUMENT_LIMIT = 64 << 20

"""Orbax: a checkpoint of JAX, a folder of arrays in a store of keys. It is recognised, with the names in its tree."""

from __future__ import annotations

from typing import Any

from ..binary.model_files import Folder
from ..inspection import Inspection

STORE, METADATA, CHECKPOINT = "manifest.ocdbt", "_METADATA", "_CHECKPOINT_METADATA"
MAGIC = b"\x0c\xdb\x3a\x2a"
#: The largest description that is read, in bytes, and how many names are kept.
LIMIT, KEYS = 8 << 20, 50


def read(folder: Folder) -> Inspection | None:
    """A store with the description of a tree beside it, or either alone where it says by itself what it is."""
    tree = folder.json(METADATA, LIMIT)
    checkpoint = folder.json(CHECKPOINT, LIMIT)
    described = isinstance(tree, dict) and isinstance(tree.get("tree_metadata"), dict)
    noted = isinstance(checkpoint, dict) and ("item_handlers" in checkpoint or "init_timestamp_nsecs" in checkpoint)
    if not (described or noted or (isinstance(tree, dict) and _is_store(folder))):
        return None
    entries: dict[str, Any] = tree["tree_metadata"] if described and tree is not None else {}
    return Inspection(
        "orbax",
        framework="orbax",
        details={
            "arrays": len(entries) or None,
            "keys": [_name(key) for key in list(entries)[:KEYS]],
            "uncounted": "the sizes of arrays in a checkpoint of Orbax are not read",
        },
    )


def _is_store(folder: Folder) -> bool:
    if STORE not in folder.files:
        return False
    with folder.opened(STORE) as file:
        return file.head.startswith(MAGIC)


def _name(key: str) -> str:
    """``params.dense.kernel`` for the text of a tuple of names."""
    return ".".join(part.strip(" '\"") for part in key.strip("()").split(",") if part.strip())

"""spaCy: a folder with ``meta.json`` and ``config.cfg``, which describe a pipeline of components."""

from __future__ import annotations

import re

from ..binary.model_files import Folder
from ..inspection import Inspection

NAME, CONFIG = "meta.json", "config.cfg"
#: The largest description that is read, in bytes.
LIMIT = 8 << 20

_LOWEST = re.compile(r">=\s*([0-9][\w.]*)")


def read(folder: Folder) -> Inspection | None:
    """Name, language, components and labels; the version is the lowest that the pipeline asks for, that of its maker."""
    meta = folder.json(NAME, LIMIT)
    if not isinstance(meta, dict) or "spacy_version" not in meta or "lang" not in meta or CONFIG not in folder.files:
        return None
    wanted = str(meta["spacy_version"])
    lowest = _LOWEST.search(wanted)
    vectors, labels = meta.get("vectors"), meta.get("labels")
    return Inspection(
        "spacy",
        framework="spacy",
        framework_version=lowest[1] if lowest else "",
        class_name=f"{meta['lang']}_{meta.get('name', '')}".strip("_"),
        details={
            "requires": wanted,
            "model_version": meta.get("version"),
            "description": meta.get("description"),
            "license": meta.get("license"),
            "components": meta.get("components") or meta.get("pipeline"),
            "vectors": {key: vectors.get(key) for key in ("width", "vectors", "keys")}
            if isinstance(vectors, dict)
            else None,
            "labels": {key: value for key, value in labels.items() if value} if isinstance(labels, dict) else None,
            "uncounted": "the weights of a pipeline of spaCy are not counted",
        },
    )

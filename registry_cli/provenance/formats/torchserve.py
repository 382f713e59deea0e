"""TorchServe: ``.mar``, an archive of a model, its handler and a manifest."""

from __future__ import annotations

import json

from ..inspection import Inspection
from . import zips
from .files import File

#: The largest manifest that is read, in bytes.
LIMIT = 1 << 20
_NAME = "MAR-INF/MANIFEST.json"


def read(file: File) -> Inspection | None:
    """The manifest. What is packed with it is listed, not read."""
    if not file.head.startswith(zips.MAGIC) or _NAME not in zips.members(file):
        return None
    manifest = json.loads(zips.read(file, _NAME, LIMIT))
    model = manifest["model"]
    return Inspection(
        "torchserve",
        framework="torch",
        details={
            "name": model.get("modelName"),
            "model_version": model.get("modelVersion"),
            "handler": model.get("handler"),
            "serialized_file": model.get("serializedFile"),
            "runtime": manifest.get("runtime"),
            "archiver_version": manifest.get("archiverVersion"),
            "created": manifest.get("createdOn"),
            "members": sorted(zips.members(file)),
        },
    )

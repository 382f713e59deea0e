"""The front matter of a ``README.md``: what a model card says in a form that can be read by programs."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidInput
from ..binary.limits import Stopped
from ..binary.model_files import Folder

NAME = "README.md"
#: The longest front matter that is read, in bytes.
FRONT = 1 << 16

_KEPT = ("license", "pipeline_tag", "base_model", "language", "library_name")


def read(folder: Folder) -> dict[str, Any]:
    """What the card of a folder says of the model; nothing when there is none, or it can't be read."""
    from ...core.yaml import documents

    if NAME not in folder.files:
        return {}
    try:
        with folder.opened(NAME) as file:
            mark, _, rest = file.beginning(FRONT).decode("utf-8", "replace").partition("---\n")
    except (Stopped, OSError):
        return {}
    matter, end, _ = rest.partition("\n---")
    if mark or not end:
        return {}
    try:
        found = documents.loads(matter.encode(), NAME, limit=FRONT)
    except InvalidInput:
        return {}
    return {key: found[key] for key in _KEPT if found.get(key)} if isinstance(found, dict) else {}

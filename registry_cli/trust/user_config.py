"""The user's configuration folder: which files in it are accepted, and which registries of other users it trusts.

A ``registry.yaml`` decides what a command works on, and anyone who can write a folder above (``/tmp``, a shared disk)
could place one there. As with git's ``safe.directory``, one of another user is not used unless it is trusted.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..core.yaml import documents
from ..errors import InvalidInput, Refused, RegistryError
from ..store import codec
from ..store.layout import Layout


def ensure_private(path: Path, *, private: bool = False) -> None:
    """Raise :class:`Refused` for a file (links are followed) that others can write, or if it is ``private``, read."""
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()):
        raise Refused(f"{path} belongs to another user", "it must be owned by you or root")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Refused(f"{path} can be written by others", f"chmod go-w {path}")
    if private and status.st_mode & (stat.S_IRGRP | stat.S_IROTH):
        raise Refused(f"{path} contains a secret but can be read by others", f"chmod go-r {path}")


#: The user's configuration file, and the list of trusted registries in it.
FILE, KEY = "config.yaml", "trusted_registries"
_MOST = 1 << 20


def ensure_trusted(root: Path, config: Path | None) -> None:
    """Raise :class:`Refused` for a registry of another user that was found by walking upward.

    Allowed are those that a group shares with this user, and those in the list of trusted registries in ``config``.
    """
    if _shares_with_us(root) or is_listed(root, config):
        return
    where = f"{config / FILE}" if config else f"~/.config/registry-cli/{FILE}"
    raise Refused(
        f"the registry in {root} belongs to another user and was not selected explicitly",
        f"name '{root}' with `root` or REGISTRY_HOME, or add it to {KEY} in {where}",
    )


def is_listed(root: Path, config: Path | None) -> bool:
    """Return whether the user's configuration lists a registry: its folder, or one above followed by ``/*``."""
    real = os.path.realpath(root)
    for entry in _list_trusted(config):
        path = str(Path(entry).expanduser())
        if not path.startswith("/"):
            continue
        folder = os.path.realpath(path.removesuffix("/*"))
        if real == folder or (path.endswith("/*") and real.startswith(f"{folder.rstrip('/')}/")):
            return True
    return False


def _list_trusted(config: Path | None) -> list[str]:
    if config is None:
        return []
    path = config / FILE
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST)
    except (FileNotFoundError, NotADirectoryError):
        return []
    ensure_private(path)
    found = documents.loads_mapping(data, str(path)).get(KEY, [])
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise InvalidInput(f"error in {path}: '{KEY}' is not a list of folders", f"for example: {KEY}: [/srv/models]")
    return found


def _shares_with_us(root: Path) -> bool:
    """Whether the registry has ``shared: group``, and its folder's group is one of ours."""
    try:
        ours = root.stat().st_gid in (os.getegid(), *os.getgroups())
        return ours and codec.open_settings(Layout(root)).shared == "group"
    except (RegistryError, OSError):
        return False

"""The user's own folder of settings: what in it may be believed, which is what nobody else can write."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ..errors import Refused

#: The environment variable that names the folder of settings.
CONFIG_VARIABLE = "XDG_CONFIG_HOME"
#: What lies in it: programs and settings of hooks.
HOOKS, HOOK_SETTINGS = "hooks", "hooks.yaml"


def config_folder(environment: Mapping[str, str]) -> Path | None:
    """``registry-cli`` in ``$XDG_CONFIG_HOME``, else in ``~/.config``; None if the user has no home."""
    base = environment.get(CONFIG_VARIABLE, "")
    if base.startswith("/"):
        return Path(base) / "registry-cli"
    home = environment.get("HOME", "")
    return Path(home) / ".config" / "registry-cli" if home.startswith("/") else None


def refuse_foreign(path: Path, *, private: bool = False) -> None:
    """:class:`Refused` for what others could have written; if it is ``private``, also for what they can read.

    Links are followed: what counts is the file that they lead to.
    """
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()):
        raise Refused(f"{path} belongs to somebody else", "it must be yours, or root's")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Refused(f"{path} can be written by others", f"chmod go-w {path}")
    if private and status.st_mode & (stat.S_IRGRP | stat.S_IROTH):
        raise Refused(f"{path} holds a secret, and can be read by others", f"chmod go-r {path}")

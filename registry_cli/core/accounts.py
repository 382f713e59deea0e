"""The names of the system's accounts, and where the settings of a user lie."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

#: The environment variable that names the folder of settings.
CONFIG_VARIABLE = "XDG_CONFIG_HOME"
#: What lies in it: programs and settings of hooks.
HOOKS, HOOK_SETTINGS = "hooks", "hooks.yaml"


def account_name(user: int) -> str:
    """Return the name of the account with this user id; ``uid:1234`` for one without a name."""
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except (KeyError, OverflowError):
        return f"uid:{user}"


def describe_access(path: Path) -> str:
    """Return who may write to a file or folder that this user may not; empty where the file system does not say.

    Of one that does not exist it is the folder around it that counts.
    """
    status = None
    for each in (path, *path.absolute().parents):
        with contextlib.suppress(OSError):
            status = os.lstat(each)
            break
    if status is None:
        return ""
    owner = account_name(status.st_uid)
    if status.st_mode & 0o020 and status.st_gid not in (os.getegid(), *os.getgroups()):
        group = f"gid:{status.st_gid}"
        with contextlib.suppress(
            ImportError, KeyError, OverflowError
        ):  # a Python without it, or a group without a name
            import grp

            group = grp.getgrgid(status.st_gid).gr_name
        return f"only the group '{group}' may write there, and you are not in it; ask {owner}, who owns it"
    return "" if status.st_uid == os.geteuid() else f"it belongs to {owner}"


def config_folder(environment: Mapping[str, str]) -> Path | None:
    """``registry-cli`` in ``$XDG_CONFIG_HOME``, else in ``~/.config``; None if the user has no home."""
    base = environment.get(CONFIG_VARIABLE, "")
    if base.startswith("/"):
        return Path(base) / "registry-cli"
    home = environment.get("HOME", "")
    return Path(home) / ".config" / "registry-cli" if home.startswith("/") else None
